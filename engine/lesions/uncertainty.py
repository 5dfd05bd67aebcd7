"""Uncertainty of a lesion's dose from the measurement chain, joined with the Monte Carlo standard error.

The chain is that of the EANM guidance (Gear et al., EJNMMI 45 (2018) 2456): volume, recovery, calibration,
counts, time-activity curve, dose per decay, with the covariances due to the common volume. It is
evaluated in logarithms, in which the chain is nearly linear: the relative uncertainty u(D)/D is the standard
deviation of ln D, the reported dose is the median, and intervals and P(D >= threshold) are those of a
lognormal distribution. :mod:`hevesy.engine.lesions.uncertainty_sampling` repeats the propagation by GUM Supplement 1
sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ..constants import FWHM_PER_SIGMA
from ..errors import InputError
from .recovery import RecoveryModel, SphereRecovery, edge_density, sphere_diameter_mm

#: Exponent of the dose per decay of a sphere of 131I in its mass (S = 107.7 m^-0.970 Gy/(GBq h), 0.05-50 g).
MASS_EXPONENT = 0.96973

#: The budget line of the outline: volume, and with it activity and mass.
VOLUME = "volume"

#: Kinds of a contribution: independent at a second visit, or shared with it.
RANDOM, SYSTEMATIC = "random", "systematic"


@dataclass(frozen=True)
class Contribution:
    """One line of the uncertainty budget: relative standard uncertainty of the dose and its kind."""

    name: str
    relative: float
    kind: str


@dataclass(frozen=True)
class LesionUncertainty:
    """Uncertainty budget of one lesion's mean dose.

    Attributes
    ----------
    dose_gy
        The dose the budget belongs to [Gy]; median of the distribution of ln D.
    relative, sigma_gy
        Combined standard uncertainty u(D)/D and u(D) [Gy].
    relative_random, relative_systematic
        Parts that are independent at each visit, and that visits share (same scanner, reconstruction and model).
    relative_without_covariance
        What ignoring the common volume would give; for comparison.
    contributions
        Budget lines; their squares sum to ``relative ** 2``.
    volume_relative, recovery, recovery_relative, counts_relative, activity_relative, curve_relative,
    s_value_relative, mc_relative
        Steps of the chain: u(v)/v, R, u(R)/R, u(C)/C, u(A)/A, u of the integral from the scans, u(S)/S, MC.
    mass_relative
        Part of u(m)/m that comes from the volume: ``(1 + d ln rho / d ln v) u(v)/v``.
    notes
        Remarks, such as a distribution that is wide.
    """

    dose_gy: float
    relative: float
    relative_random: float
    relative_systematic: float
    relative_without_covariance: float
    contributions: tuple[Contribution, ...]
    volume_relative: float
    recovery: float
    recovery_relative: float
    counts_relative: float
    activity_relative: float
    curve_relative: float
    s_value_relative: float
    mc_relative: float
    mass_relative: float
    notes: tuple[str, ...] = ()

    @property
    def sigma_gy(self) -> float:
        """Combined standard uncertainty [Gy]."""
        return self.relative * self.dose_gy

    def interval_gy(self, k: float = 1.0) -> tuple[float, float]:
        """Lognormal interval [Gy] of coverage factor k (k = 1: 68 %, k = 2: 95 %), asymmetric."""
        return self.dose_gy * math.exp(-k * self.relative), self.dose_gy * math.exp(k * self.relative)


def probability_at_least(dose_gy: float, relative: float, threshold_gy: float) -> float:
    """P(D >= threshold) for ln D normal around ln(dose) with standard deviation ``relative``."""
    if not threshold_gy > 0.0:
        raise InputError(f"threshold {threshold_gy!r} Gy", why="a dose threshold is positive", field="threshold")
    if dose_gy <= 0.0:
        return 0.0
    if relative <= 0.0:
        return 1.0 if dose_gy >= threshold_gy else 0.0
    return float(ndtr(math.log(dose_gy / threshold_gy) / relative))


#: Standard uncertainty of the diameter of an outline drawn by eye on a sharp image, in its voxels: within one voxel of
#: the edge, the nearer the likelier (triangular distribution, GUM 4.3.9), on both sides alike.
OUTLINE_VOXELS = 2.0 / math.sqrt(6.0)


def volume_relative_uncertainty(
    volume_ml: float, voxel_mm: object, fwhm_mm: float, outline_voxels: float = 0.0
) -> float:
    """Relative standard uncertainty of a contoured volume, ``3 u(d) / d``.

    ``u(d)^2 = a^2 / 6 + FWHM^2 / (4 ln 2) + (o a)^2``: voxel size and resolution of the image the contour was drawn on
    (for unequal voxel sides their mean square), and where the edge was seen, `outline_voxels` (on a PET the resolution
    covers that).
    """
    a = np.asarray(voxel_mm, dtype=np.float64)
    d = float(sphere_diameter_mm(volume_ml))
    edge = fwhm_mm**2 / (4.0 * math.log(2.0))
    return 3.0 * math.sqrt(float(np.mean(a**2)) * (1.0 / 6.0 + outline_voxels**2) + edge) / d


@dataclass(frozen=True)
class MeasurementChain:
    """What the uncertainty of a lesion's mean dose is propagated from; relative numbers are standard uncertainties.

    Parameters
    ----------
    dose_gy
        Mean dose of the lesion [Gy].
    volume_ml
        Its volume [mL].
    voxel_mm, fwhm_mm
        Voxel size (scalar or triple) and resolution (FWHM) of the PET [mm].
    contour_voxel_mm, contour_fwhm_mm
        Voxel size and resolution of the image the contour was drawn on, where that is not the PET.
    volume_relative
        Observed relative standard uncertainty of the volume (inter-operator), replaces the formula.
    image_fwhm_mm
        Resolution that the counts in the mask follow, averaging over voxels included; ``fwhm_mm`` by default.
    recovery_model
        Model whose parameters and slope count; the analytic sphere at ``fwhm_mm`` when not given.
    recovery_applied
        False when the dose comes from the uncorrected image: then no recovery term enters.
    spill_relative
        Of activity lost to the surroundings and not corrected for.
    calibration_relative
        Of the scanner's calibration against the activity meter.
    curve_sensitivity
        d ln(TIA coefficient) / d ln(scan value), one per scan (:attr:`Curve.sensitivity`); (1,) for one scan.
    scan_relative
        Random relative error of each scan's activity (noise, registration); scalar or one per scan.
    clearance_relative
        Of the integrated curve from the spread of a population's biological half-life, which a single scan was
        integrated with (:attr:`Curve.population_relative`).
    unseen_uptake_relative
        Of the integrated curve from the phase before the first scan (:attr:`Alternative.relative`).
    density_relative
        Of the lesion's density.
    density_slope
        d ln(density) / d ln(volume) where the density was read inside the contour: a contour drawn too wide takes
        in surroundings of another density.
    mass_exponent
        c2 in S ~ m^-c2: 0.970 for 131I in small spheres.
    dose_model_relative
        Of the dose per decay itself (nuclear data, model), systematic.
    mc_relative
        Monte Carlo standard error of the lesion mean.
    """

    dose_gy: float
    volume_ml: float
    voxel_mm: object
    fwhm_mm: float
    contour_voxel_mm: object | None = None
    contour_fwhm_mm: float | None = None
    volume_relative: float | None = None
    image_fwhm_mm: float | None = None
    recovery_model: RecoveryModel | None = None
    recovery_applied: bool = True
    spill_relative: float = 0.0
    calibration_relative: float = 0.05
    curve_sensitivity: object = (1.0,)
    scan_relative: object = 0.08
    clearance_relative: float = 0.0
    unseen_uptake_relative: float = 0.0
    density_relative: float = 0.02
    density_slope: float = 0.0
    mass_exponent: float = MASS_EXPONENT
    dose_model_relative: float = 0.0
    mc_relative: float = 0.0

    def __post_init__(self) -> None:
        for name in ("dose_gy", "volume_ml", "fwhm_mm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise InputError(
                    f"{name} = {value!r}", why="the uncertainty chain needs a positive, finite value", field=name
                )
        for name in (
            "calibration_relative",
            "clearance_relative",
            "unseen_uptake_relative",
            "density_relative",
            "dose_model_relative",
            "mc_relative",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError(f"{name} = {value!r}", why="a standard uncertainty is not negative", field=name)

    @property
    def volume_error(self) -> float:
        """Relative standard uncertainty of the volume: as observed, or by the formula."""
        if self.volume_relative is not None:
            return self.volume_relative
        if self.contour_voxel_mm is None:
            return volume_relative_uncertainty(self.volume_ml, self.voxel_mm, self.fwhm_mm)
        sharp = self.fwhm_mm if self.contour_fwhm_mm is None else self.contour_fwhm_mm
        return volume_relative_uncertainty(self.volume_ml, self.contour_voxel_mm, sharp, OUTLINE_VOXELS)

    @property
    def counts_slope(self) -> float:
        """d ln(counts) / d ln(volume): phi / 2R."""
        # counts follow the image's own blur; the recovery that was divided out may be a phantom's
        fwhm = self.image_fwhm_mm or self.fwhm_mm
        d = float(sphere_diameter_mm(self.volume_ml))
        return float(edge_density(d, fwhm)) / (2.0 * SphereRecovery(fwhm).recovery(self.volume_ml))

    @property
    def curve_error(self) -> float:
        """Relative standard uncertainty of the integrated curve from the errors of the scans."""
        sensitivity = np.atleast_1d(np.asarray(self.curve_sensitivity, dtype=np.float64))
        errors = np.broadcast_to(np.asarray(self.scan_relative, dtype=np.float64), sensitivity.shape)
        return float(np.sqrt(np.sum((sensitivity * errors) ** 2)))

    def recovery(self) -> tuple[float, float, float]:
        """Recovery coefficient, d ln R / d ln v, and relative standard uncertainty of the curve's parameters."""
        if not self.recovery_applied:
            return 1.0, 0.0, 0.0
        model = self.recovery_model or SphereRecovery(self.fwhm_mm)
        return model.recovery(self.volume_ml), model.slope(self.volume_ml), model.relative_sigma(self.volume_ml)


def lesion_uncertainty(chain: MeasurementChain) -> LesionUncertainty:
    """Propagate the measurement chain of one lesion.

    Notes
    -----
    All volume terms share one error:
    ``d ln D / d ln v = phi / 2R - d ln R / d ln v - c2 (1 + d ln rho / d ln v)``. The first two
    cancel to first order for large lesions, and the last has the opposite sign: neglecting the covariances
    overstates the uncertainty (0.81 instead of 0.44 in the example of docs/methods/uncertainty.md).
    """
    uv, curve = chain.volume_error, chain.curve_error
    recovery, recovery_slope, recovery_own = chain.recovery()
    activity_slope = chain.counts_slope - recovery_slope
    mass = (1.0 + chain.density_slope) * uv
    budget: tuple[Contribution, ...] = (
        Contribution(VOLUME, abs(activity_slope * uv - chain.mass_exponent * mass), RANDOM),
        Contribution("scan noise and registration", curve, RANDOM),
        # drawn anew for each lesion in a population, and changed by a drug between visits
        Contribution("biological half-life of the population", chain.clearance_relative, RANDOM),
        Contribution("Monte Carlo", chain.mc_relative, RANDOM),
        # one convention for all lesions, and for visits with the same schedule
        Contribution("uptake before the first scan", chain.unseen_uptake_relative, SYSTEMATIC),
        Contribution("recovery curve", recovery_own, SYSTEMATIC),
        Contribution("calibration", chain.calibration_relative, SYSTEMATIC),
        Contribution("density", chain.mass_exponent * chain.density_relative, SYSTEMATIC),
        Contribution("dose per decay", chain.dose_model_relative, SYSTEMATIC),
    )
    if chain.spill_relative:
        budget = (*budget, Contribution("no recovery correction", chain.spill_relative, SYSTEMATIC))
    s_value = chain.mass_exponent * math.hypot(mass, chain.density_relative)
    # as if the volume term of the activity and that of the S value were independent
    loose = _root(
        curve,
        chain.clearance_relative,
        chain.unseen_uptake_relative,
        chain.mc_relative,
        recovery_own,
        chain.calibration_relative,
        activity_slope * uv,
        s_value,
        chain.dose_model_relative,
        chain.spill_relative,
    )
    total = _root(*(c.relative for c in budget))
    wide = "relative uncertainty above 50 %: read the interval, not the symmetric error"
    return LesionUncertainty(
        dose_gy=float(chain.dose_gy),
        relative=total,
        relative_random=_root(*(c.relative for c in budget if c.kind == RANDOM)),
        relative_systematic=_root(*(c.relative for c in budget if c.kind == SYSTEMATIC)),
        relative_without_covariance=loose,
        contributions=budget,
        volume_relative=uv,
        recovery=recovery,
        recovery_relative=math.hypot(recovery_own, recovery_slope * uv),
        counts_relative=chain.counts_slope * uv,
        activity_relative=_root(chain.calibration_relative, recovery_own, activity_slope * uv),
        curve_relative=curve,
        s_value_relative=s_value,
        mc_relative=chain.mc_relative,
        mass_relative=mass,
        notes=(wide,) if total > 0.5 else (),
    )


def scan_relative_error(
    voxel_cov: float, volume_ml: float, voxel_volume_ml: float, fwhm_mm: float, registration: float = 0.0
) -> float:
    """Random relative error of a lesion's mean in one scan: image noise and registration.

    Parameters
    ----------
    voxel_cov
        Coefficient of variation of single voxels in the lesion.
    volume_ml, voxel_volume_ml
        Lesion and voxel volumes [mL].
    fwhm_mm
        Resolution [mm]: noise is correlated over it. With the correlation volume V_c = (4 pi sigma^2)^(3/2),
        at least a voxel, the mean over a volume V has ``(1 + (V / V_c)^(2/3))^(3/2)`` independent samples:
        exact for Gaussian weights of effective volume V, 1 for a point, V / V_c for a large lesion.
    registration
        Relative error from misplacement, added in quadrature.
    """
    sigma_mm = fwhm_mm / FWHM_PER_SIGMA
    cell = max(voxel_volume_ml, (4.0 * math.pi * sigma_mm**2) ** 1.5 * 1e-3)
    samples = (1.0 + (volume_ml / cell) ** (2.0 / 3.0)) ** 1.5
    return math.hypot(voxel_cov / math.sqrt(samples), registration)


def log_ratio_relative(
    random: tuple[float, float], systematic: tuple[float, float] = (0.0, 0.0), *, same_scanner: bool = True
) -> float:
    """Standard uncertainty of ln(D2 / D1) between two visits: their common systematic part cancels on one scanner.

    Only the part that both share (the smaller of the two systematic uncertainties) cancels; what differs
    stays.

    Parameters
    ----------
    random, systematic
        Relative standard uncertainties at the two visits.
    same_scanner
        Whether one scanner made both; on two, nothing cancels.
    """
    if same_scanner:
        return _root(*random, systematic[0] - systematic[1])
    return _root(*random, *systematic)


def _root(*parts: float) -> float:
    return math.sqrt(sum(p * p for p in parts))
