"""The small problem as a file; a batch for Slurm, and programs that answer in the place of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.engine.batch.executors import slurm_queue
from hevesy.engine.batch.manifest import read_manifest, write_manifest
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.imaging.tissue import water
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.transport.problem import Problem
from hevesy.tests.patience import PATIENCE_S, until
from hevesy.tests.unit.batch.small_batch import Held, small_problem


@pytest.fixture(scope="module")
def problem(tmp_path_factory) -> Path:
    return small_problem().save(tmp_path_factory.mktemp("problem") / "p.npz")


@pytest.fixture
def held(tmp_path, monkeypatch) -> Iterator[Held]:
    """Hold jobs in processes that are started from now on."""
    folder = tmp_path / "held"
    folder.mkdir()
    hook = Path(__file__).with_name("held")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(hook), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.setenv("HEVESY_TEST_HELD", str(folder))
    yield Held(folder)
    for left in folder.iterdir():
        left.unlink()


@pytest.fixture
def out(tmp_path):
    """A batch of four jobs."""
    ones = np.ones((3, 3, 3), np.float32)
    Problem(
        density_g_cm3=ones, material=np.zeros(ones.shape, np.uint8), materials=(water(),),
        voxel_size_mm=(4.0, 4.0, 4.0), source=ones, emission=nuclide("I-131").emission,
    ).save(tmp_path / "water.npz")  # fmt: skip
    plan_problem(tmp_path / "water.npz", tmp_path / "batch", shards=4, decays=4000, seed=1, backend="cpu")
    manifest = read_manifest(tmp_path / "batch")
    write_manifest(tmp_path / "batch", manifest.model_copy(update={"executor": "slurm"}))
    return tmp_path / "batch"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Give the programs of Slurm their answers: what they print, or what they refuse with."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "cat"):  # nothing else: no Slurm of this machine either
        (tools / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tools))

    def answer(**texts: str | tuple[str, int]) -> None:
        for name, text in texts.items():
            said, code = text if isinstance(text, tuple) else (text, 0)
            (tools / f"{name}.txt").write_text(said)
            where = ">&2" if code else ""
            lines = f'echo "{name} $*" >>"{tools}/calls"\ncat "{tools}/{name}.txt" {where}\nexit {code}\n'
            if name == "squeue" and not code:  # where a job works, and what it runs
                asked = f'case "$*" in *--user=*) cat "{tools}/own.txt"; exit;; esac\n'
                asked += "".join(f'case "$*" in *%{one}*) cat "{tools}/{one}.txt"; exit;; esac\n' for one in "Zo")
                asked += f'case "$*" in *=%F\\|%T*) cat "{tools}/T.txt"; exit;; esac\n'
                lines = asked + lines
            (tools / name).write_text(f"#!/bin/bash\n{lines}")
            (tools / name).chmod(0o755)

    answer.works_in = lambda folder, script="": [
        (tools / f"{field}.txt").write_text("".join(f"{job}|{text}\n" for job in (7, 12, 13, 20)))
        for field, text in (("Z", folder), ("o", script))
    ]
    answer.works_in(tmp_path / "batch")
    answer.active = lambda *jobs: (tools / "T.txt").write_text("".join(f"{job}|PENDING\n" for job in jobs))
    answer.active()
    # jobs of the user that run these scripts
    answer.own = lambda **scripts: (tools / "own.txt").write_text(
        "".join(f"{job.strip('_')}|PENDING|{script}\n" for job, script in scripts.items())
    )
    answer.own()
    answer(squeue="", scancel="", sacct=("Slurm accounting storage is disabled\n", 1), sbatch="12\n",
           scontrol="MaxArraySize            = 1001\n")  # fmt: skip

    def hangs(*names: str, patience_s: float, word_s: float) -> None:
        """Have programs give no answer: the wait for it begins when they have, and the others may take their time."""
        for name in names:
            (tools / name).write_text(f'#!/bin/bash\necho {name} >>"{tools}/hung"\nread -t 3600 <> <(:)\n')

        class Asked(subprocess.Popen):
            def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
                if self.args[0] in names:
                    until(lambda: (tools / "hung").exists() and (tools / "hung").read_text())
                    return super().communicate(input, timeout)
                return super().communicate(input, PATIENCE_S)

        monkeypatch.setattr(slurm_queue, "PATIENCE_S", patience_s)
        monkeypatch.setattr(slurm_queue, "WORD_S", word_s)
        monkeypatch.setattr(slurm_queue, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": Asked}))

    answer.hangs = hangs
    answer.calls = lambda: (tools / "calls").read_text().splitlines() if (tools / "calls").exists() else []
    return answer
