"""The last bytes of a result file: the SHA-256 of all bytes before them.

The HDF5 library trusts the structure of a file: some damages of it end the process. So a file whose bytes are not those
that were written is refused before that library reads it. What follows the data of an HDF5 file is nothing to readers;
programs that change the file cut it off, and then the digests of the parts decide (:mod:`.digest`).
"""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..file_hash import file_hash

_MARK = b"\nhevesy: SHA-256 of all bytes before this line: "
#: Length of the trailer [bytes].
LENGTH = len(_MARK) + 64 + 1


def append_trailer(path: Path) -> None:
    """Append the digest of a whole file to it."""
    digest = file_hash(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(_MARK + digest.encode() + b"\n")


def check_trailer(path: Path) -> None:
    """Refuse a file whose trailer is not that of its bytes; one without a trailer passes.

    Raises
    ------
    InputError
        The file is damaged.
    """
    size = path.stat().st_size - LENGTH
    if size < 0:
        return
    with path.open("rb") as file:
        file.seek(size)
        trailer = file.read()
    if trailer.startswith(_MARK) and trailer != _MARK + file_hash(path, size).encode() + b"\n":
        raise InputError(
            "this file is damaged",
            why="the SHA-256 of its bytes is not the one at its end",
            suggestion="copy it again from where it was made, or run again",
            file=path,
        )
