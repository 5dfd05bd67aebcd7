"""Kept physics tables: those that were built, to the bit; never others; and no start fails for them."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.transport.tables import build as physics_tables
from hevesy.engine.transport.tables import cache as table_cache
from hevesy.engine.transport.tables.layout import Needs, PhysicsTables
from hevesy.engine.transport.tables.lookup import tables_of
from hevesy.tests.verification.drivers import BONE, WATER

NEEDS = Needs(
    materials=(WATER, BONE), photon_cutoff_mev=0.01, electron_cutoff_mev=0.05, delta_ray_threshold_mev=0.05,
    photon_top_mev=0.6, electron_top_mev=0.61, positrons=True, bremsstrahlung=True, step_strength=0.2, absorption=True,
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def builds(monkeypatch) -> list[Needs]:
    """What was built, in order."""
    made: list[Needs] = []
    build = physics_tables.build
    monkeypatch.setattr(physics_tables, "build", lambda needs: made.append(needs) or build(needs))
    return made


def numbers(tables: PhysicsTables) -> dict[str, np.ndarray]:
    return dict(table_cache._pack(tables))


def assert_same(a: PhysicsTables, b: PhysicsTables) -> None:
    one, other = numbers(a), numbers(b)
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        assert np.array_equal(one[name], other[name]), name


def test_kept_tables_are_those_that_were_built(builds) -> None:
    built, kept = tables_of(NEEDS), tables_of(NEEDS)
    assert len(builds) == 1
    assert_same(built, kept)
    assert type(kept.photons.grid) is type(built.photons.grid)
    assert kept.absorption.size == 2 * kept.photons.grid.nodes


def test_everything_that_is_asked_for_is_part_of_the_name() -> None:
    changed = {
        "materials": (BONE, WATER), "photon_cutoff_mev": 0.011, "electron_cutoff_mev": 0.051,
        "delta_ray_threshold_mev": 0.06, "photon_top_mev": 0.7, "electron_top_mev": 0.7, "positrons": False,
        "bremsstrahlung": False, "step_strength": 0.19, "absorption": False,
    }  # fmt: skip
    assert changed.keys() == {field.name for field in fields(Needs)}
    paths = {table_cache.path(NEEDS)} | {table_cache.path(replace(NEEDS, **{k: v})) for k, v in changed.items()}
    heavier = replace(WATER, mean_excitation_ev=WATER.mean_excitation_ev + 1.0)
    paths.add(table_cache.path(replace(NEEDS, materials=(heavier, BONE))))
    assert len(paths) == len(changed) + 2


def archive(tables: PhysicsTables, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """What a program writes that takes the file for an archive of arrays."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **{name: change(array) for name, array in numbers(tables).items()})
    return out.getvalue()


def other_numbers(array: np.ndarray) -> np.ndarray:
    return array * 1.01 if array.dtype.kind == "f" else array


def no_numbers(array: np.ndarray) -> np.ndarray:
    return array * np.nan if array.dtype.kind == "f" else array


#: From the tables and the content of their file to another content.
HARMS = {
    "cut": lambda _, content: content[: len(content) // 2],
    "one bit": lambda _, content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "a bit of the digest": lambda _, content: content[:20] + bytes([content[20] ^ 1]) + content[21:],
    "empty": lambda *_: b"",
    "noise": lambda _, content: np.random.default_rng(1).bytes(len(content)),
    "another archive": lambda tables, _: archive(tables, lambda array: array),
    "other numbers": lambda tables, content: content[:47] + archive(tables, other_numbers),
    "no numbers": lambda tables, content: content[:47] + archive(tables, no_numbers),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_file_is_built_again_and_said_once(harm, builds, caplog) -> None:
    built = tables_of(NEEDS)
    file = table_cache.path(NEEDS)
    file.write_bytes(HARMS[harm](built, file.read_bytes()))
    with caplog.at_level(logging.WARNING):
        again = tables_of(NEEDS)
    assert len(builds) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"a file of the cache is damaged, and is made again: {file}"
    ]
    assert_same(built, again)
    assert_same(built, tables_of(NEEDS))
    assert len(builds) == 2


def test_a_file_of_other_needs_is_not_taken_for_these(cache, builds) -> None:
    other = replace(NEEDS, step_strength=0.19)
    built = tables_of(NEEDS)
    tables_of(other)
    table_cache.path(NEEDS).write_bytes(table_cache.path(other).read_bytes())
    assert_same(built, tables_of(NEEDS))
    assert len(builds) == 3


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, builds, caplog) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("HEVESY_CACHE", str(blocked))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HEVESY_TEMPORARY_CACHE", "")
    with caplog.at_level(logging.WARNING):
        assert_same(tables_of(NEEDS), tables_of(NEEDS))
    assert len(builds) == 1
    assert len(caplog.records) == 1 and "a temporary cache is used" in caplog.text


def an_hour_later(folder: Path) -> None:
    """Make all files older: two uses within a tick of the clock of files would have one time."""
    for file in folder.iterdir():
        used = file.stat()
        os.utime(file, ns=(used.st_atime_ns, used.st_mtime_ns - 3600 * 10**9))


def test_the_oldest_files_go(cache, monkeypatch) -> None:
    monkeypatch.setattr(table_cache, "LARGEST_NUMBER_OF_FILES", 2)
    few = replace(NEEDS, materials=(WATER,), positrons=False, absorption=False)
    steps = [0.2, 0.21, 0.22]
    for step in steps:
        for used in (step, steps[0]):  # the first is read again: young
            tables_of(replace(few, step_strength=used))
            an_hour_later(cache / "tables")
    kept = set((cache / "tables").iterdir())
    assert kept == {table_cache.path(replace(few, step_strength=step)) for step in (0.2, 0.22)}


def test_modules_behind_the_tables_are_part_of_the_name_and_a_warm_start_needs_no_scipy(cache) -> None:
    code = """
import sys, json
from hevesy.engine.transport.tables.lookup import tables_of
before = set(sys.modules)
import hevesy.engine.transport.tables.build
loaded = [sys.modules[name].__file__ for name in set(sys.modules) - before if name.startswith("hevesy.")]
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    hashed = {file.resolve() for pattern in table_cache.SOURCES for file in table_cache.ROOT.glob(pattern)}
    loaded = {table_cache.ROOT.__class__(name).resolve() for name in json.loads(done.stdout)}
    loaded -= {table_cache.ROOT.resolve() / "engine" / name for name in ("errors.py", "text.py")}  # words, no number
    assert len(loaded) > 4
    assert loaded <= hashed
    code = """
import sys
from hevesy.engine.transport.world import build_world
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.phantoms.problems import point_source
import numpy
problem = point_source("I-131", voxel_mm=3.0, voxels=3)
for name in [name for name in sys.modules if name.startswith("scipy")]:
    del sys.modules[name]
build_world(problem, PhysicsOptions())
print(any(name.startswith("scipy") for name in sys.modules))
"""
    said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [done.stdout.split() for done in said] == [["True"], ["False"]]
