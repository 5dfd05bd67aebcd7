"""Half-lives and branches read from the file are those that the package tells."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hevesy.engine.nuclides import decay_data
from hevesy.engine.nuclides.names import known_names


def test_every_nuclide_is_as_the_package_says():
    names = sorted(known_names())
    assert len(names) > 1200
    read = {name: decay_data.decay(name) for name in names}
    for name in names:
        asked = decay_data._ask_package(name)
        assert read[name].half_life_s == pytest.approx(asked.half_life_s, rel=1e-12), name
        assert read[name].branches == asked.branches, name


def test_stable_progeny_live_for_ever():
    assert decay_data.decay("Xe-131").half_life_s == float("inf")


@pytest.mark.parametrize("known", [True, False])
def test_unknown_nuclides_have_no_decay(known, monkeypatch):
    if not known:
        monkeypatch.setattr(decay_data, "_table", lambda: None)
    with pytest.raises(KeyError):
        decay_data.decay("Xx-1")


def test_another_file_means_the_package_is_asked(monkeypatch):
    usual = decay_data.decay("I-131")
    decay_data._table.cache_clear()
    monkeypatch.setattr(decay_data, "FILE", "not/there.npz")
    try:
        assert decay_data._table() is None
        assert decay_data.decay("I-131") == usual
    finally:
        decay_data._table.cache_clear()


def test_looking_up_a_nuclide_imports_no_heavy_library():
    code = (
        "import sys; from hevesy.engine.nuclides.decay import nuclide; nuclide('I-131');"
        "print([m for m in ('radioactivedecay', 'pandas', 'sympy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
