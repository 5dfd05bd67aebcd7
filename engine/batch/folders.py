"""Making the folder of a job: whole or not at all, and never over something that hevesy has not written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..disk_errors import naming
from ..durable import durable_replace, sync, sync_folder
from ..errors import InputError
from ..file_hash import file_hash
from ..lock import is_locked
from ..own_files import kind_of
from ..results.environment import table_hashes
from ..results.sources import ThisCode
from .job import (
    CANCEL_FILE,
    CASE_FILE,
    CHECKPOINT_FILE,
    JOB_FILE,
    LOCK_FILE,
    PROBLEM_FILE,
    REGIONS_FILE,
    RESULT_FILE,
    STATUS_FILE,
    BatchJob,
    refuse_link,
    write_record,
)
from .manifest import JOBS_FOLDER, job_folder

#: What may be left of a job whose record is lost.
_OURS = {PROBLEM_FILE, REGIONS_FILE, CASE_FILE, STATUS_FILE, RESULT_FILE, CHECKPOINT_FILE, CANCEL_FILE}


def ours() -> dict[str, Any]:
    """The fields of a job and of a manifest that say which hevesy made it."""
    return {**asdict(ThisCode.now()), "table_hashes": table_hashes()}


def stage_job(out: Path, job: BatchJob, files: Mapping[str, Path], *, own: bool = True) -> str:
    """Make the folder of a job beside its place, to which :func:`put_jobs` brings it.

    Parameters
    ----------
    out
        Folder of the batch.
    job
        The job.
    files
        Where the files come from that it reads, by their name in its folder.
    own
        Whether it gets a copy of them; else, where the file system allows it, the same bytes under another name.

    Returns
    -------
    str
        SHA-256 of its ``job.json``.

    Raises
    ------
    InputError
        There is something else of its name, or the former job runs.
    OSError
        The disk does not take it; nothing of it is left there.
    """
    folder, part = job_folder(out, job.name), staged_folder(out, job.name)
    _check_replaceable(folder)
    shutil.rmtree(part, ignore_errors=True)
    try:
        with naming(folder, part):
            part.mkdir(parents=True)
            for name, source in files.items():
                (copied if own else linked)(source, part / name)
            write_record(part / JOB_FILE, job)
            sync_folder(part)  # before a manifest names it
            return file_hash(part / JOB_FILE)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def staged_folder(out: Path, name: str) -> Path:
    """Where the folder of a job is until the whole plan stands."""
    return job_folder(out, name).with_name(f".{name}.part")


def put_jobs(out: Path, names: Collection[str]) -> None:
    """Bring jobs that were staged to their places; former ones of their names are replaced.

    Parameters
    ----------
    out
        Folder of the batch.
    names
        Of the jobs.

    Raises
    ------
    InputError
        One of the former jobs runs by now, or is none: all of them stay.
    """
    for name in names:
        _check_replaceable(job_folder(out, name))
    for name in names:
        folder = job_folder(out, name)
        if folder.exists():
            shutil.rmtree(folder)
        staged_folder(out, name).rename(folder)


def drop_staged(out: Path, names: Collection[str]) -> None:
    """Remove jobs that were staged, and the folder of the jobs where nothing else is in it."""
    for name in names:
        shutil.rmtree(staged_folder(out, name), ignore_errors=True)
    with suppress(OSError):  # it holds others, or is not there
        (out / JOBS_FOLDER).rmdir()


def restore_job(out: Path, job: BatchJob, files: Mapping[str, Path]) -> str:
    """Bring the files of a job that are missing or damaged; its status, result and checkpoint stay.

    Parameters
    ----------
    out
        Folder of the batch.
    job
        The job.
    files
        Where its files come from, by their name in its folder; those of other jobs are shared where that can be done.

    Returns
    -------
    str
        SHA-256 of its ``job.json``.

    Raises
    ------
    InputError
        Something else has the name of its folder.
    """
    folder = job_folder(out, job.name)
    refuse_link(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file", why="a job goes there", suggestion="move it away", file=folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        file = folder / name
        if file.is_file() and file_hash(file) == job.files[name]:
            continue
        part = folder / f".{name}.part"
        part.unlink(missing_ok=True)
        (linked if out / JOBS_FOLDER in source.parents else copied)(source, part)
        durable_replace(part, file)
    write_record(folder / JOB_FILE, job)  # last: without it there is no job
    sync(folder.parent)
    return file_hash(folder / JOB_FILE)


def check_jobs_folder(out: Path) -> None:
    """Refuse a folder for jobs that is a link or a file.

    Raises
    ------
    InputError
        ``jobs`` is not a folder of its own.
    """
    jobs = out / JOBS_FOLDER
    refuse_link(jobs)
    if jobs.exists() and not jobs.is_dir():
        raise InputError("is a file", why="the jobs of the batch go there", suggestion="give another --out", file=jobs)


def check_result_place(out: Path) -> None:
    """Refuse a batch of one problem whose merged result would replace something else.

    Parameters
    ----------
    out
        Folder of the batch.

    Raises
    ------
    InputError
        There is a link, a pipe, a folder or a file of its name that hevesy has not written.
    """
    file = out / RESULT_FILE
    refuse_link(file)
    if file.exists() and kind_of(file) != "result":
        raise InputError(
            "is a folder" if file.is_dir() else "is not a result of hevesy, or a damaged one",
            why="the merged result goes there, and would replace it",
            suggestion="move it away, then repeat the command",
            file=file,
        )


def _check_replaceable(folder: Path) -> None:
    refuse_link(folder)
    if not folder.exists():
        return
    own = folder.is_dir() and ((folder / JOB_FILE).is_file() or {one.name for one in folder.iterdir()} <= _OURS)
    if not own:
        raise InputError(
            "is not the folder of a job",
            why="hevesy has not written it, and would have to replace it",
            suggestion="move it away, or give another --out",
            file=folder,
        )
    if is_locked(folder / LOCK_FILE):
        raise InputError(
            "runs now",
            why="its settings or its input have changed, so that it would have to be made again",
            suggestion="`hevesy cancel` it, or wait until it has ended",
            file=folder,
        )


def linked(source: Path, target: Path) -> None:
    """The same file in another folder, without its bytes a second time where the file system allows that."""
    try:
        os.link(source, target)
    except OSError:
        copied(source, target)


def copied(source: Path, target: Path) -> None:
    """A copy of a file; where the disk has no room for it, the error is of the target.

    Raises
    ------
    OSError
        One of the two cannot be read or written.
    """
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):  # it names both, the source first
            error.filename, error.filename2 = str(target), None
        raise
