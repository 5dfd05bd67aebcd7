"""Photon and electron transport: problems in, exact integer tallies out."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Problem": "problem",
        "simulate": "run",
    },
)
