"""A mean from batches with the help of sums over the same decays whose expectation is known.

For batch b let M_b be what the Monte Carlo left in a region and L_b a sum over the same decays with the known
expectation l. With a slope fitted to the batches, the mean of M where L = l is

    m = mean(M) - slope (mean(L) - l),      slope = S_ML/S_LL,

and its variance, with r the residuals of the fit and B batches,

    var m = sum r^2/(B - 2) (1/B + (mean(L) - l)^2/S_LL).

This is the prediction of a straight line at l: for normal batches its interval by Student's t with B - 2 degrees of
freedom is exact, whatever the correlation (Lavenberg & Welch, Management Sci 27 (1981) 322). With none, it costs one
degree of freedom and a relative variance of about 1/B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .statistics import MINIMUM_BATCHES

#: coverage of the intervals
COVERAGE = 0.95


@dataclass(frozen=True)
class Paired:
    """A mean over batches with the noise of the decays taken out as far as it is known.

    Parameters
    ----------
    mean, standard_error
        Of one batch, in the unit of the batches.
    low, high
        95 % interval of the mean.
    variance_ratio
        Variance of the plain mean over that of this one: the gain. Above one where pairing helps.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    variance_ratio: float


def paired_mean(batches: np.ndarray, controls: np.ndarray, expectation: float, coverage: float = COVERAGE) -> Paired:
    """Mean of batches, given sums over the same decays with a known expectation.

    Parameters
    ----------
    batches
        M_b, (batch,).
    controls
        L_b, (batch,); where they are all the same they are ignored.
    expectation
        Of each L_b.
    coverage
        Of the interval.

    Returns
    -------
    Paired
        Standard error, interval and gain are NaN with fewer than 20 batches.
    """
    m, c = np.asarray(batches, dtype=np.float64), np.asarray(controls, dtype=np.float64)
    if m.ndim != 1 or m.shape != c.shape:
        raise ValueError(f"batches have shape {m.shape}, their controls {c.shape}: one number a batch each")
    count, plain = m.size, float(m.mean())
    if count < MINIMUM_BATCHES:
        return Paired(plain, math.nan, math.nan, math.nan, math.nan)
    dm, dc = m - plain, c - c.mean()
    s_cc, s_mm = float(dc @ dc), float(dm @ dm)
    # controls that do not vary beyond their rounding say nothing
    varies = s_cc > count * (1e-12 * float(np.abs(c).max(initial=0.0))) ** 2
    slope = float(dm @ dc) / s_cc if varies else 0.0
    offset = float(c.mean()) - expectation if varies else 0.0
    degrees = count - 2 if varies else count - 1
    residual = float(((dm - slope * dc) ** 2).sum()) / degrees
    variance = residual * (1.0 / count + (offset**2 / s_cc if varies else 0.0))
    mean, error = plain - slope * offset, math.sqrt(variance)
    reach = _student(coverage, degrees) * error
    gain = s_mm / (count - 1) / count / variance if variance > 0.0 else math.inf
    return Paired(mean, error, mean - reach, mean + reach, gain)


def _student(coverage: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + 0.5 * coverage))
