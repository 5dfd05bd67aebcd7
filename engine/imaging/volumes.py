"""Reading one scalar volume from any of the image formats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid import OBLIQUE, Volume, canonical
from ..notes import Note
from ..text import counted
from .dicom.find import require
from .dicom.series import Stack
from .formats.read import read_volume_header
from .source import ImagePath, ImageSource

#: Note of a file without a position.
UNPLACED = "the file does not say where in the patient the image lies, nor which side is left; the latter was assumed"
_MODALITY = {"HU": "CT", "Bq/mL": "PT"}


def read_file(path: Path, quantity: str, dtype: type | None = np.float32) -> Volume:
    """A NIfTI, MetaImage or NRRD file as a canonical volume."""
    require(path, "image")
    header = read_volume_header(path, quantity)
    stored, bad, extra = header.values(dtype)
    if bad:
        raise InputError(
            f"{counted(bad, 'voxel')} of the image {'is' if bad == 1 else 'are'} not a number",
            why="they have no value",
            suggestion="repair the image; outside the field of view 0 (PET) or -1000 HU (CT) is usual",
            file=path,
        )
    values, grid = canonical(stored, header.steps, path)
    volume = Volume(grid, values, quantity, source=str(path), notes=list(header.notes))
    if not header.placed:
        volume.notes.append(Note(UNPLACED))
    if extra:
        volume.notes.append(Note(f"the file holds {counted(extra, 'byte')} behind its voxels; they were left out"))
    if not grid.is_axis_aligned:
        volume.notes.append(OBLIQUE)
    return volume


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
