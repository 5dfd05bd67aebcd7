"""Methods side by side on the doses of a run: what the cheaper one costs, lesion by lesion."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "compare_run": "job",
        "Compared": "job",
        "CompareOptions": "job",
        "Bias": "record",
        "Comparison": "record",
        "GammaRate": "record",
        "MethodDose": "record",
        "MethodFacts": "record",
        "RegionComparison": "record",
        "gamma_index": "gamma",
        "gamma_rates": "gamma",
        "read_dose_map": "foreign",
        "RunSide": "foreign",
    },
)
