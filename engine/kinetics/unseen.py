"""The phase before the first scan: whether the scans tell it, and what the other convention would give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .fitting import Fit, fit_shape
from .models import Shape

#: A rise counts as seen from this many standard uncertainties of the difference.
CLEAR = 2.0
#: Relative error of a retention whose sigma is not given.
USUAL_ERROR = 0.1
#: Names of the phase for records and flags: of :data:`~hevesy.engine.kinetics.models.UPTAKES`, and of a sum of
#: exponentials.
NAMES = {
    "linear-activity": "a linear rise",
    "linear-retention": "a linear rise of the retention",
    "instant": "immediate uptake",
    "exponential": "an exponential rise",
}


@dataclass(frozen=True)
class Alternative:
    """Time integral with the other convention for the phase that no scan shows.

    Parameters
    ----------
    uptake
        The convention, one of :data:`~hevesy.engine.kinetics.models.UPTAKES`.
    peak_h
        Time of its peak [h].
    tia_coefficient_h
        Time-integrated activity coefficient with it [h].
    ratio
        That relative to the chosen curve's.
    """

    uptake: str
    peak_h: float
    tia_coefficient_h: float
    ratio: float

    @property
    def relative(self) -> float:
        """Relative standard uncertainty: rectangular, half-width the logarithm of the ratio, about the chosen one."""
        return abs(math.log(self.ratio)) / math.sqrt(3.0) if self.ratio > 0.0 else 0.0


def rise_is_seen(u: np.ndarray, sigma: np.ndarray | None) -> bool:
    """Whether the retention rises from the first scan to the highest beyond its uncertainty.

    Parameters
    ----------
    u
        Retention of each scan (nt,), float64.
    sigma
        Its standard uncertainty (nt,), float64; None: 10 % of each.
    """
    s = USUAL_ERROR * np.abs(u) if sigma is None else sigma
    top = int(np.argmax(u))
    return top > 0 and bool(u[top] - u[0] > CLEAR * math.hypot(s[top], s[0]))


def alternative(
    fit: Fit, times: np.ndarray, y: np.ndarray, error: np.ndarray | None, *, seen: bool, latest_peak_h: float = 0.0
) -> Alternative | None:
    """The other convention, fitted to the same scans; None where they show the uptake.

    Parameters
    ----------
    fit
        The chosen curve.
    times, y, error
        Scan times [h], activity of the therapy nuclide and its standard uncertainty (None: unknown); (nt,), float64.
    seen
        Whether the scans show the rise.
    latest_peak_h
        Latest plausible peak [h] of a population; it counts for a single scan before it.

    Returns
    -------
    Alternative or None
        Of several, the one that differs most: two scans between which the retention rises may also both lie on the
        rise, and a single scan before the latest peak of a population too.
    """
    shape = fit.shape
    if shape.kind == "bi" or seen:
        return None
    first = float(times[0])
    rates = fit.rates if fit.rates.size else np.zeros(1)
    chosen = shape.integral(fit.amplitude, fit.rates)[0]
    if not chosen > 0.0:
        return None
    if shape.kind == "rise" and shape.uptake != "instant":
        other = Fit(Shape("rise", shape.physical, shape.peak_h, "instant"), fit.amplitude, rates, fit.free, 0.0)
        if shape.peak_h > first:
            other = fit_shape(Shape("mono", shape.physical), times, y, error)
        options: list[tuple[str, float, Fit]] = [("instant", 0.0, other)]
    else:
        at_first = fit.amplitude * float(shape.unit(times[:1], fit.rates)[0])
        rise = Fit(Shape("rise", shape.physical, first), at_first, rates, fit.free, 0.0)
        options = [("linear-activity", first, rise)]
    peak = 0.0
    if times.size == 1 and first < latest_peak_h:
        peak, top = latest_peak_h, float(y[0]) * latest_peak_h / first
    elif times.size == 2 and rates[0] == 0.0 and shape.kind == "rise":
        peak, top = float(times[1]), float(y[1])
    if peak:
        late = Shape("rise", shape.physical, peak)
        options.append(("linear-activity", peak, Fit(late, top, rates, fit.free, 0.0)))
    found = []
    for uptake, peak_h, one in options:
        tau = one.shape.integral(one.amplitude, one.rates)[0]
        found.append(Alternative(uptake, peak_h, float(tau), float(tau / chosen)))
    return max(found, key=lambda a: a.relative)
