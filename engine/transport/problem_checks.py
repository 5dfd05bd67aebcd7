"""Checks of a problem before any table is built, each with a message of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np

from ..errors import InputError
from ..nuclides.emission import Emission
from ..physics import stopping
from ..text import counted
from .options import PhysicsOptions
from .problem import Problem

#: in material thinner than this [g/cm3] (air, gas) the range at the cut-off may be longer than a voxel
THIN_G_CM3 = 0.2
#: Densest matter [g/cm3], and sides of voxels [mm]: cells to whole rooms.
MOST_G_CM3 = 25.0
LEAST_VOXEL_MM, MOST_VOXEL_MM = 1e-3, 1e3
#: Most decays of one voxel, in any scale: single precision ends at 3e38.
MOST_IN_A_VOXEL = 1e30
#: Materials and regions are told apart by one byte.
MOST_MATERIALS, MOST_REGIONS = 256, 255


def check_problem(problem: Problem, path: object = None) -> None:
    """Refuse values that no transport can use.

    Raises
    ------
    InputError
        With the array, the offending value and its unit.
    """

    def refuse(text: str, field: str, why: str = "", suggestion: str = "") -> NoReturn:
        raise InputError(
            text,
            why=why or "no transport can use it",
            suggestion=suggestion or "correct it; docs/formats/problem.md describes every array",
            file=path,
            field=field,
        )

    density, shape = np.asarray(problem.density_g_cm3), np.shape(problem.density_g_cm3)
    if density.ndim != 3 or 0 in shape:
        refuse(f"has shape {shape}", "density_g_cm3", "a problem is a box of voxels, (nz, ny, nx)")
    for name in ("material", "source", "regions", "reference_dose", "reference_sigma"):
        array = getattr(problem, name)
        if array is not None and np.shape(array) != shape:
            refuse(f"has shape {np.shape(array)}, density has {shape}", name, "all arrays share one grid")
    sizes = np.asarray(problem.voxel_size_mm)
    _check_labels(problem, refuse)
    if sizes.shape != (3,) or not np.isfinite(sizes).all() or (sizes <= 0).any():
        refuse(f"is {problem.voxel_size_mm} mm", "voxel_size_mm", "three positive lengths dz, dy, dx are needed")
    if sizes.min() < LEAST_VOXEL_MM or sizes.max() > MOST_VOXEL_MM:
        why = f"voxels of bodies and phantoms have {LEAST_VOXEL_MM:g} to {MOST_VOXEL_MM:g} mm"
        refuse(f"is {problem.voxel_size_mm} mm", "voxel_size_mm", why, "give dz, dy, dx in mm")
    if not np.isfinite(density).all():
        count = int(np.count_nonzero(~np.isfinite(density)))
        refuse(f"{counted(count, 'voxel', ('is', 'are'))} NaN or infinite", "density_g_cm3")
    if (density <= 0).any():
        count = int(np.count_nonzero(density <= 0))
        refuse(
            f"{counted(count, 'voxel', ('has', 'have'))} a density of 0 or less (lowest {density.min():g} g/cm3)",
            "density_g_cm3",
            "dose is energy per mass, and photon flights need matter to end in",
            "use air, 0.0012 g/cm3, for empty voxels",
        )
    if density.max() > MOST_G_CM3:
        why = f"nothing is denser than {MOST_G_CM3:g} g/cm3"
        refuse(f"reaches {density.max():g} g/cm3", "density_g_cm3", why, "give g/cm3, not kg/m3")
    _check_materials(problem, refuse)
    source = np.asarray(problem.source)
    if not np.isfinite(source).all() or (source < 0).any():
        refuse("holds a negative or undefined number of decays", "source", "decays are counted, zero or more")
    if source.max() > MOST_IN_A_VOXEL:
        refuse(f"holds {source.max():.3g} decays in one voxel", "source", "their sum would not be a number")
    if not (source > 0).any():
        refuse("is empty", "source", "no voxel has a positive number of decays, so there is nothing to transport")


def _check_materials(problem: Problem, refuse: Callable[..., NoReturn]) -> None:
    """Every voxel names a material, and every material is one."""
    material = np.asarray(problem.material)
    if not np.issubdtype(material.dtype, np.integer):
        refuse(f"has type {material.dtype}", "material", "it holds indices into `materials`, which are integers")
    if material.min() < 0 or material.max() >= len(problem.materials):
        worst = int(material.min() if material.min() < 0 else material.max())
        refuse(
            f"index {worst} with {counted(len(problem.materials), 'material')} listed",
            "material",
            "every voxel names one of `materials`, counted from 0",
        )
    for i, entry in enumerate(problem.materials):
        total = sum(entry.mass_fraction)
        if (
            len(entry.Z) != len(entry.mass_fraction)
            or not 0.98 < total < 1.02
            or min(entry.mass_fraction, default=-1.0) < 0
        ):
            refuse(
                f"{entry.name}: {counted(len(entry.Z), 'element')}, mass fractions sum to {total:g}",
                f"materials[{i}]",
                "mass fractions are positive, one per element, and sum to 1",
            )
        for value, what, unit in (
            (entry.mean_excitation_ev, "mean excitation energy", "eV"),
            (entry.nominal_density_g_cm3, "nominal density", "g/cm3"),
        ):
            if not (np.isfinite(value) and value > 0):
                refuse(f"{entry.name}: {what} {value:g} {unit}", f"materials[{i}]", "it must be positive")


def _check_labels(problem: Problem, refuse: Callable[..., NoReturn]) -> None:
    """Materials and regions are whole numbers that one byte holds."""
    if len(problem.materials) > MOST_MATERIALS:
        count = counted(len(problem.materials), "material")
        refuse(f"lists {count}", "materials", f"at most {MOST_MATERIALS} are told apart", "join similar materials")
    if len(problem.region_names) > MOST_REGIONS:
        count = counted(len(problem.region_names), "name")
        refuse(f"lists {count}", "region_names", f"at most {MOST_REGIONS} regions are told apart", "name fewer")
    if problem.regions is None:
        return
    regions = np.asarray(problem.regions)
    whole = regions.dtype.kind in "bui" or (
        regions.dtype.kind == "f" and np.all(np.isfinite(regions)) and np.all(regions == np.rint(regions))
    )
    if not whole or regions.min() < 0 or regions.max() > MOST_REGIONS:
        refuse(
            f"holds labels from {regions.min():g} to {regions.max():g}"
            if regions.dtype.kind in "buif"
            else "no numbers",
            "regions",
            f"0 is no region, and regions have whole numbers from 1 to {MOST_REGIONS}",
            "correct the labels",
        )


def check_cutoffs(problem: Problem, options: PhysicsOptions, path: object = None) -> None:
    """Refuse cut-offs that leave nothing to transport, or an electron that crosses voxels while it is "stopped".

    Raises
    ------
    InputError
        When no emitted particle lies above its cut-off, or when the range at the electron cut-off is longer than
        a voxel of tissue.
    """
    electron, photon = highest_energies(problem.emission)
    positrons = problem.emission.positron_mev.size > 1
    still = electron <= options.electron_cutoff_mev and photon <= options.photon_cutoff_mev
    if still and max(electron, photon) > 0 and not positrons and not len(problem.emission.alpha_lines):
        electrons_lead = electron >= photon
        energy, cutoff, name = (
            (electron, options.electron_cutoff_mev, "electron")
            if electrons_lead
            else (photon, options.photon_cutoff_mev, "photon")
        )
        raise InputError(
            f"{1e3 * cutoff:g} keV, but no {name} is emitted with more than {1e3 * energy:g} keV",
            why="every particle would be deposited where it is born, so there is nothing to transport",
            suggestion=f"choose a cut-off well below {1e3 * energy:g} keV",
            file=path,
            field=f"physics.{name}_cutoff_mev",
        )
    if max(electron, photon) <= options.electron_cutoff_mev and not positrons:
        return  # no electron is ever above the cut-off: its range at the cut-off does not matter

    smallest_cm = 0.1 * min(problem.voxel_size_mm)
    density, material = np.asarray(problem.density_g_cm3), np.asarray(problem.material)
    for index in np.unique(material):
        thick = density[(material == index) & (density >= THIN_G_CM3)]
        if thick.size == 0:
            continue
        entry = problem.materials[int(index)]
        reach = float(stopping.csda_range(entry, options.electron_cutoff_mev)) / float(thick.min())
        if reach > smallest_cm:
            raise InputError(
                f"{1e3 * options.electron_cutoff_mev:g} keV, where an electron still travels {10 * reach:.3g} mm "
                f"in {entry.name} of {thick.min():g} g/cm3; the smallest voxel side is {10 * smallest_cm:g} mm",
                why="electrons at the cut-off are deposited on the spot, which is right only well inside a voxel",
                suggestion="lower electron_cutoff_mev, or use larger voxels",
                file=path,
                field="physics.electron_cutoff_mev",
            )


def highest_energies(emission: Emission) -> tuple[float, float]:
    """Highest energy of an emitted electron (beta included) and of a photon [MeV]; 0 where there is none."""
    electrons = emission.electron_lines[emission.electron_lines[:, 1] > 0, 0]
    gammas = emission.photon_lines[emission.photon_lines[:, 1] > 0, 0]
    beta = emission.beta_mev[-1:] if emission.beta_mev.size > 1 else np.empty(0)
    return float(np.max([*electrons, *beta], initial=0.0)), float(np.max(gammas, initial=0.0))
