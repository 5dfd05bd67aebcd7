"""These tests need a CUDA device and NumPy, SciPy, Numba, numba-cuda, CuPy, h5py and pytest; nothing else.

With ``HEVESY_REQUIRE_GPU=1`` a missing device is a failure, otherwise a skip that says why. The repository need
not be installed: its root is the package.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

if importlib.util.find_spec("hevesy") is None:
    spec = importlib.util.spec_from_file_location(
        "hevesy", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["hevesy"] = package
    spec.loader.exec_module(package)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session", autouse=True)
def device():
    """Name of the device; nothing here passes without one."""
    from hevesy.kernels.backends import cuda_probe

    reason = cuda_probe.why_not()
    if reason is not None:
        if os.environ.get("HEVESY_REQUIRE_GPU", "0") not in ("", "0"):
            pytest.fail(f"HEVESY_REQUIRE_GPU is set and there is no usable CUDA device: {reason}")
        pytest.skip(f"no usable CUDA device: {reason}")
    from hevesy.kernels.backends.cuda import describe

    return describe(cuda_probe.devices(), 1).name
