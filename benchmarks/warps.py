"""How many of a warp's 32 lanes have work: what divergence costs a GPU, from histories simulated on the CPU.

The bounds of ``decay_report.py`` suppose that every lane works all the time. But a warp waits for its longest lane,
loop by loop. Here the plain Python target records what each history consists of, particle after particle,
photons by flights and electrons by segments, and schedules say how long 32 of them keep a warp. Only loops are counted:
lanes that part ways inside one flight or segment wait as well, so these shares are upper bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.world import build_world
from hevesy.kernels import target
from hevesy.kernels.backends import python
from hevesy.kernels.loader import load
from hevesy.kernels.tables import ELECTRON_SEGMENTS, PHOTON_FLIGHTS

LANES = 32


class Cost(NamedTuple):
    """Instructions of one flight of a photon, and of one segment of an electron, with all that belongs to them."""

    flight: float
    segment: float


class Particle(NamedTuple):
    """One particle of a history: its emission and place in the stack, whether a photon, how long its loop runs."""

    emission: tuple[int, int]
    photon: bool
    rounds: int


History = list[Particle]


def record(problem: Problem, decays: int, seed: int = 1) -> list[History]:
    """Histories as sequences of particles, in the order in which the kernel follows them."""
    world = build_world(problem, PhysicsOptions.from_dict(problem.physics))
    engine = python.Engine(world, seed)
    module = load("python", target, "history")
    histories: list[History] = []
    emission, place = 0, 0

    def counted(follow, counter: int, photon: bool):
        def simulate(world, tally, counters, *rest):
            nonlocal place
            before = int(counters[counter])
            result = follow(world, tally, counters, *rest)
            histories[-1].append(Particle((emission, place), photon, int(counters[counter]) - before))
            place += 1
            return result

        return simulate

    def begun(function):
        def simulate(*given):
            nonlocal emission
            emission = 0
            histories.append([])
            return function(*given)

        return simulate

    def emitted(function):
        def simulate(*given):
            nonlocal emission, place
            place = 0
            result = function(*given)
            emission += 1
            return result

        return simulate

    names = ("transport_photon", "transport_charged", "decay_history", "run_stack")
    originals = {name: getattr(module, name) for name in names}
    try:
        module.transport_photon = counted(originals["transport_photon"], PHOTON_FLIGHTS, True)
        module.transport_charged = counted(originals["transport_charged"], ELECTRON_SEGMENTS, False)
        module.run_stack = emitted(originals["run_stack"])
        module.decay_history = begun(originals["decay_history"])
        engine.run_batch(1, decays, np.zeros(world.density.size, np.int64))
    finally:
        for name, function in originals.items():
            setattr(module, name, function)
    return histories


def work(history: History, cost: Cost) -> float:
    """Instructions of a history that runs alone."""
    return sum(p.rounds * (cost.flight if p.photon else cost.segment) for p in history)


def warps(histories: list[History]) -> Iterator[list[History]]:
    """Histories that share a warp."""
    for first in range(0, len(histories) - LANES + 1, LANES):
        yield histories[first : first + LANES]


def together(lanes: list[list[Particle]], cost: Cost) -> float:
    """Instructions of a warp whose lanes follow their n-th particles in step: photons, then electrons."""
    total = 0.0
    for row in range(max(map(len, lanes))):
        there = [lane[row] for lane in lanes if row < len(lane)]
        total += cost.flight * max((p.rounds for p in there if p.photon), default=0)
        total += cost.segment * max((p.rounds for p in there if not p.photon), default=0)
    return total


def history_kernel(histories: list[History], cost: Cost) -> float:
    """Share of lanes at work when a warp simulates 32 histories, emission by emission, and waits for the last."""
    spent = useful = 0.0
    for warp in warps(histories):
        useful += sum(work(h, cost) for h in warp)
        for emission in range(1 + max((p.emission[0] for h in warp for p in h), default=0)):
            spent += LANES * together([[p for p in h if p.emission[0] == emission] for h in warp], cost)
    return useful / spent


def endless(histories: list[History]) -> list[list[Particle]]:
    """Work of lanes that never run out: each repeats its share of the histories, all to the same length."""
    lanes = [[p for h in histories[lane::LANES] for p in h] for lane in range(LANES)]
    longest = max(map(len, lanes))
    return [(lane * (longest // len(lane) + 1))[:longest] for lane in lanes]


def particle_loop(histories: list[History], cost: Cost) -> float:
    """The same when a lane takes its next particle, of this decay or the next, in the next iteration of the warp."""
    lanes = endless(histories)
    return sum(work(lane, cost) for lane in lanes) / (LANES * together(lanes, cost))


def step_loop(histories: list[History], cost: Cost) -> float:
    """The same when an iteration is a flight for a lane with a photon and a segment for one with an electron."""
    rounds = [np.repeat([p.photon for p in lane], [p.rounds for p in lane]) for lane in endless(histories)]
    longest = max(map(len, rounds))
    photon = np.array([np.resize(lane, longest) for lane in rounds])
    flights, segments = photon.sum(axis=0), (~photon).sum(axis=0)
    useful = cost.flight * flights.sum() + cost.segment * segments.sum()
    return float(useful / (LANES * (cost.flight * (flights > 0).sum() + cost.segment * (segments > 0).sum())))


SCHEDULES = {
    "a warp follows 32 decays to their end": history_kernel,
    "a lane takes its next particle at once": particle_loop,
    "a lane takes its next flight or segment at once (the kernel)": step_loop,
}


def occupancy(problem: Problem, decays: int, cost: Cost) -> dict[str, float]:
    """Share of lanes at work, by schedule."""
    histories = record(problem, decays)
    return {name: schedule(histories, cost) for name, schedule in SCHEDULES.items()}
