"""Fit a time-activity curve of a lesion (or organ) and integrate it: the time-integrated activity coefficient.

The rules of the automatic choice, the guards and their derivations are in docs/methods/kinetics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from ..text import counted, did_you_mean
from .capped import slope_of_held_rate
from .conversion import LN2, decay_constant, scan_times
from .detection import one_per_scan, raise_to_limit, require_possible
from .fitting import Fit, aicc, fit_shape, linear_exponential, two_point, weights
from .models import Shape, require_uptake
from .names import MODELS
from .one_scan import bound_fit, break_even_half_life_h, population_fit, population_relative
from .population import Population
from .unseen import Alternative, alternative, rise_is_seen

RISING = "uptake phase not resolved"
CAPPED = "effective half-life capped at the physical one"
BELOW = "below detection: the time-integrated activity is an upper bound"
POPULATION = "one scan: biological half-life taken from a population"
#: What a curve through one scan without a population's half-life is.
LARGEST, NO_BOUND = "largest", "no bound"


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
    below_detection
        Whether a value below the detection limit was replaced, so that the coefficient cannot be larger.
    unmeasured
        Empty where two or more scans (or a population) give the clearance. `LARGEST`: the largest of the plausible
        coefficients. `NO_BOUND`: physical decay, which a scan later than the mean life of its nuclide does not bound.
    population_relative
        Relative standard uncertainty of the coefficient from the spread of the population's half-life.
    alternative
        The coefficient with the other convention for the phase before the first scan; None where the scans show it.
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
    below_detection: bool = False
    unmeasured: str = ""
    population_relative: float = 0.0
    alternative: Alternative | None = None
    candidates: dict[str, float] = field(default_factory=dict)

    @property
    def upper_bound(self) -> bool:
        """Whether the coefficient is the largest possible: a value below detection, or one scan."""
        return self.unmeasured == LARGEST or (self.below_detection and self.unmeasured != NO_BOUND)

    @property
    def uptake(self) -> str:
        """How the curve rises: one of :data:`~hevesy.engine.kinetics.models.UPTAKES`, or ``"exponential"``."""
        return {"rise": self.shape.uptake, "bi": "exponential"}.get(self.shape.kind, "instant")

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
    population: Population | None = None,
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
        ``"auto"`` or one of :data:`~hevesy.engine.kinetics.names.MODELS`. Auto: one scan, an upper bound;
        two, two-point; three or more, linear-exponential with the best peak among the scans, or with ``"instant"``
        uptake mono-exponential unless the scans show a rise; from five scans on bi-exponential uptake when its AICc
        is lower.
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
    population
        Spread of the biological half-life: the estimate of ``model="single-time-point"``, and what is plausible for
        the bound from one scan. Not used with more scans.

    Returns
    -------
    Curve
        The fitted curve, its time integral and what a reader must know of it.

    Raises
    ------
    InputError
        Unknown model or quantity, wrong number of scans for the model, values that are not finite, no
        positive value and neither a detection limit nor sigma, a half-life between two scans that cannot be right.
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
    u = one_per_scan(fraction, times, "fraction") * to_retention
    s = None if sigma is None else one_per_scan(sigma, times, "sigma") * to_retention
    if s is not None and np.any(s <= 0.0):
        raise InputError("a standard uncertainty that is not positive", why="it weighs its scan", field="sigma")
    limit = None if detection_limit is None else one_per_scan(detection_limit, times, "detection_limit") * to_retention

    name = _resolve(model, times.size)
    u, below = raise_to_limit(u, s, limit, times, physical, two_points=name == "two-point", uptake=uptake)
    if name == "two-point" and not below:
        require_possible(times, u, tracer)
    decay = np.exp(-physical * times)
    scans = _Scans(times, u, u * decay, None if s is None else s * decay, physical, below)
    seen = times.size > 2 and rise_is_seen(u, s)
    unmeasured, spread = "", 0.0
    candidates: dict[str, float] = {}
    if name == "single-time-point":
        fit = population_fit(times[0], scans.y[0], physical, population, uptake)
        flags = [POPULATION, *_flags(name, fit, scans)]
        spread = population_relative(times[0], fit, population) if population is not None else 0.0
    elif name == "physical-decay" and times.size == 1:
        unbounded = population is None and math.isinf(break_even_half_life_h(times[0], physical))
        unmeasured = NO_BOUND if unbounded else LARGEST
        name, fit, flag = bound_fit(times[0], scans.y[0], physical, population)
        flags = [flag, *([BELOW] if below else [])]
    else:
        name, fit, candidates = _fit(name, scans, uptake, peak_h, auto=model == "auto", seen=seen)
        flags = _flags(name, fit, scans)
    latest = population.peak_h if population is not None else 0.0
    other = None
    if not unmeasured:
        other = alternative(fit, times, scans.y, scans.error, seen=seen, latest_peak_h=latest)
    curve = _assemble(name, fit, scans, flags, candidates)
    return replace(curve, unmeasured=unmeasured, population_relative=spread, alternative=other)


def _fit(
    name: str, scans: _Scans, uptake: str, peak_h: float | None, *, auto: bool, seen: bool
) -> tuple[str, Fit, dict[str, float]]:
    """Model, curve and compared criteria of two or more scans; `seen`: whether they show a rise."""
    times, y, error = scans.times, scans.y, scans.error
    if name == "two-point":
        return name, two_point(times, y, scans.u, scans.physical, uptake), {}
    if auto and uptake == "instant" and not seen:
        name = "mono-exponential"
    if name == "linear-exponential":
        # an instant rise to a peak that was seen is none
        form = "linear-activity" if auto and seen and uptake == "instant" else uptake
        fit = linear_exponential(times, y, error, scans.physical, form, peak_h)
    else:
        kind = {"physical-decay": "decay", "mono-exponential": "mono", "bi-exponential": "bi"}[name]
        fit = fit_shape(Shape(kind, scans.physical), times, y, error)
    if auto and times.size >= 4:
        return _better(scans, name, fit)
    return name, fit, {}


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


def _better(scans: _Scans, name: str, fit: Fit) -> tuple[str, Fit, dict[str, float]]:
    """The fit of two parameters, or the bi-exponential one where its AICc is lower, and both criteria."""
    bi = fit_shape(Shape("bi", scans.physical), scans.times, scans.y, scans.error)
    known = scans.error is not None
    size = scans.times.size
    candidates = {name: aicc(fit, size, known), "bi-exponential": aicc(bi, size, known)}
    if candidates["bi-exponential"] < candidates[name]:
        return "bi-exponential", bi, candidates
    return name, fit, candidates


def _flags(name: str, fit: Fit, scans: _Scans) -> list[str]:
    """Flags: what a reader must know about the fit."""
    flags = []
    if name == "two-point":
        flags += [RISING, CAPPED] if scans.u[1] >= scans.u[0] else []
    elif name == "physical-decay":
        flags.append("physical decay only")
    if fit.shape.rates and not fit.free[1] and name not in ("two-point", "single-time-point"):
        flags.append(CAPPED)
    if scans.times.size > 2 and int(np.argmax(scans.u)) == scans.times.size - 1:
        flags.insert(0, RISING)
    if scans.below:
        flags.append(BELOW)
    return flags


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
    held = bool(shape.rates and not fit.free[1] and times.size > 1)
    if held:
        slope += slope_of_held_rate(fit, times, y, error, gradient)
    sensitivity = slope * y / tau if tau > 0.0 else np.zeros(times.size)
    sigma_tau = math.nan
    scale = 1.0 if error is not None else (fit.chi2 / (n - q) if n > q else math.nan)
    if math.isfinite(scale):
        block = (response / w[None, :]) @ (response / w[None, :]).T * scale
        covariance[np.ix_(fit.free, fit.free)] = block
        sigma_tau = math.sqrt(max(float(gradient[fit.free] @ block @ gradient[fit.free]), 0.0))
        if held and error is not None:
            sigma_tau = float(np.linalg.norm(slope * error))
    slow = scans.physical if shape.rates == 0 else fit.rates[0] + scans.physical
    biological = LN2 / fit.rates[0] if shape.rates and fit.rates[0] > 0.0 else math.inf
    last = max(float(times[-1]), shape.peak_h)
    tail = shape.tail(last, fit.amplitude, fit.rates)
    if last > times[-1]:  # a single scan on a linear rise
        ends = fit.amplitude * shape.unit(np.array([times[-1], last]), fit.rates)
        tail += 0.5 * float(ends.sum()) * (last - float(times[-1]))
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
        below_detection=scans.below,
        candidates=candidates,
    )
