"""The model of the speed stands on the real kernel: as many issue slots as the assembler makes instructions."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.tests.gates import needs
from hevesy.tools import cuda_offline
from hevesy.tools.ptx import counts, emulator, timing
from hevesy.tools.ptx.parse import parse

KERNEL = cuda_offline.KERNELS[0]


@pytest.fixture(scope="module", autouse=True)
def tools():
    needs.kernel_compiler()


def test_slots_are_the_instructions_of_the_assembler(tmp_path):
    slots = sum(price.slots for price in timing.costs(parse(cuda_offline.ptx((9, 0), KERNEL))))
    machine = cuda_offline.resources((9, 0), KERNEL, tmp_path).code_bytes // 16
    assert slots == pytest.approx(machine, rel=0.03)


def test_counting_changes_no_integer(tmp_path):
    needs.c_compiler()
    ptx, world = cuda_offline.ptx((9, 0), KERNEL), cuda_offline.world()
    run = counts.Run(warps=4, warm_up=1, counted=3)
    found, executions, lanes = counts.count(ptx, tmp_path, world, run)
    launch = (world, run.seed, 1, 0, 512, 512, 1, 128)
    plain = emulator.play(emulator.build(ptx, tmp_path), *launch)
    counted = emulator.play(emulator.build(ptx, tmp_path, statistics=True), *launch)
    assert np.array_equal(plain[0], counted[0])
    assert plain[1:] == counted[1:]
    # counting begins with the second decay of every lane and ends when the last one is assigned
    assert 300 < found.decays <= 384
    assert 0.05 < found.lanes < 0.6
    assert np.all(lanes <= 32 * executions)
    assert sum(found.units.values()) < found.slots < found.cycles
