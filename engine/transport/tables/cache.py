"""Cache of physics tables in files: with cached tables, a start takes a tenth of a second.

A file is named by the hash of all that its tables depend on: the needs, the cross sections, every module that
makes tables, and the libraries under them. It holds the hash of its own content: one that is damaged, or has other
numbers than were stored, is rebuilt. Where nothing can be written the tables are built in every run.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from ....kernels.cache import cache_root
from ....kernels.cache import load as sealed_content
from ....kernels.cache import store as store_sealed

log = logging.getLogger(__name__)

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[3]
#: everything that decides a number in a table, besides the needs
SOURCES = (
    "engine/constants.py",
    "engine/physics/*.py",
    "engine/transport/tables/*.py",
    "kernels/constants.py",
    "kernels/scalar_types.py",
    "kernels/tables.py",
    "kernels/data/physics.h5",
)
LIBRARIES = ("numpy", "scipy")
#: number of cached files; the oldest are deleted first
LARGEST_NUMBER_OF_FILES = 64


def load(needs: Any, kind: type[T]) -> T | None:
    """Tables of this ``kind`` for these ``needs`` (both dataclasses), None when they are not cached."""
    file = path(needs)
    content = sealed_content(file)
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            tables = _unpack(kind, {name: archive[name] for name in archive.files})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("cached physics tables cannot be read (%s): %s; rebuilding", file, error)
        return None
    with contextlib.suppress(OSError):  # the time of the last use; in the temporary cache it does not matter
        os.utime(file)
    return tables


def store(needs: Any, tables: Any) -> None:
    """Cache tables; a failure to write only slows the next start."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **dict(_pack(tables)))
    file = store_sealed(path(needs), out.getvalue())
    if file is not None:
        _prune(file.parent)


def path(needs: Any) -> Path:
    """File of the tables for these needs."""
    digest = hashlib.sha256(_made_from().encode())
    digest.update(json.dumps(asdict(needs), sort_keys=True, default=float).encode())
    return cache_root() / "tables" / f"{digest.hexdigest()[:32]}.tables"


@lru_cache(maxsize=1)
def _made_from() -> str:
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for file in sorted(ROOT.glob(pattern)):
            digest.update(file.relative_to(ROOT).as_posix().encode())
            digest.update(file.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


def _pack(item: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every number of a dataclass, by the dotted names of the fields that lead to it."""
    for field in fields(item):
        value, place = getattr(item, field.name), f"{name}{field.name}"
        if is_dataclass(value):
            yield from _pack(value, f"{place}.")
        else:
            yield place, np.asarray(value)


def _unpack(kind: type[T], arrays: dict[str, np.ndarray], name: str = "") -> T:
    values: dict[str, Any] = {}
    for field, declared in get_type_hints(kind).items():
        place = f"{name}{field}"
        if is_dataclass(declared):
            values[field] = _unpack(declared, arrays, f"{place}.")  # type: ignore[arg-type]
        else:
            values[field] = arrays[place] if declared is np.ndarray else arrays[place].item()
    return kind(**values)


def _prune(folder: Path) -> None:
    """Remove the files that were used longest ago; another process may be doing the same."""
    ages = []
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            ages.append((file.stat().st_mtime, file))
    for _, file in sorted(ages)[:-LARGEST_NUMBER_OF_FILES]:
        with contextlib.suppress(OSError):
            file.unlink()
