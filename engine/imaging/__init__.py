"""Images in: DICOM, NIfTI, MetaImage, NRRD to canonical volumes, activity concentration, lesion masks."""

from .checks import check_overlap
from .masks import Mask, read_masks
from .pet import PetScan, read_pet
from .resample import resample_conserving, resample_fraction
from .scan import exists, split_path
from .sort import Sorted, sort_folder
from .volumes import read_ct, read_volume

__all__ = [
    "Mask",
    "PetScan",
    "Sorted",
    "check_overlap",
    "exists",
    "read_ct",
    "read_masks",
    "read_pet",
    "read_volume",
    "resample_conserving",
    "resample_fraction",
    "sort_folder",
    "split_path",
]
