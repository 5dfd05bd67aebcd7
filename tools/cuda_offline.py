"""CUDA kernels compiled where there is no GPU: Numba to PTX by libNVVM, PTX to machine code by ptxas.

The only thing faked is the device that Numba asks for its compute capability.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from hevesy.kernels.backends.cuda_options import ASSEMBLER, SCHEDULE
from hevesy.tools import ptx_cache

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
    schedule: str = SCHEDULE

    def __str__(self) -> str:
        scoring = "track_length" if self.track_length else "analog"
        return f"{'windows' if self.tiled else 'whole'}-{scoring}-{self.schedule}"


HISTORIES = Kernel(schedule="histories")
INTERLEAVED = Kernel(schedule="interleaved")
KERNELS = (
    Kernel(), Kernel(tiled=True), Kernel(track_length=True), Kernel(tiled=True, track_length=True),
    INTERLEAVED, HISTORIES,
)  # fmt: skip
ARCHITECTURES = ((7, 5), (8, 0), (9, 0))
#: three blocks of 128 threads a multiprocessor need at most 170 registers a thread, handed out in eights
MOST_REGISTERS = 168


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


def arguments(kernel: Kernel) -> tuple[Any, ...]:
    """Arguments of the kernel, as a launch passes them."""
    from hevesy.kernels.backends.cuda_target import Tile

    tally = np.zeros(1, np.int64)
    return (
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


def signature(kernel: Kernel) -> tuple[Any, ...]:
    """Types of the kernel's arguments."""
    from numba import typeof

    return tuple(typeof(argument) for argument in arguments(kernel))


@cache
def ptx(cc: tuple[int, int], kernel: Kernel = KERNELS[0]) -> str:
    """PTX of a kernel; what was compiled from these sources before is taken from the disk."""
    from hevesy.kernels.backends.cuda_target import kernel_function

    kernel_function(kernel.tiled, kernel.schedule)  # whoever reads the PTX may look at its functions too
    return ptx_cache.stored(ptx_folder() / f"{kernel}-sm{''.join(map(str, cc))}.ptx", lambda: compile_ptx(cc, kernel))


@cache
def ptx_folder() -> Path:
    """Folder of what was made from exactly these sources and options."""
    from hevesy.kernels.backends.cuda_target import OPTIONS

    return ptx_cache.folder(repr(sorted(OPTIONS.items())), Path(__file__).read_text(encoding="utf-8"))


def compile_ptx(cc: tuple[int, int], kernel: Kernel) -> str:
    """PTX of a kernel, compiled now."""
    from hevesy.kernels.backends.cuda_target import kernel_function

    return compile_function(kernel_function(kernel.tiled, kernel.schedule), cc, kernel)


def compile_function(function: Any, cc: tuple[int, int], kernel: Kernel) -> str:
    """PTX of a function that takes the arguments of a kernel."""
    from hevesy.kernels.backends.cuda_stack import cuda
    from hevesy.kernels.backends.cuda_target import OPTIONS

    with device(cc):
        code, _ = cuda.compile(
            function,
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
def resources(cc: tuple[int, int], kernel: Kernel, folder: Path, max_registers: int | None = None) -> Resources:
    """Assemble a kernel, with a ceiling of registers or as many as the assembler takes, and read its report."""
    name = f"history-{kernel}-sm{cc[0]}{cc[1]}" + ("" if max_registers is None else f"-{max_registers}")
    return assemble(ptx(cc, kernel), f"sm_{cc[0]}{cc[1]}", folder / name, max_registers)


def assemble(code: str, architecture: str, stem: Path, max_registers: int | None = None) -> Resources:
    """Assemble PTX for an architecture, which may be newer than the one it was compiled for.

    Parameters
    ----------
    code
        PTX of one kernel.
    architecture
        As ptxas names it: ``"sm_90a"``.
    stem
        Files to write, without the ending.
    max_registers
        Ceiling of registers per thread, if any.
    """
    source, binary = (stem.with_name(f"{stem.name}.{end}") for end in ("ptx", "cubin"))
    source.write_text(code)
    tool = ptxas()
    assert tool is not None
    ceiling = [] if max_registers is None else [f"-maxrregcount={max_registers}"]
    said = subprocess.run(
        [tool, "-v", ASSEMBLER, f"-arch={architecture}", *ceiling, str(source), "-o", str(binary)],
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


def table(folder: Path) -> str:
    """Resources of every kernel, architecture and ceiling of registers, as a Markdown table."""
    from hevesy.kernels.backends.cuda_options import REGISTER_CEILINGS

    lines = [
        "| kernel | architecture | ceiling | registers | spill stores, loads [B] | stack [B] | shared [B] |"
        " machine instructions | `.f64` |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kernel, cc, ceiling in itertools.product(KERNELS, ARCHITECTURES, REGISTER_CEILINGS):
        r = resources(cc, kernel, folder, ceiling)
        double = sum(".f64" in line for line in ptx(cc, kernel).splitlines())
        spills = f"{r.spill_stores}, {r.spill_loads}"
        cells = (
            kernel, f"sm_{cc[0]}{cc[1]}", ceiling or "none", r.registers, spills, r.stack, r.shared,
            r.code_bytes // 16, double,
        )  # fmt: skip
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":  # a table of the kernels' resources: python tools/cuda_offline.py FOLDER
    import sys

    print(table(Path(sys.argv[1])))
