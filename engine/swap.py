"""A new output folder in the place of the earlier one: at every moment the old or the new one, whole, under the name.

The new folder is made in the work folder beside the output (:mod:`hevesy.engine.work_folder`). Where the file system
can exchange two names in one step, it does. Else the old one is renamed away and the new one to its place. A journal in
the work folder tells the next command how far a process that was killed has come.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .durable import exchange, sync, sync_folder
from .errors import InputError
from .files import read_json, write_json
from .inventory import not_of_hevesy, token_of, write_inventory

log = logging.getLogger(__name__)

#: In the work folder: the journal, the new output, the old one between two renames, what is about to be deleted.
JOURNAL, NEW, OLD, TRASH = "swap.json", "new", "old", "trash"


def put_in_place(work: Path, out: Path, *, previous: bool) -> None:
    """Rename the new folder to its name; what stood there becomes ``<out>.previous``, or is deleted.

    Nothing is deleted that hevesy did not write, or that was changed since.

    Parameters
    ----------
    work
        The work folder, with the new output in it, whole.
    out
        Where that belongs.
    previous
        Whether the earlier output is kept.

    Raises
    ------
    OSError
        A disk that is full or fails. The old or the new output stands under its name, the other one in the work folder.
    """
    token = write_inventory(work / NEW)
    sync_folder(work / NEW)
    write_json(work / JOURNAL, {"token": token, "previous": previous})
    _finish(work, out)


def repair(work: Path, out: Path) -> None:
    """Bring to an end what a process has left that was killed; its unfinished output is removed.

    Parameters
    ----------
    work
        The work folder, locked.
    out
        The output beside it.
    """
    if (work / JOURNAL).is_file():
        _finish(work, out)
    elif os.path.lexists(work / OLD):  # a journal that a failing disk has lost
        if os.path.lexists(out):
            _retire(work / OLD, work, out, previous=True)
        else:
            (work / OLD).rename(out)
    for name in (NEW, TRASH):
        remove(work / name)


def remove(folder: Path) -> None:
    """Remove a folder of a work folder, as far as the disk allows."""
    shutil.rmtree(folder, ignore_errors=True)


def _finish(work: Path, out: Path) -> None:
    """What the journal says, from wherever it has come to."""
    token, previous = _journal(work)
    new, old = work / NEW, work / OLD
    if token_of(out) != token:
        if token_of(new) == token:
            _place(new, old, out)
            sync(out.parent)
            sync(work)
        elif os.path.lexists(old) and not os.path.lexists(out):
            old.rename(out)
    for former in (old, new):
        if os.path.lexists(former):
            _retire(former, work, out, previous=previous)
    (work / JOURNAL).unlink(missing_ok=True)
    sync(work)
    remove(work / TRASH)


def _place(new: Path, old: Path, out: Path) -> None:
    vacant = not os.path.lexists(out) or (out.is_dir() and not out.is_symlink() and not any(out.iterdir()))
    if vacant:
        new.rename(out)
    elif not exchange(new, out):
        out.rename(old)
        new.rename(out)


def _retire(former: Path, work: Path, out: Path, *, previous: bool) -> None:
    """Put earlier output where it is kept, in the place of what is older; or have it deleted."""
    if not previous and not_of_hevesy(former) is None:
        remove(work / TRASH)
        former.rename(work / TRASH)
        return
    for place in _places(out):
        foreign = not_of_hevesy(place) if os.path.lexists(place) else None
        if foreign is None:
            break
        said = "hevesy did not write it" if foreign == place.name else f"it holds {foreign}, which hevesy did not write"
        log.warning("%s stays: %s", place.name, said)
    if os.path.lexists(place):
        remove(work / TRASH)
        place.rename(work / TRASH)
    former.rename(place)
    sync(out.parent)
    (log.info if previous else log.warning)("the earlier results are now in %s", place.name)


def _places(out: Path) -> Iterator[Path]:
    """Where earlier output goes, in order."""
    yield out.with_name(f"{out.name}.previous")
    number = 2
    while True:
        yield out.with_name(f"{out.name}.previous-{number}")
        number += 1


def _journal(work: Path) -> tuple[str, bool]:
    with suppress(InputError, KeyError, TypeError):
        content = read_json(work / JOURNAL)
        return str(content["token"]), bool(content["previous"])
    return "", True  # damaged: nothing is the new output then, and all is kept
