"""Track-length photon dose: its coefficients, its bookkeeping, and the analog mode's answer from it."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics import bremsstrahlung, stopping
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.tables import absorption
from hevesy.engine.transport.tables import electron as electron_tables
from hevesy.kernels.backends import cpu
from hevesy.tests.verification.budget import ALPHA, assert_mean, assert_same_voxels, hotelling_two
from hevesy.tests.verification.drivers import (
    BONE,
    IODINE,
    LUNG,
    WATER,
    assert_no_caps,
    block,
    photon_line,
    world_of,
)

ANALOG, TRACK = {"photon_scoring": "analog"}, {"photon_scoring": "track-length"}
#: electrons stay where they are set in motion: then both modes have the very same expectation
LOCAL = {"electron_cutoff_mev": 1.0}


def layers(emission: Emission, materials, voxel_mm=5.0, shape=(9, 9, 9), points=((4, 4, 4), (2, 3, 1)), **physics):
    """Layers along x, and a source in a few voxels."""
    material = np.zeros(shape, np.uint8)
    material[:] = np.arange(shape[2]) * len(materials) // shape[2]
    density = np.array([m.nominal_density_g_cm3 for m in materials])[material]
    source = np.zeros(shape)
    for point in points:
        source[point] = 1.0
    return block(emission, shape, voxel_mm, materials, density, material, source, **physics)


def both(problem, decays: int, **more):
    """The same problem analog and by track length, with different random numbers."""
    shape = problem.density_g_cm3.shape
    regions = [np.broadcast_to(np.arange(shape[2]) == i, shape).astype(np.uint8) for i in range(shape[2])]
    return [
        simulate(problem, decays=decays, seed=seed, backend="cpu", batches=60, physics=mode, regions=regions, **more)
        for seed, mode in ((5, ANALOG), (6, TRACK))
    ]


# NIST, Hubbell and Seltzer, NISTIR 5632 (2004): mu_en/rho of liquid water [cm2/g]
NIST = {
    0.03: 0.1557, 0.04: 0.06947, 0.05: 0.04223, 0.06: 0.03190, 0.08: 0.02597, 0.1: 0.02546, 0.15: 0.02764,
    0.2: 0.02967, 0.3: 0.03192, 0.4: 0.03279, 0.5: 0.03299, 0.6: 0.03284, 0.8: 0.03206, 1.0: 0.03103,
    1.25: 0.02965, 1.5: 0.02833,
}  # fmt: skip


def test_water_meets_the_published_energy_absorption() -> None:
    """mu_en/rho of water against NIST, 30 keV to 1.5 MeV, within 0.5 % (found: 0.05 %)."""
    tables = electron_tables.build((WATER,), 3.0, 0.01, 0.001, 0.01, positrons=False)
    radiated = absorption.radiated_energy(tables, 0, 0.001, 0.01)
    ours = absorption.coefficients(WATER, np.array(list(NIST)), radiated)
    np.testing.assert_allclose(ours, list(NIST.values()), rtol=5e-3)


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
def test_radiated_energy_is_the_integral_of_radiative_stopping(material) -> None:
    """What sampling takes off the electron in the mean is the integral of S_rad(k > cut)/S_tot."""
    tables = electron_tables.build((material,), 3.0, 0.01, 0.001, 0.01, positrons=False)
    radiated = absorption.radiated_energy(tables, 0, 0.001, 0.01)
    energy = np.geomspace(0.01, 3.0, 4001)
    total = stopping.collision(material, energy, "electron") + stopping.radiative(material, energy, "electron")
    integrand = bremsstrahlung.radiative_above(material, energy, 0.001) / total
    running = np.concatenate([[0.0], np.cumsum(0.5 * (integrand[1:] + integrand[:-1]) * np.diff(energy))])
    for T in (0.1, 0.3, 1.0, 2.9):
        expected = np.interp(T, energy, running) + radiated(np.array([0.0100001]))[0]
        # 2 % of a radiative yield below 2 % is below 0.04 % of the energy
        assert abs(radiated(np.array([T]))[0] - expected) < 0.02 * expected


@pytest.mark.parametrize("energy", [0.030, 0.364, 0.9])
@pytest.mark.parametrize(
    "materials",
    [(WATER,), (LUNG,), (BONE,), (LUNG, WATER, BONE), (IODINE, WATER, BONE)],
    ids=["water", "lung", "bone", "lung-water-bone", "iodine-water-bone"],
)
def test_same_dose_with_local_electrons(energy, materials) -> None:
    """Voxel by voxel and in the layers together; at 30 and 364 keV iodine's X rays carry energy away."""
    problem = layers(photon_line(energy), materials, **LOCAL)
    a, b = both(problem, 300_000)
    assert_no_caps(b.counters)
    assert_same_voxels(a, b, problem.density_g_cm3, 0.125, above=0.01, what="track length against analog")
    layers_a, layers_b = a.region_quanta.astype(float), b.region_quanta.astype(float)
    assert hotelling_two(layers_a, layers_b) > ALPHA


@pytest.mark.parametrize("materials", [(WATER,), (LUNG, WATER, BONE)], ids=["water", "lung-water-bone"])
def test_same_dose_where_electron_ranges_are_below_the_voxel(materials) -> None:
    """60 keV: electrons reach 0.06 mm in water and 0.2 mm in lung, in voxels of 5 mm; all of them transported."""
    problem = layers(photon_line(0.06), materials)
    a, b = both(problem, 300_000)
    assert b.counters["electron_steps"] == 0 < a.counters["electron_steps"]
    assert_same_voxels(a, b, problem.density_g_cm3, 0.125, above=0.02)


def test_same_dose_with_pairs_and_bremsstrahlung() -> None:
    """2.5 MeV in bone, voxels far larger than any electron's range."""
    shape = (3, 3, 3)
    problem = block(photon_line(2.5), shape, 150.0, (BONE,))
    a, b = both(problem, 300_000)
    assert b.counters["bremsstrahlung_photons"] > 10_000
    assert_same_voxels(a, b, problem.density_g_cm3, 1.0)
    assert hotelling_two(a.region_quanta.astype(float), b.region_quanta.astype(float)) > ALPHA


def test_balance_and_score_are_exact() -> None:
    """emitted = deposited + escaped; the tally holds what was deposited, less what collisions handed over, and
    the flights' scores: all in integers."""
    emission = Emission(photon_lines=np.array([[0.364, 0.8], [1.3, 0.2]]), electron_lines=np.array([[0.4, 1.0]]))
    problem = layers(emission, (LUNG, WATER, BONE))
    tally = simulate(problem, decays=20_000, backend="cpu", physics=TRACK)
    c = tally.counters
    assert c["emitted"] == c["deposited"] + c["escaped"]
    assert c["transferred"] > 0
    assert int(tally.energy_quanta.sum()) == c["deposited"] - c["transferred"] + c["track_scored"]


def test_flights_score_what_collisions_hand_over() -> None:
    """The mean of the scores over batches is the mean energy that collisions transferred."""
    problem = layers(photon_line(0.364), (LUNG, WATER, BONE), points=((4, 4, 4),), **TRACK)
    engine = cpu.Engine(world_of(problem), 9)
    tally = np.zeros(9**3, np.int64)
    excess = []
    for batch in range(60):
        c = engine.run_batch(batch, 4000, tally)
        excess.append((c["track_scored"] - c["transferred"]) / c["emitted"])
    engine.close()
    assert_mean(np.array(excess), 0.0, "scored less transferred, per emitted energy")


def test_electrons_of_the_decay_are_transported_as_before() -> None:
    """Without photons the modes are the same run, to the last quantum."""
    emission = Emission(electron_lines=np.array([[0.6, 1.0]]))
    problem = layers(emission, (LUNG, WATER, BONE), voxel_mm=1.0, bremsstrahlung=False)
    a, b = (simulate(problem, decays=2000, seed=3, backend="cpu", physics=mode) for mode in (ANALOG, TRACK))
    assert np.array_equal(a.energy_quanta, b.energy_quanta)


def test_noise_is_far_lower() -> None:
    """At the same number of decays of 364 keV photons the variance falls by more than ten."""
    problem = layers(photon_line(0.364), (LUNG, WATER, BONE))
    a, b = both(problem, 60_000)
    variance = []
    for tally in (a, b):
        mean, sigma = tally.dose_gy_per_decay(problem.density_g_cm3, 0.125)
        hot = mean > 0.02 * mean.max()
        variance.append(np.mean((sigma[hot] / mean[hot]) ** 2))
    assert variance[0] / variance[1] > 10.0


def test_python_source_gives_the_compiled_answer() -> None:
    """The uncompiled source, up to the rounding of float32."""
    problem = layers(photon_line(1.6), (BONE, WATER), **TRACK)
    a, b = (simulate(problem, decays=60, batches=2, backend=name) for name in ("python", "cpu"))
    assert a.counters["emitted"] == b.counters["emitted"]
    assert np.abs(a.energy_quanta - b.energy_quanta).max() < 1e-3 * b.energy_quanta.max()


def test_unknown_scoring_is_refused() -> None:
    with pytest.raises(InputError, match='(?s)unknown photon scoring .kerma.*"analog" or "track-length"'):
        PhysicsOptions.from_dict({"photon_scoring": "kerma"})
