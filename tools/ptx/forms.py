"""Forms of PTX instructions that the assembler takes: how many operands, which types and words go together."""

from __future__ import annotations

from collections.abc import Iterator

FLOAT_WORDS = {"rn", "ftz", "approx"}
INTEGERS = ("u16", "s16", "u32", "s32", "u64", "s64")
BITS = ("b16", "b32", "b64")


def _each(names: str, value: tuple) -> Iterator[tuple[str, tuple]]:
    return ((name, value) for name in names.split())


#: operands of each family
OPERANDS: dict[str, tuple[int, ...]] = dict(
    (
        *_each("membar fence trap", (0,)),
        *_each("activemask", (1,)),
        *_each("rcp sqrt rsqrt lg2 ex2 sin cos neg abs not cnot cvt mov cvta popc clz brev ld st red", (2,)),
        *_each("add sub mul div rem min max and or xor shl shr copysign", (3,)),
        *_each("mad fma selp prmt bfe shf", (4,)),
        *_each("setp atom", (3, 4)),
        *_each("lop3", (5,)),
    )
)
#: types of the families that do not take all
TYPES: dict[str, tuple[str, ...]] = dict(
    (
        *_each("add sub mul div min max", (*INTEGERS, "f32")),
        *_each("mad rem", INTEGERS),
        *_each("and or xor not", (*BITS, "pred")),
        *_each("shl cnot", BITS),
        *_each("shr", (*BITS, *INTEGERS)),
        *_each("selp", (*BITS, *INTEGERS, "f32")),
        *_each("mov", (*BITS, *INTEGERS, "f32", "pred")),
        *_each("activemask", ("b32",)),
    )
)
#: words of instructions that order memory accesses
ORDERS = {"membar": {"gl", "cta", "sys"}, "fence": {"acq_rel", "sc", "cta", "gpu", "sys"}}
