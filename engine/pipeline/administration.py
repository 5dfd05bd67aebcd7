"""What the scans of one visit have in common, since they follow one administration: its activity and its time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..case.model import Case, Visit
from ..errors import InputError
from ..imaging.pet.moments import gap_s
from ..imaging.pet.scan import PetScan
from ..notes import CONTRADICTION, CRITICAL, Note
from ..same import SAME_ACTIVITY, SAME_ADMINISTRATION_S, same_scan


def tracer_activity(case: Case, visit: Visit, pets: Sequence[PetScan]) -> float:
    """The tracer activity of a visit [MBq]: the case's, else that of the headers.

    Raises
    ------
    InputError
        Neither states it, or the headers state different ones.
    """
    given = visit.activity_mbq or case.tracer.activity_mbq
    if given is not None:
        return given
    found = sorted({p.administered_activity_mbq for p in pets if p.administered_activity_mbq})
    if found and found[-1] <= found[0] * (1.0 + SAME_ACTIVITY):
        return found[0]
    if found:
        listed = ", ".join(f"{value:g} MBq" for value in found)
        raise InputError(
            f"the PET headers of visit '{visit.name}' give different administered activities: {listed}",
            why="one administration belongs to one visit",
            suggestion="state it in the case: tracer: {activity: 74 MBq}",
            field="tracer.activity",
        )
    raise InputError(
        f"the administered tracer activity of visit '{visit.name}' is not known",
        why="neither the case nor the PET header gives it, and uptake is measured against it",
        suggestion="state it in the case: tracer: {activity: 74 MBq}",
        field="tracer.activity",
    )


def administrations(pets: Sequence[PetScan], names: Sequence[str]) -> list[str]:
    """A remark where the headers of a visit's scans state administrations at different times."""
    stated = [(pet.given, name) for pet, name in zip(pets, names, strict=True) if pet.given and pet.given.measured]
    for (one, first), (two, second) in pairwise(stated):
        if abs(gap_s(one, two)) > SAME_ADMINISTRATION_S:
            words = (
                f"{first} was scanned after an administration at {one.wall:%Y-%m-%d %H:%M}, {second} after one at "
                f"{two.wall:%Y-%m-%d %H:%M}; one visit is one administration, unless dates were changed"
            )
            return [Note(words, CONTRADICTION, CRITICAL)]
    return []


def check_times(times: np.ndarray, visit: Visit) -> None:
    """Refuse scans at or before the administration, and two that are one.

    Raises
    ------
    InputError
        Naming the visit and the times [h].
    """
    if times[0] <= 0:
        raise InputError(
            f"a scan of visit '{visit.name}' is {times[0]:g} h after administration",
            why="a scan at or before the administration cannot show its uptake",
            suggestion="check 'administered' and the scan's 'after'",
            field="visits.scans.after",
        )
    close = [(a, b) for a, b in pairwise(times) if same_scan(a, b)]
    if close:
        (first, second), *_ = close
        raise InputError(
            f"two scans of visit '{visit.name}' are {3600.0 * (second - first):.3g} s apart, at {first:.6g} h",
            why="that is one scan, perhaps in two reconstructions: no kinetics can be seen between them",
            suggestion="leave one of the two in the case, or give each its own 'after'",
            field="visits.scans.after",
        )


def check_zones(case: Case, visit: Visit, pets: Sequence[PetScan]) -> None:
    """Refuse an administration without a time zone where the scans are in several: it is not known which is meant.

    Raises
    ------
    InputError
        Asking for the offset from UTC.
    """
    given = visit.administered or case.tracer.administered
    offsets = {pet.start.when.utcoffset() for pet in pets if pet.start is not None and pet.start.aware}
    used = any(scan.after_h is None for scan in visit.scans)
    if given is None or given.tzinfo is not None or len(offsets) < 2 or not used:
        return
    raise InputError(
        f"{given.isoformat()} has no time zone, and the scans of visit '{visit.name}' have several",
        why="the clocks were changed between the scans, and an hour more or less is not known",
        suggestion=f"add the offset from UTC, as in {given.isoformat()}+01:00",
        field="administered",
    )
