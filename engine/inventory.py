"""What hevesy wrote into a folder: a list in it, so that nothing else is ever deleted with it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import InputError
from .file_hash import file_hash
from .files import read_json, write_json

#: Name of the list.
INVENTORY = ".hevesy.json"
FORMAT, FORMAT_VERSION = "hevesy-inventory", "1.0"


def write_inventory(folder: Path) -> str:
    """List the files that a folder holds now, all in it written by hevesy.

    Parameters
    ----------
    folder
        A folder that is whole.

    Returns
    -------
    str
        A word that tells this output from every other one.
    """
    token = secrets.token_hex(8)
    files = {name: _facts(folder / name) for name in _names(folder)}
    write_json(folder / INVENTORY, {"format": FORMAT, "format_version": FORMAT_VERSION, "token": token, "files": files})
    return token


def add_to_inventory(folder: Path, *paths: Path) -> None:
    """List files that hevesy has written later, or again, into a folder that has a list.

    Parameters
    ----------
    folder
        The folder; without a list nothing is done.
    paths
        Files in it; one that is gone is left out.
    """
    content = _content(folder)
    if content is None:
        return
    for path in paths:
        name = path.relative_to(folder).as_posix()
        content["files"].pop(name, None)
        if path.is_file():
            content["files"][name] = _facts(path)
    write_json(folder / INVENTORY, content)


def token_of(folder: Path) -> str | None:
    """The word of the output in a folder; None where there is no list."""
    content = _content(folder)
    return None if content is None else content["token"]


def not_of_hevesy(folder: Path) -> str | None:
    """Name of something in a folder that hevesy did not write, or that was changed since.

    Parameters
    ----------
    folder
        A path at which there is something.

    Returns
    -------
    str or None
        The first such name, relative to the folder; its own name where it is no folder, or has no list of what was
        written; None where everything is hevesy's.
    """
    if folder.is_symlink() or not folder.is_dir():
        return folder.name
    if not any(folder.iterdir()):
        return None
    content = _content(folder)
    if content is None:
        return folder.name
    return next((name for name in _names(folder) if not _is_ours(folder, name, content["files"])), None)


def has_lost_only(folder: Path, mark: str) -> bool:
    """Whether a folder is what somebody's deletion has left of an output that held the file ``mark``."""
    content = _content(folder)
    return content is not None and mark in content["files"] and not_of_hevesy(folder) is None


def _is_ours(folder: Path, name: str, files: dict[str, Any]) -> bool:
    path, facts = folder / name, files.get(name)
    if facts is None:
        # Another command of hevesy has put its own folder there, with its own list.
        inside = next((above for above in path.parents if above != folder and (above / INVENTORY).is_file()), None)
        return inside is not None and folder in inside.parents and _listed(inside, path)
    if path.is_symlink() or not path.is_file():
        return False
    found = path.stat()
    if found.st_size != facts["bytes"]:
        return False
    return found.st_mtime_ns == facts["modified_ns"] or file_hash(path) == facts["sha256"]


def _listed(inside: Path, path: Path) -> bool:
    content = _content(inside)
    return content is not None and _is_ours(inside, path.relative_to(inside).as_posix(), content["files"])


def _names(folder: Path) -> Iterator[str]:
    """Files, links and empty folders in a folder, but for lists."""
    for root, folders, names in os.walk(folder):
        here = Path(root)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted((*names, *links)):
            if name != INVENTORY:
                yield (here / name).relative_to(folder).as_posix()


def _facts(path: Path) -> dict[str, Any]:
    found = path.stat()
    return {"bytes": found.st_size, "modified_ns": found.st_mtime_ns, "sha256": file_hash(path)}


def _content(folder: Path) -> dict[str, Any] | None:
    """The list of a folder; None where there is none, or one that says nothing."""
    file = folder / INVENTORY
    if not file.is_file():
        return None
    try:
        content = read_json(file)
        whole = content["format"] == FORMAT and isinstance(content["token"], str)
        whole = whole and all({"bytes", "modified_ns", "sha256"} <= set(facts) for facts in content["files"].values())
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return None
    return content if whole else None
