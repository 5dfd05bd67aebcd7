"""What a kernel does for a decay, counted while its PTX is executed as one multiprocessor would execute it.

As many lanes as one multiprocessor holds follow real decays. Counting begins after some decays of every lane and ends
when the last decay has been assigned, so that neither start nor tail is in it. `statistics.h` counts; this module sets
what is assumed of the multiprocessor, and reads the counters.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import emulator, timing
from .parse import parse
from .program import Program

LANES, THREADS, SCHEDULERS = 32, 128, 4
#: parameters of a kernel from the address of the counter of assigned decays to the last one: address, shape and stride
#: of that array, two words of the seed, and four numbers
FROM_TICKETS = 9
LINE_BYTES, WAYS = 128, 16
_COLUMNS = ("executions", "lanes", "lines", "passes", "sectors", "misses")
_MOST_WARPS = 64


class Multiprocessor(NamedTuple):
    """What is assumed of a multiprocessor's caches.

    Parameters
    ----------
    level_1_kib
        Size of the first-level cache [KiB].
    tags
        Lines of that cache that are looked up in a cycle.
    level_1, level_2
        Cycles from a load to its value, from the first and from the second level.
    fetch_wait
        Cycles that a warp waits for a line of instructions that its scheduler's 16 KiB do not hold.
    """

    level_1_kib: int = 248
    tags: int = 4
    level_1: int = 38
    level_2: int = 265
    fetch_wait: float = 10.0


class Run(NamedTuple):
    """What is executed: so many warps, and decays of a lane before and while it is counted."""

    warps: int = 16
    warm_up: int = 10
    counted: int = 50
    seed: int = 5


class Counts(NamedTuple):
    """Counters of a run, per decay; ``instructions`` stands for instructions of a whole warp.

    Parameters
    ----------
    decays
        Decays that were counted.
    slots
        Issue slots.
    lanes
        Share of the 32 lanes that work in an issue slot (0 to 1).
    units
        Instructions by unit.
    cycles
        Cycles of one warp that runs alone.
    passes
        Cycles of the first-level cache.
    accesses
        By kind (load, local, atomic): ``instructions``, ``lanes`` and ``lines`` of one, ``sectors`` and ``misses``
        per decay.
    fetches, fetch_misses
        Lines of 128 bytes of machine code; those that the scheduler's cache lacked.
    """

    decays: int
    slots: float
    lanes: float
    units: dict[str, float]
    cycles: float
    passes: float
    accesses: dict[str, dict[str, float]]
    fetches: float
    fetch_misses: float


def count(
    ptx: str, folder: Path, world: Any, run: Run | None = None, hardware: Multiprocessor | None = None
) -> tuple[Counts, np.ndarray, np.ndarray]:
    """Execute a kernel and count.

    Parameters
    ----------
    ptx
        PTX of a history kernel with a whole tally.
    folder
        Where translated code is kept.
    world
        The flat tables of a problem.
    run, hardware
        What is executed, and on what; the defaults by default.

    Returns
    -------
    Counts
        Per decay.
    ndarray
        Executions of every block of the program, per decay, float64.
    ndarray
        Lanes in them, per decay, float64.
    """
    run, hardware = run or Run(), hardware or Multiprocessor()
    program = parse(ptx)
    library = emulator.build(ptx, folder, statistics=True)
    lanes = LANES * run.warps
    last = lanes * (run.warm_up + run.counted)
    numbers = prepare(library, hardware)
    ctypes.c_int64.in_dll(numbers, "TICKETS_OFFSET").value = program.parameters[-FROM_TICKETS].offset
    ctypes.c_int64.in_dll(numbers, "RECORD_FROM").value = lanes * run.warm_up
    ctypes.c_int64.in_dll(numbers, "RECORD_TO").value = last
    emulator.play(library, world, run.seed, 1, 0, last, last, lanes // THREADS, THREADS)
    # a kernel whose lanes have fixed decays takes no tickets: all of it is counted, start and end
    return read_counts(numbers, program, ctypes.c_int64.in_dll(numbers, "RECORDED_DECAYS").value or last)


def turn_alone(ptx: str, folder: Path, world: Any, decays: int = 400, hardware: Multiprocessor | None = None) -> float:
    """Cycles of one flight or segment of a lane that has a multiprocessor for itself."""
    library = emulator.build(ptx, folder, statistics=True)
    numbers = prepare(library, hardware or Multiprocessor())
    ctypes.c_int64.in_dll(numbers, "TICKETS_OFFSET").value = -1
    _, events, _ = emulator.play(library, world, Run().seed, 1, 0, decays, decays, 1, 1)
    cycles = np.array((ctypes.c_double * _MOST_WARPS).in_dll(numbers, "CYCLES")).sum()
    return float(cycles) / (events["photon_flights"] + events["electron_segments"])


def prepare(library: Path, hardware: Multiprocessor) -> ctypes.CDLL:
    """The counters of a library, cleared, with what is assumed of the multiprocessor."""
    numbers = ctypes.CDLL(str(library))
    settings = {
        "CACHE_SETS": hardware.level_1_kib * 1024 // LINE_BYTES // WAYS,
        "TAGS_A_CYCLE": hardware.tags,
        "LEVEL_1": hardware.level_1,
        "LEVEL_2": hardware.level_2,
    }
    for name, value in settings.items():
        ctypes.c_int.in_dll(numbers, name).value = value
    ctypes.c_double.in_dll(numbers, "FETCH_WAIT").value = hardware.fetch_wait
    numbers.begin_statistics()
    return numbers


def read_counts(numbers: ctypes.CDLL, program: Program, decays: int) -> tuple[Counts, np.ndarray, np.ndarray]:
    """The counters of a library, for so many decays: what :func:`count` returns."""

    def per_decay(name: str, size: int, kind: Any = ctypes.c_uint64) -> np.ndarray:
        return np.array((kind * size).in_dll(numbers, name), float) / decays

    n_instructions = sum(len(block.instructions) for block in program.blocks)
    executions = per_decay("EXECUTIONS", len(program.blocks))
    lanes = per_decay("LANES_AT_WORK", len(program.blocks))
    slots, units = block_costs(program)
    issued = float(executions @ slots)
    columns = {name: per_decay(f"ACCESS_{name.upper()}", n_instructions) for name in _COLUMNS}
    fetches, fetch_misses = (float(per_decay(name, 1, ctypes.c_int64)[0]) for name in ("FETCHES", "FETCH_MISSES"))
    return (
        Counts(
            decays=decays,
            slots=issued,
            lanes=float(lanes @ slots) / LANES / issued,
            units={unit: float(executions @ of_block) for unit, of_block in units.items()},
            cycles=float(per_decay("CYCLES", _MOST_WARPS, ctypes.c_double).sum()),
            passes=float(columns["passes"].sum()),
            accesses=by_kind(program, columns),
            fetches=fetches,
            fetch_misses=fetch_misses,
        ),
        executions,
        lanes,
    )


def block_costs(program: Program) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Issue slots of every block, and those of each unit."""
    n = len(program.blocks)
    slots = np.zeros(n)
    units = {
        name: np.zeros(n) for name in (timing.INTEGER, timing.FLOAT, timing.MULTIPLY, timing.SPECIAL, timing.MEMORY)
    }
    prices = iter(timing.costs(program))
    for number, block in enumerate(program.blocks):
        for _ in block.instructions:
            price = next(prices)
            slots[number] += price.slots
            if price.unit in units:
                units[price.unit][number] += price.slots
    return slots, units


def by_kind(program: Program, columns: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Accesses by kind: instructions, sectors and misses per decay; lanes, lines and passes of one instruction."""
    kinds: dict[str, list[int]] = {"load": [], "local": [], "atomic": []}
    for instruction in program.instructions:
        held = timing.access(instruction)
        if held is not None:
            kinds["local" if held.local else "atomic" if held.atomic else "load"].append(held.number)
    out = {}
    for kind, numbers in kinds.items():
        total = {name: float(column[numbers].sum()) for name, column in columns.items()}
        each = max(total["executions"], 1e-12)
        out[kind] = {
            "instructions": total["executions"],
            **{name: total[name] / each for name in ("lanes", "lines", "passes")},
            "sectors": total["sectors"],
            "misses": total["misses"],
        }
    return out
