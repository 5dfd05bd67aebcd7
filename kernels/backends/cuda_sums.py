"""Sums and squares of batches on the device, bit-identical to those of the host.

A batch of some ten milliseconds on a GPU leaves a tally whose copy, sum and square take the host longer than the
batch. Here only its counters and region totals go to the host; the tally is added and squared on the device.
Squares are 128-bit numbers in two limbs, as on the host. The code takes any array
library with NumPy's functions, so tests without a device run the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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

    def totals(self, quanta: Any, get: Callable[[Any], np.ndarray]) -> np.ndarray:
        """Weighted energy of each region, int64 (regions,): differences of one cumulative sum, exact modulo 2^64."""
        count = self.ends.size - 1
        if not self.entries:
            return np.zeros(count, np.int64)
        running = (quanta[self._index] * self._weight).cumsum()
        ends = np.where(self.ends[1:] > 0, get(running[self._at]), 0)
        return np.diff(np.concatenate([[0], ends]).astype(np.int64))


class Sums:
    """Simulates batches of an engine and keeps their sums on its first device.

    Parameters
    ----------
    simulate
        Simulates one batch: leaves its whole tally in ``tally`` and returns its counters.
    tally
        The batch's tally on the device, int64 (voxels,).
    memory
        Memory of the device (cuda_memory).
    weights
        Flat indices and integer weights of every region.
    """

    def __init__(
        self,
        simulate: Callable[[int, int], dict[str, int]],
        tally: Any,
        memory: Any,
        weights: Sequence[tuple[np.ndarray, np.ndarray]],
    ) -> None:
        self._simulate, self._tally, self._memory = simulate, tally, memory
        with memory.here():
            self._regions = RegionIndex(weights, memory.array)
            self._total = memory.array(np.zeros(tally.size, np.int64))
            self._low = memory.array(np.zeros(tally.size, np.uint64))
            self._high = memory.array(np.zeros(tally.size, np.uint64))
        self._bound = 0
        self.batches = 0

    def begin(self, total: np.ndarray, squares: np.ndarray) -> None:
        """Start from earlier sums: int64 (voxels,), and uint64 (2, voxels) limbs."""
        with self._memory.here():
            self._total = self._memory.array(np.ascontiguousarray(total.reshape(-1)))
            limbs = squares.reshape(2, -1)
            self._low, self._high = (self._memory.array(np.ascontiguousarray(limb)) for limb in limbs)
            # upper bound of any voxel's sum of squares: the largest high limb, rounded up
            self._bound = (int(limbs[1].max(initial=0)) + 1) << 64

    def run_batch(self, batch: int, per_batch: int) -> tuple[dict[str, int], np.ndarray]:
        """Simulate a batch and add it; returns its counters and the totals of the regions.

        Raises
        ------
        OverflowError
            When a sum of squares could need more than 128 bits.
        """
        counters = self._simulate(batch, per_batch)
        with self._memory.here():
            regions = self._regions.totals(self._tally, self._memory.get)
            # no voxel holds more than the batch scored in total
            scored = counters["deposited"] + abs(counters.get("track_scored", 0))
            self._bound += scored * scored
            if self._bound >= _LARGEST:
                raise OverflowError("a sum of squared batch energies may not fit into 128 bits")
            add_batch(self._tally, self._total, self._low, self._high)
        self.batches += 1
        return counters, regions

    def fetch(self, total: np.ndarray, squares: np.ndarray) -> None:
        """Copy the sums so far into host arrays, int64 (voxels) and uint64 (2, voxels) of any shape of that size."""
        with self._memory.here():
            total.reshape(-1)[:] = self._memory.get(self._total)
            limbs = squares.reshape(2, -1)
            limbs[0], limbs[1] = self._memory.get(self._low), self._memory.get(self._high)
