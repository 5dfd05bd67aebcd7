"""A machine whose processes cannot share locks, as a container whose /dev/shm cannot be written to."""

from __future__ import annotations

import multiprocessing

import pytest
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.status import read_status
from hevesy.engine.errors import InputError
from hevesy.tests.unit.batch.small_batch import planned

pytest.importorskip("distributed", reason="needs the extra dask")


def test_a_machine_without_locks_is_one_message(problem, tmp_path, monkeypatch):
    _, folders = planned(problem, tmp_path / "out", 1, 2000)

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "Lock", refuse, raising=False)
    with pytest.raises(InputError, match="Dask cannot start workers on this machine") as caught:
        executor_of("dask", workers=1).run(tmp_path / "out", folders)
    assert "Read-only file system" in caught.value.why and "--executor processes" in caught.value.suggestion
    assert read_status(folders[0]).state == "waiting"
