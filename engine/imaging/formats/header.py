"""What a volume file states about its image: geometry, value type, scaling, and where its voxels are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical_axes
from ...same import SAME_POSE_MM
from .stream import MOST_EXTRA, Data

#: Most voxels of an image. A CT of 512 x 512 x 2200 (a whole body in 1 mm slices) has 577 million; a header that
#: states more is damaged or made to fill the memory.
MOST_VOXELS = 600_000_000
#: Most voxels along an axis: the largest number that NIfTI-1 and DICOM hold in their usual sizes.
LONGEST_AXIS = 32767
#: Voxel sizes of PET and CT [mm]: micro-CTs go down to some hundredths, no scanner has voxels of some centimetres. A
#: size outside is in another unit.
SMALLEST_MM, LARGEST_MM = 0.01, 100.0
#: How far an axis may lead from the patient [mm]: scanners count from the middle of their bore, and a body is 2 m long.
#: Farther away a position is not one.
FARTHEST_MM = 1e5


@dataclass(frozen=True)
class VolumeHeader:
    """A volume file without its voxels.

    Parameters
    ----------
    file
        The file that was named.
    shape
        Number of voxels along the stored axes, the fastest first (ni, nj, nk).
    affine
        float64 (4, 4), from a stored index (i, j, k, 1) to the patient position (x, y, z, 1) [mm, LPS].
    placed
        Whether the file says where in the patient it lies; else position and orientation are made up.
    dtype
        Of a stored value, with its byte order.
    data
        Where the voxels are.
    slope, intercept
        Value = slope x stored value + intercept.
    notes
        What was assumed, one sentence each.
    """

    file: Path
    shape: tuple[int, int, int]
    affine: np.ndarray
    placed: bool
    dtype: np.dtype
    data: Data
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> np.ndarray:
        """4x4, from the index (k, j, i, 1) of the array of voxels to the patient position [mm, LPS]."""
        return np.asarray(self.affine)[:, [2, 1, 0, 3]]

    @cached_property
    def grid(self) -> Grid:
        """The canonical grid of the image.

        Raises
        ------
        InputError
            Axes that are not perpendicular; voxels without a size.
        """
        ni, nj, nk = self.shape
        return canonical_axes((nk, nj, ni), self.steps, self.file)[2]

    def values(self, dtype: type | None) -> tuple[np.ndarray, int, int]:
        """The voxels, scaled.

        Parameters
        ----------
        dtype
            Type wanted; None for the stored one, or float64 where values are scaled.

        Returns
        -------
        (values, bad, extra)
            Array (nk, nj, ni); how many are NaN or infinite; bytes of the file behind the last voxel.

        Raises
        ------
        InputError
            A file that is damaged, cut short, or holds another number of voxels than it states.
        """
        scaled = self.slope != 1.0 or self.intercept != 0.0
        target = np.dtype(dtype or (np.float64 if scaled else self.dtype.newbyteorder("=")))
        ni, nj, nk = self.shape
        out = self.data.reserve(ni * nj * nk, self.dtype.itemsize, target)
        bad = at = 0
        with self.data.open(ni * nj * nk, self.dtype) as stream:
            while at < out.size:
                block = stream.take(min(stream.BLOCK, out.size - at))
                with np.errstate(over="ignore", invalid="ignore"):
                    if scaled:
                        block = block.astype(np.float64) * self.slope + self.intercept
                    out[at : at + block.size] = block
                if target.kind == "f":
                    part = out[at : at + block.size]
                    bad += part.size - int(np.count_nonzero(np.isfinite(part)))
                at += block.size
            extra = stream.finish()
        if extra > MOST_EXTRA:
            raise self.data.too_long(extra)
        return out.reshape(nk, nj, ni), bad, extra


def checked_shape(sizes: tuple[int, ...], file: Path, field: str) -> tuple[int, int, int]:
    """The three sizes of a volume; further axes of one image are dropped.

    Raises
    ------
    InputError
        Another number of axes, several images, sizes that no image has.
    """
    listed = " x ".join(f"{n}" for n in sizes)
    if any(n < 1 for n in sizes):
        raise InputError(
            f"the image has {listed} voxels",
            why="every axis has one voxel or more",
            suggestion="the header is damaged: export the image again",
            file=file,
            field=field,
        )
    if len(sizes) < 3 or any(n > 1 for n in sizes[3:]):
        used = len(sizes) if len(sizes) < 3 else max(i + 1 for i, n in enumerate(sizes) if n > 1)
        raise InputError(
            f"the image has {used} dimensions ({listed} voxels)",
            why="one three-dimensional volume is needed",
            suggestion="split a dynamic, colour or vector image into single volumes",
            file=file,
            field=field,
        )
    ni, nj, nk = sizes[:3]
    if max(sizes[:3]) > LONGEST_AXIS or ni * nj * nk > MOST_VOXELS:
        raise InputError(
            f"the header states {ni} x {nj} x {nk} voxels",
            why=f"an image has at most {MOST_VOXELS // 1_000_000} million voxels (a whole-body CT in 1 mm slices), and "
            f"at most {LONGEST_AXIS} along an axis",
            suggestion="the header is damaged; export the image again, or cut it to the region that is needed",
            file=file,
            field=field,
        )
    return int(ni), int(nj), int(nk)


def checked_affine(affine: np.ndarray, shape: tuple[int, int, int], file: Path, field: str) -> np.ndarray:
    """The affine [mm], once voxel sizes and position are ones that an image has.

    Raises
    ------
    InputError
        Numbers that are not finite, voxel sizes of another unit, a place far outside any scanner, sheared axes.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or np.any(spacing < SMALLEST_MM) or np.any(spacing > LARGEST_MM):
        raise InputError(
            f"the voxel size is {' x '.join(f'{v:g}' for v in spacing)} mm",
            why=f"voxels of PET and CT measure {SMALLEST_MM:g} to {LARGEST_MM:g} mm",
            suggestion="repair spacing and unit of length in the image header",
            file=file,
            field=field,
        )
    if np.any(np.abs(affine[:3, 3]) > FARTHEST_MM):
        raise InputError(
            f"the first voxel lies at {', '.join(f'{v:.3g}' for v in affine[:3, 3])} mm",
            why="no scanner is that large",
            suggestion="repair the position in the image header",
            file=file,
            field=field,
        )
    canonical_axes(shape[::-1], affine[:, [2, 1, 0, 3]], file)
    return affine


def apart_mm(a: np.ndarray, b: np.ndarray, shape: tuple[int, int, int]) -> float:
    """Largest distance between the outer corners of one image at two places [mm]; inf where one is not finite."""
    corners = np.ones((8, 4))
    corners[:, :3] = np.array(list(np.ndindex(2, 2, 2))) * np.array(shape) - 0.5
    distance = float(np.linalg.norm((corners @ (a - b).T)[:, :3], axis=1).max())
    return distance if math.isfinite(distance) else math.inf


def same_pose(a: np.ndarray, b: np.ndarray, shape: tuple[int, int, int]) -> bool:
    """Whether two affines put an image at the same place, within what headers lose by rounding."""
    return apart_mm(a, b, shape) <= SAME_POSE_MM
