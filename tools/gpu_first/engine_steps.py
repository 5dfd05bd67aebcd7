"""Steps of the engine: it compiles, conserves energy, repeats, and agrees with the CPU and with itself."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.benchmarks import gpu_problems as problems
from hevesy.kernels.backends.machine import usable_cores

from . import variants
from .runner import Notes, Outcome, run_step
from .steps import COMPILE, COMPILE_CPU, PREPARE

#: name of a step that is done in another process, and what it is given
Task = tuple[str, dict[str, Any]]
PROGRAM = Path(__file__).with_name("__main__.py")
#: relative difference of an event count between CPU and GPU with the same seed: what rounding alone makes, and what
#: it cannot make
EXPECTED, REFUSED = 1e-3, 2e-3
#: counters that are no events: sums of energy, and what was asked for
NOT_EVENTS = ("emitted", "escaped", "deposited", "decays", "track_scored", "transferred")
#: events that happen less often are not judged
LEAST_COUNT = 10_000
DECAYS = 20_000


def compile_all(notes: Notes) -> None:
    """Compile every build into the kernel cache, each in a process of its own, over the cores."""
    tasks: list[Task] = [(COMPILE, {"options": options._asdict()}) for options in variants.builds(notes.given)]
    # the CPU's own kernel and the tables of the patients take as long
    tasks[1:1] = [(COMPILE_CPU, {}), (PREPARE, {})]
    elsewhere(notes, tasks)


def elsewhere(notes: Notes, tasks: Sequence[Task]) -> None:
    """Do tasks in other processes, as many at a time as there are cores.

    Raises
    ------
    RuntimeError
        If some failed; the others are done.
    """
    begin = time.monotonic()
    with ThreadPoolExecutor(min(usable_cores(), len(tasks))) as pool:
        outcomes = list(pool.map(lambda task: _in_a_process(notes, *task), tasks))
    failed = []
    for (name, given), outcome in zip(tasks, outcomes, strict=True):
        told: dict[str, Any] = {}
        for kind, values in outcome.facts:
            told |= values if kind in ("kernel", "traceback") else {}
        notes.tell(
            "compiled", task=name, given=given, ok=outcome.state == "ok", seconds=outcome.seconds,
            reason=outcome.reason, **told,
        )  # fmt: skip
        what = name if "options" not in given else f"{name} {variants.options_of(given['options']).describe()}"
        notes.say(f"{what}: {outcome.state} in {outcome.seconds:.1f} s {outcome.reason}".rstrip())
        if outcome.state != "ok":
            failed.append(f"{what}: {outcome.reason}")
    notes.say(f"{len(tasks)} tasks in {time.monotonic() - begin:.1f} s")
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(tasks)} failed; {failed[0]}")


def _in_a_process(notes: Notes, name: str, given: dict[str, Any]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        facts, limit = Path(folder) / "facts", notes.left_s
        if limit <= 0.0:
            return Outcome(name, "skipped", 0.0, "no time left", "", [])
        settings = json.dumps(dict(notes.given) | given | {"limit_s": limit})
        command = [sys.executable, str(PROGRAM), "--step", name, "--facts", str(facts), "--given", settings]
        return run_step(name, command, facts, limit)


def compile_one(notes: Notes) -> None:
    """Compile one build, or find it in the cache."""
    options = variants.options_of(notes.given["options"])
    problem = problems.load(notes.given.get("problem", problems.HERE))
    begin = time.perf_counter()
    engine = variants.engine(problems.world(problem), options, tiles=notes.given.get("tiles"))
    notes.tell("kernel", ready_s=time.perf_counter() - begin, **resources(engine))
    engine.close()


def compile_cpu(notes: Notes) -> None:
    """Compile the CPU's kernel, or find it in the cache."""
    from hevesy.kernels.backends import cpu

    world = problems.world(problems.mixed_emission())
    engine = cpu.Engine(world, variants.SEED)
    engine.run_batch(0, 32, np.zeros(world.density.size, np.int64))
    engine.close()


def prepare_patients(notes: Notes) -> None:
    """Compute the physics tables of the patients, or find them in the cache."""
    for name, problem in variants.patients().items():
        world = problems.world(problem)
        notes.say(f"{name}: {world.density.size} voxels, emission from {problems.emission_source(name)}")


def resources(engine: Any) -> dict[str, int]:
    """Registers, local memory and launch shape of an engine's first device."""
    lane = engine.lanes[0]
    definition = problems.kernel_of(lane)
    return {
        "registers": int(definition.regs_per_thread), "local_bytes": int(definition.local_mem_per_thread),
        "blocks": lane.launch.blocks, "threads": lane.launch.threads, "resident": lane.launch.resident,
    }  # fmt: skip


def first_engine(notes: Notes) -> None:
    """The default build conserves energy and gives the same integers twice."""
    from hevesy.kernels.backends.cuda_options import DEFAULT

    world = problems.world(problems.mixed_emission())
    begin = time.perf_counter()
    engine = variants.engine(world, DEFAULT)
    used = resources(engine)
    notes.tell("engine", ready_s=time.perf_counter() - begin, memory=engine.lanes[0].plan.describe(), **used)
    occupancy = used["blocks"] * used["threads"] / max(used["resident"], 1)
    notes.say(
        f"ready in {time.perf_counter() - begin:.1f} s: {used['registers']} registers, {used['local_bytes']} bytes of "
        f"local memory, {used['blocks']} blocks of {used['threads']} threads, occupancy {occupancy:.0%}"
    )
    twice = [variants.digest(*variants.batch_of(engine, world.density.size, notes.decays(DECAYS))) for _ in range(2)]
    engine.close()
    if twice[0] != twice[1]:
        raise ArithmeticError("the same batch gave other integers the second time")
    notes.say(f"two batches equal to the quantum: {twice[0]}")


def against_cpu(notes: Notes) -> None:
    """The same seed on CPU and GPU: the same decays, so events differ by rounding alone."""
    from hevesy.kernels.backends import cpu
    from hevesy.kernels.backends.cuda_options import DEFAULT

    world, per_batch = problems.world(problems.mixed_emission()), notes.decays(DECAYS)
    results = []
    for engine in (cpu.Engine(world, 7), variants.engine(world, DEFAULT, seed=7)):
        results.append(variants.batch_of(engine, world.density.size, per_batch, batch=3))
        engine.close()
    (on_cpu, tally_cpu), (on_gpu, tally_gpu) = results
    apart = float(np.abs(tally_cpu - tally_gpu).sum() / tally_cpu.sum())
    worst, judged = compare(on_cpu, on_gpu, notes.decays(LEAST_COUNT))
    if not judged:
        raise ArithmeticError("no event happened often enough to be compared")
    notes.tell("counts", cpu=on_cpu, gpu=on_gpu, worst=worst, tallies_apart=apart)
    notes.say(f"largest difference of {len(judged)} event counts {worst:.1e}, of the tallies (L1) {apart:.1e}")
    for name in judged:
        notes.say(f"{name:24s} {on_cpu[name]:16d} {on_gpu[name]:16d}")
    if worst > REFUSED:
        raise ArithmeticError(f"event counts differ by {worst:.1e}, which rounding does not explain")
    if worst > EXPECTED:
        notes.say(f"more than the {EXPECTED:.0e} that was expected: look at the counts above")


def compare(on_cpu: dict[str, int], on_gpu: dict[str, int], least: int) -> tuple[float, list[str]]:
    """Largest relative difference of the counts of events that reach ``least``, and their names."""
    events = [name for name in on_cpu if name not in NOT_EVENTS]
    judged = [name for name in events if max(on_cpu[name], on_gpu[name]) >= least]
    differences = [abs(on_gpu[name] - on_cpu[name]) / max(on_cpu[name], 1) for name in judged]
    return max(differences, default=0.0), judged


def schedules(notes: Notes) -> None:
    """Every schedule gives the integers of the default one."""
    from hevesy.kernels.backends.cuda_options import DEFAULT

    world, per_batch = problems.world(problems.mixed_emission()), notes.decays(DECAYS)
    digests = {}
    for options in variants.builds(notes.given):
        if options.max_registers == DEFAULT.max_registers:
            engine = variants.engine(world, options)
            digests[options.schedule] = variants.digest(*variants.batch_of(engine, world.density.size, per_batch))
            engine.close()
            notes.say(f"{options.schedule}: {digests[options.schedule]}")
    notes.tell("schedules", digests=digests)
    if len(set(digests.values())) > 1:
        raise ArithmeticError(f"schedules give different integers: {digests}")


def devices(notes: Notes) -> None:
    """Two devices give the integers of one."""
    from hevesy.kernels.backends import cuda_probe
    from hevesy.kernels.backends.cuda_options import DEFAULT

    count = len(cuda_probe.devices())
    if count == 1:
        notes.say("one device: nothing to compare")
        return
    world, per_batch = problems.world(problems.mixed_emission()), notes.decays(DECAYS)
    digests = []
    for number in (1, 2):
        engine = variants.engine(world, DEFAULT, devices=number)
        digests.append(variants.digest(*variants.batch_of(engine, world.density.size, per_batch)))
        engine.close()
    notes.say(f"{count} devices; integers of one and of two: {digests}")
    if digests[0] != digests[1]:
        raise ArithmeticError("two devices gave other integers than one")
