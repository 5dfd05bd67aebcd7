"""Inventory of a pile of files: one record per series, structure file and volume."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ..dicom.find import IMAGE_MODALITIES, Header
from ..pet.header import PetHeader, moment_of, nuclide_name, read_pet_header


@dataclass
class Item:
    """One series, structure file or volume that was found.

    ``kind`` is PET, CT, RTSTRUCT, SEG or another modality; ``spec`` the path for the case (``folder#UID``
    where a folder holds several image series); ``skipped`` says why it was not used, and is empty
    where it was.
    """

    kind: str
    spec: str
    files: int
    when: datetime | None = None
    frame: str | None = None
    uid: str = ""
    study: str = ""
    skipped: str = ""
    visit: str = ""
    after_h: float | None = None
    references: frozenset[str] = frozenset()
    structures: tuple[str, ...] = ()
    header: PetHeader | None = None


def dicom_items(headers: list[Header]) -> list[Item]:
    by_series: dict[str, list[Header]] = {}
    for header in headers:
        key = header.series if header.modality in IMAGE_MODALITIES else str(header.path)
        by_series.setdefault(key, []).append(header)
    image_parents: dict[Path, set[str]] = {}
    for header in headers:
        if header.modality in IMAGE_MODALITIES:
            image_parents.setdefault(header.path.parent, set()).add(header.series)
    items = []
    for members in by_series.values():
        first = members[0]
        data = first.dataset
        when = moment_of(
            data.get("SeriesDate") or data.get("StructureSetDate") or data.get("StudyDate"),
            data.get("SeriesTime") or data.get("StructureSetTime") or data.get("StudyTime"),
        )
        item = Item(first.modality, str(first.path), len(members), when, first.frame_of_reference, first.series)
        item.study = str(data.get("StudyInstanceUID", ""))
        if first.modality in IMAGE_MODALITIES:
            item.spec = _series_spec(members, image_parents)
        if first.modality == "PT":
            _read_pet_item(item, members)
        elif first.modality == "CT":
            if len(members) < 2:
                item.skipped = "a single slice (localizer)"
            elif "LOCALIZER" in [str(v) for v in data.get("ImageType", [])]:
                item.skipped = "a localizer"
        elif first.modality in ("RTSTRUCT", "SEG"):
            _read_structure_item(item, first)
        else:
            item.skipped = f"modality {first.modality or 'unknown'} is not used"
        items.append(item)
    return items


def _series_spec(members: list[Header], image_parents: dict[Path, set[str]]) -> str:
    parents = {h.path.parent for h in members}
    if len(parents) == 1:
        parent = parents.pop()
        return str(parent) if len(image_parents[parent]) == 1 else f"{parent}#{members[0].series}"
    return f"{os.path.commonpath([str(p) for p in parents])}#{members[0].series}"


def _read_pet_item(item: Item, members: list[Header]) -> None:
    item.kind = "PET"
    try:
        item.header = read_pet_header(members, item.spec)
    except InputError as error:
        item.skipped = error.problem
        return
    item.when = item.header.scan_start or item.when
    corrected = members[0].dataset.get("CorrectedImage")
    listed = [corrected] if isinstance(corrected, str) else [str(v) for v in corrected or []]
    if listed and "ATTN" not in listed:
        item.skipped = "not corrected for attenuation"


def _read_structure_item(item: Item, header: Header) -> None:
    """Frame of reference, referenced series and structure names of an RTSTRUCT or SEG."""
    data = header.dataset
    references: set[str] = set()
    if header.modality == "RTSTRUCT":
        rois = list(data.get("StructureSetROISequence") or [])
        item.structures = tuple(str(r.get("ROIName", "")) for r in rois)
        frames = {str(r.get("ReferencedFrameOfReferenceUID", "") or "") for r in rois} - {""}
        item.frame = frames.pop() if len(frames) == 1 else item.frame
        for frame in data.get("ReferencedFrameOfReferenceSequence") or []:
            for study in frame.get("RTReferencedStudySequence") or []:
                for series in study.get("RTReferencedSeriesSequence") or []:
                    references.add(str(series.get("SeriesInstanceUID", "")))
    else:
        item.structures = tuple(str(s.get("SegmentLabel", "")) for s in data.get("SegmentSequence") or [])
        for series in data.get("ReferencedSeriesSequence") or []:
            references.add(str(series.get("SeriesInstanceUID", "")))
    item.references = frozenset(references)
    if not item.structures:
        item.skipped = "it holds no structure"


def _nuclide_in_name(words: list[str]) -> str | None:
    """A nuclide in the words of a file name, where case says nothing (``i124``, ``18f``)."""
    cased = (re.sub(r"(?<=\d)([a-z])", lambda m: m.group(1).upper(), word.capitalize()) for word in words)
    return next((name for word in cased if (name := nuclide_name(word))), None)


_NAME_KINDS = (
    ("lesions", r"lesion|label|mask|seg|roi|gtv|voi"),
    ("PET", r"pet|pt|suv|bqml"),
    ("CT", r"ct|hu"),
)


def volume_items(paths: list[Path]) -> list[Item]:
    """Volumes, distinguished by the words in their names."""
    items = []
    for path in paths:
        words = re.split(r"[^a-z0-9.]+", re.sub(r"\.(nii(\.gz)?|mha|mhd|nrrd|nhdr)$", "", path.name.lower()))
        kind = next(
            (k for k, pattern in _NAME_KINDS if any(re.fullmatch(rf"({pattern})(s|mentation)?\d*", w) for w in words)),
            "volume",
        )
        item = Item(kind, str(path), 1, frame=f"folder {path.parent}", uid=str(path))
        hours = re.search(r"(\d+(?:\.\d+)?) ?(h|hr|hours)(?![a-z])", path.name.lower().replace("_", " "))
        if kind == "volume":
            item.skipped = "its name indicates neither PET, CT nor lesions"
        if kind == "PET":
            item.header = PetHeader("BQML", "START", tracer=_nuclide_in_name(words))
        if hours:
            item.after_h = float(hours.group(1))
        items.append(item)
    return items
