"""One command at a time in an output folder: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..kernels.processes import is_alive
from .durable import uninterrupted
from .errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

#: Answers that mean: another process holds it. Others mean that the file system has no locks.
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
#: How often a lock is asked for, and the pause between two tries [s]: who only looks whether it is held, holds it for
#: some microseconds. Tries are counted, not time: a machine that stands still for a while has not asked meanwhile.
_TRIES, _PAUSE_S = 26, 0.01
#: A link of the name of a lock file, which somebody else has laid, is not followed; nor is a pipe waited for.
_OWN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
#: What each lock file begins with: any other content is somebody else's.
_BEGINNING = b'{"pid"'
#: Descriptors of the locks of this process.
_mine: set[int] = set()


def _give_up_in_child() -> None:
    """A forked child shares the locks of its parent, and would keep them when that one is killed."""
    while _mine:
        with contextlib.suppress(OSError):
            os.close(_mine.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_give_up_in_child)


@contextmanager
def locked(path: Path, what: str, subject: Path | None = None) -> Iterator[None]:
    """Hold a lock file while the block runs.

    The operating system gives the lock up when the process ends, also by SIGKILL: a file that is left over holds
    nobody back. Children of the process do not hold it. Where a file system has no locks, the file says which process
    has it, and one of this machine that no longer runs holds nobody back either.

    Parameters
    ----------
    path
        The lock file; its folder is made. It is removed at the end.
    what
        What this process does, for the message of the one that comes second.
    subject
        What is in use, for that message; the folder of the lock file by default.

    Raises
    ------
    InputError
        Another process holds it, with what that one does, since when, and where. Something else of its name, as a link
        or a file that hevesy has not written: it stays as it is.
    OSError
        The file cannot be made.
    """
    about = {"pid": os.getpid(), "started": _start_of(os.getpid()), "host": socket.gethostname(), "what": what}
    descriptor, owner = None, os.getpid()
    try:
        with uninterrupted():  # a signal in between would leave the file
            descriptor = _taken(path, about | {"since": _now()}, subject or path.parent)
        yield
    finally:
        if descriptor is not None and os.getpid() == owner:  # not in a child
            with uninterrupted():
                _give_up(descriptor, path)


def _give_up(descriptor: int, path: Path) -> None:
    with contextlib.suppress(OSError):  # a folder that is gone, a disk that fails: the lock ends all the same
        path.unlink()  # before it is given up: whoever waits for this file then makes a new one
    _mine.discard(descriptor)
    os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process of this machine, or of one that shares its file system, holds a lock file."""
    descriptor = None
    for flags in (os.O_RDWR, os.O_RDONLY):  # some file systems lock only what may be written
        with contextlib.suppress(OSError):
            descriptor = os.open(path, flags | _OWN)
            break
    if descriptor is None:
        return False
    try:
        taken = _flock(descriptor)
        return _other_runs(_read(descriptor)) if taken is None else not taken
    finally:
        os.close(descriptor)


def _flock(descriptor: int) -> bool | None:
    """Whether this process has the lock now; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _taken(path: Path, about: dict[str, Any], subject: Path) -> int:
    """Descriptor of the lock file, locked, which says who has it."""
    tries = _TRIES
    while True:
        tries -= 1
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _OWN, 0o666)
        except FileNotFoundError:  # the holder before has just removed the folder
            if tries <= 0:
                raise
            time.sleep(_PAUSE_S)
            continue
        except OSError:
            if path.is_symlink() or path.is_dir():
                raise _strange(path) from None
            raise
        if not _is_lock_file(descriptor):
            os.close(descriptor)
            raise _strange(path)
        _mine.add(descriptor)
        ours = _flock(descriptor)
        if ours is None:
            ours = _claimed(descriptor, path)
        if ours and _is_at(descriptor, path):
            with contextlib.suppress(OSError):  # a full disk: what is written is for a message
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(about).encode(), 0)
            return descriptor
        holder = _read(descriptor)
        _mine.discard(descriptor)
        os.close(descriptor)  # held, or the holder before has removed this file
        if not ours and tries <= 0:
            raise _in_use(path, holder, subject)
        time.sleep(_PAUSE_S)


def _is_lock_file(descriptor: int) -> bool:
    """Whether a file is empty, or says who has it; one that a power cut has left may hold zeros."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    content = os.pread(descriptor, 4096, 0)
    return not content.strip(b"\0") or content.startswith(_BEGINNING)


def _claimed(descriptor: int, path: Path) -> bool:
    """Take a lock file where there are no locks: the one who can make a second file of its own name has it."""
    if _other_runs(_read(descriptor)):
        return False
    claim = path.with_name(f"{path.name}.claim")
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        with contextlib.suppress(OSError):
            if time.time() - claim.stat().st_mtime > 60.0:  # of a process that was killed between two lines
                claim.unlink()
        return False
    try:
        if _other_runs(_read(descriptor)):  # it was quicker
            return False
        mine = {"pid": os.getpid(), "started": _start_of(os.getpid()), "host": socket.gethostname()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(mine).encode(), 0)
        os.fsync(descriptor)
        return True
    finally:
        claim.unlink(missing_ok=True)


def _other_runs(text: str) -> bool:
    """Whether the process that a lock file names may still run."""
    try:
        about = json.loads(text)
        pid, host = int(about["pid"]), str(about["host"])
    except (ValueError, KeyError, TypeError):
        return False
    if host != socket.gethostname():
        return True
    return is_alive(pid) and about.get("started", "") in ("", _start_of(pid))


def _start_of(pid: int) -> str:
    """When a process started: numbers of processes come again, also after the machine has started anew."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii').strip()} {ticks}"
    except (OSError, IndexError):
        return ""


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode(errors="replace")


def _in_use(path: Path, holder: str, subject: Path) -> InputError:
    try:
        about = json.loads(holder)
        why = f"{about['what']} (process {about['pid']} on {about['host']}, since {about['since']})"
        here = about["host"] == socket.gethostname()
    except (ValueError, KeyError, TypeError):
        why, here = "another process writes there", True
    end = "" if here else f"; if nothing runs on that machine any more, remove {path}"
    return InputError(
        "is in use by another command",
        why=why,
        suggestion="wait until it has ended, end it, or give another output path" + end,
        file=subject,
    )


def _strange(path: Path) -> InputError:
    return InputError(
        "is a link" if path.is_symlink() else "is not a lock file of hevesy",
        why="hevesy marks by a file of this name that it works here, and would write over what is there",
        suggestion="move it away, or give another output path",
        file=path,
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
