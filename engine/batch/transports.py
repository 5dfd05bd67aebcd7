"""The transports of a case, each visit with each therapy, without running one: what shards divide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..case.model import Case
from ..check import decays_needed
from ..dose.methods import main_method
from ..errors import InputError
from ..pipeline.activity import integrate
from ..pipeline.clinic.therapy import blood_of_visit
from ..pipeline.dose import region_weights, transport_problem
from ..pipeline.identity import open_sources
from ..pipeline.scans import read_visit
from ..transport.engines import backend_behind
from ..transport.pilot import pilot_decays
from ..transport.problem import Problem
from .plan import needed_sentence, rounded

#: What a number of decays from the shares of the lesions is multiplied by: the spread of the energy per decay is an
#: upper value for most lesions, and not for all (:data:`hevesy.engine.check.SPREAD`).
MARGIN = 1.1


@dataclass(frozen=True, eq=False)
class CaseTransport:
    """One transport of a case.

    Parameters
    ----------
    visit, therapy
        Names of the visit and of the nuclide.
    problem
        What is transported.
    weights
        Weights of the lesions, uint8 (lesions, nz, ny, nx).
    region_names
        Names of the lesions.
    needed
        Decays that the case's precision takes, from the shares of the lesions; 0 where it follows from voxels.
    """

    visit: str
    therapy: str
    problem: Problem
    weights: np.ndarray
    region_names: tuple[str, ...]
    needed: float


def transports_of(case: Case) -> Iterator[CaseTransport]:
    """Read the images of a case and make its transport problems.

    Parameters
    ----------
    case
        The case, with its further therapies.

    Yields
    ------
    CaseTransport
        As ``hevesy run`` transports them, in its order.

    Raises
    ------
    InputError
        A case that cannot be divided, with the reason; input that cannot be used.
    """
    _check_divisible(case)
    for treated in (case, *(case.for_therapy(therapy) for therapy in case.further_therapies)):
        sources = open_sources(treated)
        for visit in treated.visits:
            blood_of_visit(treated, visit)  # refuses samples before anything is simulated
            images = read_visit(treated, visit, sources[visit.name])
            given = treated.with_administered(images.tracer_activity_mbq)
            activity = integrate(given, images)
            until = given.transport.until
            by_voxels = until is not None and until.voxels_above is not None
            yield CaseTransport(
                visit.name,
                given.therapy.nuclide,
                transport_problem(given, images, activity),
                np.stack(region_weights(images.lesions)),
                tuple(lesion.name for lesion in images.lesions),
                0.0 if by_voxels else decays_needed(given, images, activity),
            )


def case_decays(case: Case, transports: Sequence[CaseTransport]) -> tuple[int, str]:
    """Number of decays that each transport of a case gets, and what to say about it.

    Shards need a number before they start. A precision therefore becomes the number that the most demanding transport
    of the case needs for it; whether it was reached is in the results.

    Parameters
    ----------
    case
        The case.
    transports
        All its transports.

    Returns
    -------
    tuple of int and str
        The number, and a sentence, empty where the case states the number itself.
    """
    chosen = case.transport
    if chosen.until is None:
        return int(chosen.decays or 1_000_000), ""
    if chosen.until.voxels_above is None:
        decays = MARGIN * max(transport.needed for transport in transports)
    else:
        options = {"seed": chosen.seed, "backend": backend_behind("auto")}  # of this machine, which only plans
        decays = max(pilot_decays(one.problem, chosen.until, **options) for one in transports)
    number = rounded(decays)
    if chosen.decays is not None:
        number = min(number, int(chosen.decays))
    return number, needed_sentence(number, chosen.until)


def _check_divisible(case: Case) -> None:
    main = main_method(case.methods)
    if main.simulated_part:
        raise InputError(
            f"a case whose main method is {main.name} cannot be divided",
            why="it simulates a part of the emission, in a few decays",
            suggestion="run it without --shards, or add --method mc",
            field="--shards",
        )
    if case.transport.time_limit_s is not None:
        raise InputError(
            f"a limit of {case.transport.time_limit_s:g} s cannot be kept by shards",
            why="each would end after another number of decays, and their sum would depend on the machine",
            suggestion="remove the time limit (transport.time_limit, --time-limit), or run it without --shards",
            field="--time-limit",
        )
