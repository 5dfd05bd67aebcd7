"""PTX instructions of one lane as C statements; an opcode, a word of it or a type that is not known is an error."""

from __future__ import annotations

from collections.abc import Callable

from .forms import FLOAT_WORDS, OPERANDS, ORDERS, TYPES
from .operands import C_TYPES, Operands, refuse
from .program import SIZES, Instruction

FLOAT_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
INTEGER_COMPARISONS = {**FLOAT_COMPARISONS, "lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
#: words of loads and stores that only advise the caches
CACHE_WORDS = {"nc", "volatile", "weak", "ca", "cg", "cs", "lu", "cv", "wb", "wt"}
SPACES = {"global", "local", "shared"}
DOUBLE = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}
TWICE = {"u32": "uint64_t", "s32": "int64_t", "u64": "unsigned __int128", "s64": "__int128"}
ATOMS = {
    "add": "old + value", "and": "old & value", "or": "old | value", "xor": "old ^ value", "exch": "value",
    "min": "old < value ? old : value", "max": "old > value ? old : value",
    "inc": "old >= value ? 0 : old + 1", "dec": "old == 0 || old > value ? value : old - 1",
}  # fmt: skip


class Opcodes:
    """Translates instructions other than jumps, barriers and what a whole warp does."""

    def __init__(self, operands: Operands) -> None:
        self.operands = operands
        by_method: dict[Callable[[Instruction], str], str] = {
            self._add: "add sub", self._multiply: "mul", self._multiply_add: "mad", self._fused: "fma",
            self._divide: "div rem", self._approximate: "rcp sqrt rsqrt lg2 ex2 sin cos", self._sign: "neg abs",
            self._least: "min max", self._logic: "and or xor", self._not: "not cnot", self._shift: "shl shr",
            self._select: "selp", self._compare: "setp", self._convert: "cvt", self._move: "mov",
            self._to_space: "cvta", self._bits: "popc clz brev prmt lop3 bfe", self._funnel: "shf",
            self._load: "ld", self._store: "st", self._atomic: "atom red", self._nothing: "membar fence",
            self._trap: "trap", self._active: "activemask", self._copysign: "copysign",
        }  # fmt: skip
        self._methods = {family: method for method, names in by_method.items() for family in names.split()}

    def statement(self, instruction: Instruction) -> str:
        """C of an instruction, its predicate included.

        Raises
        ------
        PtxError
            If it is not known, with the line.
        """
        method = self._methods.get(instruction.family)
        if method is None:
            raise refuse(instruction)
        if len(instruction.operands) not in OPERANDS.get(instruction.family, (len(instruction.operands),)):
            raise refuse(instruction, f"{len(instruction.operands)} operands")
        try:
            text = method(instruction)
        except IndexError:
            raise refuse(instruction, "operands are missing") from None
        if instruction.predicate:
            guard = self.operands.value(instruction.predicate, "pred", instruction)
            return f"if ({'!' if instruction.negated else ''}{guard}) {{ {text} }}"
        return text

    # -- help ----------------------------------------------------------------------------------------------------

    def _type(self, instruction: Instruction, *allowed: str) -> str:
        """The opcode's type; every word between must be one of ``allowed``, single precision must flush denormals."""
        kind = instruction.parts[-1]
        unknown = [word for word in instruction.parts[1:-1] if word not in allowed]
        if unknown or kind not in TYPES.get(instruction.family, tuple(C_TYPES)):
            raise refuse(instruction)
        words = instruction.parts[1:-1]
        if len(set(words)) != len(words) or kind != "f32" and FLOAT_WORDS & set(words):
            raise refuse(instruction, "words that do not go together")
        if "ftz" in allowed and kind == "f32" and "ftz" not in instruction.parts:
            raise refuse(instruction, "single precision without .ftz is not translated")
        return kind

    def _value(self, instruction: Instruction, i: int, kind: str) -> str:
        return self.operands.value(instruction.operands[i], kind, instruction)

    def _put(self, instruction: Instruction, expression: str, kind: str) -> str:
        return self.operands.assign(instruction.operands[0], expression, kind, instruction)

    def _pair(self, instruction: Instruction) -> tuple[str, str]:
        if len(instruction.operands) != 2:
            raise refuse(instruction, "not two operands")
        return instruction.operands[0], instruction.operands[1]

    # -- arithmetic ----------------------------------------------------------------------------------------------

    def _add(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "rn", "ftz")
        sign = "+" if instruction.family == "add" else "-"
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        return self._put(instruction, f"{a} {sign} {b}", kind)

    def _multiply(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "rn", "ftz", "lo", "hi", "wide")
        return self._put(instruction, *self._product(instruction, kind))

    def _product(self, instruction: Instruction, kind: str) -> tuple[str, str]:
        """Expression and type of a product: the lower half, the upper one or all of it."""
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        how = instruction.parts[1]
        if len({"lo", "hi", "wide"} & set(instruction.parts)) != (kind != "f32"):
            raise refuse(instruction, "words that do not go together")
        if kind == "f32":
            return f"{a} * {b}", kind
        if how == "lo":
            return f"({C_TYPES[kind]})({a} * {b})", kind
        if how == "hi" and kind in TWICE:
            return f"({C_TYPES[kind]})((({TWICE[kind]}){a} * ({TWICE[kind]}){b}) >> {SIZES[kind] * 8})", kind
        if how == "wide" and kind in DOUBLE:
            wide = DOUBLE[kind]
            return f"({C_TYPES[wide]}){a} * ({C_TYPES[wide]}){b}", wide
        raise refuse(instruction)

    def _multiply_add(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "lo", "hi", "wide")
        if kind == "f32":
            raise refuse(instruction)
        product, wide = self._product(instruction, kind)
        return self._put(instruction, f"{product} + {self._value(instruction, 3, wide)}", wide)

    def _fused(self, instruction: Instruction) -> str:
        kind = self._single(instruction, "rn", "ftz")
        a, b, c = (self._value(instruction, i, kind) for i in (1, 2, 3))
        return self._put(instruction, f"fmaf({a}, {b}, {c})", kind)

    def _single(self, instruction: Instruction, *allowed: str) -> str:
        """The same of an instruction that is translated in single precision alone."""
        kind = self._type(instruction, *allowed)
        if kind != "f32":
            raise refuse(instruction)
        return kind

    def _divide(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "approx", "rn", "ftz")
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        if kind == "f32" and instruction.family == "div" and {"approx", "rn"} & set(instruction.parts):
            return self._put(
                instruction, f"div_approx({a}, {b})" if "approx" in instruction.parts else f"{a} / {b}", kind
            )
        if kind not in TWICE | {"u16": "", "s16": ""} or len(instruction.parts) != 2:
            raise refuse(instruction)
        name = f"{instruction.family}_{kind}"
        return self._put(instruction, f"{name}(W, l, {instruction.number}, {a}, {b})", kind)

    def _approximate(self, instruction: Instruction) -> str:
        kind = self._single(instruction, "approx", "rn", "ftz")
        a, name = self._value(instruction, 1, kind), instruction.family
        if "approx" in instruction.parts:
            return self._put(instruction, f"{name}_approx({a})", kind)
        if "rn" in instruction.parts and name in ("rcp", "sqrt"):
            return self._put(instruction, f"1.0f / {a}" if name == "rcp" else f"sqrtf({a})", kind)
        raise refuse(instruction)

    def _sign(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "ftz")
        a = self._value(instruction, 1, kind)
        if kind == "f32":
            return self._put(instruction, f"flush(-{a})" if instruction.family == "neg" else f"flush(fabsf({a}))", kind)
        if kind[0] != "s":
            raise refuse(instruction)
        return self._put(instruction, f"-{a}" if instruction.family == "neg" else f"({a} < 0 ? -{a} : {a})", kind)

    def _copysign(self, instruction: Instruction) -> str:
        kind = self._single(instruction)
        sign, size = (self._value(instruction, i, kind) for i in (1, 2))
        return self._put(instruction, f"copysignf({size}, {sign})", kind)

    def _least(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "ftz")
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        if kind == "f32":
            return self._put(instruction, f"{instruction.family}_f32({a}, {b})", kind)
        comparison = "<" if instruction.family == "min" else ">"
        return self._put(instruction, f"({a} {comparison} {b} ? {a} : {b})", kind)

    # -- bits ----------------------------------------------------------------------------------------------------

    def _logic(self, instruction: Instruction) -> str:
        kind = self._type(instruction)
        sign = {"and": "&", "or": "|", "xor": "^"}[instruction.family]
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        return self._put(instruction, f"{a} {sign} {b}", kind)

    def _not(self, instruction: Instruction) -> str:
        kind = self._type(instruction)
        logical = kind == "pred" or instruction.family == "cnot"
        return self._put(instruction, f"{'!' if logical else '~'}{self._value(instruction, 1, kind)}", kind)

    def _shift(self, instruction: Instruction) -> str:
        kind = self._type(instruction)
        if instruction.family == "shr":
            kind = kind.replace("b", "u")
        a, n = self._value(instruction, 1, kind), self._value(instruction, 2, "u32")
        return self._put(instruction, f"{instruction.family}_{kind}({a}, {n})", kind)

    def _bits(self, instruction: Instruction) -> str:
        kind, family = self._type(instruction), instruction.family
        counts = [self._value(instruction, i, "u32") for i in range(2, len(instruction.operands))]
        arguments = ", ".join((self._value(instruction, 1, kind), *counts))
        known = {"popc": ("b32", "b64"), "clz": ("b32", "b64"), "bfe": ("u32", "s32")}.get(family, ("b32",))
        wanted = {"prmt": 4, "lop3": 5, "bfe": 4}.get(family, 2)
        if kind not in known or len(instruction.operands) != wanted:
            raise refuse(instruction)
        if family == "popc":
            return self._put(instruction, f"__builtin_popcountll({arguments})", "u32")
        return self._put(instruction, f"{family}_{kind}({arguments})", "u32" if family == "clz" else kind)

    def _funnel(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "l", "r", "wrap", "clamp")
        if kind != "b32" or len(instruction.parts) != 4:
            raise refuse(instruction)
        arguments = ", ".join(self._value(instruction, i, "u32") for i in (1, 2, 3))
        return self._put(instruction, f"shf_{instruction.parts[1]}_{instruction.parts[2]}({arguments})", "u32")

    def _active(self, instruction: Instruction) -> str:
        return self._put(instruction, "mask", self._type(instruction))

    # -- choice, comparison, conversion ----------------------------------------------------------------------------

    def _select(self, instruction: Instruction) -> str:
        kind = self._type(instruction)
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        return self._put(instruction, f"({self._value(instruction, 3, 'pred')} ? {a} : {b})", kind)

    def _compare(self, instruction: Instruction) -> str:
        how = instruction.parts[1]
        combine = next((w for w in ("and", "or", "xor") if w in instruction.parts[2:]), "")
        kind = self._type(instruction, how, "ftz", combine)
        a, b = (self._value(instruction, i, kind) for i in (1, 2))
        if kind != "f32":
            if how not in INTEGER_COMPARISONS:
                raise refuse(instruction)
            text = f"({a} {INTEGER_COMPARISONS[how]} {b})"
        elif how in ("num", "nan"):
            text = f"({'!' if how == 'num' else ''}isunordered({a}, {b}))"
        elif how[:2] in FLOAT_COMPARISONS and how[2:] in ("", "u"):
            unordered = f"isunordered({a}, {b})"
            text = f"({a} {FLOAT_COMPARISONS[how[:2]]} {b})"
            text = f"({text} || {unordered})" if how[2:] else f"({text} && !{unordered})"
        else:
            raise refuse(instruction)
        if combine:
            sign = {"and": "&&", "or": "||", "xor": "!="}[combine]
            text = f"({text} {sign} {self.operands.predicate(instruction.operands[3], instruction)})"
        return self._put(instruction, text, "pred")

    def _convert(self, instruction: Instruction) -> str:
        *words, to, source = instruction.parts[1:]
        if {to, source} - set(C_TYPES) or "pred" in (to, source):
            raise refuse(instruction)
        value = self._value(instruction, 1, source)
        rounding = [w for w in words if w != "ftz"]
        if source != "f32" and to != "f32" and not words:
            return self._put(instruction, f"({C_TYPES[to]}){value}", to)
        if source != "f32" and to == "f32" and rounding == ["rn"]:
            return self._put(instruction, f"(float){value}", to)
        whole = {"rzi": "truncf", "rni": "rintf", "rmi": "floorf", "rpi": "ceilf"}.get("".join(rounding))
        if source != "f32" or whole is None:
            raise refuse(instruction)
        value = f"{whole}(flush({value}))" if "ftz" in words else f"{whole}({value})"
        if to == "f32":
            return self._put(instruction, value, to)
        if to not in ("u32", "s32", "u64", "s64"):
            raise refuse(instruction)
        return self._put(instruction, f"cvt_{to}({value})", to)

    def _move(self, instruction: Instruction) -> str:
        kind = self._type(instruction)
        target, source = self._pair(instruction)
        if target.startswith("{") or source.startswith("{"):
            return self._pack(instruction, kind)
        return self._put(instruction, self._value(instruction, 1, kind), kind)

    def _pack(self, instruction: Instruction, kind: str) -> str:
        """Two halves to one register, or one register to two halves."""
        halves = {"b64": ("b32", 32), "b32": ("b16", 16)}
        target, source = self._pair(instruction)
        parts = self.operands.vector(target if target.startswith("{") else source)
        if kind not in halves or len(parts) != 2:
            raise refuse(instruction)
        half, width = halves[kind]
        if target.startswith("{"):
            whole = f"{C_TYPES[kind]} whole = {self.operands.value(source, kind, instruction)};"
            stores = (self.operands.assign(p, f"whole >> {i * width}", half, instruction) for i, p in enumerate(parts))
            return f"{{ {whole} {' '.join(stores)} }}"
        low, high = (f"({C_TYPES[kind]}){self.operands.value(p, half, instruction)}" for p in parts)
        return self._put(instruction, f"{low} | {high} << {width}", kind)

    # -- memory --------------------------------------------------------------------------------------------------

    def _to_space(self, instruction: Instruction) -> str:
        kind = self._type(instruction, "to", *SPACES)
        space = instruction.parts[-2]
        if kind != "u64" or space not in SPACES:
            raise refuse(instruction)
        base = {"global": "0", "local": "(uintptr_t)LOCAL(W, l)", "shared": "(uintptr_t)W->shared"}[space]
        sign = "-" if "to" in instruction.parts else "+"
        return self._put(instruction, f"{self._value(instruction, 1, 'u64')} {sign} (uint64_t){base}", kind)

    def _access(self, instruction: Instruction, address: str, size: int, writes: int) -> str:
        """Declares ``address`` and ``at``, a pointer to checked memory."""
        space = next((w for w in instruction.parts[1:] if w in SPACES), "generic")
        where = self.operands.address(address, instruction)
        return (
            f"uint64_t address = {where}; REC({instruction.number}, address); "
            f"char *at = {space}_at(W, l, {instruction.number}, address, {size}, {writes});"
        )

    def _vector(self, instruction: Instruction, operand: str) -> tuple[str, list[str]]:
        """Type and registers of a load or store."""
        kind = self._type(instruction, *SPACES, *CACHE_WORDS, "v2", "v4")
        names = self.operands.vector(operand)
        if len(names) != (4 if "v4" in instruction.parts else 2 if "v2" in instruction.parts else 1):
            raise refuse(instruction)
        return kind, names

    def _load(self, instruction: Instruction) -> str:
        target, source = self._pair(instruction)
        if "param" in instruction.parts:
            kind = self._type(instruction, "param")
            return self._put(instruction, self.operands.parameter(source, kind, instruction), kind)
        kind, names = self._vector(instruction, target)
        texts = [self._access(instruction, source, SIZES[kind] * len(names), 0)]
        for i, name in enumerate(names):
            texts.append(self.operands.assign(name, f"(({C_TYPES[kind]} *)at)[{i}]", kind, instruction))
        return f"{{ {' '.join(texts)} }}"

    def _store(self, instruction: Instruction) -> str:
        target, source = self._pair(instruction)
        if "param" in instruction.parts:
            kind = self._type(instruction, "param")
            return f"{self.operands.parameter(target, kind, instruction)} = {self._value(instruction, 1, kind)};"
        kind, names = self._vector(instruction, source)
        texts = [self._access(instruction, target, SIZES[kind] * len(names), 1)]
        for i, name in enumerate(names):
            texts.append(f"(({C_TYPES[kind]} *)at)[{i}] = {self.operands.value(name, kind, instruction)};")
        return f"{{ {' '.join(texts)} }}"

    def _atomic(self, instruction: Instruction) -> str:
        what = next((w for w in instruction.parts[1:-1] if w in (*ATOMS, "cas")), "")
        kind = self._type(instruction, *SPACES, what, "relaxed", "gpu", "cta", "sys")
        first = 1 if instruction.family == "atom" else 0
        if kind not in ("u32", "s32", "b32", "u64", "s64", "b64") or not what or (what == "cas" and not first):
            raise refuse(instruction)
        c_type = C_TYPES[kind]
        texts = [self._access(instruction, instruction.operands[first], SIZES[kind], 1)]
        texts.append(f"{c_type} old = *({c_type} *)at; {c_type} value = {self._value(instruction, first + 1, kind)};")
        new = ATOMS.get(what, "")
        if what == "cas":
            new = f"old == value ? {self._value(instruction, first + 2, kind)} : old"
        texts.append(f"*({c_type} *)at = {new};")
        if first:
            texts.append(self._put(instruction, "old", kind))
        return f"{{ {' '.join(texts)} }}"

    def _nothing(self, instruction: Instruction) -> str:
        """Order of memory accesses: here each is done before the next begins."""
        words = instruction.parts[1:]
        if not words or set(words) - ORDERS[instruction.family]:
            raise refuse(instruction)
        return ";"

    def _trap(self, instruction: Instruction) -> str:
        if instruction.opcode != "trap":
            raise refuse(instruction)
        return f'fail(W, l, {instruction.number}, "trap");'
