"""What a GPU would run, read without one: every kernel compiles, in single precision, within its registers."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hevesy.benchmarks import decay
from hevesy.kernels.backends.cuda_options import ASSEMBLER, MAX_REGISTERS, SCHEDULE
from hevesy.tests.gates import needs
from hevesy.tools import cuda_offline
from hevesy.tools.cuda_offline import ARCHITECTURES, KERNELS, MOST_REGISTERS

#: bytes of spill stores and loads in a kernel's code that a ceiling of registers may cost: a fifth more than the most
#: of any kernel on sm_90, 272, 576 and 1248 (python tools/cuda_offline.py); without a ceiling there are none
SPILL_BUDGET = {96: 327, 80: 692, 64: 1498}
#: the same for kernels of the default schedule at the default ceiling, on any architecture; the most is 72
DEFAULT_BUDGET = 87
CASES = [(cc, kernel) for kernel in KERNELS for cc in ARCHITECTURES]
IDS = [f"sm_{cc[0]}{cc[1]}-{kernel}" for cc, kernel in CASES]


@pytest.fixture(scope="module", autouse=True)
def tools():
    needs.kernel_compiler()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cuda")


@pytest.mark.parametrize(("cc", "kernel"), CASES, ids=IDS)
def test_no_double_precision(cc, kernel):
    wrong = [line.strip() for line in cuda_offline.ptx(cc, kernel).splitlines() if ".f64" in line]
    assert not wrong, f"{len(wrong)} double-precision operations, the first: {wrong[:3]}"


@pytest.mark.parametrize(("cc", "kernel"), CASES, ids=IDS)
def test_registers_and_spills(cc, kernel, folder):
    from hevesy.kernels.backends.cuda import LOCAL_BYTES

    found = cuda_offline.resources(cc, kernel, folder)
    assert found.spill_stores == 0, found
    assert found.spill_loads == 0, found
    assert found.registers <= MOST_REGISTERS, found
    # stack and counters of a history, and nothing else, live in local memory; the memory plan counts on it
    assert LOCAL_BYTES <= found.stack <= LOCAL_BYTES + 64, found


@pytest.mark.parametrize("ceiling", SPILL_BUDGET)
@pytest.mark.parametrize("kernel", [k for k in KERNELS if not k.tiled], ids=str)
def test_a_ceiling_of_registers_costs_what_it_may(kernel, ceiling, folder):
    """What a ceiling saves in registers, a thread keeps in memory: within a budget, beside the stack that is planned.

    Bytes in the code, whether run often or not: whether the ceiling pays is measured on a card
    (``cuda_options``); the budget shows a kernel that has grown.
    """
    from hevesy.kernels.backends.cuda import LOCAL_BYTES

    found = cuda_offline.resources((9, 0), kernel, folder, ceiling)
    assert found.registers <= ceiling, found
    assert found.spill_stores + found.spill_loads <= SPILL_BUDGET[ceiling], found
    # frames are aligned to 16 bytes
    assert found.stack - LOCAL_BYTES <= -(-found.spill_stores // 16) * 16, found


@pytest.mark.parametrize("cc", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
@pytest.mark.parametrize("kernel", [k for k in KERNELS if k.schedule == SCHEDULE], ids=str)
def test_the_default_ceiling_costs_next_to_nothing(kernel, cc, folder):
    found = cuda_offline.resources(cc, kernel, folder, MAX_REGISTERS)
    assert found.registers <= MAX_REGISTERS, found
    assert found.spill_stores + found.spill_loads <= DEFAULT_BUDGET, found


def test_philox_is_called():
    """Once in the code, and called from every place that draws; the same words (test_ptx_kernels)."""
    code = ptx_of(KERNELS[0])
    assert len(re.findall(r"^\.weak \.func .*hevesy_philox\($", code, re.M)) == 1
    assert len(re.findall(r"^\s*hevesy_philox,", code, re.M)) > 20
    assert code.count("mul.wide.u32") < 300


def test_every_ceiling_has_a_budget():
    from hevesy.kernels.backends.cuda_options import REGISTER_CEILINGS

    assert (None, *SPILL_BUDGET) == REGISTER_CEILINGS


def test_a_ceiling_is_part_of_the_compiled_kernel_and_of_its_cache(monkeypatch, tmp_path):
    from hevesy.kernels.backends import cuda

    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path))
    cuda.compiled.cache_clear()
    free, limited = cuda.compiled(max_registers=None), cuda.compiled(max_registers=80)
    cuda.compiled.cache_clear()
    assert limited.targetoptions == free.targetoptions | {"max_registers": 80}
    folders = {Path(kernel._cache.cache_path).relative_to(cuda.cache_folder()).parts[0] for kernel in (free, limited)}
    assert folders == {"registers-free", "registers-80"}


def test_lines_of_the_source_can_be_told_from_the_code():
    """What the profile of a decay reads (benchmarks/decay.py): compiled with other options than what runs."""
    found = {file for file, _ in decay.count_lines(decay.ptx_with_lines())}
    assert {"rng.py", "history.py", "physics/photon/track.py", "physics/electron/track.py"} <= found


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_deposits_are_integer_reductions(kernel):
    """Energy and counters leave a thread as 64-bit integer atomics, never as floating-point ones."""
    atomics = [
        line.split()[0]
        for line in cuda_offline.ptx((9, 0), kernel).splitlines()
        if line.strip().startswith(("atom.", "red."))
    ]
    assert atomics
    assert all(a.endswith((".u64", ".s64")) for a in atomics), sorted(set(atomics))


def ptx_of(kernel):
    return cuda_offline.ptx((9, 0), kernel)


def device_functions():
    """Every function of the neutral source, as built for CUDA: (name, Numba's dispatcher)."""
    from hevesy.kernels.loader import ROOT, neutral_sources

    for path in neutral_sources():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if not name.endswith("__init__"):
            module = importlib.import_module(f"hevesy_kernels_cuda.{name}")
            for key, value in vars(module).items():
                if getattr(getattr(value, "py_func", None), "__module__", "") == module.__name__:
                    yield f"{name}.{key}", value


def test_the_whole_call_graph_is_compiled():
    """No neutral function is left out of the kernel, so none escapes these gates.

    Numba leaves a symbol in the PTX for every function of the call graph, those too that were inlined.
    """
    symbols = "".join(re.findall(r"_ZN08NumbaEnv19hevesy_kernels_cuda\w+", "".join(map(ptx_of, KERNELS))))
    functions = [name for name, _ in device_functions()]
    assert len(functions) > 40
    left_out = [name for name in functions if "".join(f"{len(p)}{p}" for p in name.split(".")) + "B" not in symbols]
    assert not left_out, f"compiled for no kernel: {left_out}"


def test_every_function_is_compiled_with_the_same_options(monkeypatch, tmp_path):
    """Fast-math in every callee, no link-time optimisation: what runs is made from the PTX that is read here."""
    from hevesy.kernels.backends import cuda

    cuda_offline.ptx((9, 0))
    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path))
    cuda.compiled.cache_clear()
    functions = {**dict(device_functions()), "the kernel": cuda.compiled()}
    cuda.compiled.cache_clear()
    assert len(functions) > 40
    for name, function in functions.items():
        options = function.targetoptions
        assert options["fastmath"] is True, name
        assert options["lto"] is False, name
        assert not options["debug"], name


def test_every_problem_has_the_types_that_were_compiled():
    """One signature serves all problems of a scoring mode: a device compiles once."""
    from hevesy.engine.nuclides.emission import Emission
    from hevesy.engine.transport.options import PhysicsOptions
    from hevesy.engine.transport.problem import Problem
    from hevesy.engine.transport.world import build_world
    from numba import typeof

    tiny = cuda_offline.tiny_problem()
    other = Problem(
        density_g_cm3=np.full((1, 2, 3), 1.0, np.float32),
        material=np.zeros((1, 2, 3), np.uint8),
        materials=tiny.materials[:1],
        voxel_size_mm=(1.0, 2.0, 3.0),
        source=np.ones((1, 2, 3), np.float32),
        emission=Emission(electron_lines=np.array([[0.1, 1.0]])),
    )
    world = build_world(other, PhysicsOptions.from_dict({"photons": "off"}))
    assert typeof(world) == typeof(cuda_offline.world())
    assert typeof(world) != typeof(cuda_offline.world(track_length=True))


def test_cuda_and_cpu_share_no_compiled_function():
    """Each target has its own copy of the neutral modules; none holds another target's objects."""
    cuda_offline.ptx((9, 0))
    functions = 0
    for name, module in list(sys.modules.items()):
        if name.startswith("hevesy_kernels_cuda.") and "target" not in name:
            for key, value in vars(module).items():
                home = getattr(getattr(value, "py_func", None), "__module__", "")
                functions += home.startswith("hevesy_kernels_cuda")
                assert not home.startswith("hevesy_kernels_cpu"), f"{name}.{key} comes from {home}"
    assert functions > 40


def test_this_gate_sees_double_precision():
    """A kernel with one Python float literal is caught, so that a clean kernel means something."""
    from hevesy.kernels.backends.cuda_stack import cuda
    from numba import types

    def careless(out):
        out[0] = out[0] * 1.1

    with cuda_offline.device((9, 0)):
        code, _ = cuda.compile(
            careless, (types.float32[::1],), device=False, abi="numba", cc=(9, 0), output="ptx", fastmath=True
        )
    assert ".f64" in code


def test_the_report_reader_sees_spills(tmp_path):
    binary = tmp_path / "none"
    header = bytearray(64)
    header[0x28:0x30] = (0).to_bytes(8, "little")
    binary.write_bytes(bytes(header))
    text = (
        "ptxas info    : Function properties for kernel\n"
        "    2312 bytes stack frame, 72 bytes spill stores, 84 bytes spill loads\n"
        "ptxas info    : Used 128 registers, used 1 barriers, 2312 bytes cumulative stack size, 152 bytes smem\n"
    )
    found = cuda_offline.read_report(text, binary)
    assert found == (128, 2312, 72, 84, 152, 0)


def test_kernels_are_linked_with_the_roundings_of_their_ptx():
    """Numba's linker, as the kernels are given to it, makes the machine code of ptxas without further contraction."""
    from cuda.core import Linker, LinkerOptions, ObjectCode
    from hevesy.kernels.backends import cuda_stack
    from numba.cuda.cudadrv import driver

    assert cuda_stack.cuda.jit
    code = cuda_offline.ptx((9, 0), cuda_offline.Kernel()).replace("sm_90a", "sm_90").encode()
    numba = driver._Linker(cc=(9, 0))
    numba.add_ptx(code)
    linked = numba.complete().code

    def directly(**options):
        with_them = LinkerOptions(arch="sm_90", **options)
        return Linker(ObjectCode.from_ptx(code), options=with_them).link("cubin").code

    assert linked == directly(ptxas_options=ASSEMBLER)
    assert linked != directly()
