"""How fast the activity may leave where the curve is held at physical decay: no slower, but as fast as scans allow."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfcx

from .fitting import Fit, weights

#: Relative random error of a scan where none is given.
TYPICAL_SCAN_ERROR = 0.08


def slope_of_held_rate(
    fit: Fit, times: np.ndarray, y: np.ndarray, error: np.ndarray | None, gradient: np.ndarray
) -> np.ndarray:
    """What each scan says of the integral through a clearance that was held at its bound.

    Activity leaves at least as fast as it decays; a curve that falls more slowly is held there. Scans that are close in
    time, or imprecise, do not exclude that it leaves much faster. With the rate left free it would be ``a`` of its
    standard errors below the bound; what is beyond the bound is impossible, and the rest of the normal distribution
    lies sqrt(1 + a^2 - a h) standard errors above it (root mean square; h: its hazard at ``a``): one where the scans
    agree with physical decay, half of one where they rise by two standard errors.

    Parameters
    ----------
    fit
        A curve whose clearance is not free.
    times, y, error
        Times [h], values and standard errors (None: `TYPICAL_SCAN_ERROR` of each value) of the scans, (nt,).
    gradient
        Derivatives of the integral by the amplitude and the rates.

    Returns
    -------
    array
        Derivative of the integral by each scan's value [h], (nt,).
    """
    columns = fit.free.copy()
    columns[1] = True
    jacobian = fit.shape.jacobian(times, fit.amplitude, fit.rates)[:, columns]
    w, model = weights(y, error), fit.amplitude * fit.shape.unit(times, fit.rates)
    by_log = (np.linalg.pinv(jacobian * w[:, None]) * w[None, :])[1] * model  # rate by the logarithm of each value
    relative = TYPICAL_SCAN_ERROR if error is None else error / y
    sigma = float(np.linalg.norm(by_log * relative))
    below = -float(by_log @ np.log(y / model))
    return np.asarray(gradient[1] * _excess(below / sigma) * by_log / y) if sigma > 0.0 else np.zeros(times.size)


def _excess(standard_errors: float) -> float:
    """Root mean square distance from the bound of a normal distribution that is cut off there, in standard errors."""
    a = max(standard_errors, 0.0)
    hazard = math.sqrt(2.0 / math.pi) / float(erfcx(a / math.sqrt(2.0)))
    return math.sqrt(max(1.0 + a * a - a * hazard, 0.0))
