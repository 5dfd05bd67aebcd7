"""Biological effect of a dose that is delivered slowly: BED, EQD2, EUD and gEUD. The dose itself comes first.

Linear-quadratic model with mono-exponential repair of sublethal damage (Dale, Br J Radiol 58 (1985) 515);
equivalent uniform dose after O'Donoghue, J Nucl Med 40 (1999) 1337.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kinetics.curves import Curve


@dataclass(frozen=True)
class Radiosensitivity:
    """Parameters of the linear-quadratic model.

    Parameters
    ----------
    alpha_beta_gy
        alpha/beta [Gy]; 10 Gy is the usual value for tumours.
    alpha_per_gy
        alpha [1/Gy]; 0.1 to 0.35 for tumours, used by the EUD alone.
    repair_half_time_h
        Half-time of repair [h]; 0.5 to 2 h for tumours.
    geud_exponent
        Exponent a of the generalised EUD; about -10 for tumours (cold spots dominate).
    source
        Where the values come from, for the report.

    Raises
    ------
    InputError
        A parameter outside its range.
    """

    alpha_beta_gy: float = 10.0
    alpha_per_gy: float = 0.2
    repair_half_time_h: float = 1.5
    geud_exponent: float = -10.0
    source: str = "default tumour values; not measured for this patient"

    def __post_init__(self) -> None:
        """Refuse parameters that have no meaning."""
        for name in ("alpha_beta_gy", "alpha_per_gy", "repair_half_time_h"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise InputError(f"{name} = {value!r}", why="it must be positive", field=f"radiobiology.{name}")
        if self.geud_exponent == 0.0 or not math.isfinite(self.geud_exponent):
            raise InputError(
                f"geud_exponent = {self.geud_exponent!r}",
                why="the power mean is not defined there",
                field="radiobiology.geud_exponent",
            )


TUMOUR = Radiosensitivity()


@dataclass(frozen=True)
class LesionEffect:
    """Biological quantities of one lesion [Gy, except repair_factor]; dose is the plain mean dose."""

    dose_gy: float
    bed_of_mean_gy: float
    mean_bed_gy: float
    eqd2_gy: float
    eud_gy: float
    geud_gy: float
    repair_factor: float


def repair_factor_mono(repair_half_time_h: float, effective_half_life_h: float) -> float:
    """Lea-Catcheside factor of a mono-exponential dose rate: ``T_rep / (T_rep + T_eff)``."""
    return repair_half_time_h / (repair_half_time_h + effective_half_life_h)


def repair_factor(curve: Curve, repair_half_time_h: float) -> float:
    """Lea-Catcheside factor G of a fitted time-activity curve (dose rate proportional to activity).

    ``G = 2/D^2 int r(t) int_0^t r(w) exp(-mu (t - w)) dw dt``, ``mu = ln 2 / T_rep``; in closed form for the
    linear rise with exponential and for sums of exponentials, numerically for the other uptake shapes.
    """
    mu = math.log(2.0) / repair_half_time_h
    shape, rates = curve.shape, curve.rates + curve.shape.physical
    if shape.kind == "rise" and shape.uptake == "linear-activity":
        return _rise_factor(shape.peak_h, float(rates[0]), mu)
    if shape.kind == "bi":
        return exponentials_factor(np.array([1.0, -1.0]), rates, mu)
    if shape.kind == "decay":
        return exponentials_factor(np.array([1.0]), np.array([shape.physical]), mu)
    if shape.kind == "mono" or shape.uptake == "instant":
        return exponentials_factor(np.array([1.0]), rates, mu)
    early = np.linspace(0.0, shape.peak_h, 4001)
    late = shape.peak_h + np.linspace(0.0, 40.0 / float(rates[0]), 40001)[1:]
    t = np.concatenate([early, late])
    return repair_factor_sampled(t, shape.unit(t, curve.rates), repair_half_time_h)


def exponentials_factor(amplitudes: np.ndarray, rates_per_h: np.ndarray, mu: float) -> float:
    """G of a dose rate ``sum_i A_i exp(-l_i t)``: ``2 sum_ij A_i A_j / ((l_i + l_j)(l_i + mu)) / D^2``."""
    a, l = np.asarray(amplitudes, dtype=np.float64), np.asarray(rates_per_h, dtype=np.float64)
    double = np.outer(a, a) / (l[:, None] + l[None, :]) / (l[:, None] + mu)
    return float(2.0 * double.sum() / np.sum(a / l) ** 2)


def _rise_factor(peak: float, l: float, mu: float) -> float:
    """G of a linear rise to 1 at ``peak`` followed by exp(-l (t - peak))."""
    x = mu * peak
    e = math.exp(-x)
    during = peak / (3.0 * mu) - 1.0 / (2.0 * mu**2) + (1.0 - e * (1.0 + x)) / (mu**4 * peak**2)
    at_peak = (peak / mu - (1.0 - e) / mu**2) / peak
    after = at_peak / (l + mu) + 1.0 / (2.0 * l * (l + mu))
    return 2.0 * (during + after) / (peak / 2.0 + 1.0 / l) ** 2


def repair_factor_sampled(times_h: np.ndarray, rate: np.ndarray, repair_half_time_h: float) -> float:
    """G of any dose rate given at increasing times, taken as linear in between (exact for such a rate)."""
    t, r = np.asarray(times_h, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    if t.ndim != 1 or t.size != r.size or t.size < 2 or np.any(np.diff(t) <= 0.0):
        raise InputError("a dose rate needs increasing times, one value each", field="times_h")
    mu = math.log(2.0) / repair_half_time_h
    step = np.diff(t)
    slope = np.diff(r) / step
    nodes, weights = np.polynomial.legendre.leggauss(6)
    dose = float(np.sum(0.5 * step * (r[1:] + r[:-1])))
    unrepaired, double = 0.0, 0.0
    for i in range(step.size):
        # substeps no longer than the repair time keep the quadrature exact to rounding
        pieces = max(int(math.ceil(mu * step[i])), 1)
        h = step[i] / pieces
        for k in range(pieces):
            start = r[i] + slope[i] * k * h
            s = 0.5 * h * (nodes + 1.0)
            inner = _unrepaired(unrepaired, start, slope[i], s, mu)
            double += float(np.sum(0.5 * h * weights * (start + slope[i] * s) * inner))
            unrepaired = float(_unrepaired(unrepaired, start, slope[i], np.array([h]), mu)[0])
    return 2.0 * double / dose**2


def _unrepaired(before: float, start: float, slope: float, s: np.ndarray, mu: float) -> np.ndarray:
    """Unrepaired damage s after a moment when it was ``before``, at dose rate start + slope s."""
    gone = -np.expm1(-mu * s)
    return before * (1.0 - gone) + start * gone / mu + slope * (s / mu - gone / mu**2)


def bed(dose_gy: object, g: float, alpha_beta_gy: float) -> np.ndarray:
    """Biologically effective dose ``D (1 + G D / (alpha/beta))`` [Gy], per voxel or lesion."""
    d = np.asarray(dose_gy, dtype=np.float64)
    return d * (1.0 + g * d / alpha_beta_gy)


def eqd2(bed_gy: object, alpha_beta_gy: float) -> np.ndarray:
    """Dose in 2 Gy fractions of the same effect: ``BED / (1 + 2 / (alpha/beta))`` [Gy]."""
    return np.asarray(bed_gy, dtype=np.float64) / (1.0 + 2.0 / alpha_beta_gy)


def eud(
    dose_gy: np.ndarray, g: float, parameters: Radiosensitivity = TUMOUR, weights: np.ndarray | None = None
) -> float:
    """Uniform dose [Gy], given at the same tempo, that leaves as many cells alive as the dose distribution.

    ``-1/alpha ln mean(exp(-alpha BED_i))`` is the uniform BED; it is converted back to a dose with the same
    G.

    Parameters
    ----------
    dose_gy
        Voxel doses [Gy], any shape.
    g
        Lea-Catcheside factor.
    parameters
        alpha and alpha/beta.
    weights
        Mask fractions (cells per voxel); equal when not given.
    """
    d, w = _weighted(dose_gy, weights)
    exponent = -parameters.alpha_per_gy * bed(d, g, parameters.alpha_beta_gy)
    top = float(exponent.max())
    uniform = -(top + math.log(float(np.sum(w * np.exp(exponent - top))))) / parameters.alpha_per_gy
    k = g / parameters.alpha_beta_gy
    if k * abs(uniform) < 1e-12:
        return uniform
    return 2.0 * uniform / (1.0 + math.sqrt(1.0 + 4.0 * k * uniform))


def geud(dose_gy: np.ndarray, exponent: float, weights: np.ndarray | None = None) -> float:
    """Generalised EUD ``mean(D^a)^(1/a)`` [Gy]; zero when a is negative and a voxel got nothing."""
    d, w = _weighted(dose_gy, weights)
    if exponent < 0.0 and np.any(d[w > 0.0] <= 0.0):
        return 0.0
    d, w = d[w > 0.0], w[w > 0.0]
    scale = float(d.max())
    if scale == 0.0:
        return 0.0
    return scale * float(np.sum(w * (d / scale) ** exponent)) ** (1.0 / exponent)


def lesion_effect(
    dose_gy: np.ndarray,
    curve: Curve | None = None,
    effective_half_life_h: float | None = None,
    parameters: Radiosensitivity = TUMOUR,
    weights: np.ndarray | None = None,
) -> LesionEffect:
    """All biological quantities of a lesion, from its voxel doses and its curve or effective half-life.

    Parameters
    ----------
    dose_gy
        Doses of the voxels (n,), float64 [Gy].
    curve
        Time-activity curve of the lesion; it determines the repair during the irradiation.
    effective_half_life_h
        Effective half-life [h], used where there is no curve.
    parameters
        Radiosensitivity of the tissue.
    weights
        Weight of each voxel (n,), float64; equal when not given.

    Returns
    -------
    LesionEffect
        Mean dose, BED, EQD2, EUD and gEUD [Gy], and the repair factor.

    Raises
    ------
    InputError
        Neither a curve nor an effective half-life.
    """
    if curve is not None:
        g = repair_factor(curve, parameters.repair_half_time_h)
    elif effective_half_life_h is not None and effective_half_life_h > 0.0:
        g = repair_factor_mono(parameters.repair_half_time_h, effective_half_life_h)
    else:
        raise InputError("no time course for the BED", suggestion="give the curve or the effective half-life")
    d, w = _weighted(dose_gy, weights)
    mean = float(np.sum(w * d))
    mean_bed = float(np.sum(w * bed(d, g, parameters.alpha_beta_gy)))
    return LesionEffect(
        dose_gy=mean,
        bed_of_mean_gy=float(bed(mean, g, parameters.alpha_beta_gy)),
        mean_bed_gy=mean_bed,
        eqd2_gy=float(eqd2(mean_bed, parameters.alpha_beta_gy)),
        eud_gy=eud(d, g, parameters, w),
        geud_gy=geud(d, parameters.geud_exponent, w),
        repair_factor=g,
    )


def _weighted(dose_gy: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Flat doses inside the mask and their weights summing to 1."""
    d = np.asarray(dose_gy, dtype=np.float64).reshape(-1)
    w = np.ones_like(d) if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1)
    if d.size == 0 or d.size != w.size or not w.sum() > 0.0:
        raise InputError("no dose voxels inside the lesion", why="an effect needs at least one")
    if np.any(d < 0.0) or not np.all(np.isfinite(d)):
        raise InputError("negative or missing dose voxels", why="an effect needs doses", field="dose")
    inside = w > 0.0
    return d[inside], w[inside] / w.sum()
