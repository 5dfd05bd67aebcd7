"""Energy balance, exact in integers: every emitted quantum is deposited or escapes, whatever is switched on."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.transport.run import simulate
from hevesy.tests.verification.drivers import (
    BONE,
    IODINE,
    LUNG,
    WATER,
    assert_no_caps,
    block,
    electron_line,
    photon_line,
    positron_line,
)

RNG = np.random.default_rng(8)
SHAPE = (5, 6, 7)
#: lung, water, bone and iodine at random densities, so that every step crosses something
MIXED = {
    "materials": (LUNG, WATER, BONE, IODINE),
    "material": RNG.integers(0, 4, SHAPE),
    "density": RNG.uniform(0.0012, 2.0, SHAPE),
    "source": RNG.random(SHAPE) * (RNG.random(SHAPE) < 0.5),
}

CASES = {
    "131I": (lambda: nuclide("I-131").emission, {}),
    "124I, positrons and pairs": (lambda: nuclide("I-124").emission, {}),
    "90Y": (lambda: nuclide("Y-90").emission, {}),
    "225Ac, alphas": (lambda: nuclide("Ac-225").emission, {}),
    "photons off": (lambda: nuclide("I-124").emission, {"photons": "off"}),
    "bremsstrahlung off": (lambda: nuclide("Y-90").emission, {"bremsstrahlung": "off"}),
    "range rejection off": (lambda: nuclide("I-131").emission, {"range_rejection": "off"}),
    "high cut-offs": (lambda: nuclide("I-131").emission, {"electron_cutoff_mev": 0.2, "photon_cutoff_mev": 0.05}),
    "low cut-offs": (lambda: nuclide("I-131").emission, {"electron_cutoff_mev": 0.002, "photon_cutoff_mev": 0.001}),
    "collisions above the cut-off": (lambda: electron_line(0.5), {"delta_ray_threshold_mev": 0.1}),
    "3 MeV photons": (lambda: photon_line(3.0), {}),
    "2 MeV positrons": (lambda: positron_line(2.0), {}),
    "electron at the cut-off": (lambda: Emission(electron_lines=np.array([[0.01, 1.0], [0.0101, 1.0]])), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_balance(name) -> None:
    make, physics = CASES[name]
    problem = block(make(), SHAPE, 3.0, **MIXED, **physics)
    tally = simulate(problem, decays=1000, batches=2, seed=4)
    balance = tally.balance
    assert balance["emitted"] == balance["deposited"] + balance["escaped"]
    assert balance["deposited"] == int(tally.energy_quanta.sum())
    assert balance["emitted"] > 0 and tally.energy_quanta.min() >= 0
    assert_no_caps(tally.counters)


def test_emitted_energy_is_that_of_the_emission() -> None:
    """The stratified source emits the mean energy of its spectrum and lines, annihilation quanta included."""
    emission = nuclide("I-124").emission
    problem = block(emission, voxel_mm=1.0)
    tally = simulate(problem, decays=200_000, batches=20, seed=1, physics={"photons": "off"})
    emitted = tally.balance["emitted"] / 2**26 / tally.decays
    x, f = emission.positron_mev, emission.positron_per_mev
    kinetic = ((np.diff(x) / 6) * (f[:-1] * (2 * x[:-1] + x[1:]) + f[1:] * (x[:-1] + 2 * x[1:]))).sum()
    rate = np.trapezoid(f, x)
    lines = sum((v[:, 0] * v[:, 1]).sum() for v in (emission.electron_lines, emission.photon_lines))
    assert emitted == pytest.approx(kinetic + 2 * 0.51099895 * rate + lines, rel=2e-4)


def test_nothing_escapes_from_a_large_block() -> None:
    """Electrons in the middle of 20 cm of water stay there; only bremsstrahlung may leave."""
    source = np.zeros((3, 3, 3))
    source[1, 1, 1] = 1
    problem = block(electron_line(1.0), (3, 3, 3), 70.0, source=source)
    tally = simulate(problem, decays=2000, batches=2, seed=1, physics={"bremsstrahlung": "off"})
    assert tally.balance["escaped"] == 0
    assert tally.balance["deposited"] == 2000 * 2**26
