"""Operands of PTX instructions as C expressions of a given type."""

from __future__ import annotations

import re

from .program import SIZES, WARP_WIDE, Instruction, Program, PtxError

#: the C type of each PTX type
C_TYPES = {
    "u8": "uint8_t", "s8": "int8_t", "b8": "uint8_t", "u16": "uint16_t", "s16": "int16_t", "b16": "uint16_t",
    "u32": "uint32_t", "s32": "int32_t", "b32": "uint32_t", "u64": "uint64_t", "s64": "int64_t", "b64": "uint64_t",
    "f32": "float", "pred": "uint8_t",
}  # fmt: skip
SPECIAL = {
    "%tid.x": "(W->tid0 + l)", "%tid.y": "0", "%tid.z": "0", "%ntid.x": "W->ntid", "%ntid.y": "1", "%ntid.z": "1",
    "%ctaid.x": "W->ctaid", "%ctaid.y": "0", "%ctaid.z": "0", "%nctaid.x": "W->nctaid", "%nctaid.y": "1",
    "%nctaid.z": "1", "%laneid": "l", "%warpid": "(W->tid0 / WARP_LANES)", "WARP_SZ": "WARP_LANES",
    "%lanemask_eq": "(1u << l)", "%lanemask_lt": "((1u << l) - 1)", "%lanemask_le": "((2u << l) - 1)",
    "%lanemask_ge": "~((1u << l) - 1)", "%lanemask_gt": "~((2u << l) - 1)",
}  # fmt: skip


def refuse(instruction: Instruction, why: str = "not an instruction that is translated") -> PtxError:
    """The error of an instruction, with its line."""
    return PtxError(f"line {instruction.line}: {why}: {instruction.text}")


#: families whose registers may be wider than the type of the instruction
WIDER = ("ld", "st", "cvt")


def _check_type(register: str, own: str, kind: str, instruction: Instruction) -> None:
    """Refuse a register of another size than the instruction's type: only loads, stores and conversions take wider."""
    size, wanted = SIZES.get(own, 0), SIZES.get(kind, 0)
    if size != wanted and not (size > wanted > 0 and instruction.family in WIDER):
        raise refuse(instruction, f"{register} is .{own}, not .{kind}")


class Operands:
    """Writes operands of one kernel.

    Registers that live in one block of instructions alone are C variables; the others are fields of the lane.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lasting = lasting_registers(program)
        self._parameters = {p.name: p for p in program.parameters}
        self._passed = program.passed

    def type_of(self, register: str, instruction: Instruction) -> str:
        """PTX type of a register."""
        if register not in self.program.registers:
            raise refuse(instruction, f"no such register {register}")
        kind = self.program.registers[register]
        if kind not in C_TYPES:
            raise refuse(instruction, f".{kind} is not translated")
        return kind

    def place(self, register: str) -> str:
        """C name of a register."""
        name = re.sub(r"\W", "_", register.lstrip("%")) + "_"
        return f"L->{name}" if register in self.lasting else name

    def value(self, operand: str, kind: str, instruction: Instruction) -> str:
        """An operand's value as ``kind``."""
        if kind not in C_TYPES:
            raise refuse(instruction, f".{kind} is not translated")
        if operand in SPECIAL:
            return f"(({C_TYPES[kind]}){SPECIAL[operand]})"
        if operand in self.program.registers:
            return self._register(operand, kind, instruction)
        return self._constant(operand, kind, instruction)

    def _register(self, operand: str, kind: str, instruction: Instruction) -> str:
        own, place = self.type_of(operand, instruction), self.place(operand)
        _check_type(operand, own, kind, instruction)
        if own == kind:
            return place
        if kind == "f32":
            return f"as_float({place})"
        if own == "f32":
            return f"(({C_TYPES[kind]})as_bits({place}))"
        return f"(({C_TYPES[kind]}){place})"

    def _constant(self, operand: str, kind: str, instruction: Instruction) -> str:
        if operand == self.program.local_name and operand:
            return f"(({C_TYPES[kind]})0)"
        if operand in self.program.shared:
            return f"(({C_TYPES[kind]}){self.program.shared[operand]})"
        if re.fullmatch(r"0[fF][0-9A-Fa-f]{8}", operand):
            bits = f"0x{operand[2:]}u"
            return f"as_float(opaque({bits}))" if kind == "f32" else f"(({C_TYPES[kind]}){bits})"
        if kind != "f32" and re.fullmatch(r"-?(\d+|0x[0-9A-Fa-f]+)U?", operand):
            number = int(operand.rstrip("U"), 0)
            return f"(({C_TYPES[kind]})0x{number & 0xFFFFFFFFFFFFFFFF:x}u)"
        raise refuse(instruction, f"operand {operand} is not known")

    def predicate(self, operand: str, instruction: Instruction) -> str:
        """A predicate operand, which may be negated."""
        if operand.startswith("!"):
            return f"!{self.value(operand[1:], 'pred', instruction)}"
        return self.value(operand, "pred", instruction)

    def assign(self, register: str, expression: str, kind: str, instruction: Instruction) -> str:
        """Statement that puts an expression of type ``kind`` into a register; ``_`` takes none."""
        if register == "_":
            return f"(void)({expression});"
        own, place = self.type_of(register, instruction), self.place(register)
        _check_type(register, own, kind, instruction)
        if own == "f32" and kind != "f32":
            return f"{place} = as_float((uint32_t)({expression}));"
        if kind == "f32" and own != "f32":
            return f"{place} = as_bits({expression});"
        return f"{place} = ({C_TYPES[own]})({C_TYPES[kind]})({expression});"

    def address(self, operand: str, instruction: Instruction) -> str:
        """The address in brackets, 64 bits."""
        found = re.fullmatch(r"\[\s*([%$\w.]+)\s*(?:\+\s*(-?\d+))?\s*\]", operand)
        if found is None:
            raise refuse(instruction, f"address {operand} is not known")
        return f"({self.value(found[1], 'u64', instruction)} + ({int(found[2] or 0)}LL))"

    def parameter(self, operand: str, kind: str, instruction: Instruction) -> str:
        """A value in the parameter buffer, or in what a lane passes to functions, which it may write too."""
        found = re.fullmatch(r"\[\s*([$\w.]+)\s*(?:\+\s*(\d+))?\s*\]", operand)
        parameter = (self._passed.get(found[1]) or self._parameters.get(found[1])) if found else None
        if found is None or parameter is None or instruction.family == "st" and found[1] not in self._passed:
            raise refuse(instruction, f"no such parameter {operand}")
        offset = int(found[2] or 0)
        if offset + SIZES[kind] > parameter.size or (parameter.offset + offset) % SIZES[kind]:
            raise refuse(instruction, f"no .{kind} there in a parameter of {parameter.size} bytes")
        buffer = "L->passed" if found[1] in self._passed else "W->params"
        return f"*({C_TYPES[kind]} *)({buffer} + {parameter.offset + offset})"

    def vector(self, operand: str) -> list[str]:
        """Operands of a vector in braces, or the one that it is."""
        return [item.strip() for item in operand.strip("{}").split(",")]


#: families whose first operand is no destination
WITHOUT_RESULT = ("st", "red", "bra", "bar", "barrier", "ret", "exit", "membar", "fence", "trap", "call")


def destinations(instruction: Instruction) -> tuple[str, ...]:
    """Registers that an instruction writes."""
    if instruction.family in WITHOUT_RESULT or not instruction.operands:
        return ()
    return tuple(re.findall(r"[%A-Za-z_][\w$.]*", instruction.operands[0]))


def lasting_registers(program: Program) -> set[str]:
    """Registers whose values outlive a block of instructions, or may be read in it before it writes them."""
    lasting: set[str] = set()
    home: dict[str, int] = {}
    for i, block in enumerate(program.blocks):
        written: set[str] = set()
        for instruction in block.instructions:
            results = destinations(instruction)
            used = [r for r in (*instruction.registers, instruction.predicate) if r in program.registers]
            sources = [r for r in used if r not in results or used.count(r) > results.count(r)]
            lasting.update(r for r in used if home.setdefault(r, i) != i)
            lasting.update(r for r in sources if r not in written)
            if instruction.family in WARP_WIDE:  # written when all lanes have been heard
                lasting.update(r for r in results if r in program.registers)
            if instruction.predicate:  # the lanes that do not execute it keep what was there
                lasting.update(r for r in results if r in program.registers and r not in written)
            written.update(results)
    return lasting
