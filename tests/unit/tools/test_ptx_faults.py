"""Every fault that a launch can have, seeded into a small kernel, is found and named."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hevesy.tests.unit.tools import small_ptx
from hevesy.tests.unit.tools.small_ptx import FIRST_LINE, kernel, launch, words
from hevesy.tools.ptx import emulator
from hevesy.tools.ptx.emulator import Buffer, Fault

#: the kernel's `out` has 128 bytes, `given` 4: what is done, the report
FAULTS = {
    "load behind the end": (
        "ld.global.u32 %r2, [%rd1+128];",
        "access outside all buffers of 4 bytes at byte 128 of out",
    ),
    "load across the end": ("ld.global.u64 %rd5, [%rd1+124];", "outside all buffers of 8 bytes at byte 124 of out"),
    "load before": ("ld.global.u32 %r2, [%rd2+-4];", "outside all buffers of 4 bytes at byte -4 of given"),
    "load from nowhere": ("mov.u64 %rd5, 0;\n ld.global.u32 %r2, [%rd5];", "outside all buffers"),
    "store behind the end": ("st.global.u8 [%rd1+128], %r1;", "access outside all buffers of 1 bytes"),
    "misaligned": ("ld.global.u32 %r2, [%rd1+2];", "misaligned access of 4 bytes at byte 2 of out"),
    "misaligned vector": (
        "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1+8];",
        "misaligned access of 16 bytes at byte 8",
    ),
    "misaligned atomic": ("red.global.add.u64 [%rd1+4], 1;", "misaligned access of 8 bytes"),
    "store to what is read": (
        "st.global.u32 [%rd2], %r1;",
        "write to a buffer that is only read of 4 bytes at byte 0 of given",
    ),
    "atomic on what is read": ("red.global.add.u32 [%rd2], 1;", "write to a buffer that is only read"),
    "local memory": ("st.local.u32 [depot+64], %r1;", "access of 4 bytes at byte 64 of 64"),
    "local vector": ("ld.local.v2.u64 {%rd5, %rd6}, [depot+8];", "misaligned access of 16 bytes at byte 8"),
    "local address as a global one": ("mov.u64 %rd5, depot;\n ld.global.u32 %r2, [%rd5];", "outside all buffers"),
    "shared memory": ("ld.shared.u64 %rd5, [table+256];", "access of 8 bytes at byte 256 of 256"),
    "shared memory before": ("ld.shared.u32 %r2, [table+-4];", "access of 4 bytes at byte -4 of 256"),
    "generic": ("ld.u32 %r2, [%rd1+128];", "outside all buffers"),
    "division": ("sub.s32 %r3, %r1, %r1;\n div.s32 %r2, %r1, %r3;", "division by zero"),
    "remainder": ("sub.s32 %r3, %r1, %r1;\n rem.u32 %r2, %r1, %r3;", "division by zero"),
    "trap": ("trap;", "trap"),
    "barrier in divergent code": (
        "setp.lt.u32 %p1, %r1, 3;\n @%p1 bra $L;\n bar.sync 0;\n$L:\n mov.u32 %r2, 1;",
        "barrier reached by lanes fffffff8 while lanes ffffffff live",
    ),
    "vote in divergent code": (
        "setp.lt.u32 %p1, %r1, 3;\n @%p1 bra $L;\n vote.sync.ballot.b32 %r3, %p1, -8;\n$L:\n mov.u32 %r2, 1;",
        "executed by lanes fffffff8 while lanes ffffffff live",
    ),
    "vote that does not name all": (
        "setp.lt.u32 %p1, %r1, 3;\n vote.sync.any.pred %p2, %p1, 0xffff;",
        "member mask 0000ffff is not the set of live",
    ),
    "vote that names lanes that have ended": (
        "setp.gt.u32 %p1, %r1, 15;\n @%p1 ret;\n vote.sync.any.pred %p2, %p1, -1;",
        "member mask ffffffff names lanes that have ended or never were, ffff0000",
    ),
    "vote of lanes that left the loop": (
        "mov.u32 %r5, 0;\n$H:\n vote.sync.any.pred %p2, %p1, -1;\n add.s32 %r5, %r5, 1;\n"
        "setp.lt.u32 %p1, %r5, %r1;\n @%p1 bra $H;",
        "executed by lanes fffffffc while lanes ffffffff live",
    ),
    "shuffle in divergent code": (
        "setp.lt.u32 %p1, %r1, 3;\n @%p1 bra $L;\n shfl.sync.idx.b32 %r3, %r1, 0, 31, -1;\n$L:\n mov.u32 %r2, 1;",
        "executed by lanes fffffff8",
    ),
    "no end": ("$L:\n add.s32 %r2, %r2, 1;\n bra $L;", "no end after 100000 blocks of instructions"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name):
    body, report = FAULTS[name]
    with pytest.raises(Fault, match=report) as caught:
        launch(body, np.zeros(32, np.uint32))
    assert "(block 0, thread" in str(caught.value)
    if name != "no end":
        guilty = re.search(r"^.*\b(ld|st|red|div|rem|trap|bar|vote|shfl)\b[^;]*", body, re.MULTILINE)
        assert guilty is not None
        line = FIRST_LINE + body[: guilty.start()].count("\n")
        assert str(caught.value).startswith(f"line {line}: {guilty[0].strip()}: ")


@pytest.mark.parametrize(
    "text",
    ["vote.sync.ballot.b32 %r2, %p1, -1;", "shfl.sync.idx.b32 %r2, %r1, 0, 31, -1;", "bar.warp.sync -1;"],
)
def test_lanes_that_the_block_does_not_have_are_not_named(text):
    """The last warp of 40 threads has 8 lanes: with a mask of 32 a device may wait for ever."""
    body = f"setp.lt.u32 %p1, %r1, 3;\n{text}"
    words(body, shape=(1, 64))
    with pytest.raises(Fault, match=r"names lanes that have ended or never were, ffffff00 \(block 0, thread 32"):
        words(body, shape=(1, 40))


def test_the_report_names_the_thread():
    body = """mov.u32 %r3, %ctaid.x;
    setp.eq.u32 %p2, %r3, 1;
    setp.eq.and.u32 %p1, %r1, 37, %p2;
    @%p1 ld.global.u32 %r2, [%rd1+4096];"""
    with pytest.raises(Fault, match=rf"^line {FIRST_LINE + 3}: @%p1 ld.global.u32 .* \(block 1, thread 37\)$"):
        launch(body, np.zeros(64, np.uint32), shape=(2, 64))


def test_the_next_launch_is_not_harmed():
    """A fault ends its launch alone: the library runs the next one."""
    body = "@%p1 bra $L;\n$L:\n mul.lo.s32 %r3, %r0, %r1;\n mul.wide.u32 %rd5, %r3, 4;\n add.s64 %rd5, %rd1, %rd5;\n"
    body += "st.global.u32 [%rd5], %r1;"
    with pytest.raises(Fault):
        words(body, n=2)
    assert words(body, n=1) == list(range(32))


@pytest.mark.parametrize(
    "read",
    [
        "add.s32 %r2, %r50, 0;",
        "ld.local.u32 %r2, [depot+8];",
        "ld.shared.u32 %r2, [table+8];",
        "setp.lt.u32 %p1, %r1, 5;\n @%p1 mov.u32 %r2, 0xAAAAAAAA;",
    ],
)
def test_what_was_not_written_holds_the_poison(read):
    body = f"{read}\n st.global.u32 [%rd3], %r2;"
    assert words(body, poison=0xAA)[5:] == [0xAAAAAAAA] * 27
    assert words(body, poison=0x11)[5:] == [0x11111111] * 27


def test_arrays_lie_apart():
    """No array begins where another ends: an index too large is outside of all."""
    first, second = np.zeros(7, np.uint8), np.zeros(5, np.float32)
    arena = emulator.Arena([Buffer(first, "a"), Buffer(second, "b")])
    assert arena.address(second) - arena.address(first) >= 7 + emulator.GAP
    assert arena.address(first) % emulator.ALIGNMENT == arena.address(second) % emulator.ALIGNMENT == 0


def test_what_was_written_comes_back_and_nothing_else_does():
    given = np.array([5], np.uint32)
    out = launch("ld.global.u32 %r2, [%rd2];\n st.global.u32 [%rd3], %r2;", np.zeros(32, np.uint32), given)
    assert out.tolist() == [5] * 32
    assert given.tolist() == [5]


def test_parameters_that_are_not_the_kernel_s():
    code = small_ptx.library("mov.u32 %r2, 1;")
    with pytest.raises(Fault, match="12 bytes of parameters for a kernel that takes 20"):
        code.launch(bytes(12), 1, 32, [], 0, 0)
    arena = emulator.Arena([])
    with pytest.raises(Fault, match="2 arguments that are not those of the kernel, which takes 3"):
        emulator.pack(code, (np.int64(1), np.int64(2)), arena)
    with pytest.raises(Fault, match="an argument of type float"):
        emulator.pack(code, (1.0,), arena)


def test_no_compiler_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert emulator.compiler() is None
    with pytest.raises(Fault, match="no C compiler"):
        emulator.build(kernel(""), tmp_path)


def test_a_compiler_that_refuses_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(Fault, match="false refuses the translated kernel"):
        emulator.build(kernel(""), tmp_path)


def test_a_kernel_is_compiled_once(tmp_path):
    if emulator.compiler() is None:
        pytest.skip("no C compiler")
    made = emulator.build(kernel(""), tmp_path)
    when = made.stat().st_mtime_ns
    assert emulator.build(kernel(""), tmp_path) == made
    assert made.stat().st_mtime_ns == when
    assert emulator.build(kernel("mov.u32 %r2, 1;"), tmp_path) != made
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".so", ".so"]
