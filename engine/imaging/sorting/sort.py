"""``hevesy import``: files sorted into scans, visits and lesions, with an account of every choice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...text import counted
from ..dicom.find import files_below, is_dicom, is_volume_file, read_header, require
from ..pet.header import PetHeader, radionuclide_half_life_s
from .inventory import Item, dicom_items, volume_items
from .resolution import recovery_of
from .therapy import therapy_block

#: Scans of one administration are at most this many days apart.
VISIT_DAYS = 12


@dataclass
class Pair:
    """A PET with its CT."""

    pet: Item
    ct: Item


@dataclass
class SortedVisit:
    """The scans of one administration, in order of time, and the lesion file."""

    name: str
    scans: list[Pair]
    lesions: Item | None = None


@dataclass
class Sorted:
    """What was found, what was taken into which visit, and what was left out and why.

    Parameters
    ----------
    items
        Every series and volume file, with its use or why it was left out.
    visits
        The visits that the scans form.
    notes
        What was assumed, one sentence each.
    """

    items: list[Item]
    visits: list[SortedVisit]
    notes: list[str] = field(default_factory=list)

    def account(self) -> list[str]:
        """Lines for the user: everything found, used or skipped."""
        lines = []
        order = sorted(self.items, key=lambda i: (bool(i.skipped), i.visit, i.when or datetime.min, i.kind, i.spec))
        for item in order:
            when = f"{item.when:%Y-%m-%d %H:%M}" if item.when else "no date"
            count = counted(item.files, "file")
            names = f" ({', '.join(item.structures)})" if item.structures else ""
            head = f"{item.kind:8s} {when:16s} {count:10s} {item.spec}{names}"
            lines.append(f"skipped {head}: {item.skipped}" if item.skipped else f"used    {head} -> {item.visit}")
        return lines + [f"note    {text}" for text in self.notes]

    @property
    def headers(self) -> list[PetHeader]:
        """What the headers of the PETs used say, visit by visit."""
        return [pair.pet.header for visit in self.visits for pair in visit.scans if pair.pet.header is not None]

    def to_case_dict(self, base_dir: Path) -> dict[str, Any]:
        """A case as plain data, paths relative to ``base_dir``.

        Raises InputError when no PET/CT pair or no lesion was found, or the tracer is not known.
        """
        if not self.visits:
            raise InputError(
                "no PET with a CT was found",
                why=_reasons(self.items, ("PET", "CT")) or "there are no images",
                suggestion="give the folders of one patient's PET and CT",
                file=base_dir,
            )
        headers = self.headers
        tracer = _tracer_of(headers)
        first = headers[0]
        case: dict[str, Any] = {"patient": "P01"}
        activity = f"{first.activity_mbq:.6g} MBq" if first.activity_mbq else None
        therapy = therapy_block(tracer, activity)
        if therapy is not None:
            case["therapy"] = therapy
        case["tracer"] = {"nuclide": tracer}
        if activity is not None:
            case["tracer"]["activity"] = activity
        if first.weight_kg:
            case["weight"] = f"{first.weight_kg:g} kg"
        case["visits"] = []
        for visit in self.visits:
            if visit.lesions is None:
                raise InputError(
                    f"no lesions were found for visit {visit.name!r}",
                    why=_reasons(self.items, ("RTSTRUCT", "SEG", "lesions"))
                    or "no RTSTRUCT, SEG or label map was found",
                    suggestion="add the RTSTRUCT, SEG or label map to the folders",
                    file=base_dir,
                )
            scans = []
            for pair in visit.scans:
                scan = {"pet": _relative(pair.pet.spec, base_dir), "ct": _relative(pair.ct.spec, base_dir)}
                if pair.pet.after_h is not None:
                    scan["after"] = f"{pair.pet.after_h:.6g} h"
                scans.append(scan)
            entry: dict[str, Any] = {"name": visit.name, "scans": scans}
            entry["lesions"] = _relative(visit.lesions.spec, base_dir)
            activities = {
                round(p.pet.header.activity_mbq, 3) for p in visit.scans if p.pet.header and p.pet.header.activity_mbq
            }
            if len(activities) == 1 and first.activity_mbq and abs(min(activities) / first.activity_mbq - 1.0) > 1e-3:
                entry["activity"] = f"{min(activities):.6g} MBq"
            case["visits"].append(entry)
        case["recovery"] = recovery_of(headers, tracer)[0]
        return case


def sort_folder(folders: Sequence[str | Path]) -> Sorted:
    """Sort everything below some folders (or single files) of ONE patient.

    DICOM files are grouped by series; each usable PET (Bq/mL or SUV, attenuation corrected) is matched with
    a CT by frame of reference, then by study; PETs of one administration form a visit; the lesions are the
    newest RTSTRUCT or SEG in the visit's frame of reference, one drawn on the PET before one drawn on the
    CT. Volumes are told apart by their names (``ct``, ``pet``, ``lesions``; ``24h``).

    Parameters
    ----------
    folders
        Folders, searched to any depth, or single files.

    Returns
    -------
    Sorted
        Visits with their scans and lesions, and what was left out.

    Raises
    ------
    InputError
        For folders that do not exist or hold nothing, and for more than one patient.
    """
    roots = [Path(folder) for folder in folders]
    for root in roots:
        require(root, "folder")
    files = sorted({p.resolve() for root in roots for p in (files_below(root) if root.is_dir() else [root])})
    dicom = [p for p in files if is_dicom(p)]
    volumes = [p for p in files if is_volume_file(p) and p not in set(dicom)]
    if not dicom and not volumes:
        raise InputError(
            "no DICOM files and no volumes were found",
            why=f"{counted(len(files), 'file', ('was', 'were'))} found, none of them an image",
            suggestion="give the folder that holds the exported series",
            file=roots[0] if roots else None,
        )
    items, headers = [], []
    for path in dicom:
        try:
            headers.append(read_header(path))
        except InputError as error:
            items.append(Item("damaged", str(path), 1, skipped=error.why or error.problem))
    patients = {(str(h.dataset.get("PatientID", "")), str(h.dataset.get("PatientName", ""))) for h in headers}
    if len({pid for pid, _ in patients}) > 1:
        raise InputError(
            f"{len({pid for pid, _ in patients})} patients are in these folders",
            why="a case describes one patient; images of several must not be mixed",
            suggestion="run `hevesy import` for each patient's folder",
            file=roots[0],
        )
    items += dicom_items(headers)
    items += volume_items(volumes)
    notes: list[str] = []
    visits = _visits(items, notes)
    others = len(files) - len(dicom) - len(volumes)
    if others:
        notes.append(f"{counted(others, 'other file', ('was', 'were'))} ignored")
    return Sorted(items, visits, notes)


def _visits(items: list[Item], notes: list[str]) -> list[SortedVisit]:
    pets = sorted(
        (i for i in items if i.kind == "PET" and not i.skipped),
        key=lambda i: (i.when or datetime.min, i.after_h or 0.0, i.spec),
    )
    pets = _one_reconstruction(pets)
    cts = [i for i in items if i.kind == "CT" and not i.skipped]
    pairs = []
    for pet in pets:
        ct = _match_ct(pet, cts)
        if ct is None:
            pet.skipped = "no CT in its frame of reference or study"
        else:
            pairs.append(Pair(pet, ct))
    groups: list[list[Pair]] = []
    for pair in pairs:
        if groups and _same_visit(groups[-1][-1].pet, pair.pet):
            groups[-1].append(pair)
        else:
            groups.append([pair])
    visits = []
    for number, group in enumerate(groups):
        name = _visit_name(number, groups[0][0].pet.when, group[0].pet.when)
        visit = SortedVisit(name, group, _match_lesions(group, items))
        for pair in group:
            pair.pet.visit = pair.ct.visit = name
            if pair.pet.header is not None:
                notes += [f"{name}: {text}" for text in (*pair.pet.header.notes, *pair.pet.header.time_notes)]
        if visit.lesions is not None:
            visit.lesions.visit = name
        visits.append(visit)
    for item in items:
        if not item.skipped and not item.visit:
            item.skipped = {
                "CT": "no PET uses it",
                "RTSTRUCT": "no PET/CT used shares its frame of reference",
                "SEG": "no PET/CT used shares its frame of reference",
            }.get(item.kind, "not used")
    return visits


def _one_reconstruction(pets: list[Item]) -> list[Item]:
    """One PET series per scan (same frame and start): one in Bq/mL first, then the one with most slices."""
    chosen: list[Item] = []
    for pet in pets:
        twin = next((k for k in chosen if pet.when and k.frame == pet.frame and k.when == pet.when), None)
        if twin is None:
            chosen.append(pet)
            continue

        def rank(item: Item) -> tuple[bool, int]:
            return (item.header is not None and item.header.units == "BQML", item.files)

        better, worse = (pet, twin) if rank(pet) > rank(twin) else (twin, pet)
        worse.skipped = f"another reconstruction of the same scan was used ({Path(better.spec).name})"
        chosen[chosen.index(twin)] = better
    return chosen


def _match_ct(pet: Item, cts: list[Item]) -> Item | None:
    """The CT in the PET's frame of reference, else of its study; of several the nearest in time."""

    def distance(ct: Item) -> tuple[float, float, int]:
        hours = abs((ct.when - pet.when).total_seconds()) / 3600.0 if ct.when and pet.when else 1e6
        apart = abs(ct.after_h - pet.after_h) if ct.after_h is not None and pet.after_h is not None else 0.0
        return (round(hours, 1), apart, -ct.files)

    same_frame = [ct for ct in cts if ct.frame and ct.frame == pet.frame]
    same_study = [ct for ct in cts if ct.study and ct.study == pet.study and not (ct.frame and pet.frame)]
    candidates = same_frame or same_study
    return min(candidates, key=distance) if candidates else None


def _same_visit(first: Item, second: Item) -> bool:
    one, two = first.header, second.header
    if one is not None and two is not None and one.administered and two.administered:
        return abs((two.administered - one.administered).total_seconds()) < 12 * 3600.0
    if first.when and second.when:
        return (second.when - first.when).days <= VISIT_DAYS
    return first.frame == second.frame


def _visit_name(number: int, first: datetime | None, this: datetime | None) -> str:
    if number == 0:
        return "baseline"
    if first is not None and this is not None:
        return f"week {max(round((this - first).days / 7), 1)} ({this:%Y-%m-%d})"
    return f"visit {number + 1}"


def _match_lesions(group: list[Pair], items: list[Item]) -> Item | None:
    """The structure file of a visit: on the first PET, on its CT, in their frame; then the newest."""
    pet, ct = group[0].pet, group[0].ct
    candidates = [i for i in items if i.kind in ("RTSTRUCT", "SEG", "lesions") and not i.skipped and not i.visit]
    candidates = [i for i in candidates if not i.frame or i.frame in (pet.frame, ct.frame)]
    if not candidates:
        return None

    def rank(item: Item) -> tuple[bool, bool, datetime]:
        return (pet.uid in item.references, ct.uid in item.references, item.when or datetime.min)

    best = max(candidates, key=rank)
    for item in candidates:
        if item is not best:
            on_ct = "drawn on the CT" if ct.uid in best.references else "newer"
            where = "drawn on the PET" if pet.uid in best.references else on_ct
            item.skipped = f"another structure file was used ({where})"
    return best


def _tracer_of(headers: list[PetHeader]) -> str:
    names = {h.tracer for h in headers if h.tracer}
    if not names:
        names = {name for h in headers if (name := _by_half_life(h.half_life_s))}
    if len(names) != 1:
        raise InputError(
            f"different tracers in one case: {', '.join(sorted(names))}"
            if names
            else "the tracer nuclide is not known",
            why="a case has one tracer" if names else "neither the headers nor the file names give it",
            suggestion="import the scans of one tracer, or write the case file by hand",
            field="tracer.nuclide",
        )
    return names.pop()


def _by_half_life(half_life_s: float | None) -> str | None:
    """The PET nuclide of a half-life, when a header gives nothing else."""
    if half_life_s is None:
        return None
    for name in ("F-18", "I-124", "Ga-68", "Cu-64", "Zr-89", "C-11", "Y-90", "I-131"):
        known = radionuclide_half_life_s(name)
        if known and abs(half_life_s / known - 1.0) < 0.01:
            return name
    return None


def _reasons(items: list[Item], kinds: tuple[str, ...]) -> str:
    return "; ".join(f"{i.kind} {Path(i.spec).name}: {i.skipped}" for i in items if i.kind in kinds and i.skipped)


def _relative(spec: str, base: Path) -> str:
    """A case path relative to the case file where that is possible."""
    try:
        return Path(os.path.relpath(spec, base.resolve())).as_posix()
    except ValueError:  # another drive
        return spec
