"""Bremsstrahlung photon spectra of electrons and positrons in any material.

Shape: the Bethe-Heitler cross section differential in photon energy in the Born approximation without
screening (formula 3BN of Koch and Motz, Rev Mod Phys 31:920, 1959) times the Coulomb correction of Elwert
(Ann Phys 34:178, 1939), element by element. Size: every element's spectrum is scaled so that its energy
integral is ESTAR's radiative stopping power, and elements add up by mass fraction.

Neglected: screening (the spectrum is too high towards k = 0, where it contains no energy), the different shape
in the field of electrons, and that the Born approximation is poor where the outgoing electron is slow, beyond
what Elwert's factor mends. Positrons have the electron's shape and the stopping power of Kim et al.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ..constants import ELECTRON_REST_MEV, FINE_STRUCTURE
from .composition import composition, energies
from .material import Material
from .stopping import BETHE_LOWEST_MEV, HIGHEST_MEV, Particle, _check_particle, radiative_element

#: The tip of the spectrum, k = T, is taken here: closer to it the formula loses its digits to cancellation.
_TIP = 1.0 - 1e-4


def koch_motz(kinetic_mev: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """k dsigma/dk of formula 3BN in units of Z^2 r_e^2 alpha, at photon energies of a fraction of T."""
    total0 = kinetic_mev / ELECTRON_REST_MEV + 1.0
    k = np.minimum(fraction, _TIP) * (total0 - 1.0)
    total1 = total0 - k
    square0, square1 = (total0 - 1.0) * (total0 + 1.0), (total1 - 1.0) * (total1 + 1.0)
    p0, p1 = np.sqrt(square0), np.sqrt(square1)
    # ln[(E+p)/(E-p)] = 2 ln(E+p), as E^2 - p^2 = 1
    eps0, eps1 = 2.0 * np.log(total0 + p0), 2.0 * np.log(total1 + p1)
    both = total0 * total1
    log_term = 2.0 * np.log((both + p0 * p1 - 1.0) / k)
    plain = (
        4.0 / 3.0
        - 2.0 * both * (square0 + square1) / (square0 * square1)
        + eps0 * total1 / (square0 * p0)
        + eps1 * total0 / (square1 * p1)
        - eps0 * eps1 / (p0 * p1)
    )
    bracket = (
        8.0 / 3.0 * both / (p0 * p1)
        + k**2 * (both**2 + square0 * square1) / (p0 * p1) ** 3
        + k
        / (2.0 * p0 * p1)
        * (
            (both + square0) / (square0 * p0) * eps0
            - (both + square1) / (square1 * p1) * eps1
            + 2.0 * k * both / (square0 * square1)
        )
    )
    return p1 / p0 * (plain + log_term * bracket)


def elwert_factor(Z: int, kinetic_mev: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Elwert's Coulomb correction of the Born spectrum at photon energies of a fraction of T."""
    tau0 = np.asarray(kinetic_mev) / ELECTRON_REST_MEV
    tau1 = tau0 * (1.0 - np.minimum(fraction, _TIP))

    def half(tau: np.ndarray) -> np.ndarray:
        beta = np.sqrt(tau * (tau + 2.0)) / (tau + 1.0)
        return beta * -np.expm1(-2.0 * np.pi * FINE_STRUCTURE * Z / beta)

    return half(tau0) / half(tau1)


@lru_cache(maxsize=4)
def _unit_quadrature(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on (0, 1), crowded at both ends, where the spectrum has a logarithm and a step."""
    x, w = np.polynomial.legendre.leggauss(points)
    s, w = 0.5 * (x + 1.0), 0.5 * w
    return s**2 * (3.0 - 2.0 * s), w * 6.0 * s * (1.0 - s)


@lru_cache(maxsize=1)
def _shape_grid() -> tuple[np.ndarray, np.ndarray]:
    energy = np.geomspace(BETHE_LOWEST_MEV, HIGHEST_MEV, 200)
    nodes, _ = _unit_quadrature(64)
    return energy, koch_motz(energy[:, None], nodes)


@lru_cache(maxsize=128)
def _scale(Z: int) -> CubicSpline:
    """ln of T times the integral of the shape over k/T, against ln T."""
    energy, born = _shape_grid()
    nodes, weights = _unit_quadrature(64)
    integral = (born * elwert_factor(Z, energy[:, None], nodes)) @ weights
    return CubicSpline(np.log(energy), np.log(energy * integral))


def _intensity(material: Material, kinetic: np.ndarray, fraction: np.ndarray, particle: Particle) -> np.ndarray:
    """k d(sigma/rho)/dk [cm2/g] for kinetic energies and fractions that broadcast with them."""
    parts = composition(material)
    grid = blake2b(kinetic.tobytes(), digest_size=16, person=b"kinetic")
    grid.update(fraction.tobytes())
    key = (grid.digest(), kinetic.shape, fraction.shape)
    born = _kept((0, "", *key), lambda: koch_motz(kinetic, fraction))
    out = np.zeros(np.broadcast_shapes(kinetic.shape, fraction.shape))
    for Z, weight in zip(parts.Z, parts.weight, strict=True):
        stopping, integral = _kept((Z, particle, *key), lambda: _size(Z, kinetic, particle))  # noqa: B023
        coulomb = _kept((Z, "", *key), lambda: elwert_factor(Z, kinetic, fraction))  # noqa: B023
        out += weight * stopping / integral * coulomb * born
    return out


def _size(Z: int, kinetic: np.ndarray, particle: Particle) -> tuple[np.ndarray, np.ndarray]:
    """Radiative stopping power of an element, and the integral of its shape."""
    return radiative_element(Z, kinetic, particle), np.exp(_scale(Z)(np.log(kinetic)))


#: The materials of a body share a dozen elements, and their tables have the same energies: values that depend only
#: on element and energies are cached, the most recent ones.
_latest: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
_MOST_KEPT = 600


def _kept(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    if key not in _latest:
        _latest[key] = make()
        if len(_latest) > _MOST_KEPT:
            _latest.popitem(last=False)
    return _latest[key]


def spectrum(
    material: Material, kinetic_mev: object, photon_mev: object, particle: Particle = "electron"
) -> np.ndarray:
    """Photon spectrum d(sigma/rho)/dk [cm2/g/MeV].

    Parameters
    ----------
    material
        The material.
    kinetic_mev, photon_mev
        Kinetic energies T (1 keV to 20 MeV) and photon energies k [MeV]; they broadcast. Zero where k > T.
    particle
        ``"electron"`` or ``"positron"``.
    """
    _check_particle(particle)
    kinetic = energies(kinetic_mev, BETHE_LOWEST_MEV, HIGHEST_MEV, "a kinetic energy")
    photon = energies(photon_mev, 1e-12, HIGHEST_MEV, "a photon energy")
    kinetic, photon = np.broadcast_arrays(kinetic, photon)
    fraction = photon / kinetic
    value = _intensity(material, kinetic, np.minimum(fraction, 1.0), particle) / photon
    return np.where(fraction <= 1.0, value, 0.0)


def _above(material: Material, kinetic_mev: object, cut_mev: float, particle: Particle, power: int) -> np.ndarray:
    """Integral of k^power d(sigma/rho)/dk from the cut to T."""
    _check_particle(particle)
    kinetic = energies(kinetic_mev, BETHE_LOWEST_MEV, HIGHEST_MEV, "a kinetic energy")
    cut = float(energies(cut_mev, 1e-12, HIGHEST_MEV, "a photon cut-off"))
    flat = np.atleast_1d(kinetic).ravel()
    out = np.zeros_like(flat)
    use = flat > cut
    if use.any():
        t = flat[use][:, None]
        nodes, weights = _unit_quadrature(64)
        width = np.log(t / cut)
        fraction = np.exp(-width * (1.0 - nodes))  # k/T, uniform in ln k from the cut to T
        integrand = _intensity(material, t, fraction, particle) * (t * fraction) ** power
        out[use] = (integrand * width) @ weights
    return out.reshape(kinetic.shape)


def mass_cross_section_above(
    material: Material, kinetic_mev: object, cut_mev: float, particle: Particle = "electron"
) -> np.ndarray:
    """Cross section for photons above ``cut_mev`` [cm2/g] at kinetic energies [MeV]; 0 up to the cut."""
    return _above(material, kinetic_mev, cut_mev, particle, 0)


def radiative_above(
    material: Material, kinetic_mev: object, cut_mev: float, particle: Particle = "electron"
) -> np.ndarray:
    """Part of the radiative stopping power [MeV cm2/g] that goes into photons above ``cut_mev``."""
    return _above(material, kinetic_mev, cut_mev, particle, 1)
