"""What full stages would save, on counts that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.tests.unit.tools.small_ptx import kernel
from hevesy.tools.ptx import compaction
from hevesy.tools.ptx.counts import block_costs
from hevesy.tools.ptx.parse import parse

#: a loop whose head, block 1, all lanes pass; block 2 is a stage; block 3 is the end of the turn
LOOP = """
    mov.u32 %r1, %tid.x;
$head:
    add.s32 %r1, %r1, 1;
    setp.gt.s32 %p1, %r1, 40;
    @%p1 bra $meet;
    mul.lo.s32 %r2, %r1, 3;
    add.s32 %r1, %r1, %r2;
$meet:
    setp.lt.s32 %p2, %r1, 90;
    @%p2 bra $head;
"""


@pytest.mark.parametrize(("entering", "share"), [(32.0, 1.0), (16.0, 0.5), (8.0, 0.25)])
def test_a_stage_of_some_lanes_is_entered_less_often(entering, share):
    """Its first block is wanted by all that enter: as many executions as there are full warps in the lanes."""
    program = parse(kernel(LOOP))
    slots, _ = block_costs(program)
    names = [block.label for block in program.blocks]
    stage, meet = names.index("$head") + 1, names.index("$meet")
    executions = np.zeros(len(names))
    lanes = np.zeros(len(names))
    for block, mean in ((names.index("$head"), 32.0), (stage, entering), (meet, 32.0)):
        executions[block], lanes[block] = 2.0, 2.0 * mean
    found = compaction.saving(program, executions, lanes)
    usual = 2.0 * (slots[names.index("$head")] + slots[meet])
    assert found.now == pytest.approx(usual + 2.0 * slots[stage])
    assert found.full == pytest.approx(usual + share * 2.0 * slots[stage], rel=1e-5)


def test_a_rare_block_is_wanted_by_one_of_more_lanes():
    """One lane of four enters it: of 32 lanes at least one nearly always does, of 8 in nine of ten entries."""
    executions, lanes = np.array([1.0, 0.9]), np.array([8.0, 2.0])
    found = compaction._share(1, 0, executions, lanes)
    assert found == pytest.approx(8 / 32 * (1 - 0.75**32) / (1 - 0.75**8))
