"""Jobs in processes: the integers of the undivided run, also when processes are killed, starved, stopped, orphaned."""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hevesy.engine.batch.collect import collect
from hevesy.engine.batch.executors import processes
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.executors.processes import ATTEMPTS
from hevesy.engine.batch.status import read_status
from hevesy.engine.errors import HevesyError, InputError
from hevesy.engine.lock import is_locked
from hevesy.tests.patience import PATIENCE_S, alive, until
from hevesy.tests.unit.batch.small_batch import begun_by, planned, running, undivided
from hevesy.tools.result_hash import result_hashes

DECAYS = 20_000
#: Long enough for a job not to end before it hears that it is to stop.
LONG = 400_000


def merged_hash(out: Path, manifest) -> tuple[str, str]:
    done = collect(out, manifest)
    assert not done.missing
    return result_hashes(out / "result.h5")


def states(folders) -> Counter[str]:
    return Counter(read_status(folder).state for folder in folders)


@pytest.mark.parametrize("how", [{"workers": 2}, {"devices": "cpu,cpu"}])
def test_1_3_and_16_shards_are_the_undivided_run(problem, tmp_path, held, how):
    batches = {
        shards: (tmp_path / str(shards), *planned(problem, tmp_path / str(shards), shards, DECAYS))
        for shards in (1, 3, 16)
    }
    folders = [folder for _, _, some in batches.values() for folder in some]
    said = []
    held.hold(folders[0])  # the first of each batch, until both workers have one

    def listen(share: float, text: str) -> None:
        said.append((share, text))
        if len(begun_by(folders)) == 2:  # the other's jobs may be over by now
            held.release(folders[0])

    executor_of("processes", **how).run(tmp_path, folders, progress=listen)
    assert states(folders) == {"done": 20}
    took = Counter(read_status(folder).executor_id for folder in folders)
    assert len(took) == 2 and all(("(cpu)" in name) == ("devices" in how) for name in took), "both workers took jobs"
    assert len({read_status(folder).pid for folder in folders}) == 2, "a process goes on with the next job, warm"
    expected = undivided(problem, DECAYS)
    for out, manifest, _ in batches.values():
        assert merged_hash(out, manifest) == expected
    assert said[-1][0] == 1.0 and "20 of 20 jobs ended" in said[-1][1]
    assert all(later >= 0.0 for later, _ in said)


def test_a_killed_worker_loses_nothing(problem, tmp_path, caplog, held):
    manifest, folders = planned(problem, tmp_path / "out", 4, DECAYS)
    bad = folders[1]
    held.hold(bad)
    killed = []

    def kill_one(share: float, text: str) -> None:
        for job, pid in [] if killed else running([bad]):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            held.release(job)

    with caplog.at_level(logging.WARNING):
        executor_of("processes", workers=2).run(tmp_path / "out", folders, progress=kill_one)
    assert states(folders) == {"done": 4}
    assert [folder for folder in folders if read_status(folder).attempts == 2] == [bad]
    assert read_status(bad).pid != killed[0]
    assert f"{bad.name}: worker" in caplog.text and "ended by SIGKILL; it is run again" in caplog.text
    assert f"attempt 2 of {ATTEMPTS}" in caplog.text
    assert merged_hash(tmp_path / "out", manifest) == undivided(problem, DECAYS)


def test_a_job_that_kills_every_process_is_given_up_and_the_others_run(problem, tmp_path, caplog, held):
    _, folders = planned(problem, tmp_path / "out", 3, DECAYS)
    bad = folders[1]
    held.hold(bad)
    killed = set()

    def kill_that(share: float, text: str) -> None:
        status = read_status(bad)
        # the next process has the lock for a moment before it says that this is its attempt
        if status.state == "running" and status.attempts not in killed:
            os.kill(status.pid, signal.SIGKILL)
            killed.add(status.attempts)

    with caplog.at_level(logging.WARNING):
        executor_of("processes", workers=1).run(tmp_path / "out", folders, progress=kill_that)
    assert states(folders) == {"done": 2, "failed": 1}
    status = read_status(bad)
    assert killed == set(range(1, ATTEMPTS + 1))
    assert status.attempts == ATTEMPTS and "SIGKILL" in status.message and "memory" in status.message
    assert "it is not run again" in caplog.text


def test_a_worker_without_memory_loses_nothing(problem, tmp_path, held):
    """Whether its next allocation is an error or its end: the job is run again, in a process that has memory."""
    manifest, folders = planned(problem, tmp_path / "out", 6, DECAYS)
    held.hold(folders[0])
    starved = []

    def starve_one(share: float, text: str) -> None:
        for job, pid in [] if starved else running(folders[:1]):
            resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
            starved.append(pid)
            held.release(job)

    executor_of("processes", workers=2).run(tmp_path / "out", folders, progress=starve_one)
    assert starved and states(folders) == {"done": 6}
    assert read_status(folders[0]).attempts == 2
    assert merged_hash(tmp_path / "out", manifest) == undivided(problem, DECAYS)


def test_a_stop_ends_jobs_as_stopped_and_the_next_run_completes_them(problem, tmp_path, held, monkeypatch):
    monkeypatch.setattr(processes, "STOPPING_S", PATIENCE_S)  # before their transport they load what that needs
    manifest, folders = planned(problem, tmp_path / "out", 4, LONG)
    held.hold(*folders)
    asked = []

    def stop() -> bool:
        if len(list(running(folders))) == 2:
            asked.append(True)
        return bool(asked)

    def go_on(share: float, text: str) -> None:
        if asked:  # they have been told to stop
            held.release(*folders)

    executor_of("processes", workers=2).run(tmp_path / "out", folders, progress=go_on, stop=stop)
    assert states(folders) == {"stopped": 2, "waiting": 2}
    executor_of("processes", workers=2).run(tmp_path / "out", folders)
    assert merged_hash(tmp_path / "out", manifest) == undivided(problem, LONG)


PARENT = """
import sys
from pathlib import Path
from hevesy.engine.batch.executors import worker
from hevesy.engine.batch.executors.base import executor_of
from hevesy.tests.patience import PATIENCE_S
worker.ORPHAN_S = PATIENCE_S  # in the workers too, which import this file
if __name__ == "__main__":
    out = Path(sys.argv[1])
    executor_of("processes", workers=2).run(out, sorted((out / "jobs").iterdir()))
"""


def test_workers_end_with_a_parent_that_is_killed(problem, tmp_path, held):
    manifest, folders = planned(problem, tmp_path / "out", 4, LONG)
    held.hold(*folders)
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "out")])
    try:
        until(lambda: len(list(running(folders))) == 2)
        pids = [pid for _, pid in running(folders)]
        parent.kill()
        parent.wait()
        held.release(*folders)
        until(lambda: not any(map(alive, pids)))
        until(lambda: not any(is_locked(folder / "lock") for folder in folders))
    finally:
        parent.kill()
    assert states(folders) == {"stopped": 2, "waiting": 2}
    executor_of("processes", workers=2).run(tmp_path / "out", folders)
    assert states(folders) == {"done": 4}
    assert merged_hash(tmp_path / "out", manifest) == undivided(problem, LONG)


def test_processes_that_cannot_start_are_an_error(problem, tmp_path, monkeypatch):
    _, folders = planned(problem, tmp_path / "out", 2, DECAYS)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # what a new process imports from
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(HevesyError, match="end before they take a job: with exit status 1"):
        executor_of("processes", workers=1).run(tmp_path / "out", folders)
    assert states(folders) == {"waiting": 2}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"workers": 0}, "0 is not a whole number from 1"),
        ({"devices": "gpu:0"}, "unknown device 'gpu:0'"),
        ({"devices": "cuda:0,cuda:0"}, "cuda:0 is listed twice"),
        ({"devices": "cpu", "workers": 2}, "2 workers and 1 device"),
    ],
)
def test_workers_and_devices_that_cannot_be_are_refused(options, told):
    with pytest.raises(InputError) as error:
        executor_of("processes", **options)
    assert told in error.value.problem and error.value.field in ("--workers", "--devices")
