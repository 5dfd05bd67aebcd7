"""Kernels executed on the CPU: PTX translated, compiled by the C compiler of the machine, and launched.

The launch is that of a device as Numba makes it, arrays and scalars flattened into one parameter buffer. Every array
lies between guard gaps in memory of its own; anything that a device would not stop, or would stop without a reason, is
a :class:`Fault` with the PTX instruction.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .parse import parse
from .translate import translate

HERE = Path(__file__).resolve().parent
#: -O1 compiles a kernel in a third of the time of -O2, and what it makes is hardly slower. Signed integers wrap around
#: and products are not fused, as PTX has it.
FLAGS = ("-O1", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off", "-w", "-shared", "-fPIC")
#: bytes between two arrays, and the alignment of an array: that of a device's allocations
GAP, ALIGNMENT = 4096, 256
#: blocks of instructions of one launch at most
LIMIT = 4_000_000_000
#: how Numba passes a scalar: its PTX size and its format
SCALARS = {
    np.float32: "<f", np.int32: "<i", np.uint32: "<I", np.int64: "<q", np.uint64: "<Q",
}  # fmt: skip


class Fault(RuntimeError):
    """What a launch did that it must not do."""


class Buffer(NamedTuple):
    """An array of a launch."""

    array: np.ndarray
    name: str
    writable: bool = False


class _Range(ctypes.Structure):
    """``Range`` of ``memory.h``."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("writable", ctypes.c_int),
        ("element", ctypes.c_int),
        ("name", ctypes.c_char_p),
    )


def compiler() -> list[str] | None:
    """Command of the C compiler: ``$CC``, else cc, gcc or clang on the path; None without one."""
    given = shlex.split(os.environ.get("CC", ""))
    for command in (given, ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    return None


def build(ptx: str, folder: Path, statistics: bool = False) -> Path:
    """Translate and compile a kernel, or take the library of exactly this from the folder.

    Parameters
    ----------
    ptx
        The module with the kernel.
    folder
        Folder of compiled kernels. Several processes may build into it at a time.
    statistics
        Count what a device would be busy with (``statistics.h``).

    Returns
    -------
    Path
        The shared library.

    Raises
    ------
    PtxError
        If the PTX holds what is not translated.
    Fault
        If there is no C compiler, or it refuses.
    """
    command = compiler()
    if command is None:
        raise Fault("no C compiler: $CC, cc, gcc or clang")
    program = parse(ptx)
    tables = ""
    if statistics:
        from . import timing

        tables = timing.tables(program)
    source = translate(program, tables)
    options = [*FLAGS, *(["-DSTATISTICS"] if statistics else [])]
    digest = hashlib.sha256("\0".join([source, platform.machine(), *command, *options]).encode())
    for header in sorted([*HERE.glob("*.h"), *HERE.glob("*.c")]):
        digest.update(header.read_bytes())
    library = folder / f"ptx-{digest.hexdigest()[:24]}.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        code, made = Path(scratch) / "kernel.c", Path(scratch) / "kernel.so"
        code.write_text(source)
        done = subprocess.run(
            [*command, *options, "-I", str(HERE), "-o", str(made), str(code), "-lm"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Fault(f"{command[0]} refuses the translated kernel: {done.stderr[:2000]}")
        made.replace(library)
    return library


class Library:
    """A compiled kernel.

    Parameters
    ----------
    path
        What :func:`build` returned. A library runs one launch at a time.
    """

    def __init__(self, path: Path) -> None:
        self._code = ctypes.CDLL(str(path))
        self._code.fault.restype = ctypes.c_char_p
        self._code.nan_conversions.restype = ctypes.c_long
        n = self.number("N_PARAMS")
        self.offsets = list((ctypes.c_int * n).in_dll(self._code, "PARAM_OFF"))
        self.sizes = list((ctypes.c_int * n).in_dll(self._code, "PARAM_SIZE"))
        self._executed = (ctypes.c_byte * (self.number("BLOCK_COUNT") + 1)).in_dll(self._code, "EXECUTED")
        self.parameter_bytes = self.number("PARAM_BYTES")

    def number(self, name: str) -> int:
        """An ``int`` of the library."""
        return int(ctypes.c_int.in_dll(self._code, name).value)

    def nan_conversions(self) -> int:
        """NaN that became integers in the last launch."""
        return int(self._code.nan_conversions())

    def executed(self) -> np.ndarray:
        """Blocks of instructions that some lane has executed since :meth:`forget`, bool (blocks,)."""
        return np.array(self._executed[: self.number("BLOCK_COUNT")], bool)

    def forget(self) -> None:
        """Count no block as executed."""
        ctypes.memset(self._executed, 0, len(self._executed))

    def set(self, poison: int, limit: int) -> None:
        """The byte that unwritten memory and registers hold, and how long a launch may take [blocks]."""
        ctypes.c_int.in_dll(self._code, "POISON").value = poison
        ctypes.c_int64.in_dll(self._code, "STEP_LIMIT").value = limit

    def stop_at(self, tickets: int, count: int) -> None:
        """Stop launches where the int64 at an address reaches a count; address 0: let them end."""
        ctypes.c_void_p.in_dll(self._code, "TICKETS").value = tickets
        ctypes.c_int64.in_dll(self._code, "STOP_AT").value = count

    def launch(
        self,
        parameters: bytes,
        blocks: int,
        threads: int,
        ranges: Sequence[tuple[int, Buffer]],
        order: int,
        jitter: int,
    ) -> None:
        """Run the kernel with a parameter buffer; ``ranges`` are the buffers and their addresses.

        Raises
        ------
        Fault
            If the launch did what it must not do.
        """
        if len(parameters) != self.parameter_bytes:
            raise Fault(f"{len(parameters)} bytes of parameters for a kernel that takes {self.parameter_bytes}")
        table = (_Range * max(len(ranges), 1))(
            *(
                _Range(address, b.array.nbytes, int(b.writable), b.array.itemsize, b.name.encode())
                for address, b in ranges
            )
        )
        given = ctypes.create_string_buffer(parameters, max(len(parameters), 1))
        if self._code.run(given, blocks, threads, table, len(ranges), min(order, 2), order, jitter):
            raise Fault(self._code.fault().decode(errors="replace"))


class Arena:
    """Memory of a launch: every array by itself between guard gaps."""

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.buffers = list(buffers)
        room = sum(b.array.nbytes + GAP + ALIGNMENT for b in self.buffers) + GAP + ALIGNMENT
        self._memory = np.full(room, 0xAA, np.uint8)
        base = self._memory.ctypes.data
        at = base + GAP
        self.places: list[tuple[int, Buffer]] = []
        for buffer in self.buffers:
            at = -(-at // ALIGNMENT) * ALIGNMENT
            self._copy(buffer, at)[:] = buffer.array.reshape(-1)
            self.places.append((at, buffer))
            at += buffer.array.nbytes + GAP

    def _copy(self, buffer: Buffer, at: int) -> np.ndarray:
        start = at - self._memory.ctypes.data
        return self._memory[start : start + buffer.array.nbytes].view(buffer.array.dtype)

    def address(self, array: np.ndarray) -> int:
        """Where the copy of an array is."""
        return next(at for at, buffer in self.places if buffer.array is array)

    def fetch(self) -> None:
        """Copy what may have been written back to the arrays."""
        for at, buffer in self.places:
            if buffer.writable:
                buffer.array.reshape(-1)[:] = self._copy(buffer, at)


def flatten(value: Any, arena: Arena) -> Iterator[tuple[str, Any]]:
    """Numbers of an argument in the order in which Numba passes them, with their formats."""
    if isinstance(value, np.ndarray):
        if value.ndim != 1 or not value.flags.c_contiguous:
            raise Fault("an array that is not flat and contiguous")
        # no memory manager, no parent object; then items, bytes of one, data, shape and strides
        numbers = (0, 0, value.size, value.itemsize, arena.address(value), value.size, value.itemsize)
        yield from (("<Q", n) for n in numbers)
    elif isinstance(value, tuple):
        for item in value:
            yield from flatten(item, arena)
    elif type(value) in SCALARS:
        yield SCALARS[type(value)], value
    else:
        raise Fault(f"an argument of type {type(value).__name__}")


def pack(library: Library, arguments: Sequence[Any], arena: Arena) -> bytes:
    """The parameter buffer of a launch."""
    numbers = list(flatten(tuple(arguments), arena))
    sizes = [struct.calcsize(kind) for kind, _ in numbers]
    if sizes != library.sizes:
        raise Fault(f"{len(sizes)} arguments that are not those of the kernel, which takes {len(library.sizes)}")
    out = bytearray(library.parameter_bytes)
    for (kind, number), offset in zip(numbers, library.offsets, strict=True):
        struct.pack_into(kind, out, offset, number)
    return bytes(out)


def arrays(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Arrays in nested tuples, with the names of their fields."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, tuple):
        names = getattr(value, "_fields", range(len(value)))
        for field, item in zip(names, value, strict=True):
            yield from arrays(item, str(field))


def play(
    library: Path | Library,
    world: Any,
    seed: int,
    batch: int,
    first: int,
    last: int,
    per_batch: int,
    blocks: int,
    threads: int,
    *,
    order: int = 0,
    jitter: int = 0,
    tile: int | None = None,
    tally: np.ndarray | None = None,
    poison: int = 0xAA,
    limit: int = LIMIT,
) -> tuple[np.ndarray, dict[str, int], int]:
    """Simulate histories ``first`` to ``last - 1`` of a batch by a transport kernel in one launch.

    Parameters
    ----------
    library
        The compiled kernel.
    world
        The prepared problem (host arrays).
    seed, batch, first, last, per_batch
        Seed of the run, number of the batch, the histories of this launch and those of the batch.
    blocks, threads
        Shape of the launch.
    order
        Order of the warps: 0 each a step in turn, 1 one after the other, from 2 on at random with this seed.
    jitter
        0: the hardware's functions without error; else with random errors as large as documented, of this seed.
    tile
        First voxel of a window, for kernels that score into windows.
    tally
        int64 (n,): scores are added to it; default zeros for every voxel.
    poison
        The byte that unwritten memory and registers hold.
    limit
        Blocks of instructions that the launch may take.

    Returns
    -------
    tuple
        The tally [quanta], the counters by name and the number of tickets taken.

    Raises
    ------
    Fault
        If the kernel did what it must not do, with the instruction.
    """
    from hevesy.kernels.tables import COUNTERS

    code = library if isinstance(library, Library) else Library(library)
    tally = np.zeros(world.density.size, np.int64) if tally is None else tally
    totals, tickets = np.zeros(len(COUNTERS), np.int64), np.zeros(1, np.int64)
    written = (Buffer(tally, "tally", True), Buffer(totals, "totals", True), Buffer(tickets, "tickets", True))
    arena = Arena([*(Buffer(array, name) for name, array in arrays(world)), *written])
    target = tally if tile is None else (tally, np.int64(tile))
    words = (np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF))
    numbers = (np.int64(n) for n in (batch, first, last, per_batch))
    code.set(poison, limit)
    code.launch(
        pack(code, (world, target, totals, tickets, *words, *numbers), arena),
        blocks,
        threads,
        arena.places,
        order,
        jitter,
    )
    arena.fetch()
    return tally, dict(zip(COUNTERS, (int(n) for n in totals), strict=True)), int(tickets[0])
