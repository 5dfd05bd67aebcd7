"""Sampled laws of photons against the cited densities, integrated here."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.physics import photons
from hevesy.tests.verification.budget import assert_law, assert_mean, bin_probabilities
from hevesy.tests.verification.drivers import BONE, IODINE, WATER, kernel, material_world, momentum_transfer, repeat

MC2 = 0.51099895
N = 400_000


def klein_nishina(energy: float, cosine: np.ndarray) -> np.ndarray:
    """Klein and Nishina's density in the cosine, unnormalised."""
    ratio = 1 / (1 + energy / MC2 * (1 - cosine))
    return ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("energy", [0.003, 0.03, 0.3645, 2.0])
def test_compton(material, energy) -> None:
    world = material_world(material)
    sample = kernel("physics.photon.compton").sample_compton
    draw = kernel("rng").draw4

    def body(out, i, key, counters, world, energy):
        r, r2, r3, r4 = draw(key, np.int32(1))
        scattered, cosine = sample(world, np.int32(0), energy, r)
        out[i, 0] = cosine
        out[i, 1] = scattered

    cosine, scattered = repeat(body, N, 2, world, np.float32(energy)).T

    def density(c):
        return klein_nishina(energy, c) * photons.incoherent_function(material, momentum_transfer(energy, c))

    edges = np.linspace(-1, 1, 61)
    assert_law(cosine, edges, bin_probabilities(density, edges), f"Compton {energy} MeV in {material.name}")
    # the energy of the scattered photon belongs to its angle (Compton 1923); float32 keeps 1e-6 of it
    np.testing.assert_allclose(scattered, energy / (1 + energy / MC2 * (1 - cosine)), rtol=2e-6)


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("energy", [0.001, 0.02, 0.1, 0.5])
def test_rayleigh(material, energy) -> None:
    world = material_world(material)
    sample = kernel("physics.photon.rayleigh").sample_rayleigh

    def body(out, i, key, counters, world, energy):
        cosine, phi, _ = sample(world, counters, np.int32(0), energy, key, np.int32(1))
        out[i, 0] = cosine
        out[i, 1] = phi

    cosine, phi = repeat(body, N, 2, world, np.float32(energy)).T
    # float32 rounding of 1 - 2 x^2/x_max^2 ends at 6e-8: bins in mu = (1 - cos)/2 from 1e-5 up
    mu = 0.5 * (1 - cosine)
    edges = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 60)])

    def density(m):
        c = 1 - 2 * m
        return photons.form_factor_squared(material, momentum_transfer(energy, c)) * (1 + c**2)

    assert_law(mu, edges, bin_probabilities(density, edges), f"Rayleigh {energy} MeV in {material.name}")
    assert cosine.max() <= 1.0
    assert_law(phi, np.linspace(0, 1, 33), np.full(32, 1 / 32), "azimuth")


@pytest.mark.parametrize("energy", [0.011, 0.05, 0.3, 1.5])
def test_sauter(energy) -> None:
    """Photoelectrons: Sauter's K-shell density (Ann Phys 11 (1931) 454)."""
    sample = kernel("physics.photon.photoelectric").sample_sauter

    def body(out, i, key, counters, energy):
        cosine, _phi, _ = sample(counters, energy, key, np.int32(1))
        out[i, 0] = cosine

    (cosine,) = repeat(body, N, 1, np.float32(energy)).T
    gamma = 1 + energy / MC2
    beta = np.sqrt(1 - 1 / gamma**2)

    def density(c):
        q = 1 - beta * c
        return (1 - c**2) / q**4 * (1 + 0.5 * gamma * (gamma - 1) * (gamma - 2) * q)

    edges = np.linspace(-1, 1, 61)
    assert_law(cosine, edges, bin_probabilities(density, edges), f"Sauter {energy} MeV")


@pytest.mark.parametrize("energy", [0.01, 0.3, 2.5])
def test_leading_dipole(energy) -> None:
    """Bremsstrahlung and pairs: (1 - beta^2) / (2 (1 - beta cos)^2)."""
    sample = kernel("physics.photon.pair").sample_dipole
    draw4 = kernel("rng").draw4

    def body(out, i, key, counters, energy):
        r1, r2, r3, r4 = draw4(key, np.int32(1))
        out[i, 0] = sample(energy, r1)

    (cosine,) = repeat(body, N, 1, np.float32(energy)).T
    beta = np.sqrt(1 - 1 / (1 + energy / MC2) ** 2)
    edges = np.linspace(-1, 1, 61)
    primitive = (1 - beta**2) / (2 * beta * (1 - beta * edges))
    assert_law(cosine, edges, np.diff(primitive), f"dipole {energy} MeV")


def test_fluorescence_of_iodine() -> None:
    """X rays after absorption above the K edge: share, energies and yield of each line."""
    world = material_world(IODINE)
    sample = kernel("physics.photon.photoelectric").sample_fluorescence
    draw4 = kernel("rng").draw4

    def body(out, i, key, counters, world, energy):
        r1, r2, r3, r4 = draw4(key, np.int32(1))
        binding, xray = sample(world, np.int32(0), energy, r4)
        out[i, 0] = binding
        out[i, 1] = xray

    binding, xray = repeat(body, N, 2, world, np.float32(0.06)).T
    data = photons.relaxation(53)
    lines, rate = data.lines("K")
    edge = data.edge_mev[0]
    at = np.array([1.2 * edge])
    by_element = photons.photoelectric_by_element(IODINE, at)[:, 0]
    share = by_element[2] / by_element.sum() * data.k_fraction * data.fluorescence_yield[0]
    emitted = xray > 0
    assert_mean(emitted.astype(float), share, "X rays per absorption")
    assert_mean(xray, share * float((lines * rate).sum()), "X-ray energy per absorption")
    np.testing.assert_allclose(binding[emitted], edge, rtol=1e-6)
    assert not binding[~emitted].any()
    below = repeat(body, 1000, 2, world, np.float32(0.9 * edge))
    assert not below.any(), "no K X ray below the K edge"
