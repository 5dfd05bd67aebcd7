"""Fit one shape to the points of a time-activity curve: weighted least squares, never slower than decay."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, minimize_scalar

from ..errors import InputError
from .models import Shape

#: Fastest biological clearance considered [1/h] (half-life about 10 minutes).
FASTEST = 4.0


@dataclass
class Fit:
    """Shape with its best parameters; ``free``: which of them are not held at a bound."""

    shape: Shape
    amplitude: float
    rates: np.ndarray
    free: np.ndarray
    chi2: float


def two_point(times: np.ndarray, y: np.ndarray, u: np.ndarray, physical: float, uptake: str) -> Fit:
    """Clinical two-point curve: rise to the first scan, exponential through both; never slower than decay."""
    rate = math.log(u[0] / u[1]) / (times[1] - times[0]) if u[1] < u[0] else 0.0
    shape = Shape("rise", physical, float(times[0]), uptake)
    return Fit(shape, float(y[0]), np.array([rate]), np.array([True, rate > 0.0]), 0.0)


def linear_exponential(
    times: np.ndarray,
    y: np.ndarray,
    error: np.ndarray | None,
    physical: float,
    uptake: str,
    peak_h: float | None,
) -> Fit:
    """Best linear-exponential fit; the peak is one of the scans up to the highest, never the last."""
    if peak_h is not None:
        if not 0.0 < peak_h <= times[-2]:
            raise InputError(
                f"peak at {peak_h:g} h",
                why="two scans at or after the peak are needed to see the activity leave",
                field="peak_h",
            )
        peaks = [float(peak_h)]
    else:
        highest = min(int(np.argmax(y)), times.size - 2)
        peaks = [float(t) for t in times[: highest + 1]]
    fits = [fit_shape(Shape("rise", physical, p, uptake), times, y, error) for p in peaks]
    return min(fits, key=lambda fit: fit.chi2)


def weights(y: np.ndarray, error: np.ndarray | None) -> np.ndarray:
    """1 / sigma; equal relative errors where no sigma is given (floor: 0.1 % of the largest value)."""
    if error is not None:
        return 1.0 / error
    return 1.0 / np.maximum(np.abs(y), 1e-3 * float(np.max(np.abs(y))))


def fit_shape(shape: Shape, times: np.ndarray, y: np.ndarray, error: np.ndarray | None) -> Fit:
    """Weighted least squares with the amplitude eliminated (variable projection)."""
    w = weights(y, error)
    yw = y * w

    def project(rates: np.ndarray) -> tuple[float, float]:
        g = shape.unit(times, rates) * w
        norm = float(g @ g)
        amplitude = max(float(g @ yw) / norm, 0.0) if norm > 0.0 else 0.0
        residual = yw - amplitude * g
        return amplitude, float(residual @ residual)

    rates = np.zeros(shape.rates)
    if shape.rates == 1:
        trial = np.concatenate([[0.0], np.geomspace(1e-6, FASTEST, 200)])
        chi2 = [project(np.array([r]))[1] for r in trial]
        best = int(np.argmin(chi2))
        low, high = trial[max(best - 1, 0)], trial[min(best + 1, trial.size - 1)]
        minimum = minimize_scalar(
            lambda r: project(np.array([r]))[1],
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-12},
        )
        rates = np.array([minimum.x if minimum.fun < chi2[0] else 0.0])
    elif shape.rates == 2:
        rates = _two_rates(project, shape, times, w, yw)
    amplitude, chi2_best = project(rates)
    free = np.ones(1 + shape.rates, dtype=bool)
    if shape.rates and rates[0] <= 2e-7:
        rates[0], free[1] = 0.0, False
        amplitude, chi2_best = project(rates)
    return Fit(shape, amplitude, rates, free, chi2_best)


def _two_rates(project: Callable, shape: Shape, times: np.ndarray, w: np.ndarray, yw: np.ndarray) -> np.ndarray:
    """Clearance and uptake rate of the bi-exponential curve: grid search, then bounded least squares."""
    slow = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 40)])
    step = np.geomspace(1e-3, FASTEST, 40)
    _, b, d = min((project(np.array([b, b + d]))[1], b, d) for b in slow for d in step)

    def residual(x: np.ndarray) -> np.ndarray:
        rates = np.array([x[0], x[0] + math.exp(x[1])])
        return project(rates)[0] * shape.unit(times, rates) * w - yw

    minimum = least_squares(
        residual,
        x0=[max(b, 1e-9), math.log(d)],
        bounds=([0.0, math.log(1e-4)], [FASTEST, math.log(2 * FASTEST)]),
        x_scale=[0.01, 1.0],
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    return np.array([minimum.x[0], minimum.x[0] + math.exp(minimum.x[1])])


def aicc(fit: Fit, n: int, known_sigma: bool) -> float:
    """Corrected Akaike criterion; infinite where the points are too few for the correction."""
    k = 1 + fit.shape.rates
    if known_sigma:
        return math.inf if n <= k + 1 else fit.chi2 + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    k += 1  # the unknown variance is estimated too
    if n <= k + 1:
        return math.inf
    return n * math.log(max(fit.chi2, 1e-300) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
