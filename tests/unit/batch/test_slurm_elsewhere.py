"""Jobs that Slurm has: other executors leave them to it, and nothing of another folder is touched; no Slurm needed."""

from __future__ import annotations

import json
import math
import shutil

import pytest
from hevesy.engine.batch import launch
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.job import LOCK_FILE
from hevesy.engine.batch.manifest import job_folder, read_manifest
from hevesy.engine.batch.status import JobStatus, read_status, write_status
from hevesy.engine.lock import locked
from hevesy.tests.unit.batch.test_slurm_answers import NAMES, says, submissions, submit

#: Two tasks wait, two run.
QUEUE = "12|0|RUNNING|None\n12|1|RUNNING|None\n12|2|PENDING|Resources\n12|3|PENDING|Resources\n"
HELD = "2 jobs wait in Slurm, 2 jobs run there"


def again(out, *words: object) -> tuple[object, ...]:
    """The batch command that made the small batch."""
    problem = out.parent / "water.npz"
    return ("batch", problem, "--out", out, "--shards", 4, "--decays", 4000, "--backend", "cpu", *words)


@pytest.fixture
def held(out, slurm):
    """Four jobs in Slurm, two of which run on another node, whose locks are not seen here."""
    submit(out)
    for name in NAMES[:2]:
        says(out, name, "running", host="another")
    slurm(squeue=QUEUE)
    return out


@pytest.mark.parametrize(
    "words", [("retry", "--executor", "here"), ("retry", "--executor", "processes"), ("batch",), ("batch", "-q")]
)
def test_what_slurm_has_is_left_to_it(held, command, words):
    first = again(held) if words[0] == "batch" else ("retry", held)
    code, told, err = command(*first, *words[1:])
    assert code == 0 and told == f"{HELD}; `hevesy cancel` takes them from there\n", err
    assert "stopped early" not in err
    assert [read_status(job_folder(held, name)).state for name in NAMES] == ["lost", "lost", "waiting", "waiting"]
    assert read_manifest(held).executor == "slurm"


def test_submitting_again_says_how_many_wait_and_run(held, command):
    for first in (("retry", held), again(held, "--executor", "slurm")):
        code, told, err = command(*first)
        assert code == 0 and f"nothing to submit: {HELD}" in told and "hevesy status" in told, err
    assert len(submissions(held)) == 1


def test_what_slurm_does_not_have_is_run_here(held, slurm, command):
    slurm(squeue=QUEUE.replace("12|3|PENDING|Resources", "12|3|FAILED|NonZeroExitCode"))
    code, told, err = command("retry", held, "--executor", "here", "--quiet")
    assert code == 0 and "1 job waits in Slurm, 2 jobs run there" in told, err
    assert read_status(job_folder(held, NAMES[3])).state == "done"
    # afterwards the state is still asked of Slurm, and cancelling reaches it
    assert read_manifest(held).executor == "here"
    states = json.loads(command("status", held, "--json")[1])["totals"]["states"]
    assert states == {"waiting": 1, "running": 2, "done": 1}
    assert command("cancel", held)[0] == 0
    assert "scancel --quiet 12_0 12_1 12_2" in slurm.calls()


def test_a_job_that_fails_here_is_a_failure_though_slurm_has_others(held, slurm, command):
    slurm(squeue=QUEUE.replace("12|3|PENDING|Resources", "12|3|FAILED|NonZeroExitCode"))
    (job_folder(held, NAMES[3]) / "result.h5").mkdir()
    code, told, err = command("retry", held, "--executor", "here", "--quiet")
    assert code == 1 and f"FAILED {NAMES[3]}: " in err and "is a folder" in err and "1 of 4 jobs failed" in err
    assert not any(name in err for name in NAMES[:3])


def test_without_an_answer_of_slurm_it_is_said_and_the_jobs_run(held, slurm, command, caplog):
    slurm(squeue=("Unable to contact slurm controller\n", 1))
    with locked(job_folder(held, NAMES[0]) / LOCK_FILE, "runs this job"):
        pass
    code, told, err = command("retry", held, "--executor", "here", "--quiet")
    assert code == 0 and (held / "result.h5").is_file(), err
    assert "Slurm could not be asked" in caplog.text + told + err or "Unable to contact" in caplog.text + told + err


def test_jobs_that_still_end_are_waited_for(out, slurm, monkeypatch, command):
    """`hevesy cancel`, and at once `hevesy retry`: a job that runs on would be left out, and then end."""
    folder = job_folder(out, NAMES[0])
    monkeypatch.setattr(launch, "ENDING_S", 0.5)
    slurm()
    with locked(folder / LOCK_FILE, "runs this job"):
        write_status(folder, JobStatus(state="running"))
        (folder / "cancelled").write_text("cancelled\n")
        code, told, err = command("retry", out, "--executor", "here", "-q")
        assert code == 3 and "1 job not ended yet since `hevesy cancel`" in told and "1 job not done" in err
        assert (folder / "cancelled").exists()
    monkeypatch.setattr(launch, "ENDING_S", math.inf)  # it would wait for ever for what has ended
    states = iter([True, True, False])
    monkeypatch.setattr(launch, "_still_ends", lambda one: one == folder and next(states, False))
    assert command("retry", out, "--executor", "here", "-q")[0] == 0
    assert next(states, None) is None


@pytest.mark.parametrize("kind", ["a copy", "another folder"])
def test_nothing_of_another_folder_is_cancelled(held, slurm, command, tmp_path, kind):
    copy = tmp_path / "copy"
    if kind == "a copy":
        shutil.copytree(held, copy)
    else:  # the numbers of the array and the merge are those of jobs of somebody else
        copy = held
        slurm.works_in("/home/somebody/else")
    where = held if kind == "a copy" else "/home/somebody/else"
    slurm.active(12, 13)
    record = json.loads((copy / "slurm.json").read_text())
    record["submissions"][0]["merge"] = "13"
    (copy / "slurm.json").write_text(json.dumps(record))
    before = len(slurm.calls())
    code, told, _ = command("cancel", copy)
    assert code == 0 and f"array 12 of Slurm is not of this batch: it works in {where}, and was not cancelled" in told
    code, _, err = command("status", copy)
    assert code == 0 and "array 12 of Slurm is not of this batch" in err
    states = json.loads(command("status", copy, "--json")[1])["totals"]["states"]
    assert states == {"cancelled": 4}
    submit(copy)  # whose new merge must not remove that of the other batch
    assert not [call for call in slurm.calls()[before:] if call.startswith("scancel")]


def test_jobs_that_were_submitted_by_hand_or_by_another_name_are_cancelled(held, slurm, command, tmp_path):
    slurm.works_in("/home/somebody", held / submissions(held)[0]["home"] / "array.sh")
    assert command("cancel", held, NAMES[2])[0] == 0 and slurm.calls()[-1] == "scancel --quiet 12_2"
    (tmp_path / "link").symlink_to(held)
    slurm.works_in(tmp_path / "link")
    assert command("cancel", held, NAMES[3])[0] == 0 and slurm.calls()[-1] == "scancel --quiet 12_3"


def test_the_merge_goes_with_the_last_jobs_though_tasks_of_done_ones_still_end(out, slurm):
    executor = submit(out)
    slurm(squeue="12|0|COMPLETING|None\n12|1|RUNNING|None\n12|2|COMPLETED|None\n12|3|COMPLETED|None\n")
    slurm.active(12, 13)
    record = json.loads((out / "slurm.json").read_text())
    record["submissions"][0]["merge"] = "13"
    (out / "slurm.json").write_text(json.dumps(record))
    for name in (NAMES[0], NAMES[2], NAMES[3]):
        says(out, name, "done")
    says(out, NAMES[1], "running")
    executor.cancel(out, [job_folder(out, NAMES[1])])
    assert slurm.calls()[-1] == "scancel --quiet 13 12_1"


def test_the_merge_of_a_former_submission_ends_with_one_line(out, slurm, command, monkeypatch):
    submit(out)
    record = json.loads((out / "slurm.json").read_text())
    first = record["submissions"][0] | {"merge": "13"}
    (out / "slurm.json").write_text(
        json.dumps(record | {"submissions": [first, first | {"array": "20", "merge": "21"}]})
    )
    words = ("merge", out, "--quiet")
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    code, told, err = command(*words)
    line = "the batch was submitted again, as array 20 of Slurm; job 21 merges it\n"
    assert (code, told, err) == (0, line, "")
    for number in ("21", "14", ""):  # the last one, a strange one, none: what is missing is an error
        monkeypatch.setenv("SLURM_JOB_ID", number)
        code, told, err = command(*words)
        assert code == 1 and told == "" and "problem: " in err and "4 of 4 jobs are not done" in err
    # where all is there, it merges
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    slurm(squeue="")
    executor_of("here").run(out, [job_folder(out, name) for name in NAMES])
    code, told, err = command(*words)
    assert (code, err) == (0, "") and told == f"wrote {out / 'result.h5'}\n"
