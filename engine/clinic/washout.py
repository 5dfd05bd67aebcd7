"""Residence time of something that only washes out: whole body and blood, sums of decaying exponentials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, least_squares, nnls

from ..errors import InputError
from ..kinetics.conversion import decay_constant
from ..text import counted

#: Fastest rate of a component of a curve without a value at t = 0 [1/h], where the first sample does not allow more:
#: the fast phase of iodine in blood has half-lives of 5 to 12 h.
FASTEST_UNSAMPLED = 0.15
#: Largest difference of the two rates [1/h] where the samples do not limit it.
UNLIMITED_STEP = 6.0


@dataclass(frozen=True, eq=False)
class Washout:
    """A fitted washout of the therapy nuclide per administered activity.

    Attributes
    ----------
    tia_coefficient_h, tia_coefficient_uncertainty_h
        Integral from 0 to infinity [unit x h] and its standard uncertainty (NaN when there is no redundancy).
    amplitudes, rates_per_h
        Of the exponentials; empty for the interpolated curve.
    knots_h, knots
        Times and values between which the interpolated curve is exponential; empty for the fitted one.
    tail_rate_per_h
        Effective rate after the last sample [1/h], never below physical decay.
    extrapolated_fraction
        Share of the integral after the last sample.
    method, flags
        ``"bi-exponential fit"`` or ``"log-linear interpolation"``, and remarks.
    """

    tia_coefficient_h: float
    tia_coefficient_uncertainty_h: float
    amplitudes: np.ndarray
    rates_per_h: np.ndarray
    knots_h: np.ndarray
    knots: np.ndarray
    tail_rate_per_h: float
    extrapolated_fraction: float
    method: str
    flags: tuple[str, ...] = ()

    def activity(self, t_h: object) -> np.ndarray:
        """Activity per administered activity at times t [h]."""
        t = np.asarray(t_h, dtype=np.float64)
        if self.amplitudes.size:
            return np.tensordot(self.amplitudes, np.exp(-np.multiply.outer(self.rates_per_h, t)), axes=1)
        inside = np.exp(np.interp(t, self.knots_h, np.log(self.knots)))
        late = self.knots[-1] * np.exp(-self.tail_rate_per_h * np.maximum(t - self.knots_h[-1], 0.0))
        return np.where(t > self.knots_h[-1], late, inside)


def fit_washout(
    times_h: np.ndarray,
    values: np.ndarray,
    sigma: np.ndarray | None,
    half_life_h: float,
    *,
    starts_at_one: bool = False,
) -> Washout:
    """Bi-exponential fit with a physical tail, or log-linear interpolation where the samples are too few.

    Parameters
    ----------
    times_h, values
        Sample times [h] and activities of the therapy nuclide per administered activity, not decay corrected.
    sigma
        Standard uncertainties; equal relative errors when not given.
    half_life_h
        Physical half-life of the therapy nuclide [h]: no component decays more slowly.
    starts_at_one
        The whole body contains all the activity at t = 0: the amplitudes then sum to 1, and four samples
        suffice for the fit instead of five.

    Returns
    -------
    Washout
    """
    t = np.asarray(times_h, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64)
    physical = decay_constant(half_life_h)
    if t.size == 0 or not np.all(y > 0.0):
        raise InputError(
            "a washout needs positive samples",
            why="zero or missing activity cannot be fitted",
            field="retention",
        )
    if t.size >= (4 if starts_at_one else 5):
        return _bi_exponential(t, y, sigma, physical, starts_at_one)
    return _interpolated(t, y, physical, starts_at_one)


@dataclass(frozen=True, eq=False)
class _BiExponential:
    """Least squares of two exponentials, both at least as fast as physical decay.

    Parameters of the fit: amplitudes (one where they sum to 1, else two), biological rate of the slow component [1/h],
    and ln of the step from it to the fast one.

    Attributes
    ----------
    t, y
        Sample times [h] and values.
    w
        Weight of each residual.
    physical
        Decay constant [1/h].
    starts_at_one
        Whether the amplitudes sum to 1.
    """

    t: np.ndarray
    y: np.ndarray
    w: np.ndarray
    physical: float
    starts_at_one: bool

    @property
    def fastest(self) -> float:
        """Largest step to the fast component [1/h].

        A component that is gone before the first sample fits its noise with any area: it must not have more than
        halved.
        """
        if self.starts_at_one or self.t[0] <= 0.0:
            return UNLIMITED_STEP
        return max(math.log(2.0) / float(self.t[0]), FASTEST_UNSAMPLED)

    @property
    def scale(self) -> np.ndarray:
        """Typical size of each parameter."""
        if self.starts_at_one:
            return np.array([0.1, 0.01, 1.0])
        return np.array([self.y.max(), self.y.max(), 0.01, 1.0])

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """Lowest and highest value of each parameter."""
        amplitudes = self.scale.size - 2
        low = [0.0] * amplitudes + [0.0, math.log(1e-5)]
        high = [1.0 if self.starts_at_one else math.inf] * amplitudes + [3.0, math.log(self.fastest)]
        return low, high

    def unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes and effective rates [1/h], slow first."""
        amplitudes = np.array([x[0], 1.0 - x[0]]) if self.starts_at_one else x[:2]
        slow, fast = x[-2] + self.physical, x[-2] + math.exp(x[-1]) + self.physical
        return amplitudes, np.array([slow, fast])

    def residual(self, x: np.ndarray) -> np.ndarray:
        """Weighted residuals of the samples."""
        amplitudes, rates = self.unpack(x)
        return (np.exp(-np.outer(self.t, rates)) @ amplitudes - self.y) * self.w

    def integral(self, x: np.ndarray) -> float:
        """Time integral of the curve [h]."""
        amplitudes, rates = self.unpack(x)
        return float(np.sum(amplitudes / rates))

    def start(self) -> np.ndarray:
        """Best point of a grid of rates, with the best amplitudes at each."""
        best: tuple[float, np.ndarray] = (math.inf, np.empty(0))
        for slow in np.concatenate([[1e-9], np.geomspace(1e-4, 0.3, 24)]):
            for step in np.geomspace(1e-3, min(self.fastest, 3.0), 24):
                cost, x = self._at_rates(slow, step)
                if cost < best[0]:
                    best = (cost, x)
        low, high = self.bounds
        return np.clip(best[1], np.array(low) + 1e-12, high)

    def _at_rates(self, slow: float, step: float) -> tuple[float, np.ndarray]:
        """Sum of squares and parameters with the best amplitudes for two biological rates."""
        w, y = self.w, self.y
        exponents = [(slow + self.physical) * self.t, (slow + step + self.physical) * self.t]
        g = np.exp(-np.stack(exponents, axis=1))
        if self.starts_at_one:
            d = (g[:, 0] - g[:, 1]) * w
            share = float(np.clip(d @ ((y - g[:, 1]) * w) / (d @ d), 1e-6, 1.0 - 1e-6))
            x = np.array([share, slow, math.log(step)])
            return float(np.sum(self.residual(x) ** 2)), x
        amplitudes, norm = nnls(g * w[:, None], y * w)
        return norm**2, np.array([*amplitudes, slow, math.log(step)])

    def integral_error(self, fit: OptimizeResult, sigma_known: bool) -> float:
        """Standard uncertainty of the integral [h], by its gradient; NaN where no scatter is left to judge."""
        x = fit.x
        gradient = np.array(
            [(self.integral(x + h) - self.integral(x - h)) / (2 * np.abs(h).max()) for h in np.diag(1e-6 * self.scale)]
        )
        free = self.t.size - x.size
        chi2 = float(np.sum(fit.fun**2))
        variance_scale = 1.0 if sigma_known else (chi2 / free if free > 0 else math.nan)
        if not math.isfinite(variance_scale):
            return math.nan
        covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * variance_scale
        return math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))


def _bi_exponential(
    t: np.ndarray, y: np.ndarray, sigma: np.ndarray | None, physical: float, starts_at_one: bool
) -> Washout:
    """Bi-exponential fit; what limits it is flagged."""
    model = _BiExponential(t, y, 1.0 / (y if sigma is None else sigma), physical, starts_at_one)
    fit = least_squares(
        model.residual, model.start(), bounds=model.bounds, x_scale=model.scale, xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    amplitudes, rates = model.unpack(fit.x)
    coefficient = float(np.sum(amplitudes / rates))
    tail = float(np.sum(amplitudes / rates * np.exp(-rates * t[-1])))
    used = amplitudes > 1e-9 * amplitudes.max()
    tail_rate = float(rates[used].min())
    flags = []
    fastest = model.fastest
    if fastest < UNLIMITED_STEP and used[1] and fit.x[-1] >= math.log(fastest) - 1e-6:
        flags.append("fast phase not resolved by the samples: no faster than its half-life to the first of them")
    if tail_rate <= physical * (1 + 1e-6):
        flags.append("final phase capped at physical decay")
    return Washout(
        coefficient,
        model.integral_error(fit, sigma is not None),
        amplitudes,
        rates,
        np.empty(0),
        np.empty(0),
        tail_rate,
        tail / coefficient,
        "bi-exponential fit",
        tuple(flags),
    )


def _interpolated(t: np.ndarray, y: np.ndarray, physical: float, starts_at_one: bool) -> Washout:
    """Exponential pieces between the samples; for a curve that slows down this errs on the high side."""
    flags = [f"{counted(t.size, 'sample')}: log-linear interpolation"]
    if t[0] > 0.0:
        if starts_at_one:
            start = 1.0
        elif t.size == 1:
            start = y[0] * math.exp(physical * t[0])
        else:
            back = max(math.log(y[0] / y[1]) / (t[1] - t[0]), physical)
            start = y[0] * math.exp(back * t[0])
        t, y = np.concatenate([[0.0], t]), np.concatenate([[start], y])
    step, ratio = np.diff(t), np.log(y[:-1] / y[1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(np.abs(ratio) > 1e-9, (y[:-1] - y[1:]) / ratio, y[:-1])
    inside = float(np.sum(step * mean))
    rate = physical
    if t.size > 1:
        rate = float(ratio[-1] / step[-1])
        if rate < physical:
            rate = physical
            flags.append("final phase capped at physical decay")
    tail = float(y[-1]) / rate
    if tail / (inside + tail) > 0.3:
        flags.append(f"{100 * tail / (inside + tail):.0f} % of the time-integrated activity lies after the last sample")
    return Washout(
        inside + tail,
        math.nan,
        np.empty(0),
        np.empty(0),
        t,
        y,
        rate,
        tail / (inside + tail),
        "log-linear interpolation",
        tuple(flags),
    )
