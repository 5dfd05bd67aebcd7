"""Compiled code of the CPU in files with digests, in place of Numba's own, any damage of which ends the process.

There is one file per function and signature, named by all that the code depends on, and no index: two processes that
compile at the same time write the same file, or two files.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from ..cache import discard_all, load, store

log = logging.getLogger(__name__)


class KeptFunctions(_Cache):
    """Compiled forms of one function, in the way in which Numba's dispatcher asks for them.

    Parameters
    ----------
    function
        The function before it is compiled; no closure.
    folder
        A folder named by the hash of everything else that its code depends on.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._function, self._folder, self._enabled = function, folder, True

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for a signature, or None where it has to be compiled."""
        target_context.refresh()
        if not self._enabled:
            return None
        key = self._key(sig, target_context.codegen())
        path = self._path(key)
        content = load(path)
        if content is None:
            return None
        try:
            stored, payload = pickle.loads(content)
            return CompileResult._rebuild(target_context, *payload) if stored == key else None
        except Exception as error:  # written as it is, by something that this is not
            log.info("compiled code in %s cannot be used: %r", path, error)
            discard_all(path)
            return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Store the code for a signature, if that can be done."""
        if not self._enabled or any(not one.can_cache for one in cres.lifted) or cres.library.has_dynamic_globals:
            return
        key = self._key(sig, cres.codegen)
        store(self._path(key), dumps((key, cres._reduce())))

    def enable(self) -> None:
        """Use the files."""
        self._enabled = True

    def disable(self) -> None:
        """Compile in every process."""
        self._enabled = False

    def flush(self) -> None:
        """Nothing: a file is never a wrong one."""

    def _key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        code = self._function.__code__
        source = _source_digest(code.co_filename)
        return (sig, codegen.magic_tuple(), source, hashlib.sha256(code.co_code).hexdigest())

    def _path(self, key: tuple[Any, ...]) -> Path:
        name = f"{self._function.__module__.rpartition('.')[2]}.{self._function.__qualname__}"
        return self._folder / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.nbc"


@lru_cache(maxsize=16)
def _source_digest(file: str) -> str:
    """Of the file that a function is in, which need not be one of the kernels."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
