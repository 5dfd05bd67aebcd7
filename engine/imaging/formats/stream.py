"""The bytes of a volume file: plain or deflated, counted against what the header states, in bounded memory."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import InputError
from ...memory import memory_bytes
from ...text import counted

#: Bytes by which a file may be longer than its header states, which is then said: one block of a disk or tape. More
#: bytes are voxels that the header does not know.
MOST_EXTRA = 512
#: Deflate makes at most 1032 bytes of one: a file that states more of its size is cut short or damaged.
MOST_DEFLATED = 1032
#: Bytes per voxel, beside its value, of whatever works on an image: two copies in double precision.
WORKING_BYTES = 16
#: Most values that are read from text: each takes some 60 bytes on the way. 300 slices of 256 x 256.
MOST_AS_TEXT = 20_000_000
#: Millimetres per unit of length.
LENGTHS_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3}
#: Bytes of a file read at once.
_PIECE = 1 << 20


class CutShort(Exception):
    """The bytes ended before the data did."""


class Inflated:
    """The bytes of a deflated stream (zlib, or gzip with any number of members), checksums verified.

    Parameters
    ----------
    stream
        The deflated bytes, from where the stream stands.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._pending = stream, b""
        self._inflate = zlib.decompressobj(47)  # 47: zlib or gzip, as the first bytes say

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; none at the end."""
        parts, missing = [], count
        while missing:
            if self._inflate.eof and not self._next_member():
                break
            if not self._pending:
                self._pending = self._stream.read(_PIECE)
            if not self._pending:
                raise CutShort
            part = self._inflate.decompress(self._pending, missing)
            self._pending = self._inflate.unconsumed_tail
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _next_member(self) -> bool:
        """Go to the next gzip member; False where there is none: padding, or other bytes, behind the last."""
        rest = self._inflate.unused_data or self._pending
        rest += self._stream.read(2) if len(rest) < 2 else b""
        if rest[:2] != b"\x1f\x8b":
            return False
        self._inflate, self._pending = zlib.decompressobj(47), rest
        return True


class Voxels:
    """Stored values one after another.

    Parameters
    ----------
    stream
        Their bytes, from the first value on.
    dtype
        Of a value, with its byte order.
    """

    #: Values taken at once.
    BLOCK = 4_000_000

    def __init__(self, stream: BinaryIO | Inflated, dtype: np.dtype) -> None:
        self._stream, self._dtype = stream, dtype

    def take(self, count: int) -> np.ndarray:
        """The next values (count,); CutShort where there are fewer."""
        size = count * self._dtype.itemsize
        data = self._stream.read(size)
        if len(data) < size:
            raise CutShort
        return np.frombuffer(data, self._dtype)

    def finish(self) -> int:
        """Bytes behind the last value, at most one more than `MOST_EXTRA`; a checksum at the end is verified."""
        return len(self._stream.read(MOST_EXTRA + 1))


class Written:
    """Values written as text.

    Parameters
    ----------
    stream
        Their text.
    count
        How many there are to be.
    dtype
        Of a value.
    """

    BLOCK = Voxels.BLOCK

    def __init__(self, stream: BinaryIO, count: int, dtype: np.dtype) -> None:
        words = stream.read(32 * count + 4096).split()  # no number needs more than 32 characters
        if len(words) < count:
            raise CutShort
        wide = np.array(words[:count], dtype=float)
        if dtype.kind != "f" and not (np.isfinite(wide).all() and np.array_equal(wide, np.rint(wide))):
            raise ValueError("not whole numbers")
        self._values, self._at, self._extra = wide.astype(dtype), 0, len(words) - count

    def take(self, count: int) -> np.ndarray:
        """The next values (count,)."""
        self._at += count
        return self._values[self._at - count : self._at]

    def finish(self) -> int:
        """More than any file may have where values are left over."""
        return MOST_EXTRA + 1 if self._extra else 0


@dataclass(frozen=True)
class Data:
    """Where the voxels of an image are.

    Parameters
    ----------
    named
        The file that the user named, for messages.
    path
        The file that holds them.
    offset
        Bytes before them: in the file, or in what it inflates to where ``whole``.
    encoding
        ``"raw"``, ``"deflate"`` or ``"text"``.
    whole
        Whether the whole file is deflated, its header too.
    """

    named: Path
    path: Path
    offset: int
    encoding: str = "raw"
    whole: bool = False

    def reserve(self, count: int, itemsize: int, dtype: np.dtype) -> np.ndarray:
        """Memory for the voxels (count,), once the size of the file allows that many.

        Raises
        ------
        InputError
            A file that is too short, or too long; an image that the memory does not hold.
        """
        there = self.path.stat().st_size - (0 if self.whole else self.offset)
        needed = count * itemsize
        if self.encoding == "raw" and there < needed:
            raise self.cut_short(f"{max(there, 0)} of {needed} bytes of its voxels are there")
        if self.encoding == "raw" and there > needed + MOST_EXTRA:
            raise self.too_long(there - needed)
        if self.encoding == "deflate" and needed > MOST_DEFLATED * there + 1024:
            raise self.cut_short(f"its {there} bytes cannot hold the {needed} that the header states")
        if self.encoding == "text" and there < 2 * count - 1:
            raise self.cut_short(f"{there} characters cannot hold {counted(count, 'value')}")
        if self.encoding == "text" and count > MOST_AS_TEXT:
            raise self.damaged(f"{count} values as text take too much memory; they are read when compressed")
        working, present = count * (dtype.itemsize + WORKING_BYTES), memory_bytes()
        if present is not None and working > present:
            raise InputError(
                f"an image of {count / 1e6:.0f} million voxels needs {working / 1e9:.3g} GB of memory or more",
                why=f"this machine has {present / 1e9:.3g} GB",
                suggestion="cut the image to the region that is needed",
                file=self.named,
            )
        return np.empty(count, dtype)

    @contextmanager
    def open(self, count: int, dtype: np.dtype) -> Iterator[Voxels | Written]:
        """The voxels; InputError for whatever is wrong with their bytes."""
        try:
            with self.path.open("rb") as file:
                yield self._stream(file, count, dtype)
        except CutShort:
            raise self.cut_short("its voxels end before the image does") from None
        except zlib.error:
            raise self.damaged("its compressed bytes do not fit their checksum") from None
        except ValueError:
            raise self.damaged("its values are not numbers") from None
        except OSError as error:
            raise self.damaged(f"it cannot be read: {error.strerror or 'an error of the disk'}") from None

    def _stream(self, file: BinaryIO, count: int, dtype: np.dtype) -> Voxels | Written:
        if not self.whole:
            file.seek(self.offset)
        if self.encoding == "text":
            return Written(file, count, dtype)
        if self.encoding == "raw":
            return Voxels(file, dtype)
        inflated = Inflated(file)
        if self.whole:
            skip(inflated, self.offset)
        return Voxels(inflated, dtype)

    def cut_short(self, why: str) -> InputError:
        """The error of a file with too few bytes."""
        return InputError(
            "the image cannot be read: it is cut short",
            why=why,
            suggestion="copy or export it again",
            file=self.named,
        )

    def too_long(self, extra: int) -> InputError:
        """The error of a file with more voxels than its header knows."""
        more = f"more than {MOST_EXTRA}" if extra == MOST_EXTRA + 1 else f"{extra}"
        return InputError(
            f"the file holds {more} bytes behind the voxels that its header states",
            why="the header describes another image than the one stored, or further volumes follow",
            suggestion="repair the header's sizes and value type, or export the image again",
            file=self.named,
        )

    def damaged(self, why: str) -> InputError:
        """The error of a file with wrong bytes."""
        return InputError(
            "the image cannot be read: it is damaged", why=why, suggestion="copy or export it again", file=self.named
        )


def skip(stream: Inflated, count: int) -> None:
    """Pass over bytes of a deflated stream; CutShort where there are fewer."""
    while count:
        part = len(stream.read(min(count, _PIECE)))
        if not part:
            raise CutShort
        count -= part


def length_unit(code: str) -> float:
    """Millimetres per unit of length; nan for a unit that is none of length."""
    return LENGTHS_MM.get(code.strip().lower(), math.nan)
