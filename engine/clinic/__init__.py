"""The clinic: blood dosimetry, tolerance, radiobiology, response. Pure functions; no case, no files."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "BloodDose": "blood",
        "blood_dose": "blood",
        "maximum_activity": "tolerance",
        "read_samples": "blood_samples",
        "LesionPlace": "matching",
        "match_lesions": "matching",
        "Radiosensitivity": "radiobiology",
        "lesion_effect": "radiobiology",
        "TargetLesion": "response",
        "VisitValues": "response",
        "lesion_response": "response",
        "recist_response": "response",
        "paired_ratio": "response",
    },
)
