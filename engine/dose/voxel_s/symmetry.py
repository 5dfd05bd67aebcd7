"""Symmetry of a voxel S kernel: it is known from the eighth with i, j, k >= 0, and often from less.

A uniform medium and an isotropic source leave the 8 mirror images of an offset equal; where two sides of the voxel are
equal 16 offsets are, and where all three are, the 48 symmetries of the cube. What equals is averaged batch by batch, so
that a standard error between batches counts the correlation of the images, which one history joins.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

#: Sides that differ by less than this share of themselves are equal.
EQUAL = 1e-9


def equal_axes(voxel_size_mm: tuple[float, float, float]) -> list[tuple[int, int, int]]:
    """Permutations of the axes z, y, x that leave a voxel as it is; the identity first.

    Parameters
    ----------
    voxel_size_mm
        (dz, dy, dx) [mm].

    Returns
    -------
    list of tuple
        One for three different sides, two for two equal ones, six for a cube.
    """
    sides = voxel_size_mm
    return [
        (a, b, c)
        for a, b, c in permutations(range(3))
        if all(abs(sides[p] - sides[i]) <= EQUAL * sides[i] for i, p in enumerate((a, b, c)))
    ]


def symmetries(voxel_size_mm: tuple[float, float, float]) -> int:
    """Number of symmetries of a kernel of this voxel: 8, 16 or 48."""
    return 8 * len(equal_axes(voxel_size_mm))


def folded(values: np.ndarray) -> np.ndarray:
    """Sum of the 8 mirror images of an array with a middle, as the octant of offsets >= 0, of the same type.

    On the planes through the middle images coincide and count as often, so that an eighth of it is the mean everywhere.

    Parameters
    ----------
    values
        (2 kz + 1, 2 ky + 1, 2 kx + 1).

    Returns
    -------
    ndarray
        (kz + 1, ky + 1, kx + 1).
    """
    out = values
    for axis in range(3):
        k = out.shape[axis] // 2
        ahead = [slice(None)] * 3
        behind = list(ahead)
        ahead[axis], behind[axis] = slice(k, None), slice(k, None, -1)
        out = out[tuple(ahead)] + out[tuple(behind)]
    return out


def averaged(octant: np.ndarray, voxel_size_mm: tuple[float, float, float]) -> np.ndarray:
    """Mean of an octant over the permutations of equal sides, same shape; of those that its box holds."""
    axes = equal_axes(voxel_size_mm)
    if len(axes) == 1:
        return octant
    total, number = np.zeros_like(octant), np.zeros(octant.shape, np.int8)
    for permutation in axes:
        turned = octant.transpose(permutation)
        box = tuple(slice(min(a, b)) for a, b in zip(octant.shape, turned.shape, strict=True))
        total[box] += turned[box]
        number[box] += 1
    return total / number


def unfolded(octant: np.ndarray) -> np.ndarray:
    """The whole array of which this is the octant of offsets >= 0."""
    return octant[np.ix_(*(np.abs(np.arange(1 - n, n)) for n in octant.shape))]


def octant_of(values: np.ndarray) -> np.ndarray:
    """The octant of offsets >= 0 of a whole array, as a view."""
    return values[tuple(slice(n // 2, None) for n in values.shape)]


def images(shape: tuple[int, ...]) -> np.ndarray:
    """How many mirror images each voxel of an octant stands for: 1, 2, 4 or 8; float64 of this shape."""
    out = np.ones(shape)
    for axis, n in enumerate(shape):
        weight = np.full(n, 2.0)
        weight[0] = 1.0
        out *= np.expand_dims(weight, [a for a in range(3) if a != axis])
    return out


def offsets_mm(shape: tuple[int, ...], voxel_size_mm: tuple[float, float, float]) -> list[np.ndarray]:
    """Distances along z, y and x of an octant's voxels from the source [mm], each ready to be broadcast."""
    return [
        np.expand_dims(np.arange(n) * size, [a for a in range(3) if a != axis])
        for axis, (n, size) in enumerate(zip(shape, voxel_size_mm, strict=True))
    ]
