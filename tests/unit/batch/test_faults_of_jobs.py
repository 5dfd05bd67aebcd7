"""What disks, pipes and other people do to jobs that run: the work is kept, and the message is true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.tests.unit.batch.small_batch import planned

SETTINGS = ("--decays", 5000, "--seed", 7, "--backend", "cpu", "--quiet")


def in_time(*words: object) -> tuple[int, str]:
    """Exit code and messages of a command that may not wait without end."""
    words = (sys.executable, "-m", "hevesy.cli.main", *map(str, words))
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
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
