"""What one decay emits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Emission:
    """What one decay emits. Arrays of lines are (n, 2): energy [MeV], number per decay.

    ``beta_mev``/``beta_per_mev`` and ``positron_mev``/``positron_per_mev`` are spectra as points joined by
    straight lines [MeV, per MeV per decay]. Annihilation photons are NOT photon lines: the transport makes
    them. Alpha lines are deposited at the position of the decay.
    """

    nuclide: str = ""
    electron_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    photon_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    beta_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    beta_per_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    positron_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    positron_per_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    alpha_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
