"""Decays a second of the CUDA backend, beside the CPU's in the same run: ``make gpu-bench``.

Ends in a short table and writes a JSON with what ran on what. Kernels are compiled and warm before anything is
timed; times are of whole batches, copies to the host included.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def make_importable() -> None:
    """Let ``import hevesy`` find this repository where it is not installed (as the tests' conftest does)."""
    found = importlib.util.spec_from_file_location("gpu_conftest", HERE / "conftest.py")
    assert found is not None
    assert found.loader is not None
    found.loader.exec_module(importlib.util.module_from_spec(found))


def timed(engine: Any, voxels: int, per_batch: int, repeats: int) -> tuple[float, dict[str, int]]:
    """Median seconds of a batch, after one that warms up; the counters of the last."""
    import numpy as np

    seconds, counters = [], {}
    for batch in range(repeats + 1):
        tally = np.zeros(voxels, np.int64)
        start = time.perf_counter()
        counters = engine.run_batch(batch, per_batch, tally)
        seconds.append(time.perf_counter() - start)
        assert counters["emitted"] == counters["deposited"] + counters["escaped"]
    return statistics.median(seconds[1:]), counters


def main() -> int:
    make_importable()
    from hevesy.kernels.backends import cpu, cuda, cuda_probe
    from hevesy.tests.gpu import problems

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decays", type=float, default=4e6, help="decays of one GPU batch")
    parser.add_argument("--cpu-decays", type=float, default=1e5, help="decays of one CPU batch; 0: no CPU run")
    parser.add_argument("--repeats", type=int, default=5, help="batches timed, after one that warms up")
    parser.add_argument("--blocks", default="", help="launch shapes to try, as BLOCKSxTHREADS,...")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()

    reason = cuda_probe.why_not()
    if reason is not None:
        print(f"no usable CUDA device: {reason}", file=sys.stderr)
        return 1 if os.environ.get("HEVESY_REQUIRE_GPU", "0") not in ("", "0") else 0
    rows: list[dict[str, Any]] = []
    for name in problems.NAMES:
        problem = problems.load(name)
        if problem is None:
            continue
        world = problems.world(problem)
        voxels = int(world.density.size)
        start = time.perf_counter()
        engine = cuda.Engine(world, seed=1)
        ready = time.perf_counter() - start
        definition = next(iter(engine.lanes[0].kernel.overloads.values()))
        seconds, counters = timed(engine, voxels, int(given.decays), given.repeats)
        row: dict[str, Any] = {
            "problem": name, "voxels": voxels, "decays": int(given.decays), "seconds": seconds,
            "decays_per_s": given.decays / seconds, "ready_s": ready, "launch": engine.lanes[0].launch._asdict(),
            "registers": definition.regs_per_thread, "local_bytes": definition.local_mem_per_thread,
            "memory": engine.lanes[0].plan.describe(),
            "per_decay": {k: v / given.decays for k, v in counters.items()},
        }  # fmt: skip
        engine.close()
        for shape in filter(None, given.blocks.split(",")):
            blocks, threads = (int(v) for v in shape.split("x"))
            engine = cuda.Engine(world, seed=1, launch=cuda.Launch(blocks, threads, 0))
            other, _ = timed(engine, voxels, int(given.decays), given.repeats)
            row.setdefault("shapes", {})[shape] = given.decays / other
            engine.close()
        if given.cpu_decays:
            host = cpu.Engine(world, seed=1)
            seconds, _ = timed(host, voxels, int(given.cpu_decays), 2)
            row |= {"cpu_decays_per_s": given.cpu_decays / seconds, "cpu_threads": host.device.threads}
            host.close()
        rows.append(row)
    report = {
        "format": "hevesy-gpu-bench", "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": cuda.describe(cuda_probe.devices(), 1).name, "host": cpu.device().name,
        "python": platform.python_version(), "kernels": cuda.cache_folder().name, "rows": rows,
    }  # fmt: skip
    given.output.mkdir(parents=True, exist_ok=True)
    file = given.output / f"gpu-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(report, indent=1) + "\n")
    print(report["device"])
    print(f"{'problem':32s} {'decays/s':>10s} {'ready s':>8s} {'registers':>9s} {'CPU decays/s':>13s} {'ratio':>6s}")
    for row in rows:
        host_rate = row.get("cpu_decays_per_s", float("nan"))
        print(
            f"{row['problem']:32s} {row['decays_per_s']:10.3g} {row['ready_s']:8.1f} {row['registers']:9d} "
            f"{host_rate:13.3g} {row['decays_per_s'] / host_rate:6.1f}"
        )
        for shape, rate in row.get("shapes", {}).items():
            print(f"  {shape:30s} {rate:10.3g}")
    print(file.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
