"""The dose methods ``kernel`` and ``kernel-unscaled``: decays convolved with a voxel kernel of one medium.

    E(v) = sum_u N(u) K(v - u),    D(v) = E(v) / (rho(v) V)    or    D(v) = E(v) / (rho_K V)

``kernel`` divides the energy by the mass of the voxel that it falls in (density scaling), ``kernel-unscaled`` by that
of a voxel of the kernel's medium. Either takes the whole grid, and what is around it, for that medium: transport sees
no lung, no bone, no air and no skin. docs/methods/convolution.md has the errors that this makes.

References
----------
Bolch et al., J Nucl Med 40 (1999) 11S (MIRD pamphlet 17: voxel S values). Dieudonne et al., J Nucl Med 54 (2013) 236
(density scaling).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..same import SAME_STATED
from ..statistics import gy_per_mev
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .convolution import convolve, share_inside
from .kernel_choice import kernel_request
from .kernel_notes import kernel_notes, regions_of
from .local import emitted_energy
from .map import DoseMap, check_decays, relative_source, voxel_volume_ml
from .voxel_s.cache import kept_kernel
from .voxel_s.kernel import VoxelKernel

#: Names of the methods by whether the energy is divided by the mass of the voxel it falls in.
NAMES = {True: "kernel", False: "kernel-unscaled"}


@dataclass(frozen=True)
class EnergyAccount:
    """Where a convolution puts the energy of one decay [MeV per decay].

    Each part is a sum of its own; `residual_mev` is what rounding leaves.

    Parameters
    ----------
    emitted_mev
        By one decay, neutrinos apart [MeV].
    deposited_mev
        In voxels that are given a dose [MeV].
    air_mev
        In voxels of the grid that are air and given none [MeV].
    outside_mev
        Beyond the grid, within the kernel's reach [MeV].
    truncated_mev
        Beyond the kernel's reach [MeV].
    imparted_mev
        Energy that the dose stands for, dose times mass of the voxel: `deposited_mev` with density scaling [MeV].
    """

    emitted_mev: float
    deposited_mev: float
    air_mev: float
    outside_mev: float
    truncated_mev: float
    imparted_mev: float

    @property
    def residual_mev(self) -> float:
        """Emitted less all parts [MeV per decay]."""
        parts = self.deposited_mev + self.air_mev + self.outside_mev + self.truncated_mev
        return self.emitted_mev - parts


def scaled_dose(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
    """The dose method ``kernel``."""
    return _dose(problem, decays, air_density_g_cm3, options, scaled=True)


def unscaled_dose(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
    """The dose method ``kernel-unscaled``."""
    return _dose(problem, decays, air_density_g_cm3, options, scaled=False)


def _dose(
    problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions, scaled: bool
) -> DoseMap:
    request = kernel_request(problem, air_density_g_cm3, options)
    backend = "cpu" if options.backend == "python" else options.backend
    progress = options.progress
    tell = None if progress is None else lambda fraction, text: progress(fraction, f"kernel, {text}")
    kernel = kept_kernel(request, backend=backend, progress=tell, stop=options.stop)
    return convolved_dose(problem, decays, kernel, scaled=scaled, air_density_g_cm3=air_density_g_cm3, options=options)


def convolved_dose(
    problem: Problem,
    decays: float | None,
    kernel: VoxelKernel,
    *,
    scaled: bool = True,
    air_density_g_cm3: float = 0.0,
    options: RunOptions | None = None,
) -> DoseMap:
    """Dose of a problem by convolution with a given kernel.

    Parameters
    ----------
    problem
        Geometry, source and emission; of its materials only the names are used.
    decays
        Number of decays in the whole grid that the dose is stated for; None: dose per decay.
    kernel
        Simulated or imported, of the same voxel size and emission.
    scaled
        Whether the energy is divided by the mass of the voxel that it falls in, or by that of a voxel of the kernel's
        medium.
    air_density_g_cm3
        Voxels of lower density get no dose [g/cm3].
    options
        Of these the backend, and the regions that the notes name.

    Returns
    -------
    DoseMap
        Without standard errors; its notes state the kernel's own, the account of energy, and where the medium differs.

    Raises
    ------
    InputError
        A kernel of another voxel size or of another energy per decay; a number of decays that cannot be; a grid that
        is nothing but air.
    """
    check_decays(decays)
    options = options or RunOptions()
    _check(problem, kernel)
    share = relative_source(problem)
    energy = convolve(share, kernel.energy_mev, backend="cpu" if options.backend == "python" else options.backend)
    density = np.asarray(problem.density_g_cm3, np.float64)
    tissue = (density >= air_density_g_cm3) & (density > 0)
    if not tissue.any():
        raise InputError(
            f"no voxel of the grid has {air_density_g_cm3:g} g/cm3 or more",
            why="dose is stated for tissue, and all of this is air",
            suggestion="look at the density",
            field="density_g_cm3",
        )
    volume = voxel_volume_ml(problem)
    mass_density = np.where(tissue, density, 1.0) if scaled else np.full(density.shape, kernel.density_g_cm3)
    factor = gy_per_mev(mass_density, volume)
    account = energy_account(share, energy, kernel, density, tissue, scaled)
    notes = kernel_notes(
        kernel, account, (share, energy, density, tissue), regions_of(problem, options), air_density_g_cm3
    )
    per_decay = DoseMap(
        NAMES[scaled],
        np.where(tissue, energy * factor, 0.0),
        None,
        "Gy per decay",
        notes=notes,
        air_density_g_cm3=air_density_g_cm3,
    )
    return per_decay.for_decays(decays)


def energy_account(
    share: np.ndarray,
    energy_mev: np.ndarray,
    kernel: VoxelKernel,
    density_g_cm3: np.ndarray,
    tissue: np.ndarray,
    scaled: bool = True,
) -> EnergyAccount:
    """The account of energy of a convolution.

    Parameters
    ----------
    share
        Share of all decays in each voxel (nz, ny, nx), float64, summing to one.
    energy_mev
        Its convolution with the kernel (nz, ny, nx), float64 [MeV per decay].
    kernel
        The kernel.
    density_g_cm3
        Mass density (nz, ny, nx), float64 [g/cm3].
    tissue
        Voxels that are given a dose (nz, ny, nx), bool.
    scaled
        Whether dose is energy over the mass of its own voxel.

    Returns
    -------
    EnergyAccount
        What leaves the grid comes from sums of the kernel over boxes, not from the difference of the others.
    """
    whole = float(kernel.energy_mev.sum())
    deposited = float(energy_mev[tissue].sum())
    imparted = deposited if scaled else float((energy_mev * density_g_cm3)[tissue].sum()) / kernel.density_g_cm3
    return EnergyAccount(
        emitted_mev=kernel.emitted_mev,
        deposited_mev=deposited,
        air_mev=float(energy_mev[~tissue].sum()),
        outside_mev=float((share * (whole - share_inside(kernel.energy_mev, share.shape))).sum()),
        truncated_mev=kernel.truncated_mev,
        imparted_mev=imparted,
    )


def _check(problem: Problem, kernel: VoxelKernel) -> None:
    ours, theirs = (np.asarray(size, float) for size in (problem.voxel_size_mm, kernel.voxel_size_mm))
    if not np.allclose(ours, theirs, rtol=1e-4, atol=0.0):
        raise InputError(
            f"the kernel has voxels of {_mm(theirs)} mm, the grid has {_mm(ours)} mm",
            why="a kernel holds for one voxel size",
            suggestion="make one of the grid's voxel size: hevesy kernels NUCLIDE --voxel ...",
            field="kernel",
        )
    emitted = emitted_energy(problem.emission).total
    if abs(kernel.emitted_mev - emitted) > SAME_STATED * emitted:
        raise InputError(
            f"the kernel is of {kernel.emitted_mev:.4g} MeV per decay, the problem emits {emitted:.4g} MeV",
            why="a kernel holds for one emission",
            suggestion="make one of the problem's nuclide: hevesy kernels NUCLIDE --voxel ...",
            field="kernel",
        )


def _mm(size: Any) -> str:
    return " x ".join(f"{step:.4g}" for step in size)
