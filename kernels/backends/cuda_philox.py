"""Philox as a function that the CUDA kernels call: in the code once, where inlining makes twenty copies of it.

That saves registers, and instructions that a multiprocessor must fetch (docs/decisions/0011-gpu-speed.md). numba-cuda
can be told to inline a function, not to leave it out of line, so it is written in LLVM's instructions here. Its words
are those of :func:`hevesy.kernels.rng.philox`.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from .. import rng
from .cuda_compiler import intrinsic

NAME = "hevesy_philox"
ROUNDS = 10
MULTIPLIERS = (int(rng.M0), int(rng.M1))
KEY_STEPS = (int(rng.W0), int(rng.W1))
WORD, PRODUCT = ir.IntType(32), ir.IntType(64)


@intrinsic
def philox(typingctx, c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x32; four uint32 words and two of the key in, four words out."""
    signature = types.UniTuple(types.uint32, 4)(*[types.uint32] * 6)

    def codegen(context, builder, signature, arguments):
        function = builder.module.globals.get(NAME)
        return builder.call(_define(builder.module) if function is None else function, arguments)

    return signature, codegen


def _define(module: ir.Module) -> ir.Function:
    """The function in this module; several modules of a kernel may have it, and the linker keeps one."""
    result = ir.ArrayType(WORD, 4)
    function = ir.Function(module, ir.FunctionType(result, [WORD] * 6), NAME)
    function.linkage = "linkonce_odr"
    for attribute in ("noinline", "nounwind", "readnone"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    *counter, k0, k1 = function.args
    for _ in range(ROUNDS):
        counter = _round(builder, counter, (k0, k1))
        k0, k1 = (builder.add(key, WORD(step)) for key, step in zip((k0, k1), KEY_STEPS, strict=True))
    words: ir.Value = ir.Constant(result, ir.Undefined)
    for i, word in enumerate(counter):
        words = builder.insert_value(words, word, i)
    builder.ret(words)
    return function


def _round(builder: ir.IRBuilder, counter: list[ir.Value], key: tuple[ir.Value, ir.Value]) -> list[ir.Value]:
    """One round: both halves of two products, mixed with the other two words and the key."""
    products = [
        builder.mul(builder.zext(word, PRODUCT), PRODUCT(multiplier))
        for word, multiplier in zip((counter[0], counter[2]), MULTIPLIERS, strict=True)
    ]
    low = [builder.trunc(product, WORD) for product in products]
    high = [builder.trunc(builder.lshr(product, PRODUCT(32)), WORD) for product in products]
    return [
        builder.xor(builder.xor(high[1], counter[1]), key[0]),
        low[1],
        builder.xor(builder.xor(high[0], counter[3]), key[1]),
        low[0],
    ]
