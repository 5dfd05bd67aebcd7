"""``make gpu-test`` and ``make gpu-bench`` cannot pass without having measured anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.benchmarks import gpu_bench
from hevesy.benchmarks import gpu_problems as problems
from hevesy.kernels.backends import cuda, cuda_probe
from hevesy.kernels.backends.cuda_options import CudaOptions

ROOT = Path(__file__).resolve().parents[2]
#: a machine with a device and without reference problems, for pytest in another process
PLUGIN = """
import pytest
from hevesy.benchmarks import gpu_problems
from hevesy.kernels.backends import cuda, cuda_probe
cuda_probe.why_not = lambda: None
cuda_probe.devices = lambda: (0,)
cuda.describe = lambda *_: cuda.Device("cuda", "a device", 1)
gpu_problems.reference_folder = lambda: None
"""


#: in place of a test, the options that its kernels would have
OPTIONS = """
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    from hevesy.kernels.backends import cuda_options
    print("with", cuda_options.options_for("a device"))
    return True
"""


def gpu_tests(
    tmp_path: Path, *words: str, required: str = "1", more: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run tests/gpu on a machine with a device and no reference problem."""
    (tmp_path / "lonely.py").write_text(PLUGIN + more)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-m", "pytest", "-p", "lonely", "-p", "no:cacheprovider", "-n0", "-rs", *words]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path, "HEVESY_REQUIRE_GPU": required} | variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("required", ["1", "0"])
def test_a_missing_reference_problem_fails_by_its_name_where_it_is_required(tmp_path, required):
    words = ["tests/gpu/test_cuda_against_cpu.py", "-k", "voxels_agree and lu177_voxel"]
    ran = gpu_tests(tmp_path, *words, required=required)
    assert "lu177_voxel_3mm_water: no lu177_voxel_3mm_water.npz in any reference folder" in ran.stdout
    assert "set HEVESY_SHARED" in ran.stdout
    assert ran.returncode == int(required), ran.stdout
    assert ("1 error" if required == "1" else "1 skipped") in ran.stdout


@pytest.mark.parametrize("given", ["", '{"schedule": "histories", "max_registers": 64, "threads": 256}'])
def test_options_that_are_given_are_tested(tmp_path, given):
    words = ["tests/gpu/test_cuda_device.py", "-k", "memory_is_given_back", "-s"]
    ran = gpu_tests(tmp_path, *words, more=OPTIONS, HEVESY_GPU_OPTIONS=given, HEVESY_CACHE=str(tmp_path / "cache"))
    options = CudaOptions("histories", 64, 256) if given else CudaOptions()
    assert f"with {options}" in ran.stdout, ran.stdout
    assert ran.returncode == 0


def test_the_sanitizer_runs_when_it_is_asked_for_alone(tmp_path):
    usual = gpu_tests(tmp_path, "tests/gpu", "--collect-only").stdout
    asked = gpu_tests(tmp_path, "tests/gpu", "--collect-only", "-m", "sanitizer").stdout
    assert "test_compute_sanitizer" not in usual
    assert re.search(r"\b3 deselected", usual)
    assert asked.count("test_compute_sanitizer") == 3
    assert "test_memory_is_given_back" not in asked


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """A device and no file of a problem."""
    monkeypatch.setattr(cuda_probe, "why_not", lambda: None)
    monkeypatch.setattr(cuda_probe, "devices", lambda: (0,))
    monkeypatch.setattr(cuda, "describe", lambda *_: cuda.Device("cuda", "a device", 1))
    monkeypatch.setattr(cuda, "cache_folder", lambda *_: tmp_path, raising=False)
    monkeypatch.setattr(problems, "reference_folder", lambda: None)
    monkeypatch.setattr(gpu_bench, "reference", lambda name, given: None)
    row = {"target_per_s": 1.0, "by_devices": {}, "by_schedule": {}, "goals": {}}
    monkeypatch.setattr(gpu_bench, "patient", lambda name, per_batch, repeats: row | {"problem": name})
    return tmp_path


@pytest.mark.parametrize("required", ["1", "0"])
def test_a_bench_without_problems_fails_where_they_are_required(nothing_here, monkeypatch, capsys, required):
    monkeypatch.setenv("HEVESY_REQUIRE_GPU", required)
    assert gpu_bench.main(["-o", str(nothing_here)]) == int(required)
    said = capsys.readouterr().err
    assert "not measured: y90_voxel_3mm_water: no y90_voxel_3mm_water.npz in any reference folder" in said
    assert "not measured: mixed_emission" in said
    assert "set HEVESY_SHARED" in said


def test_a_bench_of_everything_passes(monkeypatch, capsys):
    monkeypatch.setenv("HEVESY_REQUIRE_GPU", "1")
    report = {"rows": [{"problem": name} for name in problems.NAMES]}
    assert gpu_bench.complain(report) == 0
    assert capsys.readouterr().err == ""


def test_registers_are_read_off_the_kernel_of_the_engine_s_own_problem():
    from numba import typeof

    ours, other = (np.zeros(1, np.float32),), (np.zeros((1, 1), np.int64),)
    kernel = SimpleNamespace(overloads={(typeof(other), 1): "other", (typeof(ours), 1): "ours"})
    assert problems.kernel_of(SimpleNamespace(world=ours, kernel=kernel)) == "ours"
