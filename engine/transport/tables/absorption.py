"""Mass energy-absorption coefficients of a problem's materials, for energy left by the kernels' own collisions.

For photons of energy E,

    E mu_en/rho = pe (E - <X> - <G>) + inc (<T> - <G>) + pp (E - 2 m c^2 - <G>)

with the photoelectric, incoherent and pair cross sections pe, inc, pp of the transport, <X> the mean energy of the
X rays that are followed, <T> the mean energy of the Compton electron with the incoherent function S(x), and G(T) the
energy that an electron of energy T radiates above the photon cut-off while it slows down. What is subtracted is what
the transport follows as a photon, so nothing is scored twice or left out. (NIST's mu_en, Seltzer, Radiat Res 136
(1993) 147, subtracts all X rays and all bremsstrahlung; the difference is below 0.1 % in tissue.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline

from ....kernels.tables import ENERGY, FLUORESCENCE_COLUMNS, TRACK_COLUMNS, YIELD
from ...constants import ELECTRON_REST_MEV as MC2
from ...constants import HC_MEV_ANGSTROM
from ...physics import photons
from ...physics.material import Material
from .layout import BREMS_POINTS, ElectronTables
from .photon import X_HIGH, X_LOW, fluorescence_rows

#: energies at which the Compton and pair means are taken, and points of their quadratures
NODES, POINTS = 160, 96

Radiated = Callable[[np.ndarray], np.ndarray]


def coefficients(material: Material, energy_mev: np.ndarray, radiated: Radiated) -> np.ndarray:
    """mu_en/rho [cm2/g] at photon energies (n,) [MeV], ascending.

    Parameters
    ----------
    material
        Elements and mass fractions.
    energy_mev
        Photon energies.
    radiated
        Mean energy [MeV] that an electron of each kinetic energy [MeV] gives to photons that are followed.
    """
    energy = np.asarray(energy_mev, float)
    absorbed = photons.photoelectric(material, energy) * absorbed_photoelectric(material, energy, radiated)
    coarse = np.geomspace(energy[0], energy[-1], NODES)
    share = CubicSpline(np.log(coarse), absorbed_compton(material, coarse, radiated) / coarse)
    compton = share(np.log(energy))
    absorbed += photons.incoherent(material, energy) * compton * energy
    pairs = photons.pair(material, energy) + photons.triplet(material, energy)
    absorbed += pairs * absorbed_pair(energy, radiated)
    return absorbed / energy


def absorbed_photoelectric(material: Material, energy: np.ndarray, radiated: Radiated) -> np.ndarray:
    """Mean energy left by a photoelectric absorption [MeV]."""
    left = energy - radiated(energy)
    for row in fluorescence_rows(material):
        above = energy > row[0]
        free = np.maximum(energy - row[0], 0.0)
        before = 0.0
        for line in range((FLUORESCENCE_COLUMNS - 2) // 2):
            share, x_ray = row[1 + 2 * line] - before, row[2 + 2 * line]
            before = row[1 + 2 * line]
            left = left - above * share * (x_ray + radiated(free) - radiated(energy))
    return left


def absorbed_compton(material: Material, energy: np.ndarray, radiated: Radiated) -> np.ndarray:
    """Mean energy left by an incoherent scattering [MeV]: Klein-Nishina times S(x), as it is sampled."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    # dense at forward angles, where S(x) varies: t = 1 - cos = 2 s^2
    s = 0.5 * (1.0 + nodes)
    t, dt = 2.0 * s**2, 4.0 * s * weights
    ratio = 1.0 / (1.0 + energy[:, None] / MC2 * t)
    law = ratio**2 * (ratio + 1.0 / ratio - t * (2.0 - t))
    x = np.clip(energy[:, None] / HC_MEV_ANGSTROM * s, X_LOW, X_HIGH)
    law = law * np.clip(photons.incoherent_function(material, x), 0.0, 1.0) * dt
    electron = energy[:, None] * (1.0 - ratio)
    return (law * (electron - radiated(electron))).sum(axis=1) / law.sum(axis=1)


def absorbed_pair(energy: np.ndarray, radiated: Radiated) -> np.ndarray:
    """Mean kinetic energy left by a pair [MeV], shared uniformly as it is sampled; 0 below the threshold."""
    kinetic = np.maximum(energy - 2.0 * MC2, 0.0)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    shared = kinetic[:, None] * 0.5 * (1.0 + nodes)
    return kinetic - 2.0 * 0.5 * (radiated(shared) @ weights)


def radiated_energy(tables: ElectronTables, row: int, photon_cutoff: float, electron_cutoff: float) -> Radiated:
    """Mean bremsstrahlung energy of a slowing-down, from the very tables that transport samples.

    The number of photons comes from the slowing-down table, their mean energy from the inverse cumulative spectra,
    point by point as ``sample_photon_energy`` reads them.
    """
    track = tables.track.reshape(-1, tables.track_grid.nodes, TRACK_COLUMNS)[row].astype(float)
    energies = tables.brems_grid.nodes
    thick = tables.brems[tables.brems_thick :].reshape(-1, energies, BREMS_POINTS)[row].astype(float)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    part = 0.5 * (1.0 + nodes)
    # position (n - 1)(1 - (1 - r)^(1/3)): r at position p has density 3 (1 - p/(n - 1))^2/(n - 1)
    place = np.arange(BREMS_POINTS - 1)[:, None] + part
    density = 3.0 * (1.0 - place / (BREMS_POINTS - 1)) ** 2 * (0.5 * weights / (BREMS_POINTS - 1))
    share = thick[:, :-1, None] + part * np.diff(thick, axis=1)[:, :, None]

    grid = np.geomspace(max(electron_cutoff, photon_cutoff), track[-1, ENERGY], 4 * energies)
    node, to_next = tables.brems_grid.locate(grid)
    mean = np.empty(grid.size)
    for i, top in enumerate(grid / photon_cutoff):
        low, high = ((top ** share[node[i] + j] * density).sum() for j in (0, 1))
        mean[i] = photon_cutoff * (low + to_next[i] * (high - low))
    number = np.interp(grid, track[:, ENERGY], track[:, YIELD])
    values = number * mean

    def radiated(energy: np.ndarray) -> np.ndarray:
        return np.where(np.asarray(energy) > electron_cutoff, np.interp(energy, grid, values), 0.0)

    return radiated
