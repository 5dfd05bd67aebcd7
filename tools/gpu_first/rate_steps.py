"""Steps that measure: launches and copies, then decays per second of every build, then of what was chosen."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.benchmarks import gpu_bench
from hevesy.benchmarks import gpu_problems as problems

from . import variants
from .engine_steps import elsewhere, resources
from .runner import Notes
from .steps import COMPILE

ROOT = Path(__file__).resolve().parents[2]
#: decays of a batch that builds are compared with, and of those that the chosen build is timed with
DECAYS, BATCH_SIZES = 8e6, (2e6, 8e6, 1.6e7)
REPEATS = 3
LAUNCHES = 200
COPIED_BYTES = 256 << 20
#: all but the comparisons with the CPU, which take minutes: `make gpu-test` runs them
SHORT_TESTS = "not against_cpu"


def transfers(notes: Notes) -> None:
    """Time of an empty launch, issued and waited for, and bandwidth of copies."""
    import cupy
    from hevesy.kernels.backends.cuda_options import DEFAULT

    engine = variants.engine(problems.world(problems.mixed_emission()), DEFAULT)
    lane, launches = engine.lanes[0], notes.decays(LAUNCHES)

    def issue() -> None:
        for _ in range(launches):
            lane.start(0, 0, 1, 1)
        begun = time.perf_counter()
        lane.counters()
        waited.append(time.perf_counter() - begun)

    def wait() -> None:
        for _ in range(launches):
            lane.start(0, 0, 1, 1)
            lane.counters()

    waited: list[float] = []
    issue()  # warm
    issued, answered = seconds_of(issue) - waited[-1], seconds_of(wait)
    engine.close()
    size = max(int(COPIED_BYTES * float(notes.given.get("factor", 1.0))), 1 << 20)
    host = np.ones(size // 8, np.int64)
    array = cupy.asarray(host)
    sent, received = seconds_of(lambda: cupy.asarray(host)), seconds_of(array.get)
    measured = {
        "issue_us": 1e6 * issued / launches, "round_trip_us": 1e6 * answered / launches,
        "to_device_gb_s": size / sent / 1e9, "to_host_gb_s": size / received / 1e9,
    }  # fmt: skip
    notes.tell("transfers", **measured)
    notes.say(", ".join(f"{name} {value:.3g}" for name, value in measured.items()))


def seconds_of(work: Callable[[], Any]) -> float:
    """How long something takes [s], waiting included."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def rates(notes: Notes) -> None:
    """Decays per second of the builds of one schedule, by ceiling of registers and threads of a block.

    The default shape of every build first, then other numbers of threads: what no longer fits is told.
    """
    refused = [variants.options_of(given) for given in notes.given.get("not_compiled", ())]
    builds = [build for build in variants.builds(notes.given) if build.schedule == notes.given["schedule"]]
    failures = [f"{build.describe()}: not compiled" for build in builds if build in refused]
    builds = [build for build in builds if build not in refused]
    worlds = {name: problems.world(problem) for name, problem in variants.patients().items()}
    tries = [(build._replace(threads=n), name) for n in variants.THREADS for build in builds for name in worlds]
    measured, left_out, longest, broken = 0, 0, 0.0, set()
    for options, name in tries:
        build = options._replace(threads=variants.THREADS[0])
        if build in broken:
            continue
        if notes.left_s < 1.5 * longest + 1.0:
            left_out += 1
            continue
        begin = time.perf_counter()
        try:
            measure(notes, name, worlds[name], options)
            measured += 1
        except Exception as error:  # a build that fails leaves the others to be measured
            broken.add(build)
            failures.append(f"{options.describe()}, {options.threads} threads: {type(error).__name__}: {error}")
            notes.say(failures[-1])
        longest = max(longest, time.perf_counter() - begin)
    if left_out:
        notes.tell("left out", schedule=notes.given["schedule"], measurements=left_out)
        notes.say(f"no time for {left_out} of {len(tries)} measurements")
    if failures:
        raise RuntimeError(f"{len(failures)} not measured; {failures[0]}")
    if not measured:
        raise RuntimeError("nothing was measured: no time left")


def measure(notes: Notes, name: str, world: Any, options: Any) -> None:
    """Rate of one build on one patient, and the hash of its integers."""
    engine = variants.engine(world, options)
    lane, voxels = engine.lanes[0], int(world.density.size)
    digest = variants.digest(*variants.batch_of(engine, voxels, notes.decays(variants.DECAYS_COMPARED)))
    per_batch = notes.decays(DECAYS)
    seconds = []
    for batch in range(REPEATS):
        begin = time.perf_counter()
        lane.start(batch, 0, per_batch, per_batch)
        lane.counters()
        seconds.append(time.perf_counter() - begin)
    rate = per_batch / statistics.median(seconds)
    used = resources(engine) | options._asdict()
    engine.close()
    notes.tell("rate", patient=name, decays=per_batch, seconds=seconds, decays_per_s=rate, digest=digest, **used)
    notes.say(
        f"{name:20s} {options.schedule:12s} {options.max_registers or 'free':>4} ({used['registers']}) registers, "
        f"{options.threads:3d} x {used['blocks']} threads: {rate:.3g} decays/s, {digest}"
    )


def batches(notes: Notes) -> None:
    """Decays per second of the chosen build by batch size: transport alone, with copies to the host, with sums."""
    options = variants.options_of(notes.given["options"])
    left_out, problems_of = 0, variants.patients()
    for size in sorted(BATCH_SIZES, key=lambda n: n != DECAYS):
        for name, problem in problems_of.items():
            if notes.left_s < 3.0:
                left_out += 1
                continue
            per_batch = notes.decays(size)
            engine = variants.engine(problems.world(problem), options)
            seconds, _ = gpu_bench.timed(engine, int(problem.density_g_cm3.size), per_batch, REPEATS)
            with_sums = gpu_bench.timed_run(engine, problem, per_batch, REPEATS + 1)
            engine.close()
            notes.tell(
                "batch", patient=name, decays=per_batch, with_sums_per_s=with_sums["decays_per_s"],
                with_copies_per_s=per_batch / seconds, sums=with_sums["sums"], settle_s=with_sums["settle_s"],
            )  # fmt: skip
            notes.say(
                f"{name:20s} batch {per_batch:.1e}: {with_sums['decays_per_s']:.3g} decays/s with sums on the "
                f"{with_sums['sums']}, {per_batch / seconds:.3g} with copies to the host"
            )
    if left_out:
        notes.say(f"no time for {left_out} measurements")
    if left_out > (len(BATCH_SIZES) - 1) * len(problems_of):
        raise RuntimeError("not every patient was measured: no time left")


def tests(notes: Notes) -> None:
    """tests/gpu with the recommended options, without the long comparisons with the CPU."""
    options = {"options": notes.given["options"]}
    scored, windows = {"problem": problems.TRACK_LENGTH}, {"tiles": 2}
    elsewhere(notes, [(COMPILE, options | more) for more in (scored, windows, scored | windows)])
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-p", "no:cacheprovider", "-q", "-rs", "-k", SHORT_TESTS]
    # nothing is kept for this card before they pass
    recommended = json.dumps(variants.options_of(notes.given["options"])._asdict())
    environment = os.environ | {"HEVESY_REQUIRE_GPU": "1", "HEVESY_GPU_OPTIONS": recommended}
    ran = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.STDOUT, check=False)
    if ran.returncode:
        raise RuntimeError(f"pytest ended with {ran.returncode}: see its output")
