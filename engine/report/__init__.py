"""Self-contained HTML reports, of one visit, of a trial and of a comparison of methods."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "CaseSummary": "input",
        "ChecklistItem": "input",
        "ComparisonPage": "comparison_input",
        "DoseCurve": "comparison_input",
        "ReportInput": "input",
        "ScanNames": "input",
        "VisitMaps": "comparison_input",
        "render_comparison": "comparison",
        "render_report": "page",
        "write_comparison": "comparison",
        "write_report": "page",
        "render_trial": "cohort",
        "write_trial_report": "cohort",
    },
)
