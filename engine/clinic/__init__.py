"""The clinic: blood dosimetry, eligibility, radiobiology, response. Pure functions; no case, no files."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "assess": "eligibility",
        "blood_dose": "blood",
    },
)
