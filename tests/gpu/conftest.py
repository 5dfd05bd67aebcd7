"""These tests need a CUDA device and NumPy, SciPy, Numba, numba-cuda, CuPy, h5py and pytest; nothing else.

With ``HEVESY_REQUIRE_GPU=1`` a missing device or problem is a failure, otherwise a skip that says why. The repository
need not be installed: its root is the package. ``HEVESY_GPU_OPTIONS`` (JSON) holds options of the kernel to test with,
instead of those that are kept for the card. NVIDIA's compute-sanitizer runs by ``-m sanitizer`` alone.
"""

from __future__ import annotations

import json
import os
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

runpy.run_path(str(ROOT / "tools" / "importable.py"))


def pytest_collection_modifyitems(config, items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
    if "sanitizer" not in config.option.markexpr:
        # minutes of a device; `-m sanitizer` runs them
        watched = [item for item in items if item.get_closest_marker("sanitizer")]
        config.hook.pytest_deselected(items=watched)
        items[:] = [item for item in items if item not in watched]


@pytest.fixture(scope="session", autouse=True)
def device():
    """Name of the device; nothing here passes without one."""
    from hevesy.benchmarks import gpu_problems
    from hevesy.kernels.backends import cuda_options, cuda_probe

    reason = cuda_probe.why_not()
    if reason is not None:
        if gpu_problems.required():
            pytest.fail(f"HEVESY_REQUIRE_GPU is set and there is no usable CUDA device: {reason}")
        pytest.skip(f"no usable CUDA device: {reason}")
    from hevesy.kernels.backends.cuda import describe

    with pytest.MonkeyPatch.context() as patch:
        if given := os.environ.get("HEVESY_GPU_OPTIONS"):
            options = cuda_options.check(cuda_options.CudaOptions(**json.loads(given)))
            patch.setattr(cuda_options, "options_for", lambda name: options)
        yield describe(cuda_probe.devices(), 1).name
