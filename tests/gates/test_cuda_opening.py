"""A device that proved itself and then cannot be opened: the CPU under ``auto``, a refusal under ``cuda``, the reason.

Between the proof and the first batch lie names, options, compilers, the kernel cache, copies and the first launch. The
command is the real one, the driver the emulated one (tools/driver).
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from hevesy.engine.transport.problem_file import save_problem
from hevesy.tests.gates import emulated
from hevesy.tools import cuda_offline
from hevesy.tools.driver import Settings

#: calls that fail, the first of them after the proof, and what a user must read
FAULTS = {
    "name": ({"cuDeviceGetName": (1, 3)}, "asking device 0 for its name failed: cudaErrorInvalidValue"),
    "stream": ({"cuStreamCreate": 2}, "no memory for opening the device: cudaErrorMemoryAllocation"),
    "event": ({"cuEventCreate": 2}, "cudaErrorMemoryAllocation"),
    "memory": ({"cuMemAlloc": (2, 6)}, "the CUDA device is out of memory: no memory for an array of 0.00 GiB"),
    "launch": ({"cuOccupancyMaxActiveBlocksPerMultiprocessor": 1}, "loading the kernel failed: "),
}


@pytest.fixture(scope="module")
def session():
    return emulated.session()


@pytest.fixture
def simulate(session, tmp_path):
    """The command on a small problem, under a driver."""
    problem = save_problem(cuda_offline.tiny_problem(), tmp_path / "problem.npz")

    def run(backend: str, settings: Settings = Settings(), *more: str, decays: int = 300, **variables: str):  # noqa: B008
        command = ["-m", "hevesy", "simulate", str(problem), "-o", str(tmp_path / "result.h5"), "--json", *more]
        variables = {"HEVESY_TRACEBACK": "", **variables}  # as a user has it
        return session.run([*command, "--decays", str(decays), "--backend", backend], settings, **variables)

    return run


@pytest.mark.parametrize("kind", FAULTS)
def test_auto_takes_the_cpu_and_says_why_on_the_terminal_and_in_the_result(simulate, kind):
    faults, why = FAULTS[kind]
    ended = simulate("auto", Settings(faults=faults))
    assert ended.code == 0, ended.err[-3000:]
    lines = [line for line in ended.err.splitlines() if line.startswith("WARNING")]
    assert len(lines) == 1, ended.err
    assert re.match(f"WARNING backend: cpu, because .*{why}", lines[0]), lines
    said = json.loads(ended.out)
    assert (said["backend"], said["decays"]) == ("cpu", 300)
    assert re.search(f"; no GPU: .*{why}", said["device"]), said["device"]


@pytest.mark.parametrize("kind", FAULTS)
def test_cuda_is_refused_with_the_reason_and_what_to_do(simulate, kind, tmp_path):
    faults, why = FAULTS[kind]
    ended = simulate("cuda", Settings(faults=faults))
    assert ended.code == 2, ended.err[-3000:]
    problem, reason, suggestion = ended.err.strip().splitlines()[-3:]
    assert problem.startswith("backend: the CUDA device ")
    assert re.search(why, f"{problem.removeprefix('backend: ')}: {reason.removeprefix('  why: ')}"), ended.err
    assert suggestion.startswith("  try: ")
    assert "--backend cpu" in suggestion
    assert "voxels" not in suggestion
    assert not (tmp_path / "result.h5").exists()


def test_a_run_that_cannot_be_resumed_without_the_device_says_why(simulate):
    limited = ("--time-limit", "0.001 s")
    assert simulate("cuda", Settings(), *limited, decays=3000).code == 0
    ended = simulate("auto", Settings(faults=FAULTS["stream"][0]), "--resume", *limited, decays=3000)
    assert ended.code == 2, ended.err[-3000:]
    assert "the earlier part was run with backend cuda, this one with cpu" in ended.err
    assert "no GPU now: the CUDA device is out of memory" in ended.err
    assert simulate("cuda", Settings(), "--resume", decays=3000).code == 0


@pytest.fixture
def cache(session, tmp_path):
    """A copy of the cache of the emulated driver, with the kernels that were compiled before."""
    shutil.copytree(session.cache, tmp_path / "cache", symlinks=True, ignore=unfinished)
    return tmp_path / "cache"


def unfinished(folder: str, names: list[str]) -> list[str]:
    """Files that another process has not finished, and which may be gone before they are copied."""
    places = [Path(folder) / name for name in names if not (Path(folder) / name).is_dir()]
    return [p.name for p in places if p.suffix not in (".nbc", ".tables") or p.name.startswith(".part-")]


def test_kernels_that_were_damaged_on_the_disk_are_compiled_again(simulate, cache):
    usual = simulate("cuda", HEVESY_CACHE=str(cache))
    kept = list(cache.glob("kernels-cuda-*/registers-*/*/*voted*.nbc"))
    assert kept
    for file in kept:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    ended = simulate("auto", Settings(), "-v", HEVESY_CACHE=str(cache))
    assert ended.code == 0, ended.err[-3000:]
    assert "a file of the cache is damaged, and is made again" in ended.err
    for name in ("device", "deposited_mev_per_decay", "escaped_mev_per_decay"):
        assert json.loads(ended.out)[name] == json.loads(usual.out)[name]
    again = simulate("auto", Settings(), "-v", HEVESY_CACHE=str(cache))
    assert "damaged" not in again.err


def test_kernels_that_cannot_be_kept_are_compiled_for_the_run(simulate, cache):
    (folder,) = cache.glob("kernels-cuda-*")
    shutil.rmtree(folder)
    folder.write_text("not a folder")
    ended = simulate("auto", Settings(), "-v", HEVESY_CACHE=str(cache))
    assert ended.code == 0, ended.err[-3000:]
    assert "a temporary cache is used" in ended.err
    assert json.loads(ended.out)["backend"] == "cuda"


def test_info_names_the_device_and_the_packages(session):
    ended = session.run(["-m", "hevesy", "info"])
    assert ended.code == 0, ended.err[-3000:]
    assert "Emulated GPU (compute capability 9.0), driver " in " ".join(ended.out.split())
    assert re.search(r"numba-cuda\W+0\.30", ended.out)
    assert "CuPy" in ended.out
