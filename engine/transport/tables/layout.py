"""What the physics tables depend on, and their layout: flat arrays, and the scalars that locate things in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...physics.material import Material
from .bit_grid import BitGrid

#: nodes of an inverse cumulative distribution: multiple scattering, bremsstrahlung
GS_POINTS, BREMS_POINTS = 129, 65


@dataclass(frozen=True)
class Needs:
    """What the tables depend on.

    Parameters
    ----------
    materials
        The materials, in the order of their tables.
    photon_cutoff_mev, electron_cutoff_mev, delta_ray_threshold_mev
        Where the tables begin, and the threshold of delta rays [MeV].
    photon_top_mev, electron_top_mev
        Where they end [MeV].
    positrons
        Whether positrons have tables.
    bremsstrahlung
        Whether electrons make photons.
    step_strength
        Scattering strength of one electron step.
    absorption
        Whether energy-absorption coefficients are wanted.
    """

    materials: tuple[Material, ...]
    photon_cutoff_mev: float
    electron_cutoff_mev: float
    delta_ray_threshold_mev: float
    photon_top_mev: float
    electron_top_mev: float
    positrons: bool
    bremsstrahlung: bool
    step_strength: float
    absorption: bool


@dataclass(frozen=True)
class PhotonTables:
    """The flat array and where each table starts in it; attenuation comes first, row by row of each material."""

    values: np.ndarray
    grid: BitGrid
    compton: int
    c_grid: BitGrid
    coherent: int
    fluorescence: int
    fluorescence_rows: int
    x_grid: BitGrid


@dataclass(frozen=True)
class ElectronTables:
    """Flat arrays and the scalars that locate things in them."""

    track: np.ndarray
    track_grid: BitGrid
    hard: np.ndarray
    hard_grid: BitGrid
    rejection: np.ndarray
    majorant: np.ndarray
    cut_range: np.ndarray
    gs: np.ndarray
    gs_grid: BitGrid
    brems: np.ndarray
    brems_grid: BitGrid
    brems_thick: int


@dataclass(frozen=True)
class PhysicsTables:
    """Tables of photons, of electrons and positrons, and of energy absorption.

    Parameters
    ----------
    photons, electrons
        Flat arrays, and where each table starts in them.
    absorption
        Mass energy-absorption coefficients of each material on the photon nodes (...), float32 [cm2/g]; empty
        unless wanted.
    """

    photons: PhotonTables
    electrons: ElectronTables
    absorption: np.ndarray
