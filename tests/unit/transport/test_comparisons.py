"""`hevesy validate` on problem files of any origin: what it judges, what it refuses, and its exit codes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import hevesy
import numpy as np
import pytest
from hevesy.cli import main
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.comparisons import BANDS, compare, with_judged_regions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.two_sample import critical, root_z
from scipy import stats

SHAPE = (5, 5, 5)
WATER = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)


def base() -> Problem:
    """The least that a problem file may hold: no regions, no notes, no physics."""
    source = np.zeros(SHAPE, np.float32)
    source[2, 2, 2] = 3.0
    return Problem(
        density_g_cm3=np.ones(SHAPE, np.float32),
        material=np.zeros(SHAPE, np.uint8),
        materials=(WATER,),
        voxel_size_mm=(2.0, 2.0, 2.0),
        source=source,
        emission=Emission(electron_lines=np.array([[0.6, 1.0]]), photon_lines=np.array([[0.3, 1.0]])),
    )


@pytest.fixture(scope="module")
def reference() -> Problem:
    """Its reference: another seed, ten times the decays."""
    result = hevesy.simulate(base(), decays=200_000, seed=8, backend="cpu")
    return replace(base(), reference_dose=result.dose_gy_per_decay, reference_sigma=result.sigma_gy_per_decay)


@pytest.fixture
def validate(monkeypatch, capsys, tmp_path):
    """Run ``hevesy validate`` on a problem: (exit code, standard output, standard error)."""

    def call(problem: Problem, *words: str):
        path = problem.save(tmp_path / "given.npz")
        words = words or ("--decays", "4e4")
        monkeypatch.setattr(sys, "argv", ["hevesy", "validate", str(path), "--backend", "cpu", *words])
        with pytest.raises(SystemExit) as caught:
            main.entry()
        told = capsys.readouterr()
        return caught.value.code or 0, told.out, told.err

    return call


def test_a_minimal_file_is_judged_in_bands_of_its_reference(validate, reference):
    code, out, err = validate(reference, "--decays", "4e4", "--json")
    found = json.loads(out)
    assert code == 0, err
    assert found["passed"] is True
    assert [r["region"] for r in found["regions"]] == [name for name, _, _ in BANDS]
    assert {r["verdict"] for r in found["regions"]} == {"pass"}
    code, out, _ = validate(replace(reference, reference_dose=1.06 * reference.reference_dose))
    assert code == 1 and out.rstrip().endswith("FAIL")


def test_voxels_without_a_reference_do_not_count(validate, reference):
    dose = reference.reference_dose.copy()
    dose[:, :, :2] = np.nan
    regions = np.ones(SHAPE, np.uint8)
    regions[0] = 2
    given = replace(reference, reference_dose=dose, regions=regions, region_names=("body",))
    code, out, err = validate(given, "--decays", "1e5", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [r["region"] for r in found["regions"]] == ["body", "region 2"]
    labels = np.asarray(with_judged_regions(given).regions)
    assert not labels[:, :, :2].any() and labels[1:, :, 2:].all()
    # sigma is that of the part that is judged: from the batches of the run
    result = hevesy.simulate(with_judged_regions(given), decays=40_000, seed=1, backend="cpu")
    plain = hevesy.simulate(given, decays=40_000, seed=1, backend="cpu")
    a, b = compare(result, with_judged_regions(given)).regions[0], compare(plain, given).regions[0]
    assert a.simulated_gy == b.simulated_gy
    assert 0.3 * b.sigma < a.sigma < b.sigma, "what leaves the source voxel is in its neighbours: errors partly cancel"


REFUSED = [
    ({"reference_dose": None, "reference_sigma": None}, "holds no reference dose", "hevesy simulate"),
    ({"reference_sigma": None}, "sigma_gy_per_decay: the reference dose has no standard error", "0 where it is exact"),
    ({"reference_sigma": np.full(SHAPE, np.nan)}, "no voxel has both a dose and a standard error", "both numbers"),
    ({"reference_dose": np.zeros(SHAPE)}, "negative, or zero everywhere", "write NaN"),
    ({"reference_dose": np.full(SHAPE, -1e-12)}, "lowest -1e-12 Gy per decay", "write NaN"),
    ({"reference_dose": np.ones((2, 2, 2))}, "dose_gy_per_decay: has shape (2, 2, 2)", "share one grid"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_reference_that_cannot_be_judged(validate, reference, number):
    change, problem, help_ = REFUSED[number]
    code, _, err = validate(replace(reference, **change))
    assert code == 2
    assert "given.npz" in err and problem in err and help_ in err, err
    assert "Traceback" not in err


def test_fewer_than_twenty_batches_are_no_judgement(validate, reference):
    code, _, err = validate(reference, "--decays", "12")
    assert code == 2
    assert "12 batches of histories" in err and "fewer than 20" in err and "--decays 1e6" in err


def test_a_region_that_few_particles_reach_is_not_judged(validate, reference):
    """Neither pass nor fail; and a file of such regions alone has no verdict."""
    regions = np.zeros(SHAPE, np.uint8)
    regions[2, 2, 2], regions[0, 0, 0] = 1, 2
    given = replace(reference, regions=regions, region_names=("source", "corner"))
    code, out, _ = validate(given, "--decays", "2e4")
    assert code == 0
    assert "too few" in out and "(increase --decays): corner" in out
    regions[2, 2, 2] = 0
    code, out, error = validate(replace(given, regions=regions), "--decays", "2e4")
    assert code == 2 and out.rstrip().endswith("no verdict") and "there is no verdict" in error


def test_an_exact_reference(validate):
    """A standard error of 0 is one: alphas stay where they are born, to the last quantum."""
    from hevesy.phantoms.problems import alphas

    code, out, _ = validate(alphas(), "--decays", "1000")
    assert code == 0, out


def test_errors_of_averaged_voxels_are_not_independent(reference):
    """Mirror images that share one value share its error: n of them are known no better than one."""
    dose = 0.5 * (reference.reference_dose + reference.reference_dose[::-1])
    sigma = np.full(SHAPE, 0.01) * dose
    regions = np.zeros(SHAPE, np.uint8)
    regions[1, 2, 2] = regions[3, 2, 2] = 1
    given = replace(reference, reference_dose=dose, reference_sigma=sigma, regions=regions, region_names=("pair",))
    result = hevesy.simulate(with_judged_regions(given), decays=20_000, seed=3, backend="cpu")
    (pair,) = compare(result, given).regions
    assert pair.reference_sigma >= 0.01
    stated = replace(given, notes={"region_reference": {"pair": {"sigma_rel": 0.03}}})
    assert compare(result, stated).regions[0].reference_sigma == 0.03


def test_few_deposits_do_not_raise_false_alarms():
    """Means of 120 deposits in 50 batches: square roots and Student's quantile hold 1 in 1000, plain z does not."""
    rng = np.random.default_rng(4)
    runs, batches, deposits, share = 20_000, 50, 120.0, 1e-3
    n = rng.poisson(deposits / batches, (runs, batches))
    # exponential deposits: their sum over a batch follows a gamma law
    energy = np.where(n > 0, rng.gamma(np.maximum(n, 1)), 0.0)
    mean, sigma = energy.mean(axis=1), energy.std(axis=1, ddof=1) / np.sqrt(batches)
    truth = deposits / batches
    root = np.array([root_z(m, s, truth, 0.0) for m, s in zip(mean, sigma, strict=True)])
    alarms = int((np.abs(root) > critical(share, 1.0, 0.0, batches)).sum())
    plain = int((np.abs(mean - truth) / sigma > stats.norm.isf(share / 2)).sum())
    low, high = stats.binom.ppf(1e-9, runs, share), stats.binom.isf(1e-9, runs, 2 * share)
    # what is left of skewness and of a variance of few deposits may double the rate, not more
    assert low <= alarms <= high, alarms
    assert plain > 2 * alarms


def test_many_deposits_and_batches_are_the_normal_test():
    assert root_z(1.01, 0.004, 1.0, 0.003) == pytest.approx(2.0, rel=0.005)
    assert critical(0.05, 1.0, 0.0) == pytest.approx(1.959964)
    assert critical(0.05, 1.0, 0.0, 20) == pytest.approx(stats.t.isf(0.025, 19))
    # beside a reference that is as uncertain: four times the degrees of freedom (Welch)
    assert critical(0.05, 1.0, 1.0, 20) == pytest.approx(stats.t.isf(0.025, 76))
    assert np.isnan(root_z(0.0, 0.0, 1.0, 0.1))
    assert root_z(1.0, 0.0, 1.0, 0.0) == 0.0 and root_z(1.1, 0.0, 1.0, 0.0) == np.inf


def test_too_few_batches_are_told_once_and_cured_by_merging(tmp_path):
    """Shards of ten batches state no error and say so; their sum has thirty, states one and says nothing."""
    with pytest.raises(InputError, match="12 batches"):
        short = hevesy.simulate(base(), decays=12, backend="cpu")
        compare(short, replace(base(), reference_dose=np.ones(SHAPE), reference_sigma=np.ones(SHAPE)))
    shards = [
        hevesy.simulate(base(), decays=1000, backend="cpu", batch_histories=100, first_batch=10 * i) for i in range(3)
    ]
    for shard in shards:
        assert np.isnan(shard.sigma_gy_per_decay).all()
        (text,) = shard.warnings
        assert "No Monte Carlo uncertainty is stated" in text and "20 batches" in text and "only 10 batches" in text
    merged = hevesy.merge(shards)
    assert np.isfinite(merged.sigma_gy_per_decay).all() and merged.warnings == ()
    two = hevesy.merge([shards[2]], partial=True)
    assert len(two.warnings) == 1


def test_figure_of_merit_is_reported(monkeypatch, capsys, tmp_path):
    """1/(relative variance x time), for every region, in the table and in JSON."""
    regions = np.zeros(SHAPE, np.uint8)
    regions[2, 2, 2] = 1
    path = replace(base(), regions=regions, region_names=("lesion",)).save(tmp_path / "p.npz")
    for more in ([], ["--json"]):
        words = ["hevesy", "simulate", str(path), "--decays", "2e4", "--backend", "cpu", "-o", str(tmp_path / "r.h5")]
        monkeypatch.setattr(sys, "argv", words + more)
        with pytest.raises(SystemExit):
            main.entry()
    out = capsys.readouterr().out
    assert "figure of merit" in out and "lesion, 1/s" in out  # in the table, over two lines at 80 columns
    told = json.loads(out[out.index("{") :])["figure_of_merit_per_s"]
    result = hevesy.Result.load(tmp_path / "r.h5")
    mean, sigma = result.region_dose_gy_per_decay([8e-3])
    assert told["lesion"] == pytest.approx(float((mean / sigma)[0]) ** 2 / result.wall_time_s, rel=1e-9)
