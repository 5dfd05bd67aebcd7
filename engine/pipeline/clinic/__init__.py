"""The clinical steps of a run: therapy, visits, response, reporting."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "blood_of_visit": "therapy",
        "visit_record": "therapy",
        "with_clinic": "lesions",
        "VisitLesions": "visits",
        "follow_up": "visits",
    },
)
