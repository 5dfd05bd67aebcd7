"""What a kernel's file says about the kernel besides its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError
from ...nuclides.emission import Emission
from ...nuclides.progeny import checked_progeny, decay_emission
from ...transport.problem_file import emission_from_json, emission_to_json, material_from_json
from ...version import __version__
from ..local import emitted_energy
from .kernel import VoxelKernel
from .plausible import least_in_source_mev, least_inside_mev, most_in_source_mev

FORMAT, FORMAT_VERSION = "hevesy-voxel-s-kernel", "1.0"
#: Most that a kernel may deposit of what is emitted; published tables have other nuclear data and rounded values.
MOST_DEPOSITED = 1.10
#: Units of tables in Gy per decay, the usual ones first, for the refusal of one that cannot be.
UNITS = {
    "mGy/(MBq s)": 1e-9, "Gy/(Bq s)": 1.0, "Gy/(MBq s)": 1e-6, "mGy/(Bq s)": 1e-3, "uGy/(MBq s)": 1e-12,
    "mGy/(MBq h)": 1e-9 / 3600.0,
}  # fmt: skip


def facts_of(kernel: VoxelKernel) -> dict[str, Any]:
    """Everything about a kernel but its arrays, as plain data."""
    medium = kernel.medium
    dz, dy, dx = kernel.voxel_size_mm
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "code_version": __version__,
        "nuclide": kernel.emission.nuclide,
        "progeny": kernel.progeny if isinstance(kernel.progeny, str) else list(kernel.progeny),
        "voxel_size_mm": {"z": dz, "y": dy, "x": dx},
        "medium": {
            "name": medium.name,
            "Z": list(medium.Z),
            "mass_fraction": list(medium.mass_fraction),
            "mean_excitation_ev": medium.mean_excitation_ev,
            "nominal_density_g_cm3": medium.nominal_density_g_cm3,
        },
        "density_g_cm3": kernel.density_g_cm3,
        "voxel_mass_g": kernel.voxel_mass_g,
        "emitted_mev": kernel.emitted_mev,
        "deposited_mev": float(kernel.energy_mev.sum()),
        "truncated_mev": kernel.truncated_mev,
        "truncated_share": kernel.truncated_share,
        "decays": kernel.decays,
        "seed": kernel.seed,
        "backend": kernel.backend,
        "averaged_from_mm": kernel.averaged_from_mm,
        "notes": list(kernel.notes),
        "emission": emission_to_json(kernel.emission),
    }


def kernel_of(
    energy_mev: np.ndarray, standard_error_mev: np.ndarray, facts: dict[str, Any], file: Any, *, check: bool = True
) -> VoxelKernel:
    """A kernel from its arrays and facts; without `check` the arrays only stand in for others.

    Raises
    ------
    InputError
        Another format or version; facts that are missing or cannot be.
    """
    if facts.get("format") != FORMAT or str(facts.get("format_version", "")).split(".")[0] != "1":
        raise InputError(
            f"is of format {facts.get('format')!r}, version {facts.get('format_version')!r}",
            why=f"kernels are read from {FORMAT!r}, version 1",
            suggestion="write it again with `hevesy kernels`",
            file=file,
        )
    try:
        size = facts["voxel_size_mm"]
        kernel = VoxelKernel(
            energy_mev=energy_mev,
            standard_error_mev=standard_error_mev,
            voxel_size_mm=(float(size["z"]), float(size["y"]), float(size["x"])),
            medium=material_from_json(0, facts["medium"], file),
            density_g_cm3=float(facts["density_g_cm3"]),
            emission=emission_from_json(facts["emission"], file),
            emitted_mev=float(facts["emitted_mev"]),
            decays=int(facts["decays"]),
            notes=tuple(str(note) for note in facts["notes"]),
            seed=int(facts["seed"]),
            backend=str(facts["backend"]),
            progeny=_progeny(facts["progeny"]),
            averaged_from_mm=None if facts["averaged_from_mm"] is None else float(facts["averaged_from_mm"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "lacks a fact of a kernel, or has one that cannot be",
            why=f"{type(error).__name__}: {error}",
            suggestion="write it again with `hevesy kernels`",
            file=file,
        ) from None
    return checked(kernel, file) if check else kernel


def _progeny(value: Any) -> Any:
    return value if value in ("none", "equilibrium") else tuple(str(name) for name in value)


def emission_named(nuclide: str, progeny: Any = None) -> tuple[Emission, Any]:
    """The emission of a nuclide and how its progeny are counted: as stated, or by its default."""
    treated = checked_progeny(nuclide, progeny)
    return decay_emission(nuclide, treated).emission, treated


def emitted_of(emission: Emission) -> float:
    """Energy that one decay emits [MeV], neutrinos apart."""
    return emitted_energy(emission).total


def checked(kernel: VoxelKernel, file: Any = None, unit_gy: float | None = None) -> VoxelKernel:
    """The kernel, after checks that catch a wrong unit, voxel, nuclide or place of the source.

    Parameters
    ----------
    kernel
        The kernel.
    file
        Its file, for messages.
    unit_gy
        Unit that its values were read in [Gy per decay]; None where that is not in doubt.

    Raises
    ------
    InputError
        Values that are negative or not finite, shapes that have no middle, sides, density or energy that cannot be, a
        source that is not in the middle; more energy than a decay emits, or another than its particles can leave in
        the source voxel and in the whole table (:mod:`.plausible`).
    """

    def refuse(problem: str, why: str, suggestion: str, field: str | None = None) -> InputError:
        return InputError(problem, why=why, suggestion=suggestion, file=file, field=field)

    energy, error = kernel.energy_mev, kernel.standard_error_mev
    if energy.ndim != 3 or any(n % 2 == 0 for n in energy.shape) or error.shape != energy.shape:
        raise refuse(
            f"has kernels of shape {energy.shape} and errors of {error.shape}",
            "a kernel has three odd numbers of voxels, with the source in the middle one",
            "give all neighbours of the source on both sides",
        )
    numbers = (*kernel.voxel_size_mm, kernel.density_g_cm3, kernel.emitted_mev)
    if not all(np.isfinite(value) and value > 0 for value in numbers):
        raise refuse(
            f"has voxels of {kernel.voxel_size_mm} mm, {kernel.density_g_cm3:g} g/cm3, {kernel.emitted_mev:g} MeV",
            "all of them must be positive",
            "check the voxel size, the density and the nuclide",
        )
    if not (np.isfinite(energy).all() and np.isfinite(error).all() and (energy >= 0).all() and (error >= 0).all()):
        raise refuse("has values that are negative or not finite", "energy is deposited or not", "correct the table")
    middle = tuple(n // 2 for n in energy.shape)
    if energy[middle] < energy.max() and not kernel.decays:  # in thin media, of which our transport has no bounds
        raise refuse(
            "has its largest value outside the middle",
            "the source voxel receives most of all voxels",
            "check the order of the columns, and where the source is",
        )
    wrong = _energy_that_cannot_be(kernel)
    if wrong:
        raise refuse(
            wrong,
            "probably the values are in another unit, or the voxel, the density or the nuclide is another one",
            _unit_advice(kernel, unit_gy),
            "unit",
        )
    return kernel


def _energy_that_cannot_be(kernel: VoxelKernel, factor: float = 1.0) -> str:
    """What is wrong with the energies of a kernel, all times a factor; empty where nothing is."""
    inside = factor * float(kernel.energy_mev.sum())
    source = factor * float(kernel.energy_mev[kernel.reach])
    name = kernel.emission.nuclide or "the nuclide"
    if inside > MOST_DEPOSITED * kernel.emitted_mev:
        return (
            f"deposits {inside / kernel.emitted_mev:.3g} times the {kernel.emitted_mev:.4g} MeV that a decay of {name} "
            "emits"
        )
    if kernel.decays:  # simulated
        return ""
    of = f"{name} in {kernel.medium.name} of {kernel.density_g_cm3:g} g/cm3"
    least, most = least_in_source_mev(kernel), most_in_source_mev(kernel)
    if source < least:
        return f"deposits {source:.3g} MeV per decay in the source voxel, where {of} leaves at least {least:.3g} MeV"
    if source > most:
        return f"deposits {source:.3g} MeV per decay in the source voxel, where {of} leaves at most {most:.3g} MeV"
    least = least_inside_mev(kernel)
    if inside < least:
        return f"deposits {inside:.3g} MeV per decay in all, where {of} leaves at least {least:.3g} MeV"
    return ""


def _unit_advice(kernel: VoxelKernel, unit_gy: float | None) -> str:
    """In which units the values of a table would be plausible."""
    read = 1e-9 if unit_gy is None else unit_gy
    fitting = [name for name, unit in UNITS.items() if not _energy_that_cannot_be(kernel, unit / read)]
    if not fitting:
        return 'state the unit, "mGy/(MBq s)" or "Gy/(Bq s)", and check voxel, density and nuclide'
    advice = "are they in " + " or ".join(fitting[:2]) + "? Then they can be right"
    if fitting[0].endswith("h)"):
        advice += "; divide them by 3600 and state mGy/(MBq s)"
    return advice + "; else check voxel, density and nuclide"
