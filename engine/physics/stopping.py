"""Stopping powers and ranges of electrons and positrons in any material.

Collision: the Bethe formula of ICRU Report 37 (Berger and Seltzer) with Moller or Bhabha cross sections for
hard collisions, and the density effect of Sternheimer, Berger and Seltzer (At Data Nucl Data Tables 30:261,
1984; general case of Phys Rev B 26:6067, 1982) from shell occupancies, binding energies, I and the nominal
density.
No shell correction, as in ESTAR: below 10 keV the formula loses accuracy (ICRU 37: 5-10 % in low-Z, more in
high-Z material). Radiative: ESTAR's elements summed by mass fraction; positrons by the ratio of Kim et al.
(Phys Rev A 33:3002, 1986).

Below 1 keV S(T) = S(1 keV) * (1 keV / T): what ESTAR's range of 0.5 T/S at its lowest energy assumes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..constants import AVOGADRO, ELECTRON_RADIUS_CM, ELECTRON_REST_MEV
from ..errors import InputError
from .composition import Composition, composition, energies
from .data import tables
from .material import Material

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

#: "electron" or "positron"; checked at run time.
Particle = str

BETHE_LOWEST_MEV = 1.0e-3
LOWEST_MEV, HIGHEST_MEV = 1.0e-6, 20.0
#: 2 pi r_e^2 m c^2 N_A [MeV cm2/mol]
BETHE_CONSTANT = 2.0 * np.pi * ELECTRON_RADIUS_CM**2 * ELECTRON_REST_MEV * AVOGADRO
#: Plasma energy hbar omega_p [eV] of one mole of electrons in a cm3 (ICRU 37).
PLASMA_EV = 28.8159


def _check_particle(particle: str) -> None:
    if particle not in ("electron", "positron"):
        raise InputError(f"no particle {particle!r}", suggestion="'electron' or 'positron'")


def beta_squared(kinetic_mev: np.ndarray) -> np.ndarray:
    """Square of the speed in units of c at kinetic energies [MeV]."""
    tau = np.asarray(kinetic_mev) / ELECTRON_REST_MEV
    return tau * (tau + 2.0) / (tau + 1.0) ** 2


@lru_cache(maxsize=256)
def _oscillators(material: Material) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strengths f, squared energies eps = (nu E / hbar omega_p)^2, weights alpha of f in the density effect.

    alpha f is the Lorentz shift: 2/3 f for bound electrons, f for conduction electrons (eps = 0). As in ESTAR
    only a pure element can have conduction electrons; in a compound they are bound like the others.
    """
    parts = composition(material)
    t = tables()
    strength, energy_ev, alpha = [], [], []
    for Z, moles in zip(parts.Z, parts.moles, strict=True):
        shells = slice(int(t["shells/offset"][Z - 1]), int(t["shells/offset"][Z]))
        for electrons, binding in zip(t["shells/electrons"][shells], t["shells/binding"][shells], strict=True):
            conducting = electrons < 0 and len(parts.Z) == 1
            strength.append(abs(electrons) / np.abs(t["shells/electrons"][shells]).sum() * moles * Z / parts.z_over_a)
            energy_ev.append(0.0 if conducting else binding)
            alpha.append(1.0 if conducting or binding <= 0.0 else 2.0 / 3.0)
    f, e, a = np.array(strength), np.array(energy_ev), np.array(alpha)
    plasma = PLASMA_EV * np.sqrt(parts.density * parts.z_over_a)
    eps = (e / plasma) ** 2
    # nu^2 such that the oscillators reproduce I: 2 ln(I/plasma) = sum f ln(nu^2 eps + alpha f)
    target = 2.0 * np.log(parts.mean_excitation_ev / plasma)
    root = 1.0
    for _ in range(200):
        term = root * eps + a * f
        step = (np.dot(f, np.log(term)) - target) / np.dot(f, eps / term)
        root = max(root - step, 0.1 * root)
        if abs(step) < 1e-12 * root:
            break
    else:
        raise InputError(
            f"mean excitation energy of {parts.mean_excitation_ev:g} eV at {parts.density:g} g/cm3",
            why="the density effect has no solution for it: I is too small for this composition and density",
            suggestion="check I (eV) and the nominal density (g/cm3)",
            field=f"material {material.name!r}",
        )
    return f, root * eps, a


def density_effect(material: Material, kinetic_mev: object) -> np.ndarray:
    """Density-effect correction delta at kinetic energies [MeV], at the material's nominal density."""
    energy = energies(kinetic_mev, LOWEST_MEV, HIGHEST_MEV, "a kinetic energy")
    f, eps, alpha = _oscillators(_hashable(material))
    tau = np.atleast_1d(energy).ravel() / ELECTRON_REST_MEV
    y = tau * (tau + 2.0)  # (beta gamma)^2
    delta = np.zeros_like(y)
    # no root, no density effect, below the threshold of an insulator: 1/y = sum f/(eps + l2) at l2 = 0
    threshold = 0.0 if (eps == 0.0).any() else 1.0 / np.sum(f / eps)
    active = y > threshold
    if active.any():
        target = 1.0 / y[active]
        # the sum falls with l2 and is at most 1/l2, so y bounds l2 from above: bisection in the logarithm
        low, high = np.full(target.shape, 1e-12), 1.0 / target
        for _ in range(80):
            middle = np.sqrt(low * high)
            above = np.sum(f[:, None] / (eps[:, None] + middle), axis=0) > target
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        l2 = np.sqrt(low * high)
        value = np.sum(f[:, None] * np.log1p(l2 / (eps + alpha * f)[:, None]), axis=0)
        delta[active] = value - l2 / (1.0 + y[active])
    return np.maximum(delta, 0.0).reshape(energy.shape)


def _hashable(material: Material) -> Material:
    return Material(
        material.name,
        tuple(int(z) for z in material.Z),
        tuple(float(w) for w in material.mass_fraction),
        float(material.mean_excitation_ev),
        float(material.nominal_density_g_cm3),
    )


def _bethe(parts: Composition, energy: np.ndarray, delta: np.ndarray, particle: str) -> np.ndarray:
    tau = energy / ELECTRON_REST_MEV
    beta2 = beta_squared(energy)
    if particle == "electron":
        shape = (1.0 - beta2) * (1.0 + tau**2 / 8.0 - (2.0 * tau + 1.0) * np.log(2.0))
    else:
        t2 = tau + 2.0
        shape = 2.0 * np.log(2.0) - beta2 / 12.0 * (23.0 + 14.0 / t2 + 10.0 / t2**2 + 4.0 / t2**3)
    log_term = 2.0 * np.log(energy / (parts.mean_excitation_ev * 1e-6)) + np.log1p(tau / 2.0)
    return BETHE_CONSTANT * parts.z_over_a / beta2 * (log_term + shape - delta)


def collision(material: Material, kinetic_mev: object, particle: Particle = "electron") -> np.ndarray:
    """Unrestricted collision stopping power [MeV cm2/g] at kinetic energies [MeV]."""
    _check_particle(particle)
    energy = energies(kinetic_mev, LOWEST_MEV, HIGHEST_MEV, "a kinetic energy")
    at = np.maximum(energy, BETHE_LOWEST_MEV)
    value = _bethe(composition(material), at, density_effect(material, at), particle)
    bad = np.atleast_1d(at)[np.atleast_1d(value) <= 0.0]
    if bad.size:
        raise InputError(
            f"the Bethe stopping power is not positive at {bad.max():g} MeV",
            why=f"I = {material.mean_excitation_ev:g} eV is too close to the energy",
            suggestion="raise the electron cut-off, or check I",
            field=f"material {material.name!r}",
        )
    return value * at / energy


def positron_radiative_ratio(Z: int, kinetic_mev: object) -> np.ndarray:
    """Ratio of positron to electron radiative stopping power of an element.

    The polynomial in ln(1 + 10^6 T / (Z^2 m c^2)) that Salvat fitted to the calculations of Kim et al. 1986
    (within 0.5 %; PENELOPE manual, radiative losses).
    """
    t = np.log1p(1.0e6 / Z**2 * np.asarray(kinetic_mev, dtype=np.float64) / ELECTRON_REST_MEV)
    coefficients = (0.0, -1.2359e-1, 6.1274e-2, -3.1516e-2, 7.7446e-3, -1.0595e-3, 7.0568e-5, -1.8080e-6)
    return -np.expm1(np.polynomial.polynomial.polyval(t, coefficients))


@lru_cache(maxsize=128)
def _radiative_element(Z: int) -> CubicSpline:
    from scipy.interpolate import CubicSpline

    t = tables()
    return CubicSpline(np.log(t["radiative/energy"]), np.log(t["radiative/stopping"][Z - 1]))


def radiative_element(Z: int, kinetic_mev: object, particle: Particle = "electron") -> np.ndarray:
    """Radiative stopping power [MeV cm2/g] of an element at kinetic energies [MeV], 1 keV and above."""
    energy = np.asarray(kinetic_mev, dtype=np.float64)
    value = np.exp(_radiative_element(Z)(np.log(energy)))
    return value * positron_radiative_ratio(Z, energy) if particle == "positron" else value


def radiative(material: Material, kinetic_mev: object, particle: Particle = "electron") -> np.ndarray:
    """Radiative stopping power [MeV cm2/g] at kinetic energies [MeV]."""
    _check_particle(particle)
    energy = energies(kinetic_mev, LOWEST_MEV, HIGHEST_MEV, "a kinetic energy")
    at = np.maximum(energy, BETHE_LOWEST_MEV)
    parts = composition(material)
    value = np.zeros_like(at)
    for Z, weight in zip(parts.Z, parts.weight, strict=True):
        value = value + weight * radiative_element(Z, at, particle)
    return value * at / energy


def total(material: Material, kinetic_mev: object, particle: Particle = "electron") -> np.ndarray:
    """Total stopping power [MeV cm2/g] at kinetic energies [MeV]."""
    return collision(material, kinetic_mev, particle) + radiative(material, kinetic_mev, particle)


@lru_cache(maxsize=256)
def _range(material: Material, particle: Particle) -> CubicSpline:
    """CSDA range [g/cm2] beyond that of 1 keV, as a function of log energy: the integral of T/S over ln T."""
    from scipy.interpolate import CubicSpline

    u = np.linspace(np.log(BETHE_LOWEST_MEV), np.log(HIGHEST_MEV), 2001)
    energy = np.minimum(np.exp(u), HIGHEST_MEV)
    return CubicSpline(u, energy / total(material, energy, particle)).antiderivative()


def csda_range(material: Material, kinetic_mev: object, particle: Particle = "electron") -> np.ndarray:
    """Range in the continuous-slowing-down approximation [g/cm2] at kinetic energies [MeV].

    Below 1 keV the stopping power goes as 1/T, hence the range as T^2 / (2 * 1 keV * S(1 keV)).
    """
    _check_particle(particle)
    energy = energies(kinetic_mev, LOWEST_MEV, HIGHEST_MEV, "a kinetic energy")
    own = _hashable(material)
    lowest = float(total(own, BETHE_LOWEST_MEV, particle))
    below = np.minimum(energy, BETHE_LOWEST_MEV) ** 2 / (2.0 * BETHE_LOWEST_MEV * lowest)
    return below + _range(own, particle)(np.log(np.maximum(energy, BETHE_LOWEST_MEV)))
