"""Means over sub-points of voxels between grids that are rotated against each other, compiled, on all threads.

A sub-point takes the value of the voxel it lies in. Its index in the other grid is linear in that of its voxel, so
that a row of voxels is walked with one addition per axis and sub-point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from .cpu import kept, threads
from .shares import shared


def _mean_rows(values, matrix, shift, points, out, first, last):
    """Means of the rows ``first`` to ``last - 1`` (of all slices, one after another) of ``out``.

    ``matrix`` and ``shift`` bring an index of ``out`` to one of ``values``; ``points`` are offsets there.
    """
    nz, ny, nx = values.shape
    for row in range(first, last):
        k = row // out.shape[1]
        j = row % out.shape[1]
        z0 = matrix[0, 0] * k + matrix[0, 1] * j + shift[0] + 0.5
        y0 = matrix[1, 0] * k + matrix[1, 1] * j + shift[1] + 0.5
        x0 = matrix[2, 0] * k + matrix[2, 1] * j + shift[2] + 0.5
        for i in range(out.shape[2]):
            zc = z0 + matrix[0, 2] * i
            yc = y0 + matrix[1, 2] * i
            xc = x0 + matrix[2, 2] * i
            total = 0.0
            for m in range(points.shape[0]):
                z = zc + points[m, 0]
                y = yc + points[m, 1]
                x = xc + points[m, 2]
                if z >= 0.0 and y >= 0.0 and x >= 0.0 and z < nz and y < ny and x < nx:
                    total += values[int(z), int(y), int(x)]
            out[k, j, i] = total / points.shape[0]


def _inside_rows(sizes, reach, matrix, shift, points, values, sums, first, last):
    """Sums over rows of ``values``, each value by the share of its sub-points within a grid of ``sizes``.

    ``reach`` is how far a sub-point may lie from its voxel's centre along each axis: a voxel that is farther than that
    from every face needs none. ``sums`` holds one number per row.
    """
    for row in range(first, last):
        k = row // values.shape[1]
        j = row % values.shape[1]
        z0 = matrix[0, 0] * k + matrix[0, 1] * j + shift[0] + 0.5
        y0 = matrix[1, 0] * k + matrix[1, 1] * j + shift[1] + 0.5
        x0 = matrix[2, 0] * k + matrix[2, 1] * j + shift[2] + 0.5
        total = 0.0
        for i in range(values.shape[2]):
            value = values[k, j, i]
            if value == 0.0:
                continue
            zc = z0 + matrix[0, 2] * i
            yc = y0 + matrix[1, 2] * i
            xc = x0 + matrix[2, 2] * i
            room = min(min(zc, sizes[0] - zc) - reach[0], min(yc, sizes[1] - yc) - reach[1])
            if min(room, min(xc, sizes[2] - xc) - reach[2]) > 0.0:
                total += value
                continue
            count = 0
            for m in range(points.shape[0]):
                z = zc + points[m, 0]
                y = yc + points[m, 1]
                x = xc + points[m, 2]
                if z >= 0.0 and y >= 0.0 and x >= 0.0 and z < sizes[0] and y < sizes[1] and x < sizes[2]:
                    count += 1
            total += value * count / points.shape[0]
        sums[row] = total


@lru_cache(maxsize=2)
def _compiled(function: Callable[..., None]) -> Any:
    return kept(function, nogil=True, error_model="numpy", _nrt=False)


def _over_rows(work: Callable[[int, int], None], rows: int) -> None:
    """Call ``work`` with ranges of rows on all threads."""
    count = threads()
    step = max(1, math.ceil(rows / (16 * count)))
    starts = range(0, rows, step)
    if count == 1 or len(starts) == 1:
        work(0, rows)
        return
    with ThreadPoolExecutor(count) as pool:
        shared(pool, lambda first: work(first, min(first + step, rows)), starts)


def sampled_mean(
    values: np.ndarray, forward: np.ndarray, points: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Mean of an image over the sub-points of each voxel of another grid; what lies outside it counts as zero.

    Parameters
    ----------
    values
        The image (nz, ny, nx).
    forward
        4x4, from an index of the other grid to one of the image.
    points
        Sub-points of a voxel of the other grid, in index units about its centre (m, 3).
    shape
        Of the other grid.

    Returns
    -------
    ndarray
        float64 of that shape.
    """
    source = np.ascontiguousarray(values)
    source = source if source.dtype in (np.float32, np.float64) else source.astype(np.float64)
    out = np.empty(shape)
    function = _compiled(_mean_rows)
    matrix, shift = np.ascontiguousarray(forward[:3, :3]), np.ascontiguousarray(forward[:3, 3])
    there = np.ascontiguousarray(points @ matrix.T)
    _over_rows(lambda a, b: function(source, matrix, shift, there, out, a, b), shape[0] * shape[1])
    return out


def sum_inside(values: np.ndarray, forward: np.ndarray, points: np.ndarray, sizes: tuple[int, int, int]) -> float:
    """Sum of an image, each voxel by the share of its sub-points that lies within another grid.

    Parameters
    ----------
    values
        The image (nz, ny, nx).
    forward
        4x4, from an index of the image to one of the other grid.
    points
        Sub-points of a voxel of the image, in index units about its centre (m, 3).
    sizes
        Shape of the other grid.
    """
    source = np.ascontiguousarray(values)
    source = source if source.dtype in (np.float32, np.float64) else source.astype(np.float64)
    matrix, shift = np.ascontiguousarray(forward[:3, :3]), np.ascontiguousarray(forward[:3, 3])
    there = np.ascontiguousarray(points @ matrix.T)
    reach = np.abs(there).max(axis=0)
    sums = np.empty(source.shape[0] * source.shape[1])
    size = np.array(sizes, dtype=np.float64)
    function = _compiled(_inside_rows)
    _over_rows(lambda a, b: function(size, reach, matrix, shift, there, source, sums, a, b), sums.size)
    return float(sums.sum())
