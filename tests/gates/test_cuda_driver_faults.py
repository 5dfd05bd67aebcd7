"""Every way in which a GPU stack can be broken ends in the CPU, or in a refusal, with a reason; never in a traceback.

The driver is the emulated one (tools/driver), which returns the errors that a test orders.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hevesy.engine.transport.problem_file import save_problem
from hevesy.tests.gates import cuda_refused, emulated
from hevesy.tests.patience import slowness
from hevesy.tools import cuda_offline
from hevesy.tools.driver import Settings

SCRIPT = str(Path(cuda_refused.__file__))
#: processor time that finding out may take before the CPU begins [s]
LONGEST_S = 3.0
NO_BINARY_FOR_GPU, UNSUPPORTED_PTX_VERSION, ILLEGAL_ADDRESS, LAUNCH_FAILED = 209, 222, 700, 719

#: what is broken: the driver of each, and a word of the reason, whatever its case
BROKEN = {
    "no device": (Settings(faults={"cuInit": 100}), "no_device"),
    "an error that the bindings do not know": (Settings(faults={"cuInit": 7777}), "7777"),
    "no devices shown": (Settings(devices=0), "device"),
    "driver older than the packages": (Settings(version=12040), "driver"),
    "device older than the compilers": (Settings(capability="7.0"), "7.5 or newer"),
    "context refused": (Settings(faults={"cuDevicePrimaryCtxRetain": 2}), "memory"),
    "machine code refused": (Settings(faults={"cuLibraryLoadData": NO_BINARY_FOR_GPU}), "no_binary_for_gpu"),
    "machine code of a newer toolkit": (
        Settings(faults={"cuLibraryLoadData": UNSUPPORTED_PTX_VERSION}),
        "unsupported_ptx_version",
    ),
    "launch refused": (Settings(faults={"cuLaunchKernel": LAUNCH_FAILED}), "launch_failed"),
    "kernel fails": (Settings(faults={"kernel": ILLEGAL_ADDRESS}), "illegal"),
    "no memory at all": (Settings(faults={"cuMemAlloc": 2}), "memory"),
}


@pytest.fixture(scope="module")
def session():
    return emulated.session()


@pytest.fixture(params=sorted(BROKEN))
def refused(request, session):
    """What happened under a broken driver, the word that the reason must have, and the time that it may take."""
    settings, word = BROKEN[request.param]
    before = slowness()
    ended = session.run([SCRIPT], settings)
    assert ended.code == 0, ended.err[-3000:]
    return json.loads(ended.out), word, LONGEST_S * max(before, slowness())


def test_a_broken_stack_means_the_cpu_and_one_line_that_says_why(refused):
    found, word, allowed_s = refused
    assert found["chosen"] == "cpu"
    lines = [line for line in found["log"] if line.startswith("backend: ")]
    assert len(lines) == 1, found["log"]
    assert lines[0].startswith("backend: cpu, because ")
    assert "\n" not in lines[0]
    assert word in lines[0].lower()
    assert found["cpu_s"] < allowed_s
    # asked for by name, it is refused with that reason
    assert found["refusal"].startswith("backend: backend 'cuda' cannot run here\n  why: ")
    assert word in found["refusal"].lower()


def test_a_stack_that_works_is_used(session):
    """The same script finds the device when nothing is broken: the refusals above have their reason."""
    ended = session.run([SCRIPT])
    assert ended.code == 0, ended.err[-3000:]
    found = json.loads(ended.out)
    assert found["chosen"] == "cuda"
    assert "refusal" not in found


@pytest.fixture
def simulate(session, tmp_path):
    """The command on a small problem, under a driver."""
    problem = save_problem(cuda_offline.tiny_problem(), tmp_path / "problem.npz")

    def run(settings: Settings, backend: str, decays: int = 1000):
        command = ["-m", "hevesy", "simulate", str(problem), "-o", str(tmp_path / "result.h5"), "--json"]
        more = {"HEVESY_TRACEBACK": ""}  # as a user has it
        return session.run([*command, "--decays", str(decays), "--backend", backend], settings, **more)

    return run


def test_the_command_takes_the_cpu(simulate):
    ended = simulate(BROKEN["no device"][0], "auto")
    assert ended.code == 0, ended.err[-3000:]
    said = json.loads(ended.out)
    assert said["backend"] == "cpu"
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("broken", ["no device", "machine code refused"])
def test_the_command_refuses(simulate, broken):
    settings, word = BROKEN[broken]
    ended = simulate(settings, "cuda")
    assert ended.code == 2, ended.err[-3000:]
    assert "backend 'cuda' cannot run here" in ended.err
    assert word in ended.err.lower()
    assert "Traceback" not in ended.err


#: the first allocation after the world's own: that of the sums of batches is the 20th or later
WORLD, SUMS = 8, 22


def test_memory_that_another_process_has_taken_is_refused(simulate):
    """The plan fitted, an allocation does not."""
    ended = simulate(Settings(faults={"cuMemAlloc": (2, WORLD)}), "cuda")
    assert ended.code == 2, ended.err[-3000:]
    assert "the CUDA device is out of memory" in ended.err
    assert "`nvidia-smi` lists that" in ended.err
    assert "Traceback" not in ended.err


def test_sums_that_do_not_fit_the_device_go_to_the_host(simulate):
    usual = simulate(Settings(), "cuda")
    ended = simulate(Settings(faults={"cuMemAlloc": (2, SUMS)}), "cuda")
    assert ended.code == 0, ended.err[-3000:]
    said, expected = json.loads(ended.out), json.loads(usual.out)
    assert said["backend"] == "cuda"
    assert said["deposited_mev_per_decay"] == expected["deposited_mev_per_decay"]


def test_a_kernel_that_fails_on_the_way_ends_the_run_with_a_reason(simulate):
    ended = simulate(Settings(faults={"kernel": (ILLEGAL_ADDRESS, 5)}), "cuda")
    assert ended.code != 0
    assert "illegal" in ended.err.lower()
    assert "an error of hevesy itself" not in ended.err
    assert "Traceback" not in ended.err


def test_too_little_memory_is_refused_with_the_numbers(simulate):
    ended = simulate(Settings(memory=1 << 18), "cuda")
    assert ended.code == 2, ended.err[-3000:]
    assert "does not fit the CUDA device" in ended.err
    assert "GiB" in ended.err
