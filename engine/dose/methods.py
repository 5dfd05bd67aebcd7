"""The dose methods: one entry each, with its name, what reports call it, and its function.

A new method is one file with a function like those in :mod:`.local`, and one entry here. Case files, the command line,
reports and checklists read the names and texts from this registry, so this file stands below all of them: it loads a
method's own file on the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import InputError
from ..text import did_you_mean

if TYPE_CHECKING:
    from ..transport.problem import Problem
    from ..transport.run_options import RunOptions
    from .map import DoseMap

    Function = Callable[[Problem, float | None, float, RunOptions], DoseMap]


@dataclass(frozen=True)
class DoseMethod:
    """A way to calculate absorbed dose.

    Parameters
    ----------
    name
        What a case or a command calls it.
    label
        What a report calls it, in a few words.
    sentence
        What the checklist of good reporting says of it.
    function
        ``function(problem, decays, air_density_g_cm3, options)`` returns the :class:`~.map.DoseMap` for a number of
        decays in the whole grid, or per decay for None. Voxels below the density of air [g/cm3] get no dose.
        ``options`` are those of a simulation; a method that simulates nothing ignores them.
    simulates
        Whether it simulates decays: its dose has a standard error and a tally, and takes long.
    simulated_part
        What of the emission it simulates, where that is not all.
    """

    name: str
    label: str
    sentence: str
    function: Function
    simulates: bool = False
    simulated_part: str = ""


def in_file(module: str, name: str) -> Function:
    """The function ``name`` of a file of this room, which is loaded when it is first called."""

    def function(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
        load: Function = getattr(import_module(f".{module}", __package__), name)
        return load(problem, decays, air_density_g_cm3, options)

    return function


#: Every method by its name.
METHODS: dict[str, DoseMethod] = {
    method.name: method
    for method in (
        DoseMethod(
            "mc",
            label="Monte Carlo",
            sentence="Monte Carlo transport of photons and electrons on the voxel grid",
            function=in_file("montecarlo", "monte_carlo_dose"),
            simulates=True,
        ),
        DoseMethod(
            "local",
            label="local deposition, charged particles",
            sentence="local deposition of charged particles",
            function=in_file("local", "charged_locally"),
        ),
        DoseMethod(
            "local+photons",
            label="local deposition, charged particles and photons",
            sentence="local deposition of charged particles and photons",
            function=in_file("local", "all_locally"),
        ),
        DoseMethod(
            "hybrid",
            label="local deposition of charged particles, Monte Carlo of photons",
            sentence="local deposition of charged particles, and Monte Carlo transport of photons with track-length "
            "scoring",
            function=in_file("hybrid", "hybrid_dose"),
            simulates=True,
            simulated_part="photons",
        ),
        DoseMethod(
            "kernel",
            label="kernel convolution, scaled by voxel mass",
            sentence="convolution with a voxel kernel of one medium, scaled by the mass of each voxel",
            function=in_file("kernel_method", "scaled_dose"),
        ),
        DoseMethod(
            "kernel-unscaled",
            label="kernel convolution without density scaling",
            sentence="convolution with a voxel kernel of one medium, without density scaling",
            function=in_file("kernel_method", "unscaled_dose"),
        ),
    )
}


def register(method: DoseMethod) -> None:
    """Add a method from outside this package.

    Parameters
    ----------
    method
        The method, under a name that is not taken.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if method.name in METHODS:
        raise ValueError(f"there is a dose method {method.name!r} already")
    METHODS[method.name] = method


def dose_methods(names: Iterable[str]) -> tuple[str, ...]:
    """Names of methods, each once.

    Raises
    ------
    InputError
        A name is unknown, or listed twice.
    """
    known = tuple(dose_method(name).name for name in names)
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"'{twice}' is listed twice",
            why="each method is calculated once",
            suggestion=f"write {', '.join(dict.fromkeys(known))}",
            field="method",
        )
    return known


def dose_method(name: str) -> DoseMethod:
    """The method of this name.

    Parameters
    ----------
    name
        Name in :data:`METHODS`.

    Returns
    -------
    DoseMethod
        Its function, and what may be asked of it.

    Raises
    ------
    InputError
        The name is unknown; the message has the nearest one.
    """
    if not isinstance(name, str) or name not in METHODS:
        raise InputError(
            f"unknown dose method {name!r}",
            why="the methods are " + ", ".join(METHODS),
            suggestion=did_you_mean(str(name), METHODS),
            field="method",
        )
    return METHODS[name]


def main_method(names: Iterable[str]) -> DoseMethod:
    """The method whose dose is used in the lesion table and the verdict.

    The first that simulates all that a decay emits, else the first that simulates a part of it, else the first.
    """
    methods = [dose_method(name) for name in names]
    return min(methods, key=lambda method: (not method.simulates, bool(method.simulated_part)))


def simulated_method(names: Iterable[str]) -> str | None:
    """Which of the doses with standard errors is the one that a result keeps the tally of; None without any.

    Parameters
    ----------
    names
        Methods of these doses. One that is not registered here counts as one that simulates everything.
    """
    unknown = DoseMethod("", "", "", in_file("", ""), simulates=True)
    simulating = {name: METHODS.get(name, unknown) for name in names}
    simulating = {name: method for name, method in simulating.items() if method.simulates}
    return min(simulating, key=lambda name: bool(simulating[name].simulated_part), default=None)
