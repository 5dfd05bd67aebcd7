"""GUM Supplement 1 cross-check of the uncertainty chain: draw every input, recompute the dose in full.

The draw contours the *same blurred sphere* with a wrong radius: counts inside that radius are integrated from
the exact blurred profile, recovery and mass are read at the wrong volume, the curve is integrated again
from noisy scans. Nothing here uses the sensitivities of :mod:`hevesy.engine.lesions.uncertainty`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from ..constants import FWHM_PER_SIGMA
from ..errors import InputError
from ..kinetics.population import Population
from ..text import counted
from .recovery import sphere_diameter_mm, sphere_recovery
from .uncertainty import MeasurementChain, volume_relative_uncertainty


@dataclass(frozen=True, eq=False)
class SampledDose:
    """Sampled distribution of a lesion's dose.

    Attributes
    ----------
    samples_gy
        Doses drawn [Gy], (n,), sorted.
    log_sigma
        Standard deviation of ln D.
    """

    samples_gy: np.ndarray
    log_sigma: float

    @property
    def median_gy(self) -> float:
        """Median [Gy]."""
        return float(np.median(self.samples_gy))

    def interval_gy(self, coverage: float = 0.6827) -> tuple[float, float]:
        """Probabilistically symmetric interval [Gy] (equal tails)."""
        tail = 0.5 * (1.0 - coverage)
        low, high = np.quantile(self.samples_gy, [tail, 1.0 - tail])
        return float(low), float(high)

    def probability_at_least(self, threshold_gy: float) -> float:
        """Share of the draws at or above a threshold (empirical)."""
        return float(np.mean(self.samples_gy >= threshold_gy))


@dataclass(frozen=True)
class SampledScans:
    """The scans whose integral is drawn with the chain.

    Parameters
    ----------
    times_h, retention
        One or two scans [h] and their retention; one is integrated with the biological half-life of a population,
        or with physical decay without one, two with the two-point rule and its guard.
    therapy_half_life_h
        Physical half-life of the therapy nuclide [h].
    half_life_relative
        Its relative standard uncertainty.
    instant
        Whether the exponential goes back to the administration; otherwise it follows a linear rise.
    peak_h
        End of that rise [h], at or before the first scan; None: the first scan.
    alternative_ratio
        Integral with the other convention, relative to that one. Its logarithm is the half-width of a rectangular
        distribution.
    population
        Spread of the biological half-life, drawn for a single scan; None: physical decay.

    Raises
    ------
    InputError
        More than two scans: use the covariance of the fit instead.
    """

    times_h: object
    retention: object
    therapy_half_life_h: float
    half_life_relative: float = 0.0
    instant: bool = False
    peak_h: float | None = None
    alternative_ratio: float = 1.0
    population: Population | None = None

    def __post_init__(self) -> None:
        times, retention = self.arrays()
        if times.size > 2 or retention.size != times.size:
            raise InputError(
                f"{counted(times.size, 'scan')} in the sampled cross-check",
                why="it integrates one or two scans",
                field="times_h",
            )

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Times [h] and retention, (n,) each."""
        times = np.atleast_1d(np.asarray(self.times_h, dtype=np.float64))
        return times, np.atleast_1d(np.asarray(self.retention, dtype=np.float64))


def sample_dose(
    chain: MeasurementChain,
    scans: SampledScans,
    *,
    fwhm_relative: float = 0.0,
    draws: int = 20000,
    seed: int = 1,
) -> SampledDose:
    """Draw the dose of a lesion from its inputs (lognormal errors, seeded).

    Parameters
    ----------
    chain
        Dose, volume, voxel size and resolution, and the standard deviations of ln(input) as in
        :func:`hevesy.engine.lesions.uncertainty.lesion_uncertainty`. Recovery is that of a sphere at ``fwhm_mm``,
        whatever the chain's model; sensitivities of the curve, and another image for contour or counts, are not used.
    scans
        The scans, integrated again for each draw.
    fwhm_relative
        Relative standard uncertainty of the resolution that the recovery uses.
    draws, seed
        Number of draws and seed of the generator.

    Raises
    ------
    InputError
        Fewer than 1000 draws.
    """
    if draws < 1000:
        raise InputError(counted(draws, "draw"), why="quantiles need at least 1000", field="draws")
    rng = np.random.default_rng(seed)

    def factor(relative: object, size: int | tuple[int, ...] = draws) -> np.ndarray:
        """Lognormal factor with median 1 and standard deviation of its logarithm ``relative``."""
        return np.exp(np.asarray(relative, dtype=np.float64) * rng.standard_normal(size))

    volume_ml, fwhm_mm = chain.volume_ml, chain.fwhm_mm
    uv = chain.volume_relative
    if uv is None:
        uv = volume_relative_uncertainty(volume_ml, chain.voxel_mm, fwhm_mm)
    drawn_volume = volume_ml * factor(uv)
    radius = 0.5 * float(sphere_diameter_mm(volume_ml))
    drawn_radius = radius * np.cbrt(drawn_volume / volume_ml)
    counts = _counts_inside(drawn_radius, radius, fwhm_mm)
    counts = counts / _counts_inside(np.array([radius]), radius, fwhm_mm)
    rc = sphere_recovery(2.0 * drawn_radius, fwhm_mm * factor(fwhm_relative)) / sphere_recovery(2 * radius, fwhm_mm)
    mass = (drawn_volume / volume_ml) ** (1.0 + chain.density_slope) * factor(chain.density_relative)
    times, u = scans.arrays()
    noisy = u * factor(chain.scan_relative, (draws, times.size))
    half_life = scans.therapy_half_life_h
    biological = np.ones(1)
    if scans.population is not None:
        biological = factor(math.log(scans.population.gsd))
    integral = _integrals(scans, noisy, half_life * factor(scans.half_life_relative), biological)
    integral = integral / _integrals(scans, u[None, :], np.array([half_life]), np.ones(1))
    integral = integral * scans.alternative_ratio ** rng.uniform(-1.0, 1.0, draws)
    dose = chain.dose_gy * factor(chain.calibration_relative) * counts / rc * integral * mass**-chain.mass_exponent
    dose = np.sort(dose * factor(chain.dose_model_relative) * factor(chain.mc_relative))
    return SampledDose(dose, float(np.std(np.log(dose))))


def _integrals(scans: SampledScans, u: np.ndarray, half_life_h: np.ndarray, biological: np.ndarray) -> np.ndarray:
    """Time-integrated activity coefficient of every draw; `biological` multiplies the population's half-life."""
    times, _ = scans.arrays()
    physical = math.log(2.0) / half_life_h
    if times.size == 2:
        clearance = np.maximum(np.log(u[:, 0] / u[:, 1]) / (times[1] - times[0]), 0.0)
    elif scans.population is None:
        return np.asarray(u[:, 0] / physical)
    else:
        clearance = math.log(2.0) / (scans.population.half_life_h * biological)
    slow = clearance + physical
    peak = 0.0 if scans.instant else times[0] if scans.peak_h is None else scans.peak_h
    at_peak = u[:, 0] * np.exp(-physical * times[0] + slow * (times[0] - peak))
    return np.asarray(at_peak * (0.5 * peak + 1.0 / slow))


def _counts_inside(drawn: np.ndarray, radius: float, fwhm_mm: float) -> np.ndarray:
    """Activity of a blurred unit sphere inside other radii [mm^3], from the exact radial profile."""
    s = fwhm_mm / FWHM_PER_SIGMA
    r = np.linspace(0.0, max(float(drawn.max()), radius) * 1.0001, 4001)[1:]
    root2 = math.sqrt(2.0) * s
    blurred = 0.5 * (erf((radius - r) / root2) + erf((radius + r) / root2))
    blurred -= (
        s
        / (r * math.sqrt(2 * math.pi))
        * (np.exp(-((r - radius) ** 2) / (2 * s * s)) - np.exp(-((r + radius) ** 2) / (2 * s * s)))
    )
    shell = 4.0 * math.pi * r**2 * blurred
    step = r[1] - r[0]
    total = np.concatenate([[0.0], np.cumsum(0.5 * step * (shell + np.concatenate([[0.0], shell[:-1]])))])
    return np.interp(drawn, np.concatenate([[0.0], r]), total)
