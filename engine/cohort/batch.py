"""The cases of a trial as a batch: planned, run by an executor, and how each of them ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..batch.executors.devices import MIXED
from ..batch.goals import goal_sentences
from ..batch.launch import Ended, check_executor, hand_over, has_results, held
from ..batch.manifest import Option, Whole, case_folder, job_folder
from ..batch.marks import read_mark
from ..batch.plan_cases import CaseOptions, plan_cases
from ..batch.status import JobStatus, read_status
from ..case.changes import with_changes
from ..case.model import Case
from ..errors import InputError
from ..files import check_writable
from ..progress import Progress, Stop
from ..text import counted
from ..transport.engines import backend_behind
from .cohort_file import Trial

log = logging.getLogger(__name__)

#: How a case ended; it waits where its jobs were only submitted.
DONE, KEPT, FAILED, STOPPED, WAITING = "done", "kept", "failed", "stopped", "waiting"


@dataclass(frozen=True)
class CaseStatus:
    """How one case ended.

    Parameters
    ----------
    name, arm
        The case.
    folder
        Where its results are.
    state
        ``"done"``, ``"kept"`` (complete from an earlier batch), ``"failed"``, ``"stopped"``, or ``"waiting"`` where
        its jobs were submitted and have not ended.
    message
        Why it failed, without folders of this machine.
    wall_time_s
        Of this run, or of the one that was kept [s]; of a divided case the sum over its jobs.
    """

    name: str
    arm: str
    folder: Path
    state: str
    message: str = ""
    wall_time_s: float = 0.0


@dataclass
class Batch:
    """What a batch did.

    Parameters
    ----------
    out
        Folder of the batch.
    cases
        How each case ended, in the trial's order.
    remarks
        What the plan has decided and the executor has to say, a sentence each.
    planned
        Those of the remarks that say what the plan has decided.
    submitted
        Whether the jobs were only handed over, and run somewhere else.
    dry_run
        Whether only their scripts were written: nothing runs.
    """

    out: Path
    cases: list[CaseStatus] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    submitted: bool = False
    dry_run: bool = False

    def of(self, *states: str) -> list[CaseStatus]:
        """The cases that ended so."""
        return [status for status in self.cases if status.state in states]

    @property
    def complete(self) -> list[CaseStatus]:
        """Cases with results."""
        return self.of(DONE, KEPT)


def run_batch(
    trial: Trial,
    out: Path,
    *,
    options: CaseOptions | None = None,
    executor: str = "here",
    executor_options: Mapping[str, Option] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Batch:
    """Run every case that is not complete yet.

    Parameters
    ----------
    trial
        The cases.
    out
        Folder of the batch; each case gets one in it.
    options
        How the cases become jobs: changes of their values, shards.
    executor, executor_options
        Where the jobs run (:func:`hevesy.engine.batch.executors.base.executor_of`).
    progress
        Called with the fraction done and a line of text.
    stop
        Asked between jobs, and between the batches of a transport; True ends the batch.

    Returns
    -------
    Batch
        One status per case. A case that fails is recorded with its message, and the others are still run.

    Raises
    ------
    InputError
        A file where the folder should be; the folder of another batch; an executor that cannot be used.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError("is a file", why="results go to a folder", suggestion="give another --out", file=out)
    check_writable(out)
    with held(out):
        check_executor(out, executor, executor_options or {}, backends_of(trial, options or CaseOptions()))
        manifest = plan_cases(trial.cases, out, options or CaseOptions(), title=trial.name, progress=progress)
        ended = hand_over(out, executor, executor_options or {}, progress=progress, stop=stop)
    batch = batch_of(ended)
    kept = len(batch.of(KEPT))
    if kept:
        log.info("%d of %s were already complete and were not run again", kept, counted(len(trial.cases), "case"))
    batch.planned = tuple(f"{whole.case}: {text}" for whole in manifest.wholes for text in whole.remarks)
    reached = goal_sentences(out, manifest, ended.kept)
    batch.remarks = (*batch.planned, *batch.remarks, *reached)
    if progress is not None and not (batch.submitted or batch.dry_run or batch.of(STOPPED)):
        progress(1.0, f"{counted(len(batch.complete), 'case')} complete")
    return batch


def backends_of(trial: Trial, options: CaseOptions) -> set[str]:
    """Backends that the jobs of the cases of a trial will be planned for; a case that cannot be read has none."""
    if options.mixed:
        return {MIXED}
    found = set()
    for listed in trial.cases:
        try:
            case = with_changes(Case.load(listed.file, check_files=False), **options.changes)
        except InputError:  # the plan says so
            continue
        named = case.transport.backend
        found.add(backend_behind(named) if options.shards > 1 else named)
    return found


def batch_of(ended: Ended) -> Batch:
    """How the cases of a batch ended.

    Parameters
    ----------
    ended
        What became of its jobs.

    Returns
    -------
    Batch
        One status per case, in the order of the manifest.
    """
    names = dict.fromkeys(whole.case for whole in ended.manifest.wholes if whole.case)
    cases = [_case_status(ended, name) for name in names]
    return Batch(ended.out, cases, ended.messages, submitted=ended.submitted, dry_run=ended.dry_run)


def _case_status(ended: Ended, name: str) -> CaseStatus:
    """The state of a case from those of its jobs."""
    out, manifest = ended.out, ended.manifest
    wholes = manifest.parts_of(name)
    jobs = {job: read_status(job_folder(out, job)) for whole in wholes for job in whole.jobs}
    folder = case_folder(out, name)
    state, message = _state(ended, name, wholes, jobs)
    mark = read_mark(folder)
    spent = sum(status.wall_time_s for status in jobs.values())
    if state in (DONE, KEPT) and mark is not None:
        spent = mark.wall_time_s
    return CaseStatus(name, wholes[0].arm, folder, state, message, spent)


def _state(ended: Ended, name: str, wholes: list[Whole], jobs: dict[str, JobStatus]) -> tuple[str, str]:
    refused = next((whole.refused for whole in wholes if whole.refused), "")
    if refused:
        return FAILED, refused
    out, states = ended.out, {status.state for status in jobs.values()}
    if states == {"done"} and all(has_results(out, ended.manifest, whole) for whole in wholes):
        return (KEPT if jobs.keys() <= ended.kept else DONE), ""
    if states == {"done"} and name in ended.collected.missing:
        return FAILED, ended.collected.missing[name]
    failed = {job: s for job, s in jobs.items() if s.state in ("failed", "lost") and job not in ended.elsewhere}
    only_planned = ended.submitted or ended.dry_run or bool(jobs.keys() & ended.elsewhere.keys())
    if failed and not (ended.submitted or ended.dry_run):
        job, status = next(iter(failed.items()))
        return FAILED, status.message if len(jobs) == 1 else f"{job}: {status.message}"
    return (WAITING if only_planned else STOPPED), ""


def statuses(batch: Batch) -> list[dict[str, Any]]:
    """Plain data for files: folders by name."""
    return [{**asdict(one), "folder": one.folder.name} for one in batch.cases]
