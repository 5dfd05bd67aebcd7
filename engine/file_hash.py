"""SHA-256 of the bytes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

_PIECE = 1 << 22


def file_hash(path: Path, size: int | None = None) -> str:
    """SHA-256 of the bytes of a file, of which a piece at a time is in memory.

    Parameters
    ----------
    path
        The file.
    size
        How many of its bytes count, from the first; all by default [bytes].

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE if size is None else min(_PIECE, size)):
            digest.update(piece)
            size = None if size is None else size - len(piece)
    return digest.hexdigest()
