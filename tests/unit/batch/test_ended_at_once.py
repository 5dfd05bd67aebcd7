"""Two signals, of which the second ends the command at once, at every step of the work of a job: no job is lost."""

from __future__ import annotations

import json
import math
import signal
import sys
from pathlib import Path

from hevesy.engine import durable, files
from hevesy.engine.batch import attempt, work
from hevesy.engine.batch.job import STATUS_FILE
from hevesy.tests.unit.batch.small_batch import SEED, undivided
from hevesy.tools.result_hash import result_hashes

DECAYS = 2000
SETTINGS = ("--shards", 2, "--decays", DECAYS, "--seed", SEED, "--backend", "cpu", "--quiet")


def at_once() -> None:
    """What Ctrl-C does that is pressed twice, and `timeout`, which signals a process and its group."""
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)


def nothing_is_lost(out: Path, command) -> None:
    states = json.loads(command("status", out, "--json")[1])["totals"]["states"]
    assert set(states) <= {"done", "stopped", "waiting"}, states
    claimed = [json.loads(file.read_text())["state"] for file in out.glob(f"jobs/*/{STATUS_FILE}")]
    assert "running" not in claimed


def test_signals_at_every_write_of_a_status(problem, tmp_path, command, monkeypatch):
    """Before the file is in its place, and after."""
    monkeypatch.setattr(attempt, "TELL_EVERY_S", math.inf)  # a job that takes its time writes none on its way
    replace = durable.durable_replace
    for after in (False, True):
        for number in range(100):
            out, seen = tmp_path / f"{after}-{number}", iter(range(100))

            def interrupted(part, path, after=after, number=number, seen=seen):
                mine = path.name == STATUS_FILE and next(seen) == number
                if mine and not after:
                    at_once()
                replace(part, path)
                if mine and after:
                    at_once()

            monkeypatch.setattr(files, "durable_replace", interrupted)
            code, _, err = command("batch", problem, "--out", out, *SETTINGS)
            monkeypatch.setattr(files, "durable_replace", replace)
            if next(seen) <= number:  # there are no more writes
                assert code == 0, err
                break
            assert code == 3, err
            nothing_is_lost(out, command)
            assert command("batch", problem, "--out", out, *SETTINGS)[0] == 0
            assert result_hashes(out / "result.h5") == undivided(problem, DECAYS)
        assert number == 4  # two jobs, which begin and end


def test_signals_at_every_line_of_the_work_of_a_job(problem, tmp_path, command):
    for number in range(1000):
        out, left = tmp_path / f"{number}", iter(range(number, -1, -1))

        def line(frame, event, _, left=left):
            if event == "line" and next(left, 1) == 0:
                sys.settrace(None)
                at_once()
            return line

        def call(frame, event, _, line=line):
            return line if frame.f_code.co_filename == work.__file__ else None

        former = sys.gettrace()
        sys.settrace(call)
        try:
            code, _, err = command("batch", problem, "--out", out, *SETTINGS)
        finally:
            sys.settrace(former)
        if next(left, None) is not None:  # there are no more lines
            assert code == 0, err
            break
        assert code == 3, err
        nothing_is_lost(out, command)
    assert number > 30
