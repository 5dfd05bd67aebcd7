"""Recovery of a lesion of any shape: its own mask, blurred as the PET blurs it.

The mean that is read from the image is ``sum(w C) / sum(w)`` with the volume fractions ``w`` of the mask
on the voxel grid. For a lesion of uniform concentration 1 in a cold background the image is ``G * w``: the
lesion averaged over voxels (which is what ``w`` is), blurred by the scanner, taken as a Gaussian ``G``. So

    RC = sum(w (G * w)) / sum(w),

which holds for every shape and counts the voxel size, both in the image and in the reading. For a sphere much
larger than the voxels it becomes the analytic :func:`hevesy.engine.lesions.recovery.sphere_recovery` (a test compares
them).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from ..constants import FWHM_PER_SIGMA
from ..grid import Grid
from ..lesions.recovery import sphere_diameter_mm, sphere_recovery_slope

#: Name of the model in tables and report.
MASK_MODEL = "lesion mask in a Gaussian resolution"


class MaskRecovery:
    """Recovery coefficient of one lesion from its mask and the resolution.

    Parameters
    ----------
    fraction
        Volume fractions of the mask (nz, ny, nx), each in [0, 1].
    spacing_mm
        Voxel size (dz, dy, dx) [mm].
    fwhm_mm
        Resolution of the image for the tracer, positron range included, voxel averaging apart [mm].
    fwhm_sigma_mm
        Its standard uncertainty [mm].
    """

    name = MASK_MODEL

    def __init__(
        self,
        fraction: np.ndarray,
        spacing_mm: tuple[float, float, float],
        fwhm_mm: float,
        fwhm_sigma_mm: float = 0.0,
    ) -> None:
        self.fwhm_mm, self.fwhm_sigma_mm = fwhm_mm, fwhm_sigma_mm
        self._weight, self._spacing = _framed(fraction, spacing_mm, fwhm_mm), spacing_mm
        self._volume_ml = float(self._weight.sum()) * math.prod(spacing_mm) * 1e-3
        self._recovery = self._at(fwhm_mm)

    def _at(self, fwhm_mm: float) -> float:
        sigma = [fwhm_mm / FWHM_PER_SIGMA / step for step in self._spacing]
        image = gaussian_filter(self._weight, sigma, mode="constant", truncate=5.0)
        return float((self._weight * image).sum() / self._weight.sum())

    @property
    def effective_fwhm_mm(self) -> float:
        """Resolution with the averaging over voxels in image and mask added in quadrature [mm]."""
        voxel = 2.0 / 12.0 * float(np.mean(np.square(self._spacing))) * FWHM_PER_SIGMA**2
        return math.sqrt(self.fwhm_mm**2 + voxel)

    def recovery(self, volume_ml: float) -> float:
        """Recovery coefficient of this mask, moved to another volume by the sphere's slope."""
        change = math.log(volume_ml / self._volume_ml)
        return self._recovery * math.exp(self.slope(volume_ml) * change) if change else self._recovery

    def slope(self, volume_ml: float) -> float:
        """d ln RC / d ln V, that of the sphere at the effective resolution."""
        return float(sphere_recovery_slope(sphere_diameter_mm(volume_ml), self.effective_fwhm_mm))

    def relative_sigma(self, volume_ml: float) -> float:
        """Relative standard uncertainty from that of the resolution."""
        if not self.fwhm_sigma_mm:
            return 0.0
        step = 0.01 * self.fwhm_mm
        slope = (self._at(self.fwhm_mm + step) - self._at(self.fwhm_mm - step)) / (2.0 * step)
        return abs(slope) * self.fwhm_sigma_mm / self._recovery


def _framed(fraction: np.ndarray, spacing_mm: tuple[float, float, float], fwhm_mm: float) -> np.ndarray:
    """The mask alone, with room for the blur around it, float64."""
    box = Grid.bounding_box(fraction)
    room = [math.ceil(5.5 * fwhm_mm / FWHM_PER_SIGMA / step) for step in spacing_mm]
    return np.pad(np.asarray(fraction[box], dtype=np.float64), [(r, r) for r in room])
