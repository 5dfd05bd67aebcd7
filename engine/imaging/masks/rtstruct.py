"""Lesions of a DICOM RTSTRUCT: closed planar contours, even-odd in each plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import InputError
from ...grid import Grid
from ...text import counted
from .contours import group_planes, rasterise
from .mask import DicomMaskFile, Mask, check_frame, finished


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure of the file: its closed contours, (n, 3) in (x, y, z) [mm], and the number of those left out."""

    name: str
    frame_of_reference: str | None
    contours: list[np.ndarray]
    skipped: int


class StructureSet(DicomMaskFile):
    """All structures of an RTSTRUCT."""

    @cached_property
    def _structures(self) -> list[Structure]:
        data = self.header.dataset
        drawn = {int(c.ReferencedROINumber): c for c in data.get("ROIContourSequence") or []}
        structures = []
        for roi in data.get("StructureSetROISequence") or []:
            name = str(roi.get("ROIName", "") or f"ROI {roi.ROINumber}")
            item = drawn.get(int(roi.ROINumber))
            contours, skipped = [], 0
            for contour in (item.get("ContourSequence") or []) if item is not None else []:
                points = np.array(contour.get("ContourData") or [], float).reshape(-1, 3)
                closed = str(contour.get("ContourGeometricType", "")) in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
                if closed and len(points) >= 3:
                    contours.append(points)
                else:
                    skipped += 1
            frame = str(roi.get("ReferencedFrameOfReferenceUID", "") or "") or None
            structures.append(Structure(name, frame, contours, skipped))
        return structures

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        masks = []
        for structure in self._structures:
            if names is None or structure.name in names:
                check_frame(structure.frame_of_reference, frame_of_reference, structure.name, self.file)
                masks.append(self._mask(structure, grid))
        if not masks and names is None:
            raise InputError(
                "the structure set holds no structure",
                why="there is no lesion in it",
                suggestion="export it again",
                file=self.file,
            )
        return masks

    def _mask(self, structure: Structure, grid: Grid) -> Mask:
        name = structure.name
        if not structure.contours:
            raise InputError(
                f"lesion {name!r} has no closed contour",
                why="its volume is zero, and a lesion without volume has no dose",
                suggestion="draw it, or remove it from the structure set",
                file=self.file,
                field=name,
            )
        notes = []
        if structure.skipped:
            left_out = counted(structure.skipped, "point", ("or open contour was", "or open contours were"))
            notes.append(f"lesion {name!r}: {left_out} left out")
        planes, frame, remarks = group_planes(structure.contours, name, self.file)
        notes += remarks
        if len(planes) == 1:
            planes[0].thickness = grid.spacing_mm[0]
            notes.append(f"lesion {name!r} has one contour plane; taken as {grid.spacing_mm[0]:.3g} mm thick")
        whole = sum(plane.area_mm2 * plane.thickness for plane in planes) * 1e-3
        mask = finished(name, rasterise(planes, frame, grid), grid, whole, self.file)
        mask.contour_volume_ml = whole
        mask.notes += notes
        return mask
