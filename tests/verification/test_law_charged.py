"""Sampled laws of electrons and positrons against the cited densities, integrated here."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.physics import bremsstrahlung, stopping
from hevesy.engine.transport.tables.bit_grid import BitGrid
from hevesy.kernels.tables import BREMS_SHIFT
from hevesy.tests.verification.budget import assert_law, bin_probabilities
from hevesy.tests.verification.drivers import BONE, WATER, kernel, material_world, repeat
from scipy.integrate import quad

MC2 = 0.51099895
N = 400_000
BINS = 48


@pytest.mark.parametrize("energy", [0.0201, 0.025, 0.1, 0.6, 2.5])
def test_moller(energy) -> None:
    """Moller, Ann Phys 14 (1932) 531, in units of T: eps = W/T from the threshold to 1/2."""
    sample = kernel("physics.electron.moller").sample_moller
    threshold = 0.01

    def body(out, i, key, counters, energy, threshold):
        out[i, 0], out[i, 1], _ = sample(counters, energy, threshold, key, np.int32(1))

    W, spare = repeat(body, N, 2, np.float32(energy), np.float32(threshold)).T
    gamma = 1 + energy / MC2

    def density(e):
        other = 1 - e
        return 1 / e**2 + 1 / other**2 + ((gamma - 1) / gamma) ** 2 - (2 * gamma - 1) / (gamma**2 * e * other)

    edges = np.geomspace(threshold / energy, 0.5, BINS + 1)
    assert_law(W / energy, edges, bin_probabilities(density, edges), f"Moller {energy} MeV")
    assert_law(spare, np.linspace(0, 1, 33), np.full(32, 1 / 32), "spare number")


@pytest.mark.parametrize("energy", [0.0105, 0.025, 0.1, 0.6, 2.5])
def test_bhabha(energy) -> None:
    """Bhabha, Proc R Soc A 154 (1936) 195, as the polynomial of Rohrlich and Carlson; eps = W/T up to 1."""
    sample = kernel("physics.positron.bhabha").sample_bhabha
    threshold = 0.01

    def body(out, i, key, counters, energy, threshold):
        out[i, 0], out[i, 1], _ = sample(counters, energy, threshold, key, np.int32(1))

    W, spare = repeat(body, N, 2, np.float32(energy), np.float32(threshold)).T
    g = 1 + energy / MC2
    # the b coefficients of PENELOPE and Rohrlich & Carlson (Phys Rev 93 (1954) 38), written in gamma
    u = ((g - 1) / g) ** 2
    b1 = u * (2 * (g + 1) ** 2 - 1) / (g**2 - 1)
    b2 = u * (3 * (g + 1) ** 2 + 1) / (g + 1) ** 2
    b3 = u * 2 * g * (g - 1) / (g + 1) ** 2
    b4 = u * (g - 1) ** 2 / (g + 1) ** 2

    def density(e):
        return (1 - b1 * e + b2 * e**2 - b3 * e**3 + b4 * e**4) / e**2

    edges = np.geomspace(threshold / energy, 1.0, BINS + 1)
    assert_law(W / energy, edges, bin_probabilities(density, edges), f"Bhabha {energy} MeV")
    assert_law(spare, np.linspace(0, 1, 33), np.full(32, 1 / 32), "spare number")


@pytest.mark.parametrize("energy", [0.0101, 0.1, 0.6, 2.5])
def test_annihilation_in_flight(energy) -> None:
    """Heitler (1954): zeta = share of T + 2 m c^2 of the softer photon; both angles from energy and momentum."""
    sample = kernel("physics.positron.annihilation").sample_annihilation

    def body(out, i, key, counters, energy):
        zeta, soft, hard, spare, _ = sample(counters, energy, key, np.int32(1))
        out[i, 0] = zeta
        out[i, 1] = soft
        out[i, 2] = hard
        out[i, 3] = spare

    zeta, soft, hard, spare = repeat(body, N, 4, np.float32(energy)).T
    g = 1 + energy / MC2

    def one(z):
        return -((g + 1) ** 2) + (g**2 + 4 * g + 1) / z - 1 / z**2

    edges = np.linspace(1 / (g + 1 + np.sqrt(g**2 - 1)), 0.5, BINS + 1)
    p = bin_probabilities(lambda z: one(z) + one(1 - z), edges)
    assert_law(zeta, edges, p, f"annihilation {energy} MeV")
    assert_law(spare, np.linspace(0, 1, 33), np.full(32, 1 / 32), "spare number")
    # momentum: along the flight the positron's, across it none
    momentum = np.sqrt(energy * (energy + 2 * MC2))
    total = energy + 2 * MC2
    along = total * (zeta * soft + (1 - zeta) * hard)
    np.testing.assert_allclose(along, momentum, rtol=0, atol=2e-5 * total)
    across = total * (zeta * np.sqrt(1 - soft**2) - (1 - zeta) * np.sqrt(1 - hard**2))
    assert np.abs(across).max() < 2e-3 * total


def grid_of(world) -> BitGrid:
    """The energies of the photon spectra."""
    return BitGrid(int(world.b_low), int(world.b_energies), BREMS_SHIFT)


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("which", ["thin", "thick"])
@pytest.mark.parametrize("node", [14, 30, 45])
def test_bremsstrahlung_photons(material, which, node) -> None:
    """Photon energies at a table energy: Koch-Motz 3BN with Elwert factor; the same integrated over slowing down."""
    world = material_world(material)
    sample = kernel("physics.electron.bremsstrahlung").sample_photon_energy
    draw4 = kernel("rng").draw4
    energy = float(grid_of(world).values[node])

    def body(out, i, key, counters, world, offset, energy):
        r1, r2, r3, r4 = draw4(key, np.int32(1))
        out[i, 0] = sample(world, offset, np.int32(0), energy, r1, r2)

    offset = world.b_thick if which == "thick" else np.int32(0)
    (k,) = repeat(body, N, 1, world, offset, np.float32(energy)).T
    cut = float(world.photon_cutoff)
    edges = np.geomspace(cut, energy, 33)

    def thin(x):
        return bremsstrahlung.spectrum(material, energy, np.minimum(x, energy * (1 - 1e-9)))

    def thick(x):
        # photons of a slowing-down electron: integral over its energy of the law over the total stopping power
        nodes, weights = np.polynomial.legendre.leggauss(80)
        half = 0.5 * np.log(energy / x)
        T = np.exp(np.log(x) + half * (1 + nodes[:, None, None]))
        law = bremsstrahlung.spectrum(material, T, np.broadcast_to(x, T.shape)) / stopping.total(material, T)
        return (law * T * weights[:, None, None]).sum(axis=0) * half

    p = bin_probabilities(thin if which == "thin" else thick, edges)
    assert_law(k, edges, p, f"{which} bremsstrahlung of {energy:.4g} MeV in {material.name}")


def test_bremsstrahlung_between_table_energies() -> None:
    """Half-way between two table energies the mean photon energy stays within 0.5 % of the law's."""
    world = material_world(WATER)
    sample = kernel("physics.electron.bremsstrahlung").sample_photon_energy
    draw4 = kernel("rng").draw4

    def body(out, i, key, counters, world, energy):
        r1, r2, r3, r4 = draw4(key, np.int32(1))
        out[i, 0] = sample(world, np.int32(0), np.int32(0), energy, r1, r2)

    for node in (20, 35, 54):
        energy = float(grid_of(world).values[node : node + 2].mean())
        (k,) = repeat(body, N, 1, world, np.float32(energy)).T

        def law(x, power, energy=energy):
            return float(bremsstrahlung.spectrum(WATER, energy, x)) * x**power

        above = [quad(law, 0.001, energy * 0.99999, args=(n,), limit=300)[0] for n in (0, 1)]
        error = k.std() / np.sqrt(N)
        assert abs(k.mean() - above[1] / above[0]) < 0.005 * k.mean() + 5 * error
