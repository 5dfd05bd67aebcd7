"""Cache of physics tables in files: with cached tables, a start takes a tenth of a second.

A file is named by the hash of all that its tables depend on: the needs, the cross sections, every module that
makes tables, and the libraries under them. Whatever cannot be read is rebuilt; where nothing can be written the
tables are built in every run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from ....kernels.loader import cache_root

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
    try:
        with np.load(file) as archive:
            tables = _unpack(kind, {name: archive[name] for name in archive.files})
        os.utime(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("cached physics tables cannot be read (%s): %s; rebuilding", file, error)
        return None
    return tables


def store(needs: Any, tables: Any) -> None:
    """Cache tables; a failure to write only slows the next start."""
    file = path(needs)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            part = Path(folder) / file.name
            np.savez(part, allow_pickle=False, **dict(_pack(tables)))
            part.replace(file)
        _prune(file.parent)
    except OSError as error:
        log.info("physics tables are not cached: %s", error)


def path(needs: Any) -> Path:
    """File of the tables for these needs."""
    digest = hashlib.sha256(_made_from().encode())
    digest.update(json.dumps(asdict(needs), sort_keys=True, default=float).encode())
    return cache_root() / "tables" / f"{digest.hexdigest()[:32]}.npz"


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
    files = sorted(folder.glob("*.npz"), key=lambda file: file.stat().st_mtime)
    for file in files[:-LARGEST_NUMBER_OF_FILES]:
        file.unlink(missing_ok=True)
