"""A job that was stopped goes on where it was when it is run again, whoever runs it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hevesy import Result
from hevesy.engine.batch.job import CHECKPOINT_FILE, RESULT_FILE
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.work import run_job
from hevesy.kernels.backends import cpu
from hevesy.phantoms.problems import voxel_s
from hevesy.tests.unit.batch.small_batch import SEED, undivided
from hevesy.tests.unit.run.test_resume import after
from hevesy.tools.result_hash import result_hashes


def test_a_stopped_job_takes_up_its_checkpoint(tmp_path, monkeypatch):
    voxel_s("Y-90", voxels=7).save(tmp_path / "p.npz")
    batches = []
    run_batch = cpu.Engine.run_batch

    def counted(self, batch, *args):
        batches.append(batch)
        return run_batch(self, batch, *args)

    monkeypatch.setattr(cpu.Engine, "run_batch", counted)
    results = []
    for name, stop in (("stopped", after(4)), ("whole", None)):
        plan_problem(tmp_path / "p.npz", tmp_path / name, shards=2, decays=20_000, backend="cpu")
        folder = job_folder(tmp_path / name, "shard-0002")
        batches.clear()
        if stop is not None:
            assert run_job(folder, stop=stop).state == "stopped"
            assert (folder / CHECKPOINT_FILE).exists() and not (folder / RESULT_FILE).exists()
        assert run_job(folder).state == "done"
        assert batches == list(range(25, 50))
        assert not list(folder.glob("*checkpoint*"))
        results.append(Result.load(folder / RESULT_FILE).tally)
    np.testing.assert_array_equal(results[0].energy_quanta_squared, results[1].energy_quanta_squared)
    assert results[0].balance == results[1].balance


@pytest.mark.parametrize("which", ["another range", "a longer range", "another batch size", "another seed"])
def test_a_foreign_checkpoint_is_said_and_its_decays_are_simulated_again(problem, tmp_path, command, caplog, which):
    """Whatever it is of: a job of the same problem whose checkpoint was put into the wrong folder."""
    settings = {"shards": 2, "decays": 20_000, "seed": SEED, "backend": "cpu"}
    job, calls, told = "shard-0001", 4, "range of decays"
    if which == "another range":
        job = "shard-0002"
    elif which == "a longer range":
        settings["shards"], calls = 1, 30
    elif which == "another batch size":
        settings["decays"], told = 40_000, "batch size"
    else:
        settings["seed"], told = SEED + 1, "seed or backend"
    plan_problem(problem, tmp_path / "other", **settings)
    stranger = job_folder(tmp_path / "other", job)
    assert run_job(stranger, stop=after(calls)).state == "stopped"
    out = tmp_path / "b"
    words = ("--shards", 2, "--decays", 20_000, "--seed", SEED, "--backend", "cpu", "--quiet")
    assert command("batch", problem, "--out", out, *words, "--executor", "slurm", "--dry-run")[0] == 0
    shutil.copyfile(stranger / CHECKPOINT_FILE, job_folder(out, "shard-0001") / CHECKPOINT_FILE)
    code, _, err = command("batch", problem, "--out", out, *words)
    assert code == 0, err
    assert f"{CHECKPOINT_FILE} is of another {told}; what it held is simulated again" in caplog.text
    assert result_hashes(out / "result.h5") == undivided(problem, 20_000)
