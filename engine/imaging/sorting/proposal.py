"""The case that an import proposes: scans, lesions, and what headers and the user state of tracer and therapy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..pet.header import PetHeader
from .item import Item, SortedVisit
from .resolution import recovery_of
from .therapy import therapy_block
from .tracers import nuclide_of
from .wishes import Wishes


def case_data(
    visits: Sequence[SortedVisit], headers: Sequence[PetHeader], wishes: Wishes, base_dir: Path
) -> dict[str, Any]:
    """A case as plain data, paths relative to ``base_dir``.

    Parameters
    ----------
    visits
        With their scans and lesions.
    headers
        What the headers of the PETs used say.
    wishes
        What the user states.
    base_dir
        Folder of the case file.

    Raises
    ------
    InputError
        The tracer is not known, or not one.
    """
    tracer = wishes.tracer or _tracer_of(headers)
    first = headers[0]
    case: dict[str, Any] = {"patient": wishes.patient}
    if wishes.same_patient:
        case["same_patient"] = True
    activity = wishes.activity or (f"{first.activity_mbq:.6g} MBq" if first.activity_mbq else None)
    therapy = therapy_block(tracer, activity)
    if wishes.therapy is not None:
        therapy = dict(zip(("nuclide", "activity"), wishes.therapy, strict=True))
    if therapy is not None:
        case["therapy"] = therapy
    case["tracer"] = {"nuclide": tracer}
    if activity is not None:
        case["tracer"]["activity"] = activity
    if first.weight_kg:
        case["weight"] = f"{first.weight_kg:g} kg"
    case["visits"] = [_visit(visit, first, wishes, base_dir) for visit in visits]
    case["recovery"] = recovery_of(headers, tracer)[0]
    return case


def _visit(visit: SortedVisit, first: PetHeader, wishes: Wishes, base_dir: Path) -> dict[str, Any]:
    scans = []
    for pair in visit.scans:
        scan = {"pet": _relative(pair.pet.spec, base_dir), "ct": _relative(pair.ct.spec, base_dir)}
        if pair.pet.after_h is not None:
            scan["after"] = f"{pair.pet.after_h:.6g} h"
        scans.append(scan)
    entry: dict[str, Any] = {"name": visit.name, "scans": scans}
    lesions = [_lesions(item, base_dir) for item in visit.lesions]
    entry["lesions"] = lesions[0] if len(lesions) == 1 else lesions
    stated = [p.pet.header.activity_mbq for p in visit.scans if p.pet.header and p.pet.header.activity_mbq]
    activities = {round(value, 3) for value in stated}
    first_mbq = first.activity_mbq if wishes.activity is None and len(activities) == 1 else None
    if first_mbq and abs(min(activities) / first_mbq - 1.0) > 1e-3:
        entry["activity"] = f"{min(activities):.6g} MBq"
    return entry


def _lesions(item: Item, base_dir: Path) -> str | dict[str, Any]:
    """A lesion file as the case names it: the path alone where all of its structures are lesions."""
    path = _relative(item.spec, base_dir)
    return path if item.names is None else {"file": path, "names": list(item.names)}


def _tracer_of(headers: Sequence[PetHeader]) -> str:
    names = {h.tracer for h in headers if h.tracer}
    if not names:
        names = {name for h in headers if (name := nuclide_of(h))}
    if len(names) != 1:
        raise InputError(
            f"different tracers in one case: {', '.join(sorted(names))}"
            if names
            else "the tracer nuclide is not known",
            why="a case has one tracer" if names else "neither the headers nor the file names give it",
            suggestion="import the scans of one tracer" if names else "name it, as --tracer I-124",
            field="tracer.nuclide",
        )
    return names.pop()


def _relative(spec: str, base: Path) -> str:
    """A case path relative to the case file where that is possible."""
    try:
        return Path(os.path.relpath(spec, base.resolve())).as_posix()
    except ValueError:  # another drive
        return spec
