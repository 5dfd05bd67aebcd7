"""The hashes of a result file follow its numbers, not its times, texts or the order in which it was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.tools.result_hash import main, result_hashes


def written(path: Path, quanta: list[int], dose: list[float], reverse: bool = False, created: str = "now") -> Path:
    """A small file with an integer, a floating-point and a text dataset."""
    parts = [("tally/energy_quanta", np.array(quanta, "<i8")), ("dose/mc/mean", np.array(dose, "<f8"))]
    with h5py.File(path, "w") as file:
        file.attrs["created"] = created
        file["case"] = f"text of {created}"
        for name, values in reversed(parts) if reverse else parts:
            file[name] = values
    return path


def test_the_hash_is_that_of_names_and_bytes_in_order_of_names(tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["b"] = np.array([3], "<u2")
        file["a"] = np.array([1, 2], "<i8")
    stream = b"a" + b"\1" + bytes(7) + b"\2" + bytes(7) + b"b" + b"\3\0"
    assert result_hashes(path) == (hashlib.sha256(stream).hexdigest(), hashlib.sha256().hexdigest())


def test_times_texts_and_order_of_writing_do_not_matter(tmp_path: Path) -> None:
    one = written(tmp_path / "1.h5", [1, 2], [0.5])
    two = written(tmp_path / "2.h5", [1, 2], [0.5], reverse=True, created="later")
    assert result_hashes(one) == result_hashes(two)


def test_a_changed_number_changes_its_own_hash_only(tmp_path: Path) -> None:
    base = result_hashes(written(tmp_path / "1.h5", [1, 2], [0.5]))
    quanta = result_hashes(written(tmp_path / "2.h5", [1, 3], [0.5]))
    dose = result_hashes(written(tmp_path / "3.h5", [1, 2], [np.nextafter(0.5, 1.0)]))
    assert quanta[0] != base[0] and quanta[1] == base[1]
    assert dose[0] == base[0] and dose[1] != base[1]


def test_the_command_prints_one_line_per_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [written(tmp_path / f"{n}.h5", [n], [0.5]) for n in (1, 2)]
    assert main([str(path) for path in files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{p} {result_hashes(p)[0][:16]} {result_hashes(p)[1][:16]}" for p in files]
