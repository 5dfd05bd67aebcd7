"""A short transport that says how many decays a precision takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError
from ..statistics import MINIMUM_BATCHES
from ..until import Until
from .problem import Problem
from .run import run_transport
from .run_options import RunOptions
from .stopping_rules import Goal
from .sums import regions_of

#: Decays of the first pilot, and factor to the next one where nothing can be said yet.
FIRST_PILOT, LARGER = 100_000, 8
#: Decays after which a pilot gives up.
LAST_PILOT = 10_000_000
#: Batches of a pilot, and what the number of decays is multiplied by. The standard error of 100 batches has itself an
#: error of 7 %, that of the 50 batches of the run one of 10 %; the factor is 1.8 times both, in the error.
BATCHES, MARGIN = 100, 1.5


def pilot_decays(problem: Problem, until: Until, **options: Any) -> float:
    """Decays after which a precision is reached, estimated from a short transport.

    Parameters
    ----------
    problem
        What is to be simulated.
    until
        The precision.
    options
        Fields of :class:`~hevesy.engine.transport.run_options.RunOptions`: ``seed``, ``backend``, ``threads``.

    Returns
    -------
    float
        At least what a standard error takes; with a margin for the error of the estimate.

    Raises
    ------
    InputError
        The precision cannot be estimated: a region that no energy reaches, or none at all.
    """
    decays = FIRST_PILOT
    _, weights = regions_of(problem, options.get("regions"), options.get("region_names", ()))
    filled = np.array([index.size > 0 for index, _ in weights], bool)
    if until.voxels_above is None and not filled.any():
        raise InputError(
            f"'{until}' with no lesions",
            why="this problem has no regions",
            suggestion='use "voxels>50%:2%", or give the problem regions',
            field="until",
        )
    while True:
        tally = run_transport(problem, RunOptions(decays=decays, batches=BATCHES, **options))
        error = Goal(until, np.asarray(problem.density_g_cm3), filled).error(tally)
        if math.isfinite(error) and error > 0.0:
            return max(MARGIN * tally.decays * (error / until.goal) ** 2, float(MINIMUM_BATCHES))
        if decays * LARGER > LAST_PILOT:
            raise InputError(
                f"how many decays {until} takes cannot be estimated",
                why=f"{tally.decays:.3g} decays leave regions or voxels without energy",
                suggestion="state --decays",
                field="until",
            )
        decays *= LARGER
