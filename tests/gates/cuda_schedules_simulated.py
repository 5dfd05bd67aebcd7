"""Run in a process of its own with NUMBA_ENABLE_CUDASIM=1: the schedules of the kernel on Numba's simulator.

Prints one JSON object: the tally and the counters of the plain loop, and of each schedule at several launch shapes.
"""

from __future__ import annotations

import json

import numpy as np
from hevesy.kernels.backends import cuda
from hevesy.kernels.backends.cuda_target import SCHEDULES
from hevesy.kernels.tables import COUNTERS
from hevesy.tests.gates.cuda_simulated import BATCH, SEED, plain_loop, summary
from hevesy.tools import cuda_offline

DECAYS = 12
#: blocks and threads: whole warps, fewer threads than a warp, a last warp with one lane
SHAPES = ((1, 32), (2, 5), (1, 33))


def main() -> None:
    cuda_offline.stay_on_one_core()
    world = cuda_offline.world()
    tally, counters = plain_loop(world, DECAYS)
    found = {"plain": summary(tally, dict(zip(COUNTERS, (int(v) for v in counters), strict=True)))}
    for schedule in SCHEDULES:
        for blocks, threads in SHAPES:
            engine = cuda.Engine(world, SEED, schedule=schedule, launch=cuda.Launch(blocks, threads, blocks * threads))
            out = np.zeros(world.density.size, np.int64)
            counts = engine.run_batch(BATCH, DECAYS, out)
            engine.close()
            found[f"{schedule} {blocks} x {threads}"] = summary(out, counts)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
