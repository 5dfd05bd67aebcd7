"""Prints the PTX of the CUDA history kernel with source lines: ``decay_ptx MAJOR MINOR`` (compute capability)."""

from __future__ import annotations

import sys


def main(words: list[str]) -> int:
    """Compile with line numbers in the kernel and every callee; the options hold for a process, hence this file."""
    from hevesy.kernels.backends import cuda_target
    from hevesy.kernels.backends.cuda_stack import cuda
    from hevesy.tools import cuda_offline

    cc = (int(words[0]), int(words[1]))
    cuda_target.OPTIONS["lineinfo"] = True
    cuda_target.OWN_FORMS.clear()  # they have no lines of the source
    with cuda_offline.device(cc):
        code, _ = cuda.compile(
            cuda_target.kernel_function(schedule="histories"),
            cuda_offline.signature(cuda_offline.HISTORIES),
            device=False,
            abi="numba",
            cc=cc,
            output="ptx",
            fastmath=True,
            lineinfo=True,
        )
    sys.stdout.write(code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
