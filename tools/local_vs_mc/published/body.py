"""One kernel for a whole body against kernels for several tissues (Akhavanallaf et al. 2020), on a synthetic patient.

The published patients are not public. Here 18F lies in the neck and thorax of the program's synthetic patient, in the
proportions of its background and lesions; the single kernel is that of soft tissue, unscaled; the several are those of
lung, soft tissue and bone, each voxel reading its dose from the kernel of its own tissue.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ....engine.dose.compute import compute_dose
from ....engine.nuclides.decay import nuclide
from ....engine.transport.problem import Problem
from ....engine.transport.run_options import RunOptions
from ....phantoms.patient import synthetic_patient
from ..design import BONE, LUNG, SOFT
from ..kernels import of_medium, soft_tissue_dose
from ..methods import BATCHES

NUCLIDE, VOXEL_MM, DECAYS, SEED = "F-18", 8.0, 10_000_000, 8
#: How far the kernels reach [mm]: photons of 511 keV cross the body.
REACH_MM = 300.0
#: Densities that divide the tissues [g/cm3]; below the first is air, which is left out.
AIR, LUNG_BELOW, BONE_FROM = 0.05, 0.6, 1.15


def patient() -> Problem:
    """The synthetic patient with 18F."""
    made = synthetic_patient(seed=1).true_problem(voxel_mm=VOXEL_MM)
    return replace(made, emission=nuclide(NUCLIDE).emission, regions=None, region_names=())


def whole_body() -> dict[str, Any]:
    """Mean relative absolute error of the voxels by one and by several kernels, and of the tissues' means."""
    problem = patient()
    density = np.asarray(problem.density_g_cm3, np.float64)
    tissues = {
        LUNG: (density >= AIR) & (density < LUNG_BELOW),
        SOFT: (density >= LUNG_BELOW) & (density < BONE_FROM),
        BONE: density >= BONE_FROM,
    }
    options = RunOptions(
        decays=DECAYS, seed=SEED, backend="cpu", batches=BATCHES, physics={"photon_scoring": "track-length"}
    )
    mc = compute_dose("mc", problem, options=options)
    assert mc.sigma is not None
    several = np.zeros(density.shape)
    for name, mask in tissues.items():
        kernel = of_medium(NUCLIDE, VOXEL_MM, name, float(density[mask].mean()), REACH_MM)
        several[mask] = soft_tissue_dose(NUCLIDE, problem, scaled=False, kernel=kernel)[mask]
    one = of_medium(NUCLIDE, VOXEL_MM, SOFT, None, REACH_MM)
    maps = {
        "single": soft_tissue_dose(NUCLIDE, problem, scaled=False, kernel=one),
        "several": several,
        "scaled": soft_tissue_dose(NUCLIDE, problem, scaled=True, kernel=one),
        "local": compute_dose("local", problem).mean,
        "local+photons": compute_dose("local+photons", problem).mean,
    }
    body = tissues[LUNG] | tissues[SOFT] | tissues[BONE]
    noise = mc.sigma[body] / mc.mean[body]
    numbers: dict[str, Any] = {
        "voxels": int(body.sum()), "decays": DECAYS, "noise": float(np.sqrt(2.0 / np.pi) * noise.mean()),
    }  # fmt: skip
    for method, dose in maps.items():
        numbers[method] = float(np.abs(dose[body] / mc.mean[body] - 1.0).mean())
        for name, mask in tissues.items():
            mass = density[mask]
            numbers[f"{method} {name}"] = float(dose[mask] @ mass / (mc.mean[mask] @ mass) - 1.0)
    return numbers
