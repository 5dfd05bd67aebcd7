"""The source: where a decay happens and what it emits.

Decays of a batch are stratified. History i of n takes the i-th of n equal shares of the activity, at a random
place inside the share, so every voxel gets its due number of decays to within one. A category of emission with
nu particles per decay emits floor((i+1) nu + phi) - floor(i nu + phi) of them in history i; its energies run
through the base-2 radical inverse of that running number with a random digital shift, so positions and energies
fill their plane evenly. The shifts phi and the masks are new in every batch: batches stay independent and every
single energy and position keeps its exact distribution (Owen 1995, randomised digital nets).
"""

import math

from .rng import bit_reverse, philox, unit
from .streams import BATCH
from .target import device, i32, i64, real, u32

CATEGORY_COLUMNS = 4  # kind, offset, points, is_spectrum


@device
def batch_shift(key, batch, category):
    """Random phase (32 bits) and digital mask of a category in a batch."""
    a, b, c, d = philox(u32(batch), BATCH, u32(category), u32(0), key.seed_low, key.seed_high)
    return a, b


@device
def source_voxel(world, index, per_batch, word):
    """Flat voxel of decay ``index`` of a batch of ``per_batch``: stratified over the running sum of activity."""
    width = i64(4611686018427387904) // i64(per_batch)
    target = i64(index) * width + (width >> i64(24)) * i64(word >> u32(8))
    low = i32(0)
    high = i32(world.source_cdf.size - 1)
    while low < high:
        middle = i32((low + high) // 2)
        if world.source_cdf[u32(middle)] <= target:
            low = i32(middle + i32(1))
        else:
            high = middle
    return u32(world.source_voxel[u32(low)])


@device
def emission_count(rate, index, phase):
    """Running number of the first particle of a category in decay ``index``, and how many it emits.

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

    A spectrum is stored as energies, running integrals and densities at its points and sampled exactly as the
    straight lines between them.
    """
    at = u32(category * CATEGORY_COLUMNS)
    offset = world.emission_index[u32(at + 1)]
    points = world.emission_index[u32(at + 2)]
    if world.emission_index[u32(at + 3)] == 0:
        low = i32(0)
        high = i32(points - i32(1))
        while low < high:
            middle = i32((low + high) // 2)
            if world.emission[u32(offset + points + middle)] <= r:
                low = i32(middle + i32(1))
            else:
                high = middle
        return world.emission[u32(offset + low)]
    low = i32(0)
    high = i32(points - i32(1))
    while high - low > 1:
        middle = i32((low + high) // 2)
        if world.emission[u32(offset + points + middle)] <= r:
            low = middle
        else:
            high = middle
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
