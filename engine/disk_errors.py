"""What a disk, a folder or a path answers, said in words: the same for every command and every library that met it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .durable import PART, uninterrupted
from .errors import InputError

#: By error number: why, and what to try.
_WORDS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk has no room left", "make room there, or give an output path on another disk"),
    errno.EDQUOT: ("your quota on this disk is used up", "delete what is not needed, or give a path on another disk"),
    errno.EFBIG: ("a file there may not become as large as this", "raise the limit (ulimit -f), or use another disk"),
    errno.EROFS: ("the disk is mounted for reading only", "give an output path on a disk that can be written"),
    errno.EACCES: ("its permissions do not allow it", "change the permissions, or give another path"),
    errno.EPERM: ("the system does not allow it", "check who owns it, or give another path"),
    errno.EIO: ("the disk or the network behind it fails", "check the disk (system log), and copy what is on it"),
    errno.ESTALE: ("the network folder is gone or was exported anew", "mount it again, then repeat the command"),
    errno.ENXIO: ("the device is not there any more", "connect it again, then repeat the command"),
    errno.ENODEV: ("the device is not there any more", "connect it again, then repeat the command"),
    errno.ENAMETOOLONG: ("the name is longer than the file system allows", "give a shorter name or path"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "correct the path"),
    errno.EISDIR: ("a folder stands where a file is needed", "correct the path"),
    errno.ENOENT: ("it is not there, or was removed while the command ran", "check the path, and repeat the command"),
    errno.EEXIST: ("something of this name is there", "move it away, or give another path"),
    errno.ENOTEMPTY: ("another program wrote into the folder meanwhile", "repeat the command"),
    errno.EBUSY: ("another program uses it, or a disk is mounted there", "give another path"),
    errno.EXDEV: ("the two paths are on different disks", "give a path on the same disk"),
    errno.ELOOP: ("links there lead to each other", "correct the path"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), then repeat the command"),
    errno.ENFILE: ("too many files are open on this machine", "repeat the command later"),
    errno.ENOMEM: ("the memory of this machine is not enough", "end other programs, or use a larger machine"),
    errno.ETIMEDOUT: ("the disk or the network behind it does not answer", "repeat the command later"),
}


def disk_error(error: OSError, path: str | Path | None = None) -> InputError:
    """The message of an error of the operating system.

    Parameters
    ----------
    error
        What was raised; libraries that read images leave out number and name.
    path
        The output it is about; the file that the error names by default.

    Returns
    -------
    InputError
        Problem, why and suggestion; the file, where one is named.
    """
    number = error.errno or 0
    what = os.strerror(number) if number in _WORDS else error.strerror or str(error) or type(error).__name__
    why, suggestion = _WORDS.get(
        number, ("a file or folder could not be read or written", "check the path, its permissions and the space left")
    )
    return InputError(what, why=why, suggestion=suggestion, file=error.filename if path is None else path)


@contextmanager
def naming(out: Path, made_in: Path | None = None) -> Iterator[None]:
    """Have errors of the disk name the output, in place of what it is made in until it is whole.

    Parameters
    ----------
    out
        The file or folder that the block writes.
    made_in
        The folder that becomes it. By default ``out`` is a file, made under a temporary name beside it, and an error
        that names nothing is of that file.

    Raises
    ------
    OSError
        That of the block.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is not None:  # without a number, a name would take the place of the library's own words
            error.filename = _named(error.filename, out, made_in)
        raise


def _named(name: object, out: Path, made_in: Path | None) -> str | None:
    if name is None:
        return str(out) if made_in is None else None
    path = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else Path(str(name))
    if made_in is None:
        return str(out) if path.parent == out.parent and path.name.startswith(PART) else str(path)
    return str(out / path.relative_to(made_in)) if path.is_relative_to(made_in) else str(path)


#: How niftilib begins what it prints of a disk that fails.
_COMPLAINT = b"** ERROR"
_one_library = threading.Lock()


@contextmanager
def complaints_held_back() -> Iterator[None]:
    """Keep from the terminal what a library of images prints of a disk that fails; the error says it in our words.

    What else is printed on standard error meanwhile appears when the block has ended. Signals wait for that: a terminal
    that closes in the block would be opened again after it.
    """
    with _one_library, uninterrupted():
        try:
            terminal, held = os.dup(2), os.memfd_create("complaints")
        except (OSError, AttributeError):  # standard error is closed; not Linux
            yield
            return
        os.dup2(held, 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            os.lseek(held, 0, os.SEEK_SET)
            with os.fdopen(held, "rb") as file:
                others = b"".join(line for line in file if not line.startswith(_COMPLAINT))
            with suppress(OSError):  # nobody reads it
                os.write(2, others)
