"""Where the decays of a batch happen and what they emit, without their transport.

Positions and energies of emissions are functions of the seed, the batch and the number of the decay alone, so this
loop gives exactly those that :mod:`.batch` transports.
"""

from typing import NamedTuple

from .batch import history_key
from .constants import QUANTA
from .emission import CATEGORY_COLUMNS, batch_words, emission_energy, source_voxel, stratified
from .history import emissions
from .rng import philox
from .scalar_types import I32, I64, F32Array, I32Array, I64Array
from .target import atomic_add, i32, i64, real, u32


class Source(NamedTuple):
    """Those fields of a :class:`~.tables.World` that say where decays happen and what they emit."""

    source_cdf: I64Array
    source_voxel: I32Array
    source_guide: I32Array
    source_shift: I64
    emission: F32Array
    emission_guide: I32Array
    emission_index: I32Array
    emission_rate: I64Array
    n_categories: I32
    local_quanta: I64


def emitted_range(source, tally, per_kind, seed_low, seed_high, batch, first, last, per_batch):
    """Add the energy that decays ``first`` to ``last - 1`` of ``batch`` emit to the voxels they happen in.

    ``per_kind`` holds, for each kind of particle, 1 where its kinetic energy counts and 0 where it does not, and the
    quanta that are added for each particle of it. ``source.local_quanta`` are added for every decay.
    """
    words = batch_words(seed_low, seed_high, batch)
    for index in range(first, last):
        key = history_key(seed_low, seed_high, batch, index, per_batch)
        word, b, c, d = philox(u32(0), key.stream, key.history_low, key.history_high, key.seed_low, key.seed_high)
        quanta = i64(source.local_quanta)
        for category in range(source.n_categories):
            kind = source.emission_index[u32(category * CATEGORY_COLUMNS)]
            counts = per_kind[u32(2 * kind)]
            each = per_kind[u32(2 * kind + 1)]
            if counts != 0 or each != 0:
                number, count, mask = emissions(source, category, index, words)
                quanta += each * i64(count)
                if counts != 0:
                    for j in range(count):
                        energy = emission_energy(source, i32(category), stratified(number + j, mask))
                        quanta += i64(i32(energy * QUANTA + real(0.5)))
        atomic_add(tally, source_voxel(source, index, per_batch, word), quanta)
