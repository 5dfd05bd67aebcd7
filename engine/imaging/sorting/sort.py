"""``hevesy import``: files sorted into scans, visits and lesions, with an account of every choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...progress import Progress
from ...same import SAME_SCAN_S
from ...text import counted, printable
from ..dicom.elements import text
from ..identity import patients_of, require_one_patient
from ..pet.header import PetHeader, radionuclide_half_life_s
from .choice import match_ct, one_per_scan, one_per_session
from .inventory import dicom_items
from .item import LEFT_KINDS, LESION_KINDS, Item, Pair, SortedVisit, word_for
from .lesions import match_lesions
from .pile import Pile, pile_of
from .proposal import case_data
from .tracers import by_tracer, leave_other_tracers, several_tracers, tracer_of
from .volumes import subjects, volume_items
from .wishes import Wishes

#: Scans of one administration are at most this many days apart.
VISIT_DAYS = 12
#: Files that are left out for one reason in one folder are listed one by one up to this many.
LISTED = 3


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
    root
        The first of the folders that were searched.
    wishes
        What the user stated beside the files.
    refusal
        Why no case can be made of it; None where nothing stands against one.
    without_lesions
        Scans of visits that are left out since no lesions were found for them.
    """

    items: list[Item]
    visits: list[SortedVisit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    root: Path | None = None
    wishes: Wishes = Wishes()
    refusal: InputError | None = None
    without_lesions: list[list[Pair]] = field(default_factory=list)

    def account(self) -> list[str]:
        """Lines for the user: everything found, used or skipped."""
        order = sorted(self.items, key=lambda i: (bool(i.skipped), i.visit, i.when or datetime.min, i.kind, i.spec))
        groups: dict[tuple[str, ...], list[Item]] = {}
        for item in order:
            alike = (item.kind, item.skipped, str(Path(item.spec).parent)) if item.skipped else (item.spec, item.uid)
            groups.setdefault(alike, []).append(item)
        lines = []
        for items in groups.values():
            lines += [item.line() for item in items[: LISTED if len(items) > LISTED + 1 else None]]
            if len(items) > LISTED + 1:
                rest = counted(len(items) - LISTED, "more of the kind", ("", "")).replace("kinds", "kind").strip()
                lines.append(f"skipped {items[0].kind:8s} {rest}: {items[0].skipped}")
        return lines + [f"note    {note}" for note in dict.fromkeys(self.notes)]

    @property
    def headers(self) -> list[PetHeader]:
        """What the headers of the PETs used say, visit by visit."""
        return [pair.pet.header for visit in self.visits for pair in visit.scans if pair.pet.header is not None]

    def losses(self) -> list[str]:
        """What is left out and may be a scan of another time or a lesion, and what that does: one sentence each."""
        scans = [pair.pet for visit in self.visits for pair in visit.scans]
        lost = [item for item in self.items if item.skipped and item.maybe_scan and not _shown_by(item, scans)]
        lines = [
            f"left out: {item.kind} {item.label} with {', '.join(map(printable, item.lost))}, which no file used "
            f"holds: {item.skipped}; --take {word_for(item, self.items)} takes it, and one --take for each several"
            for item in self.items
            if item.lost and item.skipped
        ]
        for group in self.without_lesions:
            pets = [pair.pet for pair in group]
            tracer = tracer_of(pets[0])
            lines.append(
                f"left out: a visit of {counted(len(pets), 'scan')} ({', '.join(pet.label for pet in pets[:LISTED])}, "
                f"{pets[0].time_text}{f', {tracer}' if tracer else ''}): no RTSTRUCT, SEG or label map was found for it"
            )
        if not lost:
            return lines
        for item in lost[:LISTED]:
            what = (
                "may hold a scan or a part of one" if item.kind not in ("PET", "NM") else f"a scan ({item.time_text})"
            )
            lines.append(f"left out: {item.kind} {item.label}, {what}: {item.skipped}")
        if len(lost) > LISTED:
            lines.append(f"and {len(lost) - LISTED} more that may be scans are left out, as listed above")
        for visit in self.visits:
            count = len(visit.scans)
            effect = (
                "with one scan the effective half-life is assumed, not measured"
                if count == 1
                else "another scan would change the effective half-lives, the doses and perhaps the verdict"
            )
            lines.append(f"{visit.name}: the kinetics rest on {counted(count, 'scan')} alone; {effect}")
        return lines

    def open_points(self) -> list[str]:
        """What a reader of the case should know: scans that are left out, and choices between equals."""
        return self.losses() + [note for note in dict.fromkeys(self.notes) if "--take" in note]

    def to_case_dict(self, base_dir: Path) -> dict[str, Any]:
        """A case as plain data, paths relative to ``base_dir``.

        Parameters
        ----------
        base_dir
            Folder of the case file.

        Raises
        ------
        InputError
            No PET with a CT, or no lesion was found; the tracer is not known; what stands against a case (`refusal`).
        """
        if self.refusal is not None:
            raise self.refusal
        if not self.visits:
            raise InputError(
                "no PET with a CT was found",
                why=_reasons(self.items, ("PET", "CT", *LEFT_KINDS)) or "there are no images of PET and CT",
                suggestion="give the folders of one patient's PET and CT",
                file=self.root,
            )
        for visit in self.visits:
            if not visit.lesions:
                raise InputError(
                    f"no lesions were found for visit {visit.name!r}",
                    why=_reasons(self.items, LESION_KINDS) or "no RTSTRUCT, SEG or label map was found",
                    suggestion="add the RTSTRUCT, SEG or label map to the folders",
                    file=self.root,
                )
        return case_data(self.visits, self.headers, self.wishes, base_dir)


def sort_folder(
    folders: Sequence[str | Path],
    wishes: Wishes | None = None,
    beside: Path | None = None,
    progress: Progress | None = None,
) -> Sorted:
    """Sort everything below some folders (or single files) of ONE patient.

    DICOM files are grouped by series. A PET is usable in Bq/mL or SUV and corrected for attenuation; of several
    reconstructions of one scan one is taken (:mod:`.choice`), and matched with the CT in its frame of reference, else
    of its study, that covers it. PETs of one administration form a visit. Its lesions are the structures drawn on the
    PET, on the CT, or in their frame of reference (:mod:`.lesions`). Volumes are told apart by their names (``ct``,
    ``pet``, ``lesions``; ``24h``).

    Parameters
    ----------
    folders
        Folders, searched to any depth, single files, or ZIP files.
    wishes
        What the user states beside the files.
    beside
        Folder in which ZIP files are unpacked; None: they are left out.
    progress
        Called while headers are read.

    Returns
    -------
    Sorted
        Visits with their scans and lesions, and what was left out; with its `refusal` where the files are of several
        patients, hold no image, or leave a choice to the user.

    Raises
    ------
    InputError
        For folders that do not exist, and ZIP files that cannot be unpacked.
    """
    wishes = wishes or Wishes()
    pile = pile_of(folders, beside, progress)
    items = [
        *pile.left,
        *dicom_items(pile.headers, radionuclide_half_life_s(wishes.tracer)),
        *volume_items(pile.volumes),
    ]
    found = Sorted(items, notes=list(pile.notes), root=pile.root, wishes=wishes)
    if pile.others:
        found.notes.append(f"{counted(pile.others, 'other file', ('was', 'were'))} ignored")
    try:
        _require_images(pile)
        _require_one_patient(pile, wishes, found.notes)
        found.notes += wishes.apply(items)
        series_of = {uid: h.series for h in pile.headers if (uid := text(h.dataset, "SOPInstanceUID"))}
        found.visits = _visits(items, series_of, wishes, found)
    except InputError as error:
        found.refusal = error
        for item in items:
            item.skipped = item.skipped or "nothing was decided"
    for item in items:
        found.notes += item.notes
    return found


def _require_images(pile: Pile) -> None:
    if pile.headers or pile.volumes:
        return
    named = "; ".join(f"{item.kind} {item.label}: {item.skipped}" for item in pile.left[:LISTED])
    others = f"{counted(pile.others, 'file', ('was', 'were'))} found, none of them an image"
    raise InputError(
        "no DICOM files and no volumes were found",
        why=named or others,
        suggestion="give the folder that holds the exported series",
        file=pile.root,
    )


def _require_one_patient(pile: Pile, wishes: Wishes, notes: list[str]) -> None:
    if wishes.same_patient:
        if len(patients_of(pile.headers)) > 1:
            notes.append("the files name several patients; --same-patient says that they are one")
        return
    if len(names := subjects(pile.volumes)) > 1:
        raise InputError(
            f"the volumes are of {len(names)} subjects: {', '.join(names[:LISTED])}{' ...' if names[LISTED:] else ''}",
            why="a case describes one patient; images of several must not be mixed",
            suggestion="run `hevesy import` for each subject's folder",
            file=pile.root,
        )
    advice = "run `hevesy import` for each patient's folder, or add --same-patient where it is one person"
    require_one_patient(pile.headers, pile.root, advice)


def _visits(items: list[Item], series_of: dict[str, str], wishes: Wishes, found: Sorted) -> list[SortedVisit]:
    pets = sorted(
        (i for i in items if i.kind == "PET" and not i.skipped),
        key=lambda i: (i.when or datetime.min, i.hours or 0.0, i.spec),
    )
    leave_other_tracers(pets, wishes)
    cts = [i for i in items if i.kind == "CT" and not i.skipped]
    reasons: dict[str, str] = {}
    groups: list[list[Pair]] = []
    for own in by_tracer([pet for pet in pets if not pet.skipped], wishes):
        groups += _by_administration(_pairs(own, cts, reasons, wishes, found.notes))
    groups.sort(key=lambda group: group[0].pet.when or datetime.min)
    lesions = match_lesions(groups, items, series_of, wishes, found.notes)
    visits = _named(groups, lesions, reasons, found)
    tracers = {tracer_of(visit.scans[0].pet) for visit in visits}
    if wishes.tracer is None and len(tracers) > 1:
        raise several_tracers([pair.pet for visit in visits for pair in visit.scans])
    for visit in visits:
        for item in (*(scan for pair in visit.scans for scan in (pair.pet, pair.ct)), *visit.lesions):
            item.visit = visit.name
        for pair in visit.scans:
            found.notes += _remarks(visit.name, pair.pet)
    elsewhere = "no PET/CT used shares its frame of reference"
    for item in items:
        if not item.skipped and not item.visit:
            if item.kind == "CT":
                item.skipped = reasons.get(item.spec, "no PET uses it")
            else:
                item.skipped = elsewhere if item.kind in ("RTSTRUCT", "SEG") else "not used"
    return visits


def _pairs(
    pets: Sequence[Item], cts: Sequence[Item], reasons: dict[str, str], wishes: Wishes, notes: list[str]
) -> list[Pair]:
    """One PET of each session with its CT; ``reasons`` gets why other CTs were not taken."""
    pairs = []
    for pet in one_per_scan(pets, cts, wishes, notes):
        ct, why = match_ct(pet, cts, wishes, notes)
        reasons |= why
        if ct is None:
            pet.skipped = "no CT in its frame of reference or study"
        else:
            pairs.append(Pair(pet, ct))
    return one_per_session(pairs, wishes)


def _named(
    groups: Sequence[list[Pair]], lesions: Sequence[list[Item]], reasons: dict[str, str], found: Sorted
) -> list[SortedVisit]:
    """The visits with lesions, by name; those without are left out where there are others."""
    visits: list[SortedVisit] = []
    first = next((group for group, own in zip(groups, lesions, strict=True) if own), groups[0] if groups else [])
    for group, own in zip(groups, lesions, strict=True):
        if not own and any(lesions):
            found.without_lesions.append(group)
            for pair in group:
                pair.pet.skipped, pair.pet.maybe_scan = "no lesions were found for this scan or its visit", False
                reasons.setdefault(pair.ct.spec, "the PET that needs it is left out: no lesions were found for it")
        else:
            visits.append(SortedVisit(_visit_name(len(visits), first[0].pet.when, group[0].pet.when), group, own))
    return visits


def _remarks(visit: str, pet: Item) -> list[str]:
    """What the header of a PET leaves open, and values in it that cannot be right."""
    header = pet.header
    if header is None:
        return []
    refused = [
        f"{pet.label}: {error.problem} ({error.field}): {error.suggestion}, or the case cannot be run"
        for error in header.impossible.values()
    ]
    return [f"{visit}: {note}" for note in (*header.notes, *header.time_notes, *refused)]


def _by_administration(pairs: Sequence[Pair]) -> list[list[Pair]]:
    groups: list[list[Pair]] = []
    for pair in pairs:
        if groups and _same_visit(groups[-1][-1].pet, pair.pet):
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return groups


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


def _shown_by(item: Item, scans: Iterable[Item]) -> bool:
    """Whether a scan that is used shows the moment of one that is not, so that the kinetics lack nothing."""
    return any(_same_moment(item, scan) for scan in scans)


def _same_moment(item: Item, scan: Item) -> bool:
    same_study = bool(item.study) and item.study == scan.study
    if item.when is not None and scan.when is not None:
        apart = abs((item.when - scan.when).total_seconds())
        return apart < SAME_SCAN_S or (item.picture and same_study and item.when.date() == scan.when.date())
    if item.picture and item.when is None and same_study:
        return True
    return item.hours is not None and item.hours == scan.hours


def _reasons(items: list[Item], kinds: tuple[str, ...]) -> str:
    """Why the items of some kinds were left out, each reason once."""
    shown: dict[str, list[str]] = {}
    for item in items:
        if item.kind in kinds and item.skipped:
            shown.setdefault(item.skipped, []).append(f"{item.kind} {item.label}")
    return "; ".join(
        f"{', '.join(names[:LISTED])}{' ...' if len(names) > LISTED else ''}: {reason}"
        for reason, names in list(shown.items())[: 2 * LISTED]
    )
