"""A transport run as a job that reports and can be stopped: how it ended."""

from __future__ import annotations

from typing import Any

from ..nuclides.emission import Emission
from ..statistics import MINIMUM_BATCHES, few_batches_warning
from ..text import counted
from ..until import Until
from .emission_checks import rare_emissions
from .run import OPEN_ENDED_BATCH
from .tally import Tally


def how_it_ended(tally: Tally, until: Until | None, emission: Emission) -> dict[str, Any]:
    """Fields of a result: interrupted runs are incomplete; a time limit that came first is a warning.

    So is an emission that carries energy and is too rare for the run.
    """
    short = (*few_batches_warning(tally.n_batches), *rare_emissions(emission, tally.decays))
    if tally.stopped_by == "interrupt":
        stopped = f"interrupted after {counted(tally.decays, 'decay')}"
        return {"complete": False, "stopped": stopped, "warnings": short}
    if tally.complete:
        return {"complete": True, "warnings": short}
    reason = "time limit" if tally.stopped_by == "time limit" else "number of decays"
    goal = f" before {until} was reached" if until else ""
    return {
        "complete": True,
        "warnings": (f"The {reason} ended the transport{goal}: {counted(tally.decays, 'decay')}.", *short),
    }


def minimum_decays() -> int:
    """Fewest decays of a run that ends at a precision: a standard error needs whole batches."""
    return int(MINIMUM_BATCHES * OPEN_ENDED_BATCH)
