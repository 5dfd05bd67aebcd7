"""The kernels: every thread of a launch plays histories until the launch's range is used up.

Two schedules of the same histories: *turns* (``turns.py``: one flight or segment of each lane at a time) and
*histories* (one decay to its end, then the next). Imported through the loader only, inside the alias package of a CUDA
target. Which thread plays a history does not matter: its random numbers are addressed by its number, its deposits are
integers.
"""

import numpy as np
from numba import cuda

from ..batch import history_key
from ..emission import batch_words
from ..history import decay_history
from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from ..target import device, i64, u32
from ..turns import play_turns

N_COUNTERS = len(COUNTERS)
N_REALS = STACK_DEPTH * STACK_REALS
N_INTS = STACK_DEPTH * STACK_INTS


@device
def clear(counters, n_counters):
    """Set a thread's counters to zero.

    A bound known only at run time keeps them in memory: unrolled, they would take 36 registers.
    """
    c = u32(0)
    while c < n_counters:
        counters[c] = i64(0)
        c = u32(c + u32(1))


@device
def add_up(counters, totals):
    """Add the counters of all threads of a block to ``totals``, by way of the block's own."""
    block_totals = cuda.shared.array(N_COUNTERS, np.int64)
    c = u32(cuda.threadIdx.x)
    while c < N_COUNTERS:  # a range with a step of unknown sign would compile to a division
        block_totals[c] = i64(0)
        c = u32(c + cuda.blockDim.x)
    cuda.syncthreads()
    n_counters = u32(totals.size)
    c = u32(0)
    while c < n_counters:
        cuda.atomic.add(block_totals, c, counters[c])
        c = u32(c + u32(1))
    cuda.syncthreads()
    c = u32(cuda.threadIdx.x)
    while c < N_COUNTERS:
        cuda.atomic.add(totals, c, block_totals[c])
        c = u32(c + cuda.blockDim.x)


def by_turns(world, tally, totals, tickets, seed_low, seed_high, batch, first, last, per_batch):
    """Play histories ``first`` to ``last - 1`` of ``batch``.

    ``totals`` (int64) gets the counters added; ``tickets`` (int64, one zero) counts the histories given out.
    """
    # local memory: one word of every thread of a warp side by side, cached in L1
    counters = cuda.local.array(N_COUNTERS, np.int64)
    stack_real = cuda.local.array(N_REALS, np.float32)
    stack_int = cuda.local.array(N_INTS, np.int32)
    clear(counters, u32(totals.size))
    play_turns(
        world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
    )
    add_up(counters, totals)


def by_histories(world, tally, totals, tickets, seed_low, seed_high, batch, first, last, per_batch):
    """The same, every decay followed to its end; each thread has its own, and takes no tickets."""
    counters = cuda.local.array(N_COUNTERS, np.int64)
    stack_real = cuda.local.array(N_REALS, np.float32)
    stack_int = cuda.local.array(N_INTS, np.int32)
    clear(counters, u32(totals.size))
    index = first + i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(cuda.threadIdx.x)
    stride = i64(cuda.gridDim.x) * i64(cuda.blockDim.x)
    words = batch_words(seed_low, seed_high, batch)
    while index < last:
        key = history_key(seed_low, seed_high, batch, index, per_batch)
        decay_history(world, tally, counters, stack_real, stack_int, key, words, index, per_batch)
        index += stride
    add_up(counters, totals)
