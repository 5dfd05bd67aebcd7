"""Taking down the node for tests: a process whose parent has not asked for its end is none to wait for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.tests.patience import PATIENCE_S, alive, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Slurm runs on Linux")

TOOL = Path(__file__).resolve().parents[3] / "tools" / "slurm_one_node.sh"
#: in place of `sleep`: notes that the tool waits, and comes back when a process has ended, or at once
SLEEP = """#!/bin/sh
echo "$1" >>"{looks}"
while {waits} && ! grep -q "^State:.Z" /proc/{pid}/status; do {sleep} 0.02; done
"""
IGNORES = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\nsignal.pause()"


def looks_of(tmp_path: Path, child: subprocess.Popen, *, waits: bool) -> int:
    """Take a node down whose daemon is a process of this one; how often the tool looked for its end in vain."""
    looks, folder = tmp_path / "looks", tmp_path / "node"
    for place in (tmp_path / "bin", folder):
        place.mkdir()
    sleep = tmp_path / "bin" / "sleep"
    words = {"looks": looks, "waits": str(waits).lower(), "pid": child.pid, "sleep": shutil.which("sleep")}
    sleep.write_text(SLEEP.format(**words))
    sleep.chmod(0o755)
    (folder / "slurmd.pid").write_text(f"{child.pid}\n")
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    subprocess.run([TOOL, "down", folder], check=True, timeout=PATIENCE_S, env=os.environ | {"PATH": path})
    assert not (folder / "slurmd.pid").exists()
    return len(looks.read_text().splitlines()) if looks.exists() else 0


@pytest.fixture
def started():
    """Start processes that are ended with the test."""
    children: list[subprocess.Popen] = []

    def start(*words: str) -> subprocess.Popen:
        children.append(subprocess.Popen(words, stdout=subprocess.PIPE))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_zombie_is_not_waited_for(tmp_path: Path, started) -> None:
    """Its parent is this process, which asks for its end after the tool has run."""
    child = started("true")
    until(lambda: not alive(child.pid))
    assert looks_of(tmp_path, child, waits=False) == 0
    assert child.wait() == 0


def test_a_process_that_ends_is_waited_for_until_then(tmp_path: Path, started) -> None:
    child = started(sys.executable, "-c", "import signal; signal.pause()")
    assert looks_of(tmp_path, child, waits=True) <= 1
    assert child.wait() == -signal.SIGTERM


def test_a_process_that_does_not_end_is_killed_after_ten_seconds(tmp_path: Path, started) -> None:
    child = started(sys.executable, "-c", IGNORES)
    child.stdout.readline()
    assert looks_of(tmp_path, child, waits=False) == 100
    assert (tmp_path / "looks").read_text().split() == ["0.1"] * 100
    assert child.wait() == -signal.SIGKILL
