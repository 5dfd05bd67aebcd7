"""CUDA kernels compiled where there is no GPU: Numba to PTX by libNVVM, PTX to machine code by ptxas.

The only thing faked is the device that Numba asks for its compute capability.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

#: what `make test` sets, because its environment has the extra `gates`: there a missing tool is a failure
REQUIRED = os.environ.get("HEVESY_REQUIRE_GATES", "0") not in ("", "0")


def ptxas() -> str | None:
    """Path of the assembler: the one installed beside this Python, else the one on the path."""
    found = importlib.util.find_spec("nvidia")
    for place in (found.submodule_search_locations or ()) if found else ():
        for candidate in sorted(Path(place).glob("*/bin/ptxas")):
            return str(candidate)
    return shutil.which("ptxas")


def missing() -> str:
    """What these gates lack here, empty when nothing."""
    lacks = [] if importlib.util.find_spec("numba_cuda") else ["numba-cuda"]
    nvidia = importlib.util.find_spec("nvidia")
    places = list(nvidia.submodule_search_locations or ()) if nvidia else []
    if not any(list(Path(p).glob("*/lib*/libnvvm*")) + list(Path(p).glob("*/nvvm/**/libnvvm*")) for p in places):
        lacks.append("libNVVM (nvidia-nvvm)")
    if ptxas() is None:
        lacks.append("ptxas (nvidia-cuda-nvcc)")
    return ", ".join(lacks)


@contextlib.contextmanager
def device(cc: tuple[int, int]):
    """A device of compute capability ``cc`` for Numba's compiler to ask."""
    from numba.cuda import dispatcher

    real = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=cc)
    try:
        yield
    finally:
        dispatcher.get_current_device = real


def stay_on_one_core() -> None:
    """Keep this process on one core, where the system lets it.

    The simulator's threads of Python hand the interpreter to each other all the time: on two cores that takes a hundred
    times as long as on one.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


class Kernel(NamedTuple):
    """One variant of the kernel: whole tally or windows of it, photons analog or by track length, and its schedule."""

    tiled: bool = False
    track_length: bool = False
    schedule: str = "interleaved"

    def __str__(self) -> str:
        scoring = "track_length" if self.track_length else "analog"
        return f"{'windows' if self.tiled else 'whole'}-{scoring}-{self.schedule}"


HISTORIES = Kernel(schedule="histories")
KERNELS = (Kernel(), Kernel(tiled=True), Kernel(track_length=True), Kernel(tiled=True, track_length=True), HISTORIES)
ARCHITECTURES = ((7, 5), (8, 0), (9, 0))


@cache
def world(track_length: bool = False) -> Any:
    """A small prepared problem with every kind of emission and two materials: its types are every problem's."""
    from hevesy.engine.transport.options import PhysicsOptions
    from hevesy.engine.transport.world import build_world

    scoring = {"photon_scoring": "track-length"} if track_length else {}
    return build_world(tiny_problem(), PhysicsOptions.from_dict(scoring))


def tiny_problem() -> Any:
    """Water beside bone in 4 x 4 x 4 voxels, a source that emits electrons, positrons and photons."""
    from hevesy.engine.nuclides.emission import Emission
    from hevesy.engine.physics.material import Material
    from hevesy.engine.transport.problem import Problem

    water = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)
    bone = Material("bone", (1, 6, 8, 20), (0.05, 0.20, 0.45, 0.30), 100.0, 1.6)
    material = np.zeros((4, 4, 4), np.uint8)
    material[:, :, 2:] = 1
    source = np.zeros((4, 4, 4), np.float32)
    source[1:3, 1:3, 1:3] = [[[1, 2], [3, 1]], [[1, 1], [2, 2]]]
    energy = np.array([0.0, 0.3, 0.8])
    emission = Emission(
        electron_lines=np.array([[0.15, 0.4]]),
        photon_lines=np.array([[0.364, 0.8], [1.6, 0.5]]),
        beta_mev=energy,
        beta_per_mev=np.array([0.6, 1.2, 0.0]),
        positron_mev=energy,
        positron_per_mev=np.array([0.0, 0.9, 0.0]),
        alpha_lines=np.array([[0.02, 1.0]]),
    )
    return Problem(
        density_g_cm3=np.where(material == 1, 1.6, 1.0).astype(np.float32),
        material=material,
        materials=(water, bone),
        voxel_size_mm=(3.0, 3.0, 3.0),
        source=source,
        emission=emission,
    )


def signature(kernel: Kernel) -> tuple[Any, ...]:
    """Types of the kernel's arguments, as a launch passes them."""
    from hevesy.kernels.backends.cuda_target import Tile
    from numba import typeof

    tally = np.zeros(1, np.int64)
    return tuple(
        typeof(a)
        for a in (
            world(kernel.track_length),
            Tile(tally, np.int64(0)) if kernel.tiled else tally,
            tally,
            tally,
            np.uint32(1),
            np.uint32(1),
            np.int64(0),
            np.int64(0),
            np.int64(0),
            np.int64(1),
        )
    )


@cache
def ptx(cc: tuple[int, int], kernel: Kernel = KERNELS[0]) -> str:
    """PTX of a kernel."""
    from hevesy.kernels.backends.cuda_target import OPTIONS, kernel_function
    from numba import cuda

    with device(cc):
        code, _ = cuda.compile(
            kernel_function(kernel.tiled, kernel.schedule),
            signature(kernel),
            device=False,
            abi="numba",
            cc=cc,
            output="ptx",
            fastmath=OPTIONS["fastmath"],
        )
    return code


class Resources(NamedTuple):
    """Resources of a kernel, as ptxas reports them."""

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int
    code_bytes: int


@cache
def resources(cc: tuple[int, int], kernel: Kernel, folder: Path) -> Resources:
    """Assemble a kernel and read the assembler's report."""
    name = f"history-{kernel}-sm{cc[0]}{cc[1]}"
    source, binary = folder / f"{name}.ptx", folder / f"{name}.cubin"
    source.write_text(ptx(cc, kernel))
    tool = ptxas()
    assert tool is not None
    said = subprocess.run(
        [tool, "-v", f"-arch=sm_{cc[0]}{cc[1]}", str(source), "-o", str(binary)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return read_report(said.stderr, binary)


def read_report(text: str, binary: Path) -> Resources:
    """Numbers of a ``ptxas -v`` report of one kernel; the size of its machine code from the ELF file."""
    used = re.search(r"Used (\d+) registers", text)
    memory = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", text)
    shared = re.search(r"(\d+) bytes smem", text)
    assert used and memory, text
    stack, stores, loads = (int(v) for v in memory.groups())
    return Resources(int(used[1]), stack, stores, loads, int(shared[1]) if shared else 0, text_bytes(binary))


def text_bytes(binary: Path) -> int:
    """Bytes in the ``.text`` sections of a 64-bit ELF file."""
    data = binary.read_bytes()

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], "little")

    table, entry, count, names = number(0x28, 8), number(0x3A, 2), number(0x3C, 2), number(0x3E, 2)
    strings = number(table + names * entry + 0x18, 8)
    total = 0
    for i in range(count):
        header = table + i * entry
        start = strings + number(header, 4)
        if data[start : data.index(b"\0", start)].startswith(b".text"):
            total += number(header + 0x20, 8)
    return total


if __name__ == "__main__":  # a table of the kernels' resources: python tools/cuda_offline.py FOLDER
    import sys

    out = Path(sys.argv[1])
    print("| kernel | architecture | registers | spills | stack [B] | shared [B] | machine instructions | `.f64` |")
    print("|---|---|---|---|---|---|---|---|")
    for kernel in KERNELS:
        for cc in ARCHITECTURES:
            r = resources(cc, kernel, out)
            double = sum(".f64" in line for line in ptx(cc, kernel).splitlines())
            cells = (
                kernel,
                f"sm_{cc[0]}{cc[1]}",
                r.registers,
                r.spill_stores + r.spill_loads,
                r.stack,
                r.shared,
                r.code_bytes // 16,
                double,
            )
            print("| " + " | ".join(str(c) for c in cells) + " |")
