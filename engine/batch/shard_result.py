"""Whether a result is that of a shard: asked by the job that finds one in its folder, and by every merge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..results.result import Result
from ..results.sources import code_difference, same_code
from .job import BatchJob


def check_result(result: Result, job: BatchJob, file: Path) -> None:
    """Refuse a result that is not the one of a shard, whatever it is.

    Parameters
    ----------
    result
        As read from its file.
    job
        The shard.
    file
        The file, for messages.

    Raises
    ------
    InputError
        What differs: problem, seed, backend, code, tables, batches; decays that are missing.
    """
    came, tally = result.provenance, result.tally
    if tally is None:
        raise refused(file, "holds no Monte Carlo tally", "its job simulates one")
    wanted = {
        "input_hash": (job.input_hash, came.input_hash),
        "seed": (job.seed, came.seed),
        "batch size": (job.batch_histories, tally.batch_histories),
        "table_hashes": (job.table_hashes, came.table_hashes),
    }
    if job.backend not in ("auto", "mixed"):
        wanted["backend"] = (job.backend, came.backend)
    for name, (mine, its) in wanted.items():
        if mine != its:
            raise refused(file, f"is not that of its job: another {name}", f"{its} is not {mine}")
    if not same_code(job, came):
        differ = code_difference(job, came, "its result by")
        raise refused(file, "is not that of its job: other sources of hevesy", f"the job was made by {differ}")
    ids = np.arange(job.first_batch, job.first_batch + job.batches)
    if not np.array_equal(tally.batch_ids, ids):
        held = tally.batch_ids
        first, last = (int(held.min()), int(held.max())) if held.size else (-1, -1)
        raise refused(
            file,
            f"holds batches {first} to {last}, and its job is {ids[0]} to {ids[-1]}",
            "it is the result of another job",
        )
    if not result.complete:
        raise refused(file, "holds no whole transport", "a shard ends with all of its decays")


def refused(file: Path, problem: str, why: str) -> InputError:
    """The error of a result that is not the one of its job."""
    return InputError(
        problem,
        why=why,
        suggestion="bring the right file, or remove it: then `hevesy retry` simulates it again",
        file=file,
    )
