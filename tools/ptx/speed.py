"""Decays per second of a card, from what a kernel does for a decay: a model, not a measurement.

A scheduler issues one instruction a cycle to one of its warps; the warps share it, its units, and with the other three
schedulers the first-level cache. A warp alone takes the cycles that `statistics.h` adds up; several wait for each other
at these two stations. Mean value analysis of that closed queue gives the rate. Assumptions that no data sheet settles
come in three sets, whose results are the range of the expectation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from hevesy.kernels.backends.cuda_options import MAX_REGISTERS

from .cards import Card
from .counts import Counts, Multiprocessor

REGISTERS, MOST_WARPS = 65536, 16
WARPS_OF_BLOCK, LANES, SCHEDULERS = 4, 32, 4
REGISTER_PORTION = 8


class Assumptions(NamedTuple):
    """What a multiprocessor does that no data sheet says: its caches, and the share of spills on the busy path."""

    hardware: Multiprocessor
    spill_share: float


#: latencies and look-ups of the first-level cache as published, waits for instructions and spills without a source
#: (docs/decisions/0011-gpu-speed.md)
ASSUMPTIONS = {
    "hopeful": Assumptions(Multiprocessor(tags=4, level_1=33, level_2=220, fetch_wait=0.0), 0.0),
    "central": Assumptions(Multiprocessor(tags=4, level_1=38, level_2=265, fetch_wait=10.0), 0.6),
    "cautious": Assumptions(Multiprocessor(tags=1, level_1=41, level_2=300, fetch_wait=30.0), 1.0),
}


def hardware_of(card: Card, assumed: Assumptions) -> Multiprocessor:
    """The multiprocessor of a card under a set of assumptions."""
    return assumed.hardware._replace(level_1_kib=card.level_1_kib)


def warps_of_scheduler(registers: int) -> int:
    """Warps that a scheduler holds when a thread has so many registers, in blocks of four warps."""
    portion = math.ceil(registers / REGISTER_PORTION) * REGISTER_PORTION
    blocks = REGISTERS // (portion * LANES * WARPS_OF_BLOCK)
    return min(blocks * WARPS_OF_BLOCK // SCHEDULERS, MOST_WARPS)


#: warps of a scheduler with the default ceiling of registers
WARPS = warps_of_scheduler(MAX_REGISTERS)


def unit_cycles(counts: Counts, card: Card) -> dict[str, float]:
    """Cycles per decay that each unit of a scheduler is busy: lanes of a warp over lanes of the unit.

    Integer additions and logic have 16 lanes, special functions 4. Integer multiplications have 16 of the lanes for
    floating point; where there are 32, other floating-point instructions take the other 16 first.
    """
    units = counts.units
    multiply, single = 2.0 * units["multiply"], units["float"]
    return {
        "issue": counts.slots,
        "integer": 2.0 * units["integer"],
        "float": multiply + 2.0 * single if card.float_lanes == 16 else max(multiply, 0.5 * multiply + single),
        "special": 8.0 * units["special"],
    }


class Spills(NamedTuple):
    """Instructions that keep registers in local memory, of all machine instructions of a kernel."""

    stores: int
    loads: int
    instructions: int


def with_spills(counts: Counts, spills: Spills, assumed: Assumptions) -> Counts:
    """Counts of a kernel whose registers were limited.

    Spills stand anywhere in the code: they are executed as often as its average instruction, times the share of them
    that is on the busy path. Each takes a slot and a pass of the cache; a load's value is waited for.
    """
    executed = counts.slots / spills.instructions * assumed.spill_share
    stores, loads = spills.stores * executed, spills.loads * executed
    units = counts.units | {"memory": counts.units["memory"] + stores + loads}
    return counts._replace(
        slots=counts.slots + stores + loads,
        units=units,
        cycles=counts.cycles + stores + loads * assumed.hardware.level_1,
        passes=counts.passes + stores + loads,
    )


def decays_per_cycle(counts: Counts, card: Card, warps: int) -> float:
    """Decays of a scheduler per cycle, with so many warps.

    A warp alternates between work that keeps nobody waiting and two stations: the scheduler with its units (the most
    loaded of them decides), and the first-level cache, which the warps of all schedulers share. Schweitzer's
    approximation of mean value analysis: a warp that arrives finds what the others would leave on average.
    """
    busy, passes = max(unit_cycles(counts, card).values()), counts.passes
    elsewhere = max(counts.cycles - counts.slots - passes, 0.0)
    own = shared = 0.0  # warps at each station
    rate = 0.0
    for _ in range(500):
        at_scheduler = busy * (1.0 + own * (warps - 1) / warps)
        at_cache = passes * (1.0 + shared * (SCHEDULERS * warps - 1) / (SCHEDULERS * warps))
        rate = warps / (elsewhere + at_scheduler + at_cache)
        own, shared = rate * at_scheduler, SCHEDULERS * rate * at_cache
    return rate


def decays_per_second(counts: Counts, card: Card, warps: int) -> float:
    """Decays per second of a card whose schedulers have so many warps each, all of them busy."""
    return card.multiprocessors * SCHEDULERS * card.ghz * 1e9 * decays_per_cycle(counts, card, warps)
