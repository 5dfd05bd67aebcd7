"""Fit a time-activity curve of a lesion (or organ) and integrate it: the time-integrated activity coefficient.

The rules of the automatic choice, the guards and their derivations are in docs/methods/kinetics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..text import counted, did_you_mean
from .conversion import LN2, decay_constant, scan_times
from .fitting import Fit, aicc, fit_shape, linear_exponential, two_point, weights
from .models import Shape, require_uptake
from .names import MODELS

RISING = "uptake phase not resolved"
CAPPED = "effective half-life capped at the physical one"
BELOW = "below detection: the time-integrated activity is an upper bound"
ONE_SCAN = "one scan: physical decay only"
POPULATION = "one scan: biological half-life taken from a population"


@dataclass(frozen=True, eq=False)
class Curve:
    """A fitted time-activity curve of the therapy nuclide, per administered activity.

    Attributes
    ----------
    model
        Name of the model that was used (see :data:`hevesy.engine.kinetics.names.MODELS`).
    shape
        Its closed form.
    parameters
        Amplitude and biological rates [1/h] by name, ``peak_h`` where the model has one.
    parameter_names, covariance
        Order (n names) and covariance matrix (n, n), float64, of amplitude and rates (NaN where the data cannot give
        it).
    tia_coefficient_h, tia_coefficient_uncertainty_h
        Time-integrated activity (TIA) coefficient: the time integral of the activity per administered activity [h]
        (MIRD 21; formerly "residence time"), in the unit of the input otherwise, and
        its standard uncertainty from the scatter or the given sigma (NaN when neither gives it).
    effective_half_life_h, biological_half_life_h
        Of the final phase [h]; the biological one is infinite when nothing clears.
    extrapolated_fraction
        Share of the time-integrated activity that lies after the last scan.
    flags
        What a reader must know: uptake not resolved, half-life capped, upper bound, one scan.
    times_h, values
        Scan times [h] and retention U there, as fitted (raised to the detection limit where below); (nt,) float64.
    aicc, chi2
        Corrected Akaike criterion (infinite or NaN where there are too few points) and weighted residual sum.
    sensitivity
        d ln(TIA coefficient) / d ln(value) of each scan, (nt,) float64.
    upper_bound
        True when a value below the detection limit was replaced so that the coefficient cannot be larger.
    candidates
        AICc of each model, by name, where two were compared; empty otherwise.
    """

    model: str
    shape: Shape
    parameters: dict[str, float]
    parameter_names: tuple[str, ...]
    covariance: np.ndarray
    tia_coefficient_h: float
    tia_coefficient_uncertainty_h: float
    effective_half_life_h: float
    biological_half_life_h: float
    extrapolated_fraction: float
    flags: list[str]
    aicc: float
    chi2: float
    times_h: np.ndarray
    values: np.ndarray
    sensitivity: np.ndarray
    upper_bound: bool = False
    candidates: dict[str, float] = field(default_factory=dict)

    @property
    def amplitude(self) -> float:
        """Amplitude of the shape."""
        return self.parameters[self.parameter_names[0]]

    @property
    def rates(self) -> np.ndarray:
        """Biological rates [1/h]."""
        return np.array([self.parameters[name] for name in self.parameter_names[1:]])

    def activity(self, t_h: object) -> np.ndarray:
        """Activity of the therapy nuclide per administered activity at times t [h]."""
        return self.amplitude * self.shape.unit(np.asarray(t_h, dtype=np.float64), self.rates)

    def retention(self, t_h: object) -> np.ndarray:
        """Retention (decay corrected to administration) at times t [h]."""
        t = np.asarray(t_h, dtype=np.float64)
        return self.activity(t) * np.exp(self.shape.physical * t)

    def relative_sigma(self, scan_relative: object) -> float:
        """Relative standard uncertainty of the TIA coefficient for given relative errors of the scans."""
        errors = np.broadcast_to(np.asarray(scan_relative, dtype=np.float64), self.sensitivity.shape)
        return float(np.sqrt(np.sum((self.sensitivity * errors) ** 2)))


def fit_curve(
    times_h: object,
    fraction: object,
    sigma: object = None,
    tracer_half_life_h: float = math.nan,
    therapy_half_life_h: float | None = None,
    model: str = "auto",
    *,
    quantity: str = "retention",
    uptake: str = "linear-activity",
    detection_limit: object = None,
    peak_h: float | None = None,
    population_biological_half_life_h: float | None = None,
) -> Curve:
    """Fit and integrate one time-activity curve.

    Parameters
    ----------
    times_h
        Scan times after administration [h], strictly increasing.
    fraction
        One value a scan: retention U (decay corrected) or tracer activity at scan time, see ``quantity``. Any
        unit; the coefficient is then in that unit times hours (h for a share of the administered one).
    sigma
        Standard uncertainty of each value in the same unit; None for equal relative weights.
    tracer_half_life_h, therapy_half_life_h
        Physical half-lives [h]; the therapy nuclide is the tracer itself when not given.
    model
        ``"auto"`` or one of :data:`~hevesy.engine.kinetics.names.MODELS`. Auto: one scan, physical decay;
        two, two-point; three or more, linear-exponential with the best peak among the scans; from five
        scans on bi-exponential uptake when its AICc is lower.
    quantity
        ``"retention"`` (decay corrected to administration) or ``"tracer-activity"`` (physical, at scan time).
    uptake
        The unseen phase before the first scan in the two-point and linear-exponential models:
        ``"linear-activity"`` (default), ``"linear-retention"`` or ``"instant"`` (back-extrapolated).
    detection_limit
        Detection limit in the unit of ``fraction`` (scalar or one a scan). Values below it are replaced so
        that the coefficient is an upper bound. Without it, a value at or below zero uses 3 sigma.
    peak_h
        Time of the peak [h] for the linear-exponential model; chosen among the scans when not given.
    population_biological_half_life_h
        Biological half-life [h], for ``model="single-time-point"`` only.

    Returns
    -------
    Curve
        The fitted curve, its time integral and what a reader must know of it.

    Raises
    ------
    InputError
        Unknown model or quantity, wrong number of scans for the model, values that are not finite, no
        positive value and neither a detection limit nor sigma.
    """
    times = scan_times(times_h)
    tracer = decay_constant(tracer_half_life_h, "tracer_half_life_h")
    physical = tracer
    if therapy_half_life_h is not None:
        physical = decay_constant(therapy_half_life_h, "therapy_half_life_h")
    if quantity not in ("retention", "tracer-activity"):
        raise InputError(f"quantity {quantity!r}", why="it must be 'retention' or 'tracer-activity'", field="quantity")
    require_uptake(uptake)
    to_retention = np.exp(tracer * times) if quantity == "tracer-activity" else np.ones_like(times)
    u = _values(fraction, times, "fraction") * to_retention
    s = None if sigma is None else _values(sigma, times, "sigma") * to_retention
    if s is not None and np.any(s <= 0.0):
        raise InputError("a standard uncertainty that is not positive", why="it weighs its scan", field="sigma")
    limit = None if detection_limit is None else _values(detection_limit, times, "detection_limit") * to_retention

    name = _resolve(model, times.size)
    u, below = _raise_to_limit(u, s, limit, times, physical, two_points=name == "two-point", uptake=uptake)
    decay = np.exp(-physical * times)
    scans = _Scans(times, u, u * decay, None if s is None else s * decay, physical, below)
    candidates: dict[str, float] = {}
    if name == "single-time-point":
        fit = _population_fit(scans, population_biological_half_life_h, uptake)
    elif name == "two-point":
        fit = two_point(times, scans.y, u, physical, uptake)
    elif name == "linear-exponential":
        fit = linear_exponential(times, scans.y, scans.error, physical, uptake, peak_h)
        if model == "auto" and times.size >= 4:
            name, fit, candidates = _better(scans, fit)
    else:
        kind = {"physical-decay": "decay", "mono-exponential": "mono", "bi-exponential": "bi"}[name]
        fit = fit_shape(Shape(kind, physical), times, scans.y, scans.error)
    return _assemble(name, fit, scans, _flags(name, fit, scans), candidates)


@dataclass(frozen=True, eq=False)
class _Scans:
    """What is fitted: retention ``u``, activity ``y`` of the therapy nuclide with its sigma ``error``, per scan.

    ``below``: whether values were raised to the detection limit.
    """

    times: np.ndarray
    u: np.ndarray
    y: np.ndarray
    error: np.ndarray | None
    physical: float
    below: bool


def _population_fit(scans: _Scans, half_life_h: float | None, uptake: str) -> Fit:
    """One scan, and a biological half-life [h] from elsewhere."""
    if half_life_h is None:
        raise InputError(
            "a single time point without a population half-life",
            why="one scan cannot show how fast the activity leaves",
            suggestion="give population_biological_half_life_h, or use model 'physical-decay'",
            field="model",
        )
    rate = decay_constant(half_life_h, "population_biological_half_life_h")
    shape = Shape("rise", scans.physical, float(scans.times[0]), uptake)
    return Fit(shape, float(scans.y[0]), np.array([rate]), np.array([True, False]), 0.0)


def _better(scans: _Scans, fit: Fit) -> tuple[str, Fit, dict[str, float]]:
    """The linear-exponential fit, or the bi-exponential one where its AICc is lower, and both criteria."""
    bi = fit_shape(Shape("bi", scans.physical), scans.times, scans.y, scans.error)
    known = scans.error is not None
    candidates = {
        "linear-exponential": aicc(fit, scans.times.size, known),
        "bi-exponential": aicc(bi, scans.times.size, known),
    }
    if candidates["bi-exponential"] < candidates["linear-exponential"]:
        return "bi-exponential", bi, candidates
    return "linear-exponential", fit, candidates


def _flags(name: str, fit: Fit, scans: _Scans) -> list[str]:
    """Flags: what a reader must know about the fit."""
    flags = []
    if name == "single-time-point":
        flags.append(POPULATION)
    elif name == "two-point":
        flags += [RISING, CAPPED] if scans.u[1] >= scans.u[0] else []
    elif name == "physical-decay":
        flags.append(ONE_SCAN if scans.times.size == 1 else "physical decay only")
    if fit.shape.rates and not fit.free[1] and name not in ("two-point", "single-time-point"):
        flags.append(CAPPED)
    if scans.times.size > 2 and int(np.argmax(scans.u)) == scans.times.size - 1:
        flags.insert(0, RISING)
    if scans.below:
        flags.append(BELOW)
    return flags


def _values(numbers: object, times: np.ndarray, field: str) -> np.ndarray:
    values = np.asarray(numbers, dtype=np.float64)
    if values.ndim > 1 or (values.ndim == 1 and values.size != times.size):
        raise InputError(
            f"{counted(values.size, 'value')} for {counted(times.size, 'scan')}",
            why="each scan needs one value",
            field=field,
        )
    values = np.broadcast_to(values, times.shape).copy()
    if not np.all(np.isfinite(values)):
        raise InputError("a value that is not a finite number", field=field)
    return values


def _resolve(model: str, scans: int) -> str:
    """The model's name after 'auto', checked against the number of scans."""
    if model == "auto":
        return {1: "physical-decay", 2: "two-point"}.get(scans, "linear-exponential")
    if model not in MODELS:
        raise InputError(
            f"unknown kinetic model {model!r}",
            why="known models: auto, " + ", ".join(MODELS),
            suggestion=did_you_mean(model, MODELS, "use 'auto'"),
            field="model",
        )
    need = {"two-point": 2, "mono-exponential": 2, "linear-exponential": 3, "bi-exponential": 4}.get(model, 1)
    most = {"two-point": 2, "single-time-point": 1}.get(model, 10**6)
    if not need <= scans <= most:
        wanted = f"exactly {need}" if most == need else f"at least {need}"
        raise InputError(
            f"model {model!r} with {counted(scans, 'scan')}",
            why=f"it needs {wanted}",
            suggestion="use 'auto', or give the scans it needs",
            field="model",
        )
    return model


def _raise_to_limit(
    u: np.ndarray,
    s: np.ndarray | None,
    limit: np.ndarray | None,
    times: np.ndarray,
    physical: float,
    *,
    two_points: bool,
    uptake: str,
) -> tuple[np.ndarray, bool]:
    """Replace retention below the detection limit so that the TIA coefficient becomes an upper bound."""
    if limit is None:
        if np.all(u > 0.0):
            return u, False
        if s is None:
            worst = int(np.argmin(u))
            raise InputError(
                f"retention {u[worst]:.3g} at {times[worst]:g} h",
                why="a value at or below zero only shows that the activity is below the detection limit of the scan",
                suggestion="give the detection limit (or sigma): the result is then an upper bound",
                field="fraction",
            )
        limit = np.where(u > 0.0, -np.inf, 3.0 * s)
    under = u < limit
    if not np.any(under):
        return u, False
    bound = np.where(under, limit, u)
    if two_points and under[0] and bound[1] < bound[0]:
        # The TIA coefficient is not monotone in U1: it is largest at an end of [U2, limit], so take that end.
        flat = np.array([bound[1], bound[1]])
        decay = np.exp(-physical * times)
        steep_tau, flat_tau = (
            fit.shape.integral(fit.amplitude, fit.rates)[0]
            for fit in (two_point(times, v * decay, v, physical, uptake) for v in (bound, flat))
        )
        if flat_tau > steep_tau:
            bound = flat
    return bound, True


def _assemble(name: str, fit: Fit, scans: _Scans, flags: list[str], candidates: dict[str, float]) -> Curve:
    """Integrate, propagate the uncertainty and gather the record."""
    shape, times, y, error = fit.shape, scans.times, scans.y, scans.error
    tau, gradient = shape.integral(fit.amplitude, fit.rates)
    parameters = dict(zip(shape.names, [fit.amplitude, *fit.rates], strict=True))
    if shape.kind == "rise":
        parameters["peak_h"] = shape.peak_h
    size = len(shape.names)
    covariance = np.full((size, size), math.nan)
    j = shape.jacobian(times, fit.amplitude, fit.rates)[:, fit.free]
    if name == "two-point" and not fit.free[1]:
        j, rows = j[:1], slice(0, 1)  # the guard rests on the first scan alone
    else:
        rows = slice(None)
    w = weights(y, error)[rows]
    n, q = w.size, int(fit.free.sum())
    # d(parameters)/d(values) of the weighted least squares solution
    response = np.linalg.pinv(j * w[:, None]) * w[None, :]
    slope = np.zeros(times.size)
    slope[rows] = gradient[fit.free] @ response
    sensitivity = slope * y / tau if tau > 0.0 else np.zeros(times.size)
    sigma_tau = math.nan
    scale = 1.0 if error is not None else (fit.chi2 / (n - q) if n > q else math.nan)
    if math.isfinite(scale):
        block = (response / w[None, :]) @ (response / w[None, :]).T * scale
        covariance[np.ix_(fit.free, fit.free)] = block
        sigma_tau = math.sqrt(max(float(gradient[fit.free] @ block @ gradient[fit.free]), 0.0))
    slow = scans.physical if shape.rates == 0 else fit.rates[0] + scans.physical
    biological = LN2 / fit.rates[0] if shape.rates and fit.rates[0] > 0.0 else math.inf
    last = max(float(times[-1]), shape.peak_h)
    tail = shape.tail(last, fit.amplitude, fit.rates)
    return Curve(
        model=name,
        shape=shape,
        parameters=parameters,
        parameter_names=shape.names,
        covariance=covariance,
        tia_coefficient_h=tau,
        tia_coefficient_uncertainty_h=sigma_tau,
        effective_half_life_h=LN2 / slow,
        biological_half_life_h=biological,
        extrapolated_fraction=tail / tau if tau > 0.0 else math.nan,
        flags=flags,
        aicc=aicc(fit, times.size, error is not None),
        chi2=fit.chi2,
        times_h=times,
        values=scans.u,
        sensitivity=sensitivity,
        upper_bound=scans.below,
        candidates=candidates,
    )
