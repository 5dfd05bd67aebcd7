"""Run under the emulated driver: engines on one device and on all, sums of batches, windows, arguments of a launch.

Prints one JSON object.
"""

from __future__ import annotations

import ctypes
import hashlib
import json

import numpy as np
from hevesy.engine.transport.run import simulate
from hevesy.kernels.backends import cuda, cuda_probe
from hevesy.tools import cuda_offline

SEED = (7 << 32) + 5
BATCH = 3
DECAYS = 400


def summary(tally: np.ndarray, counters: dict[str, int]) -> dict:
    """What two runs are compared by."""
    return {"hash": hashlib.sha256(tally.tobytes()).hexdigest(), "sum": int(tally.sum()), "counters": counters}


def batch_of(world, batches: int = 1, **options) -> dict:
    """An engine opened, a batch simulated as often as asked for, the engine closed."""
    engine = cuda.Engine(world, SEED, **options)
    summaries = []
    for _ in range(batches):
        tally = np.zeros(world.density.size, np.int64)
        summaries.append(summary(tally, engine.run_batch(BATCH, DECAYS, tally)))
    name, launch = engine.device.name, engine.lanes[0].launch
    engine.close()
    assert all(s == summaries[0] for s in summaries), "the same batch gave other integers when it was repeated"
    return {**summaries[0], "device": name, "launch": list(launch)}


def run_of(**options) -> dict:
    """A whole run of several batches with regions: what is summed over batches."""
    problem = cuda_offline.tiny_problem()
    regions = [np.arange(64).reshape(4, 4, 4) % 3, np.ones((4, 4, 4), np.int64)]
    tally = simulate(problem, decays=1200, batches=4, seed=SEED, backend="cuda", regions=regions, **options)
    arrays = (tally.energy_quanta, tally.energy_quanta_squared, tally.region_quanta)
    return {"hashes": [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in arrays],
            "counters": tally.counters, "balance": tally.balance, "device": tally.device}  # fmt: skip


def arguments() -> dict:
    """Sizes of the arguments of a launch as they are passed, and as the loaded kernel takes them."""
    import cuda.core
    from numba.cuda import dispatcher

    passed = []
    places = [place for place in (dispatcher, cuda.core) if hasattr(place, "launch")]
    usual = cuda.core.launch

    def launch(stream, config, kernel, *values):
        # Python's own integers are passed as pointers are
        sizes = [ctypes.sizeof(v) if isinstance(v, ctypes._SimpleCData) else np.dtype(type(v)).itemsize for v in values]
        passed.append((sizes, [info.size for info in kernel.arguments_info]))
        return usual(stream, config, kernel, *values)

    for place in places:
        place.launch = launch
    try:
        batch_of(cuda_offline.world())
    finally:
        for place in places:
            place.launch = usual
    return {"passed": passed[0][0], "taken": passed[0][1]}


def memory_left() -> dict:
    """Device memory in use and still allocated, and contexts on this thread's stack, after all engines were closed."""
    import cupy

    library = ctypes.CDLL("libcuda.so.1")
    library.hevesy_driver_bytes.restype = ctypes.c_uint64
    used = cupy.get_default_memory_pool().used_bytes()
    return {"used": used, "allocated": library.hevesy_driver_bytes(), "depth": library.hevesy_driver_depth()}


def main() -> None:
    world = cuda_offline.world()
    found = {"devices": list(cuda_probe.devices())}
    found["one"] = batch_of(world, 2, devices=[0])
    found["left after one"] = memory_left()
    found["all"] = batch_of(world)
    found["shape"] = batch_of(world, launch=cuda.Launch(3, 96, 0), devices=[0])
    found["windows"] = batch_of(world, tiles=3, devices=[0])
    found["device sums"] = run_of()
    on_device = cuda.Engine.sums
    cuda.Engine.sums = lambda self, weights: None
    found["host sums"] = run_of()
    cuda.Engine.sums = on_device
    found["arguments"] = arguments()
    found["left"] = memory_left()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
