"""How far a running simulation is from its target precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..constants import QUANTUM_MEV
from ..statistics import MINIMUM_BATCHES, gy_per_mev
from ..until import Until
from .tally import Tally


@dataclass(frozen=True, eq=False)
class Goal:
    """A stop criterion for one problem.

    Parameters
    ----------
    until
        Which error is asked for, and how small.
    density
        Mass density (nz, ny, nx), float32 or float64 [g/cm3].
    filled
        Which regions contain any voxel, bool (regions,); all by default. A region that has voxels and no energy yet
        is not known: the run continues.
    local_mev, local_regions_mev
        Energy per decay besides that of the tally, of each voxel (nz, ny, nx) and, times the weights, of each region
        (regions,), float64 [MeV]: errors are relative to the sum.
    """

    until: Until
    density: np.ndarray
    filled: np.ndarray | None = None
    local_mev: np.ndarray | None = None
    local_regions_mev: np.ndarray | None = None

    def error(self, tally: Tally) -> float:
        """Relative standard error reached so far; infinite while it cannot be estimated."""
        if tally.n_batches < MINIMUM_BATCHES:
            return np.inf
        if self.until.voxels_above is None:
            # in floating point: exact sums over thousands of batches would take longer than the batches
            quanta = tally.region_quanta.astype(np.float64)
            if self.local_regions_mev is not None:
                quanta += self.local_regions_mev * (tally.batch_histories / QUANTUM_MEV)
            if self.filled is not None:
                quanta = quanta[:, self.filled]
            mean = quanta.mean(axis=0)
            if not mean.size or (mean <= 0).any():
                return np.inf
            return float((quanta.std(axis=0, ddof=1) / mean).max() / np.sqrt(len(quanta)))
        mean, sigma = tally.dose_gy_per_decay(self.density, 1.0)
        if self.local_mev is not None:
            mean = mean + self.local_mev * gy_per_mev(self.density, 1.0)
        hot = mean > self.until.voxels_above * mean.max()
        return float(np.sqrt(np.mean((sigma[hot] / mean[hot]) ** 2)))
