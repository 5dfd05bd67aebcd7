"""Slices of a series: positions, copies, padding: every trap ends as is right."""

import pytest
from hevesy.phantoms.traps.series import TRAPS
from hevesy.tests.unit.traps.driver import judge


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_trap(trap, tmp_path, monkeypatch, capsys):
    judge(trap, tmp_path, monkeypatch, capsys)
