"""The warp that votes: lanes that run side by side, in Python's threads, and wait for each other in every vote."""

from __future__ import annotations

import threading
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hevesy.kernels import target
from hevesy.kernels.backends import python
from hevesy.kernels.loader import load
from hevesy.kernels.tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from hevesy.tests.patience import PATIENCE_S
from hevesy.tools import cuda_offline

SEED, BATCH, DECAYS = (7 << 32) + 5, 3, 24


class Warp:
    """Lanes in step: a vote is a meeting of all of them, an addition is made by one at a time."""

    def __init__(self, lanes: int) -> None:
        self.meeting = threading.Barrier(lanes, timeout=PATIENCE_S)  # a lane that never comes is a fault
        self.votes = [False] * lanes
        self.own = threading.local()
        self.lock = threading.Lock()
        self.turns: list[int] = []

    def lanes(self, condition) -> np.int32:
        self.votes[self.own.number] = bool(condition)
        self.meeting.wait()
        count = sum(self.votes)
        self.meeting.wait()  # nobody votes again before all have counted
        if self.own.number == 0:
            self.turns.append(count)
        return np.int32(count)

    def fetch_add(self, array, index, value):
        with self.lock:
            return target.fetch_add(array, index, value)

    def module(self) -> types.ModuleType:
        """The Python target, with this warp's votes and additions."""
        made = types.ModuleType("hevesy_kernels_warp.target")
        vars(made).update({name: value for name, value in vars(target).items() if not name.startswith("__")})
        vars(made).update(lanes=self.lanes, fetch_add=self.fetch_add, atomic_add=self.fetch_add)
        return made


def simulate(n_lanes: int, decays: int):
    """The tally, the counters and the warp after the lanes have shared so many decays."""
    world, warp = cuda_offline.world(), Warp(n_lanes)
    module = load(f"warp_{n_lanes}_{decays}", warp.module(), "voted")
    tally, tickets = np.zeros(world.density.size, np.int64), np.zeros(1, np.int64)
    words = np.uint32(SEED & 0xFFFFFFFF), np.uint32(SEED >> 32)

    def lane(number: int) -> np.ndarray:
        warp.own.number = number
        counters = np.zeros(len(COUNTERS), np.int64)
        reals, ints = np.zeros(STACK_DEPTH * STACK_REALS, np.float32), np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
        with np.errstate(over="ignore"):
            module.simulate_voted(
                world, tally, counters, reals, ints, *words, BATCH, np.int64(0), np.int64(decays), DECAYS, tickets
            )
        return counters

    with ThreadPoolExecutor(n_lanes) as pool:
        counters = sum(pool.map(lane, range(n_lanes)))
    assert tickets[0] == decays + n_lanes  # each lane takes one ticket that finds no decay left
    return tally, dict(zip(COUNTERS, (int(v) for v in counters), strict=True)), warp


@pytest.fixture(scope="module")
def expected():
    engine = python.Engine(cuda_offline.world(), SEED)
    tally = np.zeros(engine.world.density.size, np.int64)
    return tally, engine.run_batch(BATCH, DECAYS, tally)


@pytest.mark.parametrize("n_lanes", [1, 2, 7])
def test_lanes_that_vote_simulate_the_same_histories(expected, n_lanes):
    tally, counters, warp = simulate(n_lanes, DECAYS)
    assert counters == expected[1]
    assert np.array_equal(tally, expected[0])
    assert max(warp.turns) <= n_lanes
    assert warp.meeting.n_waiting == 0


def test_lanes_without_a_decay_vote_to_the_end():
    """More lanes than decays: those that get none stay until the last lane has finished."""
    _, counters, warp = simulate(5, 2)
    assert counters["decays"] == 2
    assert counters["emitted"] == counters["deposited"] + counters["escaped"] > 0
    assert not any(warp.turns[-4:])  # the last turn: nobody waits for any stage


def test_a_stage_is_done_by_the_lanes_that_wait_for_it():
    """Elected by weight: a hard event counts for more than a segment, more lanes count for more than fewer."""
    from hevesy.kernels import voted

    answers = {voted.HARD_EVENT: 0, voted.TAKE: 3, voted.FLIGHT: 2, voted.SEGMENT: 7}
    warp = types.ModuleType("hevesy_kernels_ballots.target")
    vars(warp).update({name: value for name, value in vars(target).items() if not name.startswith("__")})
    polled = iter(())
    warp.lanes = lambda condition: np.int32(next(polled))
    elect = load("ballots", warp, "voted").elect
    order = (voted.HARD_EVENT, voted.TAKE, voted.FLIGHT, voted.SEGMENT)

    def elected(**changed):
        nonlocal polled
        count = {**answers, **{getattr(voted, name): n for name, n in changed.items()}}
        polled = iter([count[stage] for stage in order])
        return elect(voted.TAKE)

    assert elected() == voted.SEGMENT
    assert elected(SEGMENT=6) == voted.TAKE
    assert elected(FLIGHT=5) == voted.FLIGHT
    assert elected(HARD_EVENT=2) == voted.HARD_EVENT
    assert elected(TAKE=0, FLIGHT=0, SEGMENT=0) == voted.NOTHING
