"""Running a shard: decays of a transport problem."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..file_hash import file_hash
from ..results.checkpoint import CheckpointFile
from ..results.identity import RunIdentity
from ..results.result import Result
from ..simulation import simulate
from ..transport.problem import Problem
from ..transport.tally import Tally
from ..written import saved_elsewhere
from .attempt import Attempt
from .job import CHECKPOINT_FILE, PROBLEM_FILE, REGIONS_FILE, RESULT_FILE, BatchJob, check_still_there, refuse_link
from .regions import read_regions
from .shard_result import check_result

log = logging.getLogger(__name__)


def run_shard(attempt: Attempt) -> dict[str, Any]:
    """Simulate the decays of a shard.

    Parameters
    ----------
    attempt
        The job.

    Returns
    -------
    dict
        Fields of its status.

    Raises
    ------
    HevesyError
        It cannot be simulated.
    SavedElsewhere
        There is no room for its result: where it is. Moved to its place, the job is done when it is run again.
    """
    folder, job = attempt.folder, attempt.job
    left = _left_over(folder, job)
    if left is not None:  # whole, and the process ended before it could say so
        return _of_result(folder, left, 0.0)
    problem = Problem.load(folder / PROBLEM_FILE)
    options: dict[str, Any] = {}
    if REGIONS_FILE in job.files:
        weights, names = read_regions(folder / REGIONS_FILE, problem.density_g_cm3.shape)
        options = {"regions": weights, "region_names": names}
    checkpoint = _Checkpoint(folder / CHECKPOINT_FILE, job.checkpoint_s, strict=False)
    for file in (checkpoint.path, checkpoint.previous):
        refuse_link(file)
    result = simulate(
        problem,
        decays=job.decays,
        seed=job.seed,
        backend=attempt.device if job.backend == "mixed" else job.backend,
        first_batch=job.first_batch,
        batch_histories=job.batch_histories,
        threads=attempt.threads,
        progress=attempt.tell,
        stop=attempt.ends,
        checkpoint=checkpoint,
        sums_alone=True,
        **options,
    )
    result.provenance = replace(result.provenance, plan=job.plan)
    if not result.complete:
        return attempt.stopped(decays=result.decays, fraction=result.decays / job.decays)
    check_still_there(folder)
    try:
        result.save(folder / RESULT_FILE)
    except OSError as error:
        raise saved_elsewhere(result.save, folder / RESULT_FILE, error) from error
    checkpoint.remove()
    return _of_result(folder, result, result.provenance.wall_time_s)


class _Checkpoint(CheckpointFile):
    """The checkpoint of a shard; a folder that was deleted is not made anew for it."""

    def save(self, identity: RunIdentity, tally: Tally) -> None:
        check_still_there(self.path.parent)
        super().save(identity, tally)


def _left_over(folder: Path, job: BatchJob) -> Result | None:
    """A result in the folder of a shard that is the job's; None where there is none, or another one.

    Raises
    ------
    InputError
        A folder stands there.
    """
    file = folder / RESULT_FILE
    if not file.exists():
        return None
    if file.is_dir() and not file.is_symlink():
        raise InputError("is a folder", why="the result of the job goes there", suggestion="move it away", file=file)
    try:
        refuse_link(file)
        result = Result.load(file, doses=False)
        check_result(result, job, file)
    except InputError as error:
        log.warning("%s is made again: %s", RESULT_FILE, error.problem)
        return None
    return result


def _of_result(folder: Path, result: Result, transport_s: float) -> dict[str, Any]:
    return {
        "state": "done",
        "decays": result.decays,
        "fraction": 1.0,
        "transport_s": transport_s,
        "result_sha256": file_hash(folder / RESULT_FILE),
    }
