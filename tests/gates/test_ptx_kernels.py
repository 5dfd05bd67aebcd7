"""The PTX that a GPU would run, executed: exact balances, the same integers however it is launched, the CPU's events.

Every access is checked for its buffer, its alignment and its right to write, every vote and barrier for the lanes that
come to it (``tools/ptx``); what was not written holds poison.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems
from hevesy.tests.conftest import SUITE_ALPHA
from hevesy.tests.gates import needs
from hevesy.tools import cuda_offline
from hevesy.tools.ptx import emulator, transport

SEED = (7 << 32) + 5
#: grids of these are small, so that many batches can be compared
PROBLEMS = tuple(transport.PARTINGS)
DECAYS = 400
BATCHES, BATCH_DECAYS = 600, transport.BATCH_DECAYS
#: share of the suite's error budget of one comparison with the CPU: 5 problems, 3 schedules, another architecture, and
#: errors or none
ALPHA = SUITE_ALPHA / 100
OLDER = (7, 5)


@pytest.fixture(scope="module", autouse=True)
def tools():
    needs.kernel_compiler()
    needs.c_compiler()


@pytest.fixture(scope="module", params=PROBLEMS)
def problem(request):
    return request.param


@pytest.fixture(scope="module")
def world(problem):
    found = transport.prepared(problem)
    if found is None:
        pytest.skip(f"no file of {problem}; set HEVESY_SHARED to the folder that holds reference/")
    return found


@pytest.fixture(scope="module")
def usual(world):
    return transport.run(transport.kernels_of(world)[0], world, SEED, 3, DECAYS)


@pytest.fixture(scope="module")
def batches(world):
    return list(transport.on_cpu(world, SEED, BATCHES, BATCH_DECAYS))


def check(outcome):
    """No energy is lost or made, nothing was not a number, no history was cut short."""
    assert outcome.imbalance() == (0, 0)
    assert outcome.nan == 0
    assert outcome.counters["stack_overflows"] == outcome.counters["capped_flights"] == 0


def test_every_kernel_that_an_engine_launches_is_run():
    assert set(cuda_offline.KERNELS) <= set(transport.KERNELS)
    assert len(set(transport.KERNELS)) == 4 * len(transport.SCHEDULES)


def test_energy_balances_exactly(usual):
    check(usual)
    assert usual.counters["decays"] == DECAYS
    assert usual.counters["electron_steps"] > 1000
    assert usual.counters["photon_flights"] > 500
    assert usual.tally.sum() > 0


def test_any_kernel_and_any_launch_gives_the_same_integers(world, usual):
    """Schedules, windows of the tally, shapes of the launch, orders of the warps, what unwritten memory held."""
    for kernel in transport.kernels_of(world):
        for i, launch in enumerate(transport.LAUNCHES):
            outcome = transport.run(kernel, world, SEED, 3, DECAYS, launch, poison=(0xAA, 0x55)[i % 2])
            assert outcome.same(usual), f"{kernel} launched as {launch}"
            assert outcome.nan == 0


def test_another_seed_is_another_run(world, usual):
    kernel = transport.kernels_of(world)[0]
    assert not transport.run(kernel, world, SEED + 1, 3, DECAYS).same(usual)
    assert not transport.run(kernel, world, SEED, 4, DECAYS).same(usual)


def parted(kernel, world, batches, cc=(9, 0), errors=False):
    """Batches in which something else happened than on the CPU, and what."""
    differ = []
    for batch, reference in enumerate(batches):
        outcome = transport.run(kernel, world, SEED, batch, BATCH_DECAYS, (1, 64, 0), cc, jitter=errors * (batch + 1))
        check(outcome)
        if transport.parted(outcome, reference):
            differ.append((batch, outcome.events, reference.events))
    return differ


def compare(kernel, world, batches, measured, cc=(9, 0), errors=False):
    """Parted batches are as few as rounding makes them."""
    limit = transport.most_parted(measured, BATCHES, ALPHA)
    assert limit <= BATCHES // 12, "too many for this to mean anything"
    differ = parted(kernel, world, batches, cc, errors)
    assert len(differ) <= limit, f"{kernel}: {len(differ)} of {BATCHES} batches, at most {limit}; first {differ[0]}"


def whole(world):
    """A kernel of each schedule."""
    return [kernel for kernel in transport.kernels_of(world) if not kernel.tiled]


def test_the_same_happens_as_on_the_cpu(problem, world, batches):
    for kernel in whole(world):
        compare(kernel, world, batches, transport.PARTINGS[problem].exact)


def test_nearly_the_same_happens_with_errors_of_the_hardware_s_functions(problem, world, batches):
    compare(whole(world)[0], world, batches, transport.PARTINGS[problem].with_errors, errors=True)


def test_an_older_architecture(problem, world, batches):
    """Its code is other code where the compiler can make use of newer instructions."""
    outcomes = [transport.run(kernel, world, SEED, 3, DECAYS, launch, OLDER)
                for kernel in whole(world) for launch in transport.LAUNCHES[:2]]  # fmt: skip
    check(outcomes[0])
    assert all(outcome.same(outcomes[0]) for outcome in outcomes)
    compare(whole(world)[0], world, batches, transport.PARTINGS[problem].exact, OLDER)


def test_decays_happen_in_the_same_voxels():
    """With nothing but a local energy the tally is all-integer: equal to the CPU's, bit by bit."""
    from hevesy.engine.nuclides.emission import Emission

    problem = replace(transport.sheet(), emission=Emission(alpha_lines=np.array([[5.0, 1.0]])))
    world = gpu_problems.world(problem)
    reference = list(transport.on_cpu(world, SEED, 3, 5003))[2]
    assert reference.tally.sum() > 0
    for kernel in transport.kernels_of(world):
        assert transport.run(kernel, world, SEED, 2, 5003, (3, 96, 2)).same(reference), kernel


def words_ptx():
    """PTX of a kernel that writes the words of Philox."""
    from hevesy.kernels.backends import cuda_target
    from hevesy.kernels.backends.cuda_stack import cuda
    from hevesy.kernels.loader import load
    from numba import types

    cuda_target.kernel_function()
    philox = load("cuda", cuda_target._modules["cuda"], "rng").philox

    def words(counters, out):
        i = cuda.grid(1) * 6
        if i + 5 < counters.size:
            a, b, c, d = philox(
                counters[i], counters[i + 1], counters[i + 2], counters[i + 3], counters[i + 4], counters[i + 5]
            )
            j = cuda.grid(1) * 4
            out[j] = a
            out[j + 1] = b
            out[j + 2] = c
            out[j + 3] = d

    array = types.uint32[::1]
    with cuda_offline.device((9, 0)):
        code, _ = cuda.compile(words, (array, array), device=False, abi="numba", cc=(9, 0), output="ptx", fastmath=True)
    return code


def test_random_words_are_the_cpu_s(tmp_path):
    from hevesy.kernels.rng import philox

    given = np.random.default_rng(1).integers(0, 1 << 32, (512, 6), dtype=np.uint32)
    given[0], given[1] = 0, 0xFFFFFFFF
    flat, out = given.reshape(-1), np.zeros(512 * 4, np.uint32)
    code = emulator.Library(emulator.build(words_ptx(), tmp_path))
    arena = emulator.Arena([emulator.Buffer(flat, "counters"), emulator.Buffer(out, "out", True)])
    code.launch(emulator.pack(code, (flat, out), arena), 4, 128, arena.places, 2, 0)
    arena.fetch()
    with np.errstate(over="ignore"):
        expected = np.array([philox(*row) for row in given], np.uint32)
    assert np.array_equal(out.reshape(512, 4), expected)
    assert [f"{w:08x}" for w in out[:4]] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


@pytest.mark.parametrize("name", [gpu_problems.HERE])
class TestThisGate:
    """It can fail: a fault that is written into the PTX is found."""

    @pytest.fixture(autouse=True)
    def quickly(self, monkeypatch):
        """A kernel that runs once is not worth optimizing."""
        monkeypatch.setattr(emulator, "FLAGS", ("-O0", *emulator.FLAGS[1:]))

    def play(self, name, change, tmp_path, threads=64):
        ptx = cuda_offline.ptx((9, 0), transport.KERNELS[0])
        changed, n = change(ptx)
        assert n
        assert changed != ptx
        world = transport.prepared(name)
        code = emulator.Library(emulator.build(changed, tmp_path))
        tally, counters, _ = emulator.play(code, world, SEED, 0, 0, BATCH_DECAYS, BATCH_DECAYS, 1, threads)
        outcome = transport.Outcome(tally, counters, code.nan_conversions())
        return outcome, next(iter(transport.on_cpu(world, SEED, 1, BATCH_DECAYS)))

    def test_an_address_that_is_not_a_multiple_is_found(self, name, tmp_path):
        def change(ptx):
            return re.subn(r"(ld\.global\.f32 \t?%f\d+, \[%rd\d+)\]", r"\1+2]", ptx, count=1)

        with pytest.raises(emulator.Fault, match=r"line \d+: ld.global.f32 .*: misaligned access of 4 bytes"):
            self.play(name, change, tmp_path)

    def test_votes_that_name_lanes_which_a_warp_lacks_are_found(self, name, tmp_path):
        def change(ptx):
            return re.subn(r"(vote\.sync\.ballot\.b32\s+\S+, \S+, )\S+;", r"\1-1;", ptx)

        with pytest.raises(emulator.Fault, match=r"vote.sync.*: the member mask ffffffff names lanes that"):
            self.play(name, change, tmp_path, threads=33)

    def test_deposits_in_the_next_voxel_are_found(self, name, tmp_path):
        def change(ptx):
            return re.subn(r"(atom\.global\.add\.u64 \t?%rd\d+, \[%rd\d+)\]", r"\1+8]", ptx)

        try:
            outcome, reference = self.play(name, change, tmp_path)
        except emulator.Fault as fault:
            assert "outside all buffers" in str(fault)
        else:
            assert transport.parted(outcome, reference)

    def test_a_wrong_multiplier_of_the_random_numbers_is_found(self, name, tmp_path):
        outcome, reference = self.play(name, lambda ptx: (ptx.replace("-845247145", "-845247143"), 1), tmp_path)
        assert transport.parted(outcome, reference)
