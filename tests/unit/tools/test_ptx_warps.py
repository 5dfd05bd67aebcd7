"""Warps in lock step: lanes part and meet again, vote, wait at barriers, take several ways out of a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.tests.unit.tools.small_ptx import launch, words

WRITE = "st.global.u32 [%rd3], %r2;"
ORDERS = (0, 1, 2, 3)
#: a vote in which lanes may not miss
EVERYBODY = "vote.sync.ballot.b32 %r9, %p8, -1;"


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_part_and_meet_again(order):
    body = f"""
    setp.lt.u32 %p1, %r1, 10;
    and.b32 %r3, %r1, 1;
    setp.eq.u32 %p2, %r3, 1;
    @%p1 bra $FEW;
    mov.u32 %r2, 100;
    activemask.b32 %r4;
    bra $MEET;
$FEW:
    mov.u32 %r2, 200;
    @%p2 bra $ODD;
    mov.u32 %r2, 300;
$ODD:
    activemask.b32 %r4;
$MEET:
    setp.eq.u32 %p8, %r3, 1;
    {EVERYBODY}
    add.s32 %r2, %r2, %r9;
    add.s32 %r2, %r2, %r4;
    {WRITE}
"""
    few, many, odd = 0x3FF, 0xFFFFFC00, 0xAAAAAAAA
    expected = [(300 - 100 * (i & 1) + few if i < 10 else 100 + many) + odd & 0xFFFFFFFF for i in range(32)]
    assert words(body, order=order) == expected


def test_lanes_leave_a_loop_one_by_one_and_meet_behind_it():
    body = f"""
    mov.u32 %r2, 0;
    mov.u32 %r5, 0;
$HEAD:
    add.s32 %r2, %r2, %r5;
    add.s32 %r5, %r5, 1;
    setp.lt.u32 %p1, %r5, %r1;
    @%p1 bra $HEAD;
    setp.ge.u32 %p8, %r1, 4;
    {EVERYBODY}
    add.s32 %r2, %r2, %r9;
    {WRITE}
"""
    expected = [sum(range(max(i, 1))) + 0xFFFFFFF0 & 0xFFFFFFFF for i in range(32)]
    assert words(body) == expected


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_meet_in_every_round_of_a_loop_that_others_have_not_left(order):
    """Both sides of the rare branch may go round the meeting place; at the head all lanes of the loop are together."""
    body = f"""
    mov.u32 %r2, 0;
    mov.u32 %r5, 0;
$HEAD:
    setp.eq.u32 %p8, %r1, %r5;
    {EVERYBODY}
    popc.b32 %r6, %r9;
    add.s32 %r2, %r2, %r6;
    rem.u32 %r7, %r1, 3;
    setp.eq.u32 %p2, %r7, 0;
    setp.eq.u32 %p3, %r7, 1;
    and.b32 %r8, %r1, 4;
    setp.ne.u32 %p4, %r8, 0;
    @%p2 bra $RARE;
    @%p3 bra $NEXT;
    add.s32 %r2, %r2, 100;
    bra $MEET;
$RARE:
    @%p4 bra $NEXT;
    add.s32 %r2, %r2, 1000;
$MEET:
    activemask.b32 %r10;
    popc.b32 %r10, %r10;
    mad.lo.s32 %r2, %r10, 10000, %r2;
$NEXT:
    add.s32 %r5, %r5, 1;
    setp.lt.u32 %p1, %r5, 3;
    @%p1 bra $HEAD;
    {WRITE}
"""
    to_meet = [i for i in range(32) if (i % 3 == 0 and not i & 4) or i % 3 == 2]
    assert 0 < len(to_meet) < 32
    expected = []
    for i in range(32):
        extra = (1000 if i % 3 == 0 else 100) + 10000 * len(to_meet) if i in to_meet else 0
        expected.append(3 * (1 + extra))
    assert words(body, order=order) == expected


@pytest.mark.parametrize("order", ORDERS)
def test_ways_out_of_the_main_loop_meet_before_a_barrier(order):
    """Two ways out and a block that some lanes never enter: none is at the barrier before the last."""
    body = f"""
    mov.u32 %r2, 7;
    mov.u32 %r5, 0;
    setp.eq.u32 %p1, %r1, 3;
    @%p1 bra $END;
$HEAD:
    add.s32 %r5, %r5, 1;
    setp.gt.u32 %p2, %r5, %r1;
    @%p2 bra $A;
    setp.gt.u32 %p3, %r5, 20;
    @%p3 bra $B;
    bra $HEAD;
$A:
    mov.u32 %r2, 1;
    bra $END;
$B:
    mov.u32 %r2, 2;
$END:
    bar.sync 0;
    setp.eq.u32 %p8, %r1, 0;
    {EVERYBODY}
    {WRITE}
"""
    assert words(body, order=order) == [7 if i == 3 else 1 if i < 21 else 2 for i in range(32)]


def test_lanes_that_end_are_not_waited_for():
    body = f"""
    setp.gt.u32 %p1, %r1, 15;
    @%p1 ret;
    mov.pred %p8, -1;
    vote.sync.ballot.b32 %r9, %p8, 0xffff;
    mov.u32 %r2, %r9;
    bar.sync 0;
    {WRITE}
"""
    assert words(body) == [0xFFFF] * 16 + [0] * 16


def test_a_warp_that_is_not_full():
    """Its vote names the lanes that it has: 32 in one warp, one in the other."""
    body = f"""
    setp.lt.u32 %p1, %r1, 32;
    selp.b32 %r5, -1, 1, %p1;
    mov.pred %p8, -1;
    vote.sync.ballot.b32 %r2, %p8, %r5;
    {WRITE}
"""
    assert words(body, shape=(2, 33)) == [0xFFFFFFFF] * 32 + [1]


def test_votes():
    body = f"""
    setp.lt.u32 %p1, %r1, 5;
    setp.lt.u32 %p2, %r1, 99;
    vote.sync.any.pred %p3, %p1, -1;
    vote.sync.all.pred %p4, %p1, -1;
    vote.sync.all.pred %p5, %p2, -1;
    vote.sync.any.pred %p6, !%p2, 0xffffffff;
    vote.sync.uni.pred %p7, %p1, -1;
    vote.sync.ballot.b32 %r3, %p1, -1;
    bar.warp.sync -1;
    popc.b32 %r2, %r3;
    selp.u32 %r4, 100, 0, %p3;
    add.s32 %r2, %r2, %r4;
    selp.u32 %r4, 1000, 0, %p4;
    add.s32 %r2, %r2, %r4;
    selp.u32 %r4, 10000, 0, %p5;
    add.s32 %r2, %r2, %r4;
    selp.u32 %r4, 100000, 0, %p6;
    add.s32 %r2, %r2, %r4;
    selp.u32 %r4, 1000000, 0, %p7;
    add.s32 %r2, %r2, %r4;
    {WRITE}
"""
    assert words(body) == [10105] * 32


SHUFFLES = {
    "idx.b32 %r2|%p1, %r5, 7, 31": lambda i: (7, True),
    "up.b32 %r2|%p1, %r5, 3, 0": lambda i: (i - 3, True) if i >= 3 else (i, False),
    "down.b32 %r2|%p1, %r5, 3, 31": lambda i: (i + 3, True) if i < 29 else (i, False),
    "bfly.b32 %r2|%p1, %r5, 1, 31": lambda i: (i ^ 1, True),
    "idx.b32 %r2|%p1, %r5, 1, 0x181f": lambda i: (i // 8 * 8 + 1, True),  # segments of 8
}


@pytest.mark.parametrize("text", SHUFFLES)
def test_shuffles(text):
    body = f"""
    mul.lo.s32 %r5, %r1, 10;
    shfl.sync.{text}, -1;
    selp.u32 %r6, 1, 0, %p1;
    add.s32 %r2, %r2, %r6;
    {WRITE}
"""
    assert words(body) == [10 * source + inside for source, inside in map(SHUFFLES[text], range(32))]


@pytest.mark.parametrize("order", ORDERS)
def test_blocks_of_threads_wait_at_barriers_and_share_memory(order):
    """Every thread reads what the thread at the other end has written, in three warps."""
    body = f"""
    mov.u64 %rd5, table;
    mad.wide.u32 %rd6, %r1, 2, %rd5;
    cvt.u16.u32 %rs1, %r1;
    st.shared.u16 [%rd6], %rs1;
    bar.sync 0;
    sub.s32 %r3, 95, %r1;
    mul.wide.u32 %rd7, %r3, 2;
    add.s64 %rd7, %rd5, %rd7;
    ld.shared.u16 %r2, [%rd7];
    bar.sync 0;
    {WRITE}
"""
    assert words(body, shape=(1, 96), order=order) == [95 - i for i in range(96)]


def test_shared_atomics_and_blocks_that_do_not_share():
    body = """
    mov.u32 %r3, %ctaid.x;
    mov.u64 %rd5, table;
    setp.ne.u32 %p1, %r1, 0;
    @%p1 bra $WAIT;
    mov.u64 %rd6, 0;
    st.shared.u64 [%rd5+8], %rd6;
$WAIT:
    bar.sync 0;
    cvt.u64.u32 %rd7, %r1;
    atom.shared.add.u64 %rd8, [table+8], %rd7;
    bar.sync 0;
    @%p1 ret;
    ld.shared.u64 %rd8, [table+8];
    mul.wide.u32 %rd9, %r3, 8;
    add.s64 %rd9, %rd1, %rd9;
    st.global.u64 [%rd9], %rd8;
"""
    assert launch(body, np.zeros(3, np.uint64), shape=(3, 64)).tolist() == [64 * 63 // 2] * 3


def test_local_memory_is_the_lane_s_own():
    body = f"""
    mov.u64 %rd5, depot;
    cvta.local.u64 %rd6, %rd5;
    cvta.to.local.u64 %rd7, %rd6;
    st.local.v2.u32 [%rd5+16], {{%r1, %r0}};
    add.s64 %rd8, %rd7, 16;
    ld.local.v2.u32 {{%r5, %r6}}, [%rd8];
    ld.u32 %r7, [%rd6+16];
    add.s32 %r2, %r5, %r6;
    add.s32 %r2, %r2, %r7;
    {WRITE}
"""
    assert words(body, n=1000) == [2 * i + 1000 for i in range(32)]


def test_vectors_bytes_and_predicated_loads():
    body = f"""
    cvta.to.global.u64 %rd5, %rd2;
    ld.global.nc.v4.f32 {{%f1, %f2, %f3, %f4}}, [%rd5];
    ld.global.v2.u64 {{%rd6, %rd7}}, [%rd5+16];
    ld.global.s8 %r5, [%rd5+32];
    ld.global.u8 %r6, [%rd5+32];
    mov.u32 %r2, 5;
    setp.lt.u32 %p1, %r1, 4;
    @%p1 ld.global.u16 %r2, [%rd5+34];
    @!%p1 mov.u32 %r2, 6;
    add.ftz.f32 %f1, %f1, %f4;
    cvt.rzi.s32.f32 %r7, %f1;
    add.s32 %r2, %r2, %r7;
    add.s32 %r2, %r2, %r5;
    add.s32 %r2, %r2, %r6;
    cvt.u32.u64 %r8, %rd7;
    add.s32 %r2, %r2, %r8;
    {WRITE}
"""
    given = np.zeros(40, np.uint8)
    given[:16] = np.array([10, 0, 0, 20], np.float32).view(np.uint8)
    given[24:32] = np.array([100000], np.uint64).view(np.uint8)
    given[32:36] = [0xFF, 0, 0x10, 0x27]
    expected = [(10000 if i < 4 else 6) + 30 - 1 + 255 + 100000 for i in range(32)]
    assert words(body, given=given) == expected
