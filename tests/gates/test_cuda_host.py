"""The host side of the CUDA backend where there is no GPU: memory plans, ranges, refusals."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.transport import run
from hevesy.kernels.backends import cuda, cuda_errors, cuda_memory, cuda_probe
from hevesy.tools import cuda_offline

GIB = 1 << 30


def world(voxels: int, sources: int):
    """A world of so many voxels, none of them in memory."""

    def hollow(shape, dtype):
        return np.broadcast_to(np.zeros(1, dtype), shape)

    return cuda_offline.world()._replace(
        density=hollow((voxels,), np.float32),
        material=hollow((voxels,), np.uint8),
        source_cdf=hollow((sources,), np.int64),
        source_voxel=hollow((sources,), np.int32),
        source_guide=hollow((sources,), np.int32),
    )


def test_the_largest_grid_of_the_house_fits_24_gib():
    """512^3 voxels, every one of them a source."""
    planned = cuda_memory.plan(world(512**3, 512**3), 24 * GIB, stacks=600 << 20)
    assert planned.tiles == 1
    assert planned.tally == 8 * 512**3
    assert planned.total == 512**3 * (5 + 16 + 8) + (600 << 20) + planned.tables
    assert planned.total < 4.5 * GIB


def test_a_tally_that_does_not_fit_is_divided():
    planned = cuda_memory.plan(world(512**3, 1000), 1 * GIB)
    assert planned.tiles == 4
    assert planned.tiles * planned.tile_voxels >= 512**3
    assert planned.total <= cuda_memory.SHARE * GIB
    with pytest.raises(cuda_errors.CudaTooLarge):
        cuda_memory.plan(world(512**3, 1000), 1 * GIB, tiles=3)


def test_too_large_a_problem_is_refused_with_its_numbers():
    with pytest.raises(cuda_errors.CudaTooLarge) as caught:
        cuda_memory.plan(world(512**3, 512**3), 1 * GIB)
    text = str(caught.value)
    assert "2.69 GiB of 1.00 GiB free" in text
    assert "grid 0.62, source 2.00" in text
    assert "in 16 windows" in text
    assert "0.92 GiB may be used" in text


@pytest.mark.parametrize("lanes", [1, 2, 3, 8])
@pytest.mark.parametrize("last", [0, 1, 7, 20_000])
def test_histories_are_shared_without_gap_or_overlap(lanes, last):
    ranges = cuda.share(0, last, lanes)
    assert [h for a, b in ranges for h in range(a, b)] == list(range(last))
    sizes = [b - a for a, b in ranges]
    assert len(sizes) == lanes
    assert max(sizes) - min(sizes) <= 1


@pytest.fixture
def no_gpu(monkeypatch):
    def refuse():
        raise cuda_probe.CudaUnavailable("no NVIDIA driver on this machine", "use the CPU")

    monkeypatch.setattr(cuda_probe, "devices", refuse)
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)


def test_cuda_without_a_gpu_is_an_error_never_a_cpu_run(no_gpu):
    with pytest.raises(InputError) as caught:
        run.simulate(cuda_offline.tiny_problem(), decays=10, backend="cuda")
    assert str(caught.value) == (
        "backend: backend 'cuda' cannot run here\n  why: no NVIDIA driver on this machine\n  try: use the CPU"
    )


def test_auto_says_what_it_chose_and_why(no_gpu, caplog):
    with caplog.at_level(logging.INFO):
        tally = run.simulate(cuda_offline.tiny_problem(), decays=100, backend="auto", batches=2, threads=1)
    assert tally.backend == "cpu"
    assert "backend: cpu, because no NVIDIA driver on this machine" in caplog.text


def test_auto_takes_a_device_when_there_is_one(monkeypatch, caplog):
    class Chosen(BaseException):
        pass

    def engine(*_):
        raise Chosen

    monkeypatch.setattr(cuda_probe, "why_not", lambda: None)
    monkeypatch.setattr(cuda, "Engine", engine)
    with caplog.at_level(logging.INFO), pytest.raises(Chosen):
        run.simulate(cuda_offline.tiny_problem(), decays=10, backend="auto")
    assert "backend: cuda" in caplog.text


def test_auto_never_takes_the_simulator(monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert cuda_probe.why_not() == "Numba's CUDA simulator is on, which is not a device"


def test_a_problem_too_large_for_the_device_is_an_input_error(monkeypatch):
    def engine(*_):
        raise cuda_errors.CudaTooLarge("needs 30.00 GiB of 24.00 GiB free")

    monkeypatch.setattr(cuda, "Engine", engine)
    with pytest.raises(InputError) as caught:
        run.simulate(cuda_offline.tiny_problem(), decays=10, backend="cuda")
    assert "does not fit the CUDA device" in str(caught.value)
    assert "30.00 GiB" in str(caught.value)


def test_missing_packages_are_named(monkeypatch):
    cuda_probe.devices.cache_clear()
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(cuda_probe, "missing_packages", lambda: ["numba-cuda", "CuPy"])
    with pytest.raises(cuda_probe.CudaUnavailable) as caught:
        cuda_probe.devices()
    assert caught.value.why == "numba-cuda and CuPy not installed"
    assert caught.value.suggestion == "pip install '.[gpu]' in the checkout"


def test_transport_needs_no_imaging_library():
    """A GPU workstation may have NumPy, SciPy, Numba, h5py and the CUDA packages alone."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'pydantic','pint','yaml','typer','rich','SimpleITK','pydicom',"
        "'highdicom','icrp107','radioactivedecay','matplotlib','jinja2'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from hevesy.tools import cuda_offline\n"
        "from hevesy.engine.transport.run import simulate\n"
        "print(simulate(cuda_offline.tiny_problem(), decays=4, batches=2, backend='python').decays)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == "4"
