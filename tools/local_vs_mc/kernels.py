"""Convolution with the voxel kernel of soft tissue, as it is done in the clinic.

The program's own method ``kernel`` takes the kernel of the medium in which most decays happen, so that in one medium it
is Monte Carlo again. The study asks the usual question instead: one kernel of soft tissue for every case.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ...engine.dose.convolution import convolve
from ...engine.dose.voxel_s import KernelRequest, VoxelKernel
from ...engine.dose.voxel_s.cache import kept_kernel
from ...engine.nuclides.decay import nuclide
from ...engine.statistics import gy_per_mev
from ...engine.transport.problem import Problem
from .design import SOFT
from .spheres import COMPOSITIONS, medium

#: How far kernels reach [mm]: across the largest sphere and some way into its surroundings.
REACH_MM = {1.0: 30.0, 2.0: 90.0}
USUAL_REACH_MM = 100.0
DECAYS, SEED = 2_000_000, 77


@lru_cache(maxsize=4)
def of_medium(
    name: str,
    voxel_mm: float,
    in_medium: str = SOFT,
    density_g_cm3: float | None = None,
    reach_mm: float | None = None,
) -> VoxelKernel:
    """Kernel of a nuclide and a voxel in a medium, soft tissue unless said otherwise."""
    density = COMPOSITIONS[in_medium][1] if density_g_cm3 is None else density_g_cm3
    reach = math.ceil((reach_mm or REACH_MM.get(voxel_mm, USUAL_REACH_MM)) / voxel_mm)
    request = KernelRequest(
        emission=nuclide(name).emission,
        voxel_size_mm=(voxel_mm,) * 3,
        medium=replace(medium(in_medium), nominal_density_g_cm3=density),
        density_g_cm3=density,
        reach=(reach,) * 3,
        decays=DECAYS,
        seed=SEED,
    )
    return kept_kernel(request, backend="cpu")


def soft_tissue_dose(name: str, problem: Problem, *, scaled: bool, kernel: VoxelKernel | None = None) -> np.ndarray:
    """Dose per decay by convolution with a kernel, that of soft tissue unless another is given (nz, ny, nx) [Gy].

    Parameters
    ----------
    name
        The nuclide.
    problem
        Density, source and voxels; its media do not count.
    scaled
        Whether the energy is divided by the mass of the voxel that it falls in, or by that of the kernel's medium.
    kernel
        Another kernel.
    """
    kernel = kernel or of_medium(name, float(problem.voxel_size_mm[0]))
    share = np.asarray(problem.source, np.float64)
    energy = convolve(share / share.sum(), kernel.energy_mev)
    density = np.asarray(problem.density_g_cm3, np.float64)
    if not scaled:
        density = np.full(density.shape, kernel.density_g_cm3)
    return np.asarray(energy * gy_per_mev(density, problem.voxel_volume_ml))
