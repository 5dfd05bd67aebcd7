"""Running one job from its folder: what every executor calls, on whichever machine."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ..disk_errors import disk_error
from ..durable import uninterrupted
from ..errors import HevesyError, InputError, SavedElsewhere, StoppedEarly
from ..file_hash import file_hash
from ..lock import locked
from ..memory import is_short
from ..privacy import without_folders
from ..progress import Progress, Stop
from .asked import check_same_code
from .attempt import Attempt, now
from .control import is_cancelled
from .job import JOB_FILE, LOCK_FILE, RESULT_FILE, STATUS_FILE, batch_of, check_still_there, refuse_link
from .manifest import case_folder, read_job
from .marks import is_complete
from .status import JobStatus, read_status, write_last_status, write_status

log = logging.getLogger(__name__)

#: Module and function of each kind of job.
WORK = {"shard": ("shard_work", "run_shard"), "case": ("case_work", "run_case")}


def run_job(
    folder: Path,
    *,
    threads: int | None = None,
    executor_id: str = "",
    device: str = "auto",
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> JobStatus:
    """Run the job in a folder to its end, or resume it; a job that is done is not run again.

    Parameters
    ----------
    folder
        Folder of the job.
    threads
        CPU threads; all usable cores by default.
    executor_id
        What the executor calls this job.
    device
        Backend of a job that was planned for several, ``"cpu"`` or ``"cuda"``; of any other job its own.
    progress, stop
        As in :func:`hevesy.engine.simulation.simulate`.

    Returns
    -------
    JobStatus
        ``"done"``, ``"failed"``, ``"stopped"`` or ``"cancelled"``: an error of the job is a status, not an exception.

    Raises
    ------
    InputError
        The folder is not that of a job, or a link; another process runs it.
    """
    if not (folder / JOB_FILE).is_file():
        raise InputError(
            "is not the folder of a job",
            why=f"there is no {JOB_FILE} in it",
            suggestion="give a folder under jobs/ of a batch",
            file=folder,
        )
    refuse_link(folder)
    with locked(folder / LOCK_FILE, "runs this job"):
        before = read_status(folder)
        if before.state == "done" and stands(folder, before):
            return before
        running = JobStatus(
            state="running",
            attempts=before.attempts + 1,
            host=socket.gethostname(),
            pid=os.getpid(),
            executor_id=executor_id or before.executor_id,
            started=now(),
            decays=before.decays,
            fraction=before.fraction,
        )
        start = time.monotonic()
        if is_cancelled(folder):
            return _written(folder, running, start, state="cancelled", attempts=before.attempts)
        try:
            write_status(folder, running)
            return _attempted(folder, running, start, threads, device, progress, stop)
        except BaseException:  # a second signal ends the process at once, in whichever moment: no job is lost by that
            _say_stopped(folder, running, start)
            raise


def _attempted(
    folder: Path,
    running: JobStatus,
    start: float,
    threads: int | None,
    device: str,
    progress: Progress | None,
    stop: Stop | None,
) -> JobStatus:
    """Do the work of a job that is said to run, and say how it ended."""
    try:
        job = read_job(folder)
        check_same_code(job, "make the batch again")
        attempt = Attempt(folder, job, running, threads, device, progress, stop)
        return _written(folder, running, start, **_run(attempt))
    except (StoppedEarly, KeyboardInterrupt):
        return _written(folder, running, start, state="cancelled" if is_cancelled(folder) else "stopped")
    except SavedElsewhere as error:  # it can go on when there is room; its status names no folder, so the log does
        log.error("%s: %s", folder.name, error)
        return _written(folder, running, start, state="stopped", message=_told(str(error), folder))
    except HevesyError as error:
        return _written(folder, running, start, state="failed", message=_told(str(error), folder))
    except Exception as error:  # whatever went wrong with this one, the batch goes on
        log.info("%s failed", folder.name, exc_info=True)
        text = _told(f"{type(error).__name__}: {error}", folder)
        if is_short(error):
            text = "MemoryError: the memory of this machine is not enough, or a limit is low (ulimit -v)"
        return _written(folder, running, start, state="failed", message=text)


def _run(attempt: Attempt) -> dict[str, Any]:
    """Do the work of a job; what only a case needs is not loaded for a shard, which is to start at once."""
    module, function = WORK[attempt.job.kind]
    work: Callable[[Attempt], dict[str, Any]] = getattr(import_module(f".{module}", __package__), function)
    return work(attempt)


def _written(folder: Path, status: JobStatus, start: float, **changes: Any) -> JobStatus:
    check_still_there(folder)
    changes = {"ended": now(), "wall_time_s": time.monotonic() - start, **changes}
    ended = status.model_copy(update=changes)
    try:
        with uninterrupted():
            write_last_status(folder, ended)
    except OSError as error:  # the work itself is done or told; without a status the job is lost, and run again
        log.error("%s: its status could not be written: %s", folder.name, disk_error(error).render())
    return ended


def _say_stopped(folder: Path, running: JobStatus, start: float) -> None:
    """Say of a job that its process ends now, unless it has already said how it ended."""
    with uninterrupted(), suppress(HevesyError, OSError):  # of what went wrong before, the caller hears
        if (folder / STATUS_FILE).exists() and read_status(folder).state in ("running", "lost"):
            _written(folder, running, start, state="cancelled" if is_cancelled(folder) else "stopped")


def stands(folder: Path, status: JobStatus) -> bool:
    """Whether the results that a job claims to have are there and as it left them."""
    try:
        job = read_job(folder)
        if job.kind == "case":
            return is_complete(case_folder(batch_of(folder), job.whole), file_hash(folder / JOB_FILE))
        refuse_link(folder / RESULT_FILE)
        return file_hash(folder / RESULT_FILE) == status.result_sha256
    except (InputError, OSError):
        return False


def _told(message: str, folder: Path) -> str:
    """A message without the folders of this machine."""
    named = (folder, folder.absolute(), folder.resolve())
    return without_folders(message, *dict.fromkeys(parent for path in named for parent in path.parents))
