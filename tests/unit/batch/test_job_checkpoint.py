"""A job that was stopped goes on where it was when it is run again, whoever runs it."""

from __future__ import annotations

import numpy as np
from hevesy import Result
from hevesy.engine.batch.job import CHECKPOINT_FILE, RESULT_FILE
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.work import run_job
from hevesy.kernels.backends import cpu
from hevesy.phantoms.problems import voxel_s
from hevesy.tests.unit.run.test_resume import after


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
