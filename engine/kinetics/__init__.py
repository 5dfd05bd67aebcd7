"""Time-activity curves: tracer scans in, time-integrated activity of the therapy nuclide out."""

from __future__ import annotations

from .conversion import contradictions, percent_per_gram, retention, suv, to_therapy
from .curves import BELOW, CAPPED, ONE_SCAN, POPULATION, RISING, Curve, fit_curve
from .models import MODELS, UPTAKES, Shape
from .voxelwise import VoxelKinetics, voxel_tia

__all__ = [
    "BELOW",
    "CAPPED",
    "MODELS",
    "ONE_SCAN",
    "POPULATION",
    "RISING",
    "UPTAKES",
    "Curve",
    "Shape",
    "VoxelKinetics",
    "contradictions",
    "fit_curve",
    "percent_per_gram",
    "retention",
    "suv",
    "to_therapy",
    "voxel_tia",
]
