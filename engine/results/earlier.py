"""What a stopped run left: read, and checked against the run that resumes it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..text import counted
from ..transport.engines import backend_behind
from ..transport.problem import Problem
from ..transport.run import batches_of
from ..transport.run_options import RunOptions
from ..transport.tally import Tally
from .checkpoint import CheckpointFile
from .identity import THE_STOPPED_RUN, RunIdentity, changed
from .result import Result

log = logging.getLogger(__name__)


def say_what_begins(parts: Mapping[str, tuple[Path, CheckpointFile]]) -> None:
    """Say, of a run that is to resume, that nothing of it is left, or of which transports there is nothing yet.

    Parameters
    ----------
    parts
        Result file and checkpoint of each of its transports, by what a reader knows it by.
    """
    new = [name for name, (file, checkpoint) in parts.items() if not file.exists() and not checkpoint.files]
    if len(new) == len(parts):
        log.warning("nothing to resume: there is no result and no checkpoint yet; starting with the first history")
        return
    for name in new:
        log.info("%s: the run had not come to it; starting with its first history", name)


def earlier_result(file: Path, checkpoint: CheckpointFile | None = None) -> Result | None:
    """The result of a stopped run, or None where there is none yet.

    Parameters
    ----------
    file
        The result file.
    checkpoint
        What a run left that ended without a result.

    Returns
    -------
    Result or None
        None too where the file cannot be read and there is a checkpoint, which is taken instead; the log says so.

    Raises
    ------
    InputError
        The file exists and cannot be read, and there is no checkpoint.
    """
    other = checkpoint is not None and bool(checkpoint.files)
    if not file.exists():
        return None
    try:
        return Result.load(file)
    except InputError as refusal:
        if not other:
            raise
        log.warning("%s cannot be used: %s; the checkpoint is taken up", file.name, refusal.problem)
        return None


def tally_to_resume(
    result: Result | None, checkpoint: CheckpointFile | None, problem: Problem, asked: RunOptions
) -> Tally | None:
    """The integers for the transport to resume from: the furthest of a stopped result and a checkpoint.

    Parameters
    ----------
    result, checkpoint
        What the stopped run left.
    problem
        The problem as it is now.
    asked
        The run that resumes it, with the regions as they are now.

    Returns
    -------
    Tally or None
        None where there is nothing. One of the two that cannot be used is passed over for the other; the log says so.

    Raises
    ------
    InputError
        Nothing that is there can be used: damaged, or of another run.
    """
    tallies: list[Tally] = []
    refusals: list[InputError] = []
    for source in (result, checkpoint):
        try:
            if isinstance(source, CheckpointFile):
                tally = source.load(problem, asked.regions)
            else:
                tally = earlier_tally(source, problem, asked.regions)
        except InputError as refusal:
            refusals.append(refusal)
        else:
            tallies += [] if tally is None else [tally]
    if not tallies:
        if refusals:
            raise refusals[0]
        return None
    for other in refusals:
        log.warning("%s: passed over, because there is another part of this run to resume from", other.problem)
    backend = backend_behind(asked.backend)
    per_batch, _ = batches_of(replace(asked, resume=None), backend)

    def suits(tally: Tally) -> tuple[bool, bool, int]:
        """The run that is asked for before another one, then what has most."""
        return (tally.seed, tally.backend) == (asked.seed, backend), tally.batch_histories == per_batch, tally.decays

    best = max(tallies, key=suits)
    if checkpoint is not None and not checkpoint.strict and (differs := _another(best, asked, backend)):
        log.warning("%s is of another %s; what it held is simulated again", checkpoint.path.name, differs)
        return None
    log.info("resuming after %s", counted(best.decays, "decay"))
    if best.batch_histories != per_batch:
        _say_batches_stay(best, asked, backend)
    return best


def _another(tally: Tally, asked: RunOptions, backend: str) -> str:
    """In what the sums of a problem are not the first ones of a run with a fixed number of decays; empty: they are."""
    per_batch, count = batches_of(replace(asked, resume=None), backend)
    if (tally.seed, tally.backend) != (asked.seed, backend):
        return "seed or backend"
    if tally.batch_histories != per_batch:
        return "batch size"
    first = range(asked.first_batch, asked.first_batch + min(tally.n_batches, count))
    return "" if sorted(tally.batch_ids) == list(first) else "range of decays"


def _say_batches_stay(earlier: Tally, asked: RunOptions, backend: str) -> None:
    """Say, where a run goes on with other batches than it would have by itself, what that changes."""
    asked = replace(asked, resume=earlier)
    per_batch, count = batches_of(asked, backend)
    if count <= earlier.n_batches:  # nothing is simulated
        return
    end = "" if asked.open_ended else f": it ends after {counted(per_batch * count, 'decay')}"
    log.warning(
        "the batches of the stopped run, of %s each, stay%s, with other integers than a run that was not stopped",
        counted(per_batch, "decay"), end,
    )  # fmt: skip


def earlier_tally(
    result: Result | None, problem: Problem, weights: Sequence[np.ndarray] | np.ndarray | None = None
) -> Tally | None:
    """The integers of a stopped run's result.

    Parameters
    ----------
    result
        Result of the stopped run; None, or a result without Monte Carlo, gives None.
    problem
        The problem as it is now.
    weights
        Lesion weights as they are now, uint8 (nz, ny, nx) each, when they are the regions.

    Returns
    -------
    Tally or None
        Whole batches.

    Raises
    ------
    InputError
        The problem (geometry, tissue, activity, emission, physics), the regions or lesions, the data tables or the
        code are not those of the stopped run.
    """
    if result is None or result.tally is None:
        return None
    RunIdentity.of(result.provenance).check_same(RunIdentity.now(problem, weights))
    if weights is not None and result.lesion_masks is not None:
        masks = result.lesion_masks
        if len(masks) != len(weights) or not all(np.array_equal(a, b) for a, b in zip(masks, weights, strict=True)):
            raise changed(f"the lesions are not those of {THE_STOPPED_RUN}", "lesions")
    return result.tally
