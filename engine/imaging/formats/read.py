"""The header of a volume file of any format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...errors import InputError
from .header import VolumeHeader
from .metaimage import read_metaimage
from .nifti import read_nifti
from .nrrd import read_nrrd

#: Reader of a header by the ending of a file's name.
READERS: dict[str, Callable[[Path, str], VolumeHeader]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
}


def read_volume_header(path: Path, quantity: str = "HU") -> VolumeHeader:
    """Header of a NIfTI, MetaImage or NRRD file.

    Parameters
    ----------
    path
        The file.
    quantity
        What the values are to be: ``"HU"``, ``"Bq/mL"``, ``"label"``.

    Returns
    -------
    VolumeHeader
        Geometry, value type and place of the voxels.

    Raises
    ------
    InputError
        An unknown format, a damaged header, whatever contradicts itself or is not possible.
    """
    reader = next((reader for ending, reader in READERS.items() if path.name.lower().endswith(ending)), None)
    if reader is None:
        pair = path.suffix.lower() in (".hdr", ".img")
        raise InputError(
            f"unknown image format {''.join(path.suffixes) or path.name!r}",
            why="images are read from DICOM folders, NIfTI (.nii, .nii.gz), MetaImage (.mha, .mhd) and NRRD",
            suggestion="convert the pair of .hdr and .img into one .nii.gz" if pair else "convert the image to these",
            file=path,
        )
    if not path.is_file():
        raise InputError(
            "the image is not an ordinary file",
            why="nothing can be read from a folder, pipe or device",
            suggestion="give the image's file",
            file=path,
        )
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # numbers beyond all bounds end in a refusal
            return reader(path, quantity)
    except OSError as error:
        raise InputError(
            "the image cannot be read",
            why=error.strerror or "the disk gave an error",
            suggestion="check the file and its permissions, or copy it again",
            file=path,
        ) from None
