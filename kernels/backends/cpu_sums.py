"""Sums and squares of batches on the host: one compiled pass over the voxels that a batch reached.

The numbers are bit-identical to those of ``engine/statistics.py``; a square is a 128-bit number in two limbs.
"""

from __future__ import annotations

from concurrent.futures import Executor
from functools import lru_cache
from typing import Any

import numpy as np

from .cpu import kept
from .shares import shared

#: voxels assigned to a thread at a time
CHUNK = 1 << 17
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_HALF, _UP, _DOWN = np.uint64(32), np.uint64(33), np.uint64(31)
_MASK = np.uint64(0xFFFFFFFF)


def _add_range(quanta, total, low, high, first, last):
    """Add voxels ``first`` to ``last - 1``; whether a sum of squares overflowed its 128 bits."""
    overflowed = False
    for i in range(first, last):
        value = quanta[i]
        if value == 0:
            continue
        total[i] += value
        # the bits of -(-2^63), read as unsigned, are 2^63: correct as well
        size = np.uint64(value if value > 0 else -value)
        a = size & _MASK
        b = size >> _HALF
        middle = a * b  # (b 2^32 + a)^2 = b^2 2^64 + middle 2^33 + a^2
        lowest = a * a
        square = lowest + (middle << _UP)
        upper = b * b + (middle >> _DOWN) + (_ONE if square < lowest else _ZERO)
        lower = low[i] + square
        carried = upper + (_ONE if lower < square else _ZERO)  # at most 2^62
        top = high[i] + carried
        overflowed = overflowed or top < carried
        low[i] = lower
        high[i] = top
    return overflowed


@lru_cache(maxsize=1)
def _compiled() -> Any:
    return kept(_add_range, nogil=True, error_model="numpy", _nrt=False)


def add_batch(
    quanta: np.ndarray, total: np.ndarray, low: np.ndarray, high: np.ndarray, pool: Executor | None = None
) -> None:
    """Add a batch to its running sum, and its square to the limbs, in place.

    Parameters
    ----------
    quanta
        int64 (n,): energy of one batch.
    total
        int64 (n,): sum over batches.
    low, high
        uint64 (n,): limbs of the sum of squares.
    pool
        Threads that share the voxels; default the calling one.

    Raises
    ------
    OverflowError
        A sum of squares would need more than 128 bits.
    """
    function = _compiled()

    def part(first: int) -> bool:
        return bool(function(quanta, total, low, high, first, min(first + CHUNK, quanta.size)))

    starts = range(0, quanta.size, CHUNK)
    overflows = list(map(part, starts)) if pool is None else shared(pool, part, starts)
    if any(overflows):
        raise OverflowError("a sum of squared batch energies does not fit into 128 bits")
