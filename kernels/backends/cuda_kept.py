"""The files in which compiled CUDA kernels are kept, such that none of them can stop a run.

A file that is damaged means compiling again, one that cannot be written means compiling every time. Each is read with
its checksum: bits that changed on a disk need not show in anything else. There is no index, which two processes that
compile at the same time would write over each other.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
from pathlib import Path
from typing import Any

from numba.cuda.dispatcher import CUDACache
from numba.cuda.serialize import dumps

from ..cache import discard_all, load, store

log = logging.getLogger(__name__)


class CheckedFiles:
    """One file for each key, in place of Numba's index and data files.

    Parameters
    ----------
    folder
        Where they are.
    base
        What their names begin with.
    stamp
        What the kernel was made from.
    """

    def __init__(self, folder: Path, base: str, stamp: Any) -> None:
        self._folder, self._base, self._stamp = folder, base, stamp

    def load(self, key: Any) -> Any:
        """What was saved with a key, None where nothing was or it is damaged."""
        content = load(self.path(key))
        if content is None:
            return None
        try:
            stored, data = pickle.loads(content)
            return data if stored == (self._stamp, key) else None
        except Exception as error:  # whole, and written by something that this is not: the other files stay
            log.info("%s cannot be used: %r", self.path(key), error)
            discard_all(self.path(key))
            return None

    def save(self, key: Any, data: Any) -> None:
        """Save data with a key, if that can be done."""
        store(self.path(key), dumps(((self._stamp, key), data)))

    def flush(self) -> None:
        """Remove all files of this kernel."""
        for path in self._folder.glob(f"{self._base}-*.nbc"):
            path.unlink(missing_ok=True)

    def path(self, key: Any) -> Path:
        """File of a key."""
        name = hashlib.sha256(repr((self._stamp, key)).encode()).hexdigest()[:24]
        return self._folder / f"{self._base}-{name}.nbc"


class KeptKernels(CUDACache):
    """Compiled kernels of one function in a folder of hevesy's.

    Parameters
    ----------
    function
        The kernel before it is compiled.
    folder
        Where they are to be kept. Numba takes another folder where it cannot write to it, and there kernels of other
        options may lie.

    Raises
    ------
    OSError
        Numba cannot use the folder.
    """

    def __init__(self, function: Any, folder: Path) -> None:
        super().__init__(function)
        if not Path(self._cache_path).is_relative_to(folder):
            raise OSError(f"{folder} cannot be written to")
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = CheckedFiles(Path(self._cache_path), self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """A kept kernel, or None where there is none that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # written as it is, by something that this is not
            log.info("kept CUDA kernel in %s cannot be used and is compiled again: %r", self._cache_path, error)
            self._forget()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel, if that can be done."""
        try:
            super().save_overload(sig, data)
        except Exception as error:  # the disk's, and what cannot be written as bytes
            log.info("compiled CUDA kernel is not kept in %s: %r", self._cache_path, error)
            self._forget()

    def _forget(self) -> None:
        try:
            self.flush()
        except OSError as error:
            log.info("%s: %s", self._cache_path, error)
