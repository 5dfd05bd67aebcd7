"""Device memory: how much a run needs, whether it fits, and the arrays on the device."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tables import World
from .cuda_errors import CudaTooLarge, reported
from .cuda_probe import CudaUnavailable

#: Fraction of the free device memory that a run may use; the rest is left for the driver and fragmentation.
SHARE = 0.92
#: With more windows the same histories are simulated so often that the CPU is the better choice.
MOST_TILES = 16
GIB = 1024.0**3
#: bytes of a voxel in a tally (int64)
TALLY_BYTES = 8
#: Bytes of one access of a thread to a table that is read by fours (``load4`` of the target).
VECTOR_BYTES = 16
#: World arrays as large as the grid, and as large as the source region; all others are physics tables.
VOXEL_ARRAYS = ("density", "material")
SOURCE_ARRAYS = ("source_cdf", "source_voxel", "source_guide")


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that a run takes on one device, planned before anything is allocated.

    Parameters
    ----------
    voxels
        Voxels of the grid.
    grid, source, tables
        Density and material; source voxels; physics tables [bytes].
    stacks
        Particle stacks and counters of all threads that the device can hold at a time [bytes].
    free
        Free device memory [bytes].
    tiles
        Windows that the tally is divided into; each takes one pass over the same histories.
    """

    voxels: int
    grid: int
    source: int
    tables: int
    stacks: int
    free: int
    tiles: int

    @property
    def tile_voxels(self) -> int:
        """Voxels in one window of the tally."""
        return math.ceil(self.voxels / self.tiles)

    @property
    def tally(self) -> int:
        """Bytes of the tally (int64) on the device."""
        return TALLY_BYTES * self.tile_voxels

    @property
    def total(self) -> int:
        """All bytes of this run on the device."""
        return self.grid + self.source + self.tables + self.stacks + self.tally

    @property
    def room(self) -> int:
        """Bytes still available to the run."""
        return max(int(SHARE * self.free) - self.total, 0)

    def describe(self) -> str:
        """The numbers, for a log or an error."""
        parts = {
            "grid": self.grid, "source": self.source, "tables": self.tables, "particle stacks": self.stacks,
            f"tally of {self.tile_voxels} voxels": self.tally,
        }  # fmt: skip
        listed = ", ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items())
        windows = "" if self.tiles == 1 else f" in {self.tiles} windows"
        return f"{self.total / GIB:.2f} GiB of {self.free / GIB:.2f} GiB free ({listed}){windows}"


def plan(world: World, free: int, stacks: int = 0, tiles: int | None = None) -> MemoryPlan:
    """Fit a world into ``free`` bytes: the whole tally if possible, else the fewest windows (or ``tiles``).

    Raises
    ------
    CudaTooLarge
        When it does not fit, not even with :data:`MOST_TILES` windows.
    """
    fields = zip(world._fields, world, strict=True)
    sizes = {name: value.nbytes for name, value in fields if isinstance(value, np.ndarray)}
    grid = sum(sizes[name] for name in VOXEL_ARRAYS)
    source = sum(sizes[name] for name in SOURCE_ARRAYS)
    tables = sum(sizes.values()) - grid - source
    budget = int(SHARE * free)
    for count in range(1, MOST_TILES + 1) if tiles is None else (tiles,):
        fitting = MemoryPlan(world.density.size, grid, source, tables, stacks, free, count)
        if fitting.total <= budget:
            return fitting
    raise CudaTooLarge(f"needs {fitting.describe()}, of which {budget / GIB:.2f} GiB may be used")


class CupyMemory:
    """Arrays on one CUDA device, allocated by CuPy, in the form that Numba's kernels accept.

    Everything is done in the order it was asked for, by the device's default stream, which Numba's launches share.
    Allocations raise :class:`~.cuda_errors.CudaMemoryError`; every method may raise :class:`~.cuda_errors.CudaFailure`.
    """

    def __init__(self, number: int) -> None:
        import cupy

        self._cupy = cupy
        self._device = cupy.cuda.Device(number)
        with self.here("opening the device"):
            # reads past the default stream, and so does not wait for a batch that was asked for meanwhile
            self._reading = cupy.cuda.Stream(non_blocking=True)
            self._mark = cupy.cuda.Event(block=True, disable_timing=True)

    @contextlib.contextmanager
    def here(self, doing: str) -> Iterator[None]:
        """Make this device CuPy's current one while ``doing`` something, which names it in an error."""
        with reported(doing), self._device:
            yield

    def free(self) -> int:
        """Free bytes on the device."""
        with self.here("asking for the free memory"):
            return int(self._device.mem_info[0])

    def array(self, host: np.ndarray) -> Any:
        """A copy of a host array on the device, for CuPy's functions."""
        with self.here(f"an array of {host.nbytes / GIB:.2f} GiB"):
            return self._cupy.asarray(host)

    def zeros(self, size: int, dtype: Any = np.int64) -> Any:
        """An array of zeros on the device, for CuPy's functions."""
        with self.here(f"an array of {size * np.dtype(dtype).itemsize / GIB:.2f} GiB"):
            return self._cupy.zeros(size, dtype)

    def put(self, array: Any, host: np.ndarray) -> None:
        """Overwrite an array with a host array of its type and size; nothing is allocated."""
        with self.here("copying to the device"):
            array.set(np.ascontiguousarray(host))

    def add(self, array: Any, host: np.ndarray, piece: Any) -> None:
        """Add a host array to one on the device, through a ``piece`` of memory there; nothing else is allocated."""
        with self.here("adding tallies"):
            for start in range(0, host.size, piece.size):
                part = host[start : start + piece.size]
                moved, window = piece[: part.size], array[start : start + part.size]
                moved.set(part)
                window += moved

    def argument(self, array: Any) -> Any:
        """The same array as a kernel takes it."""
        from .cuda_stack import cuda

        return cuda.as_cuda_array(array)

    def clear(self, array: Any) -> None:
        """Set an array to zero."""
        with self.here("clearing an array"):
            array.fill(0)

    def mark(self) -> Any:
        """The point after all that was asked for so far; the last mark is none any longer."""
        with self.here("recording an event"):
            self._mark.record()
            return self._mark

    def get(self, array: Any, mark: Any = None) -> np.ndarray:
        """A copy on the host, of what is there at a mark (nothing later may write to it), else after everything."""
        with self.here("simulating histories"):
            if mark is None:
                return array.get()
            mark.synchronize()
            return array.get(stream=self._reading)

    def release(self) -> None:
        """Return unused memory to the driver."""
        with self.here("freeing memory"):
            self._cupy.get_default_memory_pool().free_all_blocks()


class HostMemory:
    """The same for Numba's simulator, whose device memory is the host's."""

    def here(self, doing: str) -> Any:
        """A context that does nothing: there is one device."""
        return contextlib.nullcontext()

    def free(self) -> int:
        """Practically unlimited."""
        return 1 << 62

    def array(self, host: np.ndarray) -> Any:
        """A copy, so that the "device" shares nothing with the caller."""
        return host.copy()

    def zeros(self, size: int, dtype: Any = np.int64) -> Any:
        """An array of zeros."""
        return np.zeros(size, dtype)

    def put(self, array: Any, host: np.ndarray) -> None:
        """Overwrite an array."""
        array[:] = host

    def add(self, array: Any, host: np.ndarray, piece: Any) -> None:
        """Add a host array to an array."""
        array += host

    def argument(self, array: Any) -> Any:
        """The array itself."""
        return array

    def clear(self, array: Any) -> None:
        """Set an array to zero."""
        array[:] = 0

    def mark(self) -> Any:
        """Nothing: all that was asked for is done."""
        return None

    def get(self, array: Any, mark: Any = None) -> np.ndarray:
        """A copy."""
        return array.copy()

    def release(self) -> None:
        """No memory to return."""


def upload(world: World, memory: Any) -> World:
    """The same world with its arrays on the device.

    Raises
    ------
    CudaUnavailable
        The device's memory manager has put a table that is read by fours where a GPU cannot read it so.
    """
    moved = World(*(memory.argument(memory.array(v)) if isinstance(v, np.ndarray) else v for v in world))
    place = getattr(moved.track, "__cuda_array_interface__", None)  # none on the simulator
    if place is not None and place["data"][0] % VECTOR_BYTES != 0:
        raise CudaUnavailable(f"the slowing-down table begins at no multiple of {VECTOR_BYTES} bytes on the device")
    return moved
