"""Finished work and where it went: what the last word of a command has to say, and what to do where a disk refuses."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .disk_errors import disk_error
from .errors import InputError, SavedElsewhere

#: Outputs that are whole under their names.
_written: list[Path] = []


def has_been_written(out: Path) -> None:
    """Remember an output of the command that is whole under its name."""
    _written.append(out)


def outputs_written() -> list[Path]:
    """The outputs of the command so far, and forget them."""
    out = list(_written)
    _written.clear()
    return out


def saved_elsewhere(write: Callable[[Path], object], out: Path, error: OSError) -> InputError:
    """Save finished work that a disk refused into a folder that takes it; the error to raise, which says where.

    Parameters
    ----------
    write
        Writes the output to a path at which there is nothing, and what belongs to it beside it.
    out
        Where it should have gone.
    error
        What the disk answered.

    Returns
    -------
    InputError
        :class:`hevesy.engine.errors.SavedElsewhere`, or what went wrong where no folder takes it either.
    """
    refused = disk_error(error, out)
    for folder in _refuges():
        try:
            place = Path(tempfile.mkdtemp(prefix="hevesy-", dir=folder))
        except OSError:
            continue
        try:
            write(place / out.name)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            continue
        saved = sorted(place.iterdir())  # an image has others beside it
        has_been_written(place / out.name)
        where, to = (place / out.name, out) if len(saved) == 1 else (place, out.parent)
        return SavedElsewhere(
            refused.problem,
            why=f"{refused.why}; the finished work is saved in {where}",
            suggestion=f"make room, then move it: {shlex.join(('mv', *map(str, saved), str(to)))}",
            file=out,
        )
    return refused


def _refuges() -> list[Path]:
    """Folders for finished work, in order: the working folder, that of the system for temporary files."""
    folders = []
    for find in (Path.cwd, tempfile.gettempdir):
        try:
            folders.append(Path(find()))
        except OSError:  # it has been deleted, or there is none
            continue
    return folders
