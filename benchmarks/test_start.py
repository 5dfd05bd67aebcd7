"""Compile time, warm start and what they are made of."""

from __future__ import annotations

from hevesy.benchmarks import cases, fresh
from hevesy.phantoms.problems import voxel_s


def test_start_of_a_small_problem(quick, benchmark, keep) -> None:
    """One material: the start of the program itself, with and without compiled code in the cache."""
    found = benchmark.pedantic(fresh.start, args=(voxel_s("I-131", voxels=9),), rounds=1)
    keep("start", "one active voxel in water", found)


def test_start_of_the_patient(quick, benchmark, keep) -> None:
    """Sixteen materials and 614 400 voxels: tables count."""
    problem = cases.load(cases.MAIN)
    found = benchmark.pedantic(fresh.start, args=(problem, 1 if quick else 3), rounds=1)
    keep("start", cases.MAIN, found)
