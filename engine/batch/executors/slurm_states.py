"""What a job says of itself and what Slurm says of its task, as one; and how many jobs wait and run there."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ...text import counted
from ..status import JobStatus
from . import slurm_queue as queue


def held_sentence(held: Mapping[str, str]) -> str:
    """How many jobs wait and run in Slurm; empty where there are none.

    Parameters
    ----------
    held
        State of each by its name.

    Returns
    -------
    str
        ``"3 jobs wait in Slurm, 1 job runs there"``.
    """
    parts: list[str] = []
    for state, verbs in (("waiting", ("waits", "wait")), ("running", ("runs", "run"))):
        count = sum(one == state for one in held.values())
        if count:
            parts.append(f"{counted(count, 'job')} {verbs[count > 1]} {'there' if parts else 'in Slurm'}")
    return ", ".join(parts)


def is_occupied(status: JobStatus, state: str) -> bool:
    """Whether no further task is to be submitted for a job: it is done, it runs, or its task is in the queue."""
    queued = status.state == "waiting" and state in queue.WAITING | queue.RUNNING
    return queued or status.state in ("done", "running")


def both_words(status: JobStatus, task: queue.Task, slurm: tuple[str, str] | None, log: str) -> JobStatus:
    """What a job says of itself, and what Slurm says of its task, as one status."""
    if status.state == "done":
        return status
    array, number = task
    here = status.executor_id == f"{array}_{number}"  # else what it says is of an attempt before this task

    def now(state: str, message: str) -> JobStatus:
        return status.model_copy(update={"state": state, "message": message})

    if slurm is None:
        # a task that is cancelled before it begins leaves nothing in the queue, and accounting need not be there
        gone = f"task {array}_{number} is not in Slurm any more: cancelled while it waited, or forgotten"
        return now("lost", gone) if status.state == "waiting" else status
    state, reason = slurm
    if state in queue.WAITING:
        return now("waiting", f"task {array}_{number} in the queue of Slurm: {reason}")
    if state in queue.RUNNING:
        if not here:
            return now("waiting", f"task {array}_{number} of Slurm has not come to it yet")
        # the lock of a process on another node need not be seen from here
        elsewhere = status.state == "lost" and status.host != socket.gethostname()
        return now("running", "") if elsewhere else status
    if here and status.state == "failed":
        return status
    word = f"Slurm: {state.lower().replace('_', ' ')}" + (f", see {log}" if log else "")
    if state == "CANCELLED":
        return now("cancelled", word)
    if here and status.state == "stopped":
        return now("stopped", word)
    return now("lost", word)
