"""Every schedule of the kernel gives the integers of the plain loop, for any launch shape; what its PTX votes with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hevesy.tests.gates import needs, on_simulator
from hevesy.tools import cuda_offline


@pytest.fixture(scope="module", autouse=True)
def tools():
    needs.kernel_compiler()


@pytest.fixture(scope="module")
def simulated():
    return on_simulator.output_of(Path(__file__).with_name("cuda_schedules_simulated.py"))


def test_schedules_differ_in_nothing_but_time(simulated):
    from hevesy.kernels.backends.cuda_target import SCHEDULES

    plain = simulated.pop("plain")
    assert plain["counters"]["decays"] == 12
    assert {name.split()[0] for name in simulated} == set(SCHEDULES)
    assert len(simulated) == 3 * len(SCHEDULES)
    assert [name for name, found in simulated.items() if found != plain] == []


def test_a_vote_names_the_lanes_that_a_last_warp_has():
    """In the PTX: the mask of every vote is computed from the size of the block, and all lanes that it names vote."""
    text = cuda_offline.ptx((9, 0), cuda_offline.Kernel())
    votes = [line.split() for line in text.splitlines() if "vote." in line]
    assert len(votes) == 4
    assert {vote[0] for vote in votes} == {"vote.sync.ballot.b32"}
    masks = {vote[-1].rstrip(";") for vote in votes}
    assert len(masks) == 1 and masks.pop().startswith("%"), "a constant mask would name lanes that do not exist"
    assert "vote." not in cuda_offline.ptx((9, 0), cuda_offline.Kernel(schedule="interleaved"))


def test_rows_of_the_slowing_down_table_are_read_by_fours():
    """Two nodes of it in the draw of a step: two loads of 16 bytes instead of eight of 4."""
    for kernel in (cuda_offline.Kernel(), cuda_offline.HISTORIES):
        assert cuda_offline.ptx((9, 0), kernel).count("ld.global.v4.f32") >= 2
