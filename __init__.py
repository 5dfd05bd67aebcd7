"""hevesy: voxel-level Monte Carlo dosimetry for radionuclide therapy.

The public names are imported when they are first used: ``import hevesy`` itself loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine.case.model import Case
    from .engine.errors import CheckFailed, HevesyError, InputError, StoppedEarly
    from .engine.pipeline.outcome import Outcome
    from .engine.results.merge import merge
    from .engine.results.result import Result
    from .engine.run import run
    from .engine.simulation import simulate
    from .engine.transport.problem import Problem
    from .engine.version import __version__

_WHERE = {
    "Case": "engine.case.model",
    "CheckFailed": "engine.errors",
    "HevesyError": "engine.errors",
    "InputError": "engine.errors",
    "Outcome": "engine.pipeline.outcome",
    "Problem": "engine.transport.problem",
    "Result": "engine.results.result",
    "StoppedEarly": "engine.errors",
    "__version__": "engine.version",
    "merge": "engine.results.merge",
    "run": "engine.run",
    "simulate": "engine.simulation",
}

__all__ = [
    "Case",
    "CheckFailed",
    "HevesyError",
    "InputError",
    "Outcome",
    "Problem",
    "Result",
    "StoppedEarly",
    "__version__",
    "merge",
    "run",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
