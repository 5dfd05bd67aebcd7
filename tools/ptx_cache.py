"""PTX on disk: a kernel that one process has compiled is not compiled by the next.

The cache is that of the compiled transport (``kernels/cache.py``); its key is everything that the compiler sees. Test
files in several workers need the same kernels at the same time: one compiles, the others wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hevesy.kernels.backends.cuda_cache import versions
from hevesy.kernels.loader import cache_root, source_hash


def folder(*more: str) -> Path:
    """Folder of PTX that was compiled from exactly these sources with these versions and ``more``."""
    key = source_hash("ptx", *versions(), *more)
    return cache_root() / f"ptx-{key[:24]}"


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold a lock, where the system has them; it goes with the process."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stored(file: Path, make: Callable[[], str]) -> str:
    """Text of a file; where it is not there, made and written, by one process alone.

    Parameters
    ----------
    file
        The file. Its last line is the hash of the rest: one that was cut short is made again.
    make
        Gives the text.
    """
    if (text := _read(file)) is not None:
        return text
    file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(file.with_suffix(".lock")):
        if (text := _read(file)) is None:
            text = make()
            part = file.with_suffix(f".{os.getpid()}")
            part.write_text(f"{text}{_seal(text)}")
            part.replace(file)
    return text


def _seal(text: str) -> str:
    return f"\n// {hashlib.sha256(text.encode()).hexdigest()}\n"


def _read(file: Path) -> str | None:
    if not file.exists():
        return None
    whole = file.read_text()
    text = whole[: -len(_seal(""))]
    return text if whole == text + _seal(text) else None
