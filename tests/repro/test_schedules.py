"""Stage by stage as on a lane of a GPU, or particle by particle as on the CPU: the histories are bit-identical."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hevesy.kernels.backends import cpu
from hevesy.kernels.loader import load
from hevesy.kernels.tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from hevesy.tools import cuda_offline

HISTORIES, SEED, BATCH = 20_000, 5, 3


@pytest.mark.parametrize(("schedule", "lanes"), [("interleaved", 1), ("interleaved", 3), ("voted", 3)])
def test_every_schedule_simulates_the_same_histories(schedule, lanes) -> None:
    """Betas, positrons, electrons, photons and alphas in water and bone; each lane until no decay is left."""
    world = cuda_offline.world()
    tally = np.zeros(world.density.size, np.int64)
    engine = cpu.Engine(world, SEED, 1)
    expected = engine.run_batch(BATCH, HISTORIES, tally)
    engine.close()

    staged, counters, tickets = np.zeros_like(tally), np.zeros(len(COUNTERS), np.int64), np.zeros(1, np.int64)
    reals, ints = np.zeros(STACK_DEPTH * STACK_REALS, np.float32), np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
    # each lane has its own range of decays here
    simulate = getattr(load("cpu", cpu._target(), schedule), f"simulate_{schedule}")
    per_batch = np.int64(HISTORIES)
    for first, last in pairwise(np.linspace(0, HISTORIES, lanes + 1, dtype=np.int64)):
        tickets[0] = 0
        simulate(world, staged, counters, reals, ints, *engine.seed, np.int64(BATCH), first, last, per_batch, tickets)
        assert tickets[0] == last - first + 1  # the last ticket finds no decay left
    assert dict(zip(COUNTERS, counters.tolist(), strict=True)) == expected
    assert np.array_equal(staged, tally)
    assert expected["decays"] == HISTORIES
    assert expected["bremsstrahlung_photons"] > 0
