"""Which kernel a problem is convolved with: its medium, its density, how far it reaches, and the cut-offs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError
from ..nuclides.emission import Emission
from ..physics import stopping
from ..physics.material import Material
from ..text import counted
from ..transport.options import PhysicsOptions
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .local import emitted_energy
from .map import relative_source
from .voxel_s.make import KernelRequest

#: Share of the energy emitted that a kernel may leave out, where neither the grid nor its size ends it earlier.
TRUNCATION = 1e-3
#: Most voxels of a kernel: 100 MB in double precision, with as many again for its standard errors.
MOST_VOXELS = 12_000_000
#: Decays simulated for a kernel: 0.1 % or better in the source voxel of 131I.
KERNEL_DECAYS = 2_000_000
#: Seed of kernels, so that they share no random numbers with a simulation under a seed of the usual size.
KERNEL_SEED = 820_013
#: Densities are rounded to this [g/cm3], so that patients share kernels; that of a uniform medium is not.
DENSITY_STEP_G_CM3 = 0.01
#: A medium is uniform where the standard deviation of its density is below this share of it.
UNIFORM = 1e-4
#: Thinnest medium of a kernel [g/cm3]: below, photons and electrons reach beyond any grid.
THINNEST_G_CM3 = 0.05
#: Lower bound of the mass energy-absorption coefficient of soft tissue and bone from 1 keV to 2.5 MeV [cm2/g].
ABSORPTION_CM2_G = 0.025
#: Physics options that change where energy goes; the others change the noise or the way it is calculated.
PHYSICS = ("electron_cutoff_mev", "photon_cutoff_mev", "delta_ray_threshold_mev", "photons", "bremsstrahlung")


def kernel_request(problem: Problem, air_density_g_cm3: float, options: RunOptions) -> KernelRequest:
    """The kernel for a problem.

    Parameters
    ----------
    problem
        Geometry, materials, source and emission.
    air_density_g_cm3
        Voxels of lower density are air: they neither choose the medium nor need a dose.
    options
        Of the simulation, of which the cut-offs are taken.

    Returns
    -------
    KernelRequest
        In the composition in which most decays happen, at the mean density of its voxels, weighted by decays.

    Raises
    ------
    InputError
        All decays happen in air, or in a medium below :data:`THINNEST_G_CM3`.
    """
    share = relative_source(problem)
    tissue = np.asarray(problem.density_g_cm3) >= air_density_g_cm3
    medium, density = chosen_medium(problem, share, tissue)
    return KernelRequest(
        emission=problem.emission,
        voxel_size_mm=tuple(float(step) for step in problem.voxel_size_mm),  # type: ignore[arg-type]
        medium=medium,
        density_g_cm3=density,
        reach=chosen_reach(share > 0, tissue, problem, medium, density),
        decays=KERNEL_DECAYS,
        seed=KERNEL_SEED,
        physics=chosen_physics(problem, options),
    )


def chosen_medium(problem: Problem, share: np.ndarray, tissue: np.ndarray) -> tuple[Material, float]:
    """Composition in which most decays happen, and the mean density of its voxels, weighted by decays [g/cm3]."""
    weight = np.where(tissue, share, 0.0).ravel()
    if not weight.sum() > 0:
        raise InputError(
            "all decays happen in air",
            why="a kernel is that of the tissue in which most decays happen",
            suggestion="look at the alignment of activity and density, or use --method mc",
            field="source",
        )
    index = np.asarray(problem.material).ravel()
    here = index == int(np.argmax(np.bincount(index, weight, len(problem.materials))))
    w, rho = weight[here], np.asarray(problem.density_g_cm3, np.float64).ravel()[here]
    mean = float(w @ rho / w.sum())
    spread = math.sqrt(max(float(w @ (rho - mean) ** 2 / w.sum()), 0.0))
    medium = problem.materials[int(index[here][0])]
    if mean < THINNEST_G_CM3:
        raise InputError(
            f"most decays happen in {medium.name} of {mean:.3g} g/cm3",
            why=f"kernels are for media of {THINNEST_G_CM3:g} g/cm3 or more; in thinner ones nearly all energy "
            "goes elsewhere",
            suggestion="use --method mc",
            field="density_g_cm3",
        )
    if spread < UNIFORM * mean:
        return medium, float(f"{mean:.5g}")
    return medium, round(round(mean / DENSITY_STEP_G_CM3) * DENSITY_STEP_G_CM3, 6)


def chosen_reach(
    active: np.ndarray, tissue: np.ndarray, problem: Problem, medium: Material, density_g_cm3: float
) -> tuple[int, int, int]:
    """Voxels from the source to the last neighbour along z, y and x.

    As far as from any active voxel to any tissue voxel of the grid, or as the energy goes (:data:`TRUNCATION`), and no
    farther than :data:`MOST_VOXELS` allow. Longer ones are rounded up to multiples of eight, so that grids of nearly
    the same size share a kernel.
    """
    needed = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        source, target = (np.flatnonzero(array.any(axis=others)) for array in (active, tissue))
        needed.append(int(max(target[-1] - source[0], source[-1] - target[0], 0)))
    far_mm = energy_reach_g_cm2(problem.emission, medium) / density_g_cm3 * 10.0
    sizes = [float(size) for size in problem.voxel_size_mm]
    reach = [min(k, math.ceil(far_mm / size)) for k, size in zip(needed, sizes, strict=True)]
    reach = [max(k if k <= 8 else math.ceil(k / 8) * 8, 1) for k in reach]
    while math.prod(2 * k + 1 for k in reach) > MOST_VOXELS:
        longest = max(range(3), key=lambda axis: reach[axis] * sizes[axis])
        reach[longest] = max(reach[longest] - 4, 1)
    return reach[0], reach[1], reach[2]


def energy_reach_g_cm2(emission: Emission, medium: Material) -> float:
    """Distance beyond which at most :data:`TRUNCATION` of the energy emitted is deposited [g/cm2].

    The range of the hardest charged particle, and beyond it ``E_photon exp(-mu_en R)`` with a lower bound of mu_en; of
    bremsstrahlung the share S_rad/S of the charged energy, which is above the radiation yield.
    """
    energy = emitted_energy(emission)
    ends = [float(x[-1]) for x in (emission.beta_mev, emission.positron_mev) if len(x)]
    ends += [float(np.max(emission.electron_lines[:, 0]))] if len(emission.electron_lines) else []
    hardest = max([*ends, 0.01])
    charged = energy.electron + energy.positron
    loss = float(stopping.radiative(medium, hardest)) / float(stopping.total(medium, hardest))
    photon = energy.photon + energy.annihilation + loss * charged
    reach = float(stopping.csda_range(medium, hardest)) if charged > 0 else 0.0
    if photon > TRUNCATION * energy.total > 0:
        reach += math.log(photon / (TRUNCATION * energy.total)) / ABSORPTION_CM2_G
    return reach


def chosen_physics(problem: Problem, options: RunOptions) -> tuple[tuple[str, Any], ...]:
    """The physics options of a problem that change a kernel, where they differ from the default."""
    physics = PhysicsOptions.from_dict({**problem.physics, **(options.physics or {})})
    usual = PhysicsOptions()
    return tuple((name, getattr(physics, name)) for name in PHYSICS if getattr(physics, name) != getattr(usual, name))


def medium_text(medium: Material, density_g_cm3: float) -> str:
    """``water of 1.04 g/cm3``."""
    return f"{medium.name} of {density_g_cm3:.4g} g/cm3"


def reach_text(reach: tuple[int, int, int]) -> str:
    """``reaching 64 voxels``, or those of each axis."""
    if len(set(reach)) == 1:
        return f"reaching {counted(reach[0], 'voxel')}"
    return "reaching {}, {} and {} voxels along z, y and x".format(*reach)
