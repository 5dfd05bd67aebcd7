"""Figure of merit 1/(sigma^2 T) of range rejection, stratified sources and track-length photons.

sigma is the relative standard error of the voxels above half (``hot``) and above 2 % of the largest dose (``most``),
root mean square; T is the processor time of this process, so that other work on the machine does not count. Run with
``pytest benchmarks/test_variance.py --benchmark-json=FILE``, or ``python -m hevesy.benchmarks.test_variance`` for the
table of docs/decisions/0004-variance.md. The problems are those of shared/reference.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pytest
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.statistics import MINIMUM_BATCHES
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.world import build_world
from hevesy.kernels.backends import cpu
from hevesy.kernels.tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from hevesy.tools.reference import reference_folder

PROBLEMS = {
    "131I heterogeneous": ("i131_heterogeneous_3mm.npz", 20_000),
    "177Lu voxel": ("lu177_voxel_3mm_water.npz", 4_000),
    "90Y voxel": ("y90_voxel_3mm_water.npz", 2_000),
}
BATCHES = 120


@numba.njit(**cpu.OPTIONS)
def _one_by_one(run, world, tally, counters, stack_real, stack_int, seed, batch, count):
    """``count`` histories, each a batch of its own: one stratum, new random shifts, so nothing is stratified."""
    for index in range(count):
        run(world, tally, counters, stack_real, stack_int, seed, seed, batch * count + index, 0, 1, 1)


def measure(problem: Problem, histories: int, stratified: bool = True, batches: int = BATCHES, **physics) -> dict:
    """Noise and processor time of ``batches`` batches on one thread."""
    assert batches >= MINIMUM_BATCHES
    world = build_world(problem, PhysicsOptions.from_dict({**problem.physics, **physics}))
    run = cpu._compiled()
    stack_real = np.zeros(STACK_DEPTH * STACK_REALS, np.float32)
    stack_int = np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
    seed, i64 = np.uint32(7), np.int64
    size = problem.density_g_cm3.size
    total, squares, spent = np.zeros(size), np.zeros(size), 0.0
    counters = np.zeros(len(COUNTERS), np.int64)
    for batch in range(-1, batches):  # the first one compiles and is thrown away
        tally = np.zeros(size, np.int64)
        if batch == 0:
            counters[:] = 0
        start = time.process_time()
        number, count = i64(max(batch, 0)), i64(histories if batch >= 0 else 10)
        if stratified:
            run(world, tally, counters, stack_real, stack_int, seed, seed, number, i64(0), count, count)
        else:
            _one_by_one(run, world, tally, counters, stack_real, stack_int, seed, number, count)
        if batch >= 0:
            spent += time.process_time() - start
            dose = tally / np.maximum(problem.density_g_cm3.ravel(), 1e-6)
            total += dose
            squares += dose**2
    mean = total / batches
    variance = (squares / batches - mean**2) / (batches - 1)
    out = {"cpu_s": spent, "decays": histories * batches, "steps_per_decay": 0.0}
    out["steps_per_decay"] = float(counters[COUNTERS.index("electron_steps")]) / out["decays"]
    for name, share in (("hot", 0.5), ("most", 0.02)):
        voxels = mean > share * mean.max()
        out[name] = float(np.sqrt(np.mean(variance[voxels] / mean[voxels] ** 2)))
        out[f"merit_{name}"] = 1.0 / (out[name] ** 2 * spent)
    return out


def photons_only(problem: Problem) -> Problem:
    """The same problem with the photon lines alone."""
    return replace(problem, emission=Emission(photon_lines=problem.emission.photon_lines))


def variants(name: str, problem: Problem, histories: int) -> dict[str, dict]:
    """Every variant of one problem, the default first."""
    found = {
        "default": measure(problem, histories),
        "no range rejection": measure(problem, histories, range_rejection=False),
        "not stratified": measure(problem, histories, stratified=False),
    }
    if name.startswith("131I"):
        found["track-length"] = measure(problem, histories, photon_scoring="track-length")
        alone = photons_only(problem)
        found["photons alone, analog"] = measure(alone, histories)
        found["photons alone, track-length"] = measure(alone, histories, photon_scoring="track-length")
    return found


@pytest.mark.parametrize("name", PROBLEMS)
def test_figure_of_merit(name, reference_dir, quick, benchmark, keep) -> None:
    """Measures, and keeps, the figures; none of the techniques may cost more than it gains."""
    if quick:
        pytest.skip("not part of the quick run")
    file, histories = PROBLEMS[name]
    problem = Problem.load(reference_dir / file)
    found = benchmark.pedantic(variants, args=(name, problem, histories), rounds=1)
    keep("variance", name, {"by_variant": found})
    best = found["default"]["merit_hot"]
    # 120 batches: each variance scatters by 13 % or less; processor time on a shared machine by as much again
    assert best > 0.6 * found["no range rejection"]["merit_hot"]
    assert best > 0.6 * found["not stratified"]["merit_hot"]
    if "photons alone, analog" in found:
        assert found["photons alone, track-length"]["merit_most"] > 3 * found["photons alone, analog"]["merit_most"]


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Folder of the reference problems."""
    folder = reference_folder()
    if folder is None:
        pytest.skip("reference data not found; set HEVESY_SHARED to the folder that holds it")
    return folder


def table(folder: Path) -> str:
    """All figures as lines of a Markdown table."""
    lines = [
        "| problem | variant | rel. sigma hot / most % | CPU s | steps/decay | FOM hot / most 1/s |",
        "|---|---|---|---|---|---|",
    ]
    for name, (file, histories) in PROBLEMS.items():
        for variant, f in variants(name, Problem.load(folder / file), histories).items():
            lines.append(
                f"| {name} | {variant} | {100 * f['hot']:.3g} / {100 * f['most']:.3g} | {f['cpu_s']:.2f} "
                f"| {f['steps_per_decay']:.2f} | {f['merit_hot']:.3g} / {f['merit_most']:.3g} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    reference = reference_folder()
    if reference is None:
        raise SystemExit("reference data not found; set HEVESY_SHARED to the folder that holds it")
    logging.info("%s", table(reference))
