"""Lesions of a DICOM RTSTRUCT: closed planar contours, combined plane by plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...grid import Grid
from ...notes import CAUTION, NOTE, Note
from ...same import SAME_PLANE_MM
from ...text import counted, shortened
from ..dicom.elements import items, number, numbers, text
from ..dicom.find import Header
from .contours import group_planes, rasterise, set_thickness
from .mask import DicomMaskFile, Mask, check_frame, finished
from .names import Content, clean_name, kind_of, listed, settled
from .references import CaseImage, contour_images, frame_of, image_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Geometric types that enclose an area.
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
#: A patient's coordinates stay below this [mm]: no scanner moves further from its origin.
MOST_MM = 1e4
#: Points of one structure, and the length of its contours [mm], that memory and patience bear: the finest contour of a
#: whole body has some 1e6 points and 1e6 mm.
MOST_POINTS, MOST_LENGTH_MM = 5_000_000, 5e6


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure of the file, without the points of its contours.

    Parameters
    ----------
    name
        As this program shows it.
    interpreted
        Its RT ROI Interpreted Type, where there is one.
    frame_of_reference
        UID that it states; empty where it states none.
    items
        Its contours as the file holds them.
    """

    name: str
    interpreted: str
    frame_of_reference: str
    items: Sequence[Dataset]


class StructureSet(DicomMaskFile):
    """All structures of an RTSTRUCT."""

    def __init__(self, header: Header, images: Sequence[CaseImage] = ()) -> None:
        super().__init__(header, images)
        lesions = [s for s, one in zip(self._structures, self.contents, strict=True) if one.kind == "lesion"]
        for structure in lesions[:1]:
            self.frame_of_reference = self._frame(structure)[0]

    @cached_property
    def _structures(self) -> list[Structure]:
        """The structures; InputError where the numbers that tie contours to structures do not."""
        data = self.header.dataset
        rois = items(data, "StructureSetROISequence")
        numbers = [self._number(roi, "ROINumber", "StructureSetROISequence") for roi in rois]
        names = [clean_name(text(roi, "ROIName"), f"ROI {n}") for roi, n in zip(rois, numbers, strict=True)]
        for n in {n for n in numbers if numbers.count(n) > 1}:
            twice = [name for name, own in zip(names, numbers, strict=True) if own == n]
            raise InputError(
                f"{counted(len(twice), 'structure')} have the number {n}: {listed(twice)}",
                why="which contours belong to which of them is not clear",
                suggestion="export the structure set again",
                file=self.file,
                field="ROINumber",
            )
        drawn: dict[int, list[Dataset]] = {}
        for item in items(data, "ROIContourSequence"):
            n = self._number(item, "ReferencedROINumber", "ROIContourSequence")
            drawn.setdefault(n, []).extend(items(item, "ContourSequence"))
        lost = sorted(n for n, contours in drawn.items() if n not in numbers and contours)
        if lost:
            raise InputError(
                f"there are contours of a structure number {lost[0]} that the file does not list",
                why="whose contours these are is not known",
                suggestion="export the structure set again",
                file=self.file,
                field="ReferencedROINumber",
            )
        types = {number(o, "ReferencedROINumber"): o for o in items(data, "RTROIObservationsSequence")}
        return [
            Structure(
                name,
                text(types[n], "RTROIInterpretedType") if n in types else "",
                text(roi, "ReferencedFrameOfReferenceUID"),
                drawn.get(n, []),
            )
            for roi, n, name in zip(rois, numbers, names, strict=True)
        ]

    def _number(self, item: Dataset, keyword: str, sequence: str) -> int:
        value = number(item, keyword)
        if value is not None and value == int(value):
            return int(value)
        held = text(item, keyword)
        raise InputError(
            f"an item of {sequence} has " + (f"the {keyword} {shortened(held)!r}" if held else f"no {keyword}"),
            why="it ties contours to their structure",
            suggestion="export the structure set again",
            file=self.file,
            field=keyword,
        )

    @cached_property
    def contents(self) -> list[Content]:
        known = "ROIContourSequence" in self.header.dataset  # a header that was read for sorting has no contours
        contents = [
            Content(s.name, kind_of(s.name, s.interpreted) if not known or any(map(_encloses, s.items)) else "empty")
            for s in self._structures
        ]
        return settled(contents, [s.interpreted for s in self._structures])

    def _frame(self, structure: Structure) -> tuple[str | None, bool]:
        instances, _ = contour_images(structure.items)
        return frame_of(structure.frame_of_reference, self.images, self.referenced, instances)

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        if not self._structures:
            raise InputError(
                "the structure set holds no structure",
                why="there is no lesion in it",
                suggestion="export it again",
                file=self.file,
                field="StructureSetROISequence",
            )
        return [
            self._mask(structure, grid, frame_of_reference)
            for structure, content in zip(self._structures, self.contents, strict=True)
            if (content.kind == "lesion" if names is None else structure.name in names)
        ]

    def _mask(self, structure: Structure, grid: Grid, wanted: str | None) -> Mask:
        name = structure.name
        own, differs = self._frame(structure)
        check_frame(own, wanted, name, self.file)
        notes: list[str] = []
        if differs:
            told = f"...{structure.frame_of_reference[-8:]}"
            notes.append(
                Note(
                    f"lesion {name!r} states another frame of reference ({told}) than the images that it was drawn on; "
                    "the images were believed",
                    weight=CAUTION,
                )
            )
        contours = self._contours(structure, notes)
        xor = any(text(item, "ContourGeometricType") == CLOSED[1] for item in structure.items)
        if xor and not all(
            text(item, "ContourGeometricType") == CLOSED[1] for item in structure.items if _closed(item)
        ):
            told = f"contours of type {CLOSED[1]} among others: all were combined by the even-odd rule"
            notes.append(Note(f"lesion {name!r}: {told}", weight=CAUTION))
        planes, frame, remarks = group_planes(contours, name, self.file, xor, lambda n: self._measures(structure, n))
        remarks += set_thickness(planes, self._measures(structure, frame[2])[0], _step(grid, frame[2]), name)
        whole = sum(plane.region.area_mm2 * plane.thickness for plane in planes) * 1e-3
        mask = finished(name, rasterise(planes, frame, grid), grid, whole, self.file)
        mask.contour_volume_ml = whole
        mask.notes += [*notes, *remarks]
        return mask

    def _measures(self, structure: Structure, normal: np.ndarray) -> tuple[float | None, float | None]:
        """Distance of the slices that a structure was drawn on, and the size of their pixels [mm].

        The distance is that of the image of the case that its contours refer to; else the thickness that they state;
        else the least distance of planes in the file; else that of the case's image of the kind that they refer to, or
        of its PET. The pixels are those of the image.
        """
        instances, kinds = contour_images(structure.items)
        image = image_of(self.images, self.referenced, instances)
        stated: float | None = None
        if image is None:
            stated = _slab_thickness(structure) or self._least_step(normal)
            kinds = (*kinds, *self.referenced.kinds, "pet")
            image = next((image for kind in kinds for image in self.images if image.kind == kind), None)
        if image is None:
            return stated, None
        return stated or image.slice_mm(normal), image.pixel_mm(normal)

    def _least_step(self, normal: np.ndarray) -> float | None:
        """Least distance of contour planes along a normal among all structures of the file [mm]."""
        steps = []
        for structure in self._structures:
            points = (_coordinates(item)[0] for item in structure.items if _closed(item))
            places = np.sort([float(p[:3] @ normal) for p in points if len(p) >= 9])
            gaps = np.diff(places)
            steps += [float(gap) for gap in gaps if gap > SAME_PLANE_MM]
        return min(steps, default=None)

    def _contours(self, structure: Structure, notes: list[str]) -> list[np.ndarray]:
        """Points (n, 3) of each closed contour [mm, x y z]; what is left out or odd goes to the notes."""
        name, closed = structure.name, [item for item in structure.items if _closed(item)]
        contours = [points for item in closed if len(points := self._points(item, name)) >= 3]
        if not contours:
            raise InputError(
                f"lesion {name!r} has no closed contour",
                why="its volume is zero, and a lesion without volume has no dose",
                suggestion="draw it, or remove it from the structure set or from the names in the case",
                file=self.file,
                field=name,
            )
        skipped = len(structure.items) - len(contours)
        if skipped:
            left_out = counted(skipped, "point", ("or open contour was", "or open contours were"))
            notes.append(Note(f"lesion {name!r}: {left_out} left out", weight=CAUTION))
        untyped = sum(not text(item, "ContourGeometricType") for item in closed)
        if untyped:
            was = "was" if untyped == 1 else "were"
            text_ = f"lesion {name!r}: {counted(untyped, 'contour')} without a geometric type {was} taken as closed"
            notes.append(Note(text_, weight=NOTE))
        length = sum(float(np.linalg.norm(np.diff(p, axis=0), axis=1).sum()) for p in contours)
        if sum(map(len, contours)) > MOST_POINTS or length > MOST_LENGTH_MM:
            raise InputError(
                f"the contours of lesion {name!r} have {sum(map(len, contours))} points and {length / 1e3:.3g} m",
                why=f"no lesion has more than {MOST_POINTS} points or {MOST_LENGTH_MM / 1e3:g} m of contour",
                suggestion="export the structure again, or give a label map",
                file=self.file,
                field="ContourData",
            )
        return contours

    def _points(self, item: Dataset, name: str) -> np.ndarray:
        """Points (n, 3) of one contour; InputError for what is none."""
        values, odd = _coordinates(item)
        if odd is None and len(values) % 3:
            odd = f"{len(values)} numbers, which is no multiple of three"
        if odd is None and len(values) and not np.abs(values).max() <= MOST_MM:
            odd = f"the coordinate {values[int(np.argmax(np.abs(values)))]:.3g} mm"
        stated = number(item, "NumberOfContourPoints")
        if odd is None and stated is not None and stated != len(values) / 3:
            odd = f"{len(values) // 3} points, where NumberOfContourPoints says {stated:g}"
        if odd is None and any(numbers(item, "ContourOffsetVector")):
            odd = "an offset beside it (ContourOffsetVector)"
        if odd is None:
            return values.reshape(-1, 3)
        raise InputError(
            f"a contour of lesion {name!r} holds {odd}",
            why="its points are (x, y, z) in millimetres, and their place must be known",
            suggestion="export the structure set again",
            file=self.file,
            field="ContourData",
        )


def _closed(item: Dataset) -> bool:
    """Whether a contour is of a closed type; one without a type is taken as closed."""
    return text(item, "ContourGeometricType") in ("", *CLOSED)


def _encloses(item: Dataset) -> bool:
    """Whether a contour is closed and has the numbers of three points, or some that are refused later."""
    if not _closed(item):
        return False
    values, odd = _coordinates(item)
    return odd is not None or len(values) > 6


def _coordinates(item: Dataset) -> tuple[np.ndarray, str | None]:
    """Contour Data as numbers, and what it holds instead where it is none; read from the bytes, as it is long."""
    tag = (0x3006, 0x0050)
    if tag not in item:
        return np.empty(0), None
    element = item.get_item(tag)
    value = getattr(element, "value", None)
    if value is None or value == b"" or value == "":
        return np.empty(0), None
    if isinstance(value, bytes):
        words = value.decode("ascii", "replace").rstrip(" \0").split("\\")
    elif isinstance(value, str) or not isinstance(value, Sequence):
        words = str(value).split("\\")
    else:
        words = [str(one) for one in value]
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        bad = next(word for word in words if not _is_number(word))
        return np.empty(0), f"{shortened(bad, 30)!r}, which is no number"
    if not np.all(np.isfinite(values)):
        return np.empty(0), "a number that is not finite"
    return values, None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _slab_thickness(structure: Structure) -> float | None:
    """The thickness that all contours state [mm], where they do."""
    stated = {number(item, "ContourSlabThickness") for item in structure.items}
    only = stated.pop() if len(stated) == 1 else None
    return only if only and only > 0.0 else None


def _step(grid: Grid, normal: np.ndarray) -> float:
    """Voxel size along a normal [mm]."""
    cosines = np.abs(np.asarray(grid.direction, float).reshape(3, 3).T @ normal)
    return float(grid.spacing_mm[2 - int(np.argmax(cosines))])
