"""Resuming a stopped run: bit-identical to a run that was never stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..errors import InputError
from ..text import counted, shortened
from .tally import Tally


def take_up(earlier: Tally, tally: Tally, first_batch: int = 0, no_gpu: str = "") -> int:
    """Add the sums of an earlier part of a run to the empty tally of its continuation.

    Parameters
    ----------
    earlier
        Tally of the stopped run: its first batches, without a gap. It is not changed.
    tally
        The empty tally of the run that continues.
    first_batch
        Number of the run's first batch.
    no_gpu
        Why the continuation has no GPU, where one was to be used if possible.

    Returns
    -------
    int
        Number of batches moved: the run continues with batch ``first_batch`` plus this.

    Raises
    ------
    InputError
        The two differ in what decides a history, or the batches are not the run's first.
    """
    for name, was, now, advice in _identity(earlier, tally):
        if was != now:
            why = "only the same run can be resumed: its histories would not belong together"
            if name == "backend" and no_gpu:
                why = f"{why}; no GPU now: {no_gpu}"
                advice = "make the GPU usable again, or run without --resume"
            raise InputError(
                f"the earlier part was run with {name} {shortened(was)}, this one with {shortened(now)}",
                why=why,
                suggestion=advice,
                field=name,
            )
    count = earlier.n_batches
    if sorted(earlier.batch_ids) != list(range(first_batch, first_batch + count)):
        raise InputError(
            f"the earlier part does not contain the first {counted(count, 'batch')} without a gap",
            why="it is a shard, or a merge of shards",
            suggestion="run the missing shards and merge them",
            field="batch_ids",
        )
    tally.add(earlier)
    return count


def nothing_left(earlier: Tally, tally: Tally, wanted: int, first_batch: int, backend: str) -> bool:
    """Take up an earlier part that is all of a run of a fixed number of decays: no device is needed for it.

    Parameters
    ----------
    earlier, tally, first_batch
        As for :func:`take_up`; the tally is filled where there is nothing left.
    wanted
        Number of batches of the run.
    backend
        What the run asks for: one that did not simulate the earlier part is refused by the run itself.

    Returns
    -------
    bool
        Whether the tally is that of the whole run.

    Raises
    ------
    InputError
        As :func:`take_up`.
    """
    if earlier.n_batches != wanted or backend not in ("auto", *earlier.backend.split("+")):
        return False
    take_up(earlier, tally, first_batch)
    return True


def _identity(earlier: Tally, tally: Tally) -> Iterator[tuple[str, Any, Any, str]]:
    """(name, value then, value now, advice) of all that must be equal."""
    yield "shape", earlier.energy_quanta.shape, tally.energy_quanta.shape, "run without --resume"
    yield "seed", earlier.seed, tally.seed, f"--seed {earlier.seed}, or run without --resume"
    yield "backend", earlier.backend, tally.backend, f"--backend {earlier.backend}, or run without --resume"
    yield "batch size", earlier.batch_histories, tally.batch_histories, "run without --resume"
    yield "regions", tuple(earlier.region_names), tuple(tally.region_names), "run without --resume"
    yield "physics", _canonical(earlier.options), _canonical(tally.options), "run without --resume"


def _canonical(options: dict[str, Any]) -> str:
    return json.dumps(options, sort_keys=True, default=str)
