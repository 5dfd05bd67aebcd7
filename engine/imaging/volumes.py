"""Reading one scalar volume, whatever file it lies in."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid import Volume, from_sitk
from .dicom.find import image_series, is_dicom, is_volume_file, require, split_path
from .dicom.series import stack

_MODALITY = {"HU": "CT", "Bq/mL": "PT"}


def is_dicom_path(path: str | Path | Sequence[Path]) -> bool:
    """Whether a case's path is read as DICOM: a folder, ``folder#UID``, a DICOM file or a list of files."""
    if not isinstance(path, str | Path):
        return True
    base, uid = split_path(path)
    return uid is not None or base.is_dir() or (not is_volume_file(base) and is_dicom(base))


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
    bad = _not_finite_in_nifti(path)
    if bad:
        raise InputError(
            f"{bad} voxel(s) of the image are not a number",
            why="they have no value",
            suggestion="repair the image; outside the field of view 0 (PET) or -1000 HU (CT) is usual",
            file=path,
        )
    if dtype is not None:
        volume.values = volume.values.astype(dtype)
    return volume


def _not_finite_in_nifti(path: Path) -> int:
    """Number of NaN or infinite voxels in a NIfTI-1 file; the reading library zeroes them unseen."""
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return 0
    bad = 0
    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
        head = stream.read(352)
        order = "<" if struct.unpack("<i", head[:4])[0] == 348 else ">"
        if struct.unpack(f"{order}i", head[:4])[0] != 348:
            return 0
        kind = {16: "f4", 64: "f8"}.get(struct.unpack(f"{order}h", head[70:72])[0])
        if kind is None:
            return 0
        stream.read(max(int(struct.unpack(f"{order}f", head[108:112])[0]) - 352, 0))
        dtype = np.dtype(order + kind)
        while block := stream.read(dtype.itemsize * 4_000_000):
            values = np.frombuffer(block[: len(block) // dtype.itemsize * dtype.itemsize], dtype)
            bad += values.size - int(np.count_nonzero(np.isfinite(values)))
    return bad


def read_volume(path: str | Path | Sequence[Path], quantity: str = "HU") -> Volume:
    """An image in canonical orientation.

    Parameters
    ----------
    path
        A NIfTI, MetaImage or NRRD file; a DICOM folder with one image series, ``folder#SeriesInstanceUID``,
        a file of the series, or its list of files.
    quantity
        What the values are: ``"HU"`` asks for a CT, ``"Bq/mL"`` for a PET when the file is DICOM (which
        modality it is cannot be told for the other formats). DICOM PET values are returned as stored and
        rescaled; use ``read_pet`` for activity concentration.

    Raises
    ------
    InputError
        Missing or damaged files, mixed or incomplete series, another modality.
    """
    if not is_dicom_path(path):
        return read_file(split_path(str(path))[0], quantity)
    what = {"HU": "CT", "Bq/mL": "PET"}.get(quantity, "image")
    if isinstance(path, str | Path):
        require(split_path(path)[0], what)
    headers = image_series(path, what, _MODALITY.get(quantity))
    values, grid, headers = stack(headers, what)
    first = headers[0].dataset
    volume = Volume(
        grid,
        values,
        quantity,
        headers[0].frame_of_reference,
        str(path if isinstance(path, str | Path) else headers[0].path.parent),
    )
    volume.meta = {
        "modality": headers[0].modality,
        "series_uid": headers[0].series,
        "sop_class_uid": str(first.SOPClassUID),
        "slices": len(headers),
    }
    if not grid.is_axis_aligned:
        volume.notes.append("the image axes are oblique to the patient axes; its direction cosines are kept")
    return volume


def read_ct(path: str | Path | Sequence[Path]) -> Volume:
    """A CT in Hounsfield units.

    Raises InputError for a series without rescale values and for what :func:`read_volume` refuses; values
    that cannot be HU are refused in :func:`hevesy.engine.imaging.tissue.from_ct`.
    """
    volume = read_volume(path, "HU")
    bad = int(volume.values.size - np.count_nonzero(np.isfinite(volume.values)))
    if bad:
        raise InputError(
            f"{bad} CT voxel(s) are not a number",
            why="they have no density",
            suggestion="repair the image; outside the field of view -1000 HU is usual",
            file=volume.source,
        )
    return volume
