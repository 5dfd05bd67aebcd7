"""Running a whole case as a job."""

from __future__ import annotations

import time
from typing import Any

from ..case.changes import with_changes
from ..file_hash import file_hash
from ..run import run
from .attempt import Attempt
from .executors.devices import THREADS, environment
from .inputs import check_inputs, load_case
from .job import JOB_FILE, batch_of
from .manifest import case_folder
from .marks import Mark, is_complete, take_over, write_mark


def run_case(attempt: Attempt) -> dict[str, Any]:
    """Run a whole case into its folder of results, which is beside the jobs.

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
        It cannot be run, or was stopped before there was anything to show.
    """
    folder, job = attempt.folder, attempt.job
    case = load_case(folder)
    if job.backend == "mixed":
        case = with_changes(case, backend=attempt.device)
    check_inputs(case, job.inputs)
    out = case_folder(batch_of(folder), job.whole)
    key = file_hash(folder / JOB_FILE)
    if is_complete(out, key):  # and the process ended before it could say so
        return {"state": "done", "fraction": 1.0}
    mine = take_over(out, key, again=attempt.status.attempts > 1)
    start = time.monotonic()
    with environment({} if attempt.threads is None else {THREADS: str(attempt.threads)}):
        outcome = run(
            case, out=out, progress=attempt.tell, stop=attempt.ends, resume=mine, checkpoint_s=job.checkpoint_s
        )
    results = [visit.result for each in (outcome, *outcome.further) for visit in each.visits]
    decays = sum(result.decays for result in results if result.tally is not None)
    if not outcome.incomplete:
        check_inputs(case, job.inputs)  # changed while it ran: nobody knows what it has read
    write_mark(out, Mark(key, not outcome.incomplete, time.monotonic() - start))
    if outcome.incomplete:
        return attempt.stopped(decays=decays)
    transport_s = sum(result.provenance.wall_time_s for result in results)
    return {"state": "done", "decays": decays, "fraction": 1.0, "transport_s": transport_s}
