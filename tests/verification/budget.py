"""The statistical error budget of the verification suite, and the tests that spend it.

A correct code fails the whole suite by chance with probability ``SUITE_ALPHA`` (1e-6). Every statistical
judgement takes the Sidak share of it for :data:`JUDGEMENTS` judgements, more than the suite holds; a test that
judges many values at once (voxels) divides its share once more. Seeds are fixed: a test that passes, passes
again until the code changes.
"""

from __future__ import annotations

import numpy as np
from hevesy.tests.conftest import SUITE_ALPHA
from scipy import stats

#: upper bound of the number of statistical judgements in tests/verification, tests/repro and tests/unit
JUDGEMENTS = 1000
#: probability that one judgement fails by chance
ALPHA = -np.expm1(np.log1p(-SUITE_ALPHA) / JUDGEMENTS)
#: fewest expected counts in a bin of a chi-square test
FEWEST = 50.0


def sidak(n: int, alpha: float = ALPHA) -> float:
    """Share of ``alpha`` for each of ``n`` values judged together."""
    return float(-np.expm1(np.log1p(-alpha) / n))


def quantile(n: int = 1, degrees_of_freedom: float = np.inf) -> float:
    """Largest |z| (or Student t) that one of ``n`` values judged together may have."""
    share = sidak(n) / 2
    return float(stats.norm.isf(share) if np.isinf(degrees_of_freedom) else stats.t.isf(share, degrees_of_freedom))


def chi_square(counts: np.ndarray, probability: np.ndarray) -> float:
    """p-value of counts against the probabilities of their bins (which sum to one).

    Neighbouring bins are merged from the left until each expects at least :data:`FEWEST` counts. A count where
    the law has no probability gives 0.
    """
    counts, probability = np.asarray(counts, float), np.asarray(probability, float)
    assert counts.shape == probability.shape
    assert abs(probability.sum() - 1.0) < 1e-6, probability.sum()
    if counts[probability <= 0.0].any():
        return 0.0
    total = counts.sum()
    observed, expected, c, e = [], [], 0.0, 0.0
    for count, share in zip(counts, probability, strict=True):
        c, e = c + count, e + share * total
        if e >= FEWEST:
            observed.append(c)
            expected.append(e)
            c = e = 0.0
    assert len(observed) >= 2, "too few samples for a chi-square test"
    observed[-1] += c
    expected[-1] += e
    o, x = np.array(observed), np.array(expected)
    return float(stats.chi2.sf((((o - x) ** 2) / x).sum(), len(o) - 1))


def assert_law(samples: np.ndarray, edges: np.ndarray, probability: np.ndarray, what: str = "") -> None:
    """Samples follow a law given as bin probabilities; none lies outside the bins."""
    samples = np.asarray(samples, float)
    assert np.isfinite(samples).all(), f"{what}: not every sample is a number"
    # float32 may round a sample at the end of the range just beyond it
    slack = 4e-6 * np.abs(edges).max()
    assert samples.min() >= edges[0] - slack, f"{what}: {samples.min()} below {edges[0]}"
    assert samples.max() <= edges[-1] + slack, f"{what}: {samples.max()} above {edges[-1]}"
    counts, _ = np.histogram(np.clip(samples, edges[0], edges[-1]), edges)
    p = chi_square(counts, probability)
    assert p > ALPHA, f"{what}: p = {p:.3g}, allowed {ALPHA:.1g}"


def bin_probabilities(density, edges: np.ndarray, points: int = 16) -> np.ndarray:
    """Integrals of ``density`` over the bins by Gauss-Legendre quadrature, scaled to sum one."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half = 0.5 * np.diff(edges)
    x = (edges[:-1] + half)[:, None] + half[:, None] * nodes
    value = (density(x) * weights).sum(axis=1) * half
    assert (value >= 0).all()
    return value / value.sum()


def assert_mean(samples: np.ndarray, expected: float, what: str = "") -> None:
    """The mean of independent samples is ``expected`` within its standard error (Student's law)."""
    samples = np.asarray(samples, float)
    sigma = samples.std(ddof=1) / np.sqrt(samples.size)
    z = (samples.mean() - expected) / sigma
    allowed = quantile(1, samples.size - 1)
    assert abs(z) < allowed, f"{what}: mean {samples.mean():.6g}, expected {expected:.6g}, z = {z:.2f}"


def assert_share(hits: int, n: int, share: float, slack: float = 0.0, judged: int = 1, what: str = "") -> None:
    """So many of ``n`` independent trials succeed as their probability says: the binomial law, also for few events.

    The probability is known to ``slack``; ``judged`` shares are judged together.
    """
    fewer = stats.binom.cdf(hits, n, max(share - slack, 0.0))
    more = stats.binom.sf(hits - 1, n, min(share + slack, 1.0))
    p = float(min(fewer, more))
    assert p > sidak(judged) / 2, f"{what}: {hits} of {n}, expected {n * share:.6g}, p = {p:.3g}"


def hotelling(batches: np.ndarray, expected: np.ndarray) -> float:
    """p-value of the mean of batch vectors (batch, p) against ``expected``: Hotelling's T squared.

    It uses the covariance between the values, which voxels crossed by the same particles have.
    """
    n, p = batches.shape
    assert n > 2 * p, "too few batches for a covariance matrix"
    difference = batches.mean(axis=0) - expected
    scale = np.sqrt(np.diag(np.atleast_2d(np.cov(batches.T))))
    matrix = np.atleast_2d(np.cov((batches / scale).T))
    t2 = n * (difference / scale) @ np.linalg.solve(matrix, difference / scale)
    return float(stats.f.sf(t2 * (n - p) / (p * (n - 1)), p, n - p))


def hotelling_two(a: np.ndarray, b: np.ndarray) -> float:
    """p-value of two sets of batch vectors (batch, p) having the same mean."""
    (n, p), (m, q) = a.shape, b.shape
    assert p == q and n + m > 2 * p
    scale = np.sqrt(np.diag(np.atleast_2d(np.cov(a.T))))
    pooled = ((n - 1) * np.atleast_2d(np.cov((a / scale).T)) + (m - 1) * np.atleast_2d(np.cov((b / scale).T))) / (
        n + m - 2
    )
    difference = (a.mean(axis=0) - b.mean(axis=0)) / scale
    t2 = n * m / (n + m) * difference @ np.linalg.solve(pooled, difference)
    return float(stats.f.sf(t2 * (n + m - p - 1) / (p * (n + m - 2)), p, n + m - p - 1))


def assert_same_voxels(a, b, density: np.ndarray, volume_ml: float, above: float = 0.02, what: str = "") -> np.ndarray:
    """Two tallies give the same dose in every voxel above a share of the maximum; returns the z-scores."""
    mean_a, sigma_a = a.dose_gy_per_decay(density, volume_ml)
    mean_b, sigma_b = b.dose_gy_per_decay(density, volume_ml)
    return assert_same_dose(mean_a, sigma_a, mean_b, sigma_b, min(a.n_batches, b.n_batches), above, what)


def assert_same_dose(mean_a, sigma_a, mean_b, sigma_b, n_batches: int, above: float = 0.02, what: str = ""):
    """Two dose arrays agree in every voxel above a share of the maximum; returns the z-scores."""
    hot = mean_a > above * mean_a.max()
    z = (mean_a - mean_b)[hot] / np.hypot(sigma_a, sigma_b)[hot]
    assert np.isfinite(z).all()
    # the sum of two variances from n batches each has between n - 1 and 2n - 2 degrees of freedom
    worst, allowed = float(np.abs(z).max()), quantile(z.size, n_batches - 1)
    assert worst < allowed, f"{what}: a voxel differs by {worst:.2f} sigma, allowed {allowed:.2f} in {z.size} voxels"
    return z
