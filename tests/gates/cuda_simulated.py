"""Run in a process of its own with NUMBA_ENABLE_CUDASIM=1: the launch logic on Numba's simulator.

Prints one JSON object: the tallies and counters of several launches, of the plain loop over the same source, and
what the engine says it ran on.
"""

from __future__ import annotations

import hashlib
import json
import types

import numpy as np
from hevesy.kernels import target
from hevesy.kernels.backends import cuda, cuda_target
from hevesy.kernels.loader import load
from hevesy.kernels.tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from hevesy.tools import cuda_offline

SEED = (7 << 32) + 5
BATCH = 3


def plain_loop(world, per_batch: int) -> tuple[np.ndarray, np.ndarray]:
    """The same source uncompiled, literals in single precision as on the device, one history after the other."""

    def device(function):
        code = function.__code__
        constants = tuple(cuda_target._retype(c) for c in code.co_consts)
        function.__code__ = code.replace(co_consts=constants)
        return function

    typed = types.ModuleType("hevesy_kernels_single.target")
    vars(typed).update({k: v for k, v in vars(target).items() if not k.startswith("__")}, device=device)
    run_range = load("single", typed, "batch").run_range
    tally, counters = np.zeros(world.density.size, np.int64), np.zeros(len(COUNTERS), np.int64)
    reals, ints = np.zeros(STACK_DEPTH * STACK_REALS, np.float32), np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
    words = np.uint32(SEED & 0xFFFFFFFF), np.uint32(SEED >> 32)
    with np.errstate(over="ignore"):
        run_range(world, tally, counters, reals, ints, *words, BATCH, 0, per_batch, per_batch)
    return tally, counters


def main() -> None:
    cuda_offline.stay_on_one_core()
    world = cuda_offline.world()
    per_batch = 30
    found = {}
    tally, counters = plain_loop(world, per_batch)
    found["plain"] = summary(tally, dict(zip(COUNTERS, (int(v) for v in counters), strict=True)))
    for name, options in (
        ("default", {}),
        ("few threads", {"launch": cuda.Launch(3, 4, 12)}),
        ("more threads than histories", {"launch": cuda.Launch(4, 16, 64)}),
        ("two devices", {"devices": (0, 0)}),
        ("three windows", {"tiles": 3}),
        ("short launches", {"options": cuda.CudaOptions(histories_per_launch=7)}),
        ("history after history", {"options": cuda.CudaOptions(schedule="histories")}),
    ):
        engine = cuda.Engine(world, SEED, **options)
        out = np.zeros(world.density.size, np.int64)
        counts = engine.run_batch(BATCH, per_batch, out)
        found[name] = summary(out, counts)
        found["device"] = engine.device._asdict()
        engine.close()
    scored = cuda_offline.world(track_length=True)
    tally, counters = plain_loop(scored, per_batch)
    found["track length, plain"] = summary(tally, dict(zip(COUNTERS, (int(v) for v in counters), strict=True)))
    engine = cuda.Engine(scored, SEED, tiles=2)
    out = np.zeros(scored.density.size, np.int64)
    counts = engine.run_batch(BATCH, per_batch, out)
    found["track length"] = summary(out, counts)
    engine.close()
    engine = cuda.Engine(world, SEED)
    found["batches"] = []
    for batch in range(20):
        out = np.zeros(world.density.size, np.int64)
        counts = engine.run_batch(batch, 10, out)
        found["batches"].append([counts["deposited"], counts["escaped"], counts["electrons"]])
    print(json.dumps(found))


def summary(tally: np.ndarray, counters: dict[str, int]) -> dict:
    """What two runs are compared by."""
    return {
        "hash": hashlib.sha256(tally.tobytes()).hexdigest(),
        "sum": int(tally.sum()),
        "counters": counters,
    }


if __name__ == "__main__":
    main()
