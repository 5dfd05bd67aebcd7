"""The source: where a decay happens and what it emits.

Decays of a batch are stratified. History i of n takes the i-th of n equal shares of the activity, at a random
point of that share, so every voxel gets its expected number of decays to within two. A category of emission with nu
particles per decay emits floor((i+1) nu + phi) - floor(i nu + phi) of them in history i; the cumulative probability of
the energy of particle number k is the base-2 radical inverse of k with a random digital shift, so positions and
energies fill their plane evenly. The phases phi and the shifts are drawn for each batch: batches are independent, and
every single energy and position has its exact distribution (Owen 1995, randomised digital nets).
"""

import math

import numpy as np

from .rng import MASK, bit_reverse, mixed, philox, unit
from .streams import BATCH
from .target import device, i32, i64, real, u32, u64

CATEGORY_COLUMNS = 5  # kind, offset, points, is_spectrum, offset of the guide
GOLDEN = np.uint64(0x9E3779B9)  # 2^32 over the golden ratio


@device
def batch_words(seed_low, seed_high, batch):
    """Two random words of a batch, from which the shifts of all categories are derived."""
    a, b, c, d = philox(u32(batch), BATCH, u32(0), u32(0), seed_low, seed_high)
    return a, b


@device
def batch_shift(words, category):
    """Random phase (32 bits) and digital mask of a category in the batch with these words."""
    step = u32(u64(category) * GOLDEN & MASK)
    return mixed(u32(words[0] ^ step)), mixed(u32(words[1] ^ step))


@device
def source_voxel(world, index, per_batch, word):
    """Flat voxel of decay ``index`` of a batch of ``per_batch``: stratified over the cumulative activity."""
    width = i64(4611686018427387904) // i64(per_batch)
    target = i64(index) * width + (width >> i64(24)) * i64(word >> u32(8))
    # a guide table gives the start; the entry is a few steps from it
    low = world.source_guide[u32(target >> world.source_shift)]
    last = i32(world.source_cdf.size - 1)
    while low < last and world.source_cdf[u32(low)] <= target:
        low = i32(low + i32(1))
    return u32(world.source_voxel[u32(low)])


@device
def emission_count(rate, index, phase):
    """Number of the first particle of a category in decay ``index``, and how many the decay emits.

    ``rate`` is the number per decay in units of 2**-32, ``phase`` a random 32-bit word: all in integers.
    """
    shift = i64(32)
    first = (rate * i64(index) + i64(phase)) >> shift
    following = (rate * i64(index + 1) + i64(phase)) >> shift
    return first, i32(following - first)


@device
def stratified(number, mask):
    """Uniform number of the ``number``-th emission of a category."""
    return unit(bit_reverse(u32(number)) ^ mask)


@device
def emission_energy(world, category, r):
    """Energy [MeV] of an emission at cumulative probability ``r``: a line, or a point of a spectrum.

    A spectrum is stored as energies, cumulative integrals and densities at its points, and sampled exactly with
    straight lines between them.
    """
    at = u32(category * CATEGORY_COLUMNS)
    offset = world.emission_index[u32(at + 1)]
    points = world.emission_index[u32(at + 2)]
    # the cumulative sum begins at offset + points; a guide of as many cells gives the start of the search
    low = world.emission_guide[u32(world.emission_index[u32(at + 4)] + i32(r * real(points)))]
    sums = i32(offset + points)
    if world.emission_index[u32(at + 3)] == 0:
        while low < points - 1 and world.emission[u32(sums + low)] <= r:
            low = i32(low + i32(1))
        return world.emission[u32(offset + low)]
    while low < points - 2 and world.emission[u32(sums + low + 1)] <= r:
        low = i32(low + i32(1))
    e0 = world.emission[u32(offset + low)]
    width = world.emission[u32(offset + low + 1)] - e0
    c0 = world.emission[u32(offset + points + low)]
    p0 = world.emission[u32(offset + 2 * points + low)]
    p1 = world.emission[u32(offset + 2 * points + low + 1)]
    area = max((r - c0) / width, real(0.0))
    # solve p0 t + (p1 - p0) t^2 / 2 = area for the share t of the interval
    root = math.sqrt(max(p0 * p0 + 2.0 * (p1 - p0) * area, real(0.0)))
    below = p0 + root
    t = 2.0 * area / below if below > 0.0 else real(0.0)
    return e0 + width * min(t, real(1.0))
