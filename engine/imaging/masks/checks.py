"""Checks that CT, PET and lesions belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...grid import Grid, Volume
from ...notes import CAUTION, CRITICAL, Note
from ...same import SAME_POSE_MM
from ..formats.header import VolumeHeader
from ..formats.nrrd import layer_header
from ..formats.read import read_volume_header
from ..resample import coverage
from ..source import ImageSource
from .label_map import MOST_LAYERS
from .label_names import slicer_fields
from .mask import Mask

#: A lesion with more than this share of its volume outside the CT has no known density there.
OUTSIDE_SHARE = 0.01
#: An overlap below this share of the PET is refused as a mistake.
LEAST_COVERAGE = 0.01
#: Share of the image's activity outside the CT above which doses are not what they say. What lies there irradiates
#: nothing; photons from afar give some per cent of a lesion's dose, and losing a twentieth of them is no matter.
MUCH_ACTIVITY = 0.05
#: Share of the activity outside the CT that a reader need not know: noise of the PET's outer slices.
LITTLE_ACTIVITY = 1e-3


def check_overlap(ct: Volume, pet: Volume, masks: Sequence[Mask]) -> list[str]:
    """Refuse a CT, a PET and lesions that do not lie in one place.

    Parameters
    ----------
    ct, pet
        The images.
    masks
        Lesions on any one grid; those on another grid than the PET's are checked against the CT's and PET's
        extent.

    Returns
    -------
    list of str
        Remarks: how much of the PET the CT covers, when it is not all.

    Raises
    ------
    InputError
        Different frames of reference, no common region, a lesion outside the CT or the PET.
    """
    if ct.frame_of_reference and pet.frame_of_reference and ct.frame_of_reference != pet.frame_of_reference:
        raise InputError(
            f"PET and CT have different frames of reference ({_end(pet.frame_of_reference)} and "
            f"{_end(ct.frame_of_reference)})",
            why="their coordinates are not comparable",
            suggestion="give the CT of this PET/CT, or register it to the PET and export it again",
            file=ct.source or None,
        )
    share = coverage(ct.grid, pet.grid)
    covered = float(share.mean())
    if covered < LEAST_COVERAGE:
        raise InputError(
            f"the CT covers {100.0 * covered:.2g} % of the PET: they do not overlap",
            why=f"the CT lies at {_extent(ct)}, the PET at {_extent(pet)} mm (x, y, z, LPS)",
            suggestion="check that PET and CT belong together",
            file=ct.source or None,
        )
    for mask in masks:
        for image, name in ((ct, "CT"), (pet, "PET")):
            if mask.grid is None:
                continue
            inside = mask.fraction * coverage(image.grid, mask.grid)
            total = float(mask.fraction.sum(dtype=np.float64))
            lost = 1.0 - float(inside.sum(dtype=np.float64)) / total
            if lost > OUTSIDE_SHARE:
                raise InputError(
                    f"{100.0 * lost:.0f} % of lesion {mask.name!r} lies outside the {name}",
                    why="its dose cannot be computed there",
                    suggestion=f"give a {name} that covers the lesion, or leave the lesion out",
                    file=image.source or None,
                )
    return _outside(pet, share, covered)


def _outside(pet: Volume, share: np.ndarray, covered: float) -> list[str]:
    """Remark on the part of the PET that the CT does not cover, by the activity in it."""
    if covered >= 0.999:
        return []
    values = np.asarray(pet.values)
    total = float(values.sum(dtype=np.float64))
    lost = 1.0 - float(np.einsum("zyx,zyx->", values, share)) / total if total > 0.0 else 0.0
    text = f"the CT covers {100.0 * covered:.3g} % of the PET; the rest is taken as air"
    if lost <= LITTLE_ACTIVITY:
        return [text]
    text += f", and with it {100.0 * lost:.2g} % of the activity in the image: its radiation to the lesions is left out"
    return [Note(text, weight=CRITICAL if lost > MUCH_ACTIVITY else CAUTION)]


def check_places(images: Sequence[ImageSource], lesions: Sequence[ImageSource], grids: Sequence[Grid]) -> None:
    """Refuse volume files whose place in the patient is not known, or was lost on the way.

    Parameters
    ----------
    images
        All PETs and CTs of a visit.
    lesions
        Its lesion files.
    grids
        Grids of the images.

    Raises
    ------
    InputError
        A file without a position, unless all files of the visit have none and the same voxels; a label map with as many
        voxels of the same size as an image, at another place.
    """
    headers = {source.name: _header(source, "HU") for source in images}
    maps = {source.name: _header(source, "label") for source in lesions}
    _check_unplaced({**headers, **maps})
    for label_map in maps.values():
        if label_map is not None and label_map.placed:
            _check_displaced(label_map, grids)


def _header(source: ImageSource, quantity: str) -> VolumeHeader | None:
    """Header of a volume file; None for DICOM."""
    if source.is_dicom:
        return None
    if quantity == "label" and slicer_fields(source.location):
        return layer_header(source.location, MOST_LAYERS)[0]
    return read_volume_header(source.location, quantity)


def _check_unplaced(headers: Mapping[str, VolumeHeader | None]) -> None:
    """Refuse a file without a position beside others, unless none has one and all have the same voxels."""
    unplaced = [header for header in headers.values() if header is not None and not header.placed]
    if not unplaced:
        return
    first = unplaced[0]
    placed = [name for name, header in headers.items() if header is None or header.placed]
    others = [header for header in unplaced if not _same_voxels(header.grid, first.grid)]
    if not placed and not others:
        return
    why = (
        f"{Path(placed[0]).name} has a position, and where the two lie against each other is not known"
        if placed
        else f"{first.file.name} has {_voxels(first.grid)}, {others[0].file.name} {_voxels(others[0].grid)}, and where "
        "the two lie against each other is not known"
    )
    raise InputError(
        "the file does not say where in the patient the image lies (NIfTI: qform_code and sform_code are 0; NRRD: no "
        "space; MetaImage: no Offset or TransformMatrix)",
        why=why,
        suggestion="export all images and lesions with their positions; without, all of them need the same voxels",
        file=first.file,
    )


def _check_displaced(label_map: VolumeHeader, grids: Sequence[Grid]) -> None:
    """Refuse a label map that looks like an image's own and lies elsewhere: its position was lost."""
    own = label_map.grid
    alike = [grid for grid in grids if _same_voxels(own, grid)]
    apart = [float(np.linalg.norm(own.corners_xyz_mm() - grid.corners_xyz_mm(), axis=1).max()) for grid in alike]
    if not alike or min(apart) <= SAME_POSE_MM:
        return
    image = alike[int(np.argmin(apart))]
    raise InputError(
        f"the label map has the voxels of one of the images ({_voxels(own)}) and lies {min(apart):.3g} mm away from it",
        why=f"its first voxel is at {_first(own)}, the image's at {_first(image)} mm (x, y, z, LPS): a program "
        "has lost or mirrored the position",
        suggestion="write the label map again with the position of the image that it was drawn on",
        file=label_map.file,
    )


def _same_voxels(a: Grid, b: Grid) -> bool:
    """Whether two grids have as many voxels of the same size, wherever they lie."""
    longest = max(abs(n * (s - t)) for n, s, t in zip(a.shape, a.spacing_mm, b.spacing_mm, strict=True))
    return a.shape == b.shape and longest <= SAME_POSE_MM


def _voxels(grid: Grid) -> str:
    shape, spacing = (" x ".join(f"{v:.4g}" for v in triple) for triple in (grid.shape, grid.spacing_mm))
    return f"{shape} voxels of {spacing} mm"


def _first(grid: Grid) -> str:
    return ", ".join(f"{v:.1f}" for v in grid.origin_mm[::-1])


def _end(uid: str) -> str:
    return uid if len(uid) <= 12 else "..." + uid[-8:]


def _extent(volume: Volume) -> str:
    corners = volume.grid.corners_xyz_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ", ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))
