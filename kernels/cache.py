"""Files that can be made again: where they are, and that what is read of them is what was written.

A file of the cache begins with the SHA-256 of its place and content. It is read into memory, compared, and only then
used, so that no damage of it, nor another process that writes it, becomes code or a number; a damaged one is removed
and made again. Where nothing can be written a temporary cache takes over, for this process and those that it starts.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import secrets
import shutil
import stat
import tempfile
import time
from pathlib import Path

from .processes import is_alive

log = logging.getLogger(__name__)

_MARK = b"hevesy-cache-1\n"
_HEAD = len(_MARK) + 32
#: Names of a temporary cache, and the variable in which processes find that of the one that started them.
_TEMPORARY, _VARIABLE = "hevesy-cache-", "HEVESY_TEMPORARY_CACHE"
#: Age at which a file that was never finished is removed [s].
_LEFT_S = 3600.0
#: What was said already; once a process is enough.
_said: set[str] = set()


class UnsafeCacheError(ValueError):
    """The cache is no folder that compiled code may be loaded from."""


def cache_root() -> Path:
    """Folder of data that can be regenerated: ``$HEVESY_CACHE``, else ``~/.cache/hevesy``.

    Compiled code is loaded from it, so it must be one place, whoever's folder the program is started in, and nobody
    else's to write to. It need not exist, nor be a folder that can be written to: :func:`store` goes elsewhere then.

    Raises
    ------
    UnsafeCacheError
        Empty or relative; owned by another user than this one or the administrator; writable by everybody.
    """
    given = os.environ.get("HEVESY_CACHE")
    root = _home() / ".cache" / "hevesy" if given is None else Path(given)
    if not root.is_absolute():
        raise UnsafeCacheError(f"HEVESY_CACHE is {given!r}, which depends on the folder that a command is started in")
    with contextlib.suppress(OSError):
        if hasattr(os, "getuid"):
            found = root.stat()
            if found.st_uid not in (os.getuid(), 0):
                raise UnsafeCacheError(f"the cache {root} belongs to another user")
            if found.st_mode & stat.S_IWOTH:
                raise UnsafeCacheError(f"everybody may write to the cache {root}")
    return root


def load(path: Path) -> bytes | None:
    """Content of a file that :func:`store` wrote; None where there is none that is whole.

    Parameters
    ----------
    path
        Its place below :func:`cache_root`; the temporary cache is looked into as well.
    """
    for place in places(path):
        content = _content(place)
        if content is not None:
            return content
    return None


def store(path: Path, content: bytes, *, sealed: bool = True) -> Path | None:
    """Write a file of the cache, whole or not at all; where that is not possible, in the temporary cache.

    Parameters
    ----------
    path
        Its place below :func:`cache_root`.
    content
        What it holds.
    sealed
        Whether the digest is put before it; False for a file that has its own.

    Returns
    -------
    Path or None
        The file; None where nothing can be written at all.
    """
    data = seal(path, content) if sealed else content
    try:
        _write(path, data)
        return path
    except OSError as error:
        why = error.strerror or str(error)
    try:
        other = _below(temporary_root(), path)
        _write(other, data)
    except OSError as error:
        _say(f"nothing can be written to the cache ({why}), nor to a temporary one ({error.strerror or error})")
        return None
    say_temporary(path.parent.parent, why)
    return other


def places(path: Path) -> list[Path]:
    """Where a file of the cache may be: its place, and that in the temporary cache where there is one."""
    root = _existing_temporary()
    return [path] if root is None else [path, _below(root, path)]


def seal(path: Path, content: bytes) -> bytes:
    """The bytes of a file that holds this content at this place."""
    return _MARK + _digest(path, content) + content


def unsealed(path: Path, data: bytes) -> bytes | None:
    """The content of a file from its bytes; None where they are not those that were written there."""
    content = data[_HEAD:]
    return content if data[:_HEAD] == _MARK + _digest(path, content) else None


def temporary_root() -> Path:
    """The temporary cache, made if there is none: a folder that nobody else can write to, removed at the end.

    Raises
    ------
    OSError
        None can be made.
    """
    root = _existing_temporary()
    if root is None:
        _remove_left()
        root = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{os.getpid()}-"))  # of mode 0700
        os.environ[_VARIABLE] = str(root)
        atexit.register(_remove, root, os.getpid())
    return root


def say_temporary(root: Path, why: object) -> None:
    """Say, once, that a temporary cache takes the place of this one."""
    _say(
        f"{root} cannot be written to ({why}): a temporary cache is used, which ends with this process; "
        "set HEVESY_CACHE to a folder of your own that has room"
    )


def _content(path: Path) -> bytes | None:
    try:
        if not path.is_file():  # to open a pipe would wait for whoever writes to it
            return None
        data = path.read_bytes()
    except OSError:
        return None
    content = unsealed(path, data)
    if content is None:
        discard(path)
    return content


def discard_all(path: Path) -> None:
    """Remove a file of the cache that cannot be used, wherever it is, and say so."""
    for place in places(path):
        if place.is_file():
            discard(place)


def discard(path: Path) -> None:
    """Remove a damaged file of the cache, and say so."""
    log.warning("a file of the cache is damaged, and is made again: %s", path)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _digest(path: Path, content: bytes) -> bytes:
    digest = hashlib.sha256(f"{path.parent.name}/{path.name}\n".encode())
    digest.update(content)
    return digest.digest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_parts(path.parent)
    part = path.with_name(f".part-{os.getpid()}-{secrets.token_hex(4)}.{path.name}")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _remove_parts(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left."""
    for part in folder.glob(".part-*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _LEFT_S:
                part.unlink()


def _home() -> Path:
    try:
        home = Path.home()
    except RuntimeError:  # neither a variable nor an entry in the list of users
        home = Path()
    return home if home.is_absolute() else Path(os.sep, "nonexistent")


def _below(root: Path, path: Path) -> Path:
    return root / path.parent.name / path.name


def _existing_temporary() -> Path | None:
    given = os.environ.get(_VARIABLE)
    if not given:
        return None
    try:
        found = os.lstat(given)
    except OSError:
        return None
    own = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
    return Path(given) if stat.S_ISDIR(found.st_mode) and own else None


def _remove(root: Path, pid: int) -> None:
    if os.getpid() == pid:  # not a process that was forked from it
        shutil.rmtree(root, ignore_errors=True)


def _remove_left() -> None:
    """Remove the temporary caches of processes that were killed."""
    if not hasattr(os, "getuid"):
        return
    for root in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*-*"):
        pid = root.name.removeprefix(_TEMPORARY).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and root.lstat().st_uid == os.getuid() and not is_alive(int(pid)):
                shutil.rmtree(root, ignore_errors=True)


def _say(text: str) -> None:
    if text not in _said:
        _said.add(text)
        log.warning("%s", text)
