"""Datasets of a result file as they are written: with unit, description and the digest of their values."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .digest import VALUES, values_digest

STRING = h5py.string_dtype("utf-8")


def put(file: h5py.File, name: str, values: Any, unit: str, description: str, **attributes: Any) -> None:
    """Write an array or a table; large ones compressed."""
    values = np.asarray(values)
    options: dict[str, Any] = {}
    if values.size > 1024:  # checksums reveal a damaged file; level 1 because doses hardly compress further
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
    dataset = file.create_dataset(name, data=values, **options)
    dataset.attrs["unit"] = unit
    dataset.attrs["description"] = description
    dataset.attrs[VALUES] = values_digest(values)
    for key, value in attributes.items():
        dataset.attrs[key] = value


def put_text(file: h5py.File, name: str, text: str, description: str) -> None:
    """Write one text."""
    dataset = file.create_dataset(name, data=text, dtype=STRING)
    dataset.attrs.update({"unit": "", "description": description, VALUES: values_digest(text)})


class Disk(io.RawIOBase):
    """A file for the HDF5 library to write to, which is told of no error: a full disk ends a process in the library.

    The first error is kept in ``error``, to be raised when the library has closed the file.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("r+b", buffering=0)
        self._place = 0
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Where the next byte is read or written."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        self._place = offset + (os.fstat(self._file.fileno()).st_size if base is None else base)
        return self._place

    def tell(self) -> int:
        """The place of the next byte."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read all that the buffer takes; zeros where nothing could be written."""
        view = memoryview(buffer).cast("B")
        data = self._attempt(self._read, len(view)) or b""
        view[: len(data)] = data
        view[len(data) :] = bytes(len(view) - len(data))
        self._place += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        """Write all of the data, or keep the error."""
        view = memoryview(data).cast("B")
        self._attempt(self._write, view)
        self._place += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or keep the error."""
        size = self._place if size is None else size
        self._attempt(self._file.truncate, size)
        return size

    def close(self) -> None:
        """Close the file, or keep the error."""
        if not self.closed:
            self._attempt(self._file.close)
        super().close()

    def _read(self, size: int) -> bytes:
        self._file.seek(self._place)
        return self._file.read(size) or b""

    def _write(self, view: memoryview) -> None:
        self._file.seek(self._place)
        while view:
            view = view[self._file.write(view) :]

    def _attempt(self, action: Callable[..., Any], *arguments: Any) -> Any:
        if self.error is not None:
            return None
        try:
            return action(*arguments)
        except OSError as error:
            self.error = error
            return None


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file in place of an empty one.

    Raises
    ------
    OSError
        The disk is full, or fails.
    """
    disk = Disk(path)
    try:
        with h5py.File(disk, "w") as file:
            yield file
    except Exception:
        if disk.error is None:
            raise
    finally:
        disk.close()
    if disk.error is not None:
        raise disk.error
