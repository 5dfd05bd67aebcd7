"""The host stack of a run on a GPU, all of it real but the device: compiled, linked, loaded, launched, added up.

The driver is the emulated one (tools/driver), in processes of their own.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import pytest
from hevesy.engine.transport.problem_file import save_problem
from hevesy.tests.gates import cuda_driven, emulated
from hevesy.tools import cuda_offline, driver
from hevesy.tools.driver import registry

SCRIPT = Path(cuda_driven.__file__)
TWO = driver.Settings(devices=2)


@pytest.fixture(scope="module")
def session():
    return emulated.session()


@pytest.fixture(scope="module")
def driven(session):
    """What `cuda_driven.py` found on two devices."""
    ended = session.run([str(SCRIPT)], TWO)
    assert ended.code == 0, ended.err[-3000:]
    return json.loads(ended.out), ended


@pytest.fixture(scope="module")
def found(driven):
    return driven[0]


def test_both_devices_are_found(found):
    assert found["devices"] == [0, 1]
    assert found["one"]["device"].startswith(
        "Emulated GPU (compute capability 9.0, voted, at most 96 registers), driver "
    )
    assert found["all"]["device"].startswith(
        "2 x Emulated GPU (compute capability 9.0, voted, at most 96 registers), driver "
    )


def test_the_launch_fills_the_device(found):
    """One multiprocessor of 65536 registers holds five blocks of 128 threads with 89 to 96 registers each."""
    blocks, threads, resident = found["one"]["launch"]
    assert (blocks * threads, resident) == (640, 2048)


@pytest.mark.parametrize("other", ["all", "shape", "windows"])
def test_one_device_two_and_windows_give_the_same_integers(found, other):
    assert found["one"]["sum"] > 0
    for key in ("hash", "counters"):
        assert found[other][key] == found["one"][key], key


def test_energy_balances_exactly(found):
    counters = found["one"]["counters"]
    assert counters["decays"] == cuda_driven.DECAYS
    assert counters["emitted"] == counters["deposited"] + counters["escaped"]
    assert counters["deposited"] == found["one"]["sum"]


def test_the_integers_are_those_of_the_kernel_itself(found, session):
    """Launched by the host stack, or with a parameter buffer that was packed by hand: the same kernel, the same run."""
    from hevesy.tools.ptx import emulator

    world, decays = cuda_offline.world(), cuda_driven.DECAYS
    library = emulator.build(cuda_offline.ptx((9, 0, "a")), session.kernels)
    tally, counters, _ = emulator.play(library, world, cuda_driven.SEED, cuda_driven.BATCH, 0, decays, decays, 4, 128)
    assert hashlib.sha256(tally.tobytes()).hexdigest() == found["one"]["hash"]
    assert counters == found["one"]["counters"]


def test_sums_on_the_device_are_those_of_the_host(found):
    assert found["device sums"] == found["host sums"]
    assert found["device sums"]["balance"]["deposited"] > 0


def test_arguments_have_the_sizes_that_the_kernel_takes(found):
    passed, taken = found["arguments"]["passed"], found["arguments"]["taken"]
    assert len(taken) > 150
    assert passed == taken


def test_memory_and_contexts_are_given_back(driven):
    found, ended = driven
    assert ended.peak_bytes > 0
    assert (found["left"]["used"], found["left"]["allocated"]) == (0, 0)
    # one context at most is the current one for good, however many engines there were
    assert found["left"] == found["left after one"]
    assert found["left"]["depth"] <= 1


def test_a_second_process_compiles_nothing(found, session):
    """Machine code comes from the kernel cache: a compiler that was called would end this process."""
    code = """
import json
import numpy as np
from numba.cuda.cudadrv import driver, nvvm
def refuse(*_, **__):
    raise AssertionError("a compiler was called")
nvvm.compile_ir = driver.Linker = refuse
from hevesy.kernels.backends import cuda, cuda_probe
cuda_probe.devices = lambda: (0, 1)
from hevesy.tests.gates import cuda_driven
print(json.dumps(cuda_driven.batch_of(cuda_driven.cuda_offline.world(), devices=[0])))
from numba import cuda as compiler
compiler.jit(lambda out: None)[1, 32](compiler.to_device(np.zeros(1)))
"""
    ended = session.run(["-c", code])
    assert ended.out, ended.err[-3000:]
    assert json.loads(ended.out)["hash"] == found["one"]["hash"]
    assert "AssertionError: a compiler was called" in ended.err, "another kernel would have called it"


@pytest.mark.parametrize("backend", ["auto", "cuda"])
def test_the_command_runs_on_the_device_and_says_so(found, session, backend, tmp_path):
    problem = save_problem(cuda_offline.tiny_problem(), tmp_path / "problem.npz")
    result = tmp_path / "result.h5"
    command = ["-m", "hevesy", "simulate", str(problem), "-o", str(result), "--decays", "1000", "--seed", "7"]
    ended = session.run([*command, "--backend", backend, "--json"])
    assert ended.code == 0, ended.err[-3000:]
    said = json.loads(ended.out)
    assert (said["backend"], said["decays"]) == ("cuda", 1000)
    assert said["device"].startswith("Emulated GPU (compute capability 9.0, voted, at most 96 registers), driver ")
    with h5py.File(result) as file:
        stored = dict(file.attrs)
        assert stored["backend"] == "cuda"
        assert stored["device"] == said["device"]
    assert ended.calls["cuLaunchKernel"] > 1


def test_a_kernel_that_nobody_knows_runs_as_well(session, tmp_path):
    """Any kernel is emulated that the stack compiles, with link-time optimisation or without."""
    code = """
import numpy as np
from numba import cuda
def squares(out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = i * i
for options in ({}, {"lto": False}):
    out = cuda.to_device(np.zeros(70, np.int64))
    cuda.jit(squares, **options)[3, 32](out)
    assert np.array_equal(out.copy_to_host(), np.arange(70) ** 2)
print("equal")
"""
    ended = session.run(["-c", code], HEVESY_DRIVER_KERNELS=str(tmp_path))
    assert (ended.code, ended.out.strip()) == (0, "equal"), ended.err[-3000:]
    targets = {entry.target for entry in registry.entries(tmp_path)}
    assert targets == {"sm_90a"}


def test_machine_code_of_unknown_origin_is_refused(found, session, tmp_path):
    """No kernel stands for another: an image of which the registry says nothing is an error."""
    code = "from hevesy.tests.gates import cuda_driven as c; c.batch_of(c.cuda_offline.world(), devices=[0])"
    ended = session.run(["-c", code], HEVESY_DRIVER_KERNELS=str(tmp_path))
    assert ended.code != 0
    assert "emulated CUDA driver: unknown image of" in ended.err


def test_registers_are_those_that_the_assembler_reports(session, tmp_path):
    """Read from the machine code, as a driver does."""
    import subprocess

    source = Path(tmp_path) / "kernel.ptx"
    source.write_text(PTX)
    tool = cuda_offline.ptxas()
    said = subprocess.run(
        [tool, "-v", "-arch=sm_90", str(source), "-o", str(source.with_suffix(".cubin"))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    used = registry.registers(source.with_suffix(".cubin").read_bytes())
    assert used == {"add": cuda_offline.read_report(said.stderr, source.with_suffix(".cubin")).registers}


PTX = """
.version 9.0
.target sm_90
.address_size 64
.visible .entry add(.param .u64 where) {
    .reg .b64 %rd<4>;
    .reg .b32 %r<2>;
    .local .align 8 .b8 depot[16];
    ld.param.u64 %rd1, [where];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 8;
    add.s64 %rd2, %rd2, %rd3;
    st.global.u64 [%rd2], %rd3;
    ret;
}
"""
