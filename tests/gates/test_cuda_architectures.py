"""Every NVIDIA architecture that hevesy supports assembles the kernels, without spills and in single precision.

On a device of compute capability 9.0 or newer numba-cuda compiles for that architecture alone ("sm_90a"), whose code
runs on no other; the default kernel is compiled here as there. The other kernels are compiled for the oldest
architecture and assembled for those that test_cuda_compile does not compile for.
"""

from __future__ import annotations

import re

import pytest
from hevesy.tests.gates import needs
from hevesy.tools import cuda_offline
from hevesy.tools.cuda_offline import KERNELS, MOST_REGISTERS

#: compute capabilities as a device of them asks for, and its name for ptxas: A10 and 30-series, L40 and 40-series,
#: H100 and H200, B200, 50-series
NATIVE = {"sm_86": (8, 6), "sm_89": (8, 9), "sm_90a": (9, 0, "a"), "sm_100a": (10, 0, "a"), "sm_120a": (12, 0, "a")}
OLDEST = (7, 5)
ASSEMBLED = ("sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
DEFAULT = KERNELS[0]
OTHERS = [kernel for kernel in KERNELS if kernel != DEFAULT and kernel.schedule == DEFAULT.schedule]


@pytest.fixture(scope="module", autouse=True)
def tools():
    needs.kernel_compiler()


def check(code: str, architecture: str, folder) -> None:
    from hevesy.kernels.backends.cuda import LOCAL_BYTES

    used = cuda_offline.assemble(code, architecture, folder / architecture)
    assert used.spill_stores == used.spill_loads == 0, used
    assert used.registers <= MOST_REGISTERS, used
    assert LOCAL_BYTES <= used.stack <= LOCAL_BYTES + 64, used
    assert ".f64" not in code


@pytest.mark.parametrize("architecture", NATIVE)
def test_the_default_kernel_as_a_device_compiles_it(architecture, tmp_path):
    code = cuda_offline.ptx(NATIVE[architecture])
    assert re.search(r"^\.target (\w+)", code, re.M)[1] == architecture
    check(code, architecture, tmp_path)


@pytest.mark.parametrize("architecture", ASSEMBLED)
@pytest.mark.parametrize("kernel", OTHERS, ids=str)
def test_code_for_the_oldest_architecture_runs_on_all(kernel, architecture, tmp_path):
    check(cuda_offline.ptx(OLDEST, kernel), architecture, tmp_path)


def test_a_device_of_9_or_newer_asks_for_its_own_architecture(monkeypatch):
    """What NATIVE relies on; with it, a new numba-cuda that asks for another is noticed."""
    from types import SimpleNamespace

    from numba.cuda import codegen

    for cc, architecture in (((8, 9), ""), ((9, 0), "a"), ((12, 0), "a")):
        device = SimpleNamespace(compute_capability=cc)
        monkeypatch.setattr(codegen.devices, "get_context", lambda device=device: SimpleNamespace(device=device))
        assert codegen.CUDACodeLibrary._ensure_cc(None, None) == (*cc, architecture)


def test_the_check_sees_double_precision(tmp_path):
    code = cuda_offline.ptx(OLDEST)
    double = code.replace("ret;", ".reg .f64 %wrong;\n\tmov.f64 %wrong, 0d3FF0000000000000;\n\tret;", 1)
    with pytest.raises(AssertionError):
        check(double, "sm_90", tmp_path)
