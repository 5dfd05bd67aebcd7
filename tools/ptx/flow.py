"""Control flow of a kernel: where lanes of a warp that took different ways meet again.

A warp that diverges meets at the block that every way from the branch must pass, its immediate post-dominator
(Fung et al., MICRO 2007). The assembler does better in two places, and so does this: lanes that leave the kernel's
main loop wait outside for the others, which go on meeting inside it; and a branch meets at the nearest block that both
sides *may* reach, what goes round it waiting further down (BREAK in the machine code).

A call goes on behind itself: the lanes that make it are together in the function and meet at its end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from .program import ENDS, Program, PtxError


class Flow(NamedTuple):
    """Control flow by number of block; ``len(successors)`` stands for the end of the kernel."""

    successors: tuple[tuple[int, ...], ...]
    join: tuple[int, ...]  # where all ways from a block meet (in the main loop: at its head at the latest)
    near_join: tuple[int, ...]  # where both sides of a branch may meet before; else the same
    loop: frozenset[int]  # blocks of the main loop, none without a loop
    loop_head: int  # -1 without a loop
    loop_join: int  # where lanes meet that have left the main loop


def flow(program: Program) -> Flow:
    """Control flow of a kernel.

    Raises
    ------
    PtxError
        If a jump has no target in the kernel, or control runs off its end.
    """
    successors = block_successors(program)
    end = len(successors)
    join = postdominators(successors)
    near = list(join)
    body, head, loop_join = frozenset[int](), -1, end
    loops = natural_loops(successors)
    if loops:
        weight = {h: sum(len(program.blocks[b].instructions) for b in blocks) for h, blocks in loops.items()}
        head = max(loops, key=lambda h: (weight[h], -h))
        body = frozenset(loops[head])
        loop_join = meeting_of_exits(successors, join, body)
        for block, meeting in inside_joins(successors, body, head).items():
            join[block] = near[block] = meeting
        for block, meeting in nearest_joins(successors, join, body, head).items():
            near[block] = meeting
    return Flow(successors, tuple(join), tuple(near), body, head, loop_join)


def block_successors(program: Program) -> tuple[tuple[int, ...], ...]:
    """Blocks that may follow each block: of a branch, the target first."""
    index, n = program.index, len(program.blocks)
    end_of = {function.tag: index[function.end] for function in program.functions}
    ends = {n, *end_of.values()}
    out: list[tuple[int, ...]] = []
    for i, block in enumerate(program.blocks):
        last = block.instructions[-1] if block.instructions else None
        targets: tuple[int, ...] = ()
        falls = i not in ends
        if last is not None and last.family == "bra":
            if last.operands[0] not in index:
                raise PtxError(f"line {last.line}: no such label: {last.text}")
            targets, falls = (index[last.operands[0]],), bool(last.predicate)
        elif last is not None and last.family in ENDS:
            returns = last.family == "ret" and block.function
            targets, falls = (end_of[block.function],) if returns else (), bool(last.predicate)
        if falls and (i + 1 in ends or program.blocks[i + 1].function != block.function):
            where = f"line {last.line}" if last is not None else f"label {block.label}"
            raise PtxError(f"{where}: control runs off the end of the {'function' if block.function else 'kernel'}")
        out.append((*targets, i + 1) if falls else targets)
    return tuple(out)


def reverse_postorder(successors: Sequence[Iterable[int]], start: int) -> list[int]:
    """Blocks that can be reached from ``start``, each before its successors but for back edges."""
    order: list[int] = []
    seen = {start}
    stack = [(start, iter(successors[start]))]
    while stack:
        block, rest = stack[-1]
        following = next((b for b in rest if b not in seen), None)
        if following is None:
            order.append(block)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(successors[following])))
    return order[::-1]


def predecessors(successors: Sequence[Iterable[int]]) -> list[list[int]]:
    """Blocks that each block may follow."""
    out: list[list[int]] = [[] for _ in successors]
    for block, following in enumerate(successors):
        for b in following:
            out[b].append(block)
    return out


def dominators(successors: Sequence[Iterable[int]], start: int) -> dict[int, int]:
    """Immediate dominator of every block that can be reached from ``start`` (Cooper, Harvey and Kennedy, 2001)."""
    order = reverse_postorder(successors, start)
    rank = {block: i for i, block in enumerate(order)}
    before = predecessors(successors)
    immediate = {start: start}
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            ready = [b for b in before[block] if b in immediate]
            nearest = ready[0]
            for other in ready[1:]:
                while nearest != other:
                    if rank[nearest] > rank[other]:
                        nearest = immediate[nearest]
                    else:
                        other = immediate[other]
            if immediate.get(block) != nearest:
                immediate[block] = nearest
                changed = True
    return immediate


def dominates(immediate: dict[int, int], a: int, b: int) -> bool:
    """Whether every way to ``b`` passes ``a``."""
    while b != a and immediate[b] != b:
        b = immediate[b]
    return a == b


def postdominators(successors: Sequence[Sequence[int]]) -> list[int]:
    """Immediate post-dominator of every block; the end where none is, or where no way leads to the end."""
    end = len(successors)
    before = predecessors([*(s or (end,) for s in successors), ()])
    immediate = dominators(before, end)
    return [immediate.get(block, end) for block in range(end)]


def natural_loops(successors: Sequence[Sequence[int]]) -> dict[int, set[int]]:
    """Blocks of every loop, by its head."""
    immediate = dominators(successors, 0)
    before = predecessors(successors)
    loops: dict[int, set[int]] = {}
    for tail in immediate:
        for head in successors[tail]:
            if dominates(immediate, head, tail):
                body = loops.setdefault(head, {head})
                todo = [tail]
                while todo:
                    block = todo.pop()
                    if block not in body:
                        body.add(block)
                        todo += [b for b in before[block] if b in immediate]
    return loops


def meeting_of_exits(successors: Sequence[Sequence[int]], join: Sequence[int], body: Collection[int]) -> int:
    """The first block that all ways out of a loop pass."""
    end = len(successors)
    chains = []
    for block in sorted({t for b in body for t in successors[b]} - set(body)):
        chain = [block]
        while chain[-1] != end:
            chain.append(join[chain[-1]])
        chains.append(chain)
    return next((b for b in chains[0] if all(b in chain for chain in chains)), end) if chains else end


def inside_joins(successors: Sequence[Sequence[int]], body: Collection[int], head: int) -> dict[int, int]:
    """Where lanes that stay in a loop meet: at its head where nothing nearer is."""
    end = len(successors)
    inside: list[tuple[int, ...]] = [() for _ in successors]
    for block in body:
        inside[block] = tuple(end if b == head else b for b in successors[block] if b in body) or (end,)
    join = postdominators(inside)
    return {block: head if join[block] == end else join[block] for block in body}


def nearest_joins(
    successors: Sequence[Sequence[int]], join: Sequence[int], body: Collection[int], head: int
) -> dict[int, int]:
    """For the branches of a loop, the first block that both sides may reach before they must meet."""
    inside = [tuple(b for b in s if b in body and b != head) if i in body else () for i, s in enumerate(successors)]
    rank = {block: i for i, block in enumerate(reverse_postorder(inside, head))}
    immediate = dominators(inside, head)
    nearest: dict[int, int] = {}
    for block in body:
        if len(inside[block]) == 2 and inside[block][0] != inside[block][1]:
            one, other = (_forward(inside, rank, side, join[block]) for side in inside[block])
            common = [b for b in one & other if b not in (join[block], block) and dominates(immediate, block, b)]
            if common:
                nearest[block] = min(common, key=rank.__getitem__)
    return nearest


def _forward(successors: Sequence[Sequence[int]], rank: dict[int, int], start: int, stop: int) -> set[int]:
    """Blocks that can be reached from ``start`` without a back edge and without passing ``stop``."""
    seen, todo = {start}, [start]
    while todo:
        block = todo.pop()
        if block != stop:
            ahead = [b for b in successors[block] if rank[b] > rank[block] and b not in seen]
            seen.update(ahead)
            todo += ahead
    return seen
