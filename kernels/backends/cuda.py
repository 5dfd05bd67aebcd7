"""CUDA backend: histories on the threads of one or several GPUs, int64 atomic tallies.

Random numbers are addressed by history and deposits are integers, so the tallies of one build and seed are
bit-identical for any launch shape, number of GPUs and number of tally windows. Between CPU and GPU they agree
within statistics: mathematical functions round differently.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..tables import COUNTERS, World
from . import cuda_memory, cuda_options, cuda_probe, cuda_sums
from .cuda_cache import cache_folder, compiled, compiled_before
from .cuda_errors import CudaFailure, CudaMemoryError, let_go, reported
from .cuda_lane import LOCAL_BYTES, Lane, device_name
from .cuda_launch import Launch
from .cuda_options import CudaOptions
from .cuda_probe import CudaUnavailable
from .device import Device

__all__ = [
    "LOCAL_BYTES", "CudaFailure", "CudaMemoryError", "CudaOptions", "CudaUnavailable", "Engine", "Launch",
    "cache_folder", "compiled", "compiled_before", "describe", "share",
]  # fmt: skip

log = logging.getLogger(__name__)


def share(first: int, last: int, lanes: int) -> list[tuple[int, int]]:
    """Divide histories ``first`` to ``last - 1`` into one contiguous range per lane; sizes differ by at most one."""
    whole, rest = divmod(last - first, lanes)
    ranges, start = [], first
    for lane in range(lanes):
        stop = start + whole + (lane < rest)
        ranges.append((start, stop))
        start = stop
    return ranges


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
    options
        How the kernel is compiled and launched; default what was found best on each device
        (:func:`.cuda_options.options_for`). The histories are the same; compiled code may round them differently.
    schedule
        Replaces the schedule of the options.

    Raises
    ------
    CudaUnavailable
        If there is no usable device, with the reason.
    CudaMemoryError
        If the problem does not fit, with the numbers.
    CudaFailure
        If a device does not run the kernel.
    """

    backend = "cuda"

    def __init__(
        self,
        world: World,
        seed: int,
        devices: Sequence[int] | None = None,
        launch: Launch | None = None,
        tiles: int | None = None,
        options: CudaOptions | None = None,
        schedule: str | None = None,
    ) -> None:
        usable = cuda_probe.devices()
        numbers = usable if devices is None else tuple(devices)
        unknown = sorted(set(numbers) - set(usable))
        if unknown or not numbers:
            raise CudaUnavailable(f"no usable CUDA device {unknown}", f"usable here: {list(usable)}")
        if cuda_probe.simulated() and launch is None:
            launch = Launch(2, 32, 64)
        words = (np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF))
        chosen = [_options(number, options, schedule) for number in numbers]
        self.lanes: list[Lane] = []
        self._totals: np.ndarray | None = None
        #: what a tally of another device is added through
        self._piece: Any = None
        self._voxels = int(world.density.size)
        try:
            for number, how in zip(numbers, chosen, strict=True):
                self.lanes.append(Lane(number, world, words, launch, tiles, how))
            threads = sum(lane.launch.blocks * lane.launch.threads for lane in self.lanes)
            self.device = describe(numbers, threads, chosen)
        except BaseException:
            self.close()
            raise

    def run_batch(self, batch: int, per_batch: int, tally: np.ndarray) -> dict[str, int]:
        """Simulate all histories of a batch into ``tally`` (int64, flat); returns the counters."""
        outs = [tally, *(np.zeros(self._voxels, np.int64) for _ in self.lanes[1:])]
        total = self._on_all(
            lambda lane, out, first, last: lane.run(batch, first, last, per_batch, out), outs, per_batch
        )
        for out in outs[1:]:
            tally += out
        return _named(total)

    def sums(self, weights: Sequence[tuple[np.ndarray, np.ndarray]]) -> cuda_sums.Sums | None:
        """Sums over batches that stay on the device, or None if they do not fit (logged).

        One device with room for a second tally simulates the next batch while the last is read.

        Parameters
        ----------
        weights
            Flat voxel indices and integer weights of every region.
        """
        first = self.lanes[0]
        entries = sum(index.size for index, _ in weights)
        needed, room = cuda_sums.needed_bytes(self._voxels, entries), first.plan.room
        second = cuda_memory.TALLY_BYTES * self._voxels
        alone, piece = len(self.lanes) == 1, min(self._voxels, cuda_sums.CHUNK)
        ahead = alone and needed + second <= room
        needed += second if ahead else 0 if alone else cuda_memory.TALLY_BYTES * piece
        numbers = f"{needed / cuda_memory.GIB:.2f} GiB of {room / cuda_memory.GIB:.2f} GiB left"
        if any(lane.plan.tiles > 1 for lane in self.lanes) or needed > room:
            log.info("CUDA device %d: sums of batches on the host (on the device: %s)", first.number, numbers)
            return None
        try:
            if ahead and len(first.slots) == 1:
                first.add_slot()
            if not alone and self._piece is None:
                self._piece = first.memory.zeros(piece)
            sums = cuda_sums.Sums(self, first.memory, weights)
        except CudaMemoryError as error:
            let_go(error)
            del first.slots[1:]
            self._piece = None
            first.memory.release()
            log.info("CUDA device %d: sums of batches on the host (%s)", first.number, str(error))
            return None
        ahead_text = ", the next batch simulated while the last is read" if ahead else ""
        log.info("CUDA device %d: sums of batches on the device (%s)%s", first.number, numbers, ahead_text)
        return sums

    @property
    def slots(self) -> int:
        """Batches that can be on the device at a time."""
        return len(self.lanes[0].slots)

    def start(self, batch: int, per_batch: int, slot: int) -> None:
        """Ask for a batch, whose whole tally will be in a slot of the first device.

        One device does not wait for it; of several, the parts of the others are added here.
        """
        if len(self.lanes) == 1:
            self.lanes[0].start(batch, 0, per_batch, per_batch, slot)
            return

        def simulate(lane: Lane, _: None, first: int, last: int) -> np.ndarray:
            lane.start(batch, first, last, per_batch)
            return lane.counters()

        self._totals = self._on_all(simulate, [None] * len(self.lanes), per_batch)
        home = self.lanes[0]
        for lane in self.lanes[1:]:
            part = lane.fetch()
            with home.context("adding tallies"):
                home.memory.add(home.slots[0].tally, part, self._piece)

    def tally(self, slot: int) -> Any:
        """Tally of a slot, on the first device."""
        return self.lanes[0].slots[slot].tally

    def counters(self, slot: int, mark: Any) -> dict[str, int]:
        """Counters of the batch in a slot, when the device has come to the mark."""
        return _named(self.lanes[0].counters(slot, mark) if self._totals is None else self._totals)

    def _on_all(self, work: Callable[..., np.ndarray], outs: Sequence[Any], per_batch: int) -> np.ndarray:
        """Run ``work`` on every device with its range of a batch's histories; the sum of the counters."""
        ranges = share(0, per_batch, len(self.lanes))
        if len(self.lanes) == 1:
            return work(self.lanes[0], outs[0], *ranges[0])
        # the simulator runs one launch at a time
        workers = 1 if cuda_probe.simulated() else len(self.lanes)
        with ThreadPoolExecutor(workers, thread_name_prefix="hevesy-cuda") as pool:
            jobs = [
                pool.submit(work, lane, out, first, last)
                for lane, (first, last), out in zip(self.lanes, ranges, outs, strict=True)
            ]
            return np.sum([job.result() for job in jobs], axis=0)

    def close(self) -> None:
        """Free device memory."""
        self._piece = None
        for lane in self.lanes:
            lane.close()
        self.lanes = []


def _named(totals: np.ndarray) -> dict[str, int]:
    return dict(zip(COUNTERS, (int(v) for v in totals), strict=True))


def _options(number: int, options: CudaOptions | None, schedule: str | None) -> CudaOptions:
    """Options of a device: those given, else those that were found best on it."""
    if options is None:
        options = cuda_options.DEFAULT if cuda_probe.simulated() else cuda_options.options_for(device_name(number))
    return cuda_options.check(options if schedule is None else options._replace(schedule=schedule))


def describe(numbers: Sequence[int], threads: int, options: Sequence[CudaOptions] | None = None) -> Device:
    """Name, compute capability, options and driver of the devices; the simulator is reported as such.

    Parameters
    ----------
    numbers
        Numbers of the devices.
    threads
        Threads of all devices together.
    options
        Options of each; default those that a run without any would have.
    """
    if cuda_probe.simulated():
        return Device("cuda-simulator", "Numba's CUDA simulator (no device)", threads)
    import cupy

    from .cuda_stack import cuda

    counts: dict[str, int] = {}
    for i, number in enumerate(numbers):
        with reported("asking a device for its compute capability"):
            major, minor = cuda.gpus[number].compute_capability
        how = _options(number, None, None) if options is None else options[i]
        label = f"{device_name(number)} (compute capability {major}.{minor}, {how.provenance()})"
        counts[label] = counts.get(label, 0) + 1
    names = ", ".join(label if n == 1 else f"{n} x {label}" for label, n in counts.items())
    with reported("asking the driver for its version"):
        version = cupy.cuda.runtime.driverGetVersion()
    api = f"CUDA {version // 1000}.{version % 1000 // 10}"
    driver = cuda_probe.driver_version()
    return Device("cuda", f"{names}, driver {driver or 'of unknown version'}, {api}", threads)
