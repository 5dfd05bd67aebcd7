"""Resampling of images between grids with their integral conserved.

A voxel's value is taken as constant inside it. The value of a destination voxel is then the average
over its volume, sum of (overlap volume x source value) / destination volume, and the integral (total
activity, mass) over the region that both grids cover is unchanged. For parallel grids the overlap
volume is a product of three one-dimensional overlaps, applied as three sparse matrices: exact and fast. For
rotated grids each destination voxel is averaged over sub-points and the total is then matched to the
source's (see :func:`_subsampled`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

from ..grid import Grid, Volume

#: Source values held at once while a large image is averaged slab by slab.
SLAB_VOXELS = 16_000_000
#: Of them, what is averaged within slices at a time: the products of a piece stay in a processor's cache.
PIECE_VOXELS = 500_000


def overlap_matrix(edges_to: np.ndarray, edges_from: np.ndarray) -> csr_matrix:
    """Fractions of each destination interval covered by each source interval, sparse (n_to, n_from).

    Both arguments are increasing boundaries [mm] of n + 1 values. A row sums to the covered share of its
    interval.
    """
    n_to, n_from = len(edges_to) - 1, len(edges_from) - 1
    first = np.clip(np.searchsorted(edges_from, edges_to[:-1], side="right") - 1, 0, n_from - 1)
    last = np.clip(np.searchsorted(edges_from, edges_to[1:], side="left"), 1, n_from)
    count = np.maximum(last - first, 0)
    row = np.repeat(np.arange(n_to), count)
    column = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    length = np.minimum(edges_to[row + 1], edges_from[column + 1]) - np.maximum(edges_to[row], edges_from[column])
    weight = np.maximum(length, 0.0) / (edges_to[row + 1] - edges_to[row])
    matrix = csr_matrix((weight, (row, column)), shape=(n_to, n_from))
    matrix.eliminate_zeros()
    return matrix


def average_slabs(slab: Callable[[int, int], np.ndarray], source: Grid, grid: Grid) -> np.ndarray:
    """Volume average onto ``grid`` of an image on a parallel grid that is produced slab by slab.

    Parameters
    ----------
    slab
        Called with z0, z1; returns source values [z0:z1], shape (z1 - z0, ny, nx).
    source, grid
        Parallel grids.

    Returns
    -------
    array
        float64 (nz, ny, nx); what lies outside the source counts as zero.
    """
    wz, wy, wx = (overlap_matrix(grid.edges_mm(axis), source.edges_mm(axis)) for axis in range(3))
    used = np.flatnonzero(wz.getnnz(axis=0))
    out = np.zeros((grid.shape[0], grid.shape[1] * grid.shape[2]))
    if used.size == 0:
        return out.reshape(grid.shape)
    thick = max(1, SLAB_VOXELS // (source.shape[1] * source.shape[2]))
    for z0 in range(int(used[0]), int(used[-1]) + 1, thick):
        z1 = min(z0 + thick, int(used[-1]) + 1)
        plane = np.empty((z1 - z0, grid.shape[1] * grid.shape[2]))
        few = max(1, PIECE_VOXELS // (source.shape[1] * source.shape[2]))
        for a in range(z0, z1, few):
            piece = np.asarray(slab(a, min(a + few, z1)), np.float64)
            n = len(piece)
            along_x = (wx @ piece.reshape(-1, source.shape[2]).T).reshape(grid.shape[2], n, source.shape[1])
            along_y = wy @ along_x.transpose(2, 1, 0).reshape(source.shape[1], -1)
            plane[a - z0 : a - z0 + n] = (
                along_y.reshape(grid.shape[1], n, grid.shape[2]).transpose(1, 0, 2).reshape(n, -1)
            )
        out += wz[:, z0:z1] @ plane
    return out.reshape(grid.shape)


def coverage(source: Grid, grid: Grid) -> np.ndarray:
    """Share of each voxel of ``grid`` that lies inside ``source``, float64 (nz, ny, nx) in [0, 1]."""
    if source.same_as(grid):
        return np.ones(grid.shape)
    if not source.is_parallel_to(grid):
        return _subsampled(np.ones(source.shape), source, grid, match_total=False)
    z, y, x = (
        np.asarray(overlap_matrix(grid.edges_mm(axis), source.edges_mm(axis)).sum(axis=1)).ravel() for axis in range(3)
    )
    return np.clip(z[:, None, None] * y[None, :, None] * x[None, None, :], 0.0, 1.0)


def average(values: np.ndarray, source: Grid, grid: Grid) -> np.ndarray:
    """Volume average of ``values`` on ``source`` over the voxels of ``grid``; zero outside the source.

    Returns float64 (nz, ny, nx). Sum(out) x voxel volume equals the source's integral over the common region:
    exactly for parallel grids, within 0.1 % for rotated ones.
    """
    if source.same_as(grid):
        return np.array(values, np.float64)
    if source.is_parallel_to(grid):
        return average_slabs(lambda z0, z1: values[z0:z1], source, grid)
    return _subsampled(values, source, grid)


def resample_conserving(volume: Volume, grid: Grid) -> Volume:
    """A concentration or density (Bq/mL, g/cm3, fraction) on another grid, its integral conserved.

    Parameters
    ----------
    volume
        A quantity per volume. Hounsfield units are not one: convert them to density first.
    grid
        Where it is wanted.

    Returns
    -------
    Volume
        float32 values with the same quantity and frame of reference.
    """
    values = average(volume.values, volume.grid, grid).astype(np.float32)
    notes = list(volume.notes)
    if not volume.grid.same_as(grid):
        notes.append("resampled by overlap volume to the dose grid (integral conserved)")
    return Volume(grid, values, volume.quantity, volume.frame_of_reference, volume.source, notes)


def resample_fraction(fraction: np.ndarray, source: Grid, grid: Grid) -> np.ndarray:
    """A mask of volume fractions on another grid, its volume conserved.

    Parameters
    ----------
    fraction
        Volume fractions (nz, ny, nx) in [0, 1], any dtype.
    source
        Their grid.
    grid
        The grid wanted.

    Returns
    -------
    ndarray
        Volume fractions (nz, ny, nx) in [0, 1], float32; zero outside the source.
    """
    return np.clip(average(fraction, source, grid), 0.0, 1.0).astype(np.float32)


def _subpoints(cell: Grid, other: Grid) -> np.ndarray:
    """Points spread evenly through a unit voxel, in index units about its centre, (m, 3).

    The additive recurrence of M. Roberts (2018) with the plastic number's three-dimensional analogue:
    unlike a lattice it never lines up with the other grid's planes. Their number follows the ratio of the
    voxels, 64 to 512.
    """
    finest = np.minimum(np.array(cell.spacing_mm), min(other.spacing_mm))
    count = int(np.clip(64 * np.prod(np.array(cell.spacing_mm) / finest), 64, 512))
    root = 1.2207440846057596  # of x**4 = x + 1
    step = root ** -np.arange(1.0, 4.0)
    return (0.5 + np.arange(1, count + 1)[:, None] * step) % 1.0 - 0.5


def _subsampled(values: np.ndarray, source: Grid, grid: Grid, match_total: bool = True) -> np.ndarray:
    """Volume average between grids that are rotated against each other.

    Each destination voxel is the mean of the source over 64 to 512 evenly spread sub-points, which tends to
    the overlap-volume average and keeps a uniform image uniform. The small remaining error of the total is
    taken out by one common factor: the ratio of the source's integral over the destination's region, with
    boundary voxels weighted by the share of their own sub-points inside, to the sum obtained.
    """
    from ...kernels.backends.cpu_samples import sampled_mean, sum_inside

    forward = np.linalg.inv(source.affine) @ grid.affine
    out = sampled_mean(values, forward, _subpoints(grid, source), grid.shape)
    if not match_total:
        return out
    back = np.linalg.inv(grid.affine) @ source.affine
    expected = sum_inside(values, back, _subpoints(source, grid), grid.shape) * source.voxel_volume_ml
    got = float(out.sum()) * grid.voxel_volume_ml
    if got > 0.0 and expected > 0.0:
        out *= expected / got
    return out
