"""The judge of two runs, which tests of a GPU rest on, on trial: runs of the CPU that differ in their seed alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.simulation import simulate
from hevesy.tests.gpu import two_runs
from hevesy.tests.verification.budget import ALPHA

PAIRS, DECAYS = 6, 40_000


@pytest.fixture(scope="module")
def runs():
    problem = problems.mixed_emission()
    return [simulate(problem, decays=DECAYS, seed=seed, backend="cpu") for seed in range(2 * PAIRS)]


@pytest.mark.parametrize("judged", [two_runs.same_means, two_runs.same_regions, two_runs.same_scatter])
def test_runs_of_two_seeds_are_the_same(runs, judged):
    assert min(judged(a, b) for a, b in zip(runs[::2], runs[1::2], strict=True)) > ALPHA


def test_a_bias_and_wrong_errors_are_seen(runs):
    """Half as much dose again in the voxels, a tenth in the regions; batches that scatter two and a half times more."""
    a, b = runs[:2]
    quanta = b.tally.region_quanta

    def other(regions):
        tally = replace(b.tally, region_quanta=regions)
        return SimpleNamespace(
            dose_gy_per_decay=1.5 * b.dose_gy_per_decay, sigma_gy_per_decay=b.sigma_gy_per_decay, tally=tally
        )

    assert two_runs.same_means(a, other(quanta)) < ALPHA
    assert two_runs.same_regions(a, other(1.1 * quanta)) < ALPHA
    assert two_runs.same_scatter(a, other(quanta.mean(axis=0) + 2.5 * (quanta - quanta.mean(axis=0)))) < ALPHA
