"""A transport run as a job that reports and can be stopped: short batches, and how it ended."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..nuclides.emission import Emission
from ..statistics import MINIMUM_BATCHES, few_batches_warning
from ..text import counted
from ..until import Until
from .emission_checks import rare_emissions
from .engines import chosen_backend
from .run import OPEN_ENDED_BATCH
from .run_options import RunOptions
from .tally import Tally

#: Batches that a given number of decays is divided into, unless they would be longer than the longest one
#: (a second or two on two cores; on a GPU a fraction of a second).
BATCHES, LONGEST_BATCH, LONGEST_BATCH_CUDA = 50, 100_000, 10_000_000


def in_short_batches(options: RunOptions) -> RunOptions:
    """The same run in short batches, since progress, a stop and a time limit act between batches.

    Options that fix the batches, or leave the number of decays open, are returned as they are. A limit of time does
    not change the batches: the random numbers belong to them, so one that is not reached leaves the same integers.
    """
    if options.decays is None or options.batches is not None or options.batch_histories is not None:
        return options
    backend = chosen_backend(options.backend)
    longest = LONGEST_BATCH_CUDA if backend == "cuda" else LONGEST_BATCH
    per_batch = min(max(math.ceil(options.decays / BATCHES), 1), longest)
    return replace(options, backend=backend, batch_histories=per_batch)


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
