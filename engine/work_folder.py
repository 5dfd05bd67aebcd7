"""The work folder beside an output: what a command needs while it runs, and the lock that lets one run at a time.

For an output ``NAME`` it is ``.NAME.work``, for a result file ``R.h5`` ``.R.h5.work``. It holds the lock, the new
output until it is whole, and checkpoints, which their owner removes. When a command ends, it goes, unless a checkpoint
is in it. What a process that was killed has left, the next command repairs or removes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .durable import uninterrupted
from .errors import InputError
from .lock import locked
from .swap import JOURNAL, NEW, TRASH, remove, repair

LOCK, README = "lock", "README.txt"
#: How the names of files begin by which hevesy knows its own folder; the last two are checkpoints.
OURS = (LOCK, README, JOURNAL, "checkpoint", "therapy-")
_TEXT = """Work of hevesy on the output beside this folder. It holds what a command that was interrupted
goes on from with --resume, and is removed when nothing is left to resume.
"""
#: Work folders that a thread holds: a command within a command is not its own rival.
_held: set[tuple[Path, int]] = set()


def work_folder(out: Path) -> Path:
    """The work folder of an output.

    Parameters
    ----------
    out
        A file or folder; a link stands for what it leads to.
    """
    out = Path(os.path.realpath(out))
    return out.with_name(f".{out.name}.work")


@contextmanager
def working(out: Path, what: str = "writes there") -> Iterator[Path]:
    """Hold the work folder of an output; what a killed process has left in it is repaired or removed before.

    Parameters
    ----------
    out
        The file or folder that the block writes. Folders above it are made.
    what
        What the command does, for the message of one that comes second.

    Yields
    ------
    Path
        The work folder. It is removed at the end, unless something is left in it that is no unfinished output, as a
        checkpoint.

    Raises
    ------
    InputError
        Another process works on this output; or something that hevesy did not make has the name of the work folder.
    OSError
        The folder cannot be made.
    """
    folder, real = work_folder(out), Path(os.path.realpath(out))
    key = (folder, threading.get_ident())
    if key in _held:
        yield folder
        return
    check_work_folder(folder)
    made = [above for above in folder.parents if not above.exists()]
    try:
        with locked(folder / LOCK, what, subject=out):
            try:
                _held.add(key)
                with uninterrupted():
                    repair(folder, real)
                with suppress(OSError):  # a full disk: the text is for whoever looks in here
                    (folder / README).write_text(_TEXT, encoding="utf-8")
                yield folder
            finally:
                with uninterrupted():
                    _held.discard(key)
                    _leave(folder)
    finally:
        with uninterrupted():
            for empty in (folder, *made):
                with suppress(OSError):
                    empty.rmdir()


@contextmanager
def holding(out: Path, what: str) -> Iterator[None]:
    """:func:`working` for a command that changes single files in an output, or reads it for long.

    Where nothing can be written beside the output, no other command can replace it either, and nothing is held.

    Parameters
    ----------
    out, what
        As of :func:`working`.
    """
    if os.access(work_folder(out).parent, os.W_OK):
        with working(out, what):
            yield
    else:
        yield


def check_work_folder(folder: Path) -> None:
    """Refuse a name that is taken by something that is not a work folder.

    Raises
    ------
    InputError
        A file, a link, or a folder that holds none of the files by which hevesy knows its own.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        holds = "it is no folder"
    elif any(folder.iterdir()) and not any(path.name.startswith(OURS) for path in folder.iterdir()):
        holds = "it holds something else"
    else:
        return
    raise InputError(
        "is needed for work on the output beside it",
        why=f"{holds}, and hevesy did not make it",
        suggestion="move it away, or give another output path",
        file=folder,
    )


def _leave(folder: Path) -> None:
    """Remove unfinished output, and the text about the folder if nothing else stays in it."""
    if (folder / JOURNAL).exists():  # a swap that the disk stopped: the next command goes on with it
        return
    remove(folder / NEW)
    remove(folder / TRASH)
    with suppress(OSError):
        if all(entry.name in (LOCK, README) for entry in folder.iterdir()):
            (folder / README).unlink(missing_ok=True)
