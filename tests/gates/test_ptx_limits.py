"""What the kernel does at its limits, executed: a stack that is full, photons and rejection loops that come to a cap.

The stack holds one particle and the caps are a few (``tools/ptx/limits.py``); the histories are those of the neutral
source as plain Python with the same limits. Beside it, the share of the code that the gates execute at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems
from hevesy.engine.nuclides.emission import Emission
from hevesy.tests.gates import needs
from hevesy.tools import cuda_offline
from hevesy.tools.ptx import limits, transport
from hevesy.tools.ptx.parse import parse

SEED = 12345
#: batches by the kernel with each physics, and those of them that plain Python repeats
BATCHES, AGAIN, DECAYS = 200, 3, 16
PHYSICS = (
    {}, {"photons": False}, {"bremsstrahlung": False}, {"range_rejection": False},
    {"electron_cutoff_mev": 0.1}, {"photon_cutoff_mev": 0.05},
)  # fmt: skip
LIMITED = (
    "stack_overflows", "capped_rayleigh", "capped_moller", "capped_annihilation", "capped_flights", "capped_sauter",
)  # fmt: skip
#: Share of the blocks of instructions that is executed, and of the atomic additions of the kernel with limits: 373 of
#: 442 and 33 of 44, and 375 of 465 of the usual kernel. What the kernel with limits does not execute is
#: - code that no input reaches: what the compiler made of a search for tables of two nodes, and of the last one to
#:   three of a number of counters that is a multiple of four;
#: - steps of unrolled searches in lists that are shorter here;
#: - deposits where two rare things meet, as a photon of pair production that is not followed while the stack is full.
#: The usual kernel does not execute what happens at its limits either.
BLOCKS, ATOMICS, USUAL_BLOCKS = 0.84, 0.75, 0.80


@pytest.fixture(scope="module", autouse=True)
def tools():
    needs.kernel_compiler()
    needs.c_compiler()


def problem(physics):
    """Lines of low energy for the photoelectric effect and Rayleigh scattering, of high energy for pairs."""
    spectrum = np.array([0.0, 0.3, 0.8])
    emission = Emission(
        electron_lines=np.array([[0.15, 0.4], [2.5, 0.5]]),
        photon_lines=np.array([[0.006, 0.5], [0.03, 1.0], [0.08, 0.8], [0.364, 0.8], [6.0, 0.7]]),
        beta_mev=spectrum,
        beta_per_mev=np.array([0.6, 1.2, 0.0]),
        positron_mev=spectrum,
        positron_per_mev=np.array([0.0, 0.9, 0.0]),
        alpha_lines=np.array([[0.02, 1.0]]),
    )
    return replace(gpu_problems.mixed_emission(), emission=emission, physics=physics)


@pytest.fixture(scope="module")
def worlds():
    made = [gpu_problems.world(problem(physics)) for physics in PHYSICS]
    heterogeneous = transport.prepared("i131_heterogeneous_3mm")
    if heterogeneous is None:
        pytest.skip("no file of i131_heterogeneous_3mm; set HEVESY_SHARED to the folder that holds reference/")
    return [*made, heterogeneous]


@pytest.fixture(scope="module")
def outcomes(worlds):
    limits.library()[0].forget()
    return [[limits.run(world, SEED, batch, DECAYS) for batch in range(BATCHES)] for world in worlds]


def executed(code, ptx, family=None):
    """Share of the blocks of a kernel that were executed, or of its instructions of a family."""
    found = [pair for pair in zip(parse(ptx).blocks, code.executed(), strict=True) if pair[0].instructions]
    counts = [(sum(i.family == family for i in block.instructions) if family else 1, there) for block, there in found]
    return sum(n for n, there in counts if there) / sum(n for n, _ in counts)


def test_no_energy_is_lost_at_the_limits(outcomes):
    for outcome in (outcome for world in outcomes for outcome in world):
        assert outcome.imbalance() == (0, 0)
        assert outcome.nan == 0


def test_every_limit_is_reached(outcomes):
    reached = Counter()
    for outcome in (outcome for world in outcomes for outcome in world):
        reached.update({name: outcome.counters[name] for name in LIMITED})
    assert all(reached[name] > 0 for name in LIMITED), reached
    assert reached["stack_overflows"] > 10_000
    assert min(reached["capped_moller"], reached["capped_flights"]) > 1000


def test_the_same_happens_as_in_plain_python(worlds, outcomes):
    """Two of 21 batches may part by rounding (`transport.PARTINGS`: one of 500 does)."""
    parted = []
    for i, world in enumerate(worlds):
        for batch in range(AGAIN):
            reference = limits.as_python(world, SEED, batch, DECAYS)
            if transport.parted(outcomes[i][batch], reference):
                parted.append((i, batch, outcomes[i][batch].events, reference.events))
    assert len(parted) <= 2, parted


def test_most_of_the_code_is_executed(worlds, outcomes):
    code, ptx = limits.library()
    assert executed(code, ptx) >= BLOCKS
    assert executed(code, ptx, "atom") >= ATOMICS
    kernel = transport.KERNELS[0]
    usual = transport.library(kernel, (9, 0))
    usual.forget()
    for world in worlds:
        for batch in range(BATCHES):
            transport.run(kernel, world, SEED, batch, DECAYS, (1, 64, 0))
    assert executed(usual, cuda_offline.ptx((9, 0), kernel)) >= USUAL_BLOCKS
    usual.forget()
    assert executed(usual, cuda_offline.ptx((9, 0), kernel)) == 0


@pytest.mark.parametrize("other", [limits.Limits(2, 3, 2), limits.Limits(1, 4, 2), limits.Limits(1, 3, 3)], ids=str)
def test_another_limit_is_seen(worlds, outcomes, other):
    """Each of them changes what happens in more batches than rounding may."""
    assert (
        sum(transport.parted(outcomes[0][b], limits.as_python(worlds[0], SEED, b, DECAYS, other)) for b in range(5)) > 2
    )
