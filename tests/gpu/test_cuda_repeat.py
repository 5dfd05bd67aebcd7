"""Bit by bit the same: runs repeated, launched in other shapes, in windows, in shards, on several devices."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.transport.run import simulate
from hevesy.kernels.backends import cuda, cuda_probe

PER_BATCH = 200_000


@pytest.fixture(scope="module")
def world():
    return problems.world(problems.mixed_emission())


def simulated(world, seed=5, batch=1, per_batch=PER_BATCH, **options):
    engine = cuda.Engine(world, seed, **options)
    tally = np.zeros(world.density.size, np.int64)
    counters = engine.run_batch(batch, per_batch, tally)
    engine.close()
    assert counters["emitted"] == counters["deposited"] + counters["escaped"]
    return tally, counters


@pytest.fixture(scope="module")
def usual(world):
    return simulated(world)


def same(a, b):
    assert np.array_equal(a[0], b[0])
    assert a[1] == b[1]


def test_two_runs_are_bit_identical(world, usual):
    for _ in range(3):
        same(usual, simulated(world))


def test_another_seed_is_another_run(world, usual):
    assert not np.array_equal(usual[0], simulated(world, seed=6)[0])
    assert not np.array_equal(usual[0], simulated(world, batch=2)[0])


@pytest.mark.parametrize("blocks", [1, 7, 133])
@pytest.mark.parametrize("threads", [32, 96, 256])
def test_any_launch_shape_is_bit_identical(world, blocks, threads):
    launch = cuda.Launch(blocks, threads, 0)
    same(simulated(world, per_batch=20_000), simulated(world, per_batch=20_000, launch=launch))


def test_a_tally_in_windows_is_bit_identical(world, usual):
    same(usual, simulated(world, tiles=3))


def test_schedules_simulate_the_same_histories(world, usual):
    """Decay after decay, or interleaved: the same random numbers, in code that may round differently."""
    other = simulated(world, schedule="histories")
    same(other, simulated(world, schedule="histories"))
    for name in ("decays", "photon_flights", "photon_collisions", "electrons", "electron_segments"):
        assert other[1][name] == pytest.approx(usual[1][name], rel=1e-3), name
    # a decision that rounding turns sends one history another way, not all that follow it
    assert np.abs(other[0] - usual[0]).sum() < 0.01 * usual[0].sum()


def test_photons_by_track_length():
    scored = problems.world(problems.load(problems.TRACK_LENGTH))
    first = simulated(scored)
    assert first[1]["track_scored"] > 0
    same(first, simulated(scored))
    same(first, simulated(scored, tiles=2))


def test_short_launches_are_bit_identical(world, usual):
    same(usual, simulated(world, options=cuda.CudaOptions(histories_per_launch=30_001)))


def test_every_device_and_all_together(world, usual):
    numbers = cuda_probe.devices()
    for number in numbers:
        same(usual, simulated(world, devices=[number]))
    # one device twice is two lanes, whatever the machine has
    same(usual, simulated(world, devices=[*numbers, numbers[0]]))


def test_an_engine_used_again_starts_from_nothing(world, usual):
    engine = cuda.Engine(world, 5)
    for _ in range(2):
        tally = np.zeros(world.density.size, np.int64)
        counters = engine.run_batch(1, PER_BATCH, tally)
        same(usual, (tally, counters))
    engine.close()


def test_shards_add_up_to_the_whole():
    problem = problems.mixed_emission()
    whole = simulate(problem, decays=200_000, batches=20, seed=9, backend="cuda")
    assert whole.backend == "cuda"
    parts = [
        simulate(problem, decays=100_000, batch_histories=10_000, first_batch=first, seed=9, backend="cuda")
        for first in (0, 10)
    ]
    assert whole.energy_quanta.sum() > 0
    assert np.array_equal(whole.energy_quanta, parts[0].energy_quanta + parts[1].energy_quanta)
    assert np.array_equal(whole.region_quanta, np.vstack([p.region_quanta for p in parts]))
    assert whole.balance == {k: parts[0].balance[k] + parts[1].balance[k] for k in whole.balance}
