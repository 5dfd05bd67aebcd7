"""How long a batch takes beyond its share of the steady rate: the last lanes, and the gap between two launches.

Lanes take decays one at a time until none is left; then the longest of those under way decide when the launch ends. A
lane makes a *turn* for every flight and every segment. As long as all lanes are busy a turn takes its share of the
steady rate; a lane that is left alone takes its turns quicker, and in between the duration is taken as linear in the
number of busy lanes. How long decays are is counted, decay by decay, by the CPU target.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np
from hevesy.kernels.backends import cpu
from hevesy.kernels.tables import COUNTERS, ELECTRON_SEGMENTS, PHOTON_FLIGHTS, STACK_DEPTH, STACK_INTS, STACK_REALS


def turns_of_decays(world: Any, decays: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Photon flights and electron segments of single decays.

    Parameters
    ----------
    world
        The flat tables of a problem.
    decays
        How many.
    seed
        Seed of the run.

    Returns
    -------
    tuple of ndarray
        Flights and segments, each (decays,), int64.
    """
    engine = cpu.Engine(world, seed, 1)
    tally = np.zeros(world.density.size, np.int64)
    reals = np.zeros(STACK_DEPTH * STACK_REALS, np.float32)
    integers = np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
    counters = np.zeros((decays, len(COUNTERS)), np.int64)
    n = np.int64(decays)
    for i in range(decays):
        first = np.int64(i)
        engine._run(
            world, tally, counters[i], reals, integers, *engine.seed, np.int64(1), first, np.int64(i + 1), n
        )  # fmt: skip
    return counters[:, PHOTON_FLIGHTS], counters[:, ELECTRON_SEGMENTS]


class Batch(NamedTuple):
    """Time of a batch [s]: all lanes busy, the last lanes, the gap to the next launch; turns of the last lane in it."""

    steady: float
    tail: float
    gap: float
    last_turns: int

    @property
    def share(self) -> float:
        """Part of the steady rate that is left (0 to 1)."""
        return self.steady / (self.steady + self.tail + self.gap)


def batch(
    turns: np.ndarray, decays: int, lanes: int, rate: float, alone: float, gap: float, seed: int = 1
) -> Batch:  # fmt: skip
    """Time of one batch.

    Parameters
    ----------
    turns
        Turns of single decays, from which those of the batch are drawn, shape (n,).
    decays
        Decays of the batch.
    lanes
        Threads of the launch.
    rate
        Steady decays per second.
    alone
        Duration of a turn of a lane that is alone on its multiprocessor [s].
    gap
        Time between the end of a launch and the begin of the next [s].
    seed
        Seed of the drawing.
    """
    turns = np.maximum(turns, 1)  # a decay whose particles are deposited at once takes a turn as well
    length = np.random.default_rng(seed).choice(turns, decays)
    ends = length[:lanes].tolist()
    heapq.heapify(ends)
    for one in length[lanes:].tolist():
        heapq.heapreplace(ends, ends[0] + one)
    end = np.sort(np.array(ends))
    dry = int(end[0])  # turns until a lane finds no decay left
    full = lanes / (rate * float(turns.mean()))  # duration of a turn while all lanes are busy
    after = np.arange(dry, int(end[-1]))
    busy = (lanes - np.searchsorted(end, after, side="right")) / lanes
    last = float(np.sum(alone + max(full - alone, 0.0) * busy))
    steady = decays / rate
    return Batch(steady, max(dry * full + last - steady, 0.0), gap, int(end[-1]) - dry)
