"""Taking down the node for tests: a process whose parent has not asked for its end is none to wait for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hevesy.tests.patience import PATIENCE_S

TOOL = Path(__file__).resolve().parents[3] / "tools" / "slurm_one_node.sh"


@pytest.mark.skipif(sys.platform != "linux", reason="Slurm runs on Linux")
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_zombie_is_not_waited_for_and_a_process_is(tmp_path: Path, stubborn: bool) -> None:
    """Its parent is this process, which asks for its end after the tool has run."""
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\ntime.sleep(60)"
    words = [sys.executable, "-c", code] if stubborn else ["sleep", "60"]
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        if stubborn:
            child.stdout.readline()
        (tmp_path / "slurmd.pid").write_text(f"{child.pid}\n")
        begun = time.monotonic()
        subprocess.run([TOOL, "down", tmp_path], check=True, timeout=PATIENCE_S)
        took = time.monotonic() - begun
        assert (took > 9.0) == stubborn
        assert not (tmp_path / "slurmd.pid").exists()
    finally:
        child.kill()
        ended = child.wait()
        child.stdout.close()
    assert ended == (-signal.SIGKILL if stubborn else -signal.SIGTERM)
