"""Lesions from label maps, DICOM RTSTRUCT and DICOM SEG as volume fractions on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...grid import Grid
from ..source import ImageSource
from .label_map import LabelMap
from .mask import Mask, MaskFile
from .rtstruct import StructureSet
from .segmentation import SegmentationFile


def open_masks(path: str | Path | ImageSource) -> MaskFile:
    """Open a lesion file; its lesions are then read from it without opening it again.

    Parameters
    ----------
    path
        Label map (NIfTI, MetaImage, NRRD; names in a sidecar ``<name>.json`` of the form
        ``{"1": "name"}``), RTSTRUCT or SEG file, a folder that holds one of these, or
        ``folder#SeriesInstanceUID``; or any of these opened before.

    Returns
    -------
    MaskFile
        The file, opened: its lesions by name, and on any grid.

    Raises
    ------
    InputError
        No such file, none or several structure files in the folder, a damaged header.
    """
    source = ImageSource.open(path)
    source.require("lesion file")
    if not source.is_dicom:
        return LabelMap(source.location)
    headers = [h for h in source.headers if h.modality in ("RTSTRUCT", "SEG")]
    if not headers:
        raise InputError(
            "no RTSTRUCT or SEG found",
            why="lesions come from a label map, RTSTRUCT or SEG",
            suggestion="give the file with the lesions",
            file=source.location,
        )
    if len(headers) > 1:
        raise InputError(
            f"{len(headers)} structure files: " + ", ".join(h.path.name for h in headers),
            why="which one holds the lesions is not clear",
            suggestion="name one file in the case",
            file=source.location,
        )
    (header,) = headers
    return StructureSet(header) if header.modality == "RTSTRUCT" else SegmentationFile(header)


def read_masks(
    path: str | Path | ImageSource | MaskFile,
    grid: Grid,
    frame_of_reference: str | None = None,
    names: Sequence[str] | None = None,
) -> list[Mask]:
    """Lesions of one file on ``grid``.

    Parameters
    ----------
    path
        As for :func:`open_masks`, or what it gave.
    grid
        The grid wanted.
    frame_of_reference
        Of the image that the grid belongs to; contours and segments on another one are refused.
    names
        Only these lesions; all by default.

    Returns
    -------
    list of Mask
        Lesions with their volume fractions on the grid, in the order of the file.

    Raises
    ------
    InputError
        Naming the lesion: no volume, outside the grid, another frame of reference; or an unusable file.
    """
    masks = path if isinstance(path, MaskFile) else open_masks(path)
    return masks.masks(grid, frame_of_reference, names)
