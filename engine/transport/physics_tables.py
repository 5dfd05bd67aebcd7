"""Every physics table of a run, and what they depend on; built once and kept (:mod:`.table_cache`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import table_cache
from .bit_grid import BitGrid
from .problem import Material

#: nodes of an inverse cumulative distribution: multiple scattering, bremsstrahlung
GS_POINTS, BREMS_POINTS = 129, 65
FLUORESCENCE_COLUMNS = 8


@dataclass(frozen=True)
class Needs:
    """What the tables depend on.

    Parameters
    ----------
    materials
        The materials, in the order of their tables.
    photon_cutoff_mev, electron_cutoff_mev, collision_threshold_mev
        Where the tables begin, and the threshold of hard collisions [MeV].
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
    collision_threshold_mev: float
    photon_top_mev: float
    electron_top_mev: float
    positrons: bool
    bremsstrahlung: bool
    step_strength: float
    absorption: bool


@dataclass(frozen=True)
class PhotonTables:
    """The flat array and where each table starts in it; attenuation stands first, row by row of each material."""

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
    arrest: np.ndarray
    majorant: np.ndarray
    cut_range: np.ndarray
    gs: np.ndarray
    gs_grid: BitGrid
    brems: np.ndarray
    brems_grid: BitGrid
    brems_thick: int


@dataclass(frozen=True)
class PhysicsTables:
    """Photons, electrons and positrons; energy-absorption coefficients [cm2/g] on the photon nodes, when wanted."""

    photons: PhotonTables
    electrons: ElectronTables
    absorption: np.ndarray


def tables_of(needs: Needs) -> PhysicsTables:
    """The tables, from the cache where they have been built before."""
    kept = table_cache.load(needs, PhysicsTables)
    if kept is None:
        kept = build(needs)
        table_cache.store(needs, kept)
    return kept


def build(needs: Needs) -> PhysicsTables:
    """Build every table."""
    # SciPy takes longer to import than kept tables to read
    from . import absorption, electron_tables, photon_tables

    photons = photon_tables.build(needs.materials, needs.photon_cutoff_mev, needs.photon_top_mev)
    electrons = electron_tables.build(
        needs.materials,
        needs.electron_top_mev,
        needs.electron_cutoff_mev,
        needs.photon_cutoff_mev,
        needs.collision_threshold_mev,
        positrons=needs.positrons,
        emit_bremsstrahlung=needs.bremsstrahlung,
        strength=needs.step_strength,
    )
    coefficients = np.empty(0, np.float32)
    if needs.absorption:
        energy = np.clip(photons.grid.values, needs.photon_cutoff_mev, None)
        coefficients = np.concatenate(
            [
                absorption.coefficients(
                    material,
                    energy,
                    absorption.radiated_energy(electrons, row, needs.photon_cutoff_mev, needs.electron_cutoff_mev),
                )
                for row, material in enumerate(needs.materials)
            ]
        ).astype(np.float32)
    return PhysicsTables(photons, electrons, coefficients)
