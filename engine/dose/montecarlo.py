"""Monte Carlo transport as one of the dose methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..transport.problem import Problem
from ..transport.run import simulate
from .map import DoseMap, voxel_volume_ml


def monte_carlo_dose(
    problem: Problem, *, air_density_g_cm3: float = 0.0, histories: int | None = None, **options: Any
) -> DoseMap:
    """Dose per decay by Monte Carlo transport.

    Parameters
    ----------
    problem
        Geometry, materials, source, emission.
    air_density_g_cm3
        Voxels of lower density get zero dose (their energy stays in the tally and in the balance).
    histories
        Decays to simulate; None leaves it to the stop criterion.
    options
        ``seed``, ``backend``, ``until``, ``time_limit_s``, ``progress``, ``regions`` ... of `simulate`.
    """
    tally = simulate(problem, decays=histories, **options)
    return dose_map(tally, problem, air_density_g_cm3)


def dose_map(tally: Any, problem: Problem, air_density_g_cm3: float = 0.0) -> DoseMap:
    """Mean and standard error [Gy per decay] of a finished tally, with the air policy applied."""
    mean, sigma = tally.dose_gy_per_decay(problem.density_g_cm3, voxel_volume_ml(problem))
    notes: tuple[str, ...] = ()
    air = np.asarray(problem.density_g_cm3) < air_density_g_cm3
    if air.any():
        mean, sigma = np.where(air, 0.0, mean), np.where(air, 0.0, sigma)
        notes = (f"No dose is stated for {int(air.sum())} air voxels (below {air_density_g_cm3:g} g/cm3).",)
    return DoseMap("mc", mean, sigma, "Gy per decay", notes=notes, tally=tally)
