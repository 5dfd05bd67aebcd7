"""Lesions from label maps, DICOM RTSTRUCT and DICOM SEG as volume fractions on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...grid import Grid
from ..dicom.find import Header, is_dicom
from ..source import ImageSource
from .label_map import LabelMap, MapFolder, maps_below
from .mask import Mask, MaskFile
from .names import why_left_out
from .references import CaseImage
from .rtstruct import StructureSet
from .segmentation import SegmentationFile, segments_of


def open_masks(
    path: str | Path | ImageSource, images: Sequence[CaseImage] = (), probability: float | None = None
) -> MaskFile:
    """Open a lesion file; its lesions are then read from it without opening it again.

    Parameters
    ----------
    path
        Label map (NIfTI, MetaImage, NRRD; names in a sidecar ``<name>.json`` of the form
        ``{"1": "name"}``), RTSTRUCT or SEG file, a folder that holds one of these or a label map per structure, or
        ``folder#SeriesInstanceUID``; or any of these opened before.
    images
        CTs and PETs of the case, the first scan's first: contours are as thick as the slices that they were drawn on,
        and an image that a structure refers to settles its frame of reference.
    probability
        Least value of a lesion's voxel where the file holds probabilities.

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
        return LabelMap(source.location, probability)
    if source.location.is_dir() and source.series_uid is None:
        maps = maps_below(source.location)
        if maps and not any(is_dicom(p) for p in source.location.iterdir() if p.is_file()):
            return MapFolder(source.location, maps, probability)
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
    if header.modality == "SEG":
        return SegmentationFile(header, images, probability)
    if probability is not None:
        raise InputError(
            "an RTSTRUCT holds contours, no probabilities",
            why="the case gives a least probability for it",
            suggestion="leave out 'probability'",
            file=header.path,
            field="probability",
        )
    return StructureSet(header, images)


def structures_of(source: Header | Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Lesions of a structure file, and what is left out unless the case names it.

    Parameters
    ----------
    source
        The header of an RTSTRUCT or SEG, which alone is then looked at; or any lesion file.

    Returns
    -------
    (lesions, left_out)
        Names of the lesions; names of the others, each with what they are.

    Raises
    ------
    InputError
        A file that cannot be read, or whose structures cannot be told apart.
    """
    if isinstance(source, Path):
        contents = open_masks(source).contents
    elif source.modality == "SEG":
        contents = [content for _, content in segments_of(source.dataset)]
    else:
        contents = StructureSet(source).contents
    lesions = [one.name for one in contents if one.kind == "lesion"]
    return lesions, [(one.name, why_left_out(one.kind)) for one in contents if one.kind != "lesion"]


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
        Only these structures; all that are lesions by default.

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
