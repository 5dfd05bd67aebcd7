"""The shipped table file: provenance, size, and that a rebuild from the packages gives the same numbers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.physics import data

TOOL = Path(__file__).resolve().parents[3] / "tools" / "build_tables.py"


def load_tool():
    """The build tool as a module, or a skip where its packages are not installed."""
    for package in ("xcom", "star", "xraylib"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (extra 'build'); the tables cannot be rebuilt here")
    spec = importlib.util.spec_from_file_location("build_tables", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_names_its_unit_source_version_and_licence():
    with h5py.File(data.tables_path()) as file:
        assert file.attrs["format"] == "hevesy-physics-tables"
        missing = []

        def look(name, item):
            if isinstance(item, h5py.Dataset):
                missing.extend(
                    f"{name}: {key}"
                    for key in ("unit", "description", "source", "version", "licence")
                    if not item.attrs.get(key)
                )

        file.visititems(look)
    assert missing == []


def test_the_file_is_small_and_holds_no_machine_paths():
    content = data.tables_path().read_bytes()
    assert len(content) < 5_000_000
    assert not re.search(rb"/(home|root|work|tmp|usr)/", content)


@pytest.mark.parametrize("part", ["photon_tables", "angular_tables", "relaxation_tables", "electron_tables"])
def test_a_rebuild_gives_the_same_numbers(part):
    tool = load_tool()
    assert tool.differences(getattr(tool, part)(), data.tables_path()) == []


def test_the_comparison_of_a_rebuild_sees_a_changed_number():
    tool = load_tool()
    tables = tool.electron_tables()
    values, attributes = tables["radiative/stopping"]
    changed = values.copy()
    changed[7, 3] *= 1.0 + 1e-9
    tables["radiative/stopping"] = (changed, attributes)
    assert tool.differences(tables, data.tables_path()) == ["radiative/stopping"]


def test_writing_twice_gives_the_same_bytes(tmp_path):
    tool = load_tool()
    tables = tool.relaxation_tables(20)
    for name in ("a.h5", "b.h5"):
        tool.write(tables, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_missing_or_foreign_file_is_one_clear_message(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "tables_path", lambda: tmp_path / "none.h5")
    with pytest.raises(InputError, match=r"none\.h5: the physics tables are missing"):
        data.tables()
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file.attrs["format"], file.attrs["format_version"] = "hevesy-physics-tables", 99
    monkeypatch.setattr(data, "tables_path", lambda: foreign)
    with pytest.raises(InputError, match="version 99"):
        data.tables()


def test_tables_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        data.tables()["photons/energy"][0] = 1.0


def test_shells_hold_all_electrons_of_every_element():
    t = data.tables()
    offset, electrons = t["shells/offset"], np.abs(t["shells/electrons"])
    counts = [electrons[a:b].sum() for a, b in zip(offset[:-1], offset[1:], strict=True)]
    np.testing.assert_array_equal(counts, np.arange(1, data.z_max() + 1))
