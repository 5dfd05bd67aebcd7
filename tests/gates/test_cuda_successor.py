"""The kernels under numba-cuda-mlir, the successor of numba-cuda: they compile, in single precision, without spills.

Not part of ``make test``: the successor is the compiler only where numba-cuda is not installed. ``make gate-successor``
runs this file in an environment of its own, where a missing compiler is a failure.
"""

from __future__ import annotations

import os
import re

import pytest
from hevesy.tools import cuda_offline, cuda_successor
from hevesy.tools.cuda_offline import HISTORIES, KERNELS, MOST_REGISTERS

REQUIRED = os.environ.get("HEVESY_REQUIRE_SUCCESSOR", "0") not in ("", "0")
#: of a thread's local memory beyond its stack and counters: tuples that the compiler passes through memory
MOST_MORE_LOCAL = 512
CASES = [(kernel, cc) for kernel in KERNELS for cc in cuda_successor.ARCHITECTURES]
IDS = [f"{kernel}-sm_{cc[0]}{cc[1]}" for kernel, cc in CASES]


@pytest.fixture(scope="module", autouse=True)
def compiler():
    lacking = cuda_successor.missing()
    if lacking and REQUIRED:
        pytest.fail(f"HEVESY_REQUIRE_SUCCESSOR is set: {lacking}")
    if lacking:
        pytest.skip(f"{lacking}: make gate-successor has an environment of its own")


@pytest.mark.parametrize(("kernel", "cc"), CASES, ids=IDS)
def test_kernels_compile_and_assemble(kernel, cc, tmp_path):
    from hevesy.kernels.backends.cuda import LOCAL_BYTES

    code = cuda_successor.ptx(cc, kernel)
    assert ".f64" not in code
    used = cuda_offline.assemble(code, f"sm_{cc[0]}{cc[1]}", tmp_path / "kernel")
    assert used.spill_stores == used.spill_loads == 0, used
    assert used.registers <= MOST_REGISTERS, used
    assert LOCAL_BYTES <= used.stack <= LOCAL_BYTES + MOST_MORE_LOCAL, used


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_deposits_are_integer_additions(kernel):
    """Energy and counters leave a thread as 64-bit integer atomics, as with numba-cuda."""
    code = cuda_successor.ptx((9, 0), kernel)
    atomics = re.findall(r"^\s*(?:@!?%p\d+\s+)?((?:atom|red)\.[\w.]+)", code, re.M)
    assert {a.split(".")[-1] for a in atomics} <= {"u64", "s64"}, sorted(set(atomics))
    assert {a.split(".")[1] for a in atomics} >= {"global", "shared"}
    assert {a for a in atomics if ".add" not in a} == set()


def test_the_hardware_functions_are_the_approximate_ones():
    """Named in the target: this compiler takes no heed of fast-math below sm_100."""
    code = cuda_successor.ptx((9, 0), HISTORIES)
    for name in ("lg2.approx", "ex2.approx", "sin.approx", "cos.approx"):
        assert name in code


def test_a_named_tuple_cannot_be_made_without_help(monkeypatch):
    """Once this fails the compiler makes named tuples itself: `construct_tuples` can go."""
    from typing import NamedTuple

    from numba_cuda_mlir import cuda, tools, types

    class Pair(NamedTuple):
        a: int
        b: int

    def kernel(out):
        pair = Pair(out[0], out[1])
        out[2] = pair.a + pair.b

    monkeypatch.setattr(tools, "_cached_cc", (9, 0))
    monkeypatch.setenv("NUMBA_CUDA_MLIR_ICE_FULL_TB", "1")  # the error itself, not a summary
    with pytest.raises(NotImplementedError, match="lowering call to"):
        cuda.compile(kernel, (types.int64[::1],), device=False, abi="numba", cc=(9, 0), output="ptx")


def test_a_shared_array_is_lost_in_a_function_that_is_called(monkeypatch):
    """Once this fails the compiler keeps it: the option of `needs` can go."""
    import numpy as np
    from numba_cuda_mlir import cuda, tools, types

    def add(out):
        shared = cuda.shared.array(4, np.int64)
        for _ in range(2):  # long enough that the compiler does not inline it by itself
            for first in (0, 1, 2, 3):
                shared[first] = out[first]
            cuda.syncthreads()
            for first in (0, 1, 2, 3):
                out[first] += shared[first] * 2
            cuda.syncthreads()
            for first in (0, 1, 2, 3):
                out[first] += shared[first] * 3
            cuda.syncthreads()
            for first in (0, 1, 2, 3):
                out[first] += shared[first] * 5

    def compiled(**options):
        called = cuda.jit(add, device=True, **options)

        def kernel(out):
            called(out)

        cuda.compile(kernel, (types.int64[::1],), device=False, abi="numba", cc=(9, 0), output="ptx")

    monkeypatch.setattr(tools, "_cached_cc", (9, 0))
    monkeypatch.setenv("NUMBA_CUDA_MLIR_ICE_FULL_TB", "1")  # the error itself, not a summary
    compiled(inline="always")
    with pytest.raises(Exception, match="does not reference a valid global memref"):
        compiled()
