"""The reader of PTX: what is in the text is in the program, and what it does not know is an error with its line."""

from __future__ import annotations

import pytest
from hevesy.tests.unit.tools.small_ptx import FIRST_LINE, kernel
from hevesy.tools.ptx.flow import flow
from hevesy.tools.ptx.parse import parse
from hevesy.tools.ptx.program import PtxError


def test_instructions_and_their_operands():
    program = parse(kernel("@!%p1 ld.global.v2.u64 {%rd5, %rd6}, [%rd2+16]; // a comment; with a semicolon\n@%p2 ret;"))
    load, end = [i for block in program.blocks for i in block.instructions][6:8]
    assert (load.predicate, load.negated, load.opcode) == ("%p1", True, "ld.global.v2.u64")
    assert load.operands == ("{%rd5, %rd6}", "[%rd2+16]")
    assert load.registers == ("%rd5", "%rd6", "%rd2")
    assert (load.line, load.number) == (FIRST_LINE, 6)
    assert (end.predicate, end.negated, end.family) == ("%p2", False, "ret")
    assert load.text.startswith("@!%p1 ld.global.v2.u64")


def test_sizes_and_places():
    program = parse(kernel(""))
    assert program.name == "small"
    assert [(p.name, p.type, p.offset, p.size) for p in program.parameters] == [
        ("out", "u64", 0, 8), ("given", "u64", 8, 8), ("n", "u32", 16, 4),
    ]  # fmt: skip
    assert (program.parameter_bytes, program.local_name, program.local_size) == (20, "depot", 64)
    assert (program.shared, program.shared_size) == ({"table": 0}, 256)
    assert program.registers["%rd99"] == "b64"
    assert "%rd100" not in program.registers


def test_parameters_and_shared_arrays_are_aligned():
    text = kernel("").replace(".param .u32 n", ".param .u8 few,\n .param .f32 n,\n .param .align 8 .b8 block[12]")
    text = text.replace(".visible .shared", ".shared .align 4 .b8 odd[3];\n.visible .shared")
    program = parse(text.replace("ld.param.u32 %r0, [n];", ""))
    assert [p.offset for p in program.parameters] == [0, 8, 16, 20, 24]
    assert program.parameter_bytes == 36
    assert program.shared == {"odd": 0, "table": 8}
    assert program.shared_size == 264


def test_blocks_begin_at_labels_and_end_at_jumps_and_votes():
    body = """
    @%p1 bra $L1;
    add.s32 %r2, %r1, 1;
$L1:
    vote.sync.ballot.b32 %r3, %p1, -1;
    add.s32 %r4, %r3, 1;
    bra.uni $L1;
"""
    blocks = parse(kernel(body)).blocks
    assert [block.label.split()[0] for block in blocks] == ["entry", "after", "$L1", "after", "after"]
    assert [len(block.instructions) for block in blocks] == [7, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (".weird 3;", "unknown directive: .weird 3"),
        ("Add.s32 %r1, %r1, 1;", "not an instruction"),
        (".reg .b32 %r5;", "register %r5 is declared twice"),
        (".local .align 4 .b8 more[8];", "local memory of a form that is not known"),
        ("bra $NOWHERE;", "no such label"),
    ],
)
def test_what_is_not_known_is_an_error_with_its_line(body, says):
    with pytest.raises(PtxError, match=f"line {FIRST_LINE}: .*{says}"):
        flow(parse(kernel(body)))


def test_other_kernels_are_refused():
    with pytest.raises(PtxError, match=r"line \d+: more than one kernel"):
        parse(kernel("") + kernel(""))
    with pytest.raises(PtxError, match="no kernel"):
        parse(".version 8.0")


def test_control_must_not_run_off_the_end():
    with pytest.raises(PtxError, match="runs off the end"):
        flow(parse(kernel("").replace("ret;", "add.s32 %r1, %r1, 1;")))


def shape_of(body):
    program = parse(kernel(body))
    return program.index, flow(program)


def test_both_sides_of_a_branch_meet_behind_it():
    index, shape = shape_of("@%p1 bra $A;\n bra $B;\n$A:\n add.s32 %r2, %r1, 1;\n$B:\n add.s32 %r3, %r1, 1;")
    assert shape.join[0] == shape.near_join[0] == index["$B"]
    assert shape.successors[0] == (index["$A"], 1)
    assert shape.loop_head == -1
    assert not shape.loop


LOOP = """
$HEAD:
    setp.eq.s32 %p1, %r1, 5;
    @%p1 bra $OUT;
    @%p2 bra $RARE;
    @%p3 bra $NEXT;
    add.s32 %r2, %r2, 1;
    bra $MEET;
$RARE:
    @%p4 bra $NEXT;
    add.s32 %r2, %r2, 2;
$MEET:
    add.s32 %r3, %r3, 1;
$NEXT:
    add.s32 %r1, %r1, 1;
    bra $HEAD;
$OUT:
    add.s32 %r4, %r4, 1;
"""


def test_the_main_loop_and_where_lanes_meet_in_it():
    index, shape = shape_of(LOOP)
    assert shape.loop_head == index["$HEAD"]
    assert shape.loop_join == index["$OUT"]
    assert index["$OUT"] not in shape.loop
    assert {index["$RARE"], index["$MEET"], index["$NEXT"]} < shape.loop
    rare = index["$HEAD"] + 1
    # both sides may go round $MEET, so all meet at $NEXT alone; the machine meets at $MEET first
    assert shape.join[rare] == index["$NEXT"]
    assert shape.near_join[rare] == index["$MEET"]


def test_of_two_loops_the_larger_is_the_main_one():
    index, shape = shape_of(f"$SMALL:\n @%p1 bra $SMALL;\n{LOOP}")
    assert shape.loop_head == index["$HEAD"]


def test_a_loop_with_two_ways_out_ends_where_they_meet():
    index, shape = shape_of("$H:\n @%p1 bra $A;\n @%p2 bra $B;\n bra $H;\n$A:\n mov.u32 %r2, 1;\n$B:\n mov.u32 %r3, 1;")
    assert shape.loop_head == index["$H"]
    assert shape.loop_join == index["$B"]
