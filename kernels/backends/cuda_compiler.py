"""The compiler of the CUDA kernels, named in this module alone: what the target takes from it.

It is numba-cuda. Where that is not installed and its successor numba-cuda-mlir is, it is the successor: so far that
one compiles the kernels in a gate (``tests/gates/test_cuda_successor.py``) and launches nothing
(docs/decisions/0012-after-numba-cuda.md).
"""

from __future__ import annotations

import sys
import types as pytypes
from importlib.util import find_spec
from typing import Any

from .cuda_probe import simulated

SUCCESSOR = find_spec("numba_cuda") is None and find_spec("numba_cuda_mlir") is not None

if SUCCESSOR:
    from numba_cuda_mlir import cuda
    from numba_cuda_mlir.cuda import libdevice
else:
    from .cuda_stack import cuda

    if not simulated():
        from numba.cuda import libdevice
        from numba.cuda.extending import intrinsic

__all__ = ["SUCCESSOR", "construct_tuples", "cuda", "intrinsic", "libdevice", "needs"]


def needs(code: pytypes.CodeType) -> dict[str, Any]:
    """Options without which the compiler cannot build a device function, by its bytecode.

    The successor loses a static shared array of a function that it calls, and keeps that of one that it inlines.
    """
    return {"inline": "always"} if SUCCESSOR and "shared" in code.co_names else {}


def construct_tuples(package: str) -> None:
    """Let kernels make named tuples of the classes in the loaded modules of ``package``.

    The successor knows the types and fields of named tuples, and not the call that makes one.
    """
    if not SUCCESSOR:
        return
    from numba_cuda_mlir import extending, types

    def construct(builder: Any, target: Any, arguments: Any, _: Any) -> None:
        builder.store_var(target, tuple(builder.load_var(argument) for argument in arguments))

    modules = [module for name, module in sys.modules.items() if name.startswith(f"{package}.")]
    values = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    for value in values:
        if issubclass(value, tuple) and hasattr(value, "_fields"):
            extending.lower_builtin(value, types.VarArg(types.Any))(construct)
    extending.refresh_registries()
