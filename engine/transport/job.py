"""A transport run as a job: batch size, progress line, gentle stop, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..progress import Tell
from ..statistics import MINIMUM_BATCHES, few_batches_warning
from ..until import Until
from .problem import Problem
from .run import OPEN_ENDED_BATCH, chosen_backend
from .run import simulate as transport

#: Batches that a given number of decays is divided into, unless they would be longer than the longest one
#: (a second or two on two cores; on a GPU a fraction of a second).
BATCHES, LONGEST_BATCH, LONGEST_BATCH_CUDA = 50, 100_000, 10_000_000


#: The same where a time limit may end the run long before: a standard error needs twenty batches.
BATCHES_IN_LIMITED_TIME = 200


def run_transport(
    problem: Problem,
    *,
    until: Until | str | None = None,
    time_limit_s: float | None = None,
    progress: Tell | None = None,
    stop: Callable[[], bool] | None = None,
    regions: Sequence[Any] | None = None,
    region_names: Sequence[str] = (),
    **options: Any,
) -> Any:
    """The transport with this package's progress line and a gentle way to end it; returns the tally."""

    def tell(state: Any) -> None:
        if progress is not None:
            progress(_share(state), _line(state, until))
        if stop is not None and stop():
            # The transport treats it like Ctrl-C: it ends after this whole batch with what it has.
            raise KeyboardInterrupt

    decays = options.get("decays")
    if decays is not None and not {"batches", "batch_histories"} & set(options):
        # short batches: progress, a stop and a time limit act between batches
        wanted = BATCHES if time_limit_s is None else BATCHES_IN_LIMITED_TIME
        options["backend"] = chosen_backend(options.get("backend", "auto"))
        longest = LONGEST_BATCH_CUDA if options["backend"] == "cuda" else LONGEST_BATCH
        options["batch_histories"] = min(max(math.ceil(decays / wanted), 1), longest)
    if regions is not None:
        options |= {"regions": regions, "region_names": tuple(region_names)}
    return transport(problem, until=until, time_limit_s=time_limit_s, progress=tell, **options)


def how_it_ended(tally: Any, until: Until | str | None) -> dict[str, Any]:
    """Fields of a result: interrupted runs are incomplete; a time limit that came first is a warning."""
    short = few_batches_warning(tally.n_batches)
    if tally.stopped_by == "interrupt":
        stopped = f"interrupted after {tally.decays} decays"
        return {"complete": False, "stopped": stopped, "warnings": short}
    if tally.complete:
        return {"complete": True, "warnings": short}
    reason = "time limit" if tally.stopped_by == "time limit" else "number of decays"
    goal = f" before {until} was reached" if until else ""
    return {
        "complete": True,
        "warnings": (f"The {reason} ended the transport{goal}: {tally.decays} decays.", *short),
    }


def minimum_histories() -> int:
    """Fewest histories of a run that ends at a precision: a standard error needs whole batches."""
    return int(MINIMUM_BATCHES * OPEN_ENDED_BATCH)


def _share(state: Any) -> float:
    if state.remaining_s is not None and state.elapsed_s + state.remaining_s > 0:
        return float(state.elapsed_s / (state.elapsed_s + max(state.remaining_s, 0.0)))
    return float(state.decays / state.total_decays) if state.total_decays else 0.0


def _line(state: Any, until: Until | str | None) -> str:
    text = f"transport: {state.decays:.3g} decays"
    if until and state.relative_error is not None:
        text += f", {100 * state.relative_error:.2g} % of {until}"
    return text
