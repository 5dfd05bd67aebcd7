"""Bremsstrahlung spectra: normalisation, limits of the Born approximation, additivity."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.constants import ELECTRON_REST_MEV
from hevesy.engine.errors import InputError
from hevesy.engine.physics import bremsstrahlung, stopping
from hevesy.engine.physics.composition import nist_material
from hevesy.engine.physics.material import Material
from scipy.integrate import quad

WATER = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)
LEAD = nist_material("LEAD")


def integral(material, energy, low, power, particle="electron"):
    return quad(
        lambda u: float(bremsstrahlung.spectrum(material, energy, np.exp(u), particle)) * np.exp((power + 1) * u),
        np.log(low),
        np.log(energy),
        limit=400,
        epsrel=1e-9,
    )[0]


@pytest.mark.parametrize("material", [WATER, LEAD], ids=["water", "lead"])
@pytest.mark.parametrize("particle", ["electron", "positron"])
@pytest.mark.parametrize("energy", [0.001, 0.01, 0.1, 1.0, 3.0])
def test_the_energy_integral_is_the_radiative_stopping_power(material, particle, energy):
    found = integral(material, energy, 1e-7 * energy, 1, particle)
    assert found == pytest.approx(float(stopping.radiative(material, energy, particle)), rel=1e-5)


@pytest.mark.parametrize(("energy", "cut"), [(0.011, 0.01), (0.1, 0.01), (1.0, 0.001), (3.0, 0.01)])
def test_the_integrals_above_a_cut_are_those_of_the_spectrum(energy, cut):
    above = bremsstrahlung.mass_cross_section_above(WATER, energy, cut)
    assert above == pytest.approx(integral(WATER, energy, cut, 0), rel=1e-7)
    hard = bremsstrahlung.radiative_above(WATER, energy, cut)
    assert hard == pytest.approx(integral(WATER, energy, cut, 1), rel=1e-7)
    assert hard < float(stopping.radiative(WATER, energy))


def test_nothing_is_emitted_above_the_electron_and_below_the_cut_all_is_soft():
    assert bremsstrahlung.spectrum(WATER, 0.1, 0.1001) == 0.0
    assert bremsstrahlung.spectrum(WATER, 0.1, 0.0999) > 0.0
    assert bremsstrahlung.mass_cross_section_above(WATER, 0.01, 0.01) == 0.0
    assert bremsstrahlung.radiative_above(WATER, 0.01, 0.01) == 0.0


def born_energy_loss(energy):
    """Integral of k dsigma of formula 3BN over k, in units of Z^2 r_e^2 alpha m c^2."""
    value = quad(
        lambda u: float(bremsstrahlung.koch_motz(np.array(energy), np.array(np.exp(u)))) * np.exp(u),
        np.log(1e-9),
        0.0,
        limit=400,
    )[0]
    return value * energy / ELECTRON_REST_MEV


def test_the_born_formula_has_its_two_limits():
    """Heitler: phi_rad = 16/3 for slow electrons, 4 (ln 2 E0 - 1/3) for very fast ones, both over E0."""
    slow = 1e-3
    assert born_energy_loss(slow) / (slow / ELECTRON_REST_MEV + 1.0) == pytest.approx(16.0 / 3.0, rel=5e-3)
    fast = 20.0
    total = fast / ELECTRON_REST_MEV + 1.0
    assert born_energy_loss(fast) / total == pytest.approx(4.0 * (np.log(2.0 * total) - 1.0 / 3.0), rel=0.02)


def test_the_elwert_factor_vanishes_for_light_and_lifts_the_tip_for_heavy_elements():
    energy = np.array(0.1)
    assert bremsstrahlung.elwert_factor(53, energy, np.array(0.0)) == pytest.approx(1.0)
    fraction = np.linspace(0.0, 0.999, 50)
    assert (np.diff(bremsstrahlung.elwert_factor(53, energy, fraction)) > 0.0).all()
    tip = [float(bremsstrahlung.elwert_factor(Z, energy, np.array(0.95))) for Z in (1, 8, 53)]
    assert 1.0 < tip[0] < tip[1] < tip[2]


def test_materials_add_up_by_mass_fraction():
    energy, photon = np.array([[0.05], [0.5], [2.0]]), np.array([0.001, 0.01, 0.04])
    parts = [bremsstrahlung.spectrum(Material("e", (Z,), (1.0,), 19.0, 1.0), energy, photon) for Z in (1, 8)]
    expected = 0.111894 * parts[0] + 0.888106 * parts[1]
    found = bremsstrahlung.spectrum(WATER, energy, photon)
    assert found.shape == (3, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_energies_out_of_range_are_refused():
    with pytest.raises(InputError, match="a kinetic energy of 0.0005 MeV"):
        bremsstrahlung.spectrum(WATER, 0.0005, 0.0001)
    with pytest.raises(InputError, match="a photon cut-off of 0 MeV"):
        bremsstrahlung.mass_cross_section_above(WATER, 1.0, 0.0)
