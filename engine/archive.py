"""Arrays of a NumPy archive (.npz) of unknown origin: looked at before they are read, and never unpickled.

The shape and type that an array declares are held against the size that the archive states for it, and all that is
wanted against the memory of this machine, before anything is unpacked. What nobody wants is not read.
"""

from __future__ import annotations

import lzma
import math
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .memory import memory_bytes
from .text import shortened

#: What reading a damaged archive raises, whichever part meets the damage.
DAMAGED = (
    OSError, EOFError, ValueError, SyntaxError, KeyError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    NotImplementedError, RuntimeError, OverflowError, MemoryError, RecursionError, tokenize.TokenError,
)  # fmt: skip
#: Longest text entry [bytes].
LONGEST_TEXT = 64 << 20
#: Bytes that are unpacked at a time.
PIECE = 1 << 24
#: End records of a ZIP file, the usual one and that of large files; how far from the end they begin at most.
_END, _WIDE_END, _LONGEST_END = b"PK\5\6", b"PK\6\6", 22 + 65535 + 20 + 56
#: Kinds of numbers: truth values, integers, floats.
NUMBERS = "buif"


@dataclass(frozen=True)
class Entry:
    """One array as the archive declares it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int

    @property
    def nbytes(self) -> int:
        """Size of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """An open archive.

    Parameters
    ----------
    path
        The file.
    kind
        What it should be, for messages: ``a problem file``.

    Raises
    ------
    InputError
        Not such a file.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe is waited for without end
            raise self.refusal("it is a pipe or a device, not a file")
        try:
            self._zip = zipfile.ZipFile(path)
            names = self._zip.namelist()
            if len(names) != stated_entries(path):
                raise zipfile.BadZipFile("entries are missing")
            for entry in self._zip.infolist():
                self._check_place(entry)
        except DAMAGED as error:
            raise self.refusal(_reason(error, path)) from None
        self.entries = {name.removesuffix(".npy"): name for name in names}
        if len(self.entries) < len(names):
            twice = next(name for name in self.entries if sum(one.removesuffix(".npy") == name for one in names) > 1)
            raise self.refusal("it is there twice, and only one of the two would be read", shortened(twice, 60))

    def _check_place(self, entry: zipfile.ZipInfo) -> None:
        """Refuse an entry whose name in the list is not the one at its place.

        An array that may be left out would be taken for absent otherwise, when one byte of its name is damaged.
        """
        with suppress(NotImplementedError, RuntimeError):  # encrypted or packed otherwise: matters to who reads it
            self._zip.open(entry).close()

    def refusal(self, why: str, field: str | None = None) -> InputError:
        """An error about the archive, or one of its arrays."""
        return InputError(
            f"cannot be read as {self.kind}",
            why=why,
            suggestion=f"{self.kind} is a NumPy .npz archive without pickled objects; copy or write it again",
            file=self.path,
            field=field,
        )

    def declared(self, name: str) -> Entry:
        """What an array declares, held against the size that the archive states.

        Raises
        ------
        InputError
            A header that is damaged, an array of objects, a size that contradicts the shape.
        """
        info = self._zip.getinfo(self.entries[name])
        try:
            with self._zip.open(info) as file:
                version = np.lib.format.read_magic(file)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                if version not in read:
                    raise ValueError(f"version {version} of the array format")
                shape, fortran, dtype = read[version](file)
                entry = Entry(shape, dtype, fortran, file.tell())
        except DAMAGED as error:
            raise self.refusal(_reason(error, self.path), name) from None
        if dtype.hasobject:
            raise self.refusal("it holds pickled objects, which could run anything", name)
        if any(not isinstance(length, int) or length < 0 for length in shape):
            raise self.refusal(f"it declares the shape {shortened(shape, 60)}", name)
        if entry.start + entry.nbytes != info.file_size:
            raise self.refusal(
                f"it declares {min(entry.nbytes, 1 << 64):.6g} bytes of values or more, and the archive holds "
                f"{info.file_size - entry.start}",
                name,
            )
        return entry

    def check_memory(self, names: Collection[str]) -> None:
        """Refuse arrays that this machine cannot hold.

        Raises
        ------
        InputError
            With their size.
        """
        total = sum(self.declared(name).nbytes for name in names)
        memory = memory_bytes()
        if memory is not None and total > memory / 2:  # tables, tally and copies need as much again
            raise self.refusal(f"its arrays take {total / 2**30:.4g} GB, and this machine has {memory / 2**30:.3g} GB")

    def numbers(self, name: str) -> np.ndarray:
        """An array of numbers.

        Raises
        ------
        InputError
            Another kind of array, or damage.
        """
        entry = self.declared(name)
        if entry.dtype.kind not in NUMBERS:
            raise self.refusal(f"it holds values of type {entry.dtype}, not numbers", name)
        values = np.frombuffer(self._bytes(name, entry), entry.dtype)
        return values.reshape(entry.shape, order="F" if entry.fortran else "C")

    def text(self, name: str) -> str:
        """An entry that holds one text.

        Raises
        ------
        InputError
            No text, or more than 64 MB of it.
        """
        entry = self.declared(name)
        if entry.dtype.kind not in "US" or math.prod(entry.shape) != 1:
            raise self.refusal(f"it holds {entry.dtype} of shape {entry.shape}, not a text", name)
        if entry.nbytes > LONGEST_TEXT:
            raise self.refusal(f"it has {entry.nbytes >> 20} MB of text", name)
        try:
            big = entry.dtype.newbyteorder("=") != entry.dtype if sys.byteorder == "little" else entry.dtype.isnative
            encoding = "utf-8" if entry.dtype.kind == "S" else "utf-32-be" if big else "utf-32-le"
            return self._bytes(name, entry).decode(encoding).rstrip("\0")  # NumPy would pass on what is no character
        except DAMAGED as error:
            raise self.refusal(_reason(error, self.path), name) from None

    def _bytes(self, name: str, entry: Entry) -> bytearray:
        try:
            with self._zip.open(self.entries[name]) as file:
                file.read(entry.start)
                data, filled = bytearray(entry.nbytes), 0
                while filled < entry.nbytes and (piece := file.read(min(entry.nbytes - filled, PIECE))):
                    data[filled : filled + len(piece)] = piece
                    filled += len(piece)
        except DAMAGED as error:
            raise self.refusal(_reason(error, self.path), name) from None
        if filled != entry.nbytes:
            raise self.refusal("it is cut short", name)
        return data


def stated_entries(path: Path) -> int:
    """How many entries a ZIP file has by its end record.

    A damaged list of entries is read up to the damage, and what follows would be taken for absent.

    Parameters
    ----------
    path
        A ZIP file.

    Returns
    -------
    int
        The number; -1 where there is no end record.
    """
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _LONGEST_END))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 12:
        return -1
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    wide = tail.rfind(_WIDE_END, 0, at)
    if count == 0xFFFF and wide >= 0:  # more than fit into two bytes: the record before this one holds the number
        return int.from_bytes(tail[wide + 32 : wide + 40], "little")
    return count


def _reason(error: BaseException, path: Path) -> str:
    """Why a library could not read it, in our words."""
    if isinstance(error, zipfile.BadZipFile | EOFError | zlib.error | lzma.LZMAError | struct.error):
        return "it is no archive, or damaged or cut short"
    if isinstance(error, MemoryError | OverflowError | RecursionError):
        return "it declares more than can be"
    if isinstance(error, NotImplementedError | RuntimeError):
        return "it is encrypted, or packed in a way that NumPy does not use"
    if isinstance(error, OSError):
        return str(error.strerror or "the file cannot be read").lower()
    return "it holds an entry that is no array, or whose header is damaged"
