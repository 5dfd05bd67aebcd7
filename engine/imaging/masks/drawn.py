"""On which image lesions were drawn, and in which frame of reference: what their file says about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...grid import Grid
from ..dicom.find import split_path
from ..volumes import is_dicom_path, read_file
from .read import structure_header

CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")
PET_CLASSES = ("1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130")


def drawn_on(path: str | Path, ct: Grid, pet: Grid) -> str | None:
    """``"ct"``, ``"pet"``, or None where the file does not tell.

    An RTSTRUCT or SEG refers to the images it was drawn on; a label map has their grid.
    """
    if not is_dicom_path(path):
        grid = read_file(split_path(path)[0], "label", dtype=None).grid
        for name, image in (("pet", pet), ("ct", ct)):
            if _same_voxels(grid, image):
                return name
        return None
    for item in _structure(path).iterall():
        if item.keyword == "ReferencedSOPClassUID":
            if str(item.value) in CT_CLASSES:
                return "ct"
            if str(item.value) in PET_CLASSES:
                return "pet"
    return None


def frame_of(path: str | Path) -> str | None:
    """Frame of reference UID of an RTSTRUCT or SEG; None for label maps and where there is none."""
    if not is_dicom_path(path):
        return None
    data = _structure(path)
    own = str(data.get("FrameOfReferenceUID", "") or "")
    for roi in data.get("StructureSetROISequence") or []:
        own = str(roi.get("ReferencedFrameOfReferenceUID", "") or "") or own
        break
    return own or None


def _structure(path: str | Path) -> Any:
    return structure_header(path).dataset


def _same_voxels(a: Grid, b: Grid) -> bool:
    """The same voxel size and lattice; one may be a crop of the other."""
    if not np.allclose(a.spacing_mm, b.spacing_mm, rtol=1e-3) or not a.is_parallel_to(b):
        return False
    offset = b.xyz_to_index(a.index_to_xyz(np.zeros(3)))
    return bool(np.allclose(offset, np.rint(offset), atol=0.01))
