"""What the decays of a batch emit, voxel by voxel, without their transport: compiled, on all threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..same_decays import Source
from .cpu import compiled, threads
from .shares import shared

#: decays assigned to a thread at a time
CHUNK = 1 << 16


def emitted(
    source: Source, seed: int, batch: int, per_batch: int, per_kind: np.ndarray, pool: ThreadPoolExecutor | None = None
) -> np.ndarray:
    """Energy that the decays of one batch emit in each voxel that has decays, in whole quanta.

    Parameters
    ----------
    source
        Where decays happen and what they emit; ``local_quanta`` are added for each decay. The numbers in
        ``source_voxel`` are the places in the array returned.
    seed
        Seed of the run (64 bits).
    batch, per_batch
        Number of the batch, and decays in it.
    per_kind
        int64 (8,): for photons, electrons, positrons and local deposits in turn, whether their energy counts (1 or 0),
        and quanta to add for each particle.
    pool
        Threads that share the decays; default: threads of its own.

    Returns
    -------
    ndarray
        int64 (voxels with decays,) [quanta].
    """
    function = compiled("same_decays", "emitted_range")
    tally = np.zeros(source.source_voxel.size, np.int64)
    low, high = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF)

    def work(first: int) -> None:
        last = min(first + CHUNK, per_batch)
        function(
            source, tally, per_kind, low, high, np.int64(batch), np.int64(first), np.int64(last), np.int64(per_batch)
        )

    starts = range(0, per_batch, CHUNK)
    if pool is not None:
        shared(pool, work, starts)
        return tally
    with ThreadPoolExecutor(threads()) as own:
        shared(own, work, starts)
    return tally
