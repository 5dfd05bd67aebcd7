"""What became of a job, in a file of its folder: whoever looks, on whichever machine, sees the same."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ..errors import InputError
from ..lock import is_locked
from .job import (
    JOB_FILE,
    LOCK_FILE,
    MOST_BATCHES,
    MOST_HISTORIES,
    RESULT_FILE,
    STATUS_FILE,
    Record,
    check_still_there,
    read_record,
    refuse_link,
    write_record,
)

State = Literal["waiting", "running", "done", "failed", "stopped", "cancelled", "lost"]

#: Longest time that a status says: three thousand years [s]. What says more was not written by a job.
LONGEST_S = 1e11
MOST_ATTEMPTS = 1_000_000_000


class JobStatus(Record):
    """What became of a job.

    Parameters
    ----------
    state
        ``"lost"`` is never written: a job is lost that claims to run while no process holds its lock.
    attempts
        How often it was started.
    host, pid
        Where it runs or ran.
    executor_id
        What the executor calls it: the job and task of Slurm, the key of Dask.
    started, updated, ended
        UTC, ISO 8601; the second is when a job that runs last said how far it is.
    wall_time_s, transport_s
        Of the last attempt, and of the transport in it [s].
    fraction
        How much of it is done, 0 to 1.
    left_s
        While it runs: how long it still takes [s], at the moment ``updated``; None as long as nobody can say.
    decays
        Simulated so far.
    message
        Why it failed, without folders of this machine.
    result_sha256
        Of the bytes of a shard's ``result.h5``.
    """

    state: State = "waiting"
    attempts: int = Field(default=0, ge=0, le=MOST_ATTEMPTS)
    host: str = ""
    pid: int = Field(default=0, ge=0, lt=1 << 63)
    executor_id: str = ""
    started: str = ""
    updated: str = ""
    ended: str = ""
    wall_time_s: float = Field(default=0.0, ge=0.0, le=LONGEST_S)
    transport_s: float = Field(default=0.0, ge=0.0, le=LONGEST_S)
    fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    left_s: float | None = Field(default=None, ge=0.0, le=LONGEST_S)
    decays: int = Field(default=0, ge=0, le=MOST_BATCHES * MOST_HISTORIES)
    message: str = ""
    result_sha256: str = ""


def read_status(folder: Path) -> JobStatus:
    """What became of the job in a folder; nothing that stands in it makes this fail.

    Parameters
    ----------
    folder
        Folder of the job.

    Returns
    -------
    JobStatus
        ``"waiting"`` before anything has happened. ``"lost"`` where the job claims to run and no process holds its
        lock, where it claims to be done and its result is gone, and where its status cannot be read.
    """
    file = folder / STATUS_FILE
    if folder.is_symlink():
        return JobStatus(state="lost", message=_why_not(folder))
    if not file.exists() and not file.is_symlink():
        if (folder / JOB_FILE).is_file():
            return JobStatus()
        return JobStatus(state="lost", message="its folder is gone, or its job.json: run the same `hevesy batch` again")
    try:
        status = _written(folder)
        if status.state == "running" and not is_locked(folder / LOCK_FILE):
            status = _written(folder)  # it may have ended between the two looks
            if status.state == "running" and not is_locked(folder / LOCK_FILE):
                return status.model_copy(update={"state": "lost", "message": "its process ended without a word"})
    except InputError:
        return JobStatus(state="lost", message=_why_not(folder))
    file = folder / RESULT_FILE
    if status.state == "done" and status.result_sha256 and (file.is_symlink() or not file.is_file()):
        why = "a link" if file.is_symlink() else "gone"
        return status.model_copy(update={"state": "lost", "message": f"its {RESULT_FILE} is {why}"})
    return status


def _why_not(folder: Path) -> str:
    """Why there is no status to be read in the folder of a job, in which there is one."""
    if folder.is_symlink():
        return "its folder is a symbolic link, which a batch does not follow: put the folder itself there"
    if (folder / STATUS_FILE).is_symlink():
        return f"its {STATUS_FILE} is a symbolic link, which a batch does not follow"
    return f"{STATUS_FILE} is damaged"


def _written(folder: Path) -> JobStatus:
    refuse_link(folder)
    return read_record(folder / STATUS_FILE, JobStatus)


def write_status(folder: Path, status: JobStatus) -> None:
    """Write the status of the job in a folder.

    Raises
    ------
    InputError
        The folder is gone: it is not made anew.
    OSError
        The disk does not take it.
    """
    if not folder.is_dir():
        check_still_there(folder)
    write_record(folder / STATUS_FILE, status)


def write_last_status(folder: Path, status: JobStatus) -> None:
    """:func:`write_status` at the end of an attempt: where the disk has no room, over the one that is there.

    Raises
    ------
    InputError
        The folder is gone, or a link stands there.
    OSError
        The disk does not take that either.
    """
    try:
        write_status(folder, status)
    except OSError:
        refuse_link(folder / STATUS_FILE)
        with (folder / STATUS_FILE).open("r+b") as file:
            file.write(status.model_dump_json(indent=1).encode() + b"\n")
            file.truncate()
