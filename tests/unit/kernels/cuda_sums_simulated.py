"""Run in a process of its own with NUMBA_ENABLE_CUDASIM=1: runs with their sums on the "device" and on the host.

Prints one JSON object: hashes of all that a run leaves, by the way it was made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from unittest import mock

import numpy as np
from hevesy.benchmarks import gpu_bench as bench_module
from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends import cuda
from hevesy.tools import cuda_offline

GOALS = ("voxels>50%:99%",)


def summary(tally: Tally) -> dict[str, str]:
    """What two runs are compared by."""
    parts = {
        "energy": tally.energy_quanta, "squares": tally.energy_quanta_squared, "regions": tally.region_quanta,
        "counters": np.array([tally.counters[name] for name in sorted(tally.counters)]),
    }  # fmt: skip
    found = {name: hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for name, a in parts.items()}
    return found | {"sum": str(int(tally.energy_quanta.sum())), "batches": str(tally.n_batches)}


def main() -> None:
    cuda_offline.stay_on_one_core()
    problem = cuda_offline.tiny_problem()
    regions = np.zeros((4, 4, 4), np.uint8)
    regions[1:3, 1:3, 1:3], regions[:, :, 3] = 1, 3  # the second has no voxel
    problem = replace(problem, regions=regions, region_names=("source", "nothing", "bone"))
    usual = {"seed": 5, "backend": "cuda", "batch_histories": 4}
    found = {}
    offered = cuda.Engine.sums
    found["device"] = summary(simulate(problem, decays=24, **usual))
    first = simulate(problem, decays=8, **usual)
    found["resumed"] = summary(simulate(problem, decays=24, resume=first, **usual))
    found["until"] = summary(simulate(problem, until="voxels>50%:99%", **usual))

    cuda.Engine.sums = lambda self, weights: None
    found["host"] = summary(simulate(problem, decays=24, **usual))
    found["host, until"] = summary(simulate(problem, until="voxels>50%:99%", **usual))
    cuda.Engine.sums = offered

    engine = cuda.Engine(cuda_offline.world(), 5, devices=(0, 0))
    sums = engine.sums([(np.arange(64), np.arange(64))])
    tally, squares = np.zeros(64, np.int64), np.zeros((2, 64), np.uint64)
    parts = [sums.run_batch(batch, 4) for batch in range(2)]
    sums.fetch(tally, squares)
    alone = [np.zeros(64, np.int64) for _ in range(2)]
    counters = [cuda.Engine(cuda_offline.world(), 5).run_batch(b, 4, t) for b, t in enumerate(alone)]
    found["two devices"] = {
        "energy": bool(np.array_equal(tally, sum(alone))),
        "squares": [int(v) for v in squares[0]] == [sum(int(t[i]) ** 2 % 2**64 for t in alone) % 2**64
                                                    for i in range(64)],
        "regions": [int(r[0]) for _, r in parts] == [int((t * np.arange(64)).sum()) for t in alone],
        "counters": [c for c, _ in parts] == counters,
    }  # fmt: skip
    found["bench"] = bench(problem)
    print(json.dumps(found))


def bench(problem: Problem) -> dict[str, object]:
    """What ``make gpu-bench`` does with a patient, short."""
    with mock.patch.object(problems, "load", lambda _: problem), mock.patch.object(bench_module, "GOALS", GOALS):
        simulate_short = partial(simulate, batch_histories=4)
        with mock.patch("hevesy.engine.transport.run.simulate", simulate_short):
            return bench_module.patient("i131_patient_4mm", 4, 1)


if __name__ == "__main__":
    main()
