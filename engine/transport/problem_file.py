"""Problem files (.npz): reading, checking and writing. Format: docs/formats/problem.md."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import Archive
from ..errors import InputError
from ..files import parse_json, written_whole
from ..nuclides.decay import nuclide
from ..nuclides.emission import Emission
from ..physics.material import Material
from ..text import counted, shortened, shown_name
from .problem import Problem
from .problem_checks import check_problem

#: Arrays on the grid, besides the density.
GRIDS = ("material", "source", "regions", "dose_gy_per_decay", "sigma_gy_per_decay")
#: Most voxels of a problem: a body at 0.5 mm has as many.
MOST_VOXELS = 1 << 30
#: Highest atomic number of the data tables.
HEAVIEST_ELEMENT = 86
REQUIRED = ("density_g_cm3", "material", "materials", "voxel_size_mm", "source", "emission")


def load_problem(path: str | Path) -> Problem:
    """Read and check a problem file.

    Raises
    ------
    InputError
        When the file is missing, damaged, lacks a key or holds values that cannot be simulated.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", why="there is no problem to read", file=path, suggestion="check the path")
    archive = Archive(path, "a problem file")
    content = archive.entries
    missing = [name for name in REQUIRED if name not in content]
    if missing:
        raise InputError(
            f"lacks {', '.join(missing)}",
            why="a problem file states its geometry, materials, source and emission in full",
            suggestion="see docs/formats/problem.md",
            file=path,
        )
    _check_sizes(archive)
    listed = _list(archive, "materials")
    problem = Problem(
        density_g_cm3=np.asarray(archive.numbers("density_g_cm3"), np.float32),
        material=archive.numbers("material"),
        materials=tuple(material_from_json(i, entry, path) for i, entry in enumerate(listed)),
        voxel_size_mm=tuple(float(v) for v in np.ravel(archive.numbers("voxel_size_mm"))),  # type: ignore[arg-type]
        source=archive.numbers("source"),
        emission=emission_from_json(_json(archive, "emission"), path),
        reference_dose=archive.numbers("dose_gy_per_decay") if "dose_gy_per_decay" in content else None,
        reference_sigma=archive.numbers("sigma_gy_per_decay") if "sigma_gy_per_decay" in content else None,
        physics=_object(archive, "physics"),
        regions=archive.numbers("regions") if "regions" in content else None,
        region_names=_names(archive),
        notes=_object(archive, "notes"),
    )
    check_problem(problem, path)
    return problem


def _check_sizes(archive: Archive) -> None:
    """Refuse arrays that differ from the grid, or that no memory holds, before one is unpacked."""
    grids = ("density_g_cm3", *(name for name in GRIDS if name in archive.entries))
    shape = archive.declared("density_g_cm3").shape
    for name in grids:
        own = archive.declared(name).shape
        if own != shape:
            raise InputError(
                f"has shape {own}, density has {shape}",
                why="all arrays share one grid",
                suggestion="write arrays of one shape, (nz, ny, nx)",
                file=archive.path,
                field=name,
            )
    if len(shape) != 3 or 0 in shape or math.prod(shape) > MOST_VOXELS:
        raise InputError(
            f"has shape {shape}",
            why=f"a problem is a box of voxels, (nz, ny, nx), of which there are at most {MOST_VOXELS:.3g}",
            suggestion="write fewer or larger voxels",
            file=archive.path,
            field="density_g_cm3",
        )
    if archive.declared("voxel_size_mm").shape != (3,):
        raise InputError(
            f"has shape {archive.declared('voxel_size_mm').shape}",
            why="three positive lengths dz, dy, dx are needed",
            suggestion="write (dz, dy, dx) in mm",
            file=archive.path,
            field="voxel_size_mm",
        )
    archive.check_memory(grids)


def _names(archive: Archive) -> tuple[str, ...]:
    """Names of the regions, each printable."""
    names = _list(archive, "region_names") if "region_names" in archive.entries else []
    for name in names:
        if not isinstance(name, str):
            raise InputError(
                f"holds {shortened(name, 40)!r}, not a name",
                why="region i has the name at index i - 1",
                suggestion='write a JSON list of names, such as ["tumour", "liver"]',
                file=archive.path,
                field="region_names",
            )
    return tuple(shown_name(name) for name in names)


def save_problem(problem: Problem, path: str | Path) -> Path:
    """Write a problem file (compressed); returns its path."""
    path = Path(path)
    arrays: dict[str, Any] = {
        "density_g_cm3": np.asarray(problem.density_g_cm3, np.float32),
        "material": np.asarray(problem.material, np.uint8),
        "materials": json.dumps([vars(m) for m in problem.materials]),
        "voxel_size_mm": np.asarray(problem.voxel_size_mm, float),
        "source": np.asarray(problem.source, np.float32),
        "emission": json.dumps(emission_to_json(problem.emission)),
        "notes": json.dumps(problem.notes),
    }
    if problem.physics:
        arrays["physics"] = json.dumps(problem.physics)
    if problem.reference_dose is not None:
        arrays["dose_gy_per_decay"] = np.asarray(problem.reference_dose, float)
    if problem.reference_sigma is not None:
        arrays["sigma_gy_per_decay"] = np.asarray(problem.reference_sigma, float)
    if problem.regions is not None:
        arrays["regions"] = np.asarray(problem.regions, np.uint8)
        arrays["region_names"] = json.dumps(list(problem.region_names))
    with written_whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def emission_to_json(emission: Emission) -> dict[str, Any]:
    """The ``emission`` object of a problem file, always explicit."""
    out: dict[str, Any] = {"nuclide": emission.nuclide}
    for key in ("electron_lines", "photon_lines", "alpha_lines"):
        out[key] = np.asarray(getattr(emission, key), float).reshape(-1, 2).tolist()
    for key, mev, density in (
        ("beta_spectrum", emission.beta_mev, emission.beta_per_mev),
        ("positron_spectrum", emission.positron_mev, emission.positron_per_mev),
    ):
        if len(mev):
            out[key] = {"MeV": np.asarray(mev).tolist(), "per_MeV_per_decay": np.asarray(density).tolist()}
    return out


def emission_from_json(content: dict[str, Any], path: object = None) -> Emission:
    """An emission from its JSON object: explicit lines and spectra, or only the name of a nuclide."""
    if not isinstance(content, dict):
        raise InputError(
            "is not an object with a nuclide, lines or spectra",
            why="it says what one decay emits",
            file=path,
            field="emission",
            suggestion='write {"nuclide": "I-131"} or list electron_lines, photon_lines and spectra',
        )
    explicit = {"electron_lines", "photon_lines", "alpha_lines", "beta_spectrum", "positron_spectrum"}
    if not explicit & set(content):
        if "nuclide" not in content:
            raise InputError(
                "names no nuclide and lists no emission",
                why="it says what one decay emits",
                file=path,
                field="emission",
                suggestion='write {"nuclide": "I-131"} or list electron_lines, photon_lines and spectra',
            )

        try:
            return nuclide(str(content["nuclide"])).emission
        except InputError as error:
            raise InputError(
                error.problem, why=error.why, suggestion=error.suggestion, file=path, field="emission.nuclide"
            ) from error
    fields: dict[str, Any] = {"nuclide": str(content.get("nuclide", ""))}
    for key in ("electron_lines", "photon_lines", "alpha_lines"):
        lines = _pairs(content.get(key), key, path)
        _check_emission(lines, key, path)
        fields[key] = lines
    for key, name in (("beta_spectrum", "beta"), ("positron_spectrum", "positron")):
        spectrum = content.get(key) or {}
        try:
            mev = np.asarray(spectrum.get("MeV", []), float)
            density = np.asarray(spectrum.get("per_MeV_per_decay", []), float)
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(
                "is not a spectrum",
                why="a spectrum is a list of points joined by straight lines",
                file=path,
                field=f"emission.{key}",
                suggestion='write {"MeV": [...], "per_MeV_per_decay": [...]}',
            ) from error
        if mev.ndim != 1 or mev.shape != density.shape or (mev.size and (np.diff(mev) <= 0).any()):
            raise InputError(
                f"{counted(mev.size, 'energy')} and {counted(density.size, 'value')}, or energies that do not rise",
                why="a spectrum is a list of points joined by straight lines",
                suggestion='write {"MeV": [...], "per_MeV_per_decay": [...]}, energies ascending',
                file=path,
                field=f"emission.{key}",
            )
        _check_emission(np.column_stack([mev, density]), key, path)
        fields[f"{name}_mev"], fields[f"{name}_per_mev"] = mev, density
    return Emission(**fields)


def _pairs(pairs: Any, key: str, path: object) -> np.ndarray:
    try:
        pairs = np.asarray([] if pairs is None else pairs, float)
        return pairs.reshape(0, 2) if pairs.size == 0 else pairs.reshape(len(pairs), 2)
    except (OverflowError, TypeError, ValueError) as error:
        raise InputError(
            "is not a list of [MeV, number per decay]",
            why="each line has an energy and a number",
            file=path,
            field=f"emission.{key}",
            suggestion="write one pair for each line, such as [[0.3645, 0.812], [0.637, 0.0712]]",
        ) from error


def _whole(value: Any) -> int:
    """An atomic number; ValueError where it is none."""
    if isinstance(value, bool) or int(value) != value or not 1 <= value <= HEAVIEST_ELEMENT:
        raise ValueError(f"Z = {value!r}")
    return int(value)


def material_from_json(index: int, entry: Any, path: object = None) -> Material:
    """The material at ``index`` of a list, from its JSON object."""
    try:
        return Material(
            name=str(entry.get("name", f"material {index}")),
            Z=tuple(_whole(z) for z in entry["Z"]),
            mass_fraction=tuple(float(f) for f in entry["mass_fraction"]),
            mean_excitation_ev=float(entry["mean_excitation_ev"]),
            nominal_density_g_cm3=float(entry["nominal_density_g_cm3"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else "cannot be read"
        raise InputError(
            what,
            why="all of its values are needed, Z in whole numbers",
            file=path,
            field=f"materials[{index}]",
            suggestion="a material has name, Z, mass_fraction, mean_excitation_ev and nominal_density_g_cm3",
        ) from error


#: Highest energy of an emission [MeV]: a particle is counted in 32-bit quanta, up to 32 MeV, and no nuclide emits one
#: of more than 20 MeV but in fission.
MOST_MEV = 20.0
#: Most particles of one line in a decay: the whole of an Auger cascade has some ten.
MOST_PER_DECAY = 1000.0


def _check_emission(pairs: np.ndarray, key: str, path: object) -> None:
    if not np.isfinite(pairs).all() or (pairs < 0).any():
        raise InputError(
            "holds a negative or undefined number",
            file=path,
            field=f"emission.{key}",
            why="energies and intensities are zero or more",
            suggestion="energies are MeV and intensities numbers per decay, both zero or more",
        )
    energies = pairs[:, 0]
    if energies.max(initial=0.0) > MOST_MEV:
        raise InputError(
            f"holds an energy of {energies.max():g} MeV",
            why=f"no radionuclide emits more than {MOST_MEV:g} MeV, and particles are counted up to 32 MeV",
            suggestion="give energies in MeV, not keV or eV",
            file=path,
            field=f"emission.{key}",
        )
    number = np.trapezoid(pairs[:, 1], energies) if key.endswith("spectrum") else pairs[:, 1].max(initial=0.0)
    if number > MOST_PER_DECAY:
        raise InputError(
            f"holds {number:g} particles per decay",
            why=f"a decay emits fewer than {MOST_PER_DECAY:g} of a kind",
            suggestion="give numbers per decay, not per cent or per second",
            file=path,
            field=f"emission.{key}",
        )


def _json(archive: Archive, key: str) -> Any:
    try:
        return parse_json(archive.text(key))
    except ValueError as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(
            "is not valid JSON", why=why, suggestion="see docs/formats/problem.md", file=archive.path, field=key
        ) from error


def _list(archive: Archive, key: str) -> list[Any]:
    """A JSON list of the file."""
    value = _json(archive, key)
    if not isinstance(value, list):
        raise InputError(
            "is not a list",
            why=f"it is {type(value).__name__}, and '{key}' lists one entry after the other",
            suggestion="see docs/formats/problem.md",
            file=archive.path,
            field=key,
        )
    return value


def _object(archive: Archive, key: str) -> dict[str, Any]:
    """A JSON object of the file; empty where the file has none."""
    value = _json(archive, key) if key in archive.entries else {}
    if not isinstance(value, dict):
        raise InputError(
            f"must be a JSON object, not {type(value).__name__}",
            why="it names values by keys",
            suggestion='write for example {"photons": "off"}' if key == "physics" else "write {}",
            file=archive.path,
            field=key,
        )
    return value
