"""Clusters of 3 mm voxels that are full of activity: local deposition in D95 and D50 (Pacilio et al. 2015).

251, 1237 and 4139 voxels are those whose centre lies within the square root of 14, 44 and 99 voxels of the middle of
one, which fixes the clusters. The published reference is a convolution with simulated voxel S values of soft tissue;
here the cluster itself is simulated, in the same medium. Blur is a Gaussian on the activity, the histogram that of
the cluster's voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.dose.compute import compute_dose
from ....engine.lesions.dvh import RegionDoses
from ....engine.nuclides.decay import nuclide
from ....engine.transport.problem import Problem
from ....engine.transport.run_options import RunOptions
from ..design import SOFT
from ..methods import BATCHES
from ..score import noise_of, voxels_of
from ..spheres import COMPOSITIONS, MARGIN_MM, Sphere, blurred, medium

NUCLIDES = ("I-131", "Lu-177", "Re-188", "Y-90")
#: Voxels of a cluster, and the square of its radius in voxels.
RADII_SQUARED = {251: 14, 1237: 44, 4139: 99}
BLURS_MM = (0.0, 6.0, 8.0, 12.0)
VOXEL_MM, DECAYS, SEED = 3.0, 1_500_000, 5
PERCENTS = (95, 50)
METHODS = ("mc", "local", "local+photons")


def cluster_of(name: str, voxels: int, blur_mm: float) -> Sphere:
    """A cluster on its grid."""
    radius_squared = RADII_SQUARED[voxels]
    half = int(np.ceil(radius_squared**0.5 + MARGIN_MM / VOXEL_MM))
    square = np.arange(-half, half + 1) ** 2
    inside = square[:, None, None] + square[:, None] + square <= radius_squared
    activity = blurred(inside.astype(float), blur_mm, VOXEL_MM)
    problem = Problem(
        density_g_cm3=np.full(inside.shape, COMPOSITIONS[SOFT][1], np.float32),
        material=np.zeros(inside.shape, np.uint8),
        materials=(medium(SOFT),),
        voxel_size_mm=(VOXEL_MM,) * 3,
        source=(activity / activity.sum()).astype(np.float32),
        emission=nuclide(name).emission,
    )
    return Sphere(problem, inside.astype(float))


def cluster(name: str, voxels: int, blur_mm: float) -> dict[str, Any]:
    """D95 and D50 [Gy per decay] of a cluster by each method, with the standard errors of Monte Carlo."""
    sphere = cluster_of(name, voxels, blur_mm)
    distinct = voxels_of(sphere)
    numbers: dict[str, Any] = {"nuclide": name, "voxels": voxels, "blur_mm": blur_mm, "decays": DECAYS}
    for method in METHODS:
        options = RunOptions(decays=DECAYS, seed=SEED, backend="cpu", batches=BATCHES)
        dose = compute_dose(method, sphere.problem, options=options)
        values = distinct.folded(dose.mean[distinct.index])
        for percent in PERCENTS:
            value = RegionDoses(values, distinct.volume).dose_at_volume(percent)
            if dose.sigma is not None:
                noise = distinct.folded_error(dose.sigma[distinct.index])
                shift, error = noise_of(values, noise, distinct.volume, percent)
                value -= shift
                numbers[f"{method} D{percent} error"] = error
            numbers[f"{method} D{percent}"] = value
    return numbers
