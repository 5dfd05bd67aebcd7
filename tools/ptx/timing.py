"""What an instruction of PTX costs a multiprocessor: issue slots, latency, registers; as C tables for `statistics.h`.

PTX is not machine code. The assembler drops conversions of address width, makes one instruction of two logic operations
in a row, and two or more of a 64-bit addition, a division, an integer remainder, or a branch at which lanes may part;
:func:`costs` says how many *issue slots* an instruction stands for. Their sum over the kernel is compared with the
machine instructions that the assembler makes (tests/gates/test_ptx_model.py). Latencies are those of published
measurements, with their sources in docs/decisions/0011-gpu-speed.md; they decide what a warp waits for, never what it
computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .operands import WITHOUT_RESULT
from .program import SIZES, Instruction, Program

#: units that instructions wait for. INTEGER: addition, logic, shifts, comparisons and conversions; FLOAT: addition and
#: multiplication in single precision; MULTIPLY: integer multiplication; SPECIAL: lg2, ex2, sin, cos and reciprocals
INTEGER, FLOAT, MULTIPLY, SPECIAL, MEMORY, BRANCH, NONE = (
    "integer", "float", "multiply", "special", "memory", "branch", "none",
)  # fmt: skip
#: cycles from the issue of an atomic addition on global memory until its result is there
ATOMIC = 800
#: so many registers a row of the table holds
WRITTEN, READ = 4, 8
#: values of ``Timing.wait`` in C
WAITS = {MEMORY: 1, BRANCH: 2}


class Cost(NamedTuple):
    """Cost of an instruction of a warp.

    Parameters
    ----------
    slots
        Issue slots.
    latency
        Cycles from its issue until a dependent instruction can be issued; for a branch, until the next one. A load's
        is that of the cache where its data is, and not in this table.
    unit
        The unit that executes it.
    """

    slots: int
    latency: int
    unit: str = INTEGER


FREE = Cost(0, 0, NONE)
_BY_FAMILY = {
    "sin": Cost(2, 24, SPECIAL), "cos": Cost(2, 24, SPECIAL), "sqrt": Cost(2, 26, SPECIAL),
    "lg2": Cost(1, 20, SPECIAL), "ex2": Cost(1, 20, SPECIAL), "rcp": Cost(1, 20, SPECIAL),
    "rsqrt": Cost(1, 20, SPECIAL), "st": Cost(1, 0, MEMORY), "red": Cost(1, 0, MEMORY), "bra": Cost(1, 10, BRANCH),
    "call": Cost(2, 10, BRANCH), "ret": Cost(1, 10, BRANCH), "exit": Cost(1, 10, BRANCH),
    "ld": Cost(1, 0, MEMORY), "vote": Cost(1, 12), "shfl": Cost(1, 24, MEMORY), "fma": Cost(1, 4, FLOAT),
}  # fmt: skip


def cost(instruction: Instruction, result_used: bool = True) -> Cost:
    """Cost of one instruction; an atomic addition whose result nobody reads is a reduction that nobody waits for."""
    family, kind = instruction.family, instruction.parts[-1]
    if vanishes(instruction):
        return FREE
    if family in ("div", "rem"):
        return _division(kind)
    if family == "atom":
        return Cost(12, ATOMIC, MEMORY) if result_used and "global" in instruction.parts else Cost(1, 0, MEMORY)
    if family == "bra" and instruction.predicate:
        return Cost(2, 10, BRANCH)  # one more to remember the lanes and, where they meet, to wait for them
    if family in _BY_FAMILY:
        return _BY_FAMILY[family]
    if family == "cvt" and "f32" in instruction.parts:
        return Cost(1, 10 if instruction.parts[-2] == "f32" else 14)
    if family in ("mul", "mad") and kind != "f32":
        return Cost(4, 14, MULTIPLY) if SIZES[kind] == 8 else Cost(1, 5, MULTIPLY)
    if family in ("add", "sub") and SIZES[kind] == 8:
        return Cost(2, 6)
    if family in ("add", "sub", "mul") and kind == "f32":
        return Cost(1, 4, FLOAT)
    return Cost(1, 4)


def vanishes(instruction: Instruction) -> bool:
    """Whether no machine instruction comes of it: constants in an operand, the halves of a pair of registers.

    What is passed to a function is most often in the registers already where the function expects it.
    """
    parts = instruction.parts
    if parts[0] == "cvta" or parts[:2] in (("ld", "param"), ("st", "param")):
        return True
    if parts[0] == "mov" and "{" in instruction.text:
        return True
    if parts[0] == "cvt" and set(parts[1:]) == {"u32", "u64"}:
        return True
    return instruction.opcode == "shr.u64" and instruction.operands[-1] == "32"


def _division(kind: str) -> Cost:
    if kind == "f32":
        return Cost(2, 24, SPECIAL)
    return Cost(20, 80, MULTIPLY) if SIZES[kind] == 4 else Cost(70, 300, MULTIPLY)


def written(instruction: Instruction, program: Program) -> tuple[str, ...]:
    """Registers that an instruction writes: those of its first operand, unless it stores or jumps."""
    to_function = instruction.parts[:2] == ("st", "param")
    if not instruction.operands or instruction.family in WITHOUT_RESULT and not to_function:
        return ()
    first, passed = instruction._replace(operands=instruction.operands[:1]), program.passed
    return tuple(name for name in first.registers if name in program.registers or name in passed)


def read(instruction: Instruction, program: Program) -> tuple[str, ...]:
    """Registers that an instruction reads, its predicate among them."""
    operands = instruction.operands[1:] if written(instruction, program) else instruction.operands
    names, passed = (instruction.predicate, *instruction._replace(operands=operands).registers), program.passed
    return tuple(dict.fromkeys(name for name in names if name in program.registers or name in passed))


def costs(program: Program) -> list[Cost]:
    """Cost of every instruction, in the order of the program."""
    used: Counter[str] = Counter()
    for instruction in program.instructions:
        used.update(read(instruction, program))
    free = joined(program, used)
    return [
        FREE if i.number in free else cost(i, any(used[name] for name in written(i, program)))
        for i in program.instructions
    ]


def joined(program: Program, used: Mapping[str, int]) -> set[int]:
    """Numbers of logic operations whose result is an operand of the next one alone: one instruction takes three."""
    numbers: set[int] = set()
    for block in program.blocks:
        pending: dict[str, int] = {}  # register whose only reader is looked for: number of what writes it
        for instruction in block.instructions:
            logic = instruction.family in ("and", "or", "xor") and instruction.parts[-1] == "b32"
            found = [pending.pop(name) for name in read(instruction, program) if name in pending]
            if logic and found:
                numbers.add(found[0])
            elif logic and used[instruction.operands[0]] == 1:
                pending[instruction.operands[0]] = instruction.number
    return numbers


class Access(NamedTuple):
    """An instruction that accesses global or local memory: number, whether local, bytes of a lane, whether atomic."""

    number: int
    local: bool
    bytes: int
    atomic: bool


def access(instruction: Instruction) -> Access | None:
    """The access to global or local memory of an instruction; None where there is none."""
    parts = instruction.parts
    if parts[0] not in ("ld", "st", "atom", "red") or not {"global", "local"} & set(parts):
        return None
    values = instruction.operands[0 if parts[0] == "ld" else -1].count(",") + 1 if parts[0] in ("ld", "st") else 1
    atomic = parts[0] in ("atom", "red")
    return Access(instruction.number, "local" in parts, SIZES[parts[-1]] * values, atomic)


def tables(program: Program) -> str:
    """C arrays that `statistics.h` reads: the cost of every instruction and every access to memory, by block."""
    number = {name: i for i, name in enumerate((*program.registers, *program.passed))}
    timings, accesses = [], []
    timings_of, accesses_of = [0], [0]
    price = iter(costs(program))
    for block in program.blocks:
        for instruction in block.instructions:
            to = [number[name] for name in written(instruction, program)][:WRITTEN]
            source = [number[name] for name in read(instruction, program)][:READ]
            timings.append(_timing_row(instruction.number, next(price), to, source))
            held = access(instruction)
            if held is not None:
                accesses.append(f"{{{_numbers(map(int, held))}}}")
        timings_of.append(len(timings))
        accesses_of.append(len(accesses))
    return "\n".join(
        [
            f"enum {{ N_REGISTERS = {len(number)} }};",
            f"enum {{ WAIT_MEMORY = {WAITS[MEMORY]}, WAIT_BRANCH = {WAITS[BRANCH]} }};",
            "typedef struct {",
            "    int number, slots, latency, wait;",
            f"    int written[{WRITTEN}], n_written, read[{READ}], n_read;",
            "} Timing;",
            f"static const Timing TIMINGS[] = {{\n{_rows(timings)}\n}};",
            f"static const int TIMINGS_OF[] = {{{_numbers(timings_of)}}};",
            "typedef struct {",
            "    int number, local, bytes, atomic;",
            "} Access;",
            f"static const Access ACCESSES[] = {{\n{_rows([*accesses, '{0, 0, 0, 0}'])}\n}};",
            f"static const int ACCESSES_OF[] = {{{_numbers(accesses_of)}}};",
            "",
        ]
    )


def _timing_row(number: int, price: Cost, to: list[int], source: list[int]) -> str:
    head = f"{number}, {price.slots}, {price.latency}, {WAITS.get(price.unit, 0)}"
    return f"{{{head}, {{{_numbers(to) or 0}}}, {len(to)}, {{{_numbers(source) or 0}}}, {len(source)}}}"


def _numbers(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def _rows(rows: Iterable[str]) -> str:
    return ",\n".join(f"    {row}" for row in rows)
