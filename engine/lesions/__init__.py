"""Lesions: dose metrics, histograms, recovery, uncertainty and the verdict."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "LesionDose": "record",
        "COLUMNS": "columns",
        "Column": "columns",
        "DoseContext": "metrics",
        "DoseMaps": "metrics",
        "summarise": "metrics",
        "Bounds": "bounds",
        "Judgement": "verdict",
        "Target": "judge",
        "Tolerance": "verdict",
        "Verdict": "verdict",
        "judge_lesions": "judge",
        "DoseVolumeHistogram": "dvh",
        "RegionDoses": "dvh",
    },
)
