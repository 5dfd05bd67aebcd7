"""The kernel method is Monte Carlo in a uniform medium: arbitrary activity, one medium, the same surroundings.

The activity fills a cube in a block of water, with as much water around it as a kernel has around its own box, so that
both see the same medium. The kernel's part of the variance comes from kernels that were made independently: a
convolution is linear in its kernel, so the spread of their doses has every correlation in it.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hevesy.engine.dose.convolution import convolve
from hevesy.engine.dose.kernel_choice import kernel_request
from hevesy.engine.dose.kernel_method import convolved_dose
from hevesy.engine.dose.map import relative_source
from hevesy.engine.dose.voxel_s.extent import margin_g_cm2
from hevesy.engine.dose.voxel_s.make import KernelRequest, make_kernel
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.transport.run import run_transport
from hevesy.engine.transport.run_options import RunOptions
from hevesy.tests.verification.budget import ALPHA, quantile
from hevesy.tests.verification.drivers import WATER, block
from scipy import stats

#: voxels along an edge of the active cube; the kernel reaches from any of them to any other and one beyond
ACTIVE, REACH = 8, (8, 8, 8)
DENSITY = 1.037
BATCHES, KERNELS = 200, 24
#: voxels of the chi-square: every third one along each axis, so that few tracks cross two of them
APART = 3

CASES = [
    pytest.param("I-131", (4.0, 4.0, 4.0), id="131I"),
    pytest.param("Y-90", (4.0, 2.5, 3.0), id="90Y anisotropic"),
    pytest.param("F-18", (5.0, 5.0, 5.0), id="18F"),
    pytest.param("I-131", (4.0, 2.0, 3.0), id="131I anisotropic", marks=pytest.mark.slow),
    pytest.param("Y-90", (3.0, 3.0, 3.0), id="90Y", marks=pytest.mark.slow),
    pytest.param("I-124", (5.0, 3.0, 2.5), id="124I anisotropic", marks=pytest.mark.slow),
]


def uniform(name: str, size_mm: tuple[float, float, float]):
    """An arbitrary map of activity in uniform water, and its box."""
    around = margin_g_cm2(KernelRequest(nuclide(name).emission, size_mm, WATER, DENSITY))
    margin = [ceil(around / DENSITY * 10.0 / size) for size in size_mm]
    shape = tuple(ACTIVE + 2 * m for m in margin)
    rng = np.random.default_rng(41)
    activity = rng.gamma(0.7, 1.0, (ACTIVE,) * 3) * (rng.random((ACTIVE,) * 3) < 0.6)
    source, box = np.zeros(shape, np.float32), tuple(slice(m, m + ACTIVE) for m in margin)
    source[box] = activity
    density = np.full(shape, DENSITY, np.float32)
    return block(nuclide(name).emission, shape, size_mm, (WATER,), density=density, source=source), box


def chi_square(mc, sigma, mean, hot) -> tuple[float, float, int]:
    """P of a larger chi-square by chance, chi2/ndf and voxels; of hot voxels that share few tracks.

    A square of a z from B batches follows F(1, B - 1); their sum takes the gamma law of the same mean and variance.
    A correct kernel fails either side of the test with the probability ALPHA (1e-9).
    """
    apart = np.zeros_like(hot)
    apart[::APART, ::APART, ::APART] = True
    squares = (((mc - mean) / sigma) ** 2)[hot & apart]
    one, variance = stats.f.stats(1, BATCHES - 1, moments="mv")
    tail = stats.gamma.sf(squares.sum(), squares.size * one**2 / variance, scale=variance / one)
    return float(tail), float(squares.mean()), squares.size


def welch(mc_sigma, kernel_sigma):
    """Effective degrees of freedom of the two variances together (Welch and Satterthwaite)."""
    a, b = np.square(mc_sigma), np.square(kernel_sigma)
    return (a + b) ** 2 / (a**2 / (BATCHES - 1) + b**2 / (KERNELS - 1))


@pytest.mark.parametrize(("name", "size_mm"), CASES)
def test_a_uniform_medium_has_the_dose_of_monte_carlo(name, size_mm):
    problem, box = uniform(name, size_mm)
    options = RunOptions(
        decays=1_500_000,
        batches=BATCHES,
        seed=5,
        backend="cpu",
        regions=_regions(problem, box),
        region_names=("a", "b"),
    )
    tally = run_transport(problem, options)
    request = kernel_request(problem, 0.01, options)
    assert (request.medium, request.density_g_cm3) == (WATER, pytest.approx(DENSITY, rel=1e-6))
    kernels = [
        make_kernel(replace(request, reach=REACH, decays=60_000, seed=100 + k), backend="cpu") for k in range(KERNELS)
    ]
    share = relative_source(problem)[box]
    energies = np.array([convolve(share, kernel.energy_mev) for kernel in kernels])
    mean, sigma = energies.mean(axis=0), energies.std(axis=0, ddof=1) / np.sqrt(KERNELS)

    # every voxel of the cube above 5 % of the largest energy
    mc, mc_sigma = (array[box] for array in tally.mean_sigma_mev())
    hot = mean > 0.05 * mean.max()
    z = ((mc - mean) / np.hypot(mc_sigma, sigma))[hot]
    assert hot.sum() > 200
    assert np.abs(z).max() < quantile(z.size, welch(mc_sigma[hot], sigma[hot]).min())

    tail, ratio, n = chi_square(mc, np.hypot(mc_sigma, sigma), mean, hot)
    assert ALPHA < tail < 1.0 - ALPHA, f"chi2/ndf {ratio:.3f} of {n} voxels"

    # sums over the cube and over its core, with all correlations: batches of the transport, spread of the kernels
    quanta = np.asarray(tally.region_quanta, float) / tally.batch_histories * 2.0**-26
    for column, (weight, enough) in enumerate(((np.ones((ACTIVE,) * 3), 1e-3), (_core(), 5e-3))):
        ours = (energies * weight).sum(axis=(1, 2, 3))
        theirs = quanta[:, column] / 255.0
        errors = theirs.std(ddof=1) / np.sqrt(BATCHES), ours.std(ddof=1) / np.sqrt(KERNELS)
        assert np.hypot(*errors) < enough * ours.mean()
        assert abs(ours.mean() - theirs.mean()) / np.hypot(*errors) < quantile(2, welch(*errors))


def test_a_kernel_of_another_density_fails_it():
    """The chi-square sees a kernel of 1.2 g/cm3 in place of 1.037 g/cm3."""
    problem, box = uniform("I-131", (4.0, 4.0, 4.0))
    options = RunOptions(decays=1_000_000, batches=BATCHES, seed=5, backend="cpu")
    mc, mc_sigma = (array[box] for array in run_transport(problem, options).mean_sigma_mev())
    request = replace(kernel_request(problem, 0.01, options), reach=REACH, density_g_cm3=1.2, decays=500_000)
    mean = convolve(relative_source(problem)[box], make_kernel(request, backend="cpu").energy_mev)
    tail, _, _ = chi_square(mc, mc_sigma, mean, mean > 0.05 * mean.max())
    assert tail < ALPHA


def test_what_the_kernel_holds_is_deposited_and_the_notes_say_so():
    problem, box = uniform("I-131", (4.0, 4.0, 4.0))
    request = replace(kernel_request(problem, 0.01, RunOptions()), reach=REACH, decays=200_000)
    kernel = make_kernel(request, backend="cpu")
    dose = convolved_dose(problem, 1e9, kernel, air_density_g_cm3=0.01)
    mass = problem.density_g_cm3.astype(float) * problem.voxel_volume_ml * 1e-3
    emitted = kernel.emitted_mev
    absorbed = (dose.mean * mass).sum() / 1e9 / 1.602176634e-13
    # the reach ends inside the block: all that the kernel holds is deposited in it
    assert absorbed == pytest.approx(emitted - kernel.truncated_mev, rel=1e-9)
    share = f"{100 * absorbed / emitted:.2g} % in voxels with a dose"
    assert any(share in note for note in dose.notes), dose.notes


def _core() -> np.ndarray:
    core = np.zeros((ACTIVE,) * 3)
    core[2:-2, 2:-2, 2:-2] = 1.0
    return core


def _regions(problem, box) -> list[np.ndarray]:
    out = []
    for weight in (np.ones((ACTIVE,) * 3), _core()):
        region = np.zeros(problem.density_g_cm3.shape, np.uint8)
        region[box] = 255 * weight.astype(np.uint8)
        out.append(region)
    return out
