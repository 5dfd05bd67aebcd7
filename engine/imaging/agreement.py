"""Whether two CTs show the same anatomy in the same place: the body in each, and their correlation inside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..grid import Volume
from .alignment import Alignment
from .resample import coverage, resample_conserving

#: HU range that is compared: outside it, metal and bowel gas would dominate the correlation.
HU_RANGE = (-1000.0, 600.0)
#: HU above which a voxel may belong to the body.
BODY_HU = -400.0
#: CTs with a lower correlation in the body do not show the same anatomy in the same place.
LEAST_CORRELATION = 0.85


def body_mask(hu: np.ndarray) -> np.ndarray:
    """The body in a CT (nz, ny, nx): the largest connected part above :data:`BODY_HU`, lungs and bowel filled.

    Slices are filled first, since erosion would open thin chest walls; one erosion then detaches the table.
    """
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in np.asarray(hu) > BODY_HU])
    labels, count = ndimage.label(ndimage.binary_erosion(filled))
    if count == 0:
        return np.zeros(filled.shape, bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_dilation(labels == int(sizes.argmax())) & filled)


@dataclass(frozen=True, eq=False)
class WorkingCT:
    """A CT as it is compared with another: on voxels of the working size, clipped, with its body.

    Parameters
    ----------
    ct
        Averaged CT [HU] in the range :data:`HU_RANGE`.
    body
        The body in it (nz, ny, nx), bool.
    """

    ct: Volume
    body: np.ndarray

    @classmethod
    def of(cls, ct: Volume, work_mm: float) -> WorkingCT:
        """``ct`` averaged to voxels of ``work_mm`` [mm]; larger voxels stay as they are."""
        step = tuple(max(float(s), work_mm) for s in ct.grid.spacing_mm)
        grid = ct.grid
        if max(a / b for a, b in zip(step, ct.grid.spacing_mm, strict=True)) > 1.05:
            grid = ct.grid.with_spacing((step[0], step[1], step[2]))
        clipped = np.clip(np.asarray(ct.values, np.float32), *HU_RANGE)
        lifted = Volume(ct.grid, clipped - HU_RANGE[0], "HU+1000")
        # the last voxels reach beyond the CT: their value is the mean of the part inside it
        covered = np.maximum(coverage(ct.grid, grid), 1e-6)
        values = (resample_conserving(lifted, grid).values / covered).astype(np.float32) + np.float32(HU_RANGE[0])
        return cls(Volume(grid, values, "HU", source=ct.source), body_mask(values))

    @cached_property
    def centre_xyz_mm(self) -> np.ndarray:
        """Centre of the body (x, y, z) [mm]."""
        return np.asarray(self.ct.grid.index_to_xyz(np.array(ndimage.center_of_mass(self.body))))

    @cached_property
    def body_and_skin(self) -> np.ndarray:
        """The body and two voxels around it (nz, ny, nx): its surface takes part in the alignment."""
        return np.asarray(ndimage.binary_dilation(self.body, iterations=2))


def correlation(fixed: WorkingCT, moving: WorkingCT, alignment: Alignment) -> float:
    """Correlation of the CTs in the body, where the moving one covers at least a tenth of it; else nan."""
    value, count = agreement(fixed.ct, fixed.body, moving.ct, alignment)
    return value if count >= max(0.1 * np.count_nonzero(fixed.body), 8) else math.nan


def agreement(fixed: Volume, mask: np.ndarray, moving: Volume, alignment: Alignment) -> tuple[float, int]:
    """Correlation of the CTs over the part of a mask that the moving one covers, and its number of voxels."""
    index = np.argwhere(mask)
    points = alignment.to_moving(fixed.grid.index_to_xyz(index))
    there = moving.grid.xyz_to_index(points)
    inside = np.all((there >= -0.5) & (there <= np.array(moving.grid.shape) - 0.5), axis=1)
    count = int(np.count_nonzero(inside))
    if count < 8:
        return math.nan, count
    seen = ndimage.map_coordinates(moving.values, there[inside].T, order=1, mode="nearest")
    fixed_values = fixed.values[tuple(index[inside].T)]
    if np.ptp(seen) < 1e-6 or np.ptp(fixed_values) < 1e-6:  # a uniform block: only equality can be tested
        return (1.0 if abs(float(seen.mean() - fixed_values.mean())) < 1.0 else 0.0), count
    return float(np.corrcoef(seen, fixed_values)[0, 1]), count


def disagreement(value: float) -> tuple[str, ...]:
    """Warning for a low correlation; empty where the CTs agree."""
    if math.isfinite(value) and value >= LEAST_CORRELATION:
        return ()
    measured = f"correlation {value:.2f}" if math.isfinite(value) else "no overlap"
    return (f"the CTs do not agree ({measured}, at least {LEAST_CORRELATION:g} expected): look at the overlay",)
