"""A kernel in PTX to C that a warp executes in lock step.

Every basic block becomes a function that runs it for the lanes of a mask; ``scheduler.c`` says which. The result is
one C file that includes the headers beside this one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from .flow import Flow, flow
from .opcodes import Opcodes
from .operands import C_TYPES, Operands, destinations, refuse
from .program import ENDS, WARP_WIDE, Block, Instruction, Parameter, Program, aligned

#: what a vote of lanes gives, of the lanes that voted for
VOTES = {"ballot": "yes", "any": "yes != 0", "all": "yes == mask", "uni": "(yes == 0 || yes == mask)"}


def translate(program: Program, tables: str = "") -> str:
    """C of a kernel.

    Parameters
    ----------
    program
        The kernel.
    tables
        C declarations for ``statistics.h``, which is included where ``STATISTICS`` is defined.

    Returns
    -------
    str
        The C file.

    Raises
    ------
    PtxError
        If an instruction is not known, with its line.
    """
    shape = flow(program)
    writer = _Blocks(program, shape)
    functions = [writer.function(i, block) for i, block in enumerate(program.blocks)]
    return "\n".join(
        (
            *_sizes(program),
            f"static const char *const INSTRUCTIONS[] = {{{', '.join(_descriptions(program))}}};",
            '#include "warp.h"',
            *_lane(program, writer.operands),
            *_control_flow(program, shape),
            "#ifdef STATISTICS",
            tables,
            '#include "statistics.h"',
            "#else",
            "#define BEGIN_BLOCK(i)",
            "#define END_BLOCK(i)",
            "#define REC(n, address)",
            "#endif",
            '#include "arithmetic.h"',
            '#include "memory.h"',
            '#include "votes.h"',
            *functions,
            "static void (*const BLOCKS[])(Warp *, uint32_t, Step *) = {"
            + ", ".join(f"block_{i}" for i in range(len(functions)))
            + "};",
            '#include "scheduler.c"',
            "",
        )
    )


def _numbers(values: Iterable[int]) -> str:
    return "{" + ", ".join(str(v) for v in values) + "}"


def _sizes(program: Program) -> Iterator[str]:
    """Sizes of the kernel: as macros for the code here, as constants for whoever loads it."""
    parameters = program.parameters
    yield f"#define N_BLOCKS {len(program.blocks)}"
    yield f"#define N_PTX {sum(1 for _ in program.instructions)}"
    yield f"#define LOCAL_BYTES {program.local_size}"
    yield f"#define LOCAL_STRIDE {aligned(program.local_size, 16)}"
    yield f"#define SHARED_BYTES {program.shared_size}"
    yield f"const int LOCAL_SIZE = LOCAL_BYTES, SHARED_SIZE = SHARED_BYTES, PARAM_BYTES = {program.parameter_bytes};"
    yield "const int BLOCK_COUNT = N_BLOCKS;"
    yield f"const int N_PARAMS = {len(parameters)};"
    yield f"const int PARAM_OFF[] = {_numbers([*(p.offset for p in parameters), 0])};"
    yield f"const int PARAM_SIZE[] = {_numbers([*(p.size for p in parameters), 0])};"
    yield f'const char PARAM_TYPES[] = "{" ".join(p.type for p in parameters)}";'


def _descriptions(program: Program) -> Iterator[str]:
    for instruction in program.instructions:
        short = instruction.text if len(instruction.text) < 100 else instruction.text[:97] + "..."
        yield json.dumps(f"line {instruction.line}: {short}")
    yield '""'


def _lane(program: Program, operands: Operands) -> Iterator[str]:
    yield "typedef struct {"
    for register in sorted(operands.lasting):
        yield f"  {C_TYPES[program.registers[register]]} {operands.place(register).removeprefix('L->')};"
    yield f"  _Alignas(16) char passed[{max(program.passed_bytes, 1)}]; /* parameters of the functions */"
    yield "} Lane;"


def _control_flow(program: Program, shape: Flow) -> Iterator[str]:
    n = len(program.blocks)
    sizes = [len(block.instructions) for block in program.blocks]
    last = [block.instructions[-1].number if block.instructions else -1 for block in program.blocks]
    yield f"#define LOOP_HEAD {shape.loop_head}"
    yield f"#define LOOP_JOIN {shape.loop_join}"
    yield f"static const int N_INS[N_BLOCKS + 1] = {_numbers([*sizes, 0])};"
    yield f"static const int LAST_OF_BLOCK[N_BLOCKS + 1] = {_numbers([*last, -1])};"
    end_of = {function.tag: program.index[function.end] for function in program.functions}
    returns = [end_of.get(block.function, n) for block in program.blocks]
    yield f"static const int RETURN_AT[N_BLOCKS + 1] = {_numbers([*returns, n])};"
    yield f"static const int JOIN[N_BLOCKS + 1] = {_numbers([*shape.join, n])};"
    yield f"static const int NEAR_JOIN[N_BLOCKS + 1] = {_numbers([*shape.near_join, n])};"
    yield f"static const char IN_LOOP[N_BLOCKS + 1] = {_numbers([*(int(i in shape.loop) for i in range(n)), 0])};"


def _forget(parameters: Sequence[Parameter]) -> str:
    """Statement that takes from a lane what it passed to a function, or got from it: each call must pass its own."""
    if not parameters:
        return ""
    first, last = parameters[0], parameters[-1]
    return f"memset(L->passed + {first.offset}, POISON, {last.offset + last.size - first.offset});"


class _Blocks:
    """Writes the function of each block."""

    def __init__(self, program: Program, shape: Flow) -> None:
        self.program, self.shape = program, shape
        self.operands = Operands(program)
        self.opcodes = Opcodes(self.operands)

    def function(self, i: int, block: Block) -> str:
        """C function of a block."""
        *body, last = block.instructions or (None,)
        ending, vote = "", None
        step = f"{{GOES_ON, {i + 1}, {i + 1}, 0}}"
        if last is not None and (last.family in ENDS or last.family in ("bra", "call", *WARP_WIDE)):
            ending, step = self._end(i, last)
            vote = last if last.family in WARP_WIDE else None
        elif last is not None:
            body.append(last)
        lines = [f"/* {block.label} */", f"static void block_{i}(Warp *W, uint32_t mask, Step *step) {{"]
        lines += ["  uint32_t taken = 0;", "  (void)taken;"]
        if vote is not None:
            lines.append("  uint32_t value[WARP_LANES], members[WARP_LANES];")
        lines += [f"  BEGIN_BLOCK({i});", *self._lanes([*self._locals(block), *self._statements(body), ending])]
        if vote is not None:
            lines += self._together(vote)
        lines += [f"  END_BLOCK({i});", f"  *step = (Step){step};", "}"]
        return "\n".join(lines)

    def _lanes(self, statements: Iterable[str]) -> list[str]:
        """Statements for every lane of the mask."""
        inside = [f"    {s}" for s in statements if s]
        if not inside:
            return []
        return [
            "  for (uint32_t rest = mask; rest; rest &= rest - 1) {",
            "    int l = __builtin_ctz(rest);",
            "    Lane *L = (Lane *)W->lanes + l;",
            "    (void)L;",
            *inside,
            "  }",
        ]

    def _locals(self, block: Block) -> Iterator[str]:
        names = {r for ins in block.instructions for r in (*ins.registers, ins.predicate)}
        for register in sorted(names & set(self.program.registers) - self.operands.lasting):
            yield f"{C_TYPES[self.operands.type_of(register, block.instructions[0])]} {self.operands.place(register)};"

    def _statements(self, instructions: Iterable[Instruction | None]) -> Iterator[str]:
        return (self.opcodes.statement(instruction) for instruction in instructions if instruction is not None)

    def _end(self, i: int, last: Instruction) -> tuple[str, str]:
        """What each lane does at the end of a block, and the block's step."""
        if last.family == "call":
            if last.predicate or set(last.parts[1:]) - {"uni"}:
                raise refuse(last, "a call under a predicate or of another form is not translated")
            function = next(f for f in self.program.functions if f.entry == last.operands[0])
            return _forget(function.results), f"{{CALLS, {self.program.index[last.operands[0]]}, {i + 1}, 0}}"
        take = "taken |= 1u << l;"
        returns = next((f for f in self.program.functions if f.tag == self.program.blocks[i].function), None)
        if returns and last.family == "ret":
            take += f" {_forget(returns.arguments)}"
        if last.predicate:
            guard = self.operands.value(last.predicate, "pred", last)
            take = f"if ({'!' if last.negated else ''}{guard}) {{ {take} }}"
        if returns and last.family == "ret":
            target = self.shape.successors[i][0]
            return take, f"{{{'BRANCHES' if last.predicate else 'JUMPS'}, {target}, {i + 1}, taken}}"
        if last.family == "bra":
            if set(last.parts[1:]) - {"uni"} or len(last.operands) != 1:
                raise refuse(last)
            target = self.shape.successors[i][0]
            kind = "BRANCHES" if last.predicate else "JUMPS"
            return (take if last.predicate else ""), f"{{{kind}, {target}, {i + 1}, taken}}"
        if last.family in ENDS:
            return take, f"{{ENDS, {i + 1}, {i + 1}, taken}}"
        if last.predicate:
            raise refuse(last, "a barrier or vote under a predicate is not translated")
        if last.opcode in ("bar.sync", "barrier.sync", "barrier.sync.aligned"):
            if last.operands != ("0",):
                raise refuse(last, "barriers other than number 0 of all threads are not translated")
            return "", f"{{WAITS, {i + 1}, {i + 1}, 0}}"
        return self._vote_operands(last), f"{{GOES_ON, {i + 1}, {i + 1}, 0}}"

    def _vote_operands(self, vote: Instruction) -> str:
        """What a lane brings to an instruction of the whole warp: its value and the members that it names."""
        operands, parts = vote.operands, vote.parts
        wanted = {"vote": 3, "shfl": 5, "bar": 1}.get(vote.family)
        if parts[1:2] != ("sync",) and parts != ("bar", "warp", "sync") or len(operands) != wanted:
            raise refuse(vote)
        members = f"members[l] = {self.operands.value(operands[-1], 'u32', vote)};"
        if vote.family == "bar":
            return members
        if vote.family == "shfl":
            return f"value[l] = {self.operands.value(operands[1], 'u32', vote)}; {members}"
        return f"value[l] = {self.operands.predicate(operands[1], vote)}; {members}"

    def _together(self, vote: Instruction) -> list[str]:
        """What the lanes do when all have brought their values."""
        if vote.opcode.startswith("bar") and "warp" not in vote.parts:
            return ["  (void)value;", "  (void)members;"]
        lines = [f"  check_members(W, mask, members, {vote.number});"]
        if vote.family == "bar":
            return ["  (void)value;", *lines]
        if vote.family == "vote":
            what, kind = vote.parts[2], vote.parts[3]
            if what not in VOTES or kind != ("b32" if what == "ballot" else "pred") or len(vote.parts) != 4:
                raise refuse(vote)
            lines.append("  uint32_t yes = ballot(mask, value);")
            result = self.operands.assign(vote.operands[0], VOTES[what], "u32" if what == "ballot" else "pred", vote)
            return [*lines, *self._lanes([result])]
        return [*lines, *self._lanes(self._shuffle(vote))]

    def _shuffle(self, vote: Instruction) -> list[str]:
        modes = {"up": "SHUFFLE_UP", "down": "SHUFFLE_DOWN", "bfly": "SHUFFLE_BFLY", "idx": "SHUFFLE_IDX"}
        mode = modes.get(vote.parts[2]) if len(vote.parts) == 4 and vote.parts[3] == "b32" else None
        if mode is None:
            raise refuse(vote)
        b, c = (self.operands.value(vote.operands[i], "u32", vote) for i in (2, 3))
        target, *inside = destinations(vote)
        lines = ["int inside;", f"int from = shuffled_from({mode}, l, {b}, {c}, &inside);"]
        lines.append(
            f'if (!(mask >> from & 1)) fail(W, l, {vote.number}, "value of lane %d, which is not there", from);'
        )
        lines.append(self.operands.assign(target, "value[from]", "u32", vote))
        lines += [self.operands.assign(p, "inside", "pred", vote) for p in inside]
        return lines
