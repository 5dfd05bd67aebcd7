"""The judge of two runs, which tests of a GPU rest on, on trial: runs of the CPU that differ in their seed alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.simulation import simulate
from hevesy.tests.gpu import two_runs
from hevesy.tests.verification.budget import ALPHA
from scipy import stats

PAIRS, DECAYS = 12, 40_000


@pytest.fixture(scope="module")
def runs():
    problem = problems.mixed_emission()
    return [simulate(problem, decays=DECAYS, seed=seed, backend="cpu") for seed in range(2 * PAIRS)]


@pytest.mark.parametrize("judged", [two_runs.same_means, two_runs.same_scatter])
def test_runs_of_two_seeds_pass_as_often_as_they_should(runs, judged):
    """The p-value is below a half in half of the pairs or fewer: a binomial number with that as its bound."""
    found = np.array([judged(a, b) for a, b in zip(runs[::2], runs[1::2], strict=True)])
    assert stats.binom.sf((found < 0.5).sum() - 1, PAIRS, 0.5) > ALPHA
    assert found.min() > ALPHA


def test_a_bias_and_wrong_errors_are_seen(runs):
    """A tenth too much dose; batches that scatter two and a half times as much."""
    a, b = runs[:2]
    more = SimpleNamespace(
        dose_gy_per_decay=1.1 * b.dose_gy_per_decay, sigma_gy_per_decay=b.sigma_gy_per_decay, tally=b.tally
    )
    assert two_runs.same_means(a, more) < ALPHA
    quanta = b.tally.region_quanta
    wider = quanta.mean(axis=0) + 2.5 * (quanta - quanta.mean(axis=0))
    assert two_runs.same_scatter(a, SimpleNamespace(tally=replace(b.tally, region_quanta=wider))) < ALPHA
