"""Images in: DICOM, NIfTI, MetaImage, NRRD to canonical volumes, activity concentration, lesion masks."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "check_overlap": "masks.checks",
        "Mask": "masks.mask",
        "read_masks": "masks.read",
        "MaskFile": "masks.mask",
        "open_masks": "masks.read",
        "PetScan": "pet.scan",
        "read_pet": "pet.read",
        "resample_conserving": "resample",
        "resample_fraction": "resample",
        "exists": "dicom.find",
        "split_path": "dicom.find",
        "Sorted": "sorting.sort",
        "sort_folder": "sorting.sort",
        "read_ct": "volumes",
        "read_volume": "volumes",
        "ImageSource": "source",
        "Sources": "source",
    },
)
