"""A lesion and its surroundings in one scan, read from that scan's own voxels.

Bringing a PET onto another grid blurs it by about a voxel, and a lesion's mean with it. So a registered scan is
not read on the dose grid: the lesion is propagated to the scan (rigidly, at constant volume) and read there. The
dose grid's copy serves the voxel-wise dose map alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..constants import FWHM_PER_SIGMA
from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..grid import Grid, Volume
from ..imaging.masks.mask import members
from ..imaging.resample import resample_conserving, resample_fraction
from ..lesions.uncertainty import scan_relative_error
from .lesion import FineMask, Lesion
from .mask_recovery import MASK_MODEL, MaskRecovery

if TYPE_CHECKING:
    from .scans import VisitImages

#: The local background is taken in a shell from one to this many PET resolutions outside the lesion.
SHELL_RESOLUTIONS = (1.0, 2.0)
#: Standard deviation of normal values over their median absolute deviation.
MAD_TO_SIGMA = 1.4826
#: A voxel of the shell belongs to another organ where it is further from the median than this many robust standard
#: deviations of the shell, and further than this share of the median. Six: of noise as in PET (gamma or log-normal,
#: half the mean) 0.2 % of the sum is lost, so that a clean background keeps its mean, which a median would not. The
#: share: what lies within half the background, the lesion's own spill and other tissue, is background.
ORGAN_SIGMA, ORGAN_SHARE = 6.0, 0.5
#: What moves the mean by less than this share is the tail of the noise, a few voxels of hundreds, and stays: background
#: differs as much from place to place.
ORGAN_EFFECT = 0.05
#: Resolution assumed for the background shell when the case gives none [mm].
SHELL_FWHM_MM = 6.0


@dataclass
class LesionView:
    """One lesion in one scan, cropped to its neighbourhood.

    Parameters
    ----------
    values
        Concentration (nz, ny, nx) [Bq/mL].
    fraction
        The lesion's volume fractions on the same voxels.
    others
        Voxels that hold part of another lesion.
    density
        Mass density [g/cm3].
    grid
        Their grid.
    fwhm_mm
        Resolution that sets the width of the shell [mm].
    fine
        The lesion on small voxels; None where its file gives none.
    """

    values: np.ndarray
    fraction: np.ndarray
    others: np.ndarray
    density: np.ndarray
    grid: Grid
    fwhm_mm: float
    fine: FineMask | None = None

    @cached_property
    def mean(self) -> float:
        """Mean concentration in the mask [Bq/mL]."""
        where = self.fraction > 0
        weight = self.fraction[where].astype(np.float64)
        return float(self.values[where] @ (weight / weight.sum()))

    @property
    def volume_ml(self) -> float:
        """Volume of the lesion on these voxels [mL]."""
        return float(self.fraction.sum(dtype=np.float64)) * self.grid.voxel_volume_ml

    @cached_property
    def shell(self) -> np.ndarray:
        """Voxels around the lesion, away from it and from the others, in tissue of the body."""
        spacing = self.grid.spacing_mm
        distance = ndimage.distance_transform_edt(self.fraction <= 0, sampling=spacing)
        low, high = (r * self.fwhm_mm for r in SHELL_RESOLUTIONS)
        inside = (distance > low) & (distance <= high) & (self.density >= NO_DOSE_BELOW_G_CM3)
        if self.others.any():
            inside &= ndimage.distance_transform_edt(~self.others, sampling=spacing) > self.fwhm_mm
        return np.asarray(inside)

    @cached_property
    def surroundings(self) -> np.ndarray:
        """Concentration of the shell's voxels that show background (n,) [Bq/mL]: organs and vessels left out."""
        return without_organs(np.asarray(self.values[self.shell], np.float64))

    @cached_property
    def background(self) -> float:
        """Mean concentration around the lesion [Bq/mL], organs with uptake left out; 0 where there is no shell."""
        return float(self.surroundings.mean()) if self.surroundings.size else 0.0

    @cached_property
    def background_sigma(self) -> float:
        """Standard deviation of the mean over a lesion-sized piece of background [Bq/mL].

        From the scatter of the shell's voxels, noise being correlated over the resolution; the shell's own
        mean adds its error.
        """
        count = self.surroundings.size
        if count < 2:
            return 0.0
        spread = float(self.surroundings.std(ddof=1))
        voxel = self.grid.voxel_volume_ml
        here = scan_relative_error(spread, self.volume_ml, voxel, self.fwhm_mm)
        around = scan_relative_error(spread, count * voxel, voxel, self.fwhm_mm)
        return math.hypot(here, around)

    @cached_property
    def noise_sigma(self) -> float:
        """Standard deviation of the lesion's mean from image noise [Bq/mL]; 0 where there is no background.

        The scatter of the shell (from its median absolute deviation, which a vessel or an organ's edge in it
        hardly moves), scaled to the lesion's level: the variance of a voxel goes with its counts.
        """
        if np.count_nonzero(self.shell) < 2 or not (self.background > 0.0 and self.mean > 0.0):
            return 0.0
        values = self.values[self.shell]
        spread = MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
        spread *= math.sqrt(self.mean / self.background)
        return scan_relative_error(spread, self.volume_ml, self.grid.voxel_volume_ml, self.fwhm_mm)

    @cached_property
    def outline_xyz_mm(self) -> np.ndarray:
        """Centre of the mask (x, y, z) [mm]."""
        weight = self.fraction / self.fraction.sum()
        return self.grid.index_to_xyz(np.array([float((axis * weight).sum()) for axis in np.indices(weight.shape)]))

    @cached_property
    def near(self) -> np.ndarray:
        """Voxels in and just around the lesion, those of other lesions left out."""
        distance = ndimage.distance_transform_edt(self.fraction <= 0, sampling=self.grid.spacing_mm)
        return np.asarray((distance <= self.fwhm_mm) & ~self.others)

    @property
    def peak(self) -> float:
        """Highest concentration in and just around the lesion [Bq/mL]."""
        return float(self.values[self.near].max()) if self.near.any() else 0.0

    @cached_property
    def centroid_xyz_mm(self) -> np.ndarray:
        """Centre of the activity above background in and just around the lesion (x, y, z) [mm]."""
        weight = np.where(self.near, self.values - self.background, 0.0).clip(0.0)
        total = float(weight.sum())
        if not total > 0:
            return np.full(3, np.nan)
        index = np.array([float((axis * weight).sum()) / total for axis in np.indices(weight.shape)])
        return self.grid.index_to_xyz(index)


class PlacedRecovery(MaskRecovery):
    """Recovery of a mask on a scan's voxels, whatever its position between them.

    The mask is blurred on its small voxels and then averaged over the scan's: a Gaussian of 6 mm sampled at
    4 mm voxels is off by up to 3 %, by how much depending on the position between the voxels.
    """

    name = MASK_MODEL

    def __init__(self, view: LesionView, fwhm_mm: float, fwhm_sigma_mm: float = 0.0) -> None:
        assert view.fine is not None
        self._view, self._fine = view, view.fine
        super().__init__(view.fraction, view.grid.spacing_mm, fwhm_mm, fwhm_sigma_mm)

    def _at(self, fwhm_mm: float) -> float:
        fraction, grid = self._fine.fraction, self._fine.grid
        sigma = [fwhm_mm / FWHM_PER_SIGMA / step for step in grid.spacing_mm]
        room = [math.ceil(5.0 * s) + 1 for s in sigma]
        x, y, z = (float(v) for v in grid.index_to_xyz(-np.array(room, dtype=float)))
        blurred = ndimage.gaussian_filter(
            np.pad(np.asarray(fraction, np.float64), [(r, r) for r in room]), sigma, mode="constant", truncate=5.0
        )
        nz, ny, nx = blurred.shape
        whole = Volume(Grid((nz, ny, nx), grid.spacing_mm, (z, y, x), grid.direction), blurred, "fraction")
        weight = np.asarray(self._view.fraction, np.float64)
        return float((weight * resample_conserving(whole, self._view.grid).values).sum() / weight.sum())


def without_organs(values: np.ndarray) -> np.ndarray:
    """Values of a shell that show background (n,), those of organs with more, or less, uptake left out.

    Median and median absolute deviation are taken again over what is left until nothing more is left out: an organ
    that fills a third of the shell has moved both. Where the mean hardly changes by it, all values are kept.
    """
    kept = values
    while kept.size:
        middle = float(np.median(kept))
        spread = MAD_TO_SIGMA * float(np.median(np.abs(kept - middle)))
        reach = max(ORGAN_SIGMA * spread, ORGAN_SHARE * abs(middle))
        inside = kept[np.abs(kept - middle) <= reach]
        if inside.size == kept.size:
            break
        kept = inside
    if kept.size == values.size:
        return values
    mean = float(values.mean())
    return kept if abs(float(kept.mean()) - mean) > ORGAN_EFFECT * abs(mean) else values


def lesion_views(images: VisitImages, lesion: Lesion, fwhm_mm: float | None) -> list[LesionView]:
    """The lesion in each scan of the visit."""
    fwhm = fwhm_mm or SHELL_FWHM_MM
    others = np.zeros(images.grid.shape, dtype=bool)
    for other in images.lesions:
        if other is not lesion:
            others |= other.fraction > 0
    box = _box(lesion.fraction, SHELL_RESOLUTIONS[1] * fwhm, images.grid)
    here = images.grid.cropped(box)
    fraction, around, density = lesion.fraction[box], others[box], images.density[box]
    views = []
    for scan, image in zip(images.scans, images.concentration, strict=True):
        if scan.own is None:
            views.append(LesionView(image[box], fraction, around, density, here, fwhm, lesion.fine))
            continue
        pet = scan.own.pet
        centre = here.index_to_xyz(np.array(ndimage.center_of_mass(fraction)))
        placed = scan.own.alignment.place(pet.grid, centre)
        own = _covering(placed, here)
        grid = placed.cropped(own)
        fine = lesion.fine or FineMask(fraction, here)
        views.append(
            LesionView(
                np.asarray(pet.values)[own],
                members(resample_fraction(fine.fraction, fine.grid, grid)),
                resample_fraction(around.astype(np.float32), here, grid) > 0.01,
                np.asarray(resample_conserving(Volume(here, density, "g/cm3"), grid).values),
                grid,
                fwhm,
                fine,
            )
        )
    return views


def _box(fraction: np.ndarray, reach_mm: float, grid: Grid) -> tuple[slice, slice, slice]:
    """The lesion's box with room for the shell, inside the grid."""
    return Grid.bounding_box(fraction, [math.ceil(reach_mm / step) + 1 for step in grid.spacing_mm])


def _covering(grid: Grid, other: Grid) -> tuple[slice, slice, slice]:
    """The voxels of ``grid`` that cover ``other``, a box inside the grid."""
    index = grid.xyz_to_index(other.corners_xyz_mm())
    low = np.floor(index.min(axis=0)).astype(int)
    high = np.ceil(index.max(axis=0)).astype(int) + 1
    cuts = []
    for axis in range(3):
        start = int(np.clip(low[axis], 0, grid.shape[axis] - 1))
        cuts.append(slice(start, int(np.clip(high[axis], start + 1, grid.shape[axis]))))
    return cuts[0], cuts[1], cuts[2]
