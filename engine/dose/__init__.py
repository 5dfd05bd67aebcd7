"""Absorbed dose on a grid, by any registered method."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "DoseMap": "map",
        "METHODS": "methods",
        "compute_dose": "methods",
        "register": "methods",
        "NO_DOSE_BELOW_G_CM3": "local",
        "deposit_locally": "local",
        "emitted_energy": "local",
        "local_dose": "local",
    },
)
