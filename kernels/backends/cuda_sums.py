"""Sums and squares of batches on the device, bit-identical to those of the host.

A batch of some ten milliseconds on a GPU leaves a tally whose copy, sum and square take the host longer than the
batch. Here only its counters and region totals go to the host; the tally is added and squared on the device, and the
next batch is asked for before the last one is read, so that the device does not wait for the host.
Squares are 128-bit numbers in two limbs, as on the host. The code takes any array
library with NumPy's functions, so tests without a device run the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

#: voxels handled at a time: bounds the scratch memory
CHUNK = 1 << 21
#: arrays of a chunk that exist at the same time, 8 bytes per voxel each
SCRATCH_ARRAYS = 10
_HALF, _UP, _DOWN = np.uint64(32), np.uint64(33), np.uint64(31)
_MASK = np.uint64(0xFFFFFFFF)
_LARGEST = 1 << 128


def needed_bytes(voxels: int, entries: int) -> int:
    """Device memory of the sums of ``voxels``, of regions with ``entries`` voxels in all, and of the scratch space."""
    return voxels * (8 + 16) + entries * 4 * 8 + min(voxels, CHUNK) * SCRATCH_ARRAYS * 8


def add_batch(quanta: Any, total: Any, low: Any, high: Any, chunk: int = CHUNK) -> None:
    """Add a batch to the running sum, and its square to the limbs, in place.

    Parameters
    ----------
    quanta
        int64 (n,): energy of one batch.
    total
        int64 (n,): sum over batches.
    low, high
        uint64 (n,): limbs of the sum of squares.
    chunk
        Voxels handled at a time.
    """
    for start in range(0, quanta.size, chunk):
        part = slice(start, start + chunk)
        value = quanta[part]
        total[part] += value
        # abs(-2^63) keeps its bit pattern, which read as unsigned is 2^63: correct as well
        size = abs(value).view(np.uint64)
        a, b = size & _MASK, size >> _HALF
        middle = a * b  # (b 2^32 + a)^2 = b^2 2^64 + middle 2^33 + a^2
        lowest = a * a
        square = lowest + (middle << _UP)
        upper = b * b + (middle >> _DOWN) + (square < lowest).astype(np.uint64)
        previous = low[part]
        lower = previous + square
        high[part] += upper + (lower < previous).astype(np.uint64)
        low[part] = lower


class RegionIndex:
    """Voxels and weights of all regions, concatenated, so that one cumulative sum serves them all."""

    def __init__(self, weights: Sequence[tuple[np.ndarray, np.ndarray]], put: Callable[[np.ndarray], Any]) -> None:
        sizes = np.array([index.size for index, _ in weights], np.int64)
        self.ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.entries = int(self.ends[-1])
        if self.entries:
            self._index = put(np.concatenate([index for index, _ in weights]).astype(np.int64))
            self._weight = put(np.concatenate([weight for _, weight in weights]).astype(np.int64))
            # where the cumulative sum is read: the last voxel of every region (the first of all when none precedes it)
            self._at = put(np.maximum(self.ends[1:] - 1, 0))

    def ask(self, quanta: Any) -> Any:
        """Cumulative weighted energies at the end of each region, on the device; None when no region has a voxel."""
        if not self.entries:
            return None
        running = (quanta[self._index] * self._weight).cumsum()
        return running[self._at]

    def totals(self, ends: np.ndarray | None) -> np.ndarray:
        """Weighted energy of each region, int64 (regions,): differences of what was asked for, exact modulo 2^64."""
        if ends is None:
            return np.zeros(self.ends.size - 1, np.int64)
        return np.diff(np.concatenate([[0], np.where(self.ends[1:] > 0, ends, 0)]).astype(np.int64))


class Simulator(Protocol):
    """What simulates batches and leaves each in a slot of its memory."""

    #: batches that it can hold at a time
    slots: int

    def start(self, batch: int, per_batch: int, slot: int) -> None:
        """Ask for a batch."""

    def tally(self, slot: int) -> Any:
        """The batch's tally on the device, int64 (voxels,)."""

    def counters(self, slot: int, mark: Any) -> dict[str, int]:
        """The batch's counters, when the device has come to the mark."""


class Sums:
    """Has batches simulated and keeps their sums on the device.

    ``adding`` is True from the first write to the sums until :meth:`counted`: sums in that state may be half of a
    batch, and are not to be used.

    Parameters
    ----------
    simulator
        Simulates the batches.
    memory
        Memory of the device (cuda_memory).
    weights
        Flat indices and integer weights of every region.

    Raises
    ------
    CudaMemoryError
        No room for the sums.
    """

    def __init__(self, simulator: Simulator, memory: Any, weights: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        self._simulator, self._memory = simulator, memory
        tally = simulator.tally(0)
        self._regions = RegionIndex(weights, memory.array)
        self._total = memory.zeros(tally.size)
        self._low, self._high = (memory.zeros(tally.size, np.uint64) for _ in range(2))
        self._bound = 0
        #: a batch that was asked for and not yet read: (batch, decays, slot)
        self._ahead: tuple[int, int, int] | None = None
        self.batches, self.adding = 0, False
        # nothing is added to nothing: what this allocates is allocated here, where there is still a way without it, and
        # an array library that compiles its functions at first use has compiled them
        memory.clear(tally)
        with memory.here("sums of batches"):
            self._regions.ask(tally)
            add_batch(tally, self._total, self._low, self._high)

    def begin(self, total: np.ndarray, squares: np.ndarray) -> None:
        """Start from earlier sums: int64 (voxels,), and uint64 (2, voxels) limbs."""
        limbs = squares.reshape(2, -1)
        for held, given in ((self._total, total.reshape(-1)), (self._low, limbs[0]), (self._high, limbs[1])):
            self._memory.put(held, given)
        # upper bound of any voxel's sum of squares: the largest high limb, rounded up
        self._bound = (int(limbs[1].max(initial=0)) + 1) << 64

    def run_batch(self, batch: int, per_batch: int, following: int | None = None) -> tuple[dict[str, int], np.ndarray]:
        """Simulate a batch and add it; returns its counters and the totals of the regions.

        Parameters
        ----------
        batch
            Number of the batch.
        per_batch
            Its decays.
        following
            The batch that the device may begin meanwhile. It is not added; when another one is wanted next, it is
            forgotten.

        Raises
        ------
        OverflowError
            When a sum of squares could need more than 128 bits; the batch was added.
        """
        slot = self._asked(batch, per_batch)
        tally = self._simulator.tally(slot)
        with self._memory.here("sums of batches"):
            ends = self._regions.ask(tally)
            self.adding = True
            add_batch(tally, self._total, self._low, self._high)
        mark = self._memory.mark()
        if following is not None and self._simulator.slots > 1:
            other = 1 - slot
            self._simulator.start(following, per_batch, other)
            self._ahead = following, per_batch, other
        counters = self._simulator.counters(slot, mark)
        regions = self._regions.totals(None if ends is None else self._memory.get(ends, mark))
        # no voxel holds more than the batch scored in total
        scored = counters["deposited"] + abs(counters.get("track_scored", 0))
        self._bound += scored * scored
        if self._bound >= _LARGEST:
            raise OverflowError("a sum of squared batch energies may not fit into 128 bits")
        self.batches += 1
        return counters, regions

    def counted(self) -> None:
        """The batch that was added is in the host's counts as well."""
        self.adding = False

    def _asked(self, batch: int, per_batch: int) -> int:
        """Slot of a batch that was asked for, now or before."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[:2] == (batch, per_batch):
            return ahead[2]
        self._simulator.start(batch, per_batch, 0)
        return 0

    def fetch(self, total: np.ndarray, squares: np.ndarray) -> None:
        """Copy the sums so far into host arrays, int64 (voxels) and uint64 (2, voxels) of any shape of that size."""
        total.reshape(-1)[:] = self._memory.get(self._total)
        limbs = squares.reshape(2, -1)
        limbs[0], limbs[1] = self._memory.get(self._low), self._memory.get(self._high)
