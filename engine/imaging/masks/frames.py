"""Frames of a DICOM segmentation: how far their slices are apart, and whether its elements agree with them.

A segmentation usually holds the slices alone on which it has something, so that the distances of its frames are not
those of its slices: two frames 14 mm apart may be a slice each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...notes import CAUTION, Note
from ...same import EVEN_MM, EVEN_MOST, EVEN_SHARE, SAME_PLANE_MM
from ..dicom.elements import compressed, items, number, numbers, text
from .references import CaseImage, Referenced, image_of, images_named

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Frames this many times as far apart as their slices are thick leave slices out: their distance is not the slices'.
LEFT_OUT = 1.5


def set_slice_distance(data: Dataset, images: Sequence[CaseImage], refers: Referenced, file: Path) -> list[Note]:
    """State the distance of the slices in a segmentation that does not state it.

    It is that of the image of the case that the segmentation was drawn on; else the thickness of its slices; else the
    distance of frames that follow each other closely. Each counts only where all frames lie on such slices.

    Parameters
    ----------
    data
        The segmentation; its Spacing Between Slices is set.
    images, refers
        The images of the case, and what the segmentation refers to.
    file
        For messages.

    Returns
    -------
    list of Note
        How the distance was found, where the segmentation leaves it open.

    Raises
    ------
    InputError
        Nothing tells how far apart its slices are.
    """
    groups = [*items(data, "SharedFunctionalGroupsSequence")[:1], *items(data, "PerFrameFunctionalGroupsSequence")]
    measures = [one for group in groups for one in items(group, "PixelMeasuresSequence")[:1]]
    axes = _axes(groups)
    if not measures or axes is None:
        return []  # what is missing is said where it is decoded
    places = _places(groups, axes[2])
    stated = number(measures[0], "SpacingBetweenSlices")
    pixel = numbers(measures[0], "PixelSpacing")
    thickness = number(measures[0], "SliceThickness") or None
    drawn = image_of(images, refers, _sources(groups))
    own = _slices_of(drawn, axes, pixel) if drawn is not None else None
    if stated is not None and stated > 0.0 and _on_slices(places, stated):
        if own is None or stated <= LEFT_OUT * own or not _on_slices(places, own):
            return []
        told = f"the segmentation states slices {stated:.3g} mm apart, those of the image that it refers to are"
        return [Note(f"{told} {own:.3g} mm apart; its own words were believed", weight=CAUTION)]
    step, notes = _distance(places, own, thickness, file)
    for one in measures:
        one.SpacingBetweenSlices = step
    return notes


def _distance(places: np.ndarray, image: float | None, thickness: float | None, file: Path) -> tuple[float, list[Note]]:
    """Distance of the slices [mm], from that of the image and their thickness."""
    if image is not None and _on_slices(places, image):
        return image, []
    told = "the segmentation does not state how far its slices are apart"
    gaps = np.diff(places)
    least = float(gaps.min()) if len(gaps) else None
    if thickness is not None and thickness > 0.0:
        if _on_slices(places, thickness):
            return thickness, [Note(f"{told}; taken as their thickness, {thickness:.3g} mm", weight=CAUTION)]
        if least is not None and len(gaps) > 1 and least <= LEFT_OUT * thickness and _on_slices(places, least):
            text_ = f"{told}; taken as the least distance of its frames, {least:.3g} mm (thickness {thickness:.3g} mm)"
            return least, [Note(text_, weight=CAUTION)]
    raise InputError(
        told,
        why="the volume of a lesion depends on it, and "
        + ("its only frame does not show it" if least is None else "its frames leave slices out"),
        suggestion="give the image that it was drawn on, or export it again with SpacingBetweenSlices",
        file=file,
        field="SpacingBetweenSlices",
    )


def _on_slices(places: np.ndarray, step: float) -> bool:
    """Whether all places [mm] lie on slices this far apart."""
    if not step > SAME_PLANE_MM:
        return False
    off = (places - places[0]) / step if len(places) else places
    return bool(np.all(np.abs(off - np.rint(off)) * step <= min(max(EVEN_SHARE * step, EVEN_MM), EVEN_MOST * step)))


def _axes(groups: Sequence[Dataset]) -> np.ndarray | None:
    """Unit vectors along rows, along columns and across the slices as rows (3, 3); None where none are stated."""
    for group in groups:
        for one in items(group, "PlaneOrientationSequence")[:1]:
            cosines = numbers(one, "ImageOrientationPatient")
            if len(cosines) == 6:
                along, down = np.reshape(cosines, (2, 3))
                return np.array([along, down, np.cross(along, down)])
    return None


def _places(groups: Sequence[Dataset], normal: np.ndarray) -> np.ndarray:
    """Places of the frames across the slices [mm], each once, in order."""
    found: list[float] = []
    for group in groups:
        for one in items(group, "PlanePositionSequence")[:1]:
            position = numbers(one, "ImagePositionPatient")
            found += [float(np.dot(position, normal))] if len(position) == 3 else []
    places = np.sort(found)
    return places[np.concatenate([[True], np.diff(places) > SAME_PLANE_MM])] if len(places) else places


def _slices_of(image: CaseImage, axes: np.ndarray, pixel: Sequence[float]) -> float | None:
    """Distance of an image's slices [mm] where the segmentation has its pixels; None where it has a grid of its own."""
    across, down, along = (image.slice_mm(axes[k]) for k in (2, 1, 0))
    if across is None or down is None or along is None or len(pixel) != 2:
        return None
    same = all(abs(a - b) <= EVEN_SHARE * b for a, b in zip(pixel, (down, along), strict=True))
    return across if same else None


def _sources(groups: Sequence[Dataset]) -> frozenset[str]:
    """Instances that the frames say they were derived from."""
    derived = [one for group in groups for one in items(group, "DerivationImageSequence")]
    return images_named([image for one in derived for image in items(one, "SourceImageSequence")])


def check_elements(data: Dataset, file: Path) -> None:
    """Refuse a segmentation whose elements contradict its frames, naming the element.

    Parameters
    ----------
    data
        The segmentation with its pixels.
    file
        For messages.

    Raises
    ------
    InputError
        Pixels that are cut or missing, fewer groups than frames, values above the stated largest, frames of a segment
        that is not described.
    """
    for check in (_segments_fault, _frames_fault, _pixels_fault, _values_fault):
        found = check(data)
        if found:
            field, problem, why = found
            raise InputError(problem, why=why, suggestion="export the segmentation again", file=file, field=field)


_Fault = tuple[str, str, str]


def _segments_fault(data: Dataset) -> _Fault | None:
    """Frames of segments that are not described."""
    groups = [*items(data, "SharedFunctionalGroupsSequence")[:1], *items(data, "PerFrameFunctionalGroupsSequence")]
    shown = {
        number(one, "ReferencedSegmentNumber")
        for group in groups
        for one in items(group, "SegmentIdentificationSequence")
    }
    described = {number(one, "SegmentNumber") for one in items(data, "SegmentSequence")}
    lost = sorted(n for n in shown - described if n is not None)
    if not lost:
        return None
    listed = ", ".join(f"{n:g}" for n in sorted(n for n in described if n is not None)) or "none"
    return (
        "ReferencedSegmentNumber",
        f"frames show the segment {lost[0]:g}, which the segmentation does not describe",
        f"its segments have the numbers {listed} (SegmentNumber), and what these frames show is not known",
    )


def _frames_fault(data: Dataset) -> _Fault | None:
    frames, groups = number(data, "NumberOfFrames"), items(data, "PerFrameFunctionalGroupsSequence")
    if frames is not None and frames == len(groups):
        return None
    return (
        "NumberOfFrames",
        f"NumberOfFrames is {'absent' if frames is None else f'{frames:g}'}, and {len(groups)} frames are described",
        "which pixels belong to which frame is not clear",
    )


def _pixels_fault(data: Dataset) -> _Fault | None:
    """Fewer pixels than the frames need; of compressed ones the decoder judges."""
    if "PixelData" not in data:
        return ("PixelData", "the segmentation has no pixels (PixelData)", "its lesions have no voxel")
    if compressed(data):
        return None
    shape = [number(data, keyword) for keyword in ("NumberOfFrames", "Rows", "Columns", "BitsAllocated")]
    if any(n is None or n <= 0 for n in shape):
        return None
    needed = int(np.ceil(np.prod([n for n in shape if n is not None]) / 8.0))
    held = len(data.PixelData or b"")
    if held >= needed:
        return None
    return (
        "PixelData",
        f"the pixels are cut: {held} bytes of {needed}",
        "a part of the segments is missing",
    )


def _values_fault(data: Dataset) -> _Fault | None:
    """Fractions above the largest that is stated: they would be shares above one."""
    if text(data, "SegmentationType").upper() != "FRACTIONAL":
        return None
    most = number(data, "MaximumFractionalValue")
    if most is None or not most > 0.0:
        stated = "absent" if most is None else f"{most:g}"
        return (
            "MaximumFractionalValue",
            f"MaximumFractionalValue is {stated}",
            "what share of a voxel a value means depends on it",
        )
    try:
        largest = int(np.max(data.pixel_array))
    except Exception:  # damaged pixels are refused where they are decoded
        return None
    if largest <= most:
        return None
    return (
        "MaximumFractionalValue",
        f"pixels have values up to {largest}, and MaximumFractionalValue is {most:g}",
        "what share of a voxel a value means depends on it",
    )
