"""Decays a second of the CUDA backend, beside the CPU's in the same run: ``make gpu-bench``.

Ends in two short tables and writes a JSON with what ran on what. Kernels are compiled and warm before anything is
timed. The reference problems are timed by whole batches with their copies to the host; the synthetic patient at 4 mm,
which the targets are about, with its sums and squares where a run keeps them, and to its goals by the program's own
stop rule.
"""

from __future__ import annotations

import argparse
import json
import platform
import runpy
import statistics
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: goals of a run, and seconds to both (docs/performance.md)
GOALS, GOAL_S = ("lesions:1%", "voxels>50%:2%"), 10.0


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


def timed_run(engine: Any, problem: Any, per_batch: int, repeats: int) -> dict[str, Any]:
    """The same through :mod:`hevesy.engine.transport.sums`: with sums, squares and regions, as a run makes them."""
    from hevesy.engine.transport import sums
    from hevesy.engine.transport.tally import Tally

    names, weights = sums.regions_of(problem, None, ())
    tally = Tally.empty(problem.density_g_cm3.shape, len(weights), per_batch, 1, backend="cuda", device="")
    kept = sums.sums_of(engine, tally, weights)
    seconds = []
    for batch in range(repeats + 1):
        start = time.perf_counter()
        kept.run_batch(batch, batch + 1 if batch < repeats else None)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    kept.settle()
    settled = time.perf_counter() - start
    return {
        "decays_per_s": per_batch / statistics.median(seconds[1:]),
        "settle_s": settled,
        "regions": list(names),
        "sums": "device" if isinstance(kept, sums.DeviceSums) else "host",
    }


def goal(problem: Any, until: str) -> dict[str, Any]:
    """A run to a goal: seconds of its batches by the clock, and of everything."""
    from hevesy.engine.transport.run import simulate

    start = time.perf_counter()
    tally = simulate(problem, until=until, time_limit_s=60.0, backend="cuda")
    return {
        "reached": tally.stopped_by == "until",
        "wall_s": tally.wall_time_s,
        "whole_s": time.perf_counter() - start,
        "decays": tally.decays,
    }


def patient(name: str, per_batch: int, repeats: int) -> dict[str, Any]:
    """Rate with every number of devices, and the goals, of a patient."""
    from hevesy.benchmarks import gpu_problems as problems
    from hevesy.benchmarks.gpu_goals import TARGETS
    from hevesy.kernels.backends import cuda, cuda_probe, cuda_target

    problem = problems.load(name)
    world, numbers = problems.world(problem), cuda_probe.devices()
    row: dict[str, Any] = {
        "problem": name, "voxels": int(world.density.size), "emission": problems.emission_source(name),
        "target_per_s": TARGETS[name], "by_devices": {},
    }  # fmt: skip
    for count in range(1, len(numbers) + 1):
        engine = cuda.Engine(world, seed=1, devices=numbers[:count])
        without, _ = timed(engine, row["voxels"], per_batch, repeats)
        found = timed_run(engine, problem, per_batch, repeats)
        row["by_devices"][count] = found | {"decays_per_s_with_copies_to_the_host": per_batch / without}
        engine.close()
    row["by_schedule"] = {}
    for schedule in cuda_target.SCHEDULES:
        engine = cuda.Engine(world, seed=1, devices=numbers[:1], schedule=schedule)
        row["by_schedule"][schedule] = per_batch / timed(engine, row["voxels"], per_batch, repeats)[0]
        engine.close()
    row["goals"] = {until: goal(problem, until) for until in GOALS}
    return row


def reference(name: str, given: argparse.Namespace) -> dict[str, Any] | None:
    """Rates of GPU and CPU on one problem; None when its file is not here."""
    from hevesy.benchmarks import gpu_problems as problems
    from hevesy.kernels.backends import cpu, cuda

    problem = problems.load(name)
    if problem is None:
        return None
    world = problems.world(problem)
    voxels = int(world.density.size)
    start = time.perf_counter()
    engine = cuda.Engine(world, seed=1)
    ready = time.perf_counter() - start
    definition = problems.kernel_of(engine.lanes[0])
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
    return row


def main(words: list[str] | None = None) -> int:
    """Measure, print, write; 1 where a device or a problem is required and missing."""
    runpy.run_path(str(ROOT / "tools" / "importable.py"))
    from hevesy.benchmarks import gpu_problems as problems
    from hevesy.benchmarks.gpu_goals import TARGETS
    from hevesy.engine.results import environment
    from hevesy.kernels.backends import cpu, cuda, cuda_probe

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decays", type=float, default=4e6, help="decays of one GPU batch")
    parser.add_argument("--cpu-decays", type=float, default=1e5, help="decays of one CPU batch; 0: no CPU run")
    parser.add_argument("--repeats", type=int, default=5, help="batches timed, after one that warms up")
    parser.add_argument("--blocks", default="", help="launch shapes to try, as BLOCKSxTHREADS,...")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args(words)

    reason = cuda_probe.why_not()
    if reason is not None:
        print(f"no usable CUDA device: {reason}", file=sys.stderr)
        return int(problems.required())
    report: dict[str, Any] = {
        "format": "hevesy-gpu-bench", "format_version": 2,
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"), "commit": environment.commit() or "unknown",
        "device": cuda.describe(cuda_probe.devices(), 1).name, "host": cpu.device().name,
        "python": platform.python_version(), "kernels": cuda.cache_folder().name,
    }  # fmt: skip
    report["rows"] = [row for name in problems.NAMES if (row := reference(name, given))]
    report["patients"] = [patient(name, int(given.decays), given.repeats) for name in TARGETS]
    given.output.mkdir(parents=True, exist_ok=True)
    file = given.output / f"gpu-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    print(file.name)
    return complain(report)


def complain(report: dict[str, Any]) -> int:
    """Name the problems that were not measured because they are not here; 1 if they are required."""
    from hevesy.benchmarks import gpu_problems as problems

    measured = {row["problem"] for row in report["rows"]}
    missing = [name for name in problems.NAMES if name not in measured]
    for name in missing:
        print(f"not measured: {problems.lacking(name)}", file=sys.stderr)
    if missing:
        print("set HEVESY_SHARED to the folder that holds reference/", file=sys.stderr)
    return int(bool(missing) and problems.required())


def table(report: dict[str, Any]) -> str:
    """The short tables."""
    lines = [f"{report['device']}, commit {report['commit'][:10]}"]
    lines.append(
        f"{'problem':32s} {'decays/s':>10s} {'ready s':>8s} {'registers':>9s} {'CPU decays/s':>13s} {'ratio':>6s}"
    )
    for row in report["rows"]:
        host_rate = row.get("cpu_decays_per_s", float("nan"))
        lines.append(
            f"{row['problem']:32s} {row['decays_per_s']:10.3g} {row['ready_s']:8.1f} {row['registers']:9d} "
            f"{host_rate:13.3g} {row['decays_per_s'] / host_rate:6.1f}"
        )
        lines += [f"  {shape:30s} {rate:10.3g}" for shape, rate in row.get("shapes", {}).items()]
    lines.append("")
    lines.append(
        f"{'patient':20s} {'GPUs':>4s} {'decays/s':>10s} {'target':>8s} {'of it':>6s} {'sums on':>8s}  goals [s]"
    )
    for row in report["patients"]:
        goals = ", ".join(
            f"{until} {f['wall_s']:.2f}{'' if f['reached'] and f['wall_s'] <= GOAL_S else ' MISSED'}"
            for until, f in row["goals"].items()
        )
        for count, f in row["by_devices"].items():
            lines.append(
                f"{row['problem']:20s} {count:>4} {f['decays_per_s']:10.3g} {row['target_per_s']:8.2g} "
                f"{f['decays_per_s'] / row['target_per_s']:6.2f} {f['sums']:>8s}  {goals if str(count) == '1' else ''}"
            )
        lines.append(
            "  one GPU, with copies to the host, by "
            + ", by ".join(f"{name} {rate:.3g}" for name, rate in row["by_schedule"].items())
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
