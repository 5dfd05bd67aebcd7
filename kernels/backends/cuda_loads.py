"""Loads of 16 bytes: four neighbours of a table in one access of a GPU's memory.

Numba indexes one element at a time, and the compiler may join loads only where it can prove that the address is a
multiple of 16 bytes. Here it is told so; :func:`.cuda_memory.upload` sees to it.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from .cuda_compiler import intrinsic
from .cuda_memory import VECTOR_BYTES


@intrinsic
def load_vector(typingctx, array, index):
    """Elements ``index`` to ``index + 3`` of a float32 array; ``index`` (uint32) is a multiple of four."""
    signature = types.UniTuple(array.dtype, 4)(array, index)

    def codegen(context, builder, signature, arguments):
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(struct.data, [builder.zext(arguments[1], ir.IntType(64))])
        vector = ir.VectorType(place.type.pointee, 4)
        four = builder.load(builder.bitcast(place, vector.as_pointer()), align=VECTOR_BYTES)
        items = [builder.extract_element(four, ir.IntType(32)(i)) for i in range(4)]
        return context.make_tuple(builder, signature.return_type, items)

    return signature, codegen
