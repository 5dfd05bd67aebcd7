"""What is read from PTX: a kernel and the functions that it calls, as basic blocks of instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: bytes of a value of each type
SIZES = {
    f"{kind}{bits}": bits // 8 for kind, widths in (("u", (8, 16, 32, 64)), ("s", (8, 16, 32, 64)),
    ("b", (8, 16, 32, 64)), ("f", (32, 64))) for bits in widths
}  # fmt: skip
#: opcodes at which the lanes of a warp meet: each ends its basic block
WARP_WIDE = ("vote", "shfl", "match", "redux", "elect", "bar", "barrier")
#: opcodes that end a lane
ENDS = ("ret", "exit")
#: directives of the body and of the module that change nothing that is executed
IGNORED = (".pragma", ".loc", ".file", ".section", ".maxntid", ".minnctapersm", ".reqntid")


class PtxError(ValueError):
    """PTX that is not understood, with its line."""


class Instruction(NamedTuple):
    """One instruction; ``predicate`` is the register that guards it, empty without one."""

    predicate: str
    negated: bool
    opcode: str
    operands: tuple[str, ...]
    text: str
    number: int  # of all instructions, in order
    line: int  # of the PTX file, from 1

    @property
    def parts(self) -> tuple[str, ...]:
        """The opcode's words: ``ld.global.f32`` is load, space, type."""
        return tuple(self.opcode.split("."))

    @property
    def family(self) -> str:
        """The opcode's first word."""
        return self.parts[0]

    @property
    def registers(self) -> tuple[str, ...]:
        """Names in the operands that may be registers, in order, vectors and addresses opened."""
        return tuple(re.findall(r"[%$A-Za-z_][\w$.]*", " ".join(self.operands)))


class Block(NamedTuple):
    """Instructions that are executed one after the other; control comes in at the first and leaves at the last."""

    label: str
    instructions: tuple[Instruction, ...]
    function: str = ""  # tag of the function that it belongs to; empty in the kernel


class Parameter(NamedTuple):
    """A parameter, and where it is [B]: in the kernel's buffer, or in what a lane passes to functions."""

    name: str
    type: str
    offset: int
    size: int


class Function(NamedTuple):
    """A function that is called: its names in the module and here, and its parameters."""

    name: str
    tag: str
    results: tuple[Parameter, ...]
    arguments: tuple[Parameter, ...]

    @property
    def entry(self) -> str:
        """Label of its first block."""
        return f"{self.tag}.entry"

    @property
    def end(self) -> str:
        """Label of a block without instructions, which no lane executes: there the lanes of a call meet."""
        return f"{self.tag}.end"


class Program(NamedTuple):
    """One kernel and the functions that it calls."""

    name: str
    parameters: tuple[Parameter, ...]
    registers: dict[str, str]  # name: type
    local_name: str  # the local array; empty without one
    local_size: int  # bytes of a lane
    shared: dict[str, int]  # name of a shared array: offset [B]
    shared_size: int  # bytes of a block of threads
    blocks: tuple[Block, ...]  # those of the kernel, then those of each function
    functions: tuple[Function, ...] = ()

    @property
    def passed(self) -> dict[str, Parameter]:
        """Parameters of functions by name."""
        return {p.name: p for function in self.functions for p in (*function.results, *function.arguments)}

    @property
    def passed_bytes(self) -> int:
        """Size of what a lane passes to functions and gets from them."""
        return max((p.offset + p.size for p in self.passed.values()), default=0)

    @property
    def parameter_bytes(self) -> int:
        """Size of the parameter buffer."""
        return max((p.offset + p.size for p in self.parameters), default=0)

    @property
    def instructions(self) -> Iterator[Instruction]:
        """All instructions in order."""
        return (instruction for block in self.blocks for instruction in block.instructions)

    @property
    def index(self) -> dict[str, int]:
        """Number of the block of each label."""
        return {block.label: i for i, block in enumerate(self.blocks)}


def aligned(offset: int, alignment: int) -> int:
    """The next multiple of ``alignment`` from ``offset`` on."""
    return -(-offset // alignment) * alignment


def parameters(text: str, offset: int = 0) -> tuple[Parameter, ...]:
    """Parameters and their offsets, from one on: each at a multiple of its alignment."""
    out: list[Parameter] = []
    pattern = r"\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)(?:\s+\.ptr[^,]*?)?\s+([\w$]+)(?:\[(\d+)\])?\s*(?:,|$)"
    for alignment, kind, name, count in re.findall(pattern, text.strip()):
        size = SIZES[kind] * (int(count) if count else 1)
        offset = aligned(offset, int(alignment) if alignment else SIZES[kind])
        out.append(Parameter(name, kind, offset, size))
        offset += size
    if len(out) != text.count(".param"):
        raise PtxError(f"{text.count('.param') - len(out)} parameters of a form that is not known")
    return tuple(out)
