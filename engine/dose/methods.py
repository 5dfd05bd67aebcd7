"""Absorbed dose by any method, behind one call: :func:`compute_dose`.

Methods are entries of a registry: Monte Carlo transport (``mc``), local deposition without and with photon energy
(``local``, ``local+photons``).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError
from ..transport.problem import Problem
from .local import deposit_locally
from .map import DoseMap, relative_source, voxel_volume_ml
from .montecarlo import dose_map, monte_carlo_dose

Method = Callable[..., DoseMap]


#: Registered methods: name -> function(problem, *, air_density_g_cm3, **options) -> DoseMap (Gy per decay)
METHODS: dict[str, Method] = {}


def register(name: str) -> Callable[[Method], Method]:
    """Decorator that enters a method under `name`."""

    def enter(function: Method) -> Method:
        METHODS[name] = function
        return function

    return enter


def compute_dose(
    method: str,
    problem: Problem,
    decays: float | None = None,
    *,
    air_density_g_cm3: float = 0.0,
    **options: Any,
) -> DoseMap:
    """Absorbed dose by one method.

    Parameters
    ----------
    method
        ``"mc"``, ``"local"`` or ``"local+photons"``.
    problem
        Geometry, materials, emission, and the source as relative numbers of decays.
    decays
        Number of decays in the whole grid (activity integrated over time) that the dose is stated for; None
        for dose per decay.
    air_density_g_cm3
        Voxels of lower density get zero dose, counted in the notes; 0 shows them all. Patients: 0.01 g/cm3.
    options
        Passed to the method: for ``"mc"`` those of `hevesy.engine.transport.run.simulate` (histories as
        ``histories=``, since `decays` is taken).

    Returns
    -------
    DoseMap

    Raises
    ------
    InputError
        Unknown method, empty source, or what the method itself refuses.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, 1)
        raise InputError(
            f"dose method {method!r} is not known",
            why=f"the methods are {', '.join(METHODS)}",
            suggestion=f"did you mean {near[0]!r}?" if near else "use one of them",
            field="method",
        )
    if decays is not None and not (np.isfinite(decays) and decays >= 0):
        raise InputError(
            f"the number of decays is {decays}",
            why="dose is stated for a finite number of decays",
            suggestion="look at the time-integrated activity",
            field="decays",
        )
    dose = METHODS[method](problem, air_density_g_cm3=air_density_g_cm3, **options)
    if dose.tally is not None:
        return dose_map(dose.tally, problem.density_g_cm3, voxel_volume_ml(problem), decays, air_density_g_cm3)
    if decays is None:
        return dose
    return DoseMap(
        method=method,
        mean=dose.mean * decays,
        sigma=None if dose.sigma is None else dose.sigma * decays,
        unit="Gy",
        decays=float(decays),
        notes=dose.notes,
        air_density_g_cm3=air_density_g_cm3,
        tally=dose.tally,
    )


def _local(problem: Problem, name: str, photons: str, air_density_g_cm3: float) -> DoseMap:
    volume = voxel_volume_ml(problem)
    deposit = deposit_locally(
        relative_source(problem), problem.density_g_cm3, volume, problem.emission, photons, air_density_g_cm3
    )
    notes: tuple[str, ...] = ()
    if deposit.air_voxels:
        notes = (
            f"{deposit.air_voxels} voxels with activity are air (below {air_density_g_cm3:g} g/cm3): no dose "
            f"is stated there; {100 * deposit.air_fraction:.2g} % of the decays happen in them.",
        )
    return DoseMap(method=name, mean=deposit.dose_gy, sigma=None, unit="Gy per decay", notes=notes)


@register("local")
def _local_electrons(problem: Problem, *, air_density_g_cm3: float) -> DoseMap:
    return _local(problem, "local", "none", air_density_g_cm3)


@register("local+photons")
def _local_all(problem: Problem, *, air_density_g_cm3: float) -> DoseMap:
    return _local(problem, "local+photons", "all", air_density_g_cm3)


@register("mc")
def _monte_carlo(problem: Problem, **options: Any) -> DoseMap:
    return monte_carlo_dose(problem, **options)
