"""Local deposition: charged particles deposit their energy in the voxel of the decay.

For a voxel of mass ``m`` with ``N`` decays, ``D = N E_local / m`` (MIRD schema with an absorbed
fraction of one for what is local and zero for the rest). Local are beta, conversion and Auger electrons, the
kinetic energy of positrons, and alpha particles. Photons - gamma and X rays, and the two annihilation photons
of every positron - either leave (``photons="none"``) or are added in the voxel of the decay (``photons="all"``).
The two bracket the photon dose of a large body; neither blurs the dose by the range of the electrons, which
is the difference that Monte Carlo shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..constants import ELECTRON_REST_MEV
from ..errors import InputError
from ..nuclides.emission import Emission, spectrum_moments
from ..statistics import gy_per_mev
from ..text import count_of, counted
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .map import DoseMap, relative_source, voxel_volume_ml

#: Below this mass density [g/cm3] a voxel is air: no dose is stated for it (clinical dose is a tissue dose), and in a
#: patient no activity is placed in it.
NO_DOSE_BELOW_G_CM3 = 0.01

PHOTON_MODES = ("none", "all")


@dataclass(frozen=True)
class EmittedEnergy:
    """Mean energy that one decay gives to each kind of radiation [MeV per decay].

    ``positron`` is kinetic energy; ``annihilation`` is the rest energy that its two photons carry.
    """

    electron: float
    positron: float
    alpha: float
    photon: float
    annihilation: float

    @property
    def charged(self) -> float:
        """What local deposition keeps without photons [MeV per decay]."""
        return self.electron + self.positron + self.alpha

    @property
    def total(self) -> float:
        """All of it, neutrinos apart [MeV per decay]."""
        return self.charged + self.photon + self.annihilation


@dataclass(frozen=True)
class LocalDeposit:
    """Local dose with its bookkeeping.

    Parameters
    ----------
    dose_gy
        float64 (nz, ny, nx) [Gy for the decays given].
    energy_per_decay_mev
        What each decay deposits where it happens [MeV].
    air_voxels
        Voxels that emit but are air (below `NO_DOSE_BELOW_G_CM3`): their dose is set to zero.
    air_fraction
        Fraction of all decays that happen in them, so the fraction of the energy not shown as dose.
    """

    dose_gy: np.ndarray
    energy_per_decay_mev: float
    air_voxels: int
    air_fraction: float


def emitted_energy(emission: Emission) -> EmittedEnergy:
    """Mean energies per decay of an emission, from the same lines and spectra that the transport samples.

    Parameters
    ----------
    emission
        Lines and spectra of one decay.

    Returns
    -------
    EmittedEnergy
        Electrons and betas, positrons, alphas, photons and annihilation photons, each [MeV per decay].

    Examples
    --------
    >>> from hevesy.engine.dose import emitted_energy
    >>> from hevesy.engine.nuclides import nuclide
    >>> round(emitted_energy(nuclide("Y-90").emission).electron, 2)
    0.93
    """

    def lines(table: np.ndarray) -> float:
        table = np.asarray(table, dtype=np.float64).reshape(-1, 2)
        return float(table[:, 0] @ table[:, 1])

    positrons, positron_energy = spectrum_moments(emission.positron_mev, emission.positron_per_mev)
    _, beta_energy = spectrum_moments(emission.beta_mev, emission.beta_per_mev)
    return EmittedEnergy(
        electron=lines(emission.electron_lines) + beta_energy,
        positron=positron_energy,
        alpha=lines(emission.alpha_lines),
        photon=lines(emission.photon_lines),
        annihilation=2.0 * ELECTRON_REST_MEV * positrons,
    )


def deposit_locally(
    decays: np.ndarray,
    density_g_cm3: np.ndarray,
    voxel_volume_ml: float,
    emission: Emission,
    photons: str = "none",
    air_density_g_cm3: float = NO_DOSE_BELOW_G_CM3,
) -> LocalDeposit:
    """Dose by local deposition, with what the air policy left out.

    Parameters
    ----------
    decays
        Number of decays in each voxel (nz, ny, nx), float64, not negative.
    density_g_cm3
        Mass density (nz, ny, nx), float64 [g/cm3].
    voxel_volume_ml
        Volume of one voxel [mL].
    emission
        What one decay emits.
    photons
        ``"none"``: photon energy leaves; ``"all"``: it stays where it is born.
    air_density_g_cm3
        Voxels below this density [g/cm3] get no dose.

    Returns
    -------
    LocalDeposit
        The dose, and the energy that fell on voxels without one.

    Raises
    ------
    InputError
        Shapes that differ, decays that are negative or not finite, an unknown photon mode.
    """
    if photons not in PHOTON_MODES:
        raise InputError(
            f"photon mode {photons!r} is not known",
            why="either no photon energy or all of it is deposited where it is emitted",
            suggestion='use "none" or "all"',
            field="photons",
        )
    decays = np.asarray(decays, dtype=np.float64)
    density = np.asarray(density_g_cm3, dtype=np.float64)
    if decays.shape != density.shape:
        raise InputError(
            f"decays have shape {decays.shape}, density {density.shape}",
            why="both must be given on the dose grid",
            suggestion="resample the activity (conserving it) and the density to one grid",
            field="decays",
        )
    if not np.isfinite(decays).all() or (decays < 0).any():
        bad = int(np.count_nonzero(~np.isfinite(decays) | (decays < 0)))
        raise InputError(
            f"{count_of(bad, decays.size, 'voxel', ('has', 'have'))} a negative or undefined number of decays",
            why="no dose can be computed from them",
            suggestion="look for NaN or negative voxels in the PET and in the kinetic fit",
            field="decays",
        )
    energy = emitted_energy(emission)
    per_decay = energy.charged if photons == "none" else energy.total
    tissue = density >= air_density_g_cm3
    dose = np.where(tissue, decays * gy_per_mev(density, voxel_volume_ml) * per_decay, 0.0)
    total = float(decays.sum())
    in_air = ~tissue & (decays > 0)
    return LocalDeposit(
        dose_gy=dose,
        energy_per_decay_mev=per_decay,
        air_voxels=int(np.count_nonzero(in_air)),
        air_fraction=float(decays[in_air].sum()) / total if total > 0 else 0.0,
    )


def local_dose(
    decays: np.ndarray,
    density_g_cm3: np.ndarray,
    voxel_volume_ml: float,
    emission: Emission,
    photons: str = "none",
) -> np.ndarray:
    """The dose of :func:`deposit_locally`, without its other findings.

    Parameters
    ----------
    decays, density_g_cm3
        Decays in each voxel and mass density [g/cm3]; (nz, ny, nx), float64.
    voxel_volume_ml
        Volume of one voxel [mL].
    emission
        What one decay emits.
    photons
        ``"none"``: photon energy leaves; ``"all"``: it stays where it is born.

    Returns
    -------
    ndarray
        Dose (nz, ny, nx), float64 [Gy].
    """
    return deposit_locally(decays, density_g_cm3, voxel_volume_ml, emission, photons).dose_gy


def charged_locally(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
    """The dose method ``local``: charged particles stay, photons leave."""
    return _dose_map("local", problem, decays, air_density_g_cm3, "none")


def all_locally(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
    """The dose method ``local+photons``: photon energy stays too."""
    return _dose_map("local+photons", problem, decays, air_density_g_cm3, "all")


def _dose_map(name: str, problem: Problem, decays: float | None, air_density_g_cm3: float, photons: str) -> DoseMap:
    volume = voxel_volume_ml(problem)
    deposit = deposit_locally(
        relative_source(problem), problem.density_g_cm3, volume, problem.emission, photons, air_density_g_cm3
    )
    notes: tuple[str, ...] = ()
    if deposit.air_voxels:
        voxels = counted(deposit.air_voxels, "voxel", ("with activity is", "with activity are"))
        notes = (
            f"{voxels} air (below {air_density_g_cm3:g} g/cm3): no dose "
            f"is stated there; {100 * deposit.air_fraction:.2g} % of the decays happen in them.",
        )
    per_decay = DoseMap(name, deposit.dose_gy, None, "Gy per decay", notes=notes, air_density_g_cm3=air_density_g_cm3)
    return per_decay.for_decays(decays)
