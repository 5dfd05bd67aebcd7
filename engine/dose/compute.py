"""Absorbed dose by any registered method, behind one call."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .map import DoseMap
from .methods import dose_method


def compute_dose(
    method: str,
    problem: Problem,
    decays: float | None = None,
    *,
    air_density_g_cm3: float = 0.0,
    options: RunOptions | None = None,
) -> DoseMap:
    """Absorbed dose by one method.

    Parameters
    ----------
    method
        Name in :data:`~.methods.METHODS`.
    problem
        Geometry, materials, emission, and the source as relative numbers of decays.
    decays
        Number of decays in the whole grid (activity integrated over time) that the dose is stated for; None
        for dose per decay.
    air_density_g_cm3
        Voxels of lower density get zero dose [g/cm3]; 0 shows them all. Patients: 0.01.
    options
        Of the simulation, for methods that simulate.

    Returns
    -------
    DoseMap
        Mean, standard error where the method has one, and unit.

    Raises
    ------
    InputError
        Unknown method, empty source, or what the method itself refuses.
    """
    entry = dose_method(method)
    if decays is not None and not (np.isfinite(decays) and decays >= 0):
        raise InputError(
            f"the number of decays is {decays}",
            why="dose is stated for a finite number of decays",
            suggestion="look at the time-integrated activity",
            field="decays",
        )
    return entry.function(problem, decays, air_density_g_cm3, options or RunOptions())
