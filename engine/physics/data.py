"""The shipped physics tables (kernels/data/physics.h5), read once and cached."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..errors import InputError

FORMAT = "hevesy-physics-tables"
FORMAT_VERSION = 1

_PATH = Path(__file__).resolve().parents[2] / "kernels" / "data" / "physics.h5"


def tables_path() -> Path:
    """Where the shipped table file lies."""
    return _PATH


@lru_cache(maxsize=4)
def _load(path: Path) -> Mapping[str, np.ndarray]:
    import h5py  # a start with cached tables does not need it

    if not path.is_file():
        raise InputError(
            "the physics tables are missing",
            why="no cross section or stopping power can be computed without them",
            suggestion="reinstall hevesy, or run tools/build_tables.py in a source checkout",
            file=path,
        )
    with h5py.File(path, "r", locking=False) as file:  # a file system may have no locks
        found = (file.attrs.get("format"), int(file.attrs.get("format_version", 0)))
        if found != (FORMAT, FORMAT_VERSION):
            raise InputError(
                f"physics tables of format {found[0]!r} version {found[1]}",
                why=f"this version of hevesy reads {FORMAT!r} version {FORMAT_VERSION}",
                suggestion="rebuild them with tools/build_tables.py",
                file=path,
            )
        tables: dict[str, np.ndarray] = {}

        def keep(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                values = np.asarray(item[...])
                values.flags.writeable = False
                tables[name] = values

        file.visititems(keep)
    return MappingProxyType(tables)


def tables() -> Mapping[str, np.ndarray]:
    """Every table by its name in the file, read-only; units are in docs/formats/physics-tables.md."""
    return _load(tables_path())


def z_max() -> int:
    """Largest atomic number the tables cover."""
    return len(tables()["elements/atomic_weight"])


def atomic_weight(Z: int) -> float:
    """Standard atomic weight of an element [g/mol]."""
    return float(tables()["elements/atomic_weight"][Z - 1])
