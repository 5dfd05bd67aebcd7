"""CUDA kernels compiled by numba-cuda-mlir, the successor of numba-cuda, where there is no GPU.

In an environment of its own: where numba-cuda is installed, that is the compiler
(``kernels/backends/cuda_compiler.py``).
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache

from hevesy.tools import cuda_offline
from hevesy.tools.cuda_offline import KERNELS, Kernel

#: the first goal, and the first architecture that this compiler compiles another way: up to 9.0 by NVVM's older
#: dialect, from 10.0 on by its newer one
ARCHITECTURES = ((9, 0), (10, 0))


def missing() -> str:
    """Why the successor does not compile here, empty when it does."""
    if importlib.util.find_spec("numba_cuda_mlir") is None:
        return "numba-cuda-mlir is not installed"
    if importlib.util.find_spec("numba_cuda") is not None:
        return "numba-cuda is installed here and is the compiler"
    if cuda_offline.ptxas() is None:
        return "ptxas (nvidia-cuda-nvcc) is not installed"
    return ""


@cache
def ptx(cc: tuple[int, int], kernel: Kernel = KERNELS[0]) -> str:
    """PTX of a kernel: its entry alone, under a short name.

    The compiler leaves every device function beside the kernel that it has inlined them into, each parameter under a
    name of 2000 letters: 10 MB, of which 0.3 MB are the kernel.
    """
    from hevesy.kernels.backends.cuda_target import OPTIONS, kernel_function
    from numba_cuda_mlir import cuda, tools
    from numba_cuda_mlir.numba_cuda.typing.typeof import typeof

    # it asks the device for its compute capability even when it is told one
    tools._cached_cc = cc
    code, _ = cuda.compile(
        kernel_function(kernel.tiled, kernel.schedule),
        tuple(typeof(argument) for argument in cuda_offline.arguments(kernel)),
        device=False,
        abi="numba",
        cc=cc,
        output="ptx",
        fastmath=OPTIONS["fastmath"],
    )
    return entry_alone(code)


def entry_alone(code: str) -> str:
    """The head of a PTX module and its one entry, which must call nothing; renamed ``kernel``."""
    head, start, rest = code.partition(".visible .entry")
    assert start and ".entry" not in rest, "one entry is expected"
    body = start + rest[: rest.index("\n}") + 3]
    called = re.findall(r"^\s*(?:@!?%p\d+\s+)?call.*", body, re.M)
    assert not called, f"the kernel calls functions: {called[:3]}"
    name = re.search(r"\.entry\s+([\w$]+)", body)
    assert name is not None
    return (head + body).replace(name[1], "kernel")


def main() -> None:
    """A table of the kernels' resources: python tools/cuda_successor.py FOLDER."""
    import sys
    from pathlib import Path

    print("| kernel | architecture | registers | spills | stack [B] | shared [B] | machine instructions | `.f64` |")
    print("|---|---|---|---|---|---|---|---|")
    for kernel in KERNELS:
        for cc in ARCHITECTURES:
            code, name = ptx(cc, kernel), f"sm_{cc[0]}{cc[1]}"
            r = cuda_offline.assemble(code, name, Path(sys.argv[1]) / f"successor-{kernel}-{name}")
            spilled = r.spill_stores + r.spill_loads
            cells = (kernel, name, r.registers, spilled, r.stack, r.shared, r.code_bytes // 16, code.count(".f64"))
            print("| " + " | ".join(str(cell) for cell in cells) + " |")


if __name__ == "__main__":
    main()
