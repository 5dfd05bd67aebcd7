"""One scan: a bound of the time integral, or an estimate with a population's half-life. docs/methods/kinetics.md"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq

from ..errors import InputError
from .conversion import LN2
from .fitting import Fit
from .models import Shape
from .population import Population

#: Flags of the three curves that can be the largest one plausible through a single scan.
ONE_SCAN = "one scan: physical decay only"
FAST_CLEARANCE = "one scan: fastest plausible clearance, immediate uptake"
LATE_PEAK = "one scan: uptake may still have been rising, physical decay after its latest peak"

#: Nodes of the quadrature over a population.
NODES = 9


def bound_fit(time_h: float, activity: float, physical: float, population: Population | None) -> tuple[str, Fit, str]:
    """Largest time integral that a scan allows, over every plausible clearance and uptake.

    With immediate uptake and biological rate b the integral is ``a exp((b + p) t) / (b + p)``, whose only extremum in
    b is a minimum: it is largest at an end, without clearance or at the fastest plausible one. A scan before the
    latest peak of the population may be on a linear rise to it, which is largest without clearance.

    Parameters
    ----------
    time_h
        Time of the scan [h].
    activity
        Activity of the therapy nuclide there, per administered activity.
    physical
        Its decay constant [1/h].
    population
        Which clearance and uptake are plausible; None: no clearance, immediate uptake.

    Returns
    -------
    (model, fit, flag)
        Name of the model, the curve, and which one it is in words.
    """
    at_scan = math.exp(-physical * time_h)
    held = np.array([True, False])
    options: list[tuple[str, Fit, str]] = [
        ("physical-decay", Fit(Shape("decay", physical), activity / at_scan, np.zeros(0), held[:1], 0.0), ONE_SCAN)
    ]
    if population is not None:
        rate = population.fastest_rate_per_h
        amplitude = activity * math.exp((rate + physical) * time_h)
        fast = Fit(Shape("mono", physical), amplitude, np.array([rate]), held, 0.0)
        options.append(("mono-exponential", fast, FAST_CLEARANCE))
        if time_h < population.peak_h:
            peak = population.peak_h
            late = Fit(Shape("rise", physical, peak), activity * peak / time_h, np.zeros(1), held, 0.0)
            options.append(("linear-exponential", late, LATE_PEAK))
    return max(options, key=lambda option: option[1].shape.integral(option[1].amplitude, option[1].rates)[0])


def break_even_half_life_h(time_h: float, physical: float) -> float:
    """Biological half-life below which immediate uptake gives more than physical decay from a scan at ``time_h``.

    Physical decay is the upper bound while ``exp(b t) <= 1 + b / p``.

    Parameters
    ----------
    time_h
        Time of the scan [h].
    physical
        Decay constant of the therapy nuclide [1/h].

    Returns
    -------
    float
        Half-life [h]; infinite for a scan later than the mean life 1 / p: every clearance gives more.
    """
    x = physical * time_h
    if x >= 1.0:
        return math.inf
    # the root r = b / p > 0 of exp(r x) - 1 - r lies beyond its minimum, which is negative
    least = -math.log(x) / x
    high = 2.0 * least + 1.0
    while math.exp(min(high * x, 700.0)) <= 1.0 + high:
        high *= 2.0
    ratio = brentq(lambda r: math.exp(min(r * x, 700.0)) - 1.0 - r, least, high)
    return LN2 / (ratio * physical)


def population_fit(time_h: float, activity: float, physical: float, population: Population | None, uptake: str) -> Fit:
    """The curve through one scan with a population's biological half-life.

    A linear rise ends at the scan, or at the latest peak of the population where that is earlier.

    Parameters
    ----------
    time_h
        Time of the scan [h].
    activity
        Activity of the therapy nuclide there, per administered activity.
    physical
        Its decay constant [1/h].
    population
        Whose half-life it takes.
    uptake
        Unseen phase before the scan, one of :data:`~hevesy.engine.kinetics.models.UPTAKES`.

    Raises
    ------
    InputError
        No population.
    """
    if population is None:
        raise InputError(
            "a single time point without a population half-life",
            why="one scan cannot show how fast the activity leaves",
            suggestion="give the population's biological half-life, or use model 'auto' for an upper bound",
            field="model",
        )
    peak = min(time_h, population.peak_h or time_h)
    shape = Shape("rise", physical, peak, uptake)
    rates = np.array([LN2 / population.half_life_h])
    return Fit(shape, activity / _at(shape, time_h, rates), rates, np.array([True, False]), 0.0)


def _at(shape: Shape, time_h: float, rates: np.ndarray) -> float:
    """The curve of amplitude 1 at one time."""
    return float(shape.unit(np.array([time_h]), rates)[0])


def population_relative(time_h: float, fit: Fit, population: Population) -> float:
    """Relative standard uncertainty of the integral from the spread of the population's half-life.

    Root mean square of ln(integral / that of the median) over the population. Half the log ratio of the integrals at
    ``half_life * gsd`` and ``half_life / gsd`` is nearly the same where the integral follows the half-life steadily
    (2 % more for a linear rise), but vanishes at its minimum (immediate uptake, scan near the effective mean life).

    Parameters
    ----------
    time_h
        Time of the scan [h], where the curve is held.
    fit
        The curve with the median half-life.
    population
        Median and spread.

    Returns
    -------
    float
        Standard deviation of ln(integral).
    """
    shape = fit.shape
    sigmas, weights = np.polynomial.hermite_e.hermegauss(NODES)

    def log_integral(rates: np.ndarray) -> float:
        return math.log(shape.integral(1.0, rates)[0] / _at(shape, time_h, rates))

    logs = [log_integral(fit.rates * population.gsd**-n) - log_integral(fit.rates) for n in sigmas]
    return math.sqrt(float(np.sum(weights * np.square(logs)) / weights.sum()))
