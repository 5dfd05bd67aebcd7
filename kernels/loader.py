"""One source, several targets: import the neutral package again with another ``target`` module inside.

``load("cpu", target)`` imports ``kernels`` under the alias ``hevesy_kernels_cpu`` with ``target`` in place
of ``kernels/target.py``. Relative imports then resolve inside the alias, so every neutral module exists once per
target and no compiled object of one target can reach another.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import types
from pathlib import Path

from .cache import UnsafeCacheError, cache_root

__all__ = ["NOT_NEUTRAL", "ROOT", "UnsafeCacheError", "cache_root", "load", "neutral_sources", "source_hash"]

ROOT = Path(__file__).resolve().parent
#: Files of the package that are not neutral physics.
NOT_NEUTRAL = ("cache.py", "loader.py", "backends", "data")


def load(name: str, target: types.ModuleType, module: str = "history") -> types.ModuleType:
    """Import neutral ``module`` for ``target``.

    Parameters
    ----------
    name
        Name of the target; there is one alias package per target.
    target
        A module with the attributes listed in ``kernels/target.py``.
    module
        Dotted name below ``kernels``, e.g. ``"physics.photon.compton"``.

    Returns
    -------
    module
        The neutral module, its functions decorated by ``target.device``.
    """
    alias = f"hevesy_kernels_{name}"
    if alias not in sys.modules:
        package = types.ModuleType(alias)
        package.__path__ = [str(ROOT)]  # type: ignore[attr-defined]
        sys.modules[alias] = package
        sys.modules[f"{alias}.target"] = target
    return importlib.import_module(f"{alias}.{module}")


def neutral_sources() -> list[Path]:
    """Every neutral source file, in a fixed order."""
    return sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in NOT_NEUTRAL)


def source_hash(*more: str) -> str:
    """SHA-256 of all neutral sources and of ``more`` (versions, options): the key of the compiled cache."""
    digest = hashlib.sha256()
    for path in [*neutral_sources(), *sorted((ROOT / "backends").glob("*.py"))]:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    for text in more:
        digest.update(text.encode())
    return digest.hexdigest()
