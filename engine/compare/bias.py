"""Bias of a method against another with a 95 % interval: exact ratios of means and of dose metrics.

The interval of a ratio A/B of independent normal estimates is Fieller's: all values q for which A - q B differs from
zero by at most t times its standard error,

    (A - q B)^2 <= t^2 (a^2 + q^2 b^2),

with the standard errors a, b and Student's t. It needs no linearisation, and has no end where B may be zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..pairing import paired_mean
from ..statistics import MINIMUM_BATCHES
from .record import Bias

#: Probability that an interval is meant to hold.
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean dose with its statistics.

    Parameters
    ----------
    value
        The mean [Gy].
    standard_error
        One standard error [Gy]; 0 for a method without noise, NaN where it is not known.
    degrees
        Degrees of freedom of the standard error; infinite where there is none to estimate.
    paired
        Whether the noise of the decays was taken out of it.
    """

    value: float
    standard_error: float = 0.0
    degrees: float = math.inf
    paired: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """95 % interval [Gy]; NaN where the standard error is not known."""
        reach = student(self.degrees) * self.standard_error
        return self.value - reach, self.value + reach


def student(degrees: float) -> float:
    """Quantile of Student's distribution for a two-sided interval of :data:`LEVEL`."""
    from scipy.special import ndtri, stdtrit

    tail = 0.5 + 0.5 * LEVEL
    return float(ndtri(tail) if math.isinf(degrees) else stdtrit(degrees, tail))


def plain_estimate(value: float, batches: np.ndarray, share: float = 1.0) -> Estimate:
    """A mean with the scatter of its batches.

    Parameters
    ----------
    value
        The mean [Gy].
    batches
        Energy that each batch left in the region, in any unit (batch,).
    share
        Of the mean that the batches are of; the rest has no noise.

    Returns
    -------
    Estimate
        With the relative standard error of the batches; NaN from fewer than 20.
    """
    count, mean = batches.size, float(batches.mean()) if batches.size else 0.0
    if count < MINIMUM_BATCHES or not mean > 0.0:
        return Estimate(value, math.nan, max(count - 1, 1))
    return Estimate(value, share * value * float(batches.std(ddof=1)) / math.sqrt(count) / mean, count - 1)


def paired_estimate(value: float, batches: np.ndarray, controls: np.ndarray, expectation: float) -> Estimate:
    """A mean without the noise that it has in common with a sum over the same decays.

    Parameters
    ----------
    value
        The plain mean [Gy].
    batches, controls
        Energy that each batch left in the region, and the sum over its decays; each in any unit (batch,).
    expectation
        Of the controls, which is known exactly.

    Returns
    -------
    Estimate
        Of the same expectation as the plain mean (:func:`hevesy.engine.pairing.paired_mean`).
    """
    plain = float(batches.mean()) if batches.size else 0.0
    if batches.size < MINIMUM_BATCHES or not plain > 0.0:
        return plain_estimate(value, batches)
    paired = paired_mean(batches, controls, expectation)
    if not paired.variance_ratio > 1.0 or not paired.mean > 0.0:  # the controls do not help
        return plain_estimate(value, batches)
    scale = value / plain
    return Estimate(scale * paired.mean, scale * paired.standard_error, batches.size - 2, paired=True)


def bias_of(method: Estimate, reference: Estimate) -> Bias:
    """Bias of a mean, with Fieller's interval.

    Parameters
    ----------
    method, reference
        Two estimates with independent noise, of which either may have none.

    Returns
    -------
    Bias
        No value where the reference has no dose; no interval where a standard error is not known, or where the
        reference may be zero.
    """
    a, b = method.value, reference.value
    if not b > 0.0:
        return Bias(None)
    ratio = a / b
    paired = method.paired or reference.paired
    va, vb = method.standard_error**2, reference.standard_error**2
    if not math.isfinite(va + vb):
        return Bias(_percent(ratio), paired=paired)
    error = 100.0 * math.hypot(method.standard_error, ratio * reference.standard_error) / b
    t2 = student(min(method.degrees, reference.degrees)) ** 2
    leading = b * b - t2 * vb
    if leading <= 0.0:
        return Bias(_percent(ratio), standard_error_percent=error, paired=paired)
    # (A B)^2 - (A^2 - t^2 a^2)(B^2 - t^2 b^2), written without the difference of large numbers
    root = math.sqrt(max(t2 * (va * b * b + vb * a * a - t2 * va * vb), 0.0))
    low, high = ((a * b - root) / leading, (a * b + root) / leading)
    return Bias(_percent(ratio), _percent(low), _percent(high), error, paired)


def metric_bias(method: tuple[float, float, float], reference: tuple[float, float, float]) -> Bias:
    """Bias of a dose metric such as D95.

    Parameters
    ----------
    method, reference
        Value, low and high end of the 95 % interval [Gy] each; all the same for a method without noise, NaN ends
        where they are not known.

    Returns
    -------
    Bias
        The ends combine those of both, in quadrature on either side.
    """
    value, low, high = method
    of, least, most = reference
    if not of > 0.0:
        return Bias(None)
    ratio = value / of
    if not math.isfinite(low + high + least + most) or least <= 0.0:
        return Bias(_percent(ratio))
    below = math.hypot((value - low) / of, ratio - value / most)
    above = math.hypot((high - value) / of, value / least - ratio)
    error = (below + above) / (2.0 * student(math.inf))
    return Bias(_percent(ratio), _percent(ratio - below), _percent(ratio + above), 100.0 * error)


def _percent(ratio: float) -> float:
    return 100.0 * (ratio - 1.0)
