"""Problem files (.npz): reading, checking and writing. Format: docs/formats/problem.md."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..nuclides.decay import nuclide
from ..nuclides.emission import Emission
from ..physics.material import Material
from ..text import counted
from .problem import Problem
from .problem_checks import check_problem

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
        raise InputError("no such file", file=path, suggestion="check the path")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with archive:
            content = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(
            "cannot be read as a problem file",
            why=str(error),
            suggestion="problem files are NumPy .npz archives without pickled objects",
            file=path,
        ) from error
    missing = [name for name in REQUIRED if name not in content]
    if missing:
        raise InputError(
            f"lacks {', '.join(missing)}",
            why="a problem file states its geometry, materials, source and emission in full",
            suggestion="see docs/formats/problem.md",
            file=path,
        )
    listed = _json(content, "materials", path)
    if not isinstance(listed, list):
        raise InputError("is not a list", file=path, field="materials", suggestion="see docs/formats/problem.md")
    materials = tuple(_material(i, entry, path) for i, entry in enumerate(listed))
    names = _json(content, "region_names", path) if "region_names" in content else []
    problem = Problem(
        density_g_cm3=np.asarray(content["density_g_cm3"], np.float32),
        material=np.asarray(content["material"]),
        materials=materials,
        voxel_size_mm=tuple(_numbers(content, "voxel_size_mm", path)),  # type: ignore[arg-type]
        source=np.asarray(content["source"]),
        emission=emission_from_json(_json(content, "emission", path), path),
        reference_dose=content.get("dose_gy_per_decay"),
        reference_sigma=content.get("sigma_gy_per_decay"),
        physics=dict(_json(content, "physics", path)) if "physics" in content else {},
        regions=content.get("regions"),
        region_names=tuple(str(n) for n in names),
        notes=dict(_json(content, "notes", path)) if "notes" in content else {},
    )
    check_problem(problem, path)
    return problem


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
    temporary = path.with_name(path.name + ".part.npz")
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)
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
            file=path,
            field="emission",
            suggestion='write {"nuclide": "I-131"} or list electron_lines, photon_lines and spectra',
        )
    explicit = {"electron_lines", "photon_lines", "alpha_lines", "beta_spectrum", "positron_spectrum"}
    if not explicit & set(content):
        if "nuclide" not in content:
            raise InputError(
                "names no nuclide and lists no emission",
                file=path,
                field="emission",
                suggestion='write {"nuclide": "I-131"} or list electron_lines, photon_lines and spectra',
            )

        try:
            return nuclide(content["nuclide"]).emission
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
                file=path,
                field=f"emission.{key}",
                suggestion='write {"MeV": [...], "per_MeV_per_decay": [...]}',
            ) from error
        if mev.shape != density.shape or (mev.size and (np.diff(mev) <= 0).any()):
            raise InputError(
                f"{counted(mev.size, 'energy')} and {counted(density.size, 'value')}, or energies that do not rise",
                why="a spectrum is a list of points joined by straight lines",
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
    except (TypeError, ValueError) as error:
        raise InputError(
            "is not a list of [MeV, number per decay]",
            file=path,
            field=f"emission.{key}",
            suggestion="write one pair for each line, such as [[0.3645, 0.812], [0.637, 0.0712]]",
        ) from error


def _material(index: int, entry: Any, path: Path) -> Material:
    try:
        return Material(
            name=str(entry.get("name", f"material {index}")),
            Z=tuple(int(z) for z in entry["Z"]),
            mass_fraction=tuple(float(f) for f in entry["mass_fraction"]),
            mean_excitation_ev=float(entry["mean_excitation_ev"]),
            nominal_density_g_cm3=float(entry["nominal_density_g_cm3"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"cannot be read: {error}"
        raise InputError(
            what,
            file=path,
            field=f"materials[{index}]",
            suggestion="a material has name, Z, mass_fraction, mean_excitation_ev and nominal_density_g_cm3",
        ) from error


def _numbers(content: dict[str, np.ndarray], key: str, path: Path) -> list[float]:
    try:
        return [float(v) for v in np.ravel(content[key])]
    except (TypeError, ValueError) as error:
        raise InputError(f"is not numeric: {error}", file=path, field=key) from error


def _check_emission(pairs: np.ndarray, key: str, path: object) -> None:
    if not np.isfinite(pairs).all() or (pairs < 0).any():
        raise InputError(
            "holds a negative or undefined number",
            file=path,
            field=f"emission.{key}",
            suggestion="energies are MeV and intensities numbers per decay, both zero or more",
        )


def _json(content: dict[str, np.ndarray], key: str, path: Path) -> Any:
    try:
        return json.loads(str(content[key]))
    except json.JSONDecodeError as error:
        raise InputError(f"is not valid JSON: {error}", file=path, field=key) from error
