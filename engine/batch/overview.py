"""A batch at a glance: what became of its wholes and jobs, how much is done, and when it may end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

from ..errors import InputError
from .job import JOB_FILE, BatchJob, read_record
from .launch import has_results
from .manifest import Manifest, Whole, job_folder
from .status import JobStatus, State, read_status

#: What a whole is called when one of its jobs is this; the first that applies.
_OF_WHOLE: tuple[State, ...] = ("running", "failed", "lost", "cancelled", "stopped", "waiting", "done")


@dataclass(frozen=True)
class WholeStatus:
    """What became of a whole.

    Parameters
    ----------
    name
        Of the whole.
    state
        That of its jobs: running where one runs, else failed where one failed, and so on.
    jobs, done
        How many jobs it has, and how many of them are done.
    decays, wanted
        Simulated so far, and in the end; ``wanted`` is 0 for a case that is run as it is.
    attempts
        Of all its jobs.
    wall_time_s
        Of all its jobs, the last attempts [s].
    complete
        Whether its results are there.
    message
        Why it is not.
    """

    name: str
    state: State
    jobs: int
    done: int
    decays: int
    wanted: int
    attempts: int
    wall_time_s: float
    complete: bool
    message: str


@dataclass(frozen=True)
class Overview:
    """A batch at a glance.

    Parameters
    ----------
    manifest
        What it consists of.
    wholes
        What became of each whole, in order.
    jobs
        Status of each job by its name, in order.
    left_s
        Expected time until the end [s]; None while nothing runs, or nothing is known.
    """

    manifest: Manifest
    wholes: tuple[WholeStatus, ...]
    jobs: dict[str, JobStatus]
    left_s: float | None

    @property
    def states(self) -> dict[str, int]:
        """Number of jobs by state; states that no job has are left out."""
        counts = Counter(status.state for status in self.jobs.values())
        return {state: counts[state] for state in get_args(State) if counts[state]}

    @property
    def unmerged(self) -> tuple[str, ...]:
        """Names of the cases, or of the problem, whose jobs are done and whose shards have not been added up."""
        of: dict[str, list[tuple[Whole, WholeStatus]]] = {}
        for whole, status in zip(self.manifest.wholes, self.wholes, strict=True):
            of.setdefault(whole.case or whole.name, []).append((whole, status))
        return tuple(
            name
            for name, mine in of.items()
            if all(whole.sharded and status.state == "done" for whole, status in mine)
            and not all(status.complete for _, status in mine)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON (docs/formats/batch.md)."""
        end = None
        if self.left_s is not None:
            end = (datetime.now(timezone.utc) + timedelta(seconds=self.left_s)).isoformat(timespec="seconds")
        return {
            "title": self.manifest.title,
            "executor": self.manifest.executor,
            "totals": {
                "jobs": len(self.jobs),
                "states": self.states,
                "decays": sum(whole.decays for whole in self.wholes),
                "decays_wanted": sum(whole.wanted for whole in self.wholes),
                "complete": sum(whole.complete for whole in self.wholes),
                "wholes": len(self.wholes),
                "left_s": self.left_s,
                "expected_end": end,
            },
            "wholes": {whole.name: {k: v for k, v in vars(whole).items() if k != "name"} for whole in self.wholes},
            "jobs": {name: status.model_dump() for name, status in self.jobs.items()},
        }


def overview(out: Path, manifest: Manifest, known: Mapping[str, JobStatus] | None = None) -> Overview:
    """Look at a batch, whatever runs it and wherever.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        What it consists of.
    known
        Status of jobs by name where an executor knows more than their folders say.

    Returns
    -------
    Overview
        As it is now.
    """
    jobs = {name: (known or {}).get(name) or read_status(job_folder(out, name)) for name in manifest.jobs}
    wholes = tuple(_whole(out, manifest, whole, jobs) for whole in manifest.wholes)
    return Overview(manifest, wholes, {name: _timed(status) for name, status in jobs.items()}, _left(out, jobs))


def _whole(out: Path, manifest: Manifest, whole: Whole, jobs: Mapping[str, JobStatus]) -> WholeStatus:
    mine = [jobs[name] for name in whole.jobs]
    states = {status.state for status in mine}
    state: State = "failed" if whole.refused else next(one for one in _OF_WHOLE if one in states or one == "done")
    messages = [f"{name}: {jobs[name].message}" for name in whole.jobs if jobs[name].message]
    return WholeStatus(
        name=whole.name,
        state=state,
        jobs=len(mine),
        done=sum(status.state == "done" for status in mine),
        decays=sum(status.decays for status in mine),
        wanted=whole.batches * whole.batch_histories,
        attempts=sum(status.attempts for status in mine),
        wall_time_s=sum(_timed(status).wall_time_s for status in mine),
        complete=state == "done" and has_results(out, manifest, whole),
        message=whole.refused or (messages[0] if messages else ""),
    )


def _timed(status: JobStatus) -> JobStatus:
    """The status with the time that a job has run so far."""
    if status.state != "running" or not status.started:
        return status
    return status.model_copy(update={"wall_time_s": _since(status.started)})


def _since(moment: str) -> float:
    """Time since then [s]; the clock of another machine may be ahead of this one's."""
    try:
        return max((datetime.now(timezone.utc) - datetime.fromisoformat(moment)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _left(out: Path, jobs: Mapping[str, JobStatus]) -> float | None:
    """Expected time until the end [s]: what the jobs that run say of themselves, then what waits, at the usual pace.

    A job that runs says nothing until its transport has come some way. The pace is that of the jobs that are done, with
    all that a job takes beside its transport; before there are any, that of those that run and know when they will end.
    """
    running = [(name, _timed(status)) for name, status in jobs.items() if status.state == "running"]
    knows = {name: max(s.left_s - _since(s.updated), 0.0) for name, s in running if s.left_s is not None}
    whole = {name: s.wall_time_s for name, s in jobs.items() if s.state == "done"}
    whole = whole or {name: s.wall_time_s + knows[name] for name, s in running if name in knows}
    if not running or not whole:
        return None
    sizes = {name: _size(job_folder(out, name)) for name in jobs}
    pace = sum(whole.values()) / sum(sizes[name] for name in whole)
    mine = [knows.get(name, max(pace * sizes[name] - s.wall_time_s, 0.0)) for name, s in running]
    waiting = sum(pace * sizes[name] for name, status in jobs.items() if status.state == "waiting")
    return max((sum(mine) + waiting) / len(mine), max(mine))


def _size(folder: Path) -> float:
    """What a job is in relation to the others: its decays; 1 for a case."""
    try:
        return float(read_record(folder / JOB_FILE, BatchJob).decays or 1)
    except InputError:
        return 1.0
