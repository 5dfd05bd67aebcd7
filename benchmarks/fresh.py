"""A run in a process of its own: what its start is made of, and how much memory it takes.

``python -m hevesy.benchmarks.fresh PROBLEM.npz --decays N`` prints one JSON object; :func:`start` and :func:`memory`
call it. The compiled code comes from ``$HEVESY_CACHE``: with an empty folder the run compiles.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import argparse  # noqa: E402  (the clock starts first)
import json  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

#: parts of a start, in their order
PARTS = ("python", "imports", "problem", "tables", "numba", "code", "transport")


def main(words: list[str] | None = None) -> int:
    """Play one problem and print what each part took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("problem", help="a problem file, or a name of cases.py")
    parser.add_argument("--decays", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--whole", action="store_true", help="then a whole run with standard errors, for its memory")
    parser.add_argument("--started", type=float, default=0.0, help="time.monotonic() of the parent when it called")
    given = parser.parse_args(words)
    began = time.monotonic() - (time.perf_counter() - BEGAN)
    marks = {"python": max(0.0, began - given.started) if given.started else 0.0}
    last = BEGAN

    def mark(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        marks[name], last = now - last, now

    import numpy as np
    from hevesy.engine.transport.options import PhysicsOptions
    from hevesy.engine.transport.problem import Problem
    from hevesy.engine.transport.world import build_world

    mark("imports")
    if given.problem.endswith(".npz"):
        problem = Problem.load(given.problem)
    else:
        from hevesy.benchmarks import cases

        found = cases.load(given.problem)
        assert found is not None, given.problem
        problem = found
    mark("problem")
    world = build_world(problem, PhysicsOptions.from_dict(problem.physics))
    mark("tables")
    from hevesy.kernels.backends import cpu

    mark("numba")
    engine = cpu.Engine(world, seed=1, n_threads=given.threads)
    tally = np.zeros(world.density.size, np.int64)
    engine.run_batch(0, 1, tally)
    mark("code")
    engine.run_batch(1, given.decays, tally)
    mark("transport")
    engine.close()
    from hevesy.benchmarks import machine

    before = machine.peak_rss_mib()
    if given.whole:
        from hevesy.engine.transport.run import simulate

        simulate(problem, decays=given.decays, backend="cpu", batches=20)
    sys.stdout.write(
        json.dumps(
            {
                "parts_s": marks,
                "total_s": sum(marks.values()),
                "voxels": int(tally.size),
                "decays": given.decays,
                "before_run_mib": before,
                "peak_rss_mib": machine.peak_rss_mib(),
            }
        )
        + "\n"
    )
    return 0


def call(problem: str | Path, decays: int, cache: str | Path | None = None, *words: str) -> dict[str, Any]:
    """Run this file in a fresh process and read what it prints."""
    environment = dict(os.environ)
    if cache is not None:
        environment["HEVESY_CACHE"] = str(cache)
    command = [sys.executable, "-m", "hevesy.benchmarks.fresh", str(problem), "--decays", str(decays), *words]
    began = time.monotonic()  # of the machine, not of a process, and never set
    done = subprocess.run(
        [*command, "--started", repr(began)], env=environment, capture_output=True, text=True, check=False
    )
    wall = time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-3000:])
    return {**json.loads(done.stdout.splitlines()[-1]), "process_s": wall}


def start(problem: Any, repeats: int = 3) -> dict[str, Any]:
    """Cold and warm start on a problem: seconds of each part (warm: the median of ``repeats``).

    The problem is written to a file first, so that neither start asks for decay data.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, cache = Path(folder) / "problem.npz", Path(folder) / "cache"
        problem.save(file)
        cold = call(file, 1000, cache)
        warm = [call(file, 1000, cache) for _ in range(repeats)]
        size = sum(f.stat().st_size for f in cache.rglob("*") if f.is_file())
    parts = {name: statistics.median(w["parts_s"][name] for w in warm) for name in PARTS}
    return {
        "compile_s": cold["parts_s"]["code"] - parts["code"],
        "cold": {"parts_s": cold["parts_s"], "total_s": cold["total_s"], "peak_rss_mib": cold["peak_rss_mib"]},
        "warm": {
            "parts_s": parts,
            "total_s": statistics.median(w["total_s"] for w in warm),
            "peak_rss_mib": warm[0]["peak_rss_mib"],
        },
        "cache_mib": size / 1024**2,
    }


def memory(name: str, decays: int) -> dict[str, Any]:
    """Peak resident memory of a run of a named problem, in a process of its own."""
    found = call(name, decays, None, "--whole")
    return {k: found[k] for k in ("voxels", "decays", "before_run_mib", "peak_rss_mib", "process_s")}


if __name__ == "__main__":
    sys.exit(main())
