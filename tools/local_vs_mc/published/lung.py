"""90Y in a lung beside a liver: the mean dose to the lung by each method, for several lung shunts.

The published study (d'Andrea et al. 2024) used the lungs of one patient, with their densities voxel by voxel; that
phantom is not public. Here a lung of uneven density, mean 0.221 g/cm3 as published, lies on a liver; activity is
uniform per volume in each. Dose is linear in the source, so lung and liver are simulated once each and combined for
any shunt. The mean is given over voxels and over mass, which the published text does not tell apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from ....engine.dose.compute import compute_dose
from ....engine.nuclides.decay import nuclide
from ....engine.transport.problem import Problem
from ....engine.transport.run_options import RunOptions
from ..design import LUNG, SOFT
from ..kernels import of_medium, soft_tissue_dose
from ..methods import BATCHES
from ..spheres import COMPOSITIONS, medium

VOXEL_MM, DECAYS, SEED = 4.0, 2_000_000, 6
#: Lung and liver along z, and both across [voxels]: 3.7 L of lung on 1.5 L of liver, in a coat of soft tissue.
LUNG_VOXELS, LIVER_VOXELS, ACROSS, COAT = 60, 24, 62, 6
#: Mean density of the lung [g/cm3], relative spread, and how far neighbours are alike (sigma, voxels).
DENSITY, SPREAD, ALIKE = 0.221, 0.35, 1.5
#: Kernel of lung tissue as published [g/cm3].
KERNEL_DENSITY = 0.296
SHUNTS_PERCENT = (1.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def thorax() -> tuple[Problem, np.ndarray, np.ndarray]:
    """The problem without a source, and the masks of lung and liver."""
    shape = (LUNG_VOXELS + LIVER_VOXELS + 2 * COAT, ACROSS + 2 * COAT, ACROSS + 2 * COAT)
    across = slice(COAT, COAT + ACROSS)
    liver, lung = np.zeros(shape, bool), np.zeros(shape, bool)
    liver[COAT : COAT + LIVER_VOXELS, across, across] = True
    lung[COAT + LIVER_VOXELS : COAT + LIVER_VOXELS + LUNG_VOXELS, across, across] = True
    noise = gaussian_filter(np.random.Generator(np.random.Philox(7)).standard_normal(shape), ALIKE)
    uneven = np.exp(SPREAD * noise / noise[lung].std())
    density = np.full(shape, COMPOSITIONS[SOFT][1], np.float32)
    density[lung] = DENSITY * uneven[lung] / uneven[lung].mean()
    material = lung.astype(np.uint8)
    problem = Problem(
        density_g_cm3=density,
        material=material,
        materials=(medium(SOFT), medium(LUNG)),
        voxel_size_mm=(VOXEL_MM,) * 3,
        source=lung.astype(np.float32),
        emission=nuclide("Y-90").emission,
    )
    return problem, lung, liver


def lung_beside_liver() -> dict[str, Any]:
    """Mean dose to the lung [Gy per decay in the source] from lung and from liver, by each method."""
    problem, lung, liver = thorax()
    numbers: dict[str, Any] = {"decays": DECAYS, "shunts_percent": SHUNTS_PERCENT}
    for name, source in (("lung", lung), ("liver", liver)):
        active = replace(problem, source=source.astype(np.float32))
        lung_kernel = of_medium("Y-90", VOXEL_MM, LUNG, KERNEL_DENSITY)
        maps = {
            "mc": _simulated(active, lung),
            "local": compute_dose("local", active).mean,
            "kernel": soft_tissue_dose("Y-90", active, scaled=True),
            "kernel-unscaled": soft_tissue_dose("Y-90", active, scaled=False),
            "lung kernel": soft_tissue_dose("Y-90", active, scaled=False, kernel=lung_kernel),
            "lung kernel, scaled": soft_tissue_dose("Y-90", active, scaled=True, kernel=lung_kernel),
        }
        mass = problem.density_g_cm3[lung].astype(np.float64)
        for method, dose in maps.items():
            numbers[f"{method} from {name}, over voxels"] = float(dose[lung].mean())
            numbers[f"{method} from {name}, over mass"] = float(dose[lung] @ mass / mass.sum())
    return numbers


def _simulated(problem: Problem, lung: np.ndarray) -> np.ndarray:
    options = RunOptions(decays=DECAYS, seed=SEED, backend="cpu", batches=BATCHES)
    return compute_dose("mc", problem, options=options).mean
