"""PTX that no assembler takes is an error with its line, not C that does something."""

from __future__ import annotations

import subprocess

import pytest
from hevesy.tests.unit.tools.small_ptx import FIRST_LINE, kernel
from hevesy.tools import cuda_offline
from hevesy.tools.ptx.parse import parse
from hevesy.tools.ptx.program import PtxError
from hevesy.tools.ptx.translate import translate

#: numbers of operands, words and types that a family does not have, registers of other sizes
INVALID = """
    add.s32 %r2, %r3, %r4, %r5
    fma.rn.ftz.f32 %f1, %f2, %f3
    membar.gl %r2
    trap 1
    neg.s32 %r2, %r3, %r4
    setp.lt.s32 %p1, %r2, %r3, %p2, %p3
    st.global.u32 [%rd3], %r2, %r3
    atom.global.add.u32 %r2, [%rd3], 1, 2, 3
    mul.hi.lo.s32 %r2, %r3, %r4
    mul.s32 %r2, %r3, %r4
    mul.lo.ftz.f32 %f1, %f2, %f3
    mad.s32 %r2, %r3, %r4, %r5
    min.ftz.s32 %r2, %r3, %r4
    add.rn.s32 %r2, %r3, %r4
    add.ftz.ftz.f32 %f1, %f2, %f3
    setp.lt.ftz.s32 %p1, %r2, 0
    membar.nonsense
    membar
    fence.gl
    trap.now
    shl.s32 %r2, %r3, 1
    shr.f32 %f1, %f2, 1
    cnot.pred %p1, %p2
    and.s32 %r2, %r3, %r4
    add.b32 %r2, %r3, %r4
    div.b32 %r2, %r3, %r4
    selp.pred %p1, %p2, %p3, %p4
    max.u8 %r2, %r3, %r4
    activemask.u32 %r2
    mov.u32 %rd5, %r2
    mov.u32 %r2, %rd5
    add.s32 %r2, %rd5, 1
    add.s64 %rd5, %r2, 1
    mul.wide.u32 %r2, %r3, %r4
    ld.global.u64 %r2, [%rd3]
    st.global.u64 [%rd3], %r2
    cvt.u64.u32 %r2, %r3
    cvt.u32.u64 %r2, %r3
    ld.global.u32 %r2, [%r3]
    mov.f32 %f1, %rd5
    setp.lt.s32 %p1, %rd5, 0
    mov.u16 %rs1, %r2
"""
TEXTS = [line.strip() for line in INVALID.strip().splitlines()]


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_assembler_refuses_is_refused(text):
    with pytest.raises(PtxError, match=f"^line {FIRST_LINE}: ") as caught:
        translate(parse(kernel(f"{text};")))
    assert text in str(caught.value)


@pytest.mark.skipif(cuda_offline.ptxas() is None, reason="no ptxas")
def test_the_assembler_refuses_them(tmp_path):
    """Each in a kernel that is taken without it."""
    file = tmp_path / "small.ptx"

    def accepted(body: str) -> bool:
        file.write_text(kernel(body))
        command = [str(cuda_offline.ptxas()), "-arch=sm_90", "-o", str(tmp_path / "out"), str(file)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert accepted("")
    assert [text for text in TEXTS if accepted(f"{text};")] == []
