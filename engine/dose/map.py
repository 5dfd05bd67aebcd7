"""A dose map: dose on a grid by one method, with its statistics."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from ..transport.problem import Problem
from ..transport.tally import Tally


@dataclass(frozen=True)
class DoseMap:
    """Dose on a grid by one method.

    Parameters
    ----------
    method
        Registered name.
    mean
        float64 (nz, ny, nx) [`unit`].
    sigma
        One standard error of `mean`, same shape and dtype; None for methods without statistics.
    unit
        ``"Gy"`` or, when no number of decays was given, ``"Gy per decay"``.
    decays
        Number of decays that `mean` stands for (1 for ``"Gy per decay"``).
    notes
        What was assumed or left out, one sentence each.
    air_density_g_cm3
        Voxels below this density [g/cm3] were given no dose.
    tally
        The integer tally behind a Monte Carlo dose.
    """

    method: str
    mean: np.ndarray
    sigma: np.ndarray | None
    unit: str
    decays: float = 1.0
    notes: tuple[str, ...] = ()
    air_density_g_cm3: float = 0.0
    tally: Tally | None = field(default=None, repr=False, compare=False)

    def for_decays(self, decays: float | None) -> DoseMap:
        """A dose per decay, stated for a number of decays; unchanged for None."""
        if decays is None:
            return self
        sigma = None if self.sigma is None else self.sigma * decays
        return replace(self, mean=self.mean * decays, sigma=sigma, unit="Gy", decays=float(decays))


def check_decays(decays: float | None) -> None:
    """Refuse a number of decays that dose cannot be stated for; None stands for dose per decay.

    Raises
    ------
    InputError
        A number that is negative or not finite.
    """
    if decays is not None and not (np.isfinite(decays) and decays >= 0):
        raise InputError(
            f"the number of decays is {decays}",
            why="dose is stated for a finite number of decays",
            suggestion="look at the time-integrated activity",
            field="decays",
        )


def relative_source(problem: Problem) -> np.ndarray:
    """The source as the share of all decays in each voxel, float64 (nz, ny, nx), summing to one."""
    source = np.asarray(problem.source, dtype=np.float64)
    total = float(source.sum())
    if not np.isfinite(total) or total <= 0 or (source < 0).any():
        raise InputError(
            "the source has no decays" if total == 0 else "the source has negative or undefined voxels",
            why="dose per decay needs a voxel in which decays happen",
            suggestion="check the activity image and the region it was cropped to",
            field="source",
        )
    return source / total


def voxel_volume_ml(problem: Problem) -> float:
    """Volume of one voxel of a problem [mL]."""
    dz, dy, dx = problem.voxel_size_mm
    return float(dz) * float(dy) * float(dx) * 1e-3
