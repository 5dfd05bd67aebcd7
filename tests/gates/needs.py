"""What gates of the CUDA kernels need: without it they skip, or fail where ``HEVESY_REQUIRE_GATES`` promises it."""

from __future__ import annotations

import importlib.util

import pytest
from hevesy.tools import cuda_offline
from hevesy.tools.ptx import emulator


def present(lacking: str) -> None:
    """Skip a test that lacks packages; they are promised where ``HEVESY_REQUIRE_GATES`` is set."""
    if lacking and cuda_offline.REQUIRED:
        pytest.fail(f"HEVESY_REQUIRE_GATES is set and this environment lacks {lacking}")
    if lacking:
        pytest.skip(f"needs {lacking}: pip install '.[gates]'")


def installed(module: str, package: str) -> None:
    """Skip a test that lacks one package of the extra `gates`."""
    present("" if importlib.util.find_spec(module) else package)


def kernel_compiler() -> None:
    """Skip a test where CUDA kernels cannot be compiled and assembled."""
    present(cuda_offline.missing())


def c_compiler() -> list[str]:
    """Command of the C compiler; skip a test where there is none: nothing promises one."""
    found = emulator.compiler()
    if found is None:
        pytest.skip("needs a C compiler: $CC, cc, gcc or clang")
    return found
