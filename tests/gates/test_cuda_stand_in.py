"""The stand-ins of a GPU run promise no more than the real things: CuPy's names and refusals, the driver's checks."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
from hevesy.tests.gates import emulated
from hevesy.tools.driver import Settings, names

USUAL = Settings()


@pytest.fixture(scope="module")
def session():
    return emulated.session()


def run(session, code: str, settings: Settings = USUAL):
    """What a script prints under the driver."""
    ended = session.run(["-c", code], settings)
    assert ended.code == 0, ended.err[-3000:]
    return ended


def test_the_stand_in_has_no_name_that_cupy_lacks(session):
    code = (
        "import json\n"
        "from hevesy.tools.driver import names\n"
        "print(json.dumps({path: names.public_names(names.at(path)) for path in names.OBJECTS}))"
    )
    ours = json.loads(run(session, code).out)
    version, theirs = names.stored()
    assert version.split(".")[0] == "14"
    # of Python's classes, whoever makes them
    python = {"__setattr__", "__delattr__", "__init_subclass__", "__subclasshook__", "__getstate__", "__replace__"}
    for path, own in ours.items():
        assert len(own) > 2, path
        invented = set(own) - theirs[path] - python
        assert not invented, f"{path} of CuPy {version} has no {sorted(invented)}"


@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_stored_names_are_those_of_the_installed_cupy():
    import cupy

    if cupy.__version__ != names.stored()[0]:
        pytest.skip(f"CuPy {cupy.__version__} is installed, the names are those of {names.stored()[0]}")
    assert {path: set(" ".join(lines).split()) for path, lines in names.api()["names"].items()} == names.stored()[1]


def test_arrays_refuse_what_those_of_cupy_refuse(session):
    code = """
import cupy, numpy as np
def error(function):
    try:
        function()
    except Exception as e:
        return type(e).__name__
a, host = cupy.asarray(np.arange(4)), np.arange(4)
with cupy.cuda.Device(1):
    far = cupy.zeros(4, cupy.int64)
print(error(lambda: a + host), error(lambda: host + a), error(lambda: np.asarray(a)), error(lambda: a + far),
      error(lambda: cupy.zeros(1 << 20)), error(lambda: cupy.cuda.Device(2).use()), error(lambda: a + 1))
"""
    ended = run(session, code, Settings(devices=2, memory=1 << 20))
    refused = ["TypeError", "TypeError", "TypeError", "ValueError", "OutOfMemoryError", "CUDARuntimeError", "None"]
    assert ended.out.split() == refused


def test_arrays_compute_as_those_of_numpy(session):
    """Every operator that the sums of batches use, on whole arrays and on parts."""
    code = """
import cupy, numpy as np
host = np.arange(-6, 6) * 123456789123
for f in (lambda a: abs(a), lambda a: a * a, lambda a: (a < 3).astype(np.uint64), lambda a: a.cumsum(),
          lambda a: a[2:7], lambda a: abs(a).view(np.uint64) >> np.uint64(32),
          lambda a: abs(a).view(np.uint64) << np.uint64(33),
          lambda a: a.view(np.uint64) & np.uint64(0xFFFFFFFF), lambda a: a.sum(), lambda a: a - 1, lambda a: 1 + a):
    assert np.array_equal(f(cupy.asarray(host)).get(), f(host)), f
index, weight = np.array([3, 1, 3]), np.array([2, 5, 7])
a = cupy.asarray(host)
assert np.array_equal((a[cupy.asarray(index)] * cupy.asarray(weight)).get(), host[index] * weight)
a[2:5] += cupy.asarray(np.arange(3))
a[5:7] = cupy.asarray(np.arange(2))
host[2:5] += np.arange(3)
host[5:7] = np.arange(2)
assert np.array_equal(a.get(), host)
print("equal")
"""
    assert run(session, code).out.strip() == "equal"


def test_memory_that_nobody_wrote_is_not_zero(session):
    code = "import cupy; print(cupy.empty(3, cupy.int64).get().all(), cupy.zeros(3, cupy.int64).get().any())"
    assert run(session, code).out.split() == ["True", "False"]


def test_a_leak_and_a_copy_beyond_an_array_are_seen(session):
    code = """
import ctypes
d = ctypes.CDLL("libcuda.so.1")
d.cuInit(0)
context, address = ctypes.c_void_p(), ctypes.c_uint64()
print(d.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(100)))
d.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
d.cuCtxPushCurrent_v2(context)
print(d.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(100)))
print(d.cuMemsetD8_v2(address, 0, ctypes.c_size_t(101)), d.cuMemsetD8_v2(address, 0, ctypes.c_size_t(100)))
print(d.cuMemFree_v2(ctypes.c_uint64(address.value + 8)))
"""
    ended = run(session, code)
    assert ended.out.split() == ["201", "0", "1", "0", "1"]
    assert ended.bytes_at_end == 100


def test_free_memory_shrinks_when_another_process_takes_it(session):
    code = "import cupy; d = cupy.cuda.Device(0); print(d.mem_info[0], d.mem_info[0])"
    assert run(session, code, Settings(memory=1000, others=300)).out.split() == ["1000", "700"]


def test_a_kernel_that_leaves_its_arrays_breaks_the_context(session):
    """As on a device, the launch is accepted, and everything after it fails; the instruction is named."""
    code = """
import cupy, numpy as np
from numba import cuda
def beyond(out):
    out[cuda.grid(1)] = 1
out = cupy.zeros(64, cupy.int64)
cuda.jit(beyond, lto=False)[1, 96](cuda.as_cuda_array(out))
print("accepted")
try:
    out.get()
except cupy.cuda.runtime.CUDARuntimeError as e:
    print(e.status)
"""
    ended = session.run(["-c", code])
    assert ended.out.split() == ["accepted", "719"], ended.err[-2000:]
    assert "access outside all buffers" in ended.err


def test_memory_of_another_device_is_out_of_bounds(session):
    code = """
import cupy
from numba import cuda
def fill(out):
    out[cuda.grid(1)] = 1
with cupy.cuda.Device(1):
    far = cupy.zeros(64, cupy.int64)
with cuda.gpus[0]:
    cuda.jit(fill, lto=False)[1, 64](cuda.as_cuda_array(far))
"""
    assert "access outside all buffers" in session.run(["-c", code], Settings(devices=2)).err


def test_a_command_line_runs_under_the_driver(session):
    import subprocess

    words = [
        "--folder",
        str(session.folder),
        "--devices",
        "3",
        "--",
        "-c",
        "import cupy; print(cupy.cuda.runtime.getDeviceCount())",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "hevesy.tools.driver", *words], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "3"), ended.stderr
