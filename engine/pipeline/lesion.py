"""A lesion of a visit: one object from its file to its record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..grid import Grid
from ..imaging.masks.mask import Mask


@dataclass(frozen=True, eq=False)
class FineMask:
    """A lesion's mask on small voxels of its own.

    Parameters
    ----------
    fraction
        Volume fractions (nz, ny, nx), each in [0, 1].
    grid
        Their grid.
    """

    fraction: np.ndarray
    grid: Grid


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion of a visit.

    Parameters
    ----------
    mask
        The lesion on the dose grid, under a name that no other lesion of the visit has.
    fine
        The same from its file on small voxels, for recovery and for scans that lie elsewhere; None where it is
        not needed, and where the file does not give it (a lesion drawn on a later scan, a name that the file holds
        twice).
    scan
        Index of the scan that it was drawn on: 0 is the first.
    """

    mask: Mask
    fine: FineMask | None = None
    scan: int = 0

    @property
    def name(self) -> str:
        """Its name in tables and report."""
        return self.mask.name

    @property
    def site(self) -> str:
        """Where it is (node, lung, bone...); empty when its file does not say so."""
        return self.mask.site

    @property
    def fraction(self) -> np.ndarray:
        """Volume fractions on the dose grid (nz, ny, nx)."""
        return self.mask.fraction
