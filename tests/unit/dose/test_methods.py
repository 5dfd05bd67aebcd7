"""The registry of dose methods: a new method is one entry, and everything a user meets knows it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import hevesy
import numpy as np
import pytest
from hevesy.cli.main import app
from hevesy.engine import dose
from hevesy.engine.case.model import Case
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.dose.methods import METHODS, DoseMethod, dose_method, main_method, register
from hevesy.engine.errors import InputError
from hevesy.engine.transport.run_options import RunOptions
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tests.verification.drivers import WATER, block, electron_line
from typer.testing import CliRunner

#: Gy in every voxel that has tissue.
TOY_GY = 31.25


def toy_dose(problem, decays, air_density_g_cm3, options):
    """The same dose in all tissue."""
    mean = np.where(problem.density_g_cm3 < air_density_g_cm3, 0.0, TOY_GY)
    return dose.DoseMap("toy", mean, None, "Gy", decays, air_density_g_cm3=air_density_g_cm3)


@pytest.fixture
def toy():
    """One entry, and nothing else."""
    method = DoseMethod("toy", label="a toy for tests", sentence="the same dose in all tissue", function=toy_dose)
    register(method)
    yield method
    del METHODS["toy"]


@pytest.fixture
def case_file(tmp_path):
    return write_small_case(tmp_path / "in", TEXT + "methods: [toy]\n")


def test_a_new_method_runs_from_case_file_to_report(toy, case_file, tmp_path):
    out = tmp_path / "out"
    outcome = hevesy.run(case_file, out=out)
    lesion = outcome.lesions[0]
    # the recovery of this case is not corrected, so the lesion's dose is that of the map
    assert (lesion.method, lesion.dose_gy) == ("toy", pytest.approx(TOY_GY, rel=1e-12))
    assert np.isnan(lesion.dose_mc_standard_error_gy)  # nothing was sampled
    with (out / "lesions.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["method"] == "toy" and float(row["dose_gy"]) == pytest.approx(TOY_GY, rel=1e-6)
    assert row["verdict"] == "eligible"
    result = hevesy.Result.load(out / "result.h5")
    assert set(result.doses) == {"toy", "local"} and result.tally is None
    mean = result.doses["toy"].mean
    assert (mean[result.lesion_masks[0] > 0] == TOY_GY).all() and (mean[result.density_g_cm3 < 0.01] == 0.0).all()
    assert 0 < np.count_nonzero(mean) < mean.size and result.doses["toy"].sigma is None
    assert (out / "dose_toy.nii.gz").exists()
    page = re.sub(r"\s+", " ", (out / "report.html").read_text(encoding="utf-8"))
    assert "a toy for tests" in page
    assert "the same dose in all tissue" in page
    assert Case.load(out / "case.resolved.yaml").methods == ("toy",)


def test_its_report_is_rewritten_from_the_files(toy, case_file, tmp_path):
    hevesy.run(case_file, out=tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert CliRunner().invoke(app, ["report", str(tmp_path / "out")]).exit_code == 0
    again = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert again.count("a toy for tests") == page.count("a toy for tests") > 0


def test_the_command_line_takes_it(toy, tmp_path):
    case_file = write_small_case(tmp_path / "in")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["run", str(case_file), "--out", str(out), "--method", "local, toy", "--json"])
    assert done.exit_code == 0, done.output
    assert set(hevesy.Result.load(out / "result.h5").doses) == {"local", "toy"}
    checked = CliRunner().invoke(app, ["check", str(case_file), "--json"])
    assert json.loads(checked.stdout)["methods"] == ["mc", "local"]


def test_check_expects_no_simulation_from_it(toy, case_file):
    done = CliRunner().invoke(app, ["check", str(case_file)])
    assert done.exit_code == 0
    assert "Methods: toy;" in done.stdout and "no Monte Carlo" in done.stdout


def test_the_schema_lists_it(toy):
    schema = Case.json_schema()
    listed = schema["properties"]["methods"]["items"]["enum"]
    assert listed == [*METHODS] and {"mc", "local", "local+photons", "hybrid", "kernel", "toy"} <= set(listed)


def test_an_unknown_method_is_refused_by_name_file_and_line(tmp_path):
    file = write_small_case(tmp_path / "in", TEXT + "methods:\n  - local\n  - locl\n")
    line = len(TEXT.splitlines()) + 3
    messages = []
    for command in ("check", "run"):
        done = CliRunner().invoke(app, [command, str(file)])
        assert isinstance(done.exception, InputError) and done.exception.exit_code == 2
        messages.append(str(done.exception))
    assert messages[0] == messages[1]
    assert f"{file}: methods[1] (line {line}): unknown dose method 'locl'" in messages[0]
    assert "mc, local, local+photons" in messages[0] and "did you mean 'local'?" in messages[0]


@pytest.mark.parametrize("method", ["locl", "mc,locl", ("local", "locl"), "", "mc,"])
def test_an_unknown_method_of_a_call_is_refused(tmp_path, method):
    with pytest.raises(InputError, match="unknown dose method"):
        hevesy.run(write_small_case(tmp_path), method=method)


def test_a_method_that_simulates_has_its_errors_everywhere(tmp_path):
    """Its tally and standard errors reach the lesion table and the result file, as those of ``mc`` do."""

    def again(problem, decays, air_density_g_cm3, options):
        return replace(METHODS["mc"].function(problem, decays, air_density_g_cm3, options), method="again")

    register(DoseMethod("again", label="again", sentence="the same again", function=again, simulates=True))
    try:
        case_file = write_small_case(tmp_path / "in")
        ours = hevesy.run(case_file, method="local,again", out=tmp_path / "out", seed=3)
        theirs = hevesy.run(case_file, method="mc", seed=3)
    finally:
        del METHODS["again"]
    a, b = ours.lesions[0], theirs.lesions[0]
    assert a.method == "again" and a.dose_gy == b.dose_gy and a.dose_mc_sigma_gy == b.dose_mc_sigma_gy > 0
    back = hevesy.Result.load(tmp_path / "out" / "result.h5")
    assert back.simulated.method == "again" and back.simulated.tally is back.tally
    np.testing.assert_array_equal(back.tally.energy_quanta, theirs.visits[0].result.tally.energy_quanta)
    np.testing.assert_array_equal(back.dose_gy_per_decay, theirs.visits[0].result.dose_gy_per_decay)
    np.testing.assert_array_equal(back.sigma_gy_per_decay, theirs.visits[0].result.sigma_gy_per_decay)


def test_every_entry_is_whole():
    """Names as in the registry, texts for the reader, and a function that can be loaded and called."""
    emission = replace(electron_line(0.2), photon_lines=np.array([[0.3, 1.0]]))
    problem = block(emission, (3, 3, 3), 5.0, (WATER,))
    options = RunOptions(decays=100, batches=20, backend="cpu")
    for name, method in METHODS.items():
        assert method.name == name and method.label and method.sentence
        found = compute_dose(name, problem, 1e9, options=options)
        assert found.method == name and found.unit == "Gy" and found.mean[1, 1, 1] > 0
        assert (found.sigma is not None) == method.simulates == (found.tally is not None)


def test_the_main_method_is_the_one_that_simulates():
    assert main_method(["local", "mc"]).name == "mc"
    assert main_method(["local+photons", "local"]).name == "local+photons"
    assert dose_method("mc").simulates and not dose_method("local").simulates


def test_a_name_is_registered_once(toy):
    with pytest.raises(ValueError, match="already"):
        register(toy)
