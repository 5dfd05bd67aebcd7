"""The paired mean against its law: coverage by simulation, the gain that a correlation gives, and edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.pairing import paired_mean
from hevesy.tests.conftest import SUITE_ALPHA
from scipy import stats

RUNS, BATCHES, MEAN, CONTROL = 20_000, 20, 5.0, 3.0


def pairs(correlation: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Normal batches (run, batch) of mean 5 and standard deviation 0.4, and controls of mean 3 and deviation 0.2."""
    noise = np.random.default_rng(seed).normal(size=(2, RUNS, BATCHES))
    other = correlation * noise[0] + np.sqrt(1 - correlation**2) * noise[1]
    return MEAN + 0.4 * noise[0], CONTROL + 0.2 * other


@pytest.mark.parametrize("correlation", [0.0, 0.7, -0.95])
def test_the_interval_covers_as_often_as_it_says(correlation):
    """20 000 runs of 20 batches each: the 95 % intervals hold the true mean in 95 % of them, as a binomial number.

    The standard deviation of the estimates is the standard error that they state, on average.
    """
    found = [paired_mean(m, c, CONTROL) for m, c in zip(*pairs(correlation), strict=True)]
    hits = sum(p.low <= MEAN <= p.high for p in found)
    assert stats.binomtest(hits, RUNS, 0.95).pvalue > SUITE_ALPHA / 1000, hits / RUNS
    variance = np.var([p.mean for p in found], ddof=1)
    stated = np.mean([p.standard_error**2 for p in found])
    # var of the estimate: residual variance/B times (B - 2)/(B - 3), the price of the fitted slope
    truth = 0.16 * (1 - correlation**2) / BATCHES * (BATCHES - 2) / (BATCHES - 3)
    # a sample variance of normal numbers has the relative error sqrt(2/n); seven of them, doubled for the tails
    assert variance == pytest.approx(truth, rel=14 * np.sqrt(2 / RUNS))
    assert stated == pytest.approx(truth, rel=14 * np.sqrt(2 / (RUNS * (BATCHES - 2))) + 0.01)


def test_controls_that_hold_everything_leave_no_error():
    c = np.random.default_rng(2).normal(3.0, 0.2, 30)
    found = paired_mean(2.0 * c + 1.0, c, 3.0)
    assert found.mean == pytest.approx(7.0, rel=1e-13)
    assert found.standard_error < 1e-13 and found.variance_ratio > 1e20


def test_controls_without_variation_give_the_plain_mean_and_its_t_interval():
    m = np.random.default_rng(3).normal(5.0, 0.4, 25)
    found = paired_mean(m, np.full(25, 0.1) * 3, 0.4)
    low, high = stats.t.interval(0.95, 24, m.mean(), stats.sem(m))
    assert (found.mean, found.low, found.high) == pytest.approx((m.mean(), low, high), rel=1e-12)
    assert found.variance_ratio == pytest.approx(1.0, rel=1e-12)


def test_few_batches_have_a_mean_and_no_error():
    found = paired_mean(np.arange(19.0), np.arange(19.0), 3.0)
    assert found.mean == 9.0 and np.isnan([found.standard_error, found.low, found.high]).all()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="one number a batch"):
        paired_mean(np.zeros(20), np.zeros(21), 0.0)
