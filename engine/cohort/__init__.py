"""Many cases as one trial: which cases, running them so that a stop costs nothing, and the trial's tables."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Batch": "batch",
        "run_batch": "batch",
        "batch_of": "batch",
        "load_trial": "cohort_file",
        "PatientRun": "tables",
        "trial_tables": "tables",
        "write_trial": "outputs",
        "shown_tables": "summary",
    },
)
