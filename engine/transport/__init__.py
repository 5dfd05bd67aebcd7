"""Photon and electron transport: problems in, exact integer tallies out."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Problem": "problem",
        "PhysicsOptions": "options",
        "RunOptions": "run_options",
        "Goal": "stopping_rules",
        "simulate": "run",
        "run_transport": "run",
        "Tally": "tally",
        "compare": "comparisons",
    },
)
