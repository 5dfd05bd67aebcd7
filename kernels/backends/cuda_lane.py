"""One CUDA device: its copy of the world, its tallies and counters, and the launches on it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS, World
from . import cuda_memory, cuda_probe
from .cuda_cache import compiled
from .cuda_errors import let_go, reported
from .cuda_launch import Launch, launcher
from .cuda_options import CudaOptions

log = logging.getLogger(__name__)

#: Histories of one launch, per multiprocessor, so that a launch lasts about as long on every card: by the model of
#: docs/performance.md 23 ms with 131I at 1.755 GHz; on the slowest cards (1.2 GHz, 0.4 of the model's speed, six times
#: as many steps a decay without range rejection) 0.5 s. A display driver's watchdog ends a launch after 2 s, and
#: Ctrl-C waits for one. A whole open-ended batch is one launch on a card of 132 multiprocessors.
HISTORIES_PER_MULTIPROCESSOR = 1 << 16
#: particle stack and counters of one thread [bytes]
LOCAL_BYTES = 4 * STACK_DEPTH * (STACK_REALS + STACK_INTS) + 8 * len(COUNTERS)
#: arguments of the kernel that every launch has its own of: batch, first, last, per_batch
NUMBERS = 4


class Slot(NamedTuple):
    """What a batch is simulated into: its tally and its counters, on the device."""

    tally: Any
    totals: Any


def device_name(number: int) -> str:
    """Name of a device as its driver gives it."""
    import cupy

    with reported(f"asking device {number} for its name"):
        name = cupy.cuda.runtime.getDeviceProperties(number)["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


class Lane:
    """One device with its copy of the world, its tallies and its counters.

    Parameters
    ----------
    number
        Number of the device.
    world
        The flat tables (host arrays).
    seed
        Low and high word of the seed.
    launch
        Launch shape; default derived from the device and the kernel.
    tiles
        Windows that the tally is divided into; default as few as fit.
    options
        How the kernel is compiled and launched.

    Raises
    ------
    CudaMemoryError
        If the problem does not fit, with the numbers; nothing stays allocated.
    CudaFailure
        If the device does not run the kernel.
    """

    def __init__(
        self,
        number: int,
        world: World,
        seed: tuple[Any, Any],
        launch: Launch | None,
        tiles: int | None,
        options: CudaOptions,
    ) -> None:
        self.number, self.seed, self.options = number, seed, options
        self.memory: Any = cuda_memory.HostMemory() if cuda_probe.simulated() else cuda_memory.CupyMemory(number)
        self.slots: list[Slot] = []
        self._launchers: dict[tuple[int, int], Callable[..., None]] = {}
        try:
            with self.context("loading the kernel"):
                self._open(world, launch, tiles)
        except BaseException as error:
            let_go(error)
            self.close()
            raise
        log.info(
            "CUDA device %d: %d blocks of %d threads, %s, at most %d histories per launch",
            number, self.launch.blocks, self.launch.threads, options.describe(), self.per_launch,
        )  # fmt: skip

    def _open(self, world: World, launch: Launch | None, tiles: int | None) -> None:
        resident = launch.resident if launch else self._resident()
        self.per_launch = self.options.histories_per_launch or self._multiprocessors() * HISTORIES_PER_MULTIPROCESSOR
        self.memory.release()  # what an earlier run in this process has left in the pool
        self.plan = cuda_memory.plan(world, self.memory.free(), resident * LOCAL_BYTES, tiles)
        log.info("CUDA device %d: %s", self.number, self.plan.describe())
        self.world = cuda_memory.upload(world, self.memory)
        self._tickets = self.memory.zeros(1)
        self.add_slot()
        self.kernel = compiled(self.plan.tiles > 1, self.options.schedule, self.options.max_registers)
        self.launch = launch or self._measure_launch()
        # without a history: the driver reserves local memory at the first launch, and may refuse it
        self._launcher(0, 0)(0, 0, 0, 1)
        self.memory.get(self.slots[0].totals)

    def add_slot(self) -> None:
        """Make room for another batch."""
        self.slots.append(Slot(self.memory.zeros(self.plan.tile_voxels), self.memory.zeros(len(COUNTERS))))

    @contextlib.contextmanager
    def context(self, doing: str) -> Iterator[None]:
        """Make this device Numba's current one while ``doing`` something, which names it in an error."""
        from .cuda_stack import cuda

        with reported(doing), cuda.gpus[self.number]:
            yield

    def _multiprocessors(self) -> int:
        if cuda_probe.simulated():
            return 1
        from .cuda_stack import cuda

        return int(cuda.gpus[self.number].MULTIPROCESSOR_COUNT)

    def _resident(self) -> int:
        """Threads resident on the device at a time; its driver reserves local memory for all of them."""
        from .cuda_stack import cuda

        return self._multiprocessors() * int(cuda.gpus[self.number].MAX_THREADS_PER_MULTIPROCESSOR)

    def _measure_launch(self) -> Launch:
        """One wave: as many blocks as fit all multiprocessors at a time, given the registers of the kernel."""
        from numba import typeof

        numbers = (np.int64(0),) * NUMBERS
        definition = self.kernel.compile(tuple(typeof(a) for a in (*self._fixed(0, 0), *numbers)))
        blocks = int(definition.max_cooperative_grid_blocks(self.options.threads))
        log.info(
            "CUDA kernel: %d registers, %d bytes of local memory per thread",
            definition.regs_per_thread, definition.local_mem_per_thread,
        )  # fmt: skip
        return Launch(max(blocks, 1), self.options.threads, self._resident())

    def _fixed(self, slot: int, tile: int) -> tuple[Any, ...]:
        """Arguments of every launch into a slot and a window of the tally."""
        from .cuda_target import Tile

        tally, totals = (self.memory.argument(array) for array in self.slots[slot])
        if self.plan.tiles > 1:
            tally = Tile(tally, np.int64(tile * self.plan.tile_voxels))
        return (self.world, tally, totals, self.memory.argument(self._tickets), *self.seed)

    def _launcher(self, slot: int, tile: int) -> Callable[..., None]:
        key = slot, tile
        if key not in self._launchers:
            self._launchers[key] = launcher(self.kernel, self.launch, self._fixed(slot, tile), NUMBERS)
        return self._launchers[key]

    def start(self, batch: int, first: int, last: int, per_batch: int, slot: int = 0, tile: int = 0) -> None:
        """Ask the device for histories ``first`` to ``last - 1`` of a batch, into a slot; do not wait for them."""
        with self.context("launching histories"):
            self.memory.clear(self.slots[slot].tally)
            self.memory.clear(self.slots[slot].totals)
            launch = self._launcher(slot, tile)
            for start in range(first, last, self.per_launch):
                self.memory.clear(self._tickets)
                launch(batch, start, min(start + self.per_launch, last), per_batch)

    def counters(self, slot: int = 0, mark: Any = None) -> np.ndarray:
        """Counters of a slot, on the host, when the device has come to the mark, else when it has done everything."""
        with self.context("simulating histories"):
            return self.memory.get(self.slots[slot].totals, mark)

    def run(self, batch: int, first: int, last: int, per_batch: int, out: np.ndarray) -> np.ndarray:
        """Simulate histories ``first`` to ``last - 1`` of a batch and add their energy to ``out``; the counters."""
        totals = np.zeros(len(COUNTERS), np.int64)
        for tile in range(self.plan.tiles):
            self.start(batch, first, last, per_batch, tile=tile)
            counters = self.counters()
            window = out[tile * self.plan.tile_voxels : (tile + 1) * self.plan.tile_voxels]
            window += self.fetch()[: window.size]
            if tile and not np.array_equal(counters, totals):
                raise RuntimeError("the same histories gave other counters for another window of the tally")
            totals = counters
        return totals

    def fetch(self) -> np.ndarray:
        """The tally of the first slot, on the host."""
        with self.context("simulating histories"):
            return self.memory.get(self.slots[0].tally)

    def close(self) -> None:
        """Free device memory; a device that has failed frees nothing, which is logged."""
        self.slots = []
        self._launchers = {}
        for name in ("world", "_tickets"):
            if hasattr(self, name):
                delattr(self, name)
        try:
            self.memory.release()
        except RuntimeError as error:
            log.info("CUDA device %d: %s", self.number, str(error))
