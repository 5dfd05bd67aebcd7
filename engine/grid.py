"""Voxel geometry and the axis convention: the only module that transposes.

Everywhere in hevesy an image array is indexed ``[z, y, x]`` and every triple that belongs to a grid
(shape, spacing, origin) is ordered ``(z, y, x)``. Patient coordinates are DICOM LPS millimetres. Images are
brought to the canonical orientation on reading (index axes along +L, +P, +S), so that a flipped or permuted
file never reaches the physics.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """A regular voxel grid.

    Parameters
    ----------
    shape
        Number of voxels (nz, ny, nx).
    spacing_mm
        Voxel size (dz, dy, dx) [mm].
    origin_mm
        Patient position (z, y, x) [mm, LPS] of the CENTRE of voxel [0, 0, 0].
    direction
        Row-major 3x3 direction cosines in SimpleITK's (x, y, z) order; the identity for canonical grids.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel [mL]."""
        dz, dy, dx = self.spacing_mm
        return dz * dy * dx * 1e-3

    @property
    def size(self) -> int:
        """Number of voxels."""
        nz, ny, nx = self.shape
        return nz * ny * nx


@dataclass
class Volume:
    """A scalar image on a grid.

    Parameters
    ----------
    grid
        Its geometry.
    values
        Array (nz, ny, nx).
    quantity
        What the values are and their unit: ``"HU"``, ``"Bq/mL"``, ``"g/cm3"``, ``"fraction"``, ``"Gy"``.
    frame_of_reference
        DICOM frame of reference UID when the file has one.
    source
        The file or folder it came from.
    notes
        What was assumed or converted on the way in, one sentence each.
    """

    grid: Grid
    values: np.ndarray
    quantity: str
    frame_of_reference: str | None = None
    source: str = ""
    notes: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
