"""The mark in the results of a case: of which job they are, and whether they are complete."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import read_json, write_json
from .manifest import Manifest, Whole

#: The mark, in the folder of a case's results.
DONE_FILE = "batch.json"
MARK_FORMAT, MARK_VERSION = "hevesy-batch-case", 2
#: In place of a job: the results that stand there are of another one, or of none.
FOREIGN = ""


class Mark(NamedTuple):
    """Of which job the results in a folder are: the hash of its ``job.json`` (or of all of its jobs')."""

    key: str
    complete: bool
    wall_time_s: float


def read_mark(folder: Path) -> Mark | None:
    """The mark in a folder of results; None without a valid one."""
    file = folder / DONE_FILE
    if not file.is_file():
        return None
    try:
        content = read_json(file)
        if (content["format"], content["format_version"]) != (MARK_FORMAT, MARK_VERSION):
            return Mark(FOREIGN, False, 0.0)
        return Mark(str(content["key"]), content["complete"] is True, float(content["wall_time_s"]))
    except (InputError, KeyError, TypeError, ValueError):
        return Mark(FOREIGN, False, 0.0)


def shards_key(manifest: Manifest, case: str) -> str:
    """What marks the results of a case that was divided: the hash of the hashes of its jobs."""
    jobs = [manifest.jobs[name] for whole in manifest.parts_of(case) for name in whole.jobs]
    return sha256("".join(jobs).encode()).hexdigest()


def key_of(manifest: Manifest, whole: Whole) -> str:
    """What marks the results of the case of a whole."""
    return shards_key(manifest, whole.case) if whole.sharded else manifest.jobs[whole.jobs[0]]


def is_complete(folder: Path, key: str) -> bool:
    """Whether a folder holds complete results of a job."""
    mark = read_mark(folder)
    return mark is not None and mark.complete and mark.key == key


def write_mark(folder: Path, mark: Mark) -> None:
    """Write the mark into a folder of results."""
    write_json(folder / DONE_FILE, {"format": MARK_FORMAT, "format_version": MARK_VERSION, **mark._asdict()})


def take_over(folder: Path, key: str, *, again: bool) -> bool:
    """Mark the results that stand in a folder before a job writes there: they are not complete any more.

    Parameters
    ----------
    folder
        Where the results go.
    key
        Of the job.
    again
        Whether the job was started before: then results without a mark are its own.

    Returns
    -------
    bool
        Whether the job can resume: what stands there, if anything, is its own.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return again
    mark = read_mark(folder)
    mine = again if mark is None else mark.key == key
    write_mark(folder, Mark(key if mine else FOREIGN, False, 0.0))
    return mine
