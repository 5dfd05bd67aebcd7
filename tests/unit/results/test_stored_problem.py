"""The transport problem inside a result file: the very one, or refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.physics.material import Material
from hevesy.engine.results.provenance import Provenance, problem_hash
from hevesy.engine.results.result import CASE, Result
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.results.older import without_digests

SHAPE = (5, 6, 7)
WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)
CARBON = Material("carbon", (6,), (1.0,), 81.0, 2.0)


def a_problem() -> Problem:
    rng = np.random.default_rng(1)
    return Problem(
        rng.uniform(0.2, 1.9, SHAPE).astype(np.float32),
        rng.integers(0, 2, SHAPE).astype(np.uint8),
        (WATER, CARBON),
        (4.0, 3.1, 2.0 / 3.0),
        rng.uniform(0.0, 1e9, SHAPE).astype(np.float32),
        nuclide("I-124").emission,  # lines, positrons, photons
        physics={"electron_cutoff_mev": 0.01},
        notes={"surrounded_by": "vacuum"},
    )


def saved(problem: Problem, path: Path) -> Path:
    grid = Grid(SHAPE, problem.voxel_size_mm)
    result = Result(CASE, grid, problem.density_g_cm3, problem=problem, provenance=Provenance.of(problem))
    return result.save(path / "result.h5")


def test_the_problem_comes_back_to_the_bit(tmp_path) -> None:
    problem = a_problem()
    read = Result.load(saved(problem, tmp_path)).problem
    assert read is not None
    assert problem_hash(read) == problem_hash(problem)
    assert read.notes == problem.notes
    assert [m.name for m in read.materials] == ["water", "carbon"]


@pytest.mark.parametrize("part", ["source", "material"])
def test_another_problem_is_refused(tmp_path, part: str) -> None:
    path = without_digests(saved(a_problem(), tmp_path))
    with h5py.File(path, "r+") as file:
        file[f"problem/{part}"][2, 2, 2] = 1 - min(file[f"problem/{part}"][2, 2, 2], 1)
    with pytest.raises(InputError, match="not the one that its doses are of"):
        Result.load(path)


def test_an_older_file_has_none(tmp_path) -> None:
    path = without_digests(saved(a_problem(), tmp_path))
    with h5py.File(path, "r+") as file:
        del file["problem"]
        file.attrs["format_version"] = "1.1"
    assert Result.load(path).problem is None
