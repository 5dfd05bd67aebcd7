"""Voxel geometry and the axis convention: the only module that transposes.

Everywhere in hevesy an image array is indexed ``[z, y, x]`` and every triple that belongs to a grid
(shape, spacing, origin) is ordered ``(z, y, x)``. Patient coordinates are DICOM LPS millimetres. Images are
brought to the canonical orientation on reading (index axes along +L, +P, +S), so that a flipped or permuted
file never reaches the physics.
"""

from __future__ import annotations

import errno
import gzip
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .disk_errors import complaints_held_back
from .errors import InputError
from .files import written_whole
from .text import counted

if TYPE_CHECKING:
    import SimpleITK as sitk

#: Note of an image whose axes are not those of the patient.
OBLIQUE = "the image axes are oblique to the patient axes; its direction cosines are preserved"
#: Direction cosines closer than this to a coordinate axis (0.05 mm over half a metre) count as axis aligned.
DIRECTION_TOLERANCE = 1e-4

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """A regular voxel grid.

    Parameters
    ----------
    shape
        Number of voxels (nz, ny, nx).
    spacing_mm
        Voxel size (dz, dy, dx) [mm].
    origin_mm
        Patient position (z, y, x) [mm, LPS] of the CENTRE of voxel [0, 0, 0].
    direction
        Row-major 3x3 direction cosines in SimpleITK's (x, y, z) order; the identity for canonical grids.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel [mL]."""
        dz, dy, dx = self.spacing_mm
        return dz * dy * dx * 1e-3

    @property
    def size(self) -> int:
        """Number of voxels."""
        nz, ny, nx = self.shape
        return nz * ny * nx

    @property
    def is_axis_aligned(self) -> bool:
        """Whether the index axes run along +x, +y, +z of the patient."""
        return bool(np.allclose(self.direction, IDENTITY, atol=DIRECTION_TOLERANCE))

    @property
    def affine(self) -> np.ndarray:
        """4x4 matrix from array index (z, y, x, 1) to patient position (x, y, z, 1) [mm, LPS]."""
        matrix = np.eye(4)
        cosines = np.asarray(self.direction, float).reshape(3, 3)  # columns: x, y, z axes
        matrix[:3, :3] = cosines[:, ::-1] * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm[::-1]
        return matrix

    def index_to_xyz(self, index: np.ndarray) -> np.ndarray:
        """Patient positions (..., 3) in (x, y, z) [mm] of fractional array indices (..., 3) in (z, y, x)."""
        matrix = self.affine
        return np.asarray(index, float) @ matrix[:3, :3].T + matrix[:3, 3]

    def xyz_to_index(self, points_xyz_mm: np.ndarray) -> np.ndarray:
        """Fractional array indices (..., 3) in (z, y, x) of patient positions (..., 3) in (x, y, z) [mm].

        Voxel ``i`` covers indices from ``i - 0.5`` to ``i + 0.5``.
        """
        matrix = self.affine
        return (np.asarray(points_xyz_mm, float) - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T

    def is_parallel_to(self, other: Grid) -> bool:
        """Whether two grids have the same index axes, so that overlaps of voxels are products of lengths."""
        return bool(np.allclose(self.direction, other.direction, atol=DIRECTION_TOLERANCE))

    def edges_mm(self, axis: int) -> np.ndarray:
        """The n + 1 voxel boundaries [mm] along array axis 0 (z), 1 (y) or 2 (x).

        Distances along the grid's own axis direction; for an axis-aligned grid they are patient coordinates.
        """
        n, step = self.shape[axis], self.spacing_mm[axis]
        along = np.asarray(self.direction, float).reshape(3, 3)[:, 2 - axis]
        first = float(along @ np.array(self.origin_mm[::-1]))
        return first + step * (np.arange(n + 1) - 0.5)

    def corners_xyz_mm(self) -> np.ndarray:
        """The eight outer corners of the grid, (8, 3) in (x, y, z) [mm]."""
        index = [[side * n - 0.5 for side, n in zip(sides, self.shape, strict=True)] for sides in np.ndindex(2, 2, 2)]
        return self.index_to_xyz(np.array(index))

    def same_as(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether two grids have the same voxels, positions agreeing within ``tolerance`` of a voxel."""
        if self.shape != other.shape:
            return False
        step = min(*self.spacing_mm, *other.spacing_mm)
        return bool(np.max(np.abs(self.corners_xyz_mm() - other.corners_xyz_mm())) <= tolerance * step)

    def cropped(self, box: tuple[slice, slice, slice]) -> Grid:
        """The grid of ``values[box]``; the slices have explicit non-negative starts and stops and step 1."""
        start = np.array([cut.start for cut in box], float)
        x, y, z = (float(value) for value in self.index_to_xyz(start))
        shape = tuple(int(cut.stop - cut.start) for cut in box)
        return Grid((shape[0], shape[1], shape[2]), self.spacing_mm, (z, y, x), self.direction)

    @staticmethod
    def bounding_box(mask: np.ndarray, margin: int | Sequence[int] = 0) -> tuple[slice, slice, slice]:
        """The smallest box that holds all voxels of a mask above zero, with room around it, inside the grid.

        Parameters
        ----------
        mask
            Array (nz, ny, nx).
        margin
            Voxels of room on each side, the same for all axes or one number per axis.

        Raises
        ------
        ValueError
            A mask without a voxel above zero.
        """
        inside = np.nonzero(mask > 0)
        if not inside[0].size:
            raise ValueError("an empty mask has no bounding box")
        room = (margin,) * 3 if isinstance(margin, int) else margin
        z, y, x = (
            slice(max(int(index.min()) - around, 0), min(int(index.max()) + 1 + around, size))
            for index, around, size in zip(inside, room, mask.shape, strict=True)
        )
        return z, y, x

    def with_spacing(self, spacing_mm: tuple[float, float, float]) -> Grid:
        """A grid of another voxel size that covers this one; the outer low corner stays where it is."""
        extent = np.array(self.shape) * np.array(self.spacing_mm)
        shape = np.maximum(np.ceil(extent / np.array(spacing_mm) - 1e-6), 1).astype(int)
        first = 0.5 * np.array(spacing_mm) / np.array(self.spacing_mm) - 0.5
        x, y, z = (float(value) for value in self.index_to_xyz(first))
        return Grid(
            (int(shape[0]), int(shape[1]), int(shape[2])),
            (float(spacing_mm[0]), float(spacing_mm[1]), float(spacing_mm[2])),
            (z, y, x),
            self.direction,
        )

    def moved(self, matrix: np.ndarray) -> Grid:
        """The same voxels after a rigid motion.

        Parameters
        ----------
        matrix
            4x4: from a patient position (x, y, z, 1) to where it comes to lie [mm]; rotation and translation.
        """
        turn = np.asarray(matrix, float)[:3, :3]
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) or np.linalg.det(turn) < 0.0:
            raise ValueError("a grid can only be moved by a rotation and a translation")
        x, y, z = (float(v) for v in (np.asarray(matrix, float) @ np.array([*self.origin_mm[::-1], 1.0]))[:3])
        cosines = turn @ np.asarray(self.direction, float).reshape(3, 3)
        return Grid(self.shape, self.spacing_mm, (z, y, x), tuple(float(c) for c in cosines.reshape(-1)))


@dataclass
class Volume:
    """A scalar image on a grid.

    Parameters
    ----------
    grid
        Its geometry.
    values
        Array (nz, ny, nx).
    quantity
        What the values are and their unit: ``"HU"``, ``"Bq/mL"``, ``"g/cm3"``, ``"fraction"``, ``"Gy"``.
    frame_of_reference
        DICOM frame of reference UID when the file has one.
    source
        The file or folder it came from.
    notes
        What was assumed or converted on the way in, one sentence each.
    """

    grid: Grid
    values: np.ndarray
    quantity: str
    frame_of_reference: str | None = None
    source: str = ""
    notes: list[str] = field(default_factory=list)


def canonical(values: np.ndarray, affine: np.ndarray, file: object | None = None) -> tuple[np.ndarray, Grid]:
    """Bring an array in any index order to ``[z, y, x]`` along +S, +P, +L.

    Parameters
    ----------
    values
        Array of three axes in any order and sense.
    affine
        4x4 (or 3x4) matrix from its index (i, j, k, 1) to patient position (x, y, z) [mm, LPS].
    file
        Named in the error.

    Returns
    -------
    (values, grid)
        A C-contiguous array and its grid. Axes are permuted and flipped, never interpolated: an oblique
        image keeps its direction cosines in ``grid.direction``.

    Raises
    ------
    InputError
        When the axes are not perpendicular (gantry tilt) or a voxel has no size.
    """
    order, flipped, grid = canonical_axes(values.shape, affine, file)
    return np.ascontiguousarray(np.flip(np.transpose(values, order), flipped)), grid


def canonical_axes(
    shape: tuple[int, ...], affine: np.ndarray, file: object | None = None
) -> tuple[tuple[int, int, int], tuple[int, ...], Grid]:
    """How :func:`canonical` turns an array of a shape, without the array.

    Returns
    -------
    (order, flipped, grid)
        Source axis of each canonical axis (z, y, x), the canonical axes whose sense is turned round, and the
        grid of the turned array.
    """
    affine = np.asarray(affine, float)
    steps, origin = affine[:3, :3], affine[:3, 3]
    spacing = np.linalg.norm(steps, axis=0)
    if len(shape) != 3:
        raise InputError(
            f"the image has {counted(len(shape), 'dimension')}",
            why="one three-dimensional volume is needed",
            suggestion="split a dynamic or vector image into single volumes",
            file=file,
        )
    if not np.all(np.isfinite(affine)) or np.any(spacing < 1e-6):
        raise InputError(
            f"the voxel size is {_triple(spacing)} mm",
            why="every voxel needs a positive size",
            suggestion="repair the spacing in the image header",
            file=file,
        )
    cosines = steps / spacing
    skew = np.abs(cosines.T @ cosines - np.eye(3)).max()
    if skew > 2e-3:
        raise InputError(
            f"the image axes are not perpendicular (largest cosine between two of them {skew:.4f})",
            why="a gantry tilt or sheared image has no rectangular voxels",
            suggestion="resample it to a rectangular grid before importing",
            file=file,
        )
    # axis[p]: which array axis runs closest to patient axis p (0 x, 1 y, 2 z); the best of the six assignments.
    axis = max(permutations(range(3)), key=lambda o: sum(abs(cosines[p, o[p]]) for p in range(3)))
    order = (axis[2], axis[1], axis[0])
    nz, ny, nx = (shape[a] for a in order)
    columns, sizes, origin = cosines[:, list(axis)], spacing[list(axis)], origin.copy()
    flipped = []
    for p in range(3):
        if columns[p, p] < 0.0:
            flipped.append(2 - p)
            origin = origin + columns[:, p] * sizes[p] * ((nz, ny, nx)[2 - p] - 1)
            columns[:, p] = -columns[:, p]
    direction: tuple[float, ...] = IDENTITY
    if not np.allclose(columns, np.eye(3), atol=DIRECTION_TOLERANCE):
        direction = tuple(float(c) for c in columns.reshape(-1))
    grid = Grid(
        (nz, ny, nx),
        (float(sizes[2]), float(sizes[1]), float(sizes[0])),
        (float(origin[2]), float(origin[1]), float(origin[0])),
        direction,
    )
    return order, tuple(flipped), grid


def _triple(values: np.ndarray) -> str:
    return " x ".join(f"{float(v):g}" for v in values)


def to_sitk(grid: Grid, values: np.ndarray) -> sitk.Image:
    """An array (nz, ny, nx) on ``grid`` as a SimpleITK image."""
    import SimpleITK as sitk

    if tuple(values.shape) != tuple(grid.shape):
        raise ValueError(f"array of shape {values.shape} on a grid of shape {grid.shape}")
    if values.dtype == bool:
        values = values.astype(np.uint8)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    dz, dy, dx = grid.spacing_mm
    z, y, x = grid.origin_mm
    image.SetSpacing((dx, dy, dz))
    image.SetOrigin((x, y, z))
    image.SetDirection(tuple(grid.direction))
    return image


def write_image(path: str | Path, grid: Grid, values: np.ndarray) -> Path:
    """Write an array as NIfTI, MHA or NRRD (by the file name's ending), compressed, whole or not at all."""
    path = Path(path)
    with written_whole(path) as part:
        write_sitk(to_sitk(grid, values), part)
    return path


def write_sitk(image: sitk.Image, part: Path) -> None:
    """Write an image compressed.

    Raises
    ------
    OSError
        The disk is full or fails, which the library that writes does not always notice, nor say why.
    """
    import SimpleITK as sitk

    try:
        with complaints_held_back():
            sitk.WriteImage(image, str(part), useCompression=True)
    except RuntimeError as error:
        _check_disk(part)
        raise OSError(errno.EIO, "the image could not be written", str(part)) from error
    if not part.name.endswith(".gz"):
        _check_disk(part)
        return
    try:
        with gzip.open(part) as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        _check_disk(part)
        raise OSError(errno.ENOSPC, "the file is not whole: the disk is full or fails", str(part)) from error


def _check_disk(part: Path) -> None:
    """Have the system say what is wrong with a disk, if it is: a page more in a file beside this one.

    Raises
    ------
    OSError
        As the system says it.
    """
    try:
        with tempfile.TemporaryFile(dir=part.parent, buffering=0) as file:
            file.write(bytes(1 << 16))
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(part)) from None


def dicom_affine(
    position_xyz_mm: np.ndarray,
    orientation: np.ndarray,
    pixel_spacing_mm: np.ndarray,
    step_xyz_mm: np.ndarray,
) -> np.ndarray:
    """4x4 affine of a stack ``[slice, row, column]`` from DICOM's image plane attributes (PS3.3 C.7.6.2.1.1).

    Parameters
    ----------
    position_xyz_mm
        Image Position (Patient) of the first slice, (3,).
    orientation
        Image Orientation (Patient), (6,): cosines along a row (increasing column), then down a column.
    pixel_spacing_mm
        Pixel Spacing, (2,): between rows, between columns.
    step_xyz_mm
        From one slice to the next, (3,).
    """
    affine = np.eye(4)
    affine[:3, 0] = step_xyz_mm
    affine[:3, 1] = np.asarray(orientation[3:6], float) * float(pixel_spacing_mm[0])
    affine[:3, 2] = np.asarray(orientation[0:3], float) * float(pixel_spacing_mm[1])
    affine[:3, 3] = position_xyz_mm
    return affine
