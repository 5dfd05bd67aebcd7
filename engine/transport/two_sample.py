"""Is a difference between a simulated mean and a reference larger than their standard errors explain?

Two things make the plain (a - b)/sigma overconfident where particles are few. A mean of few deposits is
correlated with its own standard error: low means come with low errors. And a standard error that was estimated from
B batches is itself uncertain. Both have exact enough remedies:

- deposits are a compound Poisson process, whose variance is proportional to its mean; the square root of the mean
  therefore has the same variance whatever the mean is (Bartlett 1936), and :func:`root_z` compares square roots;
- with a variance from B - 1 degrees of freedom beside a well-known one, the sum behaves as one of
  (a^2 + b^2)^2/(a^4/(B - 1)) degrees of freedom (Welch 1947), and :func:`critical` takes Student's quantile.

For many deposits and batches both become the normal test.
"""

from __future__ import annotations

import math

import numpy as np


def root_z(value: float, sigma: float, target: float, target_sigma: float) -> float:
    """Difference of the square roots of two positive means in combined standard errors.

    Parameters
    ----------
    value, sigma
        Simulated mean and its standard error.
    target, target_sigma
        Reference and its standard error (0 where it is exact).

    Returns
    -------
    float
        NaN when the simulated mean is not positive: nothing arrived, so nothing is known about the error.
    """
    if not (value > 0.0 and target > 0.0):
        return math.nan
    spread = math.hypot(sigma / math.sqrt(value), target_sigma / math.sqrt(target))
    difference = 2.0 * (math.sqrt(value) - math.sqrt(target))
    if spread > 0.0:
        return difference / spread
    return 0.0 if difference == 0.0 else math.copysign(math.inf, difference)


def welch(sigma: float, target_sigma: float, batches: float) -> float:
    """Degrees of freedom of the sum of a variance from ``batches`` batches and one that is well known."""
    if not np.isfinite(batches) or not sigma > 0.0:
        return math.inf
    return (batches - 1.0) * ((sigma**2 + target_sigma**2) / sigma**2) ** 2


def quantile(share: float, freedom: float = math.inf) -> float:
    """Number of standard errors that a correct value exceeds with probability ``share`` (two-sided)."""
    from scipy.stats import norm, t

    return float(t.isf(share / 2, freedom) if np.isfinite(freedom) else norm.isf(share / 2))


def critical(share: float, sigma: float, target_sigma: float, batches: float = math.inf) -> float:
    """The same for the difference of two means.

    Parameters
    ----------
    share
        Probability of a false alarm.
    sigma, target_sigma
        Standard errors of the simulated mean, from ``batches`` batches, and of the reference, taken as known.
    batches
        Batches behind ``sigma``.
    """
    return quantile(share, welch(sigma, target_sigma, batches))
