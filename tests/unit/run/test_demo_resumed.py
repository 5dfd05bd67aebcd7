"""A demo that was stopped goes on as its last word says, to the integers of one that was not."""

from __future__ import annotations

import shlex
from contextlib import contextmanager

import pytest
from hevesy.cli import case_commands, interrupt
from hevesy.phantoms import patient
from hevesy.tests.unit.run.test_resume import after
from hevesy.tools.result_hash import result_hashes


@pytest.fixture
def demo(command, monkeypatch):
    """The demo with few voxels and decays; it can be stopped after so many batches."""
    small = patient.synthetic_patient(seed=2, voxel_mm=16.0)
    monkeypatch.setattr(patient, "synthetic_patient", lambda seed: small)
    monkeypatch.setattr(case_commands, "DEMO_DECAYS", 2000)

    def call(words, stop_after=None):
        with monkeypatch.context() as patched:
            if stop_after is not None:

                @contextmanager
                def stopping(before=1):
                    yield after(stop_after)

                patched.setattr(interrupt, "stop_on_interrupt", stopping)
            return command(*shlex.split(words))

    return call


def test_a_stopped_demo_is_continued_by_the_same_command(demo, tmp_path):
    words = "demo --seed 2 --backend cpu --out"
    assert demo(f"{words} {tmp_path / 'whole'}")[0] == 0
    code, _, err = demo(f"{words} {tmp_path / 'out'}", stop_after=12)
    assert code == 3 and "the same command with --resume continues" in err
    assert result_hashes(tmp_path / "out/run/result.h5") != result_hashes(tmp_path / "whole/run/result.h5")
    code, _, err = demo(f"{words} {tmp_path / 'out'} --resume")
    assert code == 0, err
    assert result_hashes(tmp_path / "out/run/result.h5") == result_hashes(tmp_path / "whole/run/result.h5")
    assert "resuming after" in (tmp_path / "out/run/log.txt").read_text()
