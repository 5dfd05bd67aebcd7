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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
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
        try:
            self._zip = zipfile.ZipFile(path)
            self.entries = {name.removesuffix(".npy"): name for name in self._zip.namelist()}
        except DAMAGED as error:
            raise self.refusal(_reason(error, path)) from None

    def refusal(self, why: str, field: str | None = None) -> InputError:
        """An error about the archive, or one of its arrays."""
        return InputError(
            f"cannot be read as {self.kind}",
            why=why,
            suggestion="problem files are NumPy .npz archives without pickled objects; copy or write it again",
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
                f"it declares {entry.nbytes:.6g} bytes of values, and the archive holds {info.file_size - entry.start}",
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
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if total > memory / 2:  # tables, tally and copies need as much again
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
