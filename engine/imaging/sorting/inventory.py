"""Inventory of the DICOM files of a pile: one record per series and structure file, with what makes it unusable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ..dicom.elements import items, text, texts
from ..dicom.find import IMAGE_MODALITIES, Header
from ..dicom.kinds import no_slice, unusable
from ..dicom.members import slices_of
from ..identity import Person
from ..masks.names import listed
from ..masks.read import structures_of
from ..masks.references import CT_CLASSES, PET_CLASSES, contour_images, referenced
from ..pet.header import moment_of, read_pet_header
from .evidence import evidence_of, moments_at_a_place, says_uncorrected
from .item import Item

#: Words of a name or ID that are shorter than this [letters] tell nothing of a patient.
_TELLING = 3
#: SOP classes of scans, whatever Modality says.
_SCAN_CLASSES = {
    **dict.fromkeys(CT_CLASSES, "CT"),
    **dict.fromkeys(PET_CLASSES, "PET"),
    "1.2.840.10008.5.1.4.1.1.20": "NM",
}
#: Modalities of scans, and what the account calls them.
_SCANS = {"PT": "PET", "CT": "CT"}
#: Modalities that hold images of a kind that could be a scan, and what to do with them.
_NOT_READ = {
    "NM": "NM (SPECT) is not read: export it as PET (BQML) or as NIfTI in Bq/mL",
    "MR": "MR is not used",
}


def dicom_items(headers: Sequence[Header], half_life_s: float | None = None) -> list[Item]:
    """One record per image series, and one per file of anything else.

    Parameters
    ----------
    headers
        Of every DICOM file, in the order of their paths.
    half_life_s
        Of the tracer [s], where the user states it.
    """
    series: dict[str, list[Header]] = {}
    found: list[Item] = []
    for header in headers:
        if header.modality in IMAGE_MODALITIES:
            series.setdefault(header.series, []).append(header)
        else:
            found.append(_other_item(header))
    folders: dict[Path, set[str]] = {}
    for uid, members in series.items():
        for header in members:
            folders.setdefault(header.path.parent, set()).add(uid)
    for members in series.values():
        found += _series_items(members, folders, half_life_s)
    return found


def _series_items(members: Sequence[Header], folders: dict[Path, set[str]], half_life_s: float | None) -> list[Item]:
    """The record of a series, and one for each kind of images in it that are no slices (a localizer, a screenshot)."""
    if members[0].modality not in _SCANS:
        return [_unread_item(members, folders)]
    reasons = {header.path: reason for header in members if (reason := no_slice(header))}
    own = [header for header in members if header.path not in reasons]
    strays = [header for header in members if header.path in reasons] if own else []
    item = _image_item(own or members, folders, half_life_s)
    found = [item]
    for reason in dict.fromkeys(reasons[header.path] for header in strays):
        same = [header for header in strays if reasons[header.path] == reason]
        stray = Item(item.kind, str(same[0].path), len(same), _when(same), item.frame, item.uid, item.study)
        stray.skipped = f"{reason} in the series of {item.label}"
        found.append(stray)
    return found


def _item(members: Sequence[Header], folders: dict[Path, set[str]]) -> Item:
    """The record of images of one series, with nothing decided."""
    first = members[0]
    kind = _SCANS.get(first.modality, first.modality)
    count = len({header.path for header in members})
    item = Item(kind, _series_spec(members, folders), count, _when(members), first.frame_of_reference, first.series)
    item.study, item.description = text(first.dataset, "StudyInstanceUID"), _described(first)
    item.maybe_scan = kind == "PET"
    return item


def _unread_item(members: Sequence[Header], folders: dict[Path, set[str]]) -> Item:
    item = _item(members, folders)
    item.skipped, item.maybe_scan = _NOT_READ[item.kind], item.kind == "NM"
    return item


def _image_item(members: Sequence[Header], folders: dict[Path, set[str]], half_life_s: float | None) -> Item:
    """The record of a CT or PET: its slices, or why they are no volume."""
    try:
        slices = slices_of(members, _SCANS[members[0].modality])
    except InputError as error:
        item = _item(members, folders)
        item.skipped = _said(error)
        item.picture = bool(unusable(members))
        return item
    item = _item(slices, folders)
    item.notes += [f"{item.label}: {note}" for note in slices.notes]
    item.evidence = evidence_of(slices)
    moments = moments_at_a_place(slices)
    if len(slices) < 2:
        item.skipped, item.picture = "a single slice", True
    elif moments > 1:
        item.skipped = (
            f"{moments} images lie at each place (a dynamic or gated series, or several joined): "
            "export one static series"
        )
    elif "REPROJECTION" in (word.upper() for word in texts(slices[0].dataset, "SeriesType")):
        item.skipped, item.picture = "a projection (SeriesType REPROJECTION)", True
    elif item.kind == "PET":
        _read_pet_item(item, slices, half_life_s)
    return item


def _said(error: InputError) -> str:
    """A refusal as the reason why something is left out."""
    problem = error.problem.rpartition("series is no volume: ")[2]
    return f"{problem}; {error.suggestion}" if error.suggestion and problem == error.problem else problem


def _read_pet_item(item: Item, members: Sequence[Header], half_life_s: float | None) -> None:
    """What the header of a PET says, and whether it can be turned into an activity concentration."""
    try:
        item.header = read_pet_header(members, item.spec, half_life_s)
    except InputError as error:
        item.skipped = _said(error)
        return
    item.when = item.header.scan_start or item.when
    if item.evidence is not None and item.evidence.corrected is False:
        item.skipped = f"not corrected for attenuation: {item.evidence.correction}"
        item.weak = item.evidence.by_words
    elif item.evidence is not None and item.evidence.correction and says_uncorrected(item.description):
        item.notes.append(
            f"{item.label}: its description {item.description!r} sounds uncorrected, and {item.evidence.correction}"
        )


def _described(header: Header) -> str:
    """The description of a series; empty where it holds words of the patient's name or ID."""
    person, words = Person.of(header.dataset), header.description.casefold()
    private = {word for word in (person.number, *person.names) if len(word) >= _TELLING}
    return "" if any(word in words for word in private) else header.description


def _when(members: Iterable[Header]) -> datetime | None:
    """When images were taken: the first acquisition, else the series, else the study."""
    acquired, series = [], []
    for header in members:
        data = header.dataset
        day = text(data, "AcquisitionDate") or text(data, "SeriesDate") or text(data, "StudyDate")
        if (moment := moment_of(day, text(data, "AcquisitionTime"))) is not None:
            acquired.append(moment)
        day = text(data, "SeriesDate") or text(data, "StudyDate")
        if (moment := moment_of(day, text(data, "SeriesTime") or text(data, "StudyTime"))) is not None:
            series.append(moment)
    return min(acquired or series, default=None)


def _series_spec(members: Sequence[Header], folders: dict[Path, set[str]]) -> str:
    """The folder of a series, with its UID where the folder holds others too, or where it lies in several."""
    uid = members[0].series
    parents = {header.path.parent for header in members}
    if len(parents) == 1:
        parent = parents.pop()
        return str(parent) if folders[parent] == {uid} else f"{parent}#{uid}"
    return f"{os.path.commonpath([str(p) for p in parents])}#{uid}"


def _other_item(header: Header) -> Item:
    """The record of a file that is no image series: a structure file, a report, a presentation state."""
    data = header.dataset
    item = Item(header.modality, str(header.path), 1, None, header.frame_of_reference, header.series)
    item.study, item.description = text(data, "StudyInstanceUID"), _described(header)
    item.when = moment_of(
        text(data, "StructureSetDate") or text(data, "SeriesDate") or text(data, "StudyDate"),
        text(data, "StructureSetTime") or text(data, "SeriesTime") or text(data, "StudyTime"),
    )
    if header.modality in ("RTSTRUCT", "SEG"):
        _read_structures(item, header)
    elif (sop_class := text(data, "SOPClassUID")) in _SCAN_CLASSES:
        what = _SCAN_CLASSES[sop_class]
        stated = repr(header.modality) if header.modality else "empty"
        item.skipped = f"its Modality is {stated} and its SOP class that of {what}: correct Modality"
        item.maybe_scan = what != "CT"
    else:
        item.skipped = f"modality {header.modality or 'unknown'} is not used"
    return item


def _read_structures(item: Item, header: Header) -> None:
    """What an RTSTRUCT or SEG was drawn on, and which of its structures are lesions."""
    data = header.dataset
    refers = referenced(data)
    own = {text(roi, "ReferencedFrameOfReferenceUID") for roi in items(data, "StructureSetROISequence")}
    item.frames = refers.frames | (own - {""})
    first = [one for roi in items(data, "ROIContourSequence") for one in list(items(roi, "ContourSequence"))[:1]]
    item.references, item.instances = refers.series, refers.instances | contour_images(first)[0]
    try:
        lesions, left = structures_of(header)
    except InputError as error:
        item.skipped = _said(error)
        return
    item.structures = tuple(lesions)
    if left:
        item.names = item.structures
        kinds = dict.fromkeys(why for _, why in left)
        shown = "; ".join(f"{listed([name for name, why in left if why == kind])} ({kind})" for kind in kinds)
        item.notes.append(f"{item.label}: no lesions, left out: {shown}")
    if text(data, "ApprovalStatus").upper() == "REJECTED":
        item.skipped = "its ApprovalStatus is REJECTED"
    elif not lesions:
        item.skipped = "it holds no lesion" if left else "it holds no structure"
