"""Photon and electron transport: problems in, exact integer tallies out."""

from __future__ import annotations

from typing import Any

from .problem import Emission, Material, Problem

__all__ = ["Emission", "Material", "Problem", "simulate"]


def simulate(*args: Any, **kwargs: Any) -> Any:
    """Transport the decays of a problem; see :func:`hevesy.engine.transport.run.simulate`."""
    from .run import simulate as run  # compiles kernels: only when asked for

    return run(*args, **kwargs)
