"""A table of voxel S values made whole by the symmetries of its voxel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...text import counted
from .symmetry import equal_axes

#: Lines of the same offset may differ by this share: the last digit of numbers that were rounded twice.
SAME_VALUE = 1e-5
#: Mirror images next to the source may differ by this share: the noise of tables without averaging.
SAME_IMAGE = 0.2
#: Permuted offsets may differ by this share where others are filled from them.
SAME_PERMUTED = 0.05


def completed(
    offsets: np.ndarray, columns: list[np.ndarray], lines: list[int], voxel_size_mm: tuple[float, ...], path: Path
) -> list[np.ndarray]:
    """Octants of a table's columns.

    Parameters
    ----------
    offsets
        Of each line, along z, y, x (n, 3), int64.
    columns
        Values of each line (n,), float64; the first holds S.
    lines
        Numbers of the lines, for messages.
    voxel_size_mm
        (dz, dy, dx) [mm]; equal sides may be permuted.
    path
        The file, for messages.

    Returns
    -------
    list of ndarray
        One octant for each column: mean of the mirror images that there are, holes filled from permutations.

    Raises
    ------
    InputError
        Two lines of one offset, or images, that differ; holes that symmetry does not fill.
    """
    _check_twice(offsets, columns[0], lines, path)
    places = np.abs(offsets)
    permutations = equal_axes((voxel_size_mm[0], voxel_size_mm[1], voxel_size_mm[2]))
    own = places.max(axis=0)
    octants, held = _octants(offsets, columns, own, path)
    if held.all():
        return octants
    last = np.array([max(int(own[axes[i]]) for axes in permutations) for i in range(3)])
    octants, held = _octants(offsets, columns, last, path)
    return _filled(octants, held, permutations, path)


def _octants(
    offsets: np.ndarray, columns: list[np.ndarray], last: np.ndarray, path: Path
) -> tuple[list[np.ndarray], np.ndarray]:
    """Means of the mirror images in an octant up to these offsets, and which of its neighbours have a value."""
    shape = (int(last[0]) + 1, int(last[1]) + 1, int(last[2]) + 1)
    flat = np.ravel_multi_index(tuple(np.abs(offsets).T), shape)
    size = int(np.prod(shape))
    if size > 100 * len(flat):  # a few neighbours far away, for which no large array is made
        raise _holes(int(size - np.unique(flat).size), size, np.array([0, 0, 0]), path)
    count = np.bincount(flat, minlength=size)
    means = [np.bincount(flat, column, size) / np.maximum(count, 1) for column in columns]
    _check_images(offsets, flat, columns[0], means[0], path)
    return [mean.reshape(shape) for mean in means], (count > 0).reshape(shape)


def _check_twice(offsets: np.ndarray, values: np.ndarray, lines: list[int], path: Path) -> None:
    seen: dict[tuple[int, ...], int] = {}
    for n, offset in enumerate(map(tuple, offsets.tolist())):
        first = seen.setdefault(offset, n)
        if abs(values[n] - values[first]) > SAME_VALUE * abs(values[first]):
            raise InputError(
                f"states S of {offset} twice: {values[first]:.6g} in line {lines[first]}, {values[n]:.6g}",
                why="one offset has one value",
                suggestion="remove the line that is wrong; are these the values of one nuclide?",
                file=path,
                field=f"line {lines[n]}",
            )


def _check_images(offsets: np.ndarray, flat: np.ndarray, values: np.ndarray, mean: np.ndarray, path: Path) -> None:
    near = np.abs(offsets).max(axis=1) <= 1
    apart = np.abs(values - mean[flat]) > SAME_IMAGE * np.abs(mean[flat])
    if (near & apart).any():
        n = int(np.flatnonzero(near & apart)[0])
        raise InputError(
            f"S of {tuple(offsets[n].tolist())} is {values[n]:.4g}, the mean of its mirror images {mean[flat[n]]:.4g}",
            why="in a uniform medium mirror images are equal",
            suggestion="are the offsets counted from the source? Its own are 0, 0, 0",
            file=path,
        )


def _filled(
    octants: list[np.ndarray], held: np.ndarray, permutations: list[tuple[int, int, int]], path: Path
) -> list[np.ndarray]:
    """Octants with their holes filled from permuted offsets, which must agree where several are there."""
    number = sum(held.transpose(axes).astype(np.int64) for axes in permutations)
    if (number == 0).any():
        raise _holes(int((number == 0).sum()), held.size, np.argwhere(number == 0)[0], path)
    means = []
    for octant in octants:
        total = sum(np.where(held, octant, 0.0).transpose(axes) for axes in permutations)
        means.append(total / number)
    first = octants[0]
    apart = held & (np.abs(first - means[0]) > SAME_PERMUTED * np.abs(means[0]))
    if apart.any():
        place = np.argwhere(apart)[0]
        raise InputError(
            f"S of {tuple(place.tolist())} is {first[tuple(place)]:.4g}, and of its permutations on average "
            f"{means[0][tuple(place)]:.4g}",
            why="missing neighbours are taken from permuted ones, which must agree where there are several",
            suggestion="give all neighbours i, j, k >= 0, or check the voxel size",
            file=path,
        )
    return [np.where(held, octant, mean) for octant, mean in zip(octants, means, strict=True)]


def _holes(missing: int, size: int, place: np.ndarray, path: Path) -> InputError:
    return InputError(
        f"has no value for {counted(missing, 'neighbour')} of {size}, for example {tuple(place.tolist())}",
        why="neighbours that symmetry does not give have no S",
        suggestion="give all neighbours i, j, k >= 0 (with equal sides those with i <= j <= k are enough)",
        file=path,
    )
