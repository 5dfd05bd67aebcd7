"""From a validated problem to the flat bundle that kernels read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...kernels.tables import PHOTON_COLUMNS, World
from ..errors import InputError
from ..physics.material import Material
from .options import PhysicsOptions
from .problem import Problem
from .tables import source as source_tables
from .tables.layout import BREMS_POINTS, GS_POINTS, ElectronTables, Needs, PhotonTables, PhysicsTables
from .tables.lookup import tables_of
from .tables.source import SourceTables

#: highest energy of a photon or an electron that the physics tables can be built for [MeV]
HIGHEST_MEV = 15.0


def build_world(problem: Problem, options: PhysicsOptions) -> World:
    """Every table of a problem in the layout that kernels read; only materials that occur in it have tables.

    Parameters
    ----------
    problem
        A checked problem.
    options
        Cut-offs and switches.

    Raises
    ------
    InputError
        The source or the emission is empty, or an energy is beyond the physics tables.
    """
    used, index = np.unique(problem.material, return_inverse=True)
    materials = tuple(problem.materials[i] for i in used)
    material = index.reshape(-1).astype(np.uint8)
    density = np.ascontiguousarray(problem.density_g_cm3, np.float32).reshape(-1)
    source = source_tables.build(
        problem.source, problem.emission, options.electron_cutoff_mev, options.photon_cutoff_mev, options.photons
    )
    tables = tables_of(_needs(materials, source, options))
    largest = np.array([density[material == i].max(initial=0.0) for i in range(len(materials))])
    # fields of World by name, so their order is that of its own definition
    fields = {
        **_geometry(problem),
        "density": density,
        "material": material,
        "n_materials": np.int32(len(materials)),
        **_photons(tables, largest, options),
        **_electrons(tables.electrons, options),
        **source_fields(source),
    }
    return World(**fields)


def _needs(materials: tuple[Material, ...], source: SourceTables, options: PhysicsOptions) -> Needs:
    """What the physics tables must cover."""
    # annihilation in flight hands a photon more than 511 keV; no photon exceeds what a decay can give it
    photon_top = max(1.2 * source.highest_mev, 0.6, source.highest_positron_mev + 1.1)
    electron_top = max(1.01 * photon_top, 4.0 * options.electron_cutoff_mev)
    if max(photon_top, electron_top) > HIGHEST_MEV:
        raise InputError(
            f"an emission of {source.highest_mev:g} MeV",
            why="the physics tables end at 20 MeV",
            suggestion="check the unit of the emission energies: they are MeV",
            field="emission",
        )
    return Needs(
        materials,
        photon_cutoff_mev=options.photon_cutoff_mev,
        electron_cutoff_mev=options.electron_cutoff_mev,
        delta_ray_threshold_mev=options.delta_ray_threshold_mev,
        photon_top_mev=photon_top,
        electron_top_mev=electron_top,
        positrons=source.highest_positron_mev > 0 or source.highest_mev > 1.022,
        bremsstrahlung=options.bremsstrahlung,
        step_strength=options.step_strength,
        absorption=_scores_track_length(options),
    )


def _scores_track_length(options: PhysicsOptions) -> bool:
    return options.photon_scoring == "track-length" and options.photons


def _geometry(problem: Problem) -> dict[str, Any]:
    nz, ny, nx = (np.int32(n) for n in problem.density_g_cm3.shape)
    dz, dy, dx = (0.1 * v for v in problem.voxel_size_mm)
    sides = {"hx": dx, "hy": dy, "hz": dz, "ihx": 1 / dx, "ihy": 1 / dy, "ihz": 1 / dz}
    return {"nx": nx, "ny": ny, "nz": nz, **{name: np.float32(value) for name, value in sides.items()}}


def _photons(tables: PhysicsTables, largest_density: np.ndarray, options: PhysicsOptions) -> dict[str, Any]:
    """Photon tables and majorant in one array, with where each begins; ``largest_density`` is per material."""
    p = tables.photons
    majorant = _majorant(p, largest_density)
    offsets = {
        "p_nodes": p.grid.nodes,
        "p_low": p.grid.low,
        "p_majorant": p.values.size,
        "x_nodes": p.x_grid.nodes,
        "x_low": p.x_grid.low,
        "compton": p.compton,
        "c_nodes": p.c_grid.nodes,
        "c_low": p.c_grid.low,
        "x_coherent": p.coherent,
        "fluorescence": p.fluorescence,
        "fluorescence_rows": p.fluorescence_rows,
        "p_absorption": p.values.size + majorant.size,
        "transport_photons": options.photons,
    }
    return {
        "photons": np.concatenate([p.values, majorant, tables.absorption]).astype(np.float32),
        "photon_cutoff": np.float32(options.photon_cutoff_mev),
        "track_length": (np.int32(1),) if _scores_track_length(options) else (),
        **{name: np.int32(value) for name, value in offsets.items()},
    }


def _electrons(e: ElectronTables, options: PhysicsOptions) -> dict[str, Any]:
    offsets = {
        "t_nodes": e.track_grid.nodes,
        "t_low": e.track_grid.low,
        "e_nodes": e.hard_grid.nodes,
        "e_low": e.hard_grid.low,
        "gs_energies": e.gs_grid.nodes,
        "gs_low": e.gs_grid.low,
        "gs_points": GS_POINTS,
        "b_energies": e.brems_grid.nodes,
        "b_low": e.brems_grid.low,
        "b_points": BREMS_POINTS,
        "b_thick": e.brems_thick,
        "range_rejection": options.range_rejection,
    }
    return {
        "track": e.track,
        "hard": e.hard,
        "rejection": e.rejection,
        "hard_majorant": e.majorant,
        "cut_range": e.cut_range,
        "gs": e.gs,
        "brems": e.brems,
        "electron_cutoff": np.float32(options.electron_cutoff_mev),
        "delta_ray_threshold": np.float32(options.delta_ray_threshold_mev),
        **{name: np.int32(value) for name, value in offsets.items()},
    }


def source_fields(source: SourceTables) -> dict[str, Any]:
    """The source and what it emits, as a world holds them."""
    return {
        "source_cdf": source.cdf,
        "source_voxel": source.voxel,
        "source_guide": source.guide,
        "source_shift": np.int64(source.guide_shift),
        "emission": source.emission,
        "emission_guide": source.emission_guide,
        "emission_index": source.index,
        "emission_rate": source.rate,
        "n_categories": np.int32(source.rate.size if source.rate.any() else 0),
        "local_quanta": np.int64(source.local_quanta),
    }


def _majorant(tables: PhotonTables, largest_density: np.ndarray) -> np.ndarray:
    """Largest attenuation over the voxels of a problem, on the photon energy nodes [1/cm].

    ``largest_density`` is that of each material's voxels [g/cm3].
    """
    nodes, columns = tables.grid.nodes, PHOTON_COLUMNS
    total = tables.values[: largest_density.size * nodes * columns].reshape(-1, nodes, columns)[:, :, 0]
    # just above, so that float32 rounding never makes a real collision more likely than certain
    return (largest_density[:, None] * total.astype(float)).max(axis=0) * (1.0 + 1e-6)
