"""What sorting the particles of a block by stage could save: ``python -m hevesy.tools.ptx.compaction``.

The idea: the particles of a block lie in shared memory, and a warp picks 32 that wait for the same stage, so that every
stage begins with all lanes. From the counts of the kernel as it is follows what would remain, the divergence inside a
stage: of the lanes that enter one, a block of code is wanted by some, and is executed if one of them wants it. Moving
particles, barriers and queues are not counted, and functions that are called stay as they are
(docs/decisions/0011-gpu-speed.md).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hevesy.benchmarks import cases
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.world import build_world
from hevesy.tools import cuda_offline

from . import counts, flow
from .model import CC, NAMES
from .parse import parse
from .program import Program

#: mean number of lanes from which on a block counts as common to all of them
ALL_LANES = 31.0


class Saving(NamedTuple):
    """Issue slots of a decay in the main loop: now, and if every stage began with all lanes."""

    now: float
    full: float


def saving(program: Program, executions: np.ndarray, lanes: np.ndarray) -> Saving:
    """Slots of the main loop as it is, and with full stages.

    Parameters
    ----------
    program
        The kernel.
    executions, lanes
        How often a warp executes each block per decay, and for how many lanes in all, shape (blocks,).
    """
    slots, _ = counts.block_costs(program)
    found = flow.flow(program)
    immediate = flow.dominators(found.successors, 0)
    mean = np.divide(lanes, executions, out=np.zeros_like(lanes), where=executions > 0)
    now = full = 0.0
    for block in found.loop:
        if executions[block] == 0 or block not in immediate:
            continue
        cost = executions[block] * slots[block]
        stage = _stage(block, immediate, found.loop_head, mean)
        now += cost
        full += cost if stage is None else cost * _share(block, stage, executions, lanes)
    return Saving(now, full)


def _stage(block: int, immediate: dict[int, int], head: int, mean: np.ndarray) -> int | None:
    """The block that its stage begins with: the first below the head of the loop that not all lanes enter."""
    chain = [block]
    while chain[-1] != head and immediate[chain[-1]] != chain[-1]:
        chain.append(immediate[chain[-1]])
    if chain[-1] != head:
        return None
    return next((one for one in reversed(chain) if mean[one] < ALL_LANES), None)


def _share(block: int, stage: int, executions: np.ndarray, lanes: np.ndarray) -> float:
    """Executions of a block with full stages, as a share of those now.

    Stages are entered less often, by 32 lanes instead of ``entering``; in each entry the block is executed if at least
    one of them wants it.
    """
    entering = lanes[stage] / executions[stage]
    wanted = min(lanes[block] / lanes[stage], 1.0 - 1e-6)
    more = (1.0 - (1.0 - wanted) ** counts.LANES) / (1.0 - (1.0 - wanted) ** entering)
    return float(entering / counts.LANES * more)


def main(words: Sequence[str] | None = None) -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", default=",".join(NAMES))
    parser.add_argument("--counted", type=int, default=100, help="decays of a lane that are counted")
    given = parser.parse_args(words)
    ptx = cuda_offline.ptx(CC)
    with tempfile.TemporaryDirectory() as folder:
        for name in given.problems.split(","):
            problem = cases.load(name)
            assert problem is not None, name
            world = build_world(problem, PhysicsOptions.from_dict(problem.physics))
            counted, executions, lanes = counts.count(ptx, Path(folder), world, counts.Run(counted=given.counted))
            found = saving(parse(ptx), executions, lanes)
            sys.stdout.write(
                f"{name}: {counted.slots:.0f} slots a decay, {found.now:.0f} of them in the loop; with full stages "
                f"{found.full:.0f} there, {counted.slots / (counted.slots - found.now + found.full):.2f} times fewer\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
