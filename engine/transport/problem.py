"""A fully specified transport problem: what `hevesy simulate` and `hevesy validate` read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Material:
    """An elemental composition with what stopping powers need.

    Parameters
    ----------
    name
        Its name, e.g. ``"water"``.
    Z
        Atomic numbers.
    mass_fraction
        Mass fractions, summing to one.
    mean_excitation_ev
        Mean excitation energy I [eV].
    nominal_density_g_cm3
        The density at which the density effect is taken [g/cm3]; the voxel's own density scales the rest.
    """

    name: str
    Z: tuple[int, ...]
    mass_fraction: tuple[float, ...]
    mean_excitation_ev: float
    nominal_density_g_cm3: float


@dataclass(frozen=True)
class Emission:
    """What one decay emits. Arrays of lines are (n, 2): energy [MeV], number per decay.

    ``beta_mev``/``beta_per_mev`` and ``positron_mev``/``positron_per_mev`` are spectra as points joined by
    straight lines [MeV, per MeV per decay]. Annihilation photons are NOT photon lines: the transport makes
    them. Alpha lines are deposited where they are born.
    """

    nuclide: str = ""
    electron_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    photon_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    beta_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    beta_per_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    positron_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    positron_per_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    alpha_lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True)
class Problem:
    """Geometry, materials, source and emission; optionally a reference dose. See docs/formats/problem.md."""

    density_g_cm3: np.ndarray
    material: np.ndarray
    materials: tuple[Material, ...]
    voxel_size_mm: tuple[float, float, float]
    source: np.ndarray
    emission: Emission
    reference_dose: np.ndarray | None = None
    reference_sigma: np.ndarray | None = None
    physics: dict[str, Any] = field(default_factory=dict)
    regions: np.ndarray | None = None
    region_names: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Problem:
        """Read and check a problem file (.npz)."""
        from .problem_file import load_problem

        return load_problem(path)

    def save(self, path: str | Path) -> Path:
        """Write a problem file (.npz); returns its path."""
        from .problem_file import save_problem

        return save_problem(self, path)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel [mL]."""
        dz, dy, dx = self.voxel_size_mm
        return dz * dy * dx * 1e-3
