"""Photons through slabs: delta tracking against exponential attenuation, and the energy that a thin slab takes."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.physics import photons
from hevesy.kernels.tables import COUNTERS, PHOTON
from hevesy.tests.verification.budget import assert_share, bin_probabilities, quantile
from hevesy.tests.verification.drivers import (
    BONE,
    IODINE,
    LUNG,
    QUANTUM,
    WATER,
    block,
    momentum_transfer,
    photon_line,
    shoot,
    world_of,
)

COLLISIONS, ESCAPED = COUNTERS.index("photon_collisions"), COUNTERS.index("escaped")
MC2 = 0.51099895


def slabs(energy: float, **physics):
    """Lung, water, iodine, bone, air and water along x, 8 mm each, wide enough for a beam to stay inside."""
    materials = (LUNG, WATER, IODINE, BONE, WATER)
    density = np.array([0.26, 1.0, 1.1, 1.85, 0.0012, 1.04])
    index = np.array([0, 1, 2, 3, 4, 1])
    shape = (1, 1, 6)
    return (
        world_of(
            block(
                photon_line(energy),
                shape,
                (400.0, 400.0, 8.0),
                materials=materials,
                density=density.reshape(shape),
                material=index.reshape(shape),
                **physics,
            )
        ),
        [materials[i] for i in index],
        density,
    )


@pytest.mark.parametrize("energy", [0.03, 0.08, 0.3645, 2.5])
def test_narrow_beam(energy) -> None:
    """Unscattered transmission from every slab face onwards, straight and slanted: exp(-sum mu t)."""
    world, materials, density = slabs(energy)
    mu = np.array([float(photons.total(m, energy)) for m in materials]) * density
    n = 40_000
    for start in (0, 2, 4):
        for cosine in (1.0, 0.8):
            direction = (0.0, np.sqrt(1 - cosine**2), cosine)
            _, counters = shoot(world, PHOTON, (0, 0, start), (20.0, 20.0, 0.0), direction, energy, n, seed=start + 1)
            through = counters[:, COLLISIONS] == 0
            assert (counters[through, ESCAPED] == round(energy / QUANTUM)).all()
            p = float(np.exp(-(mu[start:] * 0.8 / cosine).sum()))
            # float32 tables and positions hold the optical depth to 1e-5
            assert_share(int(through.sum()), n, p, 2e-5, what=f"from slab {start}, cosine {cosine}")


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("energy", [0.04, 0.3, 0.9])
def test_energy_transfer_in_a_thin_slab(material, energy) -> None:
    """Kerma: with electrons stopped on the spot, a thin slab takes mu_tr E per path (first interaction)."""
    thickness = 0.02
    world = world_of(
        block(
            photon_line(energy),
            (1, 1, 1),
            (400.0, 400.0, 10 * thickness),
            materials=(material,),
            electron_cutoff_mev=1.0,
        )
    )
    n = 400_000
    _, counters = shoot(world, PHOTON, (0, 0, 0), (20.0, 20.0, 0.0), (0.0, 0.0, 1.0), energy, n)
    once = counters[:, COLLISIONS] == 1
    taken = np.where(once, energy - counters[:, ESCAPED] * QUANTUM, 0.0)
    rho = material.nominal_density_g_cm3
    edges = np.linspace(-1, 1, 401)
    cosine = 0.5 * (edges[1:] + edges[:-1])

    def law(c):
        ratio = 1 / (1 + energy / MC2 * (1 - c))
        s = photons.incoherent_function(material, momentum_transfer(energy, c))
        return ratio**2 * (ratio + 1 / ratio - 1 + c**2) * s

    p = bin_probabilities(law, edges)
    mean = float((p * (energy - energy / (1 + energy / MC2 * (1 - cosine)))).sum())
    transfer = float(photons.photoelectric(material, energy)) * energy
    transfer += float(photons.incoherent(material, energy)) * mean
    mu = float(photons.total(material, energy)) * rho
    depth = mu * thickness
    expected = transfer * rho / mu * -np.expm1(-depth)
    # photons with a second interaction are left out above: their share is bounded by the depth that follows
    second = (counters[:, COLLISIONS] > 1).mean()
    sigma = taken.std() / np.sqrt(n)
    assert abs(taken.mean() - expected) < quantile() * sigma + expected * 3 * second / max(once.mean(), 1e-9)


def test_directions_after_pencil_beam_are_symmetric_about_it() -> None:
    """Nothing but the beam's axis is special: energy left and right, up and down of it is the same."""
    world = world_of(block(photon_line(0.3), (3, 3, 4), 50.0))
    tally, _ = shoot(world, PHOTON, (1, 1, 0), (2.5, 2.5, 0.0), (0.0, 0.0, 1.0), 0.3, 100_000)
    side = tally.sum(axis=2).astype(float)
    pairs = [(side[0, 1], side[2, 1]), (side[1, 0], side[1, 2]), (side[0, 1], side[1, 0]), (side[0, 0], side[2, 2])]
    quantum = 0.3 / QUANTUM  # a photon leaves at most its whole energy: a bound of the variance
    for a, b in pairs:
        assert abs(a - b) < quantile(4) * np.sqrt((a + b) * quantum)


def test_flight_lengths_follow_the_exponential_law() -> None:
    """Shares of photons that interact at all within thicknesses from 0.2 to 8 mean free paths."""
    energy, voxels, size = 0.1, 40, 1.2
    world = world_of(block(photon_line(energy), (1, 1, voxels), (4000.0, 4000.0, 10 * size)))
    mu = float(photons.total(WATER, energy))
    n = 50_000
    for start in (0, 10, 20, 30, 37, 39):
        _, c = shoot(world, PHOTON, (0, 0, start), (200.0, 200.0, 0.0), (0.0, 0.0, 1.0), energy, n, seed=3)
        p = -np.expm1(-mu * size * (voxels - start))
        assert_share(int((c[:, COLLISIONS] > 0).sum()), n, p, 2e-5, judged=6, what=f"from voxel {start}")
