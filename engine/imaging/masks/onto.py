"""Shares of a mask on another grid; on the same lattice voxels are copied, so that rounded headers make no slivers."""

from __future__ import annotations

import numpy as np

from ...grid import Grid
from ...same import SAME_PLACE_VOXELS
from ..resample import average


def lattice_offset(source: Grid, grid: Grid) -> tuple[int, int, int] | None:
    """Voxels (z, y, x) from the first voxel of ``grid`` to that of ``source``; None where the lattices differ.

    They are the same where all voxels of the source lie on voxels of the grid within :data:`SAME_PLACE_VOXELS`: one may
    be a crop of the other, and spacings may be rounded.
    """
    last = np.array(source.shape) - 1.0
    corners = np.array([[side * n for side, n in zip(sides, last, strict=True)] for sides in np.ndindex(2, 2, 2)])
    there = grid.xyz_to_index(source.index_to_xyz(corners)) - corners
    offset = np.rint(there[0])
    if np.abs(there - offset).max() > SAME_PLACE_VOXELS:
        return None
    return int(offset[0]), int(offset[1]), int(offset[2])


def onto(values: np.ndarray, source: Grid, grid: Grid) -> np.ndarray:
    """Shares (nz, ny, nx) on ``source`` averaged over the voxels of ``grid``, float64; zero outside the source."""
    offset = lattice_offset(source, grid)
    if offset is None:
        return average(values, source, grid)
    out = np.zeros(grid.shape)
    to, of = [], []
    for first, n, size in zip(offset, source.shape, grid.shape, strict=True):
        low, high = max(first, 0), min(first + n, size)
        if high <= low:
            return out
        to.append(slice(low, high))
        of.append(slice(low - first, high - first))
    out[tuple(to)] = values[tuple(of)]
    return out
