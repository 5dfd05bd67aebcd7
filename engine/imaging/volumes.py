"""Reading one scalar volume from any of the image formats."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid import OBLIQUE, Volume, from_sitk
from ..text import counted
from .dicom.find import is_volume_file, require
from .dicom.series import Stack
from .source import ImagePath, ImageSource

_MODALITY = {"HU": "CT", "Bq/mL": "PT"}


def read_file(path: Path, quantity: str, dtype: type | None = np.float32) -> Volume:
    """A NIfTI, MetaImage or NRRD file as a canonical volume."""
    import SimpleITK as sitk

    require(path, "image")
    if not is_volume_file(path):
        raise InputError(
            f"unknown image format {''.join(path.suffixes) or path.name!r}",
            why="images are read from DICOM folders, NIfTI (.nii, .nii.gz), MetaImage (.mha, .mhd) and NRRD",
            suggestion="convert the image to one of these",
            file=path,
        )
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(
            "the image cannot be read",
            why=f"the file is damaged or not what its name says ({reason})",
            suggestion="open it in a viewer, and export it again",
            file=path,
        ) from None
    volume = from_sitk(image, quantity, str(path))
    try:
        bad = _not_finite_in_nifti(path)
    except (EOFError, OSError, zlib.error, struct.error) as error:
        raise InputError(
            "the image cannot be read",
            why=f"the file is cut short or damaged ({error})",
            suggestion="copy or export it again",
            file=path,
        ) from error
    if bad:
        raise InputError(
            f"{counted(bad, 'voxel')} of the image {'is' if bad == 1 else 'are'} not a number",
            why="they have no value",
            suggestion="repair the image; outside the field of view 0 (PET) or -1000 HU (CT) is usual",
            file=path,
        )
    if dtype is not None:
        volume.values = volume.values.astype(dtype)
    return volume


def _rest(stream: BufferedIOBase) -> int:
    """Read a stream to its end, for its checksum; no voxel of it is a NaN."""
    while stream.read(16_000_000):
        pass
    return 0


def _not_finite_in_nifti(path: Path) -> int:
    """Number of NaN or infinite voxels in a NIfTI-1 file; the reading library zeroes them unseen.

    A compressed file is read to its end, where a checksum shows whether it is whole: the reading library takes what
    is missing of a file that is cut short as zeros.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return 0
    bad = 0
    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
        head = stream.read(352)
        order = "<" if struct.unpack("<i", head[:4])[0] == 348 else ">"
        if struct.unpack(f"{order}i", head[:4])[0] != 348:
            return _rest(stream)
        kind = {16: "f4", 64: "f8"}.get(struct.unpack(f"{order}h", head[70:72])[0])
        if kind is None:
            return _rest(stream)
        stream.read(max(int(struct.unpack(f"{order}f", head[108:112])[0]) - 352, 0))
        dtype = np.dtype(order + kind)
        while block := stream.read(dtype.itemsize * 4_000_000):
            values = np.frombuffer(block[: len(block) // dtype.itemsize * dtype.itemsize], dtype)
            bad += values.size - int(np.count_nonzero(np.isfinite(values)))
    return bad


def read_volume(path: ImagePath | ImageSource, quantity: str = "HU") -> Volume:
    """An image in canonical orientation.

    Parameters
    ----------
    path
        A NIfTI, MetaImage or NRRD file; a DICOM folder with one image series, ``folder#SeriesInstanceUID``,
        a file of the series, or its list of files; or any of these opened before.
    quantity
        What the values are: ``"HU"`` asks for a CT, ``"Bq/mL"`` for a PET when the file is DICOM (which
        modality it is cannot be told for the other formats). DICOM PET values are returned as stored and
        rescaled; use ``read_pet`` for activity concentration.

    Returns
    -------
    Volume
        Values (nz, ny, nx) with their grid and quantity.

    Raises
    ------
    InputError
        Missing or damaged files, mixed or incomplete series, another modality.
    """
    source = ImageSource.open(path)
    if not source.is_dicom:
        return read_file(source.location, quantity)
    what = {"HU": "CT", "Bq/mL": "PET"}.get(quantity, "image")
    return volume_of(source.stack(what, _MODALITY.get(quantity)), quantity, source.name)


def volume_of(stack: Stack, quantity: str, source: str, scale: Mapping[str, float] | None = None) -> Volume:
    """The voxels of a DICOM series, with its frame of reference.

    Parameters
    ----------
    stack
        The series in order.
    quantity
        What the values are.
    source
        How messages call the file or folder.
    scale
        Optional factor per SOP instance UID.
    """
    values = stack.values(scale)
    volume = Volume(stack.grid, values, quantity, stack.frame_of_reference, source, list(stack.notes))
    if not stack.grid.is_axis_aligned:
        volume.notes.append(OBLIQUE)
    return volume


def read_ct(path: ImagePath | ImageSource) -> Volume:
    """A CT in Hounsfield units.

    Values that cannot be HU are refused in :func:`hevesy.engine.imaging.tissue.from_ct`.

    Parameters
    ----------
    path
        As for :func:`read_volume`.

    Returns
    -------
    Volume
        Values (nz, ny, nx) [HU] with their grid.

    Raises
    ------
    InputError
        Voxels that are not a number, a series without rescale values, and what :func:`read_volume` refuses.
    """
    volume = read_volume(path, "HU")
    refuse_undefined_hu(volume)
    return volume


def refuse_undefined_hu(ct: Volume) -> None:
    """InputError for CT voxels that are NaN or infinite."""
    bad = int(ct.values.size - np.count_nonzero(np.isfinite(ct.values)))
    if bad:
        raise InputError(
            f"{counted(bad, 'CT voxel', ('is', 'are'))} not a number",
            why="they have no density",
            suggestion="repair the image; outside the field of view -1000 HU is usual",
            file=ct.source or None,
        )
