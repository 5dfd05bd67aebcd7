"""Monte Carlo transport as one of the dose methods."""

from __future__ import annotations

import numpy as np

from ..statistics import gy_per_mev
from ..transport.problem import Problem
from ..transport.run import run_transport
from ..transport.run_options import RunOptions
from ..transport.tally import Tally
from .map import DoseMap, voxel_volume_ml


def monte_carlo_dose(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
    """Dose by Monte Carlo transport.

    Parameters
    ----------
    problem
        Geometry, materials, source, emission.
    decays
        Number of decays that the dose is stated for; None: dose per decay.
    air_density_g_cm3
        Voxels of lower density get zero dose (their energy stays in the tally and in the balance).
    options
        Of the simulation.
    """
    tally = run_transport(problem, options).frozen()
    return dose_map(tally, problem.density_g_cm3, voxel_volume_ml(problem), decays, air_density_g_cm3)


def dose_map(
    tally: Tally,
    density_g_cm3: np.ndarray,
    volume_ml: float,
    decays: float | None = None,
    air_density_g_cm3: float = 0.0,
) -> DoseMap:
    """The dose map of a tally.

    Parameters
    ----------
    tally
        What the transport left.
    density_g_cm3
        Mass density (nz, ny, nx) [g/cm3].
    volume_ml
        Volume of one voxel [mL].
    decays
        Number of decays that the dose is stated for; None: dose per decay.
    air_density_g_cm3
        Voxels of lower density get zero dose.

    Returns
    -------
    DoseMap
        Mean and one standard error [Gy, or Gy per decay]; the latter is NaN with fewer than 20 batches.
    """
    factor = gy_per_mev(density_g_cm3, volume_ml) * (1.0 if decays is None else decays)
    factor[np.asarray(density_g_cm3) < air_density_g_cm3] = 0.0
    mean, sigma = tally.mean_sigma_mev()
    return DoseMap(
        "mc",
        mean * factor,
        sigma * factor,
        "Gy per decay" if decays is None else "Gy",
        decays=1.0 if decays is None else float(decays),
        air_density_g_cm3=air_density_g_cm3,
        tally=tally,
    )
