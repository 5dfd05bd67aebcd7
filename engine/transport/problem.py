"""A fully specified transport problem: what `hevesy simulate` and `hevesy validate` read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..nuclides.emission import Emission
from ..physics.material import Material


@dataclass(frozen=True)
class Problem:
    """Geometry, materials, source and emission; optionally a reference dose. See docs/formats/problem.md.

    Parameters
    ----------
    density_g_cm3
        Mass density (nz, ny, nx), float32 [g/cm3]; positive everywhere.
    material
        Index into ``materials`` (nz, ny, nx), uint8.
    materials
        Compositions of the tissues.
    voxel_size_mm
        (dz, dy, dx) [mm].
    source
        Relative number of decays (nz, ny, nx), float32, in any scale; not negative.
    emission
        What one decay emits.
    reference_dose, reference_sigma
        Dose to compare with and its standard error (nz, ny, nx), float64 [Gy per decay of the whole problem]; NaN
        where it is not known.
    physics
        Options by name (:class:`~hevesy.engine.transport.options.PhysicsOptions`).
    regions, region_names
        Regions whose means are reported (nz, ny, nx), uint8; 0 is no region, region i has the name at index i - 1.
    notes
        Free-form facts about the problem.
    """

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
