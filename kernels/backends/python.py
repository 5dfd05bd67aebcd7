"""The neutral source as plain Python: slow, for reading, debugging and tests of the compiled backends."""

from __future__ import annotations

import numpy as np

from .. import target
from ..loader import load
from ..streams import HISTORY
from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS, Key, World
from .device import Device


class Engine:
    """Runs batches of one prepared world, one history after the other.

    Parameters
    ----------
    world
        The flat tables.
    seed
        Seed of the run (64 bits).
    name
        Name of the target that the loader knows the neutral source by.
    """

    backend = "python"

    def __init__(self, world: World, seed: int, name: str = "python") -> None:
        self.world, self._name = world, name
        self.seed = (np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF))
        self.device = Device("python", "Python interpreter", 1)

    def run_batch(self, batch: int, per_batch: int, tally: np.ndarray) -> dict[str, int]:
        """Simulate all histories of a batch into ``tally``; returns the counters."""
        history = load(self._name, target, "history")
        emission = load(self._name, target, "emission")
        counters = np.zeros(len(COUNTERS), np.int64)
        stack_real = np.zeros(STACK_DEPTH * STACK_REALS, np.float32)
        stack_int = np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
        with np.errstate(over="ignore"):
            words = emission.batch_words(*self.seed, batch)
            for index in range(per_batch):
                number = batch * per_batch + index
                key = Key(np.uint32(number & 0xFFFFFFFF), np.uint32(number >> 32 & 0xFFFFFFFF), *self.seed, HISTORY)
                history.decay_history(self.world, tally, counters, stack_real, stack_int, key, words, index, per_batch)
        return dict(zip(COUNTERS, (int(v) for v in counters), strict=True))

    def close(self) -> None:
        """No resources to release."""
