"""One decay from emission to the last secondary, each particle followed to its end before the next."""

from .constants import MC2_QUANTA, QUANTA
from .emission import (
    CATEGORY_COLUMNS,
    batch_shift,
    emission_count,
    emission_energy,
    source_voxel,
    stratified,
)
from .geometry import isotropic
from .particles import Position
from .physics.electron.track import transport_charged
from .physics.photon.track import transport_photon
from .rng import draw4, next_draw, philox, unit
from .scoring import deposit, pop, push
from .tables import (
    DECAYS,
    EMITTED,
    PHOTON,
    POSITRON,
)
from .target import device, i32, i64, u32


@device
def sample_decay_position(world, tally, counters, key, index, per_batch):
    """Position of decay ``index`` of a batch; energy that cannot leave the voxel is deposited there."""
    counters[DECAYS] += i64(1)
    a, b, c, d = philox(u32(0), key.stream, key.history_low, key.history_high, key.seed_low, key.seed_high)
    voxel = source_voxel(world, index, per_batch, a)
    row = u32(voxel // u32(world.nx))
    ix = i32(voxel % u32(world.nx))
    iy = i32(row % u32(world.ny))
    iz = i32(row // u32(world.ny))
    # emissions that cannot leave the voxel: the same energy in every decay
    if world.local_quanta > 0:
        counters[EMITTED] += i64(world.local_quanta)
        deposit(tally, counters, voxel, i64(world.local_quanta))
    return Position(ix, iy, iz, unit(b) * world.hx, unit(c) * world.hy, unit(d) * world.hz)


@device
def emissions(world, category, index, words):
    """Number of the first particle of a category in decay ``index``, how many the decay emits, and their mask."""
    phase, mask = batch_shift(words, category)
    first, count = emission_count(world.emission_rate[u32(category)], index, phase)
    return first, count, mask


@device
def emit(world, tally, counters, stack_real, stack_int, depth, position, category, number, mask, key, draw):
    """Put the ``number``-th particle of a category on the stack. Returns (depth, draw)."""
    kind = world.emission_index[u32(category * CATEGORY_COLUMNS)]
    r1, r2, r3, r4 = draw4(key, draw)
    energy = emission_energy(world, i32(category), stratified(number, mask))
    quanta = i32(energy * QUANTA + 0.5)
    u, v, w = isotropic(r1, r2)
    counters[EMITTED] += i64(quanta)
    if kind == POSITRON:
        counters[EMITTED] += i64(2) * i64(MC2_QUANTA)
    depth = push(
        world, stack_real, stack_int, depth, tally, counters, kind, position.ix, position.iy, position.iz,
        position.px, position.py, position.pz, u, v, w, quanta,
    )  # fmt: skip
    return depth, next_draw(draw)


@device
def run_stack(world, tally, counters, stack_real, stack_int, depth, key, draw):
    """Follow particles until the stack is empty; returns the next draw address."""
    while depth > 0:
        depth, kind, ix, iy, iz, px, py, pz, u, v, w, quanta = pop(stack_real, stack_int, depth)
        if kind == PHOTON:
            depth, draw = transport_photon(
                world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, u, v, w, quanta,
                key, draw,
            )  # fmt: skip
        else:
            depth, draw = transport_charged(
                world, tally, counters, stack_real, stack_int, depth, kind, ix, iy, iz, px, py, pz, u, v, w,
                quanta, key, draw,
            )  # fmt: skip
    return draw


@device
def decay_history(world, tally, counters, stack_real, stack_int, key, words, index, per_batch):
    """Simulate decay ``index`` of a batch of ``per_batch`` decays with the random ``words`` of that batch."""
    position = sample_decay_position(world, tally, counters, key, index, per_batch)
    draw = i32(1)
    for category in range(world.n_categories):
        first, count, mask = emissions(world, category, index, words)
        for j in range(count):
            depth, draw = emit(
                world, tally, counters, stack_real, stack_int, i32(0), position, category, first + j, mask, key, draw
            )
            draw = run_stack(world, tally, counters, stack_real, stack_int, depth, key, draw)
