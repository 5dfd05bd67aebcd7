"""PET: headers and units to activity concentration, and checks of its plausibility."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "PetScan": "scan",
        "read_pet": "read",
        "PetHeader": "header",
        "read_pet_header": "header",
    },
)
