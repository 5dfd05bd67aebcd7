"""Mean and D95 of a sphere from a dose map, with standard errors.

A sphere on its grid has symmetries: mirror images along each axis, and exchanged axes. Voxels that are images of each
other have the same expected dose, so a Monte Carlo dose is averaged over them (48 in one medium, 8 at an interface),
which takes most of its noise away before the histogram is read. What is left still widens the histogram: D95 is read
again from the same voxels with their noise added once more, 200 times; the mean shift is taken off, the scatter is the
standard error. Neighbouring voxels are taken as independent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...engine.dose.map import DoseMap
from ...engine.lesions.dvh import RegionDoses
from .spheres import Sphere

#: Weights of a region in the transport are integers up to this.
WEIGHT = 255
#: Repetitions of the noise, and its seed.
REPETITIONS, NOISE_SEED = 200, 20


@dataclass(frozen=True)
class Score:
    """Dose to a sphere per decay.

    Parameters
    ----------
    mean_gy, mean_error_gy
        Mean absorbed dose and its standard error [Gy per decay].
    d95_gy, d95_error_gy
        D95 after the correction for noise, and its standard error [Gy per decay].
    d95_shift_gy
        What the correction took off [Gy per decay].
    """

    mean_gy: float
    mean_error_gy: float
    d95_gy: float
    d95_error_gy: float
    d95_shift_gy: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Voxels:
    """The voxels of a sphere that are not images of one another.

    Parameters
    ----------
    index
        Voxels of the sphere, as indices into the grid.
    group
        Number of the distinct voxel that each is an image of (n,).
    weight
        Volume fraction of each voxel (n,).
    """

    index: tuple[np.ndarray, ...]
    group: np.ndarray
    weight: np.ndarray

    def folded(self, values: np.ndarray) -> np.ndarray:
        """Mean over the images of each distinct voxel."""
        return np.bincount(self.group, values) / np.bincount(self.group)

    def folded_error(self, errors: np.ndarray) -> np.ndarray:
        """Standard error of that mean, from those of the images."""
        return np.asarray(np.sqrt(self.folded(errors**2) / np.bincount(self.group)))

    @property
    def volume(self) -> np.ndarray:
        """Volume of each distinct voxel with its images."""
        return np.bincount(self.group, self.weight)


def voxels_of(sphere: Sphere) -> Voxels:
    """The distinct voxels of a sphere centred in its grid."""
    index = np.nonzero(sphere.fraction > 0)
    # distances from the centre plane, in half voxels
    z, y, x = (np.abs(2 * i - (n - 1)) for i, n in zip(index, sphere.fraction.shape, strict=True))
    if sphere.layered:
        key = np.stack([index[0], np.minimum(y, x), np.maximum(y, x)])
    else:
        key = np.sort(np.stack([z, y, x]), axis=0)
    _, group = np.unique(key, axis=1, return_inverse=True)
    return Voxels(index, group.ravel(), sphere.fraction[index])


def weights(sphere: Sphere) -> np.ndarray:
    """The sphere as a region of the transport (1, nz, ny, nx), uint8: fractions in 255ths."""
    return np.round(WEIGHT * sphere.fraction).astype(np.uint8)[None]


def score(sphere: Sphere, dose: DoseMap, mean_relative_error: float | None = None) -> Score:
    """Mean and D95 of a sphere.

    Parameters
    ----------
    sphere
        The sphere.
    dose
        Dose on its grid [Gy per decay].
    mean_relative_error
        Relative standard error of the mean, from the totals of batches; None for that of independent voxels.
    """
    voxels = voxels_of(sphere)
    values = dose.mean[voxels.index]
    mass = voxels.weight * sphere.problem.density_g_cm3[voxels.index]
    mean = float(values @ mass) / float(mass.sum())
    distinct, volume = voxels.folded(values), voxels.volume
    d95 = RegionDoses(distinct, volume).dose_at_volume(95)
    if dose.sigma is None:
        return Score(mean, 0.0, d95, 0.0, 0.0)
    sigma = dose.sigma[voxels.index]
    if mean_relative_error is None:
        mean_relative_error = float(np.sqrt(np.sum((sigma * mass) ** 2))) / float(mass.sum()) / mean
    shift, error = noise_of(distinct, voxels.folded_error(sigma), volume, 95)
    return Score(mean, mean_relative_error * mean, d95 - shift, error, shift)


def noise_of(dose: np.ndarray, noise: np.ndarray, volume: np.ndarray, percent: float) -> tuple[float, float]:
    """Mean shift and scatter of D_percent when the noise is added once more [the unit of the dose]."""
    random = np.random.Generator(np.random.Philox(NOISE_SEED))
    again = [
        RegionDoses(dose + noise * random.standard_normal(dose.size), volume).dose_at_volume(percent)
        for _ in range(REPETITIONS)
    ]
    seen = RegionDoses(dose, volume).dose_at_volume(percent)
    return float(np.mean(again)) - seen, float(np.std(again, ddof=1))
