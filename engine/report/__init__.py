"""Self-contained HTML reports, of one visit and of a trial."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "CaseSummary": "input",
        "ChecklistItem": "input",
        "ReportInput": "input",
        "ScanNames": "input",
        "render_report": "page",
        "write_report": "page",
        "render_trial": "cohort",
        "write_trial_report": "cohort",
    },
)
