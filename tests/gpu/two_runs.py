"""Two runs of the same problem with different histories: how likely their differences are by chance alone.

Each test holds whatever the correlation between voxels or regions is: the least p-value of n tests is multiplied by n
(Bonferroni), so the answer is a p-value too, on the safe side.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

#: A voxel is judged where both standard errors are below this share of its mean: nearly normal there.
SHARPEST = 0.05


def least(p_values: np.ndarray) -> float:
    """The p-value of the least of several."""
    return float(min(1.0, np.min(p_values) * np.size(p_values)))


def same_means(a, b) -> float:
    """p-value of the differences of all sharp voxels: Welch's t, of two means with their own standard errors."""
    mean, other = a.dose_gy_per_decay, b.dose_gy_per_decay
    s, t = a.sigma_gy_per_decay, b.sigma_gy_per_decay
    sharp = (s > 0) & (t > 0) & (s < SHARPEST * mean) & (t < SHARPEST * other)
    assert sharp.any()
    mean, other, s, t = mean[sharp], other[sharp], s[sharp], t[sharp]
    freedom = (s**2 + t**2) ** 2 / (s**4 / (a.tally.n_batches - 1) + t**4 / (b.tally.n_batches - 1))
    return least(2 * stats.t.sf(np.abs(mean - other) / np.hypot(s, t), freedom))


def by_batch(run) -> np.ndarray:
    """Energy of every region in every batch: a sum over many decays, so nearly normal, and batches are independent."""
    return run.tally.region_quanta.reshape(run.tally.n_batches, -1).astype(float)


def same_regions(a, b) -> float:
    """p-value of the differences of the regions: Welch's t of their batches, which have the same size."""
    return least(stats.ttest_ind(by_batch(a), by_batch(b), equal_var=False).pvalue)


def same_scatter(a, b) -> float:
    """p-value of the ratios of the variances between batches, region by region: Fisher's F."""
    x, y = by_batch(a), by_batch(b)
    ratio = x.var(axis=0, ddof=1) / y.var(axis=0, ddof=1)
    law = stats.f(len(x) - 1, len(y) - 1)
    return least(2 * np.minimum(law.cdf(ratio), law.sf(ratio)))
