"""Functions that a kernel calls: parameters go in, results come out, lanes that part in a function meet at its end."""

from __future__ import annotations

import re

import pytest
from hevesy.tests.unit.tools.small_ptx import FIRST_LINE, kernel, words
from hevesy.tools.ptx.emulator import Fault
from hevesy.tools.ptx.flow import flow
from hevesy.tools.ptx.parse import parse
from hevesy.tools.ptx.program import PtxError
from hevesy.tools.ptx.translate import translate

WRITE = "st.global.u32 [%rd3], %r2;"
ORDERS = (0, 1, 2, 3)


def call(name: str, to: str, *given: str) -> str:
    """A call as the compiler writes it; ``to`` is the register of the result."""
    stores = "\n".join(f".param .b32 param{i};\n st.param.b32 [param{i}+0], {value};" for i, value in enumerate(given))
    names = ", ".join(f"param{i}" for i in range(len(given)))
    return f"""
{{ // callseq
    .reg .b32 temp_param_reg;
    {stores}
    .param .b32 retval0;
    call.uni (retval0),
    {name},
    ({names});
    ld.param.b32 {to}, [retval0+0];
}} // callseq
"""


#: the product of two numbers by additions, as many rounds as the second says
PRODUCT = """
.weak .func (.param .b32 func_retval0) product(.param .b32 product_0, .param .b32 product_1);
.weak .func (.param .b32 func_retval0) product(
    .param .b32 product_0,
    .param .b32 product_1
)
{
    .reg .pred %p<3>; .reg .b32 %r<6>;
    ld.param.u32 %r1, [product_0];
    ld.param.u32 %r2, [product_1];
    mov.u32 %r3, 0;
$NEXT:
    setp.eq.u32 %p1, %r2, 0;
    @%p1 bra $DONE;
    add.s32 %r3, %r3, %r1;
    sub.s32 %r2, %r2, 1;
    bra $NEXT;
$DONE:
    st.param.b32 [func_retval0+0], %r3;
    ret;
}
"""
#: the square, by the product; a small number returns at once
SQUARE = (
    PRODUCT
    + f"""
.func (.param .b32 func_retval0) square(.param .b32 square_0)
{{
    .reg .pred %p<3>; .reg .b32 %r<6>;
    ld.param.u32 %r1, [square_0];
    st.param.b32 [func_retval0], %r1;
    setp.lt.u32 %p1, %r1, 2;
    @%p1 ret;
    {call("product", "%r3", "%r1", "%r1")}
    st.param.b32 [func_retval0], %r3;
    ret;
}}
"""
)


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_part_in_a_function_and_meet_behind_it(order):
    body = f"""
    rem.u32 %r5, %r1, 5;
    {call("product", "%r6", "7", "%r5")}
    activemask.b32 %r7;
    setp.eq.s32 %p1, %r7, -1;
    selp.u32 %r8, 1000, 0, %p1;
    add.s32 %r2, %r6, %r8;
    setp.gt.u32 %p2, %r1, 20;
    @%p2 bra $FEW;
    {call("product", "%r2", "%r2", "2")}
    bra $MEET;
$FEW:
    {call("product", "%r2", "%r2", "3")}
    activemask.b32 %r7;
    popc.b32 %r7, %r7;
    add.s32 %r2, %r2, %r7;
$MEET:
    vote.sync.ballot.b32 %r9, %p1, -1;
    sub.s32 %r9, %r9, -1;
    add.s32 %r2, %r2, %r9;
    {WRITE}
"""
    expected = [(1000 + 7 * (i % 5)) * (3 if i > 20 else 2) + 11 * (i > 20) for i in range(32)]
    assert words(body, functions=PRODUCT, order=order, shape=(2, 32)) == expected


def test_a_function_calls_another_and_returns_early():
    body = f"{call('square', '%r2', '%r1')} {call('product', '%r2', '%r2', '2')} {WRITE}"
    assert words(body, functions=SQUARE) == [2 * i * i for i in range(32)]


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_call_in_the_main_loop_and_leave_it_one_by_one(order):
    body = f"""
    mov.u32 %r2, 0;
    mov.u32 %r5, 0;
$HEAD:
    setp.gt.u32 %p1, %r5, %r1;
    @%p1 bra $OUT;
    {call("product", "%r6", "%r5", "%r5")}
    add.s32 %r2, %r2, %r6;
    add.s32 %r5, %r5, 1;
    bra $HEAD;
$OUT:
    setp.eq.u32 %p2, %r1, %r1;
    vote.sync.ballot.b32 %r9, %p2, -1;
    sub.s32 %r9, %r9, -1;
    add.s32 %r2, %r2, %r9;
    {WRITE}
"""
    assert words(body, functions=PRODUCT, order=order) == [sum(k * k for k in range(i + 1)) for i in range(32)]


def test_votes_and_ends_in_a_function():
    """All lanes that live vote in it; those that exit never come back."""
    function = """
.func (.param .align 4 .b8 func_retval0[8]) count(.param .b32 count_0)
{
    .reg .pred %p<3>; .reg .b32 %r<6>;
    ld.param.u32 %r1, [count_0];
    setp.gt.u32 %p2, %r1, 9;
    @%p2 exit;
    setp.lt.u32 %p1, %r1, 3;
    vote.sync.ballot.b32 %r2, %p1, 0x3ff;
    st.param.b32 [func_retval0+0], %r2;
    st.param.b32 [func_retval0+4], %r1;
    ret;
}
"""
    body = f"""
    {{
    .param .b32 param0;
    st.param.b32 [param0+0], %r1;
    .param .align 4 .b8 retval0[8];
    call.uni (retval0), count, (param0);
    ld.param.b32 %r5, [retval0+4];
    ld.param.b32 %r6, [retval0+0];
    }}
    mad.lo.s32 %r2, %r6, 100, %r5;
    {WRITE}
"""
    assert words(body, functions=function) == [700 + i for i in range(10)] + [0] * 22


def test_nothing_is_left_of_an_earlier_call():
    """A parameter that is not passed, and a result that is not given, hold poison in every call."""
    body = call("product", "%r5", "3", "%r1") + call("same", "%r6", "%r1") + "LAST" + WRITE
    same = """
.func (.param .b32 func_retval0) same(.param .b32 same_0)
{
    .reg .pred %p<3>; .reg .b32 %r<6>;
    ld.param.u32 %r1, [same_0];
    setp.gt.u32 %p1, %r1, 99;
    @%p1 bra $LATE;
    st.param.b32 [func_retval0], %r1;
$LATE:
    ret;
}
"""
    without = call("same", "%r2", "0").replace("st.param.b32 [param0+0], 0;", "")
    assert words(body.replace("LAST", without), functions=PRODUCT + same, poison=0x11) == [0x11111111] * 32
    assert (
        words(body.replace("LAST", call("same", "%r2", "1000")), functions=PRODUCT + same, poison=0x55)
        == [0x55555555] * 32
    )
    assert words(body.replace("LAST", call("same", "%r2", "%r6")), functions=PRODUCT + same) == list(range(32))


def test_a_fault_in_a_function_has_its_line():
    function = PRODUCT.replace("mov.u32 %r3, 0;", "mov.u32 %r3, 0;\n div.u32 %r3, %r3, %r2;")
    text = kernel(call("product", "%r2", "3", "%r1"), function)
    line = text[: text.index("div.u32")].count("\n") + 1
    with pytest.raises(Fault, match=rf"line {line}: div.u32 .*thread 0\)"):
        words(call("product", "%r2", "3", "%r1"), functions=function)


def broken(old: str, new: str, body: str = "", functions: str = PRODUCT) -> str:
    """A kernel with one call, and something in it that is wrong."""
    text = kernel(body or call("product", "%r2", "3", "%r1"), functions)
    assert old in text
    return text.replace(old, new, 1)


REFUSED = {
    "a second call in the same braces": ("ld.param.b32 %r2", "call.uni product;\n ld.param.b32 %r2"),
    "not the parameters of the function": ("(param0, param1)", "(param0)"),
    "not the parameters of the function: call.uni": (".param .b32 retval0", ".param .b64 retval0"),
    "no function of this module is called": ("product,\n", "%rd5,\n"),
    "no function of this module is called: call.uni": ("(param0, param1);", "(param0, param1), prototype;"),
    "a label between the parameters of a call": (".param .b32 retval0", "$L:\n .param .b32 retval0"),
    "a jump between the parameters of a call": (".param .b32 retval0", "@%p1 bra $L;\n .param .b32 retval0"),
    "not one of a call in braces": ("{ // callseq", ".param .b32 more;\n{ // callseq"),
    "parameters that are not passed": ("} // callseq", "}\n{ .param .b32 more;\n}"),
    "no such parameter": ("[retval0+0]", "[retval1+0]"),
    "no .b32 there": ("[retval0+0]", "[retval0+2]"),
    "no such parameter .out": ("ret;\n}", "st.param.u64 [out], %rd1;\n ret;\n}"),
    "under a predicate": ("call.uni", "@%p1 call.uni"),
    "runs off the end of the function": ("%r3;\n    ret;", "%r3;"),
    "local memory of a form that is not known": ("$NEXT:", ".local .align 4 .b8 own[8];\n$NEXT:"),
    "no such register %call0.r6": ("%r3, %r3, %r1", "%r6, %r3, %r1"),
    "no such label": ("bra $DONE", "bra $MISSING"),
    "label \\$DONE is there twice": ("$NEXT:", "$DONE:\n$NEXT:"),
    "function product is there twice": ("// callseq\n\n    ret;\n}", f"\n ret;\n}}\n{PRODUCT}"),
    "no directive follows": ("    ret;\n}", "    ret;\n } {\n}"),
    "no end of this body": ("[func_retval0+0], %r3;\n    ret;\n}", "[func_retval0+0], %r3;\n    ret;"),
}  # fmt: skip


@pytest.mark.parametrize("says", REFUSED)
def test_what_is_not_translated_is_an_error_with_its_line(says):
    text = broken(*REFUSED[says])
    with pytest.raises(PtxError, match=rf"^line \d+: .*{says}"):
        translate(parse(text))


def test_the_same_call_is_translated_without_the_fault():
    assert "CALLS" in translate(parse(broken("ret;", "ret;")))


def test_recursion_is_refused():
    again = SQUARE.replace("ld.param.u32 %r2, [product_1];", "ld.param.u32 %r2, [product_1];\n"
        + call("square", "%r3", "%r1"))  # fmt: skip
    text = kernel(call("square", "%r2", "%r1"), again)
    with pytest.raises(PtxError, match=r"line \d+: recursion is not translated") as error:
        parse(text)
    line = int(re.search(r"\d+", str(error.value))[0])
    assert text.splitlines()[line - 1].strip() == "call.uni (retval0),"
    assert line < text[: text.index(".func (.param .b32 func_retval0) square")].count("\n")


def test_names_of_functions_are_their_own():
    program = parse(kernel(call("square", "%r2", "%r1"), SQUARE))
    assert [function.name for function in program.functions] == ["product", "square"]
    assert len(set(program.index)) == len(program.blocks)
    passed = [program.passed[f"call{i}.{name}"] for i, name in ((0, "product_1"), (1, "square_0"))]
    assert passed[0].offset + passed[0].size <= passed[1].offset
    numbers = [instruction.number for instruction in program.instructions]
    assert numbers == list(range(len(numbers)))
    first = next(i for i in program.instructions if "store" in i.text or i.opcode == "st.param.b32")
    assert first.operands[0] == "[call1.square_0+0]"
    assert first.line == FIRST_LINE + 4


def test_where_the_lanes_of_a_function_meet():
    program = parse(kernel(call("square", "%r2", "%r1"), SQUARE))
    shape, index = flow(program), program.index
    product, square = program.functions
    assert shape.join[index["call0.$NEXT"]] == index["call0.$DONE"]
    assert shape.join[index["call0.$DONE"]] == index[product.end]
    early = index[square.entry]
    assert shape.successors[early] == (index[square.end], early + 1)
    assert shape.join[early] == index[square.end]
    assert shape.successors[index[square.end]] == ()
