"""Dose maps between grids: linear interpolation at points, and what two grids have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from ..errors import InputError
from ..grid import Grid
from ..text import percent

#: A map below this share of the smaller of the two volumes in common with the run lies elsewhere.
LEAST_OVERLAP = 0.5


def sampled(values: np.ndarray, source: Grid, points_xyz_mm: np.ndarray) -> np.ndarray:
    """Doses at patient positions (n, 3) by linear interpolation; NaN outside the map and next to undefined voxels."""
    index = source.xyz_to_index(points_xyz_mm).T
    size = np.array(source.shape)[:, None]
    inside = np.all((index >= -0.5 - 1e-6) & (index <= size - 0.5 + 1e-6), axis=0)
    defined = np.isfinite(values)
    if defined.all():
        out = map_coordinates(values, index, order=1, mode="nearest")
    else:
        out = map_coordinates(np.where(defined, values, 0.0), index, order=1, mode="nearest")
        missing = map_coordinates((~defined).astype(np.float64), index, order=1, mode="nearest")
        out[missing > 1e-6] = np.nan
    out[~inside] = np.nan
    return np.asarray(out)


def _subpoints(source: Grid, grid: Grid) -> Iterator[np.ndarray]:
    """Offsets within a voxel of ``grid`` (3,) [voxels]: its centre, or more where the map's voxels are smaller."""
    counts = [int(np.clip(round(step / min(source.spacing_mm)), 1, 4)) for step in grid.spacing_mm]
    for place in np.ndindex(*counts):
        yield np.array([(one + 0.5) / count - 0.5 for one, count in zip(place, counts, strict=True)])


def placed(values: np.ndarray, source: Grid, grid: Grid) -> np.ndarray:
    """A dose map on another grid, by linear interpolation.

    Parameters
    ----------
    values
        Dose (nz, ny, nx) on ``source``, NaN where there is none.
    source, grid
        Where it is, and where it is wanted; they may be rotated against each other.

    Returns
    -------
    ndarray
        float64, dose at the centres of the voxels of ``grid``, or the mean over points in each where the map is finer;
        NaN outside the map.
    """
    out = np.empty(grid.shape)
    rows = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape[1:]), indexing="ij"), axis=-1).reshape(-1, 2)
    offsets = list(_subpoints(source, grid))
    for z in range(grid.shape[0]):
        index = np.column_stack([np.full(len(rows), z), rows]).astype(np.float64)
        doses = np.array([sampled(values, source, grid.index_to_xyz(index + offset)) for offset in offsets])
        inside = np.isfinite(doses)
        count = inside.sum(axis=0)
        mean = np.where(inside, doses, 0.0).sum(axis=0) / np.maximum(count, 1)
        out[z] = np.where(2 * count >= len(offsets), mean, np.nan).reshape(grid.shape[1:])
    return out


def require_overlap(mean: np.ndarray, source: Grid, grid: Grid, file: Path) -> None:
    """Refuse a map that lies elsewhere in the patient.

    Raises
    ------
    InputError
        It has less than :data:`LEAST_OVERLAP` of the smaller volume in common with the run, or no dose there.
    """
    own, other = grid.size * grid.voxel_volume_ml, source.size * source.voxel_volume_ml
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    at = source.xyz_to_index(grid.index_to_xyz(index))
    inside = np.all((at >= -0.5) & (at <= np.array(source.shape) - 0.5), axis=1)
    share = float(np.count_nonzero(inside)) * grid.voxel_volume_ml / min(own, other)
    if share < LEAST_OVERLAP or not np.isfinite(mean).any():
        centres = [g.index_to_xyz(0.5 * (np.array(g.shape) - 1.0)) for g in (source, grid)]
        theirs, ours = (", ".join(f"{v:.0f}" for v in centre) for centre in centres)
        raise InputError(
            f"the dose map and the run have {percent(min(share, 1.0))} of the smaller volume in common",
            why=f"the centre of the map lies at ({theirs}) mm, that of the run at ({ours}) mm (x, y, z; LPS): another "
            "patient, or a position whose signs were not changed between RAS and LPS",
            suggestion="check the position and the orientation in the header",
            file=file,
        )
