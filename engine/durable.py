"""What reaches the disk, and when: files and renames that outlast a power cut, swaps that nothing cuts in half."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ..kernels.processes import is_alive

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

#: What a file system answers that cannot do what was asked, rather than failing at it.
UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY}
#: How the temporary names of files begin.
PART = ".part-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder.

    Raises
    ------
    OSError
        The disk could not take it: a delayed write that failed is told here, and nowhere else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # files that may be written and not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:  # a file system that has no such thing, or none for folders
            error.filename = str(path)
            raise
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """:func:`sync` of all files and folders in a folder, and of itself."""
    for root, _, names in os.walk(folder):
        for name in names:
            if not Path(root, name).is_symlink():
                sync(Path(root, name))
        sync(Path(root))


def durable_replace(part: Path, path: Path) -> None:
    """Rename a file that is whole to its name; after a power cut the old or the new one stands there.

    Parameters
    ----------
    part
        The new file, in the same folder.
    path
        Its name; a file there is replaced.

    Raises
    ------
    OSError
        A disk that is full or fails; ``path`` is as it was.
    """
    sync(part)
    part.replace(path)
    sync(path.parent)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, so that at every moment something stands under both.

    Parameters
    ----------
    one, other
        Files or folders of one file system.

    Returns
    -------
    bool
        False where the system or the file system cannot do it; nothing has changed then.

    Raises
    ------
    OSError
        The exchange was refused: permissions, a read-only disk.
    """
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:  # a C library of before 2018
        return False
    first, second = os.fsencode(one), os.fsencode(other)
    if renameat2(_AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def new_part(path: Path) -> tuple[Path, int]:
    """An empty temporary file beside ``path`` whose name no other process takes; its descriptor holds it.

    The name ends like that of the file, which libraries of images go by.
    """
    while True:
        part = path.with_name(f"{PART}{os.getpid()}-{secrets.token_hex(4)}.{path.name}")
        try:
            descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            continue
        _hold(descriptor)
        if part.exists():  # else a process that cleaned up took it before it was held
            return part, descriptor
        os.close(descriptor)


def remove_left_parts(path: Path) -> None:
    """Remove the temporary files that processes which have ended left for this file; those of others stay."""
    with suppress(OSError):
        for name in [entry.name for entry in path.parent.iterdir()]:
            if not name.startswith(PART) or not name.endswith(f".{path.name}"):
                continue
            pid, _, token = name[len(PART) : -len(path.name) - 1].partition("-")
            if pid.isdecimal() and len(token) == 8 and set(token) <= set("0123456789abcdef"):
                _remove_left(path.with_name(name), int(pid))


def _remove_left(part: Path, pid: int) -> None:
    if is_alive(pid):
        return
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _hold(descriptor):
                part.unlink()
        finally:
            os.close(descriptor)


def _hold(descriptor: int) -> bool:
    """Hold an open file against those who remove what is left over; False where another process has it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # a file system without locks
    return True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals wait until the block has ended; for a few renames that belong together."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield
        return
    waiting: list[int] = []

    def later(number: int, frame: FrameType | None) -> None:
        waiting.append(number)

    former = {number: signal.getsignal(number) for number in _SIGNALS}
    held = {number: handler for number, handler in former.items() if callable(handler)}
    held |= {number: handler for number, handler in former.items() if handler == signal.SIG_DFL}
    try:
        for number in held:
            signal.signal(number, later)
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(waiting):
            signal.raise_signal(number)
