"""The hybrid method through the door: its map, errors and tally; resumed, merged, alone and beside others."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import hevesy
import numpy as np
import pytest
from hevesy.cli.main import app
from hevesy.engine.constants import ELECTRON_REST_MEV, QUANTUM_MEV
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.dose.hybrid import photon_emission
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.dose.methods import main_method, simulated_method
from hevesy.engine.nuclides import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.results.merge import merge
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.run_options import RunOptions
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tests.verification.drivers import block
from typer.testing import CliRunner

MEV = 1.602176634e-13
OPTIONS = RunOptions(decays=20_000, seed=3, backend="cpu", batches=20)


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    return write_small_case(tmp_path_factory.mktemp("hybrid"))


@pytest.fixture(scope="module")
def whole(case_file, tmp_path_factory):
    """A run of hybrid alone, by the command, and its folder."""
    out = tmp_path_factory.mktemp("out") / "run"
    answer = CliRunner().invoke(app, ["run", str(case_file), "--method", "hybrid", "--seed", "6", "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    return out


def after(calls: int):
    """A stop condition that holds from its ``calls``-th question on."""
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) >= calls

    return stop


def spot(name: str, **physics):
    """Decays in one of 5 x 5 x 5 voxels of 10 mm of water."""
    source = np.zeros((5, 5, 5))
    source[2, 2, 2] = 1.0
    return block(nuclide(name).emission, source.shape, 10.0, source=source, **physics)


def test_the_command_runs_it_alone(whole):
    """The dose is the local dose plus photons, and its standard error is that of the photons."""
    result = hevesy.Result.load(whole / "result.h5")
    assert set(result.doses) == {"hybrid", "local"} and result.complete
    hybrid, local = result.doses["hybrid"], result.doses["local"]
    assert hybrid.tally is not None and result.tally.options["photon_scoring"] == "track-length"
    energy = (hybrid.mean - local.mean) * result.density_g_cm3 * result.grid.voxel_volume_ml * 1e-3 / MEV
    tissue = result.density_g_cm3 >= 0.01
    scored = result.tally.energy_quanta[tissue] * QUANTUM_MEV * hybrid.decays / result.tally.decays
    assert energy[tissue] == pytest.approx(scored, rel=1e-9, abs=1e-9 * float((local.mean[tissue]).max()) / MEV)
    with (whole / "lesions.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["method"] == "hybrid"
    mask = result.lesion_masks[0] > 0
    mean = np.average(hybrid.mean[mask], weights=result.density_g_cm3[mask])
    assert float(row["dose_gy"]) == pytest.approx(mean, rel=1e-6)
    # the standard error of the mean, from the batches of the photons: mean over 50 batches, by hand
    batches = result.tally.region_quanta[:, 0] * (QUANTUM_MEV / result.tally.batch_histories / 255)
    kg = float(result.density_g_cm3[mask].sum()) * result.grid.voxel_volume_ml * 1e-3
    sigma = batches.std(ddof=1) / np.sqrt(batches.size) * MEV / kg * hybrid.decays
    assert float(row["dose_mc_standard_error_gy"]) == pytest.approx(sigma, rel=1e-6) and sigma > 0
    for name in ("dose_hybrid", "sigma_hybrid", "dose_local"):
        assert (whole / f"{name}.nii.gz").exists()


def test_mean_error_and_merit_of_regions_are_those_of_the_whole_dose(whole):
    result = hevesy.Result.load(whole / "result.h5")
    mask = result.lesion_masks[0]
    grams = float((mask * result.density_g_cm3.astype(float)).sum()) * result.grid.voxel_volume_ml
    mean, sigma = result.region_dose_gy_per_decay([grams])
    weight = mask * result.density_g_cm3.astype(float)
    expected = float((weight * result.doses["hybrid"].mean).sum() / weight.sum()) / result.doses["hybrid"].decays
    assert mean[0] == pytest.approx(expected, rel=1e-6)
    assert result.figure_of_merit()["hot cube"] == pytest.approx((mean[0] / sigma[0]) ** 2 / result.wall_time_s)


def test_its_report_says_what_was_simulated(whole):
    page = re.sub(r"\s+", " ", (whole / "report.html").read_text(encoding="utf-8"))
    assert "local deposition of charged particles, Monte Carlo of photons" in page
    assert "Energy of photons emitted" in page
    assert "Monte Carlo transport of photons with track-length scoring" in page


def test_beside_monte_carlo_the_verdict_is_that_of_monte_carlo(case_file, whole, tmp_path):
    """Either order; the tally, the lesion table and the maps of Monte Carlo are those of a run without hybrid."""
    alone = hevesy.run(case_file, method="mc", seed=6)
    for order in ("mc,hybrid", "hybrid,mc"):
        out = tmp_path / order.replace(",", "_")
        outcome = hevesy.run(case_file, method=order, seed=6, out=out)
        result = hevesy.Result.load(out / "result.h5")
        assert set(result.doses) == {"mc", "hybrid", "local"}
        assert result.simulated.method == "mc" and result.doses["hybrid"].tally is None
        assert np.array_equal(result.tally.energy_quanta, alone.visits[0].result.tally.energy_quanta)
        assert outcome.lesions[0].method == "mc" and outcome.lesions[0].dose_gy == alone.lesions[0].dose_gy
        assert np.array_equal(result.doses["hybrid"].mean, hevesy.Result.load(whole / "result.h5").doses["hybrid"].mean)


def test_a_stopped_run_resumes_to_the_same_integers(case_file, whole, tmp_path):
    out = tmp_path / "out"
    assert hevesy.run(case_file, method="hybrid", seed=6, out=out, stop=after(12)).incomplete
    assert not hevesy.run(case_file, method="hybrid", seed=6, out=out, resume=True).incomplete
    a, b = (hevesy.Result.load(folder / "result.h5") for folder in (out, whole))
    assert np.array_equal(a.tally.region_quanta, b.tally.region_quanta)
    assert np.array_equal(a.doses["hybrid"].mean, b.doses["hybrid"].mean)
    assert np.array_equal(a.doses["hybrid"].sigma, b.doses["hybrid"].sigma)


def test_it_does_not_resume_a_run_of_monte_carlo(case_file, tmp_path):
    hevesy.run(case_file, method="mc", seed=6, out=tmp_path / "out", stop=after(12))
    with pytest.raises(hevesy.InputError, match="physics"):
        hevesy.run(case_file, method="hybrid", seed=6, out=tmp_path / "out", resume=True)


def test_a_stop_while_hybrid_runs_beside_monte_carlo_leaves_monte_carlo_whole(case_file, tmp_path):
    """Monte Carlo has its 50 batches; hybrid is begun again by a resumed run."""
    out = tmp_path / "out"
    assert hevesy.run(case_file, method="mc,hybrid", seed=6, out=out, stop=after(60)).incomplete
    stopped = hevesy.Result.load(out / "result.h5")
    assert stopped.tally.n_batches == 50 and "hybrid" not in stopped.doses
    assert stopped.stopped == "hybrid was interrupted"
    assert not hevesy.run(case_file, method="mc,hybrid", seed=6, out=out, resume=True).incomplete
    done = hevesy.Result.load(out / "result.h5")
    assert np.array_equal(done.tally.energy_quanta, stopped.tally.energy_quanta) and "hybrid" in done.doses


def test_a_stop_of_monte_carlo_leaves_hybrid_for_later(case_file, tmp_path):
    outcome = hevesy.run(case_file, method="mc,hybrid", seed=6, stop=after(12))
    assert outcome.incomplete and set(outcome.visits[0].result.doses) == {"mc", "local"}


def test_shards_merge_to_the_dose_of_their_sum(whole):
    """Two halves of the batches, each with its own dose, merge to the result of the whole run."""
    result = hevesy.Result.load(whole / "result.h5")
    tally = result.tally
    size = tally.batch_histories
    problem = replace(result.problem, emission=photon_emission(result.problem.emission))
    physics = {**tally.options}
    halves = []
    for first in (0, 25):
        half = simulate(problem, decays=25 * size, seed=6, batch_histories=size, first_batch=first, backend="cpu",
                        regions=result.lesion_masks, region_names=result.lesion_names, physics=physics)  # fmt: skip
        half = replace(half, device=tally.device).frozen()
        dose = replace(result.doses["hybrid"], mean=np.zeros_like(result.doses["hybrid"].mean), tally=half)
        halves.append(replace(result, tally=half, doses={**result.doses, "hybrid": dose}))
    merged = merge(halves)
    assert np.array_equal(merged.tally.energy_quanta, tally.energy_quanta)
    assert np.array_equal(merged.doses["hybrid"].mean, result.doses["hybrid"].mean)
    assert np.array_equal(merged.doses["hybrid"].sigma, result.doses["hybrid"].sigma)


@pytest.mark.parametrize("until", ["lesions:0.5%", "voxels>50%:0.5%"])
def test_a_precision_goal_is_that_of_the_whole_dose(until, tmp_path):
    """The run ends once the photons' error is 0.5 % of the whole dose, which is before 0.5 % of their own dose."""
    regions = (np.arange(125).reshape(5, 5, 5) == 62)[None].astype(np.uint8)
    dose = compute_dose(
        "hybrid", spot("I-131"), options=RunOptions(until=until, seed=2, backend="cpu", batch_histories=200,
                                                    regions=regions, region_names=("spot",)),
    )  # fmt: skip
    assert dose.tally.stopped_by == "until" and dose.tally.complete
    mean, sigma = dose.mean[2, 2, 2], dose.sigma[2, 2, 2]
    assert sigma / mean <= 0.005
    local = compute_dose("local", spot("I-131")).mean[2, 2, 2]
    assert sigma / (mean - local) > 0.005


@pytest.mark.parametrize(
    "emission",
    [
        Emission("beta", beta_mev=np.array([0.0, 0.5, 1.0]), beta_per_mev=np.array([0.0, 2.0, 0.0])),
        Emission("alpha", alpha_lines=np.array([[5.8, 1.0]])),
        Emission("soft X rays", electron_lines=np.array([[0.2, 1.0]]), photon_lines=np.array([[0.0005, 1.0]])),
    ],
    ids=lambda e: e.nuclide,
)
def test_without_photons_to_follow_it_is_local_and_simulates_nothing(emission):
    """A photon below the cut-off of 1 keV stays where it is emitted, as in a full transport."""
    problem = block(emission, (3, 3, 3), 10.0)
    dose = compute_dose("hybrid", problem, options=OPTIONS)
    name = "local" if not len(emission.photon_lines) else "local+photons"
    assert np.array_equal(dose.mean, compute_dose(name, problem).mean)
    assert dose.tally is None and (dose.sigma == 0.0).all()


def test_photons_that_are_not_transported_stay(tmp_path):
    problem = spot("F-18", photons=False)
    dose = compute_dose("hybrid", problem, options=OPTIONS)
    assert dose.tally is None and np.array_equal(dose.mean, compute_dose("local+photons", problem).mean)


def test_a_pure_beta_emitter_runs_through_the_door(tmp_path):
    """32P has neither gamma nor X rays: nothing is simulated, and the standard error is zero."""
    text = TEXT.replace("therapy: {nuclide: I-131", "therapy: {nuclide: P-32")
    case = write_small_case(tmp_path / "in", text)
    out = tmp_path / "out"
    answer = CliRunner().invoke(app, ["run", str(case), "--method", "hybrid", "--out", str(out), "--json"])
    assert answer.exit_code == 0, answer.output
    result = hevesy.Result.load(out / "result.h5")
    assert result.tally is None and np.array_equal(result.doses["hybrid"].mean, result.doses["local"].mean)
    assert (result.doses["hybrid"].sigma == 0.0).all()
    (row,) = json.loads((out / "lesions.json").read_text())["lesions"]
    assert row["dose_mc_standard_error_gy"] == 0.0


@pytest.mark.parametrize("name", ["F-18", "I-124", "I-131"])
def test_energy_is_emitted_once(name):
    """Local energy plus photons deposited and escaped is what a decay emits; two photons per positron, once."""
    problem, decays = spot(name), 40_000
    dose = compute_dose("hybrid", problem, options=replace(OPTIONS, decays=decays))
    balance = dose.tally.balance
    assert balance["emitted"] == balance["deposited"] + balance["escaped"]
    photons = balance["emitted"] * QUANTUM_MEV / decays
    emission = nuclide(name).emission
    lines = emission.photon_lines
    positrons = np.trapezoid(emission.positron_per_mev, emission.positron_mev) if emission.positron_mev.size else 0.0
    truth = float(lines[:, 0] @ lines[:, 1]) + 2 * positrons * ELECTRON_REST_MEV
    # stratified: each of 20 batches is within one photon of its expected number, and energies are evenly spread
    assert photons == pytest.approx(truth, rel=0.01)
    local = compute_dose("local", problem)
    charged = float((local.mean * problem.density_g_cm3).sum()) * 1e-3 / MEV
    assert charged == pytest.approx(emitted_energy(emission).charged, rel=1e-6)
    assert truth + charged == pytest.approx(emitted_energy(emission).total, rel=1e-6)


def test_which_method_is_the_main_one():
    assert main_method(["hybrid", "mc"]).name == "mc" and main_method(["local", "hybrid"]).name == "hybrid"
    assert main_method(["local", "local+photons"]).name == "local"
    assert simulated_method(["hybrid", "mc"]) == "mc" and simulated_method(["hybrid"]) == "hybrid"
    assert simulated_method([]) is None and simulated_method(["local"]) is None
