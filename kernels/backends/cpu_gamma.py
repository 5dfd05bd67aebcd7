"""The gamma index against a trilinear map, compiled, on all threads.

For a reference dose at the centre of a voxel the smallest value of

    Gamma^2(r) = |r - centre|^2 / distance criterion^2 + (evaluated(r) - reference)^2 / dose criterion^2

is searched in the evaluated map, which is interpolated trilinearly between the centres of its voxels. The search is a
branch and bound over boxes, so that it misses no minimum: a box is dropped when a lower bound of Gamma inside it is no
better than the best point so far, and halved otherwise. Two bounds are used. Inside a box the dose lies between those
of its corners; and it differs from the plane through its centre by no more than it does at a corner, where the
smallest Gamma of a plane is known in closed form. The second makes the search short in gradients, where sampling in
steps overestimates gamma: at 10 % per mm a step of 0.1 mm is 1 % of dose.

References: Low et al. (1998) Med Phys 25:656 (the index); Wendling et al. (2007) Med Phys 34:1647 (search within a
radius of an interpolated map); Ju et al. (2008) Med Phys 35:879 (the distance to a piece of a plane).
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from .cpu import kept, threads
from .shares import shared

#: Gamma is found to within this above its exact value.
TOLERANCE = 2e-3
#: A gamma index of one passes, however its arithmetic rounds.
PASS = 1.0 + 1e-6
#: Boxes are not halved below this share of the distance criterion.
_SMALLEST = 1e-4
#: Boxes of a cell that wait to be looked at: each halving adds one, and 96 of them make a box of 2**32 distance
#: criteria in each direction smaller than the smallest.
_DEPTH = 128
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


@njit(forceinline=True, **_OPTIONS)
def _cell(evaluated, corner, dose, per_dose):
    """Doses of the corners of a cell above the reference, in dose criteria; order (z, y, x), x fastest."""
    k, j, i = corner
    return (
        (evaluated[k, j, i] - dose) * per_dose,
        (evaluated[k, j, i + 1] - dose) * per_dose,
        (evaluated[k, j + 1, i] - dose) * per_dose,
        (evaluated[k, j + 1, i + 1] - dose) * per_dose,
        (evaluated[k + 1, j, i] - dose) * per_dose,
        (evaluated[k + 1, j, i + 1] - dose) * per_dose,
        (evaluated[k + 1, j + 1, i] - dose) * per_dose,
        (evaluated[k + 1, j + 1, i + 1] - dose) * per_dose,
    )


@njit(forceinline=True, **_OPTIONS)
def _pair(c, z, y):
    """Trilinear values at (z, y) of a cell, on its low and on its high face in x."""
    a, b = c[0] + (c[4] - c[0]) * z, c[1] + (c[5] - c[1]) * z
    p, q = c[2] + (c[6] - c[2]) * z, c[3] + (c[7] - c[3]) * z
    return a + (p - a) * y, b + (q - b) * y


@njit(forceinline=True, **_OPTIONS)
def _corners(c, z, y, x, dz, dy, dx):
    """Trilinear values at the corners of a box of a cell, ordered like those of the cell."""
    e, f = x, x + dx
    a, b = _pair(c, z, y)
    p, q = _pair(c, z, y + dy)
    r, s = _pair(c, z + dz, y)
    t, u = _pair(c, z + dz, y + dy)
    return (
        a + (b - a) * e, a + (b - a) * f, p + (q - p) * e, p + (q - p) * f,
        r + (s - r) * e, r + (s - r) * f, t + (u - t) * e, t + (u - t) * f,
    )  # fmt: skip


@njit(forceinline=True, **_OPTIONS)
def _plane(v):
    """Mean of the corners of a box, half its mean differences along z, y and x, and how far a corner is off that."""
    mean = 0.125 * (v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7])
    tz = 0.125 * (v[4] + v[5] + v[6] + v[7] - v[0] - v[1] - v[2] - v[3])
    ty = 0.125 * (v[2] + v[3] + v[6] + v[7] - v[0] - v[1] - v[4] - v[5])
    tx = 0.125 * (v[1] + v[3] + v[5] + v[7] - v[0] - v[2] - v[4] - v[6])
    off = max(abs(v[0] - mean + tz + ty + tx), abs(v[1] - mean + tz + ty - tx))
    off = max(off, max(abs(v[2] - mean + tz - ty + tx), abs(v[3] - mean + tz - ty - tx)))
    off = max(off, max(abs(v[4] - mean - tz + ty + tx), abs(v[5] - mean - tz + ty - tx)))
    off = max(off, max(abs(v[6] - mean - tz - ty + tx), abs(v[7] - mean - tz - ty - tx)))
    return mean, tz, ty, tx, off


@njit(forceinline=True, **_OPTIONS)
def _gap(v):
    """Smallest size of a value between those of the corners of a box."""
    low = min(min(min(v[0], v[1]), min(v[2], v[3])), min(min(v[4], v[5]), min(v[6], v[7])))
    high = max(max(max(v[0], v[1]), max(v[2], v[3])), max(max(v[4], v[5]), max(v[6], v[7])))
    return max(max(low, -high), 0.0)


@njit(forceinline=True, **_OPTIONS)
def _halve(stack, waiting, axis, near_low):
    """Replace the box on top of the stack by its halves along an axis; the half that is nearer comes to lie on top."""
    half = 0.5 * stack[waiting, 3 + axis]
    for one in range(6):
        stack[waiting + 1, one] = stack[waiting, one]
    stack[waiting, 3 + axis] = half
    stack[waiting + 1, 3 + axis] = half
    if near_low:
        stack[waiting, axis] += half
    else:
        stack[waiting + 1, axis] += half
    return waiting + 2


@njit(**_OPTIONS)
def _search_cell(c, low, scale, best, tolerance, enough, stack):
    """The smallest Gamma in a cell, or ``best`` if that is smaller.

    ``c`` are the doses of its corners above the reference in dose criteria, ``low`` its low corner from the voxel's
    centre in voxels, ``scale`` the voxel size in distance criteria. The search ends at a Gamma of ``enough``.
    """
    stack[0, :3] = 0.0
    stack[0, 3:] = 1.0
    waiting = 1
    while waiting > 0 and best > enough:
        waiting -= 1
        z, y, x = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        dz, dy, dx = stack[waiting, 3], stack[waiting, 4], stack[waiting, 5]
        # the low corner of the box from the voxel's centre, and its sides, in distance criteria
        az, ay, ax = (low[0] + z) * scale[0], (low[1] + y) * scale[1], (low[2] + x) * scale[2]
        sz, sy, sx = dz * scale[0], dy * scale[1], dx * scale[2]
        pz, py, px = max(az, -az - sz, 0.0), max(ay, -ay - sy, 0.0), max(ax, -ax - sx, 0.0)
        distance2 = pz * pz + py * py + px * px
        better = best - tolerance
        if better <= 0.0 or distance2 >= better * better:
            continue
        v = _corners(c, z, y, x, dz, dy, dx)
        gap = _gap(v)
        if distance2 + gap * gap >= better * better:
            continue
        mean, tz, ty, tx, off = _plane(v)
        gz, gy, gx = 2.0 * tz / sz, 2.0 * ty / sy, 2.0 * tx / sx
        there = mean - gz * (az + 0.5 * sz) - gy * (ay + 0.5 * sy) - gx * (ax + 0.5 * sx)
        steep2 = 1.0 + gz * gz + gy * gy + gx * gx
        if abs(there) - off >= better * math.sqrt(steep2):
            continue
        # the best point of the plane, brought into the box, is a point of the map like any other
        qz = min(max(-there * gz / steep2, az), az + sz)
        qy = min(max(-there * gy / steep2, ay), ay + sy)
        qx = min(max(-there * gx / steep2, ax), ax + sx)
        a, b = _pair(c, z + (qz - az) / scale[0], y + (qy - ay) / scale[1])
        value = a + (b - a) * (x + (qx - ax) / scale[2])
        best = min(best, math.sqrt(qz * qz + qy * qy + qx * qx + value * value))
        if max(sz, sy, sx) < _SMALLEST:
            continue
        if sz >= sy and sz >= sx:
            waiting = _halve(stack, waiting, 0, az + 0.5 * sz >= 0.0)
        elif sy >= sx:
            waiting = _halve(stack, waiting, 1, ay + 0.5 * sy >= 0.0)
        else:
            waiting = _halve(stack, waiting, 2, ax + 0.5 * sx >= 0.0)
    return best


def _search(evaluated, voxels, around, limit, tolerance, enough, stack, span):
    """Gamma of the voxels ``span[0]`` to ``span[1] - 1`` of a list.

    ``voxels`` are their indices (n, 3), reference doses (n,), one over the dose criterion (n,) and the room for gamma
    (n,), which is at most ``limit``. ``around`` is the voxel size in distance criteria (3,), the cells around a voxel
    by their low corner (m, 3), nearest first, and the squares of their distances in distance criteria (m,).
    """
    index, reference, per_dose, out = voxels
    scale, cells, near = around
    for n in range(span[0], span[1]):
        k, j, i = index[n, 0], index[n, 1], index[n, 2]
        best = abs(evaluated[k, j, i] - reference[n]) * per_dose[n]
        best = best if best < limit else limit
        for m in range(cells.shape[0]):
            if best <= enough or near[m] >= best * best:
                break
            z, y, x = k + cells[m, 0], j + cells[m, 1], i + cells[m, 2]
            if z < 0 or y < 0 or x < 0:
                continue
            if z + 1 >= evaluated.shape[0] or y + 1 >= evaluated.shape[1] or x + 1 >= evaluated.shape[2]:
                continue
            c = _cell(evaluated, (z, y, x), reference[n], per_dose[n])
            if math.isnan(c[0] + c[1] + c[2] + c[3] + c[4] + c[5] + c[6] + c[7]):
                continue
            best = _search_cell(c, (cells[m, 0], cells[m, 1], cells[m, 2]), scale, best, tolerance, enough, stack)
        out[n] = best


@lru_cache(maxsize=1)
def _compiled() -> Any:
    return kept(_search, **_OPTIONS)


def cells_around(voxel_mm: tuple[float, float, float], radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Cells between voxel centres that a ball about one of them reaches, nearest first.

    Parameters
    ----------
    voxel_mm
        Voxel size (dz, dy, dx) [mm].
    radius_mm
        Of the ball [mm].

    Returns
    -------
    (cells, distance_mm)
        int64 (m, 3), the low corner of each from the centre, in voxels; and how far each is from it (m,) [mm].
    """
    size = np.asarray(voxel_mm, dtype=np.float64)
    reach = np.ceil(radius_mm / size).astype(np.int64)
    axes = [np.arange(-n, n) for n in reach]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.int64)
    nearest = np.maximum(np.maximum(cells, -cells - 1), 0) * size
    distance = np.sqrt((nearest**2).sum(axis=1))
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] < radius_mm]
    return np.ascontiguousarray(cells[order]), distance[order]


def gamma_of_voxels(
    evaluated: np.ndarray,
    index: np.ndarray,
    reference: np.ndarray,
    dose_criterion: np.ndarray,
    distance_mm: float,
    voxel_mm: tuple[float, float, float],
    limit: float | None,
) -> np.ndarray:
    """Gamma index of voxels against a map.

    Parameters
    ----------
    evaluated
        The map (nz, ny, nx), float64 C-contiguous; cells with a NaN are not searched.
    index
        int64 (n, 3), voxels of the map.
    reference, dose_criterion
        Dose of each and what it may differ by, float64 (n,), in one unit; the criterion is above zero.
    distance_mm
        Distance criterion [mm].
    voxel_mm
        Voxel size (dz, dy, dx) [mm].
    limit
        Gamma is not searched beyond this. None: only whether it is at most :data:`PASS` is wanted, and the search of a
        voxel stops at the first such point.

    Returns
    -------
    ndarray
        float64 (n,): gamma, at most :data:`TOLERANCE` above its exact value, and ``limit`` where it is no smaller.
    """
    enough = PASS if limit is None else 0.0
    # so far beyond one that a voxel just below it is not dropped by the tolerance
    limit = PASS + TOLERANCE if limit is None else limit
    cells, distance = cells_around(voxel_mm, limit * distance_mm)
    around = (np.asarray(voxel_mm, np.float64) / distance_mm, cells, (distance / distance_mm) ** 2)
    out = np.empty(len(index))
    voxels = (np.ascontiguousarray(index, np.int64), reference, 1.0 / dose_criterion, out)
    search = _compiled()

    def part(first: int, last: int) -> None:
        search(evaluated, voxels, around, float(limit), TOLERANCE, enough, np.empty((_DEPTH, 6)), (first, last))

    step = max(256, math.ceil(len(index) / (16 * threads())))
    starts = range(0, len(index), step)
    if len(starts) <= 1 or threads() == 1:
        part(0, len(index))
        return out
    with ThreadPoolExecutor(threads()) as pool:
        shared(pool, lambda first: part(first, min(first + step, len(index))), starts)
    return out
