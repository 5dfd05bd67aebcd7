"""What disks, pipes and other people do to jobs that run: the work is kept, and the message is true."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.engine.batch import attempt
from hevesy.engine.batch.attempt import Attempt
from hevesy.engine.batch.status import read_status
from hevesy.tests.patience import PATIENCE_S
from hevesy.tests.unit.batch.small_batch import planned, undivided
from hevesy.tools.result_hash import result_hashes

SETTINGS = ("--decays", 5000, "--seed", 7, "--backend", "cpu", "--quiet")


def in_time(*words: object) -> tuple[int, str]:
    """Exit code and messages of a command that may not wait without end."""
    words = (sys.executable, "-m", "hevesy.cli.main", *map(str, words))
    ended = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("name", ["checkpoint.npz", "checkpoint.previous.npz", "job.json", "problem.npz"])
def test_a_pipe_in_the_folder_of_a_job_is_refused(problem, tmp_path, name):
    _, (folder, _) = planned(problem, tmp_path / "b", 2, 5000)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    code, err = in_time("job", folder, "--quiet")
    assert code in (1, 2) and not (folder / "result.h5").exists()
    assert name in err and ("pipe" in err or "is not the folder of a job" in err), err


def test_a_pipe_as_checkpoint_of_a_result_is_refused(problem, tmp_path):
    work = tmp_path / ".r.h5.work"
    work.mkdir()
    os.mkfifo(work / "checkpoint.npz")
    code, err = in_time("simulate", problem, "-o", tmp_path / "r.h5", "--resume", *SETTINGS)
    assert code == 2 and "it is a pipe or a device, not a file" in err, err
    os.mkfifo(tmp_path / "p.npz")
    code, err = in_time("simulate", tmp_path / "p.npz", "-o", tmp_path / "r.h5", *SETTINGS)
    assert code == 2 and "pipe" in err, err


@pytest.mark.parametrize("with_workers", [False, True])
def test_a_full_disk_does_not_cost_the_work_of_a_shard(
    problem, tmp_path, command, small_disk, monkeypatch, caplog, with_workers
):
    disk = small_disk(2000)
    planned(problem, disk / "b", 2, 5000)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    free = os.statvfs(disk)
    (disk / "fill").write_bytes(bytes(free.f_bavail * free.f_frsize - 24_000))
    words = ("retry", disk / "b", "shard-0001", "--quiet", *(("--workers", 1) if with_workers else ()))
    code, _, err = command(*words)
    (saved,) = (tmp_path / "here").glob("hevesy-*/result.h5")
    assert code == 3 and "No space left on device" in caplog.text and str(saved) in caplog.text, err
    status = read_status(disk / "b/jobs/shard-0001")
    assert status.state == "stopped" and f"{saved.parent.name}/{saved.name}" in status.message
    (disk / "fill").unlink()
    shutil.move(saved, disk / "b/jobs/shard-0001/result.h5")
    before = (disk / "b/jobs/shard-0001/result.h5").read_bytes()
    code, _, err = command("retry", disk / "b", "--quiet")
    assert code == 0, err
    assert (disk / "b/jobs/shard-0001/result.h5").read_bytes() == before
    assert result_hashes(disk / "b/result.h5") == undivided(problem, 5000)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ESTALE])
def test_a_progress_note_that_a_disk_refuses_is_a_warning(problem, tmp_path, command, monkeypatch, number, caplog):
    _, (folder, _) = planned(problem, tmp_path / "b", 2, 5000)

    def refuses(folder: Path, status: object) -> None:
        raise OSError(number, os.strerror(number), str(folder / "status.json"))

    monkeypatch.setattr(attempt, "write_status", refuses)
    monkeypatch.setattr(attempt, "TELL_EVERY_S", 0.0)
    code, _, err = command("job", folder, "--quiet")
    assert code == 0, err
    assert read_status(folder).state == "done" and os.strerror(number) in caplog.text


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_a_folder_that_is_gone_ends_its_job_and_is_not_made_anew(problem, tmp_path, command, monkeypatch, how):
    out = tmp_path / "b"
    _, (folder, _) = planned(problem, out, 2, 500_000)
    told, tell = [], Attempt.tell

    def gone(self: Attempt, fraction: float, text: str) -> None:
        told.append(fraction)
        if len(told) == 2:
            out.rename(tmp_path / "elsewhere") if how == "renamed" else shutil.rmtree(out)
        tell(self, fraction, text)

    monkeypatch.setattr(Attempt, "tell", gone)
    monkeypatch.setattr(attempt, "TELL_EVERY_S", 0.0)
    code, _, err = command("job", folder, "--quiet")
    assert code == 2 and "has been deleted or renamed while its job ran" in err, err
    assert len(told) == 2 and not out.exists()


@pytest.mark.parametrize(
    "values",
    [{"decays": 10**400}, {"decays": -1}, {"wall_time_s": 1e300}, {"transport_s": -1.0}, {"attempts": 10**300},
     {"pid": 10**30}, {"state": "running", "left_s": 1e300}],
)  # fmt: skip
def test_numbers_of_a_status_that_cannot_be_are_damage(problem, tmp_path, command, values):
    out = tmp_path / "b"
    assert command("batch", problem, "--shards", 2, "--out", out, *SETTINGS)[0] == 0
    file = out / "jobs/shard-0001/status.json"
    status = json.loads(file.read_text())
    file.write_text(json.dumps(status | values))
    for words in (("status", out), ("status", out, "--json")):
        code, told, err = command(*words)
        assert code == 0 and "lost" in told and "damaged" in told, err
    code, _, err = command("retry", out, "--quiet")
    assert code == 0, err


def test_a_result_that_its_status_does_not_name_is_checked_and_kept(problem, tmp_path, command, caplog):
    out = tmp_path / "b"
    assert command("batch", problem, "--shards", 2, "--out", out, *SETTINGS)[0] == 0
    file = out / "jobs/shard-0001/status.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"result_sha256": ""}))
    before = (file.parent / "result.h5").stat().st_mtime_ns
    code, _, err = command("retry", out, "--quiet")
    assert code == 0 and "not named by its status" in caplog.text and "damaged" not in caplog.text, err
    assert (file.parent / "result.h5").stat().st_mtime_ns == before
    assert json.loads(file.read_text())["result_sha256"]


def test_a_job_without_memory_for_its_libraries_says_so(problem, tmp_path):
    _, (folder, _) = planned(problem, tmp_path / "b", 2, 5000)
    words = f"ulimit -v 400000; exec '{sys.executable}' -m hevesy.cli.main job -q '{folder}'"
    ended = subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode in (1, 2) and "the memory of this machine is not enough" in ended.stderr, ended.stderr
    assert "permissions" not in ended.stderr and "Traceback" not in ended.stderr
