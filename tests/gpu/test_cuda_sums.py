"""Sums and squares of batches on the device: the very integers of the host, on one device and on all."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.sums import DeviceSums, HostSums, regions_of, sums_of
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends import cuda, cuda_probe


def simulated(engine, problem, kind) -> Tally:
    """Ten batches, their sums where the engine keeps them."""
    _, weights = regions_of(problem, None, ())
    tally = Tally.empty(problem.density_g_cm3.shape, len(weights), 20_000, 1, backend="cuda", device="")
    sums = sums_of(engine, tally, weights)
    assert isinstance(sums, kind)
    for batch in range(10):
        sums.run_batch(batch)
    sums.settle()
    engine.close()
    return tally


def same(a: Tally, b: Tally) -> None:
    assert a.energy_quanta.sum() > 0
    assert np.array_equal(a.energy_quanta, b.energy_quanta)
    assert np.array_equal(a.energy_quanta_squared, b.energy_quanta_squared)
    assert np.array_equal(a.region_quanta, b.region_quanta)
    assert (a.counters, a.balance) == (b.counters, b.balance)


@pytest.mark.parametrize("name", [problems.HERE, problems.TRACK_LENGTH])
def test_device_and_host_sums_are_the_same_integers(name, monkeypatch):
    problem = problems.load(name)
    world = problems.world(problem)
    on_device = simulated(cuda.Engine(world, seed=6), problem, DeviceSums)
    monkeypatch.setattr(cuda.Engine, "sums", lambda self, weights: None)
    same(on_device, simulated(cuda.Engine(world, seed=6), problem, HostSums))


def test_all_devices_give_the_sums_of_one():
    numbers = cuda_probe.devices()
    if len(numbers) < 2:
        pytest.skip("one CUDA device here")
    problem = problems.load(problems.HERE)
    world = problems.world(problem)
    one = simulated(cuda.Engine(world, seed=6, devices=numbers[:1]), problem, DeviceSums)
    same(one, simulated(cuda.Engine(world, seed=6, devices=numbers), problem, DeviceSums))


def test_a_run_to_a_goal_ends_where_one_with_host_sums_ends(monkeypatch):
    problem = problems.load(problems.HERE)
    usual = {"until": "voxels>50%:1%", "backend": "cuda", "seed": 3, "batch_histories": 50_000}
    on_device = simulate(problem, **usual)
    monkeypatch.setattr(cuda.Engine, "sums", lambda self, weights: None)
    same(on_device, simulate(problem, **usual))
