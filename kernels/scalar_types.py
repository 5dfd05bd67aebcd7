"""Types of the fields of kernel tuples, the same on every target.

To a type checker each is ``Any``: a field holds a NumPy scalar or array in plain Python and a compiled value on the
other targets, where the compiler checks the type.
"""

from typing import Any, TypeAlias

I32: TypeAlias = Any  # int32
I64: TypeAlias = Any  # int64
U32: TypeAlias = Any  # uint32
F32: TypeAlias = Any  # float32
# one-dimensional, C-contiguous arrays
U8Array: TypeAlias = Any
I32Array: TypeAlias = Any
I64Array: TypeAlias = Any
F32Array: TypeAlias = Any
