"""What must not matter: where the grid lies, how it is turned, which way round source and target are."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.transport.run import simulate
from hevesy.tests.verification.budget import assert_same_dose, quantile
from hevesy.tests.verification.drivers import BONE, LUNG, WATER, block, photon_line

DECAYS, BATCHES = 150_000, 60


def body():
    """An uneven body of three media in uneven voxels (2, 3 and 4 mm), an uneven source."""
    rng = np.random.default_rng(21)
    shape = (5, 6, 7)
    material = rng.integers(0, 3, shape)
    density = np.array([0.26, 1.0, 1.85])[material] * rng.uniform(0.9, 1.1, shape)
    source = np.where(rng.random(shape) < 0.2, rng.random(shape), 0.0)
    return material, density, source


def run(material, density, source, size, seed):
    problem = block(nuclide("I-131").emission, density.shape, size, (LUNG, WATER, BONE), density, material, source)
    tally = simulate(problem, decays=DECAYS, batches=BATCHES, seed=seed)
    return tally.dose_gy_per_decay(problem.density_g_cm3, problem.voxel_volume_ml)


@pytest.fixture(scope="module")
def plain():
    return run(*body(), (2.0, 3.0, 4.0), seed=1)


@pytest.mark.parametrize(
    "axes, flips", [((2, 0, 1), ()), ((1, 2, 0), (0, 2)), ((0, 2, 1), (1,)), ((0, 1, 2), (0, 1, 2))], ids=str
)
def test_rotations_and_reflections(plain, axes, flips) -> None:
    def turn(array):
        return np.ascontiguousarray(np.flip(array.transpose(axes), flips))

    material, density, source = body()
    size = tuple(np.array([2.0, 3.0, 4.0])[list(axes)])
    mean, sigma = run(turn(material), turn(density), turn(source), size, seed=7)
    assert_same_dose(turn(plain[0]), turn(plain[1]), mean, sigma, BATCHES, 0.01, f"axes {axes}, flips {flips}")


def test_translation_inside_vacuum_like_air(plain) -> None:
    """The same body anywhere in a larger grid: one voxel of air round it, more on some sides, changes nothing.

    Air of 1e-6 g/cm3 scatters back one photon in ten million.
    """

    def pad(array, value):
        return np.pad(array, ((2, 1), (1, 3), (0, 1)), constant_values=value)

    material, density, source = body()
    mean, sigma = run(pad(material, 1), pad(density, 1e-6), pad(source, 0.0), (2.0, 3.0, 4.0), seed=5)
    inner = (slice(2, -1), slice(1, -3), slice(0, -1))
    assert_same_dose(*plain, mean[inner], sigma[inner], BATCHES, 0.01, "translation")


def test_reciprocity() -> None:
    """Photons in one medium: energy per mass in B from A equals that in A from B (specific absorbed fractions).

    Exact without boundaries for uniform isotropic sources (Loevinger and Berman, MIRD pamphlet 1). The regions,
    27 voxels and 125, lie 11 cm and more inside water.
    """
    shape = (31, 31, 31)
    a, b = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    a[14:17, 14:17, 11:14] = 1
    b[13:18, 14:19, 14:19] = 1
    fractions = []
    for source, target, seed in ((a, b, 3), (b, a, 4)):
        problem = block(photon_line(0.2), shape, 10.0, source=source)
        tally = simulate(problem, decays=400_000, batches=50, seed=seed, regions=target[None])
        mean, sigma = tally.region_energy()
        fractions.append((mean[0] / target.sum(), sigma[0] / target.sum()))
    (x, dx), (y, dy) = fractions
    # the medium ends at 11 cm and more: what it would scatter back is some 1e-3 of the energy there
    assert abs(x - y) < quantile(1, 49) * np.hypot(dx, dy) + 1e-3 * x
    assert np.hypot(dx, dy) < 0.015 * x


def test_a_uniform_cube_is_isotropic() -> None:
    """One active voxel in the middle of a cube: the six faces, and the eight corners, receive the same."""
    shape = (5, 5, 5)
    source = np.zeros(shape)
    source[2, 2, 2] = 1
    weights = []
    for axis in range(3):
        for side in (1, 3):
            index = [2, 2, 2]
            index[axis] = side
            w = np.zeros(shape, np.uint8)
            w[tuple(index)] = 1
            weights.append(w)
    for z in (1, 3):
        for y in (1, 3):
            for x in (1, 3):
                w = np.zeros(shape, np.uint8)
                w[z, y, x] = 1
                weights.append(w)
    problem = block(nuclide("I-131").emission, shape, 1.0, source=source)
    tally = simulate(problem, decays=200_000, batches=50, seed=9, regions=np.array(weights))
    mean, sigma = tally.region_energy()
    for group in (slice(0, 6), slice(6, 14)):
        m, s = mean[group], sigma[group]
        z = (m - m.mean()) / (s * np.sqrt(1 - 1 / m.size))
        assert np.abs(z).max() < quantile(14, 49)
