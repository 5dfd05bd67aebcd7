"""Named transport problems: small, fully specified, with the exact answer inside where there is one.

Used by tests and benchmarks: ``problem("fano_checkerboard", voxels=12)``. All sources are uniform inside
their voxels and isotropic. The reference dose of a problem is what theory gives, never a run of this code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.constants import JOULE_PER_MEV
from ..engine.errors import InputError
from ..engine.grid import Grid
from ..engine.imaging import tissue
from ..engine.nuclides.decay import energy_per_decay, nuclide
from ..engine.nuclides.emission import Emission
from ..engine.physics.material import Material
from ..engine.transport.problem import Problem
from .shapes import Ellipsoid, full_fraction, sphere


def electrons(energy_mev: float, per_decay: float = 1.0) -> Emission:
    """Monoenergetic electrons."""
    return Emission(f"{energy_mev:g} MeV electron", electron_lines=np.array([[energy_mev, per_decay]]))


def photons(energy_mev: float, per_decay: float = 1.0) -> Emission:
    """Monoenergetic photons."""
    return Emission(f"{energy_mev:g} MeV photon", photon_lines=np.array([[energy_mev, per_decay]]))


def electrons_of(name: str) -> Emission:
    """The beta and electron emission of a nuclide alone, without photons."""
    return replace(nuclide(name).emission, photon_lines=np.empty((0, 2)))


def electron_reach_g_cm2(emission: Emission) -> float:
    """An upper bound of how far the hardest electron or positron gets [g/cm2].

    1.2 times the empirical range 0.412 E^(1.265 - 0.0954 ln E) of Katz and Penfold (Rev Mod Phys
    1952;24:28), which is 4 to 8 % below the mean path length in water between 0.1 and 1 MeV.
    """
    ends = [x[-1] for x in (emission.beta_mev, emission.positron_mev) if x.size]
    ends += [float(emission.electron_lines[:, 0].max())] if len(emission.electron_lines) else []
    if not ends:
        return 0.0
    energy = max(max(ends), 0.01)
    return 1.2 * 0.412 * energy ** (1.265 - 0.0954 * math.log(energy))


def voxel_s(
    source: str | Emission = "I-131", voxel_mm: float = 3.0, voxels: int = 33, medium: Material | None = None
) -> Problem:
    """One active voxel at the centre of a cube of one medium (water), in vacuum."""
    medium = medium or tissue.water()
    shape, middle = _odd_cube(voxels)
    activity = np.zeros(shape, np.float32)
    activity[middle] = 1.0
    regions = np.zeros(shape, np.uint8)
    offset = np.abs(np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"))).astype(int)
    steps = offset.sum(axis=0)
    near = offset.max(axis=0) <= 1
    for number in range(4):
        regions[near & (steps == number)] = number + 1
    return Problem(
        density_g_cm3=np.full(shape, medium.nominal_density_g_cm3, np.float32),
        material=np.zeros(shape, np.uint8),
        materials=(medium,),
        voxel_size_mm=(voxel_mm,) * 3,
        source=activity,
        emission=_emission(source),
        regions=regions,
        region_names=("source_voxel", "face_neighbours", "edge_neighbours", "corner_neighbours"),
        notes=_notes(f"one active voxel of {voxel_mm:g} mm in {medium.name}"),
    )


def point_source(
    source: str | Emission, voxel_mm: float = 0.5, voxels: int = 41, medium: Material | None = None
) -> Problem:
    """As :func:`voxel_s` with voxels small against the range: radial doses around one of them."""
    return voxel_s(source, voxel_mm, voxels, medium)


def sphere_in_water(
    mass_g: float = 1.0,
    source: str | Emission = "I-131",
    voxel_mm: float | None = None,
    margin_mm: float = 20.0,
) -> Problem:
    """A uniformly active water sphere in water; a voxel's source is its volume fraction.

    The dose to the sphere is the mean over voxels weighted with those fractions, whose sum is in the
    notes; region 1 consists of the voxels wholly inside.
    """
    ball = sphere((0.0, 0.0, 0.0), mass_g / tissue.water().nominal_density_g_cm3)
    radius = ball.semi_axes_mm[0]
    step = voxel_mm or radius / 6.0
    half = math.ceil((radius + margin_mm) / step)
    shape, _ = _odd_cube(2 * half + 1)
    part = full_fraction(ball, _centred(shape, step), points=12)
    return Problem(
        density_g_cm3=np.full(shape, 1.0, np.float32),
        material=np.zeros(shape, np.uint8),
        materials=(tissue.water(),),
        voxel_size_mm=(step,) * 3,
        source=part.astype(np.float32),
        emission=_emission(source),
        regions=(part >= 1.0).astype(np.uint8),
        region_names=("wholly_inside",),
        notes=_notes(f"sphere of {mass_g:g} g in water", mass_g=mass_g, fraction_sum=float(part.sum())),
    )


def slabs(
    source: str | Emission = "I-131",
    voxel_mm: float = 3.0,
    voxels: tuple[int, int, int] = (24, 24, 30),
    densities_g_cm3: tuple[float, ...] = (0.26, 1.04, 1.6),
) -> Problem:
    """Lung, soft tissue and bone side by side along x, an active 1 cm sphere on each face between two."""
    nz, ny, nx = voxels
    edges = np.linspace(0, nx, len(densities_g_cm3) + 1).round().astype(int)
    density, material = np.zeros(voxels, np.float32), np.zeros(voxels, np.uint8)
    used = []
    for index, rho in enumerate(densities_g_cm3):
        used.append(tissue.materials()[int(tissue.material_index(_hu_of(rho))[0])])
        density[..., edges[index] : edges[index + 1]] = rho
        material[..., edges[index] : edges[index + 1]] = index
    grid = _centred(voxels, voxel_mm)
    regions, activity = np.zeros(voxels, np.uint8), np.zeros(voxels)
    for index, edge in enumerate(edges[1:-1], start=1):
        x = (edge - 0.5 - (nx - 1) / 2.0) * voxel_mm
        part = full_fraction(Ellipsoid((0.0, 0.0, x), (5.0, 5.0, 5.0)), grid)
        activity += part
        regions[part >= 0.5] = index
    return Problem(
        density_g_cm3=density,
        material=material,
        materials=tuple(used),
        voxel_size_mm=(voxel_mm,) * 3,
        source=activity.astype(np.float32),
        emission=_emission(source),
        regions=regions,
        region_names=tuple(f"interface_{i}" for i in range(1, len(edges) - 1)),
        notes=_notes("active spheres on the faces between lung, soft tissue and bone"),
    )


def fano(
    source: str | Emission = "I-131",
    voxel_mm: float = 2.0,
    voxels: int = 12,
    pattern: str = "checkerboard",
    densities_g_cm3: tuple[float, ...] = (0.26, 1.0, 1.85),
    medium: Material | None = None,
) -> Problem:
    """Fano cube: one composition, several densities, uniform emission per mass, no photons.

    Where every electron that could arrive also starts inside the geometry, the dose is the emitted energy
    per mass, whatever the densities (Fano, Radiat Res 1954;1:237). A layer of the highest density, as thick
    as the longest electron reaches, surrounds the tested cube; its own reference dose is NaN. Cross
    sections per mass are the same at all densities, the density effect being taken at the material's
    nominal density.

    Parameters
    ----------
    source
        Nuclide or emission; photon lines are left out.
    voxel_mm, voxels
        Voxel size, and voxels along each side of the tested cube.
    pattern
        ``"checkerboard"`` (densities alternate along all axes), ``"slabs"`` (along x, up to four voxels
        each) or ``"random"`` (from a fixed seed).
    densities_g_cm3, medium
        Densities, and the composition of all of them (water).
    """
    emission = _emission(source)
    emission = replace(emission, photon_lines=np.empty((0, 2)))
    layer = math.ceil(electron_reach_g_cm2(emission) * 10.0 / max(densities_g_cm3) / voxel_mm)
    n = voxels + 2 * layer
    index = np.stack(np.meshgrid(*[np.arange(n) - layer] * 3, indexing="ij"))
    inside = np.all((index >= 0) & (index < voxels), axis=0)
    if pattern == "checkerboard":
        which = index.sum(axis=0) % len(densities_g_cm3)
    elif pattern == "slabs":
        thick = max(1, min(4, voxels // len(densities_g_cm3)))
        which = index[2] // thick % len(densities_g_cm3)
    elif pattern == "random":
        which = np.random.Generator(np.random.Philox(11)).integers(0, len(densities_g_cm3), (n, n, n))
    else:
        raise InputError(
            f"unknown Fano pattern {pattern!r}",
            suggestion="use checkerboard, slabs or random",
            field="pattern",
        )
    density = np.where(inside, np.array(densities_g_cm3)[which], max(densities_g_cm3)).astype(np.float32)
    energy = energy_per_decay(emission)
    mass_kg = float(density.sum(dtype=np.float64)) * (voxel_mm * 0.1) ** 3 * 1e-3
    dose = energy.charged * JOULE_PER_MEV / mass_kg
    regions = np.where(inside, which + 1, 0).astype(np.uint8)
    reference = np.where(inside, dose, np.nan)
    return Problem(
        density_g_cm3=density,
        material=np.zeros(density.shape, np.uint8),
        materials=(medium or tissue.water(),),
        voxel_size_mm=(voxel_mm,) * 3,
        source=density.copy(),
        emission=emission,
        reference_dose=reference,
        reference_sigma=np.where(inside, 0.0, np.nan),
        physics={"photons": "off", "bremsstrahlung": "off"},
        regions=regions,
        region_names=tuple(f"{rho:g} g/cm3" for rho in densities_g_cm3),
        notes=_notes(f"Fano, {pattern}", exact="emitted energy per mass", layer_voxels=layer),
    )


def alphas(voxel_mm: float = 2.0, voxels: int = 5) -> Problem:
    """212Po-like alphas of 8.95 MeV in one voxel: all energy stays there, exactly."""
    base = voxel_s(Emission("alpha", alpha_lines=np.array([[8.95, 1.0]])), voxel_mm, voxels)
    dose = np.zeros(base.source.shape)
    dose[base.source > 0] = 8.95 * JOULE_PER_MEV / ((voxel_mm * 0.1) ** 3 * 1e-3)
    return replace(base, reference_dose=dose, reference_sigma=np.zeros_like(dose))


#: Every problem by name, with the arguments it is usually run with.
PROBLEMS: dict[str, Callable[..., Problem]] = {
    "voxel_s": voxel_s,
    "point_source": lambda source=None, **k: point_source(source or electrons(0.5), **k),
    "sphere": sphere_in_water,
    "slabs": slabs,
    "fano_checkerboard": lambda **k: fano(pattern="checkerboard", **k),
    "fano_slabs": lambda **k: fano(pattern="slabs", **k),
    "fano_random": lambda **k: fano(pattern="random", **k),
    "alphas": alphas,
}


def problem(name: str, **options: Any) -> Problem:
    """A problem of :data:`PROBLEMS` by name."""
    if name not in PROBLEMS:
        raise InputError(f"unknown problem {name!r}", suggestion="one of " + ", ".join(PROBLEMS), field="problem")
    return PROBLEMS[name](**options)


def _emission(source: str | Emission) -> Emission:
    return source if isinstance(source, Emission) else nuclide(source).emission


def _odd_cube(voxels: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    if voxels < 1 or voxels % 2 == 0:
        raise InputError(
            f"{voxels} voxels along a side have no middle one", suggestion="use an odd number", field="voxels"
        )
    return (voxels,) * 3, (voxels // 2,) * 3


def _centred(shape: tuple[int, int, int], step_mm: float) -> Grid:
    origin = tuple(-0.5 * step_mm * (n - 1) for n in shape)
    return Grid(shape, (step_mm, step_mm, step_mm), (origin[0], origin[1], origin[2]))


def _hu_of(density_g_cm3: float) -> np.ndarray:
    hu = np.arange(-1000.0, 1600.0)
    return hu[[np.argmin(np.abs(tissue.DEFAULT_CALIBRATION.density(hu) - density_g_cm3))]]


def _notes(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "surrounded_by": "vacuum", **more}
