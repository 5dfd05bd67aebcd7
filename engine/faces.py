"""A room's public face: its public names, each imported from its file when it is first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def face(package: str, where: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names live in its files.

    Nothing is loaded before it is used, so that importing a room costs nothing (PEP 562).

    Parameters
    ----------
    package
        ``__name__`` of the package.
    where
        Public name to the module that defines it, relative to the package.

    Returns
    -------
    tuple
        To be unpacked into ``__getattr__, __dir__, __all__``.
    """

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{where[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where})

    return get, names, sorted(where)
