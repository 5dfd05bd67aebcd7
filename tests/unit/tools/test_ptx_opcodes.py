"""Instructions that are translated give what the PTX ISA says; what is not translated is an error with its line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.tests.unit.tools.small_ptx import FIRST_LINE, kernel, launch, library, words
from hevesy.tools.ptx.parse import parse
from hevesy.tools.ptx.program import PtxError
from hevesy.tools.ptx.translate import translate

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
NAN = float("nan")


def bits(x: float) -> int:
    return int(np.float32(x).view(np.uint32))


def single(x: float) -> str:
    return f"0f{bits(x):08X}"


#: instruction with its operands, {} the result; the result's register and the bits expected
INTEGERS = [
    ("add.s32 {}, -5, 3", "r", -2),
    ("sub.s32 {}, 3, 5", "r", -2),
    ("add.s64 {}, 4294967295, 1", "rd", 1 << 32),
    ("add.u16 {}, 65535, 2", "rs", 1),
    ("sub.s64 {}, 0, 1", "rd", -1),
    ("mul.lo.s32 {}, 65537, 65537", "r", 65537**2),
    ("mul.hi.u32 {}, 4294967295, 4294967295", "r", 0xFFFFFFFE),
    ("mul.hi.s32 {}, -2, 3", "r", -1),
    ("mul.wide.u32 {}, 4294967295, 2", "rd", 2 * M32),
    ("mul.wide.s32 {}, -3, 5", "rd", -15),
    ("mul.wide.u16 {}, 65535, 65535", "r", 65535**2),
    ("mul.hi.u64 {}, -1, -1", "rd", M64 - 1),
    ("mul.lo.s64 {}, -3, 7", "rd", -21),
    ("mad.lo.s32 {}, -3, 5, 20", "r", 5),
    ("mad.wide.u32 {}, 4294967295, 2, 7", "rd", 2 * M32 + 7),
    ("mad.hi.u32 {}, 4294967295, 4294967295, 1", "r", M32),
    ("div.u32 {}, 4294967295, 10", "r", 429496729),
    ("div.s64 {}, -7, 2", "rd", -3),
    ("rem.s32 {}, -7, 2", "r", -1),
    ("rem.u64 {}, 17, 5", "rd", 2),
    ("div.s32 {}, -2147483648, -1", "r", 1 << 31),
    ("rem.s64 {}, 5, -1", "rd", 0),
    ("neg.s32 {}, 7", "r", -7),
    ("abs.s32 {}, -7", "r", 7),
    ("abs.s64 {}, -7", "rd", 7),
    ("min.s32 {}, -1, 1", "r", -1),
    ("min.u32 {}, -1, 1", "r", 1),
    ("max.s64 {}, -1, 1", "rd", 1),
    ("max.u64 {}, -1, 1", "rd", -1),
    ("and.b32 {}, 12, 10", "r", 8),
    ("or.b64 {}, 12, 10", "rd", 14),
    ("xor.b32 {}, 12, 10", "r", 6),
    ("not.b32 {}, 12", "r", ~12),
    ("cnot.b32 {}, 12", "r", 0),
    ("cnot.b32 {}, 0", "r", 1),
    ("not.b16 {}, 1", "rs", 0xFFFE),
    ("shl.b32 {}, 1, 31", "r", 1 << 31),
    ("shl.b32 {}, 1, 32", "r", 0),
    ("shl.b64 {}, 1, 63", "rd", 1 << 63),
    ("shl.b64 {}, 1, 64", "rd", 0),
    ("shr.u32 {}, -1, 28", "r", 15),
    ("shr.s32 {}, -16, 2", "r", -4),
    ("shr.s32 {}, -16, 99", "r", -1),
    ("shr.u64 {}, -1, 60", "rd", 15),
    ("shr.s64 {}, -16, 70", "rd", -1),
    ("shr.b32 {}, -1, 32", "r", 0),
    ("shl.b16 {}, 3, 15", "rs", 0x8000),
    ("popc.b32 {}, 255", "r", 8),
    ("popc.b64 {}, -1", "r", 64),
    ("clz.b32 {}, 1", "r", 31),
    ("clz.b32 {}, 0", "r", 32),
    ("clz.b64 {}, 1", "r", 63),
    ("brev.b32 {}, 1", "r", 1 << 31),
    ("prmt.b32 {}, 0x33221100, 0x77665544, 0x7250", "r", 0x77225500),
    ("prmt.b32 {}, 0x80, 0, 0x8888", "r", M32),
    ("lop3.b32 {}, 12, 10, 6, 0x96", "r", 12 ^ 10 ^ 6),
    ("bfe.u32 {}, 0xABCD, 4, 8", "r", 0xBC),
    ("bfe.s32 {}, 0xABCD, 4, 8", "r", -0x44),
    ("bfe.u32 {}, -1, 28, 8", "r", 15),
    ("bfe.s32 {}, -1, 40, 8", "r", -1),
    ("bfe.u32 {}, 7, 0, 0", "r", 0),
    ("bfe.u32 {}, 7, 0, 32", "r", 7),
    ("shf.l.wrap.b32 {}, 0x80000000, 1, 1", "r", 3),
    ("shf.r.wrap.b32 {}, 2, 1, 33", "r", 0x80000001),
    ("shf.l.clamp.b32 {}, 5, 1, 40", "r", 5),
    ("shf.r.clamp.b32 {}, 5, 9, 32", "r", 9),
    ("cvt.u32.u64 {}, 0x123456789", "r", 0x23456789),
    ("cvt.s64.s32 {}, -1", "rd", -1),
    ("cvt.u64.u32 {}, -1", "rd", M32),
    ("cvt.s32.s8 {}, 0x80", "r", -128),
    ("cvt.u32.u16 {}, 0x18000", "r", 0x8000),
    ("cvt.u16.u32 {}, 0x12345", "rs", 0x2345),
    ("mov.u32 {}, -1", "r", -1),
    ("mov.b64 {}, {{5, 7}}", "rd", 7 << 32 | 5),
    ("mov.b32 {}, {{5, 7}}", "r", 7 << 16 | 5),
    ("mov.u32 {}, WARP_SZ", "r", 32),
    ("mov.u32 {}, %ntid.x", "r", 32),
    ("mov.u32 {}, %nctaid.x", "r", 1),
    ("mov.u32 {}, %ctaid.x", "r", 0),
    ("mov.u32 {}, %laneid", "r", 0),
    ("mov.u32 {}, %lanemask_lt", "r", 0),
    ("mov.u32 {}, %lanemask_gt", "r", M32 - 1),
    ("mov.u32 {}, %lanemask_le", "r", 1),
    ("mov.u32 {}, %warpid", "r", 0),
]
TINY = 2.0**-130  # a denormal
FLOATS = [
    ("add.ftz.f32 {}, 0f3F800000, 0f40000000", 3.0),
    ("sub.rn.ftz.f32 {}, 0f3F800000, 0f40000000", -1.0),
    (f"add.ftz.f32 {{}}, {single(TINY)}, {single(TINY)}", 0.0),
    (f"mul.ftz.f32 {{}}, {single(2.0**-100)}, {single(2.0**-30)}", 0.0),
    (f"mul.ftz.f32 {{}}, {single(3.0)}, {single(-0.5)}", -1.5),
    (f"fma.rn.ftz.f32 {{}}, {single(1 + 2.0**-12)}, {single(1 + 2.0**-12)}, {single(-1.0)}", 2.0**-11 + 2.0**-24),
    (f"div.rn.ftz.f32 {{}}, {single(1)}, {single(3)}", np.float32(1) / np.float32(3)),
    (f"div.approx.ftz.f32 {{}}, {single(1)}, {single(3)}", np.float32(1) / np.float32(3)),
    (f"div.approx.ftz.f32 {{}}, {single(5)}, {single(2.0**127)}", 0.0),
    (f"rcp.approx.ftz.f32 {{}}, {single(4)}", 0.25),
    (f"rcp.rn.ftz.f32 {{}}, {single(4)}", 0.25),
    (f"sqrt.approx.ftz.f32 {{}}, {single(9)}", 3.0),
    (f"sqrt.rn.ftz.f32 {{}}, {single(9)}", 3.0),
    (f"rsqrt.approx.ftz.f32 {{}}, {single(4)}", 0.5),
    (f"lg2.approx.ftz.f32 {{}}, {single(8)}", 3.0),
    (f"ex2.approx.ftz.f32 {{}}, {single(-2)}", 0.25),
    (f"sin.approx.ftz.f32 {{}}, {single(0)}", 0.0),
    (f"cos.approx.ftz.f32 {{}}, {single(0)}", 1.0),
    (f"lg2.approx.ftz.f32 {{}}, {single(TINY)}", -math.inf),
    (f"neg.ftz.f32 {{}}, {single(2)}", -2.0),
    (f"abs.ftz.f32 {{}}, {single(-2)}", 2.0),
    (f"neg.ftz.f32 {{}}, {single(TINY)}", -0.0),
    (f"copysign.f32 {{}}, {single(-1)}, {single(7)}", -7.0),
    (f"min.ftz.f32 {{}}, {single(NAN)}, {single(2)}", 2.0),
    (f"max.ftz.f32 {{}}, {single(1)}, {single(NAN)}", 1.0),
    (f"min.ftz.f32 {{}}, {single(0.0)}, {single(-0.0)}", -0.0),
    (f"max.ftz.f32 {{}}, {single(-0.0)}, {single(0.0)}", 0.0),
    (f"max.ftz.f32 {{}}, {single(TINY)}, {single(-1)}", 0.0),
    (f"min.ftz.f32 {{}}, {single(3)}, {single(2)}", 2.0),
    ("cvt.rn.f32.u32 {}, -1", np.float32(M32)),
    ("cvt.rn.f32.s32 {}, -1", -1.0),
    ("cvt.rn.f32.s64 {}, 16777217", 16777216.0),
    ("cvt.rn.f32.u64 {}, -1", np.float32(M64)),
    (f"cvt.rni.ftz.f32.f32 {{}}, {single(2.5)}", 2.0),
    (f"cvt.rmi.f32.f32 {{}}, {single(-2.5)}", -3.0),
    (f"cvt.rpi.f32.f32 {{}}, {single(2.1)}", 3.0),
    (f"cvt.rzi.f32.f32 {{}}, {single(-2.7)}", -2.0),
    (f"mov.f32 {{}}, {single(1.5)}", 1.5),
    ("mov.b32 {}, 0x3FC00000", 1.5),
]
TO_INTEGERS = [
    (f"cvt.rzi.ftz.s32.f32 {{}}, {single(-2.7)}", "r", -2),
    (f"cvt.rzi.s32.f32 {{}}, {single(3e9)}", "r", 2**31 - 1),
    (f"cvt.rzi.s32.f32 {{}}, {single(-3e9)}", "r", -(2**31)),
    (f"cvt.rzi.u32.f32 {{}}, {single(-1)}", "r", 0),
    (f"cvt.rzi.u32.f32 {{}}, {single(5e9)}", "r", M32),
    (f"cvt.rzi.s64.f32 {{}}, {single(1e19)}", "rd", 2**63 - 1),
    (f"cvt.rzi.u64.f32 {{}}, {single(2.0**63)}", "rd", 2**63),
    (f"cvt.rni.s32.f32 {{}}, {single(3.5)}", "r", 4),
    (f"mov.b32 {{}}, {single(1.0)}", "r", bits(1.0)),
]
COMPARISONS = [
    ("setp.lt.s32 {}, -1, 1", True),
    ("setp.lt.u32 {}, -1, 1", False),
    ("setp.lo.u32 {}, 1, -1", True),
    ("setp.hs.u64 {}, -1, 1", True),
    ("setp.le.s64 {}, 5, 5", True),
    ("setp.gt.s64 {}, 5, 5", False),
    ("setp.ge.s32 {}, 5, 5", True),
    ("setp.ne.b32 {}, 5, 5", False),
    ("setp.eq.s64 {}, 5, 5", True),
    (f"setp.lt.ftz.f32 {{}}, {single(1)}, {single(NAN)}", False),
    (f"setp.ltu.ftz.f32 {{}}, {single(1)}, {single(NAN)}", True),
    (f"setp.ne.ftz.f32 {{}}, {single(1)}, {single(NAN)}", False),
    (f"setp.neu.ftz.f32 {{}}, {single(1)}, {single(NAN)}", True),
    (f"setp.eq.ftz.f32 {{}}, {single(TINY)}, {single(0)}", True),
    (f"setp.geu.ftz.f32 {{}}, {single(1)}, {single(2)}", False),
    (f"setp.nan.ftz.f32 {{}}, {single(1)}, {single(NAN)}", True),
    (f"setp.num.ftz.f32 {{}}, {single(1)}, {single(NAN)}", False),
    ("setp.lt.and.s32 {}, 1, 2, %p9", False),
    ("setp.lt.or.s32 {}, 2, 1, !%p9", True),
    ("setp.lt.xor.s32 {}, 1, 2, %p9", True),
    ("and.pred {}, %p8, %p9", False),
    ("or.pred {}, %p8, %p9", True),
    ("xor.pred {}, %p8, %p8", False),
    ("not.pred {}, %p9", True),
    ("mov.pred {}, -1", True),
    ("mov.pred {}, 0", False),
]
CASES = [
    *INTEGERS,
    *TO_INTEGERS,
    *((text, "f", value) for text, value in FLOATS),
    *((text, "p", value) for text, value in COMPARISONS),
]


@pytest.fixture(scope="module")
def results():
    """Results of all cases by their text, as 64 bits: one kernel writes them one after the other."""
    lines = ["setp.eq.s32 %p8, 1, 1;", "setp.eq.s32 %p9, 1, 2;", "setp.ne.s32 %p10, %r1, 0;", "@%p10 ret;"]
    for i, (text, register, _) in enumerate(CASES):
        lines.append(text.format(f"%{register}7") + ";")
        widen = {"r": "cvt.u64.u32 %rd7, %r7;", "rs": "cvt.u64.u16 %rd7, %rs7;", "rd": ""}
        widen |= {"f": "mov.b32 %r7, %f7;\ncvt.u64.u32 %rd7, %r7;", "p": "selp.b64 %rd7, 1, 0, %p7;"}
        lines += [widen[register], f"st.global.u64 [%rd1+{8 * i}], %rd7;"]
    body = "\n".join(lines)
    out = launch(body, np.zeros(len(CASES), np.uint64))
    return {text: int(value) for (text, *_), value in zip(CASES, out, strict=True)}


@pytest.mark.parametrize(("text", "register", "expected"), CASES, ids=[text for text, *_ in CASES])
def test_results(results, text, register, expected):
    if register == "f":
        got = float(np.uint32(results[text]).view(np.float32))
        assert got == expected
        assert math.copysign(1, got) == math.copysign(1, expected)
    else:
        width = {"r": M32, "rs": 0xFFFF, "rd": M64, "p": 1}[register]
        assert results[text] == int(expected) & width


def test_of_two_nan_the_canonical_one_is_taken():
    body = f"min.ftz.f32 %f1, {single(-NAN)}, 0f7F800001;\n mov.b32 %r2, %f1;\n st.global.u32 [%rd3], %r2;"
    for text in (body, body.replace("min", "max")):
        assert words(text) == [0x7FFFFFFF] * 32


def test_halves_of_a_register():
    assert words("mov.b64 {%r2, %r3}, 0x500000007;\n add.s32 %r2, %r2, %r3;\n st.global.u32 [%rd3], %r2;")[0] == 12


def test_nan_to_integers_are_counted():
    body = f"mov.f32 %f1, {single(NAN)};\n cvt.rzi.s32.f32 %r2, %f1;\n cvt.rzi.s64.f32 %rd5, %f1;\n"
    body += "shr.u64 %rd5, %rd5, 63;\n cvt.u32.u64 %r3, %rd5;\n add.s32 %r2, %r2, %r3;\n st.global.u32 [%rd3], %r2;"
    assert words(body) == [1] * 32  # 0 in 32 bits, the highest bit in 64
    assert library(body).nan_conversions() == 64
    words("st.global.u32 [%rd3], %r1;")
    assert library("st.global.u32 [%rd3], %r1;").nan_conversions() == 0


ATOMICS = [
    ("add.u64", 8, 5, 13),
    ("add.u32", 8, 5, 13),
    ("min.s32", -3, 2, -3),
    ("min.u32", 3, 2, 2),
    ("max.s64", -3, 2, 2),
    ("and.b32", 12, 10, 8),
    ("or.b32", 12, 10, 14),
    ("xor.b64", 12, 10, 6),
    ("exch.b32", 3, 9, 9),
    ("inc.u32", 5, 5, 0),
    ("inc.u32", 4, 5, 5),
    ("dec.u32", 0, 5, 5),
    ("dec.u32", 3, 5, 2),
]


@pytest.mark.parametrize(("what", "old", "value", "new"), ATOMICS)
def test_atomics(what, old, value, new):
    kind = what.split(".")[1]
    register, wide = ("%rd5", "u64") if kind.endswith("64") else ("%r5", "u32")
    body = f"""
    setp.ne.s32 %p1, %r1, 0;
    @%p1 ret;
    atom.global.{what} {register}, [%rd1], {value};
    st.global.{wide} [%rd1+8], {register};
"""
    mask = M64 if wide == "u64" else M32
    out = launch(body, np.array([old & mask, 0], np.uint64))
    assert out.tolist() == [new & mask, old & mask]


def test_compare_and_swap_and_reductions():
    body = """
    red.global.add.u64 [%rd1], 2;
    atom.global.cas.b32 %r5, [%rd1+8], %r1, 99;
"""
    # one lane's number is there after the other: 0 becomes 99, which no lane compares with
    assert launch(body, np.zeros(2, np.uint64)).tolist() == [64, 99]


REFUSED = [
    "add.f32 %f1, %f2, %f3",
    "add.sat.s32 %r1, %r2, %r3",
    "add.cc.u32 %r1, %r2, %r3",
    "add.f64 %rd5, %rd6, %rd7",
    "add.rz.ftz.f32 %f1, %f2, %f3",
    "mul.s32 %r1, %r2, %r3",
    "mad.ftz.f32 %f1, %f2, %f3, %f4",
    "fma.rn.f32 %f1, %f2, %f3, %f4",
    "div.full.ftz.f32 %f1, %f2, %f3",
    "tanh.approx.f32 %f1, %f2",
    "sin.ftz.f32 %f1, %f2",
    "cvt.sat.u32.u64 %r1, %rd5",
    "cvt.f32.s32 %f1, %r2",
    "cvt.rn.f32.f64 %f1, %rd5",
    "cvt.s32.f32 %r1, %f1",
    "setp.lt.f32 %p1, %f1, %f2",
    "setp.lt.s32 %p1|%p2, %r1, %r2",
    "ld.const.u32 %r1, [%rd1]",
    "ld.global.v2.u32 %r1, [%rd1]",
    "ld.global.v8.u32 %r1, [%rd1]",
    "ld.global.u32 %r1, [%rd1+%r2]",
    "ld.param.u32 %r1, [nothing]",
    "ld.param.u64 %rd5, [n]",
    "atom.global.add.f32 %f1, [%rd1], %f2",
    "red.global.cas.b32 [%rd1], %r1, %r2",
    "texture.1d %r1, %r2",
    "bar.sync 1",
    "bar.red.popc.u32 %r1, 0, %p1",
    "@%p1 bar.sync 0",
    "vote.ballot.b32 %r1, %p1",
    "vote.sync.most.pred %p1, %p2, -1",
    "@%p1 vote.sync.any.pred %p2, %p3, -1",
    "shfl.sync.sort.b32 %r1, %r2, 0, 31, -1",
    "match.any.sync.b32 %r1, %r2, -1",
    "brx.idx %r1, $T",
    "mov.u32 %r1, %clock",
    "mov.u32 %r1, nowhere",
    "mov.u32 %r1",
    "add.s32 %r1, %q7, 1",
    "selp.b32 %r1, %r2, %r3, %r4",
    "and.pred %p1, %r1, %p2",
    "shf.l.b32 %r1, %r2, %r3, 1",
    "prmt.b32.f4e %r1, %r2, %r3, 0",
    "cvta.to.const.u64 %rd5, %rd6",
    "ex2.approx.ftz.bf16 %rs1, %rs2",
    "mov.b64 {%r1, %r2, %r3, %r4}, %rd5",
    "dp4a.s32.s32 %r1, %r2, %r3, %r4",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_translated_is_an_error_with_its_line(text):
    with pytest.raises(PtxError, match=f"^line {FIRST_LINE}: ") as caught:
        translate(parse(kernel(f"{text};")))
    assert text in str(caught.value)


FUNCTIONS = {  # with the largest error that the PTX ISA documents: relative, absolute
    "lg2": (
        np.log2,
        np.linspace(0.01, 30, 4096),
        lambda x, y: 2.0**-22 * np.where((x > 0.5) & (x < 2), 1, abs(y)),
    ),
    "ex2": (np.exp2, np.linspace(-20, 20, 4096), lambda x, y: 2.0**-22 * y),
    "sin": (np.sin, np.linspace(-6.28, 6.28, 4096), lambda x, y: 2.0**-20.5),
    "cos": (np.cos, np.linspace(-6.28, 6.28, 4096), lambda x, y: 2.0**-20.5),
    "sqrt": (np.sqrt, np.linspace(0.01, 30, 4096), lambda x, y: 2.0**-23 * y),
    "rsqrt": (lambda x: x**-0.5, np.linspace(0.01, 30, 4096), lambda x, y: 2.0**-22.9 * y),
    "rcp": (lambda x: 1 / x, np.linspace(0.01, 30, 4096), lambda x, y: 2.0**-23 * y),
    "div": (lambda x: 3 / x, np.linspace(0.01, 30, 4096), lambda x, y: 2.0**-22 * y),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_of_the_hardware_are_as_large_as_documented(name):
    """Without jitter the functions are exact; with it they use up most of the documented error, and no more."""
    function, x, documented = FUNCTIONS[name]
    x = x.astype(np.float32)
    operands = f"%f2, {single(3)}, %f1" if name == "div" else "%f2, %f1"
    body = f"""
    mul.wide.u32 %rd5, %r1, 4;
    add.s64 %rd6, %rd2, %rd5;
    add.s64 %rd7, %rd1, %rd5;
    mov.u32 %r5, 0;
$NEXT:
    ld.global.f32 %f1, [%rd6];
    {name}.approx.ftz.f32 {operands};
    st.global.f32 [%rd7], %f2;
    add.s64 %rd6, %rd6, 128;
    add.s64 %rd7, %rd7, 128;
    add.s32 %r5, %r5, 1;
    setp.lt.s32 %p1, %r5, 128;
    @%p1 bra $NEXT;
"""
    expected = function(x.astype(float))
    limit = documented(x, expected)
    rounding = 2.0**-23 * abs(expected) + 1e-45
    out = [launch(body, np.zeros(4096, np.float32), x, jitter=j).astype(float) for j in (0, 1, 2)]
    assert np.all(abs(out[0] - expected) <= rounding)
    for values in out[1:]:
        share = (values - expected) / limit
        assert np.all(abs(values - expected) <= limit + 2 * rounding)
        assert share.max() > 0.8
        assert share.min() < -0.8
    assert not np.array_equal(out[1], out[2])
    assert np.array_equal(out[1], launch(body, np.zeros(4096, np.float32), x, jitter=1))
