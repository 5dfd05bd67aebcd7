"""A stopped run, resumed, ends with the integers of an uninterrupted one; another run is refused."""

import shutil
import sys
from dataclasses import replace

import hevesy
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.until import Until
from hevesy.tests.unit.small_case import TEXT, write_small_case

TWO_VISITS = TEXT.replace(
    "transport:",
    """\
  - name: second look
    scans:
      - {pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}
      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}
    lesions: lesions.nii.gz
transport:""",
)


def after(calls):
    """A stop function that says True from its ``calls``-th call on."""
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= calls

    return stop


def assert_same(a, b):
    np.testing.assert_array_equal(a.tally.energy_quanta, b.tally.energy_quanta)
    np.testing.assert_array_equal(a.tally.energy_quanta_squared, b.tally.energy_quanta_squared)
    np.testing.assert_array_equal(a.tally.region_quanta, b.tally.region_quanta)
    np.testing.assert_array_equal(a.tally.batch_ids, b.tally.batch_ids)
    assert a.tally.balance == b.tally.balance
    assert a.tally.counters == b.tally.counters
    assert a.complete
    assert b.complete


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    return write_small_case(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def whole(case_file):
    return hevesy.run(case_file, method="mc", seed=6)


@pytest.fixture
def stopped(case_file, tmp_path):
    """The folder of a run stopped after some of its 50 batches."""
    out = tmp_path / "out"
    outcome = hevesy.run(case_file, method="mc", seed=6, out=out, stop=after(12))
    assert outcome.incomplete
    assert 0 < outcome.visits[0].result.tally.n_batches < 50
    return out


def test_resumed_run_is_the_uninterrupted_run(case_file, stopped, whole):
    outcome = hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True)
    assert not outcome.incomplete
    assert_same(outcome.visits[0].result, whole.visits[0].result)
    assert_same(hevesy.Result.load(stopped / "result.h5"), whole.visits[0].result)
    assert outcome.lesions[0].dose_gy == whole.lesions[0].dose_gy
    assert outcome.lesions[0].dose_mc_standard_error_gy == whole.lesions[0].dose_mc_standard_error_gy
    log = (stopped / "log.txt").read_text()
    assert log.index("resuming after") > 0
    assert log.count("hevesy 0.1.0") == 2, "the log of the stopped run is kept"


def test_resumed_again_and_again(case_file, stopped, whole):
    for _ in range(2):
        assert hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True, stop=after(9)).incomplete
    outcome = hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True)
    assert_same(outcome.visits[0].result, whole.visits[0].result)
    # and what is complete is not run again
    done = hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True)
    assert_same(done.visits[0].result, whole.visits[0].result)


@pytest.mark.parametrize(
    ("change", "flags", "words"),
    [
        (("74 MBq", "37 MBq"), {}, "activity or the physics are not those"),
        (("until: null", "until: null, electron_cutoff: 20 keV"), {}, "activity or the physics are not those"),
        (("threshold", "threshold"), {"seed": 7}, "try: --seed 6, or run without --resume"),
    ],
)
def test_another_run_is_refused_and_nothing_touched(case_file, stopped, tmp_path, change, flags, words):
    other = write_small_case(tmp_path / "other", TEXT.replace(*change))
    before = {p.name: p.read_bytes() for p in stopped.iterdir()}
    with pytest.raises(InputError) as caught:
        hevesy.run(other, method="mc", out=stopped, resume=True, **{"seed": 6, **flags})
    assert words in str(caught.value)
    assert {p.name: p.read_bytes() for p in stopped.iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "out"]


def test_other_code_tables_or_lesions_are_refused(case_file, stopped, monkeypatch):
    from hevesy.engine.results import provenance

    with monkeypatch.context() as patch:
        patch.setattr(provenance, "table_hashes", lambda: {"physics.h5": "0" * 64})
        with pytest.raises(InputError, match="physics tables are not those"):
            hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "code_version", lambda: "9.9")
        patch.setattr(provenance, "code_hash", lambda: "0" * 64)
        with pytest.raises(InputError, match="this is hevesy 9.9 .*with other sources"):
            hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True)
    result = hevesy.Result.load(stopped / "result.h5")
    masks = result.lesion_masks[:, ::-1]
    regions = np.zeros_like(result.tally.region_quanta)  # the energy in the other lesions, or no reader lets it pass
    regions[0] = [(mask * result.tally.energy_quanta).sum() for mask in masks]
    tally = replace(result.tally, region_quanta=regions)
    replace(result, lesion_masks=masks, tally=tally).save(stopped / "result.h5")
    with pytest.raises(InputError, match="lesions are not those"):
        hevesy.run(case_file, method="mc", seed=6, out=stopped, resume=True)


def test_nothing_to_resume_starts_from_the_beginning(case_file, tmp_path, whole, caplog):
    outcome = hevesy.run(case_file, method="mc", seed=6, out=tmp_path / "new", resume=True)
    assert_same(outcome.visits[0].result, whole.visits[0].result)
    assert "nothing to resume" in caplog.text


def test_a_run_of_several_visits_goes_on_where_it_stopped(case_file, tmp_path):
    case = case_file.with_name("two.yaml")
    case.write_text(TWO_VISITS)
    whole = hevesy.run(case, method="mc", out=tmp_path / "whole")
    out = tmp_path / "out"
    # batches of the first visit, then some of the second
    assert hevesy.run(case, method="mc", out=out, stop=after(60)).incomplete
    assert [p.name for p in sorted(out.glob("*/result.h5"))] == ["result.h5", "result.h5"]
    resumed = hevesy.run(case, method="mc", out=out, resume=True)
    for a, b in zip(resumed.visits, whole.visits, strict=True):
        assert_same(a.result, b.result)
    # stopped before the second visit: the first is where a run of both puts it
    first = tmp_path / "first"
    stop = after(51)
    outcome = hevesy.run(case, method="mc", out=first, stop=stop)
    assert len(outcome.visits) == 1
    assert (first / "baseline" / "result.h5").exists()
    resumed = hevesy.run(case, method="mc", out=first, resume=True)
    for a, b in zip(resumed.visits, whole.visits, strict=True):
        assert_same(a.result, b.result)


def test_only_where_nothing_is_left_it_is_said_and_once(case_file, tmp_path, command, caplog):
    """Two visits for two therapies: a run that had come to one of the four transports has something to resume."""
    case, out = case_file.with_name("two.yaml"), tmp_path / "out"
    case.write_text(TWO_VISITS + "further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]\n")
    words = ("run", case, "--method", "mc", "--backend", "cpu", "--quiet", "-o", out)
    assert hevesy.run(case, method="mc", backend="cpu", out=out, stop=after(51)).incomplete
    assert command(*words, "--resume")[0] == 0
    assert "nothing to resume" not in caplog.text
    log = (out / "log.txt").read_text()
    begun = [line.split("INFO ")[1].split(":")[0] for line in log.splitlines() if "had not come to it" in line]
    assert begun == ["I-131, second look", "Lu-177, baseline", "Lu-177, second look"]
    shutil.rmtree(out)
    assert command(*words, "--resume")[0] == 0
    assert caplog.text.count("nothing to resume: there is no result and no checkpoint yet") == 1


@pytest.fixture(scope="module")
def problem(case_file):
    from hevesy.engine.pipeline.activity import integrate
    from hevesy.engine.pipeline.dose import transport_problem
    from hevesy.engine.pipeline.scans import read_visit

    case = hevesy.Case.load(case_file)
    images = read_visit(case, case.visits[0])
    return transport_problem(case, images, integrate(case, images))


def test_goal_that_was_reached_is_not_run_past(problem):
    """A run that ended at its goal and is resumed ends at the same batch."""
    until = {"until": "voxels>50%:9%", "batch_histories": 400, "decays": 200_000}
    ended = hevesy.simulate(problem, seed=2, **until)
    n = ended.tally.n_batches
    assert n < 500
    part = hevesy.simulate(problem, seed=2, stop=after(n - 3), **until)
    assert not part.complete
    assert_same(hevesy.simulate(problem, seed=2, resume=part, **until), ended)
    assert_same(hevesy.simulate(problem, seed=2, resume=ended, **until), ended)
    assert Until.parse(until["until"]).goal == pytest.approx(0.09)


def test_a_stopped_simulation_loads_merges_and_resumes(problem, tmp_path):
    whole = hevesy.simulate(problem, decays=20_000, seed=3)
    hevesy.simulate(problem, decays=20_000, seed=3, stop=after(17)).save(tmp_path / "part.h5")
    part = hevesy.Result.load(tmp_path / "part.h5")
    assert not part.complete
    assert "interrupted after" in part.stopped
    done, size = part.tally.n_batches, part.tally.batch_histories
    rest = hevesy.simulate(problem, decays=20_000 - done * size, seed=3, first_batch=done, batch_histories=size)
    merged = hevesy.merge([part, rest])
    np.testing.assert_array_equal(merged.tally.energy_quanta, whole.tally.energy_quanta)
    np.testing.assert_array_equal(merged.tally.energy_quanta_squared, whole.tally.energy_quanta_squared)
    assert_same(hevesy.simulate(problem, decays=20_000, seed=3, resume=part), whole)
    with pytest.raises(InputError, match="first .* batches without a gap"):
        hevesy.simulate(problem, decays=20_000, seed=3, resume=rest)


def test_simulate_resumes_from_its_result_file(problem, tmp_path, monkeypatch, capsys):
    from hevesy.cli import interrupt, main

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["hevesy", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main.entry()
        told = capsys.readouterr()
        return caught.value.code or 0, told.out, told.err

    path, result = tmp_path / "p.npz", tmp_path / "r.h5"
    problem.save(path)
    words = ("simulate", path, "--decays", "2e4", "--seed", "3", "-o", result)
    with monkeypatch.context() as patch:

        class Stopped:
            def __enter__(self):
                return after(11)

            def __exit__(self, *error):
                return None

        patch.setattr(interrupt, "stop_on_interrupt", lambda **_: Stopped())
        code, _, err = command(*words)
    assert code == 3
    assert "--resume continues" in err
    assert not hevesy.Result.load(result).complete
    code, _, err = command(*words[:-3], "9", "-o", result, "--resume")
    assert code == 2
    assert "try: --seed 3" in err
    code, out, err = command(*words, "--resume")
    assert code == 0, err
    assert_same(hevesy.Result.load(result), hevesy.simulate(hevesy.Problem.load(path), decays=20_000, seed=3))


def test_what_a_resumed_run_does_not_come_to_is_kept(case_file, tmp_path, monkeypatch):
    """Stopped in the second visit, resumed, and stopped again before it: nothing of it is simulated twice."""
    from hevesy.kernels.backends import cpu

    case, out = case_file.with_name("two.yaml"), tmp_path / "out"
    case.write_text(TWO_VISITS)
    run = {"method": "mc", "backend": "cpu", "out": out}
    assert hevesy.run(case, stop=after(60), **run).incomplete
    done = [hevesy.Result.load(path).tally.n_batches for path in sorted(out.glob("*/result.h5"))]
    assert done[0] == 50 and 0 < done[1] < 50
    again = hevesy.run(case, stop=after(2), resume=True, **run)
    assert again.incomplete and len(again.visits) == 1
    assert not (out / "second_look").exists()
    batches = []
    run_batch = cpu.Engine.run_batch
    monkeypatch.setattr(cpu.Engine, "run_batch", lambda self, b, *args: batches.append(b) or run_batch(self, b, *args))
    assert not hevesy.run(case, resume=True, **run).incomplete
    assert batches == list(range(done[1], 50))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.previous"]
