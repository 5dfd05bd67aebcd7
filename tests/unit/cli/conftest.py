"""What tests of ``hevesy kernels`` share."""

from __future__ import annotations

import pytest
from hevesy.engine.dose.voxel_s import cache


@pytest.fixture
def kernels(command, monkeypatch, tmp_path):
    """Run ``hevesy kernels`` in this process, in a folder and with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache, "cache_root", lambda: tmp_path / "cache")
    return lambda *words: command("kernels", *words)
