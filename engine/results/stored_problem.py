"""The transport problem of a result file, group `/problem`: what a dose of another method is calculated from."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from ..transport.problem import Problem
from ..transport.problem_file import emission_from_json, emission_to_json, material_from_json
from .digest import VALUES, values_digest
from .provenance import problem_hash
from .stored import Stored

GROUP = "problem"


def write_problem(problem: Problem, file: h5py.File) -> None:
    """Write the source, the materials and the emission; density and voxel size are elsewhere in the file.

    Parameters
    ----------
    problem
        The problem.
    file
        An open result file.
    """
    group = file.create_group(GROUP)
    images: tuple[tuple[str, Any, Any, str, str], ...] = (
        ("source", problem.source, np.float32, "1", "decays in each voxel"),
        ("material", problem.material, np.uint8, "", "index into the attribute materials"),
    )
    for name, values, dtype, unit, description in images:
        data = np.asarray(values, dtype)
        dataset = group.create_dataset(
            name, data=data, compression="gzip", compression_opts=1, shuffle=True, fletcher32=True, chunks=True
        )
        dataset.attrs["unit"], dataset.attrs["description"] = unit, description
        dataset.attrs[VALUES] = values_digest(data)
    group.attrs["materials"] = json.dumps([vars(material) for material in problem.materials])
    group.attrs["emission"] = json.dumps(emission_to_json(problem.emission))
    group.attrs["physics"] = json.dumps(problem.physics)
    group.attrs["notes"] = json.dumps(problem.notes)


def read_problem(
    stored: Stored, density_g_cm3: np.ndarray, spacing_mm: tuple[float, float, float], input_hash: str
) -> Problem | None:
    """The problem of a result file, none in a file of a format before 1.2.

    Parameters
    ----------
    stored
        The open file.
    density_g_cm3, spacing_mm
        Its mass density [g/cm3] and voxel size [mm].
    input_hash
        What the file says is the hash of the problem.

    Raises
    ------
    InputError
        Parts that are not of a problem, or of another one than the hash says.
    """
    if not stored.has(GROUP):
        return None
    shape = density_g_cm3.shape
    path = stored.file.filename
    materials = stored.json(GROUP, "materials", list)
    problem = Problem(
        density_g_cm3=density_g_cm3,
        material=stored.numbers(f"{GROUP}/material", shape, "u"),
        materials=tuple(material_from_json(i, entry, path) for i, entry in enumerate(materials)),
        voxel_size_mm=spacing_mm,
        source=stored.numbers(f"{GROUP}/source", shape, "f"),
        emission=emission_from_json(stored.json(GROUP, "emission", dict), path),
        physics=stored.json(GROUP, "physics", dict),
        notes=stored.json(GROUP, "notes", dict),
    )
    if problem_hash(problem) != input_hash:
        raise InputError(
            "its transport problem is not the one that its doses are of",
            why="the SHA-256 of the problem differs from the attribute input_hash",
            suggestion="copy the result again from where it was made, or run again",
            file=path,
            field=GROUP,
        )
    return problem
