"""The kernels: every thread of a launch simulates histories until the range of the launch is used up.

Three schedules of the same histories: *voted* (``voted.py``: in each turn a warp does the stage that most of its lanes
wait for), *interleaved* (``interleaved.py``: one flight or segment per iteration of a lane) and *histories* (one decay
to its end, then the next). Imported through the loader only, inside the alias package of a
CUDA target. Which thread simulates a history does not matter: its random numbers are addressed by its number, and its
deposits are integers.
"""

import numpy as np

from ..batch import history_key
from ..emission import batch_words
from ..history import decay_history
from ..interleaved import simulate_interleaved
from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS
from ..target import cuda, device, i64, u32
from ..voted import simulate_voted

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
    """Add the counters of all threads of a block to ``totals``, first within the block."""
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


def interleaved_kernel(world, tally, totals, tickets, seed_low, seed_high, batch, first, last, per_batch):
    """Simulate histories ``first`` to ``last - 1`` of ``batch``, interleaved.

    ``totals`` (int64) gets the counters added; ``tickets`` (int64, one zero) counts the histories assigned.
    """
    # local memory: the words of a warp's threads are interleaved, and cached in L1
    counters = cuda.local.array(N_COUNTERS, np.int64)
    stack_real = cuda.local.array(N_REALS, np.float32)
    stack_int = cuda.local.array(N_INTS, np.int32)
    clear(counters, u32(totals.size))
    simulate_interleaved(
        world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
    )
    add_up(counters, totals)


def voted_kernel(world, tally, totals, tickets, seed_low, seed_high, batch, first, last, per_batch):
    """The same, the lanes of a warp voting on what it does next; a block may have any number of threads."""
    counters = cuda.local.array(N_COUNTERS, np.int64)
    stack_real = cuda.local.array(N_REALS, np.float32)
    stack_int = cuda.local.array(N_INTS, np.int32)
    clear(counters, u32(totals.size))
    simulate_voted(
        world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
    )
    add_up(counters, totals)


def history_kernel(world, tally, totals, tickets, seed_low, seed_high, batch, first, last, per_batch):
    """The same, each decay followed to its end; a thread has a fixed set of decays and takes no tickets."""
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
