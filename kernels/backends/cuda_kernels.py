"""The kernel: one thread plays whole histories, one after the other, until the launch's range is used up.

Imported through the loader only, inside the alias package of a CUDA target. Which thread plays a history does
not matter: its random numbers are addressed by its number, its deposits are integers.
"""

import numpy as np
from numba import cuda

from ..batch import history_key
from ..emission import batch_words
from ..history import decay_history
from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from ..target import i64, u32

N_COUNTERS = len(COUNTERS)
N_REALS = STACK_DEPTH * STACK_REALS
N_INTS = STACK_DEPTH * STACK_INTS


def play_histories(world, tally, totals, seed_low, seed_high, batch, first, last, per_batch):
    """Play histories ``first`` to ``last - 1`` of ``batch``; ``totals`` (int64) gets the counters added."""
    block_totals = cuda.shared.array(N_COUNTERS, np.int64)
    lane = cuda.threadIdx.x
    c = u32(lane)
    while c < N_COUNTERS:  # a range with a step of unknown sign would compile to a division
        block_totals[c] = i64(0)
        c = u32(c + cuda.blockDim.x)
    cuda.syncthreads()
    # local memory: one word of every thread of a warp side by side, cached in L1
    counters = cuda.local.array(N_COUNTERS, np.int64)
    stack_real = cuda.local.array(N_REALS, np.float32)
    stack_int = cuda.local.array(N_INTS, np.int32)
    # a bound known only at run time keeps the counters in memory: unrolled, they would take 36 registers
    n_counters = u32(totals.size)
    c = u32(0)
    while c < n_counters:
        counters[c] = i64(0)
        c = u32(c + u32(1))
    index = first + i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(lane)
    stride = i64(cuda.gridDim.x) * i64(cuda.blockDim.x)
    words = batch_words(seed_low, seed_high, batch)
    while index < last:
        key = history_key(seed_low, seed_high, batch, index, per_batch)
        decay_history(world, tally, counters, stack_real, stack_int, key, words, index, per_batch)
        index += stride
    c = u32(0)
    while c < n_counters:
        cuda.atomic.add(block_totals, c, counters[c])
        c = u32(c + u32(1))
    cuda.syncthreads()
    c = u32(lane)
    while c < N_COUNTERS:
        cuda.atomic.add(totals, c, block_totals[c])
        c = u32(c + cuda.blockDim.x)
