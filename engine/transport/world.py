"""From a validated problem to the flat bundle that kernels read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.tables import PHOTON_COLUMNS, World
from ..errors import InputError
from ..physics.material import Material
from .options import PhysicsOptions
from .problem import Problem
from .tables import source as source_tables
from .tables.layout import BREMS_POINTS, GS_POINTS, Needs, PhotonTables
from .tables.lookup import tables_of


@dataclass(frozen=True)
class Prepared:
    """A world, and what of it the host still needs."""

    world: World
    options: PhysicsOptions
    used_materials: tuple[Material, ...]


def prepare(problem: Problem, options: PhysicsOptions) -> Prepared:
    """Build every table of a problem; only the materials that occur are kept."""
    used, index = np.unique(problem.material, return_inverse=True)
    materials = tuple(problem.materials[i] for i in used)
    material = index.reshape(-1).astype(np.uint8)
    density = np.ascontiguousarray(problem.density_g_cm3, np.float32).reshape(-1)
    source = source_tables.build(
        problem.source,
        problem.emission,
        options.electron_cutoff_mev,
        options.photon_cutoff_mev,
        options.photons,
    )
    positrons = source.highest_positron_mev > 0 or source.highest_mev > 1.022
    # annihilation in flight hands a photon more than 511 keV; no photon exceeds what a decay can give it
    photon_top = max(1.2 * source.highest_mev, 0.6, source.highest_positron_mev + 1.1)
    electron_top = max(1.01 * photon_top, 4.0 * options.electron_cutoff_mev)
    if max(photon_top, electron_top) > 15.0:
        raise InputError(
            f"an emission of {source.highest_mev:g} MeV",
            why="the physics tables end at 20 MeV",
            suggestion="check the unit of the emission energies: they are MeV",
            field="emission",
        )
    track_length = options.photon_scoring == "track-length" and options.photons
    tables = tables_of(
        Needs(
            materials,
            photon_cutoff_mev=options.photon_cutoff_mev,
            electron_cutoff_mev=options.electron_cutoff_mev,
            collision_threshold_mev=options.collision_threshold_mev,
            photon_top_mev=photon_top,
            electron_top_mev=electron_top,
            positrons=positrons,
            bremsstrahlung=options.bremsstrahlung,
            step_strength=options.step_strength,
            absorption=track_length,
        )
    )
    p, e = tables.photons, tables.electrons
    largest = np.array([density[material == i].max(initial=0.0) for i in range(len(materials))])
    majorant = _majorant(p, largest)
    photon_values = np.concatenate([p.values, majorant, tables.absorption]).astype(np.float32)
    nz, ny, nx = problem.density_g_cm3.shape
    dz, dy, dx = (0.1 * v for v in problem.voxel_size_mm)
    i32, f32 = np.int32, np.float32
    world = World(
        nx=i32(nx),
        ny=i32(ny),
        nz=i32(nz),
        hx=f32(dx),
        hy=f32(dy),
        hz=f32(dz),
        ihx=f32(1 / dx),
        ihy=f32(1 / dy),
        ihz=f32(1 / dz),
        density=density,
        material=material,
        photons=photon_values,
        p_nodes=i32(p.grid.nodes),
        p_low=i32(p.grid.low),
        p_majorant=i32(p.values.size),
        x_nodes=i32(p.x_grid.nodes),
        x_low=i32(p.x_grid.low),
        compton=i32(p.compton),
        c_nodes=i32(p.c_grid.nodes),
        c_low=i32(p.c_grid.low),
        x_coherent=i32(p.coherent),
        fluorescence=i32(p.fluorescence),
        fluorescence_rows=i32(p.fluorescence_rows),
        photon_cutoff=f32(options.photon_cutoff_mev),
        transport_photons=i32(options.photons),
        p_absorption=i32(p.values.size + majorant.size),
        track_length=(i32(1),) if track_length else (),
        n_materials=i32(len(materials)),
        track=e.track,
        t_nodes=i32(e.track_grid.nodes),
        t_low=i32(e.track_grid.low),
        hard=e.hard,
        e_nodes=i32(e.hard_grid.nodes),
        e_low=i32(e.hard_grid.low),
        rejection=e.arrest,
        hard_majorant=e.majorant,
        cut_range=e.cut_range,
        gs=e.gs,
        gs_energies=i32(e.gs_grid.nodes),
        gs_low=i32(e.gs_grid.low),
        gs_points=i32(GS_POINTS),
        brems=e.brems,
        b_energies=i32(e.brems_grid.nodes),
        b_low=i32(e.brems_grid.low),
        b_points=i32(BREMS_POINTS),
        b_thick=i32(e.brems_thick),
        electron_cutoff=f32(options.electron_cutoff_mev),
        delta_ray_threshold=f32(options.collision_threshold_mev),
        range_rejection=i32(options.range_rejection),
        source_cdf=source.cdf,
        source_voxel=source.voxel,
        source_guide=source.guide,
        source_shift=np.int64(source.guide_shift),
        emission=source.emission,
        emission_guide=source.emission_guide,
        emission_index=source.index,
        emission_rate=source.rate,
        n_categories=i32(source.rate.size if source.rate.any() else 0),
        local_quanta=np.int64(source.local_quanta),
    )
    return Prepared(world, options, materials)


def _majorant(tables: PhotonTables, largest_density: np.ndarray) -> np.ndarray:
    """Largest attenuation over the voxels of a problem, on the photon energy nodes [1/cm].

    ``largest_density`` is that of each material's voxels [g/cm3].
    """
    nodes, columns = tables.grid.nodes, PHOTON_COLUMNS
    total = tables.values[: largest_density.size * nodes * columns].reshape(-1, nodes, columns)[:, :, 0]
    # a hair above, so that float32 rounding never makes a real collision more likely than certain
    return (largest_density[:, None] * total.astype(float)).max(axis=0) * (1.0 + 1e-6)
