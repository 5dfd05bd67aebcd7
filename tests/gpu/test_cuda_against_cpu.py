"""The GPU against the CPU: the same physics within statistics, the same integers where all is integer."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.kernels.backends import cpu, cuda
from hevesy.tests.conftest import SUITE_ALPHA
from scipy import ndimage, stats

BATCHES = 40
CPU_DECAYS, GPU_DECAYS = 20_000, 100_000  # of one batch
#: a voxel is judged when both standard errors are below this share of its mean: nearly normal there
SHARPEST = 0.05
#: share of the suite's error budget of one judgement: 10 problems, 3 judgements each, and room for others
ALPHA = -np.expm1(np.log1p(-SUITE_ALPHA) / 100)
#: how often things happen in a decay; every counter that physics, not bookkeeping, decides
RATES = (
    "emitted", "deposited", "escaped", "photon_flights", "photon_collisions", "electron_steps",
    "electron_segments", "hard_collisions", "bremsstrahlung_photons", "range_rejections", "electrons",
)  # fmt: skip


def parts(problem) -> dict[str, np.ndarray]:
    """Parts of a grid, chosen before anything is simulated: its regions, the source, next to it, materials."""
    source = np.asarray(problem.source) > 0
    near = ndimage.binary_dilation(source, iterations=2) & ~source
    found = {"everything": np.ones_like(source), "source": source, "near the source": near, "far": ~source & ~near}
    for i, material in enumerate(problem.materials):
        found[material.name] = np.asarray(problem.material) == i
    if problem.regions is not None:
        for number in np.unique(problem.regions):
            found[f"region {number}"] = np.asarray(problem.regions) == number
    return {name: mask.ravel() for name, mask in found.items() if mask.any()}


def simulated(engine, world, masks, per_batch: int):
    """Mean energy per decay of voxels [quanta] and its standard error; by batch, parts' energies and counters."""
    voxels = world.density.size
    total, squares, sums, counts = np.zeros(voxels), np.zeros(voxels), [], []
    for batch in range(BATCHES):
        tally = np.zeros(voxels, np.int64)
        counters = engine.run_batch(batch, per_batch, tally)
        assert counters["emitted"] == counters["deposited"] + counters["escaped"]
        scored = counters.get("track_scored", 0) - counters.get("transferred", 0)
        assert int(tally.sum()) == counters["deposited"] + scored
        assert counters["decays"] == per_batch
        x = tally / per_batch
        total += x
        squares += x * x
        sums.append([x[mask].sum() for mask in masks.values()])
        counts.append([counters[name] / per_batch for name in RATES])
    engine.close()
    mean = total / BATCHES
    variance = np.maximum(squares / BATCHES - mean**2, 0.0) * BATCHES / (BATCHES - 1)
    return mean, np.sqrt(variance / BATCHES), np.array(sums), np.array(counts)


@pytest.fixture(scope="module", params=problems.NAMES)
def both(request):
    problem = problems.load(request.param)
    if problem is None:
        reason = f"{problems.lacking(request.param)}; set HEVESY_SHARED to the folder that holds reference/"
        (pytest.fail if problems.required() else pytest.skip)(reason)
    world, masks = problems.world(problem), parts(problem)
    # other seeds: nothing but the physics is common
    on_cpu = simulated(cpu.Engine(world, seed=11), world, masks, CPU_DECAYS)
    on_gpu = simulated(cuda.Engine(world, seed=12), world, masks, GPU_DECAYS)
    return list(masks), on_cpu, on_gpu


def degrees_of_freedom(a, b):
    """Welch-Satterthwaite, of two means of BATCHES values each with these standard errors."""
    return (a**2 + b**2) ** 2 / (a**4 + b**4) * (BATCHES - 1)


def test_voxels_agree(both):
    _, (mean_c, sigma_c, *_), (mean_g, sigma_g, *_) = both
    judged = (sigma_c > 0) & (sigma_g > 0) & (sigma_c < SHARPEST * mean_c) & (sigma_g < SHARPEST * mean_g)
    assert judged.any()
    a, b = sigma_c[judged], sigma_g[judged]
    t = (mean_g - mean_c)[judged] / np.hypot(a, b)
    p = 2 * stats.t.sf(np.abs(t), degrees_of_freedom(a, b))
    worst = np.argmin(p)
    values = f"CPU {mean_c[judged][worst]:.6g}, GPU {mean_g[judged][worst]:.6g}"
    assert p[worst] > -np.expm1(np.log1p(-ALPHA) / p.size), f"t = {t[worst]:.2f} in one of {p.size} voxels: {values}"


def judge(names, on_cpu, on_gpu):
    """Welch's test of every column, batch by batch; the least likely one must fit the budget of them all."""
    found = []
    for i, name in enumerate(names):
        c, g = on_cpu[:, i], on_gpu[:, i]
        if c.std() <= 1e-9 * abs(c.mean()) and g.std() <= 1e-9 * abs(g.mean()):
            assert abs(c.mean() - g.mean()) <= 1e-6 * abs(c.mean()), name
            continue
        found.append((float(stats.ttest_ind(c, g, equal_var=False).pvalue), name, c.mean(), g.mean()))
    assert min(found)[0] > -np.expm1(np.log1p(-ALPHA) / len(found)), min(found)


def test_parts_of_the_grid_agree(both):
    """Regions, source, its surroundings, each material: where a small bias of many voxels would show."""
    names, (_, _, c, _), (_, _, g, _) = both
    judge(names, c, g)


def test_events_happen_as_often(both):
    """Emission, escape, flights, collisions, steps, segments: both backends alike."""
    _, (*_, c), (*_, g) = both
    judge(RATES, c, g)


def test_random_words_are_the_cpu_s():
    """Philox on the device gives the very words of the uncompiled source."""
    from hevesy.kernels.backends import cuda_target
    from hevesy.kernels.backends.cuda_stack import cuda as numba_cuda
    from hevesy.kernels.loader import load
    from hevesy.kernels.rng import philox as plain

    cuda_target.kernel_function()
    philox = load("cuda", cuda_target._modules["cuda"], "rng").philox

    @numba_cuda.jit
    def words(counters, out):
        i = numba_cuda.grid(1)
        if i < counters.shape[0]:
            a, b, c, d = philox(
                counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], counters[i, 4], counters[i, 5]
            )
            out[i, 0] = a
            out[i, 1] = b
            out[i, 2] = c
            out[i, 3] = d

    given = np.random.default_rng(1).integers(0, 1 << 32, (4096, 6), dtype=np.uint32)
    given[0], given[1] = 0, 0xFFFFFFFF
    out = np.zeros((4096, 4), np.uint32)
    words[32, 128](given, out)
    with np.errstate(over="ignore"):
        expected = np.array([plain(*row) for row in given], np.uint32)
    assert np.array_equal(out, expected)
    # Random123's known answers for counter and key of all zeros and all ones
    assert [f"{w:08x}" for w in out[0]] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    assert [f"{w:08x}" for w in out[1]] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


def test_decays_happen_in_the_same_voxels():
    """With nothing but a local energy the tally is all-integer: equal to the CPU's, bit by bit."""
    from dataclasses import replace

    from hevesy.engine.nuclides.emission import Emission

    problem = replace(problems.mixed_emission(), emission=Emission(alpha_lines=np.array([[5.0, 1.0]])))
    world = problems.world(problem)
    tallies = []
    for engine in (cpu.Engine(world, seed=3), cuda.Engine(world, seed=3)):
        tally = np.zeros(world.density.size, np.int64)
        engine.run_batch(2, 100_003, tally)
        engine.close()
        tallies.append(tally)
    assert tallies[0].sum() > 0
    assert np.array_equal(*tallies)
