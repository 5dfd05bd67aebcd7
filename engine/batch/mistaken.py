"""The folder of a batch, or of a job, where that of a run or a result file is needed: what to give in its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..text import counted
from .job import JOB_FILE
from .manifest import MANIFEST_FILE, case_folder, read_manifest

#: Folders that a message lists.
LISTED = 5


def check_is_no_batch(folder: Path) -> None:
    """Refuse the folder of a batch, or of a job, as that of a run.

    Parameters
    ----------
    folder
        What was given; anything else is for its reader to judge.

    Raises
    ------
    InputError
        Naming the folders of the cases in it, or the command that makes results of what it holds.
    """
    if _is_job(folder):
        raise InputError(
            "is the folder of a job, not of a run",
            why="it holds the input of the job and, of a shard, sums without doses",
            suggestion=f"`hevesy merge {folder.parent.parent}`, then the results that are in that folder",
            file=folder,
        )
    if not _is_batch(folder):
        return
    names = dict.fromkeys(whole.case for whole in read_manifest(folder).wholes if whole.case)
    cases = [place for name in names if (place := case_folder(folder, name)).is_dir()]
    if not names:
        why, suggestion = "its result is that of a problem, which has no case", "give the folder of a `hevesy run`"
    elif not cases:
        why, suggestion = "none of its cases has results yet", f"see `hevesy status {folder}`"
    else:
        listed = ", ".join(map(str, cases[:LISTED])) + (" ..." if len(cases) > LISTED else "")
        why, suggestion = f"each case has a folder in it, {len(cases)} of {len(names)} with results", f"give {listed}"
    raise InputError("is the folder of a batch, not of a run", why=why, suggestion=suggestion, file=folder)


def check_are_files(given: Sequence[Path]) -> None:
    """Refuse folders among result files that are to be merged.

    Parameters
    ----------
    given
        What was given to merge: several files, or a folder that is no batch.

    Raises
    ------
    InputError
        The first folder, with what to give in its place.
    """
    for path in given:
        if _is_batch(path) and len(given) > 1:
            raise InputError(
                "is the folder of a batch",
                why=f"a batch is merged alone, and {counted(len(given), 'path')} were given",
                suggestion=f"`hevesy merge {path}`, one batch at a time; to add up results, give the files",
                file=path,
            )
        if _is_job(path):
            raise InputError(
                "is the folder of a job",
                why="a batch is merged as a whole",
                suggestion=f"`hevesy merge {path.parent.parent}`, or the result files of jobs",
                file=path,
            )
        if path.is_dir() and not _is_batch(path):
            raise InputError(
                "is a folder, and is not the folder of a batch",
                why=f"there is no {MANIFEST_FILE} in it",
                suggestion="give result files, or the --out of one `hevesy batch`",
                file=path,
            )


def _is_batch(folder: Path) -> bool:
    return (folder / MANIFEST_FILE).is_file()


def _is_job(folder: Path) -> bool:
    return (folder / JOB_FILE).is_file()
