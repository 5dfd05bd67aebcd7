"""Files that describe an image: every trap ends as is right."""

import pytest
from hevesy.phantoms.traps.companions import TRAPS
from hevesy.tests.unit.traps.driver import judge


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_trap(trap, tmp_path, monkeypatch, capsys):
    judge(trap, tmp_path, monkeypatch, capsys)
