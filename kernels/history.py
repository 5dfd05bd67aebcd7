"""One decay from emission to the last secondary: the loop that every backend runs."""

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
from .physics.electron.track import transport_charged
from .physics.photon.track import transport_photon
from .rng import draw4, philox, unit
from .scoring import deposit, push
from .tables import (
    DECAYS,
    EMITTED,
    PHOTON,
    POSITRON,
    STACK_INTS,
    STACK_REALS,
)
from .target import device, i32, i64, u32


@device
def run_stack(world, tally, counters, stack_real, stack_int, depth, key, draw):
    """Follow particles until the stack is empty; returns the next draw address."""
    while depth > 0:
        depth = i32(depth - i32(1))
        a = u32(depth * STACK_REALS)
        b = u32(depth * STACK_INTS)
        px = stack_real[a]
        py = stack_real[a + 1]
        pz = stack_real[a + 2]
        u = stack_real[a + 3]
        v = stack_real[a + 4]
        w = stack_real[a + 5]
        kind = i32(stack_int[b])
        ix = i32(stack_int[b + 1])
        iy = i32(stack_int[b + 2])
        iz = i32(stack_int[b + 3])
        quanta = i32(stack_int[b + 4])
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
    """Play decay ``index`` of the batch of ``per_batch`` decays that has these random ``words``."""
    counters[DECAYS] += i64(1)
    a, b, c, d = philox(u32(0), key.stream, key.history_low, key.history_high, key.seed_low, key.seed_high)
    voxel = source_voxel(world, index, per_batch, a)
    row = u32(voxel // u32(world.nx))
    ix = i32(voxel % u32(world.nx))
    iy = i32(row % u32(world.ny))
    iz = i32(row // u32(world.ny))
    x_share = unit(b)
    y_share = unit(c)
    z_share = unit(d)
    draw = i32(1)
    depth = i32(0)
    for category in range(world.n_categories):
        phase, mask = batch_shift(words, category)
        first, count = emission_count(world.emission_rate[u32(category)], index, phase)
        kind = world.emission_index[u32(category * CATEGORY_COLUMNS)]
        for j in range(count):
            r1, r2, r3, r4 = draw4(key, draw)
            draw = i32(draw + i32(1))
            energy = emission_energy(world, i32(category), stratified(first + j, mask))
            quanta = i32(energy * QUANTA + 0.5)
            u, v, w = isotropic(r1, r2)
            counters[EMITTED] += i64(quanta)
            if kind == POSITRON:
                counters[EMITTED] += i64(2) * i64(MC2_QUANTA)
            depth = push(
                world, stack_real, stack_int, depth, tally, counters, kind, ix, iy, iz,
                x_share * world.hx, y_share * world.hy, z_share * world.hz, u, v, w, quanta,
            )  # fmt: skip
            draw = run_stack(world, tally, counters, stack_real, stack_int, depth, key, draw)
            depth = i32(0)
    # energy of emissions that no transport would carry out of the voxel: the same in every decay
    if world.local_quanta > 0:
        counters[EMITTED] += i64(world.local_quanta)
        deposit(tally, counters, voxel, i64(world.local_quanta))
