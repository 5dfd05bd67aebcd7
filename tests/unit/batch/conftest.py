"""The small problem as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hevesy.tests.unit.batch.small_batch import small_problem


@pytest.fixture(scope="module")
def problem(tmp_path_factory) -> Path:
    return small_problem().save(tmp_path_factory.mktemp("problem") / "p.npz")
