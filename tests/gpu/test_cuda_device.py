"""The device itself: what is reported, what is refused, memory planned and given back, no race."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.engine.errors import InputError
from hevesy.engine.transport.run import simulate
from hevesy.kernels.backends import cuda, cuda_memory, cuda_probe

#: longest run of compute-sanitizer [s], which slows a kernel some tenfold and compiles it once more
SANITIZER_S = 180


def test_auto_runs_on_the_device_and_says_so(device):
    tally = simulate(problems.mixed_emission(), decays=20_000, backend="auto")
    assert tally.backend == "cuda"
    assert tally.device == device
    assert "compute capability" in device
    assert "driver" in device


def test_the_kernel_takes_what_the_gates_allow():
    """Registers and local memory of the loaded kernel are those that were read off the PTX."""
    world = problems.world(problems.mixed_emission())
    engine = cuda.Engine(world, 1)
    definition = problems.kernel_of(engine.lanes[0])
    print(definition.regs_per_thread, "registers,", definition.local_mem_per_thread, "bytes of local memory")
    assert definition.regs_per_thread <= 168
    assert cuda.LOCAL_BYTES <= definition.local_mem_per_thread <= cuda.LOCAL_BYTES + 64
    assert engine.lanes[0].launch.blocks >= 1
    engine.close()


def test_a_second_engine_compiles_nothing():
    world = problems.world(problems.mixed_emission())
    first = cuda.Engine(world, 1)
    kernel = first.lanes[0].kernel
    compiled = dict(kernel.overloads)
    assert compiled
    first.close()
    engine = cuda.Engine(world, 2)
    engine.run_batch(0, 1000, np.zeros(world.density.size, np.int64))
    assert engine.lanes[0].kernel is kernel
    assert kernel.overloads == compiled
    engine.close()


def test_a_device_that_is_not_there():
    world = problems.world(problems.mixed_emission())
    with pytest.raises(cuda_probe.CudaUnavailable, match="no usable CUDA device"):
        cuda.Engine(world, 1, devices=[99])


def test_too_little_memory_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(cuda_memory.CupyMemory, "free", lambda self: 1 << 20)
    with pytest.raises(InputError) as caught:
        simulate(problems.mixed_emission(), decays=1000, backend="cuda")
    assert "does not fit the CUDA device" in str(caught.value)
    assert "GiB" in str(caught.value)


def test_little_memory_means_windows_and_the_same_result(monkeypatch):
    problem = problems.mixed_emission()
    usual = simulate(problem, decays=50_000, batches=5, seed=4, backend="cuda")
    world = problems.world(problem)
    whole = cuda_memory.plan(world, 1 << 40, 0)
    resident = cuda.Engine(world, 1)
    stacks = resident.lanes[0].plan.stacks
    resident.close()
    free = int((whole.total - whole.tally // 2 + stacks) / cuda_memory.SHARE) + 64
    monkeypatch.setattr(cuda_memory.CupyMemory, "free", lambda self: free)
    engine = cuda.Engine(world, 4)
    assert engine.lanes[0].plan.tiles > 1
    engine.close()
    again = simulate(problem, decays=50_000, batches=5, seed=4, backend="cuda")
    assert np.array_equal(usual.energy_quanta, again.energy_quanta)
    assert usual.counters == again.counters


def test_memory_is_given_back():
    import cupy

    world = problems.world(problems.mixed_emission())
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    for _ in range(5):
        engine = cuda.Engine(world, 1)
        engine.run_batch(0, 1000, np.zeros(world.density.size, np.int64))
        assert pool.used_bytes() > before
        engine.close()
    assert pool.used_bytes() == before


@pytest.mark.sanitizer
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
def test_compute_sanitizer(tool):
    """NVIDIA's checker finds no bad access, no race in shared memory, no bad barrier."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        pytest.skip("compute-sanitizer is not on the path")
    script = Path(__file__).with_name("sanitized.py")
    ran = subprocess.run(
        [program, "--tool", tool, "--error-exitcode", "77", sys.executable, str(script)],
        capture_output=True, text=True, timeout=SANITIZER_S, check=False,
    )  # fmt: skip
    said = ran.stdout + ran.stderr
    if "Device not supported" in said or "not supported on" in said:
        pytest.skip(f"compute-sanitizer does not work on this machine: {said.strip().splitlines()[0][:200]}")
    assert ran.returncode == 0, said[-3000:]
    assert "simulated 256" in said
