"""Absorbed dose by any registered method, behind one call."""

from __future__ import annotations

from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .map import DoseMap, check_decays
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
    check_decays(decays)
    return entry.function(problem, decays, air_density_g_cm3, options or RunOptions())
