"""Shards of one run on every GPU of the machine, and on a GPU and the CPU together."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="batches need pydantic, which the other tests of a GPU do without")

from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.batch.collect import merged_problem
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.executors.devices import backend_of_devices, device_names
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import read_status
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.kernels.backends import cuda_probe
from hevesy.tests.conftest import SUITE_ALPHA
from hevesy.tests.gpu import two_runs

DECAYS, SEED, SHARDS = 2_000_000, 7, 8
#: Share of the suite's error budget of one judgement, with room for a hundred.
ALPHA = -np.expm1(np.log1p(-SUITE_ALPHA) / 100)


def batch(tmp_path, devices: str) -> tuple[Result, list[Result], list[str]]:
    """The sum of a batch, its shards, and who ran them."""
    problem = problems.mixed_emission().save(tmp_path / "p.npz")
    out = tmp_path / "batch"
    backend = backend_of_devices(device_names(devices))
    manifest = plan_problem(problem, out, shards=SHARDS, decays=DECAYS, seed=SEED, backend=backend)
    folders = [job_folder(out, name) for name in manifest.jobs]
    executor_of("processes", devices=devices).run(out, folders)
    statuses = [read_status(folder) for folder in folders]
    assert {status.state for status in statuses} == {"done"}, [status.message for status in statuses]
    shards = [Result.load(folder / "result.h5") for folder in folders]
    return merged_problem(out, manifest), shards, [status.executor_id for status in statuses]


def test_shards_on_all_gpus_are_the_undivided_run(tmp_path):
    merged, shards, by = batch(tmp_path, "all")
    whole = simulate(problems.mixed_emission(), decays=DECAYS, seed=SEED, backend="cuda")
    for name in ("energy_quanta", "energy_quanta_squared", "region_quanta", "batch_ids"):
        assert np.array_equal(getattr(merged.tally, name), getattr(whole.tally, name)), name
    assert merged.tally.balance == whole.tally.balance and merged.tally.counters == whole.tally.counters
    assert merged.backend == "cuda" and {shard.backend for shard in shards} == {"cuda"}
    assert all(not shard.device.startswith(f"{n} x ") for shard in shards for n in range(2, 17)), "one device each"
    assert {name.split("(")[1] for name in by} <= {f"cuda:{number})" for number in cuda_probe.devices()}


def test_a_gpu_and_the_cpu_share_a_run_whose_statistics_are_right(tmp_path):
    """Means and standard errors of the whole, against a run of other histories, all on the GPU.

    Three judgements, each with a hundredth of the suite's error budget: Welch's t of every sharp voxel and of every
    region, and Fisher's F of the variance between batches in every region; the least of n p-values is multiplied by n,
    which holds whatever the correlation. tests/unit/transport/test_two_runs.py tries the judge on the CPU.
    """
    merged, shards, _ = batch(tmp_path, f"cuda:{cuda_probe.devices()[0]},cpu")
    kinds = {shard.backend for shard in shards}
    assert merged.backend == "+".join(sorted(kinds, reverse=True))
    assert merged.complete and merged.balance.residual_quanta == 0 and merged.decays == DECAYS
    other = simulate(
        problems.mixed_emission(), decays=DECAYS, seed=SEED + 1, backend="cuda",
        batch_histories=merged.tally.batch_histories,
    )  # fmt: skip
    assert two_runs.same_means(merged, other) > ALPHA
    assert two_runs.same_regions(merged, other) > ALPHA
    assert two_runs.same_scatter(merged, other) > ALPHA
