"""The short form of the fault suite: kills, disks, damage and the rest through real commands (`make faults`)."""

from __future__ import annotations

import sys

import pytest
from hevesy.tools.faults import around, damage, disk, kills
from hevesy.tools.faults.ground import Ground
from hevesy.tools.faults.suite import Findings, Skipped, Suite, chosen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="made for Linux: mounts, limits, signals of groups")
MODULES = (around, damage, disk, kills)


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Suite:
    return Suite(Ground(tmp_path_factory.mktemp("faults")), short=True)


@pytest.mark.parametrize("name", [name for name, _ in chosen(short=True)])
def test_nothing_is_wrong_lost_or_untold(name: str, suite: Suite) -> None:
    found = Findings()
    try:
        dict(chosen())[name](suite, found)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert found.tried
    assert not found.wrong
    assert not found.lost
    assert not found.untold
