"""Nodes of a kernel table: equidistant in the bits of a float32 (``kernels/interp.py`` reads them)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BitGrid:
    """Nodes ``1 << shift`` bits apart: every octave in 2^(23 - shift) equal parts.

    Parameters
    ----------
    low
        Bits of the first node.
    nodes
        Number of nodes, at least two.
    shift
        log2 of the distance in bits.
    """

    low: int
    nodes: int
    shift: int

    @classmethod
    def over(cls, low: float, high: float, shift: int) -> BitGrid:
        """The smallest grid that holds ``low`` and ``high``."""
        first = _bits(low) >> shift
        last = -(-_bits(high) >> shift)
        return cls(first << shift, max(last - first + 1, 2), shift)

    @property
    def values(self) -> np.ndarray:
        """The nodes (float64)."""
        bits = self.low + (np.arange(self.nodes, dtype=np.int64) << self.shift)
        return bits.astype(np.int32).view(np.float32).astype(np.float64)

    def locate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Node and fraction of the way to the next, as the kernels find them."""
        bits = np.asarray(x, np.float32).view(np.int32).astype(np.int64)
        above = np.clip(bits - self.low, 0, ((self.nodes - 1) << self.shift) - 1)
        return above >> self.shift, (above & ((1 << self.shift) - 1)) / (1 << self.shift)


def _bits(x: float) -> int:
    return int(np.float32(x).view(np.int32))
