"""A range of histories of one batch: the work of one thread of a backend.

The loop is a module-level function, not a closure, so that its compiled code can be cached: Numba keys a closure by
the objects it holds, and compiled functions are new objects in every process.
"""

from .emission import batch_words
from .history import decay_history
from .streams import HISTORY
from .tables import Key
from .target import device, i64, u32


@device
def history_key(seed_low, seed_high, batch, index, per_batch):
    """Address of the random numbers of history ``index`` of ``batch``, whichever thread simulates it."""
    number = i64(batch) * i64(per_batch) + i64(index)
    low = u32(number & i64(0xFFFFFFFF))
    high = u32((number >> i64(32)) & i64(0xFFFFFFFF))
    return Key(low, high, seed_low, seed_high, HISTORY)


def run_range(world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch):
    """Simulate histories ``first`` to ``last - 1`` of ``batch``."""
    words = batch_words(seed_low, seed_high, batch)
    for index in range(first, last):
        key = history_key(seed_low, seed_high, batch, index, per_batch)
        decay_history(world, tally, counters, stack_real, stack_int, key, words, index, per_batch)
