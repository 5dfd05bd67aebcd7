"""Output folders: refused before anything is calculated, made aside, and put in place in one step."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .disk_errors import naming
from .durable import uninterrupted
from .errors import InputError
from .files import check_name, check_writable
from .inventory import has_lost_only
from .swap import NEW, put_in_place, remove
from .work_folder import check_work_folder, work_folder, working
from .written import has_been_written

#: File that the folder of a run holds, its case as it was run.
CASE_FILE = "case.resolved.yaml"
#: The longest ending that the name of an output folder is given.
_LONGEST_ENDING = ".previous-99"


def check_output_folder(out: Path, mark: str = CASE_FILE, what: str = "run") -> None:
    """Refuse, before anything is calculated, a folder that the results must not go to.

    A folder that holds the output of an earlier command of the same kind may be replaced.

    Parameters
    ----------
    out
        Where results are to go; a link to a folder stands for that folder.
    mark
        File that such a folder holds: the resolved case of a run.
    what
        What the command makes.

    Raises
    ------
    InputError
        A file, or a folder that holds anything but the output of an earlier run; a link that leads nowhere; a name
        that is too long; a folder that cannot be renamed, or beside which nothing can be written.
    """
    check_name(out, _LONGEST_ENDING)
    if (leads := _nowhere(out)) is not None:
        raise InputError(
            "is a link that leads nowhere",
            why="the results would be where nobody looks for them",
            suggestion="remove the link, or give another --out",
            file=leads,
        )
    real = Path(os.path.realpath(out))
    if not real.name:
        raise InputError("is the root of the file system", why="the results replace a whole folder", file=out)
    check_writable(real, _LONGEST_ENDING)
    check_work_folder(work_folder(real))
    if not real.exists():
        return
    if not real.is_dir():
        raise InputError("is a file", why="the results need a folder", suggestion="give another --out", file=out)
    _check_movable(real, out)
    if any(real.iterdir()) and not (real / mark).exists() and not has_lost_only(real, mark):
        raise InputError(
            f"holds files that are not of a hevesy {what}",
            why="results replace the whole folder",
            suggestion="give a new or empty folder",
            file=out,
        )


def _nowhere(path: Path) -> Path | None:
    """The link in a path that leads nowhere, if there is one."""
    return next((one for one in (path, *path.parents) if one.is_symlink() and not one.exists()), None)


def _check_movable(real: Path, out: Path) -> None:
    """Refuse a folder that the system will not rename."""
    if os.path.ismount(real):
        why = "a disk is mounted there, and the results are made beside it and put in its place"
    elif not _may_rename(real):
        why = "it belongs to somebody else, in a folder where only owners rename (as /tmp)"
    else:
        return
    raise InputError("cannot be replaced", why=why, suggestion=f"give a folder in it, as {out / 'run'}", file=out)


def _may_rename(folder: Path) -> bool:
    above = folder.parent.stat()
    if os.name != "posix" or not above.st_mode & stat.S_ISVTX:
        return True
    return os.geteuid() in (0, above.st_uid, folder.stat().st_uid)


@contextmanager
def replace_folder(out: Path, mark: str = CASE_FILE, what: str = "run", *, previous: bool = True) -> Iterator[Path]:
    """Yield a new folder; put it in the place of ``out`` when the block ends without an error.

    No other command writes to ``out`` meanwhile. A process that is killed, at whichever moment, leaves the earlier or
    the new output under the name, and the next command removes what else it left.

    Parameters
    ----------
    out
        The folder to write.
    mark, what
        As of :func:`check_output_folder`.
    previous
        Whether earlier output there becomes ``<out>.previous`` (one generation); else it is deleted, once the new one
        is whole. Output that holds files which hevesy did not write, or which were changed since, is never deleted:
        it stays, and what is earlier goes to ``<out>.previous-2``.

    Yields
    ------
    Path
        The new folder, empty, in the work folder; it is deleted when the block ends with an error.

    Raises
    ------
    InputError
        As :func:`check_output_folder`; another command works on ``out``.
    OSError
        A disk that is full or fails; what was at ``out`` before is still there.
    """
    check_output_folder(out, mark, what)
    real = Path(os.path.realpath(out))
    new = work_folder(real) / NEW
    with naming(out, new), working(out, f"writes the {what}") as work:
        check_output_folder(out, mark, what)  # what a killed process has left is in its place now
        remove(new)
        new.mkdir()
        yield new
        with uninterrupted():
            put_in_place(work, real, previous=previous)
            has_been_written(out)
