"""Ending jobs from outside: a file in a job's folder that the job asks for between batches, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from ..files import write_text
from ..lock import locked
from .job import CANCEL_FILE, LOCK_FILE
from .status import read_status, write_status


def is_cancelled(folder: Path) -> bool:
    """Whether the job in a folder is to end."""
    return (folder / CANCEL_FILE).exists()


def cancel_jobs(folders: Iterable[Path]) -> list[Path]:
    """Have jobs end, or not start.

    A job that runs saves a checkpoint and ends within a batch; one that waits is marked now, whichever executor holds
    it, and ends as soon as it is started.

    Parameters
    ----------
    folders
        Folders of jobs.

    Returns
    -------
    list of Path
        Those that are not done: what was cancelled. A folder that is a link is left alone.
    """
    ended = []
    for folder in folders:
        if folder.is_symlink() or read_status(folder).state == "done":  # nothing runs a link, and it leads out of here
            continue
        write_text(folder / CANCEL_FILE, "cancelled\n")
        ended.append(folder)
        try:
            with locked(folder / LOCK_FILE, "cancels this job"):
                status = read_status(folder)
                if status.state == "done":  # between the two looks
                    ended.remove(folder)
                else:
                    write_status(folder, status.model_copy(update={"state": "cancelled", "message": ""}))
        except InputError:
            continue  # it runs, and ends by itself
    return ended


def allow_jobs(folders: Iterable[Path]) -> None:
    """Take back :func:`cancel_jobs`: the jobs may start again."""
    for folder in folders:
        (folder / CANCEL_FILE).unlink(missing_ok=True)
