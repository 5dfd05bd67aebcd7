"""Batches on a real Slurm: whatever happens to its tasks, the merged integers are those of the undivided run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import JobStatus
from hevesy.engine.errors import InputError
from hevesy.engine.results.result import Result
from hevesy.tests.slurm.conftest import DECAYS, SEED, Batch, slurm_says, until

ODD = 'it\'s "odd" 100%d $HOME é'


def assert_identical(result: Result, whole: Result) -> None:
    assert result.tally is not None and whole.tally is not None
    np.testing.assert_array_equal(result.tally.batch_ids, whole.tally.batch_ids)
    np.testing.assert_array_equal(result.tally.energy_quanta, whole.tally.energy_quanta)
    np.testing.assert_array_equal(result.tally.energy_quanta_squared, whole.tally.energy_quanta_squared)
    assert result.balance == whole.balance and result.decays == whole.decays == DECAYS


def arrays(batch: Batch) -> list[dict]:
    return json.loads((batch.out / "slurm.json").read_text())["submissions"]


def test_sixteen_shards_add_up_to_the_undivided_run(batch, undivided):
    """In fewer tasks, as where an array has a largest size, and four of them at a time."""
    made = batch(16, name=ODD, max_tasks=5, max_concurrent=4, cpus=1)
    made.submit()
    assert_identical(made.wait_for_merge(), undivided)
    states = made.states()
    assert {status.state for status in states.values()} == {"done"} and len(states) == 16
    (only,) = arrays(made)
    assert [status.executor_id for status in states.values()] == [f"{only['array']}_{i % 5}" for i in range(16)]
    made.submit()
    assert made.slurm.messages == ["nothing to submit: every job is done"]


def test_a_job_that_fails_stops_no_other_and_the_merge_says_which(batch, undivided):
    made = batch(3)
    damaged = made.folders()[1] / "problem.npz"
    whole = damaged.read_bytes()
    damaged.unlink()  # all jobs share its bytes
    damaged.write_bytes(whole[:-1])
    made.submit()
    states = made.wait_for_states("done", "failed", "done")
    assert "problem.npz: has been changed since the batch was made" in states["shard-0002"].message
    until(lambda: "not done: shard-0002" in made.logs(), made.account)
    assert not (made.out / "result.h5").exists()
    damaged.write_bytes(whole)
    made.submit()
    assert_identical(made.wait_for_merge(), undivided)
    first, second = arrays(made)
    assert len(first["jobs"]) == 3 and second["jobs"] == ["shard-0002"]


def test_a_killed_job_is_lost_until_it_is_submitted_again(batch, undivided):
    made = batch(2, hold=True)
    made.submit()
    running = made.wait_for_states("running", "running")
    made.submit()
    assert len(arrays(made)) == 1  # neither is submitted twice
    os.kill(running["shard-0001"].pid, signal.SIGKILL)
    made.go()
    made.wait_for_states("lost", "done")
    assert made.wait_for_word("shard-0001", f"Slurm: failed, see {arrays(made)[0]['home']}/0.log").state == "lost"
    assert "hevesy ended with code 137" in made.logs()
    made.submit()
    assert arrays(made)[1]["jobs"] == ["shard-0001"]
    assert_identical(made.wait_for_merge(), undivided)
    assert made.states()["shard-0001"].attempts == 2


def test_a_task_at_its_time_limit_is_requeued_and_resumes(batch, undivided):
    """The warning is sent by hand: real limits are whole minutes.

    Slurm lets a requeued task wait for the time that credentials live: 30 s in the node for tests, 120 s by default.
    """
    made = batch(2, hold=True, time_limit="10 min")
    made.submit()
    made.wait_for_states("running", "running")
    task = f"{arrays(made)[0]['array']}_1"
    assert "TimeLimit=00:10:00" in slurm_says("scontrol", "show", "job", task)
    warned = [0]  # attempts

    def waits() -> list[JobStatus]:
        states = list(made.states().values())
        if states[1].state == "running" and states[1].attempts > warned[-1]:  # it may run again before anybody looks
            warned.append(states[1].attempts)
            slurm_says("scancel", "--signal=USR1", "--batch", task)
        return states if len(warned) > 1 and f"task {task} in the queue of Slurm" in states[1].message else []

    states = until(waits, made.account)
    assert "requeued, to resume from the checkpoint" in made.logs()
    assert [status.state for status in states] == ["running", "waiting"]  # the other task goes on
    made.go()
    assert_identical(made.wait_for_merge(), undivided)
    assert [status.attempts for status in made.states().values()] == [1, warned[-1] + 1]
    assert len(arrays(made)) == 1


def test_cancelled_tasks_are_told_and_submitted_again(batch, undivided):
    made = batch(3, hold=True, max_concurrent=1)
    made.submit()
    made.wait_for_states("running", "waiting", "waiting")
    (first,) = arrays(made)
    slurm_says("scancel", f"{first['array']}_2")  # by somebody's hand, before it began: nothing of it is left
    states = made.wait_for_states("running", "waiting", "lost")
    assert "cancelled while it waited, or forgotten" in states["shard-0003"].message
    made.slurm.cancel(made.out, made.folders())
    assert made.slurm.messages == ["cancelled 2 tasks of Slurm"]
    made.wait_for_states("cancelled", "cancelled", "lost")
    first_job = made.wait_for_word("shard-0001", "Slurm: cancelled")
    assert first_job.state == "cancelled" and first_job.attempts == 1
    assert slurm_says("squeue", "-h", "-j", first["merge"]) == ""  # there is nothing to merge
    made.go()
    made.slurm = executor_of("slurm", command=made.slurm.request.command, max_concurrent=3, max_tasks=1)
    made.submit()
    assert arrays(made)[1]["jobs"] == made.names and arrays(made)[1]["tasks"] == 1
    assert_identical(made.wait_for_merge(), undivided)


def test_the_script_of_a_dry_run_works_by_hand_from_any_folder(batch, undivided, tmp_path):
    made = batch(3, name=ODD, dry_run=True, setup=("echo of the user >>setup.txt",), extra=("--comment=two words",))
    made.submit()
    assert not (made.out / "slurm.json").exists()
    scripts = sorted(made.out.glob("slurm/*/*.sh"))
    assert made.slurm.messages[: len(lines := scripts[0].read_text().splitlines())] == lines
    array = slurm_says("sbatch", "--parsable", str(scripts[0]), cwd=tmp_path)
    assert "Comment=two words" in slurm_says("scontrol", "show", "job", f"{array}_0")
    made.wait_for_states("done", "done", "done")
    slurm_says("sbatch", f"--dependency=afterany:{array}", str(scripts[1].relative_to(made.out)), cwd=made.out)
    assert_identical(made.wait_for_merge(), undivided)
    assert (made.out / "setup.txt").read_text() == "of the user\n" * 4
    assert [status.executor_id for status in made.states().values()] == [f"{array}_{i}" for i in range(3)]


def test_a_refusal_loses_nothing(batch, undivided):
    """One shard, whose sum is the undivided run too."""
    made = batch(1)
    made.slurm = executor_of("slurm", partition="nosuch", command=(sys.executable, "-m", "hevesy"))
    with pytest.raises(InputError, match="Batch job submission failed: Invalid partition name specified") as caught:
        made.submit()
    assert caught.value.exit_code == 2 and "hevesy retry" in caught.value.suggestion
    assert made.states()["shard-0001"].state == "waiting" and not (made.out / "slurm.json").exists()
    made.slurm = executor_of("slurm", command=(sys.executable, "-m", "hevesy"))
    made.submit()
    assert_identical(made.wait_for_merge(), undivided)


def test_a_task_is_handed_its_gpu(batch, problem_file, tmp_path):
    if "gpu" not in slurm_says("scontrol", "show", "config").partition("GresTypes")[2].splitlines()[0]:
        pytest.skip("this Slurm has no GPUs")
    made = batch(1, name="cpu", gres="gpu:1")
    with pytest.raises(InputError, match="the jobs are for the backend 'cpu'"):
        made.submit()
    out = tmp_path / "gpu"
    plan_problem(problem_file, out, shards=2, decays=DECAYS, seed=SEED, backend="cuda")
    command = ("bash", "-c", 'echo "device $CUDA_VISIBLE_DEVICES"; until [ -e go ]; do sleep 0.1; done')
    gpu = Batch(out, executor_of("slurm", gres="gpu:1", command=command))
    gpu.submit()
    until(lambda: all(f"device {number}" in gpu.logs() for number in (0, 1)), gpu.account)
    gpu.go()


def test_the_status_command_asks_slurm(batch):
    made = batch(2, max_concurrent=1, extra=("--hold",))
    made.submit()
    words = [sys.executable, "-m", "hevesy", "status", str(made.out), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    jobs = json.loads(done.stdout)["jobs"]
    assert all("in the queue of Slurm" in job["message"] for job in jobs.values())
    made.slurm.cancel(made.out, made.folders())


def hevesy(*words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "hevesy", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_commands_leave_to_slurm_what_it_has(batch, undivided):
    """`retry` with the same executor and with another one, while two jobs run and one waits."""
    made = batch(3, hold=True, max_concurrent=2)
    made.submit()
    made.wait_for_states("running", "running", "waiting")
    for words, told in (((), "nothing to submit: "), (("--executor", "here"), ""), (("--executor", "processes"), "")):
        code, out, err = hevesy("retry", made.out, *words)
        assert code == 0 and f"{told}1 job waits in Slurm, 2 jobs run there" in out and "stopped early" not in err
    made.go()
    assert_identical(made.wait_for_merge(), undivided)
    assert len(arrays(made)) == 1 and [status.attempts for status in made.states().values()] == [1] * 3


def test_a_copy_of_a_batch_does_not_touch_the_jobs_of_the_other(batch, undivided, tmp_path):
    made = batch(2, hold=True, max_concurrent=1)
    made.submit()
    made.wait_for_states("running", "waiting")
    (one,) = arrays(made)
    copy = tmp_path / "copy of it"
    shutil.copytree(made.out, copy)
    code, out, _ = hevesy("cancel", copy)
    assert code == 0 and f"array {one['array']} of Slurm is not of this batch: it works in {made.out}" in out
    code, out, err = hevesy("status", copy, "--json")
    assert (
        json.loads(out)["totals"]["states"] == {"cancelled": 2}
        and f"works in {made.out}" in json.loads(out)["remarks"][0]
    )
    made.go()
    assert_identical(made.wait_for_merge(), undivided)


def test_after_cancel_and_retry_no_merge_says_an_error(batch, undivided, monkeypatch):
    made = batch(2, hold=True)
    made.submit()
    made.wait_for_states("running", "running")
    assert hevesy("cancel", made.out)[0] == 0
    command = shlex.join(made.slurm.request.command)
    code, out, err = hevesy("retry", made.out, "--option", f"command={command}")
    assert code == 0 and "submitted 2 jobs" in out, err  # though both were running a moment ago
    first, second = arrays(made)
    # the former merge, as if it had begun before it could be removed
    monkeypatch.setenv("SLURM_JOB_ID", first["merge"])
    line = f"the batch was submitted again, as array {second['array']} of Slurm; job {second['merge']} merges it\n"
    assert hevesy("merge", made.out, "-q") == (0, line, "")
    monkeypatch.delenv("SLURM_JOB_ID")
    made.go()
    assert_identical(made.wait_for_merge(), undivided)
    until(lambda: slurm_says("squeue", "-h", "-j", second["merge"]) == "", made.account)
    merges = "".join(log.read_text() for log in sorted(made.out.glob("slurm/*/merge.log")))
    assert merges.endswith("wrote result.h5\n") and "not done" not in merges


def test_what_was_submitted_by_hand_is_not_submitted_again_and_is_merged(batch, undivided, tmp_path):
    """As after a dry run, or where a command was killed between the submission and its note of it."""
    made = batch(3, name=ODD, hold=True, dry_run=True, max_concurrent=1)
    made.submit()
    scripts = sorted(made.out.glob("slurm/*/*.sh"))
    array = slurm_says("sbatch", "--parsable", str(scripts[0]), cwd=tmp_path)
    made.wait_for_states("running", "waiting", "waiting")
    command = shlex.join(made.slurm.request.command)
    code, out, err = hevesy("retry", made.out, "--executor", "slurm", "--option", f"command={command}")
    assert code == 0 and f"array {array} of Slurm has 3 jobs of this batch" in out, err
    assert "nothing to submit: 2 jobs wait in Slurm, 1 job runs there" in out
    assert [(one["array"], one["found"]) for one in arrays(made)] == [(array, True)] and arrays(made)[0]["merge"]
    made.go()
    assert_identical(made.wait_for_merge(), undivided)
    assert [status.executor_id for status in made.states().values()] == [f"{array}_{i}" for i in range(3)]
