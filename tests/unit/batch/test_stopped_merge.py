"""A signal between the jobs and the merge, or within it: nothing is lost, and the same command ends the work."""

from __future__ import annotations

import signal

import pytest
from hevesy.engine.batch import launch
from hevesy.engine.batch.collect import collect
from hevesy.engine.batch.executors import here
from hevesy.engine.batch.executors.here import Here
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.work import run_job
from hevesy.tests.unit.batch.small_batch import plan_small_case, small_problem
from hevesy.tests.unit.batch.test_collect import CASE
from hevesy.tests.unit.small_case import TEXT, write_small_case

TWO_VISITS = CASE.split("further_therapies")[0].replace("decays: 20000", "decays: 2000")


@pytest.fixture
def stopped_before_the_merge(monkeypatch):
    """Signal the process when all jobs are done."""

    def stopped(*args, **options):
        signal.raise_signal(signal.SIGTERM)
        return collect(*args, **options)

    monkeypatch.setattr(launch, "collect", stopped)
    return monkeypatch


def problem_words(folder):
    return (small_problem().save(folder / "p.npz"), "--decays", "2000")


def case_words(folder):
    return (write_small_case(folder / "case", TEXT), "--decays", "2000")


@pytest.mark.parametrize("kind", [problem_words, case_words])
def test_a_batch_stopped_before_its_merge_is_to_be_repeated(command, tmp_path, stopped_before_the_merge, kind):
    words = ("batch", *kind(tmp_path), "--backend", "cpu", "--shards", "2", "--quiet", "--out", tmp_path / "out")
    code, _, err = command(*words)
    assert code == 3, err
    assert "run the same command again" in err and not list((tmp_path / "out").glob("**/trial.json"))
    stopped_before_the_merge.undo()
    assert command(*words)[0] == 0


def test_a_batch_stopped_in_a_job_says_how_many_are_done_stopped_and_waiting(command, tmp_path, monkeypatch):
    def signalled(folder, **options):
        if folder.name == "shard-0002":
            signal.raise_signal(signal.SIGTERM)
        return run_job(folder, **options)

    monkeypatch.setattr(here, "run_job", signalled)
    words = ("batch", *problem_words(tmp_path), "--backend", "cpu", "--shards", "4", "--quiet", "--out", tmp_path / "o")
    code, _, err = command(*words)
    assert code == 3 and "all jobs are done" not in err
    assert "stopped early: 3 jobs not done (1 done, 1 stopped, 2 waiting); run the same command again\n" in err
    monkeypatch.undo()
    assert "4 jobs: 2 waiting, 1 done, 1 stopped\n" in command("status", tmp_path / "o")[1]
    assert command(*words)[0] == 0


def test_a_merge_stopped_between_visits_is_not_taken_for_the_whole(tmp_path):
    case = write_small_case(tmp_path / "case", TWO_VISITS)
    manifest = plan_small_case(case, tmp_path / "out", shards=1, per_batch=100)
    Here().run(tmp_path / "out", [job_folder(tmp_path / "out", name) for name in manifest.jobs])
    asked = iter([False, False])  # before the case, and before its first visit
    done = collect(tmp_path / "out", manifest, stop=lambda: next(asked, True))
    assert (done.written, done.missing, done.stopped) == ([], {}, ["small"])
    assert collect(tmp_path / "out", manifest).written == [tmp_path / "out" / "small"]
    assert len(list((tmp_path / "out" / "small").rglob("result.h5"))) == 2
