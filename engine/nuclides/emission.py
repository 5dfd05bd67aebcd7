"""What one decay emits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Emission:
    """What one decay emits.

    Spectra are points joined by straight lines. Annihilation photons are NOT photon lines: the transport makes them.
    Alpha lines are deposited at the position of the decay.

    Parameters
    ----------
    nuclide
        Name; a label only.
    electron_lines, photon_lines, alpha_lines
        Energy [MeV] and number per decay of each line; (n, 2), float64.
    beta_mev, positron_mev
        Energies of the points of the spectra (n,), float64 [MeV], ascending.
    beta_per_mev, positron_per_mev
        Number per decay and energy at these points (n,), float64 [1/MeV].
    """

    nuclide: str = ""
    electron_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    photon_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    beta_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    beta_per_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    positron_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    positron_per_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    alpha_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


def spectrum_moments(energy_mev: np.ndarray, per_mev: np.ndarray) -> tuple[float, float]:
    """Particles per decay and their total energy [MeV per decay] of a spectrum of straight lines, exactly."""
    if len(energy_mev) < 2:
        return 0.0, 0.0
    e, f = np.asarray(energy_mev, dtype=np.float64), np.asarray(per_mev, dtype=np.float64)
    width = np.diff(e)
    number = float(np.sum(width * (f[:-1] + f[1:])) / 2.0)
    energy = float(np.sum(width * (e[:-1] * (2 * f[:-1] + f[1:]) + e[1:] * (f[:-1] + 2 * f[1:]))) / 6.0)
    return number, energy
