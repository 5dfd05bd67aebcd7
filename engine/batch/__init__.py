"""Work in pieces: jobs that can run anywhere, what became of them, and the exact sum of what they leave."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "plan_problem": "plan",
        "run_job": "work",
        "read_manifest": "manifest",
        "read_status": "status",
        "merged_whole": "collect",
    },
)
