"""Device memory: how much a run needs, whether it fits, and the arrays on the device."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tables import World

#: Fraction of the free device memory that a run may use; the rest is left for the driver and fragmentation.
SHARE = 0.92
#: With more windows the same histories are simulated so often that the CPU is the better choice.
MOST_TILES = 16
GIB = 1024.0**3
#: World arrays as large as the grid, and as large as the source region; all others are physics tables.
VOXEL_ARRAYS = ("density", "material")
SOURCE_ARRAYS = ("source_cdf", "source_voxel", "source_guide")


class CudaMemoryError(RuntimeError):
    """The problem does not fit the device; the message gives the numbers."""


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
        return 8 * self.tile_voxels

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
    CudaMemoryError
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
    raise CudaMemoryError(f"needs {fitting.describe()}, of which {budget / GIB:.2f} GiB may be used")


class CupyMemory:
    """Arrays on one CUDA device, allocated by CuPy, in the form that Numba's kernels accept."""

    def __init__(self, number: int) -> None:
        import cupy

        self._cupy = cupy
        self._device = cupy.cuda.Device(number)

    def free(self) -> int:
        """Free bytes on the device."""
        with self._device:
            return int(self._device.mem_info[0])

    def put(self, host: np.ndarray) -> Any:
        """A copy of a host array on the device."""
        from numba import cuda

        with self._device:
            return cuda.as_cuda_array(self._cupy.asarray(host))

    def here(self) -> Any:
        """Context in which this device is CuPy's current one."""
        return self._device

    def array(self, host: np.ndarray) -> Any:
        """A copy of a host array on the device, for CuPy's functions."""
        with self._device:
            return self._cupy.asarray(host)

    def zeros(self, size: int) -> tuple[Any, Any]:
        """An int64 array of zeros: (handle for :meth:`clear` and :meth:`get`, kernel argument)."""
        from numba import cuda

        with self._device:
            handle = self._cupy.zeros(size, self._cupy.int64)
            return handle, cuda.as_cuda_array(handle)

    def clear(self, handle: Any) -> None:
        """Set an array to zero."""
        with self._device:
            handle.fill(0)

    def get(self, handle: Any) -> np.ndarray:
        """A copy on the host; waits for the kernels launched before."""
        with self._device:
            return handle.get()

    def release(self) -> None:
        """Return unused memory to the driver."""
        with self._device:
            self._cupy.get_default_memory_pool().free_all_blocks()


class HostMemory:
    """The same for Numba's simulator, whose device memory is the host's."""

    def free(self) -> int:
        """Practically unlimited."""
        return 1 << 62

    def put(self, host: np.ndarray) -> Any:
        """A copy, so that the "device" shares nothing with the caller."""
        return host.copy()

    def here(self) -> Any:
        """A context that does nothing: there is one device."""
        return contextlib.nullcontext()

    def array(self, host: np.ndarray) -> Any:
        """A copy."""
        return host.copy()

    def zeros(self, size: int) -> tuple[Any, Any]:
        """An int64 array of zeros, as handle and as kernel argument."""
        array = np.zeros(size, np.int64)
        return array, array

    def clear(self, handle: Any) -> None:
        """Set an array to zero."""
        handle[:] = 0

    def get(self, handle: Any) -> np.ndarray:
        """A copy."""
        return handle.copy()

    def release(self) -> None:
        """No memory to return."""


def upload(world: World, memory: Any) -> World:
    """The same world with its arrays on the device."""
    return World(*(memory.put(v) if isinstance(v, np.ndarray) else v for v in world))
