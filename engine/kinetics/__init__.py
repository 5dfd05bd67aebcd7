"""Time-activity curves: tracer scans in, time-integrated activity of the therapy nuclide out."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "contradictions": "conversion",
        "percent_per_gram": "conversion",
        "retention": "conversion",
        "suv": "conversion",
        "to_therapy": "conversion",
        "BELOW": "curves",
        "CAPPED": "curves",
        "ONE_SCAN": "one_scan",
        "POPULATION": "curves",
        "Population": "population",
        "population_of": "population",
        "RISING": "curves",
        "Curve": "curves",
        "Alternative": "unseen",
        "fit_curve": "curves",
        "MODELS": "names",
        "UPTAKES": "models",
        "Shape": "models",
        "VoxelKinetics": "voxelwise",
        "voxel_tia": "voxelwise",
    },
)
