"""Dose methods on the same cases: time, and the means of the lesions against Monte Carlo; the convolution alone."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hevesy.benchmarks import cases
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.dose.convolution import convolve, padded_shape
from hevesy.engine.dose.kernel_choice import MOST_VOXELS, kernel_request
from hevesy.engine.dose.methods import METHODS
from hevesy.engine.dose.voxel_s.cache import kept_kernel
from hevesy.engine.dose.voxel_s.make import make_kernel
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run_options import RunOptions
from hevesy.engine.until import Until

#: Dose is stated from this density on, as in a run [g/cm3].
AIR_G_CM3 = 0.01
#: How well Monte Carlo, and what else simulates, knows the lesions that the others are compared with.
GOAL, QUICK_GOAL = "lesions:0.5%", "lesions:2%"
EDGES = (64, 128, 256)


def compared(problem: Problem, goal: str) -> dict[str, dict[str, Any]]:
    """Seconds of every method, and its lesion means against those of Monte Carlo; kernels come from the cache."""
    options = RunOptions(backend="cpu", until=Until.parse(goal), time_limit_s=120.0)
    kept_kernel(kernel_request(problem, AIR_G_CM3, options), backend="cpu")
    rows: dict[str, dict[str, Any]] = {}
    means: dict[str, np.ndarray] = {}
    for name, method in METHODS.items():
        start, cpu = time.perf_counter(), time.process_time()
        dose = compute_dose(name, problem, air_density_g_cm3=AIR_G_CM3, options=options)
        rows[name] = {"s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
        rows[name]["simulates"] = method.simulates
        if dose.tally is not None:
            energy, spread = dose.tally.region_energy()
            rows[name]["largest_error"] = float((spread / energy).max())
        means[name] = cases.lesion_means(problem, dose.mean)
    for name, row in rows.items():
        bias = means[name] / means["mc"] - 1.0
        row["lesion_bias"] = bias.tolist()
        row["largest_bias"] = float(bias[np.abs(bias).argmax()])
    return rows


@pytest.mark.parametrize("name", [cases.MAIN, "I-131 patient 3 mm", "Y-90 patient 4 mm", cases.HETEROGENEOUS])
def test_methods(name, quick, benchmark, keep) -> None:
    """Every registered method on one case."""
    if quick and name != cases.MAIN:
        pytest.skip("not part of the quick run")
    problem = cases.load(name)
    if problem is None:
        pytest.skip("its file is not here: set HEVESY_SHARED")
    rows = benchmark.pedantic(compared, args=(problem, QUICK_GOAL if quick else GOAL), rounds=1)
    keep("methods", name, {"voxels": problem.density_g_cm3.size, "by_method": rows})
    assert set(rows) == set(METHODS)


@pytest.mark.parametrize("name", [cases.MAIN, "Y-90 patient 4 mm"])
def test_kernel(name, quick, benchmark, keep) -> None:
    """The kernel of a case: simulated, and from the cache."""
    if quick and name != cases.MAIN:
        pytest.skip("not part of the quick run")
    problem = cases.load(name)
    assert problem is not None
    request = kernel_request(problem, AIR_G_CM3, RunOptions(backend="cpu"))
    make_kernel(replace(request, decays=1000, reach=(1, 1, 1)), backend="cpu")  # compiled, before the clock starts
    start, cpu = time.perf_counter(), time.process_time()
    kernel = make_kernel(request, backend="cpu")
    made, used = time.perf_counter() - start, time.process_time() - cpu
    kept_kernel(request, backend="cpu")
    benchmark.pedantic(kept_kernel, args=(request,), kwargs={"backend": "cpu"}, rounds=3)
    middle = kernel.reach
    keep(
        "kernel",
        name,
        {
            "voxels": kernel.energy_mev.size,
            "decays": kernel.decays,
            "made_s": made,
            "made_cpu_s": used,
            "cached_s": benchmark.stats.stats.min,
            "source_error": float(kernel.standard_error_mev[middle] / kernel.energy_mev[middle]),
        },
    )


@pytest.mark.parametrize("edge", EDGES)
def test_convolution(edge, quick, benchmark, keep) -> None:
    """Grids of edge^3 voxels with the longest kernel that a method uses; the error of single precision."""
    if quick and edge > 128:
        pytest.skip("not part of the quick run")
    reach = min(edge - 1, int(MOST_VOXELS ** (1 / 3) - 1) // 2)
    rng = np.random.default_rng(1)
    decays = rng.gamma(0.5, 1.0, (edge,) * 3)
    steps = np.arange(-reach, reach + 1)
    r = np.sqrt(steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2)
    kernel = np.exp(-0.05 * r) / np.maximum(r, 0.1) ** 2 / 100.0  # photons and a hot voxel: 1e6 from end to end
    figures: dict[str, Any] = {"voxels": edge**3, "reach": reach, "padded": padded_shape(decays.shape, kernel.shape)}
    for dtype in (np.float64, np.float32):
        seconds, cpu = [], []
        for _ in range(3):
            start, used = time.perf_counter(), time.process_time()
            energy = convolve(decays, kernel, dtype=dtype)
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
        figures |= {f"{dtype.__name__}_s": min(seconds), f"{dtype.__name__}_cpu_s": min(cpu)}
        if dtype is np.float64:
            exact = energy
    figures["float32_error"] = float(np.abs(energy - exact).max() / exact.max())
    alone = np.zeros_like(decays)
    alone[(edge // 2,) * 3] = 1.0
    both = [convolve(alone, kernel, dtype=dtype) for dtype in (np.float64, np.float32)]
    far = both[0] < 1e-5 * both[0].max()
    figures["float32_error_far"] = float(np.abs(both[1][far] / both[0][far] - 1.0).max()) if far.any() else None
    benchmark.pedantic(convolve, args=(decays, kernel), rounds=1)
    keep("convolution", f"{edge}^3", figures)
