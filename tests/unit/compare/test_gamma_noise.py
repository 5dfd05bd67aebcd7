"""What the rates say about noise: that without bias against its closed form, the corrected one against the truth."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from hevesy.engine.compare.gamma import gamma_rates
from hevesy.engine.dose import DoseMap, compute_dose
from hevesy.engine.grid import Grid
from hevesy.engine.transport import Problem
from hevesy.engine.transport.run_options import RunOptions
from hevesy.tests.patience import promised
from hevesy.tests.verification.budget import quantile
from hevesy.tools.gamma_noise import errors, rows, whole_body

GRID = Grid((24, 30, 30), (4.0, 4.0, 4.0))
FLAT = np.full(GRID.shape, 50.0)


@pytest.mark.parametrize("relative", [0.005, 0.01, 0.03])
def test_in_a_uniform_map_the_rate_without_bias_is_the_normal_law(relative):
    """Where no neighbour helps, |z| <= criterion/standard error; chance: the share of one judgement in the budget."""
    reference = DoseMap("mc", FLAT, relative * FLAT, "Gy")
    evaluated = DoseMap("local", FLAT * 1.5, None, "Gy")
    (rate,) = gamma_rates("v", GRID, reference, evaluated, [(1.0, 1.0)], ["global"])
    # the truth of the simulation is the evaluated map; the criterion is a share of the reference's largest dose
    expected = math.erf(0.01 / relative / math.sqrt(2.0))
    sigma = math.sqrt(expected * (1.0 - expected) / FLAT.size)
    assert abs(rate.noise_pass_percent / 100.0 - expected) <= quantile(3) * max(sigma, 1.0 / FLAT.size)
    assert rate.pass_percent == 0.0
    assert (rate.corrected_pass_percent is None) == (expected < 0.95)


def test_noise_of_both_maps_adds_in_squares():
    """At a distance criterion of nothing, where the search cannot find agreement in the noise of the evaluated map."""
    reference, evaluated = (DoseMap(name, FLAT, 0.006 * FLAT, "Gy") for name in ("mc", "hybrid"))
    near, far = gamma_rates("v", GRID, reference, evaluated, [(1.0, 1e-3), (1.0, 2.0)], ["global"])
    expected = math.erf(0.01 / (0.006 * math.sqrt(2.0)) / math.sqrt(2.0))
    sigma = math.sqrt(expected * (1.0 - expected) / 20_000)
    assert abs(near.noise_pass_percent / 100.0 - expected) <= quantile() * sigma + 1e-3
    assert far.noise_pass_percent > near.noise_pass_percent + 5.0


def test_maps_without_standard_errors_have_no_rate_for_noise():
    for sigma in (None, np.zeros_like(FLAT), np.full_like(FLAT, np.nan)):
        (rate,) = gamma_rates(
            "v", GRID, DoseMap("a", FLAT, sigma, "Gy"), DoseMap("b", FLAT, None, "Gy"), [(1, 1)], ["local"]
        )
        assert (rate.pass_percent, rate.noise_pass_percent, rate.corrected_pass_percent) == (100.0, None, None)


def test_the_same_maps_give_the_same_rates():
    """Simulated noise is drawn from a fixed seed."""
    rng = np.random.default_rng(3)
    reference = DoseMap("mc", FLAT * (1.0 + 0.01 * rng.standard_normal(FLAT.shape)), 0.01 * FLAT, "Gy")
    evaluated = DoseMap("local", FLAT, None, "Gy")
    assert gamma_rates("v", GRID, reference, evaluated) == gamma_rates("v", GRID, reference, evaluated)


def test_the_rates_of_one_noise():
    """Five methods, 1 % noise, eight criteria, fixed seeds: the slow tests below in a third of their time."""
    one = list(rows((0.01,)))
    for where in ("reference", "both"):
        off = errors(one, where)
        assert len(off["corrected"]) >= 30
        assert np.median(np.abs(off["corrected"])) <= 0.1 and np.max(np.abs(off["corrected"])) <= 5.5
        assert np.mean(np.abs(off["corrected"])) < 0.6 * np.mean(np.abs(off["raw"]))
    for where in ("reference", "both", "evaluated"):
        rates = [row for row in one if row.scene == "unbiased" and row.where == where]
        assert len(rates) == 8 and min(row.raw for row in rates) < 95.0
        assert max(abs(row.raw - row.expected) for row in rates) < 3.0
        assert where != "evaluated" or all(row.corrected is None for row in rates)


@lru_cache
def table():
    return list(rows())


@pytest.mark.slow
@pytest.mark.parametrize("where", ["reference", "both"])
def test_the_corrected_rate_is_near_that_without_noise(where):
    """Five methods, three noises, eight criteria, fixed seeds: the limits in points of docs/methods/gamma.md."""
    off = errors(table(), where)
    assert len(off["corrected"]) >= 90
    assert np.median(np.abs(off["corrected"])) <= 0.1
    assert np.max(np.abs(off["corrected"])) <= 5.0
    assert np.mean(np.abs(off["corrected"])) < 0.6 * np.mean(np.abs(off["raw"]))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["reference", "both", "evaluated"])
def test_a_method_without_bias_gets_the_rate_that_is_said_of_one(where):
    """Raw rates of the unbiased scene; with 4500 voxels their standard error is 0.6 points at most, and 5 of them hold
    for all 72 rates but with a probability of 4e-5 for other seeds."""
    rates = [row for row in table() if row.scene == "unbiased" and row.where == where]
    assert len(rates) == 24
    assert min(row.raw for row in rates) < 90.0
    assert max(abs(row.raw - row.expected) for row in rates) < 3.0


@pytest.mark.slow
def test_a_method_with_more_noise_than_the_reference_is_not_corrected():
    rates = [row for row in table() if row.where == "evaluated"]
    assert len(rates) == 120
    assert all(row.corrected is None and row.expected is not None for row in rates)


@pytest.mark.slow
def test_noise_in_the_reference_lowers_the_rate_and_in_the_evaluated_map_less():
    """As Graves, Jia and Jiang (2013) found: the search forgives noise of the map that it searches."""
    lost = {"reference": 0.0, "evaluated": 0.0}
    for row in table():
        if row.scene == "unbiased" and row.where in lost:
            lost[row.where] += row.true - row.raw
    assert lost["reference"] > 2.0 * lost["evaluated"] > 0.0


def test_a_whole_body_takes_seconds():
    """All criteria and normalisations with noise, 128 x 128 x 100 voxels of 4 mm; the maps are made too."""
    with promised(10.0):
        rates, _ = whole_body()
    assert rates[0].voxels > 40_000


def test_a_monte_carlo_dose_passes_against_the_truth_as_often_as_is_said(reference_dir):
    """131I in lung, tissue and bone: 100,000 decays against the dose of an independent code with many more.

    Neighbouring voxels are crossed by the same particles; the control draws them independently, which leaves its mean
    as it is. The limit is that of independent voxels, with half of them for the correlation.
    """
    problem = Problem.load(reference_dir / "i131_heterogeneous_3mm.npz")
    grid = Grid(problem.density_g_cm3.shape, tuple(float(size) for size in problem.voxel_size_mm))
    ours = compute_dose("mc", problem, options=RunOptions(decays=100_000, seed=1, backend="cpu"))
    theirs = DoseMap("other", problem.reference_dose, problem.reference_sigma, "Gy per decay")
    rates = gamma_rates("v", grid, ours, theirs, floor_percent=2.0)
    assert rates[0].voxels > 700
    for rate in rates:
        share = rate.noise_pass_percent / 100.0
        allowed = quantile(8) * math.sqrt(2.0 * share * (1.0 - share) / rate.voxels)
        assert abs(rate.pass_percent / 100.0 - share) < allowed
    assert min(rate.pass_percent for rate in rates) < 80.0
