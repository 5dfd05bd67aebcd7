"""Lesion masks: label maps, RTSTRUCT contours and DICOM SEG to sub-voxel weights."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Mask": "mask",
        "MaskFile": "mask",
        "open_masks": "read",
        "read_masks": "read",
        "structures_of": "read",
        "referenced": "references",
        "check_overlap": "checks",
    },
)
