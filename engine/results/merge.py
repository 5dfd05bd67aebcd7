"""Shards of one run become the result that the whole run would have given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import statistics
from ..dose.montecarlo import dose_map
from ..errors import InputError
from ..text import shortened
from ..transport.tally import Tally
from .result import Result


def merge(results: Sequence[Result]) -> Result:
    """Join shards of one problem: exact sums of integers, mean and standard error recomputed.

    The outcome does not depend on the order of the shards. Lesion records are left out, since their Monte
    Carlo part changes: the caller computes them again.

    Parameters
    ----------
    results
        Shards with their tallies, in any order.

    Returns
    -------
    Result
        With the histories of all.

    Raises
    ------
    InputError
        Shards of different problems, seeds, batch sizes, backends, data tables or code versions, or with
        histories in common.
    """
    if not results:
        raise InputError("nothing to merge", why="no result was given", suggestion="give at least one result")
    if any(r.tally is None for r in results):
        raise InputError(
            "a result without a Monte Carlo tally cannot be merged",
            why="merging adds up the integers of the transport",
            suggestion="leave it out",
        )
    shards = sorted(results, key=lambda r: int(_tally(r).batch_ids.min(initial=0)))
    _check_shards(shards)
    first = shards[0]
    try:
        tally = Tally.joined(_tally(r) for r in shards)
    except OverflowError as error:
        raise InputError(str(error), why="too many histories", suggestion="merge fewer shards") from error
    # warnings about too few batches concern the parts; the sum has its own
    warnings = dict.fromkeys(text for r in shards for text in r.warnings if text not in _few_batches(r))
    provenance = replace(
        first.provenance,
        wall_time_s=sum(r.provenance.wall_time_s for r in shards),
        device=", ".join(dict.fromkeys(r.provenance.device for r in shards)),
    )
    tally = replace(tally, device=provenance.device, wall_time_s=provenance.wall_time_s).frozen()
    dose = first.simulated
    decays = None if dose.unit == "Gy per decay" else dose.decays
    simulated = dose_map(tally, first.density_g_cm3, first.grid.voxel_volume_ml, decays, dose.air_density_g_cm3)
    return replace(
        first,
        tally=tally,
        doses={**first.doses, dose.method: replace(simulated, method=dose.method)},
        lesions=[],
        complete=all(r.complete for r in shards),
        stopped="; ".join(dict.fromkeys(r.stopped for r in shards if r.stopped)),
        assumptions=tuple(dict.fromkeys(text for r in shards for text in r.assumptions)),
        warnings=(*warnings, *statistics.few_batches_warning(tally.n_batches)),
        provenance=provenance,
    )


def _few_batches(shard: Result) -> tuple[str, ...]:
    """The warning of a single shard that may not hold for the merged result."""
    return statistics.few_batches_warning(_tally(shard).n_batches)


def _check_shards(shards: Sequence[Result]) -> None:
    """Refuse shards of different runs, and histories that are in more than one of them."""
    first = shards[0]
    for other in shards[1:]:
        for name, mine, its in _identity(first, other):
            if mine != its:
                raise InputError(
                    f"results differ in their {name}: {shortened(mine)} and {shortened(its)}",
                    why="only shards of one and the same run add up to a result",
                    suggestion="merge shards of one problem, simulated with one command",
                    field=name,
                )
    unique, counts = np.unique(np.concatenate([_tally(r).batch_ids for r in shards]), return_counts=True)
    if (counts > 1).any():
        n = _tally(first).batch_histories
        b = int(unique[counts > 1][0])
        raise InputError(
            f"histories {b * n} to {(b + 1) * n - 1} are in more than one of the results",
            why="counted twice, they would understate the uncertainty",
            suggestion="leave out the repeated shard",
            field="history_range",
        )


def _tally(result: Result) -> Tally:
    assert result.tally is not None
    return result.tally


def _identity(a: Result, b: Result) -> Iterator[tuple[str, Any, Any]]:
    """What two shards must have in common: (name, value of a, value of b)."""
    yield "kind", a.kind, b.kind
    yield "grid", (a.grid.shape, a.grid.spacing_mm), (b.grid.shape, b.grid.spacing_mm)
    for name in ("input_hash", "physics", "table_hashes", "seed", "backend", "version", "commit"):
        yield name.replace("_", " "), getattr(a.provenance, name), getattr(b.provenance, name)
    yield "batch size", _tally(a).batch_histories, _tally(b).batch_histories
    yield "regions", _tally(a).region_names, _tally(b).region_names
    masks = tuple(r.lesion_names if r.lesion_masks is not None else None for r in (a, b))
    yield "lesions", masks[0], masks[1]
    if a.lesion_masks is not None and b.lesion_masks is not None:
        yield "lesion masks", True, bool(np.array_equal(a.lesion_masks, b.lesion_masks))
    yield "method", a.simulated.method, b.simulated.method
    yield "decays", a.simulated.decays, b.simulated.decays
