"""What a GPU would run, read without one: every kernel compiles, in single precision, within its registers."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from hevesy.benchmarks import decay
from hevesy.tools import cuda_offline
from hevesy.tools.cuda_offline import ARCHITECTURES, KERNELS

#: three blocks of 128 threads a multiprocessor need at most 170 registers a thread, handed out in eights
MOST_REGISTERS = 168
CASES = [(cc, kernel) for kernel in KERNELS for cc in ARCHITECTURES]
IDS = [f"sm_{cc[0]}{cc[1]}-{kernel}" for cc, kernel in CASES]


@pytest.fixture(scope="module", autouse=True)
def tools():
    lacking = cuda_offline.missing()
    if lacking and cuda_offline.REQUIRED:
        pytest.fail(f"HEVESY_REQUIRE_GATES is set and this environment lacks {lacking}")
    if lacking:
        pytest.skip(f"needs {lacking}: pip install 'hevesy[gates]'")


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
    """No neutral function is left out of the kernel, so none escapes these gates."""
    for kernel in KERNELS:
        cuda_offline.ptx((9, 0), kernel)
    functions = dict(device_functions())
    assert len(functions) > 40
    left_out = [name for name, function in functions.items() if not function.overloads]
    assert not left_out, f"compiled for no kernel: {left_out}"


def test_every_function_is_compiled_with_the_same_options(monkeypatch, tmp_path):
    """Fast-math in every callee, no link-time optimisation: what runs is made from the PTX that is read here."""
    from hevesy.kernels.backends import cuda

    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path))
    cuda_offline.ptx((9, 0))
    cuda.compiled.cache_clear()
    functions = {**dict(device_functions()), "the kernel": cuda.compiled()}
    cuda.compiled.cache_clear()
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
    for name, module in list(sys.modules.items()):
        if name.startswith("hevesy_kernels_cuda.") and "target" not in name:
            for key, value in vars(module).items():
                home = getattr(getattr(value, "py_func", None), "__module__", "")
                assert not home.startswith("hevesy_kernels_cpu"), f"{name}.{key} comes from {home}"


def test_this_gate_sees_double_precision():
    """A kernel with one Python float literal is caught, so that a clean kernel means something."""
    from numba import cuda, types

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
