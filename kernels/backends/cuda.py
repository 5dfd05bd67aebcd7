"""CUDA backend: histories on the threads of one or several GPUs, int64 atomic tallies.

Random numbers are addressed by history and deposits are integers, so the tallies of one build and seed are
bit-identical for any launch shape, number of GPUs and number of tally windows. Between CPU and GPU they agree
within statistics: mathematical functions round differently.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..loader import cache_root, source_hash
from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS, World
from . import cuda_memory, cuda_probe, cuda_sums
from .cuda_probe import CudaUnavailable
from .device import Device

log = logging.getLogger(__name__)

#: threads of a block: four warps, so that registers are allocated in small portions
THREADS = 128
#: histories of one launch at most: a launch then lasts well under a second even on a small GPU, so that a display
#: driver's watchdog does not end it and Ctrl-C is noticed
HISTORIES_PER_LAUNCH = 1 << 22
#: particle stack and counters of one thread [bytes]
LOCAL_BYTES = 4 * STACK_DEPTH * (STACK_REALS + STACK_INTS) + 8 * len(COUNTERS)


class Launch(NamedTuple):
    """Shape of a launch, and the threads that the device can hold at a time."""

    blocks: int
    threads: int
    resident: int


def cache_folder() -> Path:
    """Cache folder of kernels compiled from exactly these sources, with these versions and options."""
    import numba
    import numba_cuda

    from . import cuda_target

    versions = (numba.__version__, numba_cuda.__version__, np.__version__, sys.version)
    key = source_hash("cuda", *versions, repr(sorted(cuda_target.OPTIONS.items())))
    return cache_root() / f"kernels-cuda-{key[:24]}"


def compiled_before() -> bool:
    """Whether this machine has the compiled transport in its cache; the simulator compiles nothing."""
    return cuda_probe.simulated() or any(cache_folder().rglob("*.nbi"))


@lru_cache(maxsize=4)
def compiled(tiled: bool = False, schedule: str = "interleaved") -> Any:
    """The kernel; Numba compiles it, or reads it from the cache, at the first launch on a device."""
    from numba import cuda

    from . import cuda_target

    function = cuda_target.kernel_function(tiled, schedule)
    if cuda_probe.simulated():
        return cuda.jit(function, **cuda_target.OPTIONS)
    config: Any = cuda.config
    previous = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        return cuda.jit(function, cache=True, **cuda_target.OPTIONS)
    finally:
        config.CACHE_DIR = previous


def share(first: int, last: int, lanes: int) -> list[tuple[int, int]]:
    """Divide histories ``first`` to ``last - 1`` into one contiguous range per lane; sizes differ by at most one."""
    whole, rest = divmod(last - first, lanes)
    ranges, start = [], first
    for lane in range(lanes):
        stop = start + whole + (lane < rest)
        ranges.append((start, stop))
        start = stop
    return ranges


class _Lane:
    """One device with its copy of the world, its tally and its counters."""

    def __init__(
        self, number: int, world: World, seed: tuple[Any, Any], launch: Launch | None, tiles: int | None, schedule: str
    ) -> None:
        self.number = number
        self.seed = seed
        self.memory: Any = cuda_memory.HostMemory() if cuda_probe.simulated() else cuda_memory.CupyMemory(number)
        with self._context():
            resident = launch.resident if launch else self._resident()
            self.plan = cuda_memory.plan(world, self.memory.free(), resident * LOCAL_BYTES, tiles)
            log.info("CUDA device %d: %s", number, self.plan.describe())
            self.world = cuda_memory.upload(world, self.memory)
            self.tally, self._tally_argument = self.memory.zeros(self.plan.tile_voxels)
            self._totals, self._totals_argument = self.memory.zeros(len(COUNTERS))
            self._tickets, self._tickets_argument = self.memory.zeros(1)
            self.kernel = compiled(self.plan.tiles > 1, schedule)
            self.launch = launch or self._measure_launch()
        log.info("CUDA device %d: %d blocks of %d threads", number, self.launch.blocks, self.launch.threads)

    def _context(self) -> Any:
        from numba import cuda

        return cuda.gpus[self.number]

    def _resident(self) -> int:
        """Threads resident on the device at a time; its driver reserves local memory for all of them."""
        device = self._context()
        return int(device.MULTIPROCESSOR_COUNT) * int(device.MAX_THREADS_PER_MULTI_PROCESSOR)

    def _measure_launch(self) -> Launch:
        """One wave: as many blocks as fit all multiprocessors at a time, given the registers of the kernel."""
        from numba import typeof

        arguments = self._arguments(0, 0, 0, 1, 0)
        definition = self.kernel.compile(tuple(typeof(a) for a in arguments))
        blocks = int(definition.max_cooperative_grid_blocks(THREADS))
        log.info(
            "CUDA kernel: %d registers, %d bytes of local memory per thread",
            definition.regs_per_thread, definition.local_mem_per_thread,
        )  # fmt: skip
        return Launch(max(blocks, 1), THREADS, self._resident())

    def _arguments(self, batch: int, first: int, last: int, per_batch: int, tile: int) -> tuple[Any, ...]:
        from .cuda_target import Tile

        tally = self._tally_argument
        if self.plan.tiles > 1:
            tally = Tile(tally, np.int64(tile * self.plan.tile_voxels))
        numbers = (np.int64(n) for n in (batch, first, last, per_batch))
        return (self.world, tally, self._totals_argument, self._tickets_argument, *self.seed, *numbers)

    def simulate(self, batch: int, first: int, last: int, per_batch: int, tile: int = 0) -> np.ndarray:
        """Simulate histories ``first`` to ``last - 1`` of a batch into this device's tally; the counters."""
        with self._context():
            self.memory.clear(self.tally)
            self.memory.clear(self._totals)
            for start in range(first, last, HISTORIES_PER_LAUNCH):
                stop = min(start + HISTORIES_PER_LAUNCH, last)
                self.memory.clear(self._tickets)
                shape = self.kernel[self.launch.blocks, self.launch.threads]
                shape(*self._arguments(batch, start, stop, per_batch, tile))
            return self.memory.get(self._totals)

    def run(self, batch: int, first: int, last: int, per_batch: int, out: np.ndarray) -> np.ndarray:
        """Simulate histories ``first`` to ``last - 1`` of a batch and add their energy to ``out``; the counters."""
        totals = np.zeros(len(COUNTERS), np.int64)
        for tile in range(self.plan.tiles):
            counters = self.simulate(batch, first, last, per_batch, tile)
            window = out[tile * self.plan.tile_voxels : (tile + 1) * self.plan.tile_voxels]
            window += self.fetch()[: window.size]
            if tile and not np.array_equal(counters, totals):
                raise RuntimeError("the same histories gave other counters for another window of the tally")
            totals = counters
        return totals

    def fetch(self) -> np.ndarray:
        """This device's tally, on the host."""
        with self._context():
            return self.memory.get(self.tally)

    def close(self) -> None:
        """Free device memory."""
        arrays = ("tally", "_totals", "_tickets")
        for name in ("world", *arrays, *(f"_{name.lstrip('_')}_argument" for name in arrays)):
            if hasattr(self, name):
                delattr(self, name)
        self.memory.release()


class Engine:
    """Runs batches of one prepared world.

    Parameters
    ----------
    world
        The flat tables (host arrays).
    seed
        Seed of the run (64 bits).
    devices
        Device numbers; default every usable one (``CUDA_VISIBLE_DEVICES`` hides some). Each simulates a contiguous
        range of a batch's histories.
    launch
        Launch shape; default derived from the device and the kernel.
    tiles
        Windows that the tally is divided into; default as few as fit.
    schedule
        ``"interleaved"`` or ``"histories"``: the order in which a thread advances its decays (``cuda_kernels.py``). The
        histories are the same; compiled code may round them differently.

    Raises
    ------
    CudaUnavailable
        If there is no usable device, with the reason.
    CudaMemoryError
        If the problem does not fit, with the numbers.
    """

    backend = "cuda"

    def __init__(
        self,
        world: World,
        seed: int,
        devices: Sequence[int] | None = None,
        launch: Launch | None = None,
        tiles: int | None = None,
        schedule: str = "interleaved",
    ) -> None:
        usable = cuda_probe.devices()
        numbers = usable if devices is None else tuple(devices)
        unknown = sorted(set(numbers) - set(usable))
        if unknown or not numbers:
            raise CudaUnavailable(f"no usable CUDA device {unknown}", f"usable here: {list(usable)}")
        if cuda_probe.simulated() and launch is None:
            launch = Launch(2, 32, 64)
        words = (np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF))
        self.lanes: list[_Lane] = []
        try:
            for number in numbers:
                self.lanes.append(_Lane(number, world, words, launch, tiles, schedule))
        except BaseException:
            self.close()
            raise
        self._voxels = int(world.density.size)
        threads = sum(lane.launch.blocks * lane.launch.threads for lane in self.lanes)
        self.device = describe(numbers, threads)

    def run_batch(self, batch: int, per_batch: int, tally: np.ndarray) -> dict[str, int]:
        """Simulate all histories of a batch into ``tally`` (int64, flat); returns the counters."""
        outs = [tally, *(np.zeros(self._voxels, np.int64) for _ in self.lanes[1:])]
        total = self._on_all(
            lambda lane, out, first, last: lane.run(batch, first, last, per_batch, out), outs, per_batch
        )
        for out in outs[1:]:
            tally += out
        return total

    def sums(self, weights: Sequence[tuple[np.ndarray, np.ndarray]]) -> cuda_sums.Sums | None:
        """Sums over batches that stay on the device, or None if they do not fit (logged).

        Parameters
        ----------
        weights
            Flat voxel indices and integer weights of every region.
        """
        first = self.lanes[0]
        entries = sum(index.size for index, _ in weights)
        needed, room = cuda_sums.needed_bytes(self._voxels, entries), first.plan.room
        numbers = f"{needed / cuda_memory.GIB:.2f} GiB of {room / cuda_memory.GIB:.2f} GiB left"
        if first.plan.tiles > 1 or needed > room:
            log.info("CUDA device %d: sums of batches on the host (on the device: %s)", first.number, numbers)
            return None
        log.info("CUDA device %d: sums of batches on the device (%s)", first.number, numbers)
        with first._context():
            return cuda_sums.Sums(self._whole_batch, first.tally, first.memory, weights)

    def _whole_batch(self, batch: int, per_batch: int) -> dict[str, int]:
        """Simulate a batch; its whole tally is left on the first device."""
        total = self._on_all(
            lambda lane, _, first, last: lane.simulate(batch, first, last, per_batch),
            [None] * len(self.lanes),
            per_batch,
        )
        home = self.lanes[0]
        for lane in self.lanes[1:]:
            part = lane.fetch()
            with home._context(), home.memory.here():
                home.tally += home.memory.array(part)
        return total

    def _on_all(self, work: Callable[..., np.ndarray], outs: Sequence[Any], per_batch: int) -> dict[str, int]:
        """Run ``work`` on every device with its range of a batch's histories; the sum of the counters."""
        ranges = share(0, per_batch, len(self.lanes))
        if len(self.lanes) == 1:
            total = work(self.lanes[0], outs[0], *ranges[0])
        else:
            # the simulator runs one launch at a time
            workers = 1 if cuda_probe.simulated() else len(self.lanes)
            with ThreadPoolExecutor(workers, thread_name_prefix="hevesy-cuda") as pool:
                jobs = [
                    pool.submit(work, lane, out, first, last)
                    for lane, (first, last), out in zip(self.lanes, ranges, outs, strict=True)
                ]
                total = np.sum([job.result() for job in jobs], axis=0)
        return dict(zip(COUNTERS, (int(v) for v in total), strict=True))

    def close(self) -> None:
        """Free device memory."""
        for lane in self.lanes:
            lane.close()
        self.lanes = []


def describe(numbers: Sequence[int], threads: int) -> Device:
    """Name, compute capability and driver of the devices; the simulator is reported as such."""
    if cuda_probe.simulated():
        return Device("cuda-simulator", "Numba's CUDA simulator (no device)", threads)
    import cupy
    from numba import cuda

    counts: dict[str, int] = {}
    for number in numbers:
        name = cupy.cuda.runtime.getDeviceProperties(number)["name"]
        text = name.decode() if isinstance(name, bytes) else str(name)
        major, minor = cuda.gpus[number].compute_capability
        label = f"{text} (compute capability {major}.{minor})"
        counts[label] = counts.get(label, 0) + 1
    names = ", ".join(label if n == 1 else f"{n} x {label}" for label, n in counts.items())
    version = cupy.cuda.runtime.driverGetVersion()
    api = f"CUDA {version // 1000}.{version % 1000 // 10}"
    driver = cuda_probe.driver_version()
    return Device("cuda", f"{names}, driver {driver or 'of unknown version'}, {api}", threads)
