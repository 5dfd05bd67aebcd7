"""The registration of one image to another: a rigid motion, an optional deformation, and resampling with both.

A rigid motion moves the voxel grid and leaves the values alone, so that a PET can be averaged over dose voxels by
overlap volume with its activity conserved, and a lesion can be read from the PET's own voxels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from ..grid import Grid, Volume
from .resample import resample_conserving


@dataclass(frozen=True, eq=False)
class Deformation:
    """Displacements u(x) of the deformable part, on a coarse grid of the fixed image [mm].

    ``field`` is (3, nz, ny, nx), components along (x, y, z); a fixed point x corresponds to ``M (x + u(x))``.
    """

    grid: Grid
    field: np.ndarray

    def at(self, xyz_mm: np.ndarray) -> np.ndarray:
        """Displacement (..., 3) in (x, y, z) [mm] at fixed positions (..., 3); nearest value outside."""
        points = np.asarray(xyz_mm, float)
        index = self.grid.xyz_to_index(points.reshape(-1, 3)).T
        parts = [ndimage.map_coordinates(c, index, order=1, mode="nearest") for c in self.field]
        return np.stack(parts, axis=-1).reshape(points.shape)

    @property
    def largest_mm(self) -> float:
        """Length of the largest displacement [mm]."""
        return float(np.linalg.norm(self.field, axis=0).max())

    def expansion(self) -> np.ndarray:
        """Determinant of d(x + u)/dx (nz, ny, nx): volume in the moving image per volume in the fixed one."""
        dz, dy, dx = self.grid.spacing_mm
        jacobian = np.zeros((*self.grid.shape, 3, 3))
        cosines = np.asarray(self.grid.direction, float).reshape(3, 3)
        for row, component in enumerate(self.field):
            along = np.stack(np.gradient(component, dz, dy, dx)[::-1], axis=-1)  # along the grid's x, y, z axes
            jacobian[..., row, :] = along @ cosines.T
        return np.asarray(np.linalg.det(jacobian + np.eye(3)))


@dataclass(frozen=True, eq=False)
class Alignment:
    """Registration of a moving image to the fixed one.

    Attributes
    ----------
    model
        ``"none"``, ``"rigid"`` or ``"deformable"``.
    matrix
        4x4, fixed patient position (x, y, z, 1) to moving patient position [mm].
    deformation
        What the deformable model adds; None otherwise.
    translation_mm
        Motion of the body's centre (x, y, z) [mm].
    rotation_deg
        Angle of the rotation [degrees].
    correlation_before, correlation_after
        Correlation of the two CTs inside the body, in [-1, 1]; nan when they do not overlap.
    metric, metric_before, metric_after
        Name and value of the optimised metric (smaller is better); nan without an optimisation.
    notes, warnings
        What was done, and what a reader must check.
    """

    model: str = "none"
    matrix: np.ndarray = field(default_factory=lambda: np.eye(4))
    deformation: Deformation | None = None
    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_deg: float = 0.0
    correlation_before: float = math.nan
    correlation_after: float = math.nan
    metric: str = ""
    metric_before: float = math.nan
    metric_after: float = math.nan
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether anything is moved."""
        return self.deformation is not None or not np.array_equal(self.matrix, np.eye(4))

    def to_moving(self, xyz_mm: np.ndarray) -> np.ndarray:
        """Moving positions (..., 3) of fixed positions (..., 3), (x, y, z) [mm]."""
        points = np.asarray(xyz_mm, float)
        if self.deformation is not None:
            points = points + self.deformation.at(points)
        return np.asarray(points @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def matrix_at(self, xyz_mm: np.ndarray | None = None) -> np.ndarray:
        """The rigid motion (4x4) near a fixed position; a deformation enters as its shift there."""
        if self.deformation is None or xyz_mm is None:
            return self.matrix
        local = np.eye(4)
        local[:3, 3] = self.deformation.at(np.asarray(xyz_mm, float))
        return np.asarray(self.matrix @ local)

    def place(self, grid: Grid, xyz_mm: np.ndarray | None = None) -> Grid:
        """A grid of the moving image in coordinates of the fixed one (near a position, for a deformation)."""
        return grid.moved(np.linalg.inv(self.matrix_at(xyz_mm))) if self.moves else grid

    def resample(self, volume: Volume, grid: Grid) -> Volume:
        """The moving volume (a concentration or density) on ``grid`` of the fixed image.

        The integral over the region that both cover is conserved: exactly up to overlap volumes for a rigid
        motion, by the determinant of the deformation otherwise. float32 (nz, ny, nx).
        """
        placed = Volume(
            self.place(volume.grid), volume.values, volume.quantity, None, volume.source, list(volume.notes)
        )
        if self.deformation is None:
            return resample_conserving(placed, grid)
        values = _deformed(placed, grid, self.deformation)
        return Volume(grid, values, volume.quantity, None, volume.source, list(volume.notes))

    def to_dict(self) -> dict[str, Any]:
        """What tables and report show, as plain data."""
        return {
            "model": self.model,
            "matrix": self.matrix.tolist(),
            "translation_mm": list(self.translation_mm),
            "rotation_deg": self.rotation_deg,
            "largest_deformation_mm": None if self.deformation is None else self.deformation.largest_mm,
            "correlation_before": self.correlation_before,
            "correlation_after": self.correlation_after,
            "metric": self.metric,
            "metric_before": self.metric_before,
            "metric_after": self.metric_after,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def _deformed(volume: Volume, grid: Grid, deformation: Deformation) -> np.ndarray:
    """Mean over 2 x 2 x 2 sub-points of each voxel of ``C(x + u) |d(x + u)/dx|``: activity is conserved."""
    expansion = deformation.expansion()
    values = np.asarray(volume.values, np.float64)
    out = np.zeros(grid.shape)
    halves = [np.array(h) / 2.0 - 0.25 for h in np.ndindex(2, 2, 2)]
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in grid.shape), indexing="ij")
    centres = np.stack([z.ravel(), y.ravel(), x.ravel()], -1)
    for half in halves:
        points = grid.index_to_xyz(centres + half)
        stretch = ndimage.map_coordinates(expansion, deformation.grid.xyz_to_index(points).T, order=1, mode="nearest")
        there = volume.grid.xyz_to_index(points + deformation.at(points))
        inside = np.all((there >= -0.5) & (there <= np.array(volume.grid.shape) - 0.5), axis=1)
        seen = ndimage.map_coordinates(values, there.T, order=1, mode="nearest")
        out += np.where(inside, seen * stretch, 0.0).reshape(grid.shape) / len(halves)
    return out.astype(np.float32)
