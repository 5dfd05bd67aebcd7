"""The main job in steps: scans on one grid, time-integrated activity, dose, lesions, files.

:func:`hevesy.engine.run.run` puts them together.
"""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "VisitImages": "scans",
        "read_visit": "scans",
        "VisitActivity": "activity",
        "integrate": "activity",
        "transport_problem": "dose",
        "dose_of_visit": "dose",
        "Outcome": "outcome",
        "VisitOutcome": "outcome",
    },
)
