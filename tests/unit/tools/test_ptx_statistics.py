"""What a device would be busy with, counted on small kernels and computed by hand."""

from __future__ import annotations

import ctypes
import struct

import numpy as np
import pytest
from hevesy.tests.unit.tools.small_ptx import kernel
from hevesy.tools.ptx import counts, emulator, timing
from hevesy.tools.ptx.parse import parse

pytestmark = pytest.mark.skipif(emulator.compiler() is None, reason="no C compiler")


#: cycles of the last instruction
END = timing.cost(parse(kernel("")).blocks[-1].instructions[-1]).latency


class Counted:
    """The counters of one launch of a small kernel by 32 threads."""

    def __init__(self, body, folder, functions="", **hardware):
        self.program = parse(kernel(body, functions))
        path = emulator.build(kernel(body, functions), folder, statistics=True)
        code = emulator.Library(path)
        self._numbers = counts.prepare(path, counts.Multiprocessor(**{"fetch_wait": 0.0, **hardware}))
        ctypes.c_int64.in_dll(self._numbers, "TICKETS_OFFSET").value = -1
        out, given = np.zeros(32, np.uint32), np.zeros(4096, np.uint32)
        arena = emulator.Arena([emulator.Buffer(out, "out", True), emulator.Buffer(given, "given")])
        code.set(0xAA, 100_000)
        code.launch(struct.pack("<QQI", arena.address(out), arena.address(given), 0), 1, 32, arena.places, 0, 0)
        self.counts, self.executions, self.lanes = counts.read_counts(self._numbers, self.program, 1)


@pytest.fixture
def counted(tmp_path):
    return lambda body, **hardware: Counted(body, tmp_path, **hardware)


def gather(stride: int, again: bool = False) -> str:
    """Every lane loads a word, so many bytes from the last lane's."""
    load = "ld.global.u32 %r2, [%rd6];\n"
    return f"""
    mul.wide.u32 %rd5, %r1, {stride};
    add.s64 %rd6, %rd2, %rd5;
    {load}{load if again else ""}"""


def test_slots_and_lanes(counted):
    # head: 1 for the thread's number, 1 for the product, 2 for the 64-bit sum; 1 for the comparison, 2 for the branch;
    # 2 in eight lanes; 2 for store and end
    found = counted(
        """
    setp.lt.u32 %p1, %r1, 8;
    @!%p1 bra $END;
    add.s32 %r2, %r1, 1;
    add.s32 %r2, %r2, 1;
$END:
    st.global.u32 [%rd3], %r2;
"""
    )
    assert found.counts.slots == 11
    assert found.counts.lanes == pytest.approx((7 * 32 + 2 * 8 + 2 * 32) / (11 * 32))
    assert found.executions.tolist() == [1, 1, 1]
    assert found.lanes.tolist() == [32, 8, 32]
    assert found.counts.units["multiply"] == 1


@pytest.mark.parametrize(
    ("stride", "sectors", "lines", "passes"),
    [(0, 1, 1, 1), (4, 4, 1, 1), (20, 20, 5, 2), (32, 32, 8, 8), (128, 32, 32, 32), (132, 32, 32, 8)],
)
def test_sectors_lines_and_passes_of_a_load(counted, stride, sectors, lines, passes):
    # 32 bytes apart: eight words fall on every fourth bank; 128: all on one; 132: none, but four lines a cycle
    load = counted(gather(stride)).counts.accesses["load"]
    assert (load["instructions"], load["lanes"]) == (1, 32)
    assert (load["sectors"], load["lines"], load["passes"]) == (sectors, lines, passes)
    assert load["misses"] == sectors


def test_a_sector_misses_once(counted):
    load = counted(gather(4, again=True)).counts.accesses["load"]
    assert (load["sectors"], load["misses"]) == (8, 4)


def test_local_memory_is_interleaved(counted):
    local = counted("    st.local.u64 [depot], %rd4;\n    st.local.u32 [depot+8], %r1;\n").counts.accesses["local"]
    # two words and one word of 32 lanes: three lines of 128 bytes
    assert (local["instructions"], local["sectors"], local["lines"]) == (2, 12, 1.5)


def test_a_warp_waits_for_what_it_reads(counted):
    body = "    ld.global.u32 %r2, [%rd2];\n    add.s32 %r3, %r2, 1;\n    st.global.u32 [%rd3], %r3;\n"
    # thread's number 0 to 4, product 4 to 9, sum from 9 issued in two slots, load at 11 from the second level, sum at
    # 11 + 265, store 4 later, end in the next cycle
    assert counted(body, level_2=265).counts.cycles == 11 + 265 + 4 + 1 + END
    # eight slots of code: one line to fetch
    found = counted(body, level_2=265, fetch_wait=10.0).counts
    assert (found.cycles, found.fetches, found.fetch_misses) == (11 + 265 + 4 + 1 + END + 10, 1, 1)
    # a second load of the same word, issued when the first is there, waits for the first level alone
    again = body.replace("add.s32 %r3, %r2, 1", "and.b32 %r5, %r2, 0;\n    cvt.u64.u32 %rd7, %r5;\n    "
        "add.s64 %rd8, %rd2, %rd7;\n    ld.global.u32 %r4, [%rd8];\n    add.s32 %r3, %r4, 1")  # fmt: skip
    assert counted(again, level_1=38, level_2=265).counts.cycles == 11 + 265 + 4 + 6 + 38 + 4 + 1 + END


def test_what_the_assembler_drops_costs_nothing():
    program = parse(kernel("    mov.b64 %rd5, {%r1, %r0};\n    shr.u64 %rd5, %rd4, 32;\n    cvt.u32.u64 %r3, %rd5;\n"))
    prices = dict(zip((i.opcode for i in program.instructions), timing.costs(program), strict=True))
    assert [prices[name].slots for name in ("mov.b64", "shr.u64", "cvt.u32.u64", "ld.param.u64")] == [0, 0, 0, 0]
    assert prices["add.s64"] == timing.Cost(2, 6)


def test_nobody_waits_for_a_reduction():
    ignored = "    atom.global.add.u64 %rd7, [%rd1], %rd4;\n"
    program, used = parse(kernel(ignored)), parse(kernel(ignored + "    add.s64 %rd8, %rd7, 1;\n"))
    atom = next(i for i, one in enumerate(program.instructions) if one.family == "atom")
    assert timing.costs(program)[atom].latency == 0
    assert timing.costs(used)[atom].latency == timing.ATOMIC


def test_two_logic_operations_are_one_instruction():
    body = """
    xor.b32 %r2, %r1, %r0;
    xor.b32 %r3, %r2, 5;
    and.b32 %r4, %r3, 7;
    or.b32 %r5, %r4, %r3;
    st.global.u32 [%rd3], %r5;
"""
    program = parse(kernel(body))
    prices = dict(zip((i.text for i in program.instructions), timing.costs(program), strict=True))
    # the second is read twice; the third goes into the fourth
    slots = [prices[line.strip(" ;")].slots for line in body.split("\n") if ".b32" in line]
    assert slots == [0, 1, 0, 1]


FUNCTION = """
.func (.param .b32 func_retval0) next(.param .b32 next_0)
{
    .reg .b32 %r<6>;
    ld.param.u32 %r1, [next_0];
    add.s32 %r2, %r1, 1;
    st.param.b32 [func_retval0+0], %r2;
    ret;
}
"""
CALL = """
    { .param .b32 param0;
    st.param.b32 [param0+0], %r2;
    .param .b32 retval0;
    call.uni (retval0), next, (param0);
    ld.param.b32 %r2, [retval0+0];
    }
"""


def test_a_function_is_in_the_code_once(counted):
    body = f"ld.global.u32 %r2, [%rd2];\n{CALL}{CALL}st.global.u32 [%rd3], %r2;"
    found = counted(body, functions=FUNCTION, level_2=265, fetch_wait=10.0)
    # head 4, load 1; twice: call 2, addition 1, return 1; store and end 2
    assert found.counts.slots == 5 + 2 * 4 + 2
    assert found.executions.tolist() == [1, 1, 1, 2, 0]
    # eleven slots of code in two lines; the function is fetched with each call, and the kernel goes on in the first
    assert (found.counts.fetches, found.counts.fetch_misses) == (6, 2)
    # the call does not wait for the load at 11, the addition does, the second addition for the second call; the second
    # wait for code is hidden behind that for the load
    addition, call, end = 11 + 265, 10, 10
    assert found.counts.cycles == addition + 1 + end + call + 1 + end + 1 + END + 10
