"""File systems without locks: HDF5 files are read and written there all the same.

A lock that somebody else holds stands in for such a file system: the HDF5 library asks for one, and is refused.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hevesy
import pytest
from hevesy.engine.own_files import kind_of
from hevesy.engine.physics import data
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.tests.unit.transport.test_problem import good
from hevesy.tools.result_hash import result_hashes

fcntl = pytest.importorskip("fcntl")
PACKAGE = Path(hevesy.__file__).parent


@contextmanager
def locked_by_another(path: Path) -> Iterator[None]:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@pytest.fixture(autouse=True)
def _no_word_of_the_environment(monkeypatch):
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)


def test_a_result_whose_lock_is_refused_is_known_and_read(tmp_path):
    path = simulate(good(), 200, backend="cpu").save(tmp_path / "r.h5")
    hashes = result_hashes(path)
    with locked_by_another(path):
        assert kind_of(path) == "result"
        assert Result.load(path).decays == 200
        assert result_hashes(path) == hashes


def test_physics_tables_whose_lock_is_refused_are_read(tmp_path):
    path = Path(shutil.copy(data.tables_path(), tmp_path / "physics.h5"))
    with locked_by_another(path):
        tables = data._load(path)
    assert tables.keys() == data.tables().keys()


def test_no_file_is_opened_with_the_locks_of_the_library():
    calls = [
        (path.relative_to(PACKAGE), call)
        for room in ("engine", "cli", "phantoms")
        for path in (PACKAGE / room).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "h5py.File"
    ]
    locking = [
        f"{path}:{call.lineno}"
        for path, call in calls
        # a file object is no file of the library's own, and is never locked
        if ast.unparse(call.args[0]) != "disk" and "locking=False" not in map(ast.unparse, call.keywords)
    ]
    assert len(calls) > 3
    assert locking == []
