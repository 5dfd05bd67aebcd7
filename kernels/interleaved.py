"""The loop of a GPU lane: each iteration advances one flight or segment of the lane's current particle.

The histories are those of :mod:`.history`, with the same random numbers and the same deposits. That loop follows a
particle to its end, so a warp waits for the longest of its 32 lanes. Here a lane whose particle has ended takes its
next one in the next iteration: a secondary, an emission or another decay (docs/performance.md gives the gain). Decays
are assigned dynamically, one at a time: a lane with long ones takes fewer.
"""

from .batch import history_key
from .constants import FLIGHTS_CAP
from .emission import batch_words
from .history import emissions, emit, sample_decay_position
from .particles import ALIVE, GONE, STOPPED, Charged, Photon, Position
from .physics.electron.track import advance_charged, begin_charged, end_charged
from .physics.photon.track import abandon_photon, advance_photon, begin_photon
from .scoring import pop
from .tables import ELECTRON, LOCAL, PHOTON
from .target import device, fetch_add, i32, i64, real, u32

NO_PARTICLE = LOCAL  # a kind that is never transported


@device
def idle_photon():
    """The photon of a lane that follows none; it fixes the types of the fields."""
    n, x = i32(0), real(0.0)
    return Photon(n, n, n, x, x, x, x, x, x, n, n, x, x)


@device
def idle_charged():
    """The electron of a lane that follows none; it fixes the types of the fields."""
    n, x = i32(0), real(0.0)
    return Charged(
        i32(ELECTRON), n, n, n, u32(0), x, n, x, x, x, x, x, x, x, n, x, n, x, n, x, x, x, n, x, x, x, x, x, x
    )


@device
def simulate_interleaved(
    world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
):
    """Simulate histories ``first`` to ``last - 1`` of ``batch``: the next unassigned one, until none is left.

    ``tickets`` (int64, one number) counts the histories assigned to all lanes.
    """
    words = batch_words(seed_low, seed_high, batch)
    index = i64(first - i64(1))
    key = history_key(seed_low, seed_high, batch, index, per_batch)
    x = real(0.0)
    position = Position(i32(0), i32(0), i32(0), x, x, x)
    # emissions of the decay that are still to be simulated: so many of this category, from this number on
    category, number, pending, mask = i32(world.n_categories), i64(0), i32(0), u32(0)
    depth, draw = i32(0), i32(1)
    kind, photon, charged, flights = i32(NO_PARTICLE), idle_photon(), idle_charged(), i32(0)
    while True:
        if kind == NO_PARTICLE:
            if depth == 0:
                while pending == 0 and index < last:
                    category = i32(category + i32(1))
                    if category < world.n_categories:
                        number, pending, mask = emissions(world, category, index, words)
                    else:
                        index = i64(first + fetch_add(tickets, u32(0), i64(1)))
                        if index < last:
                            key = history_key(seed_low, seed_high, batch, index, per_batch)
                            position = sample_decay_position(world, tally, counters, key, index, per_batch)
                            category, draw = i32(-1), i32(1)
                if pending == 0:
                    return
                depth, draw = emit(
                    world, tally, counters, stack_real, stack_int, depth, position, category, number, mask, key, draw
                )
                number = i64(number + i64(1))
                pending = i32(pending - i32(1))
            if depth > 0:
                depth, kind, ix, iy, iz, px, py, pz, u, v, w, quanta = pop(stack_real, stack_int, depth)
                flights = i32(0)
                status = ALIVE
                if kind == PHOTON:
                    photon = begin_photon(world, ix, iy, iz, px, py, pz, u, v, w, quanta)
                else:
                    status, charged, draw = begin_charged(
                        world, counters, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw
                    )
                if status == STOPPED:
                    depth, draw = end_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
                    kind = i32(NO_PARTICLE)
        if kind == PHOTON:
            status, photon, depth, draw = advance_photon(
                world, tally, counters, stack_real, stack_int, depth, photon, key, draw
            )
            flights = i32(flights + i32(1))
            if status == ALIVE and flights == FLIGHTS_CAP:
                abandon_photon(world, tally, counters, photon)
                status = GONE
            if status == GONE:
                kind = i32(NO_PARTICLE)
        elif kind != NO_PARTICLE:
            status, charged, depth, draw = advance_charged(
                world, tally, counters, stack_real, stack_int, depth, charged, key, draw
            )
            if status == STOPPED:
                depth, draw = end_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
            if status != ALIVE:
                kind = i32(NO_PARTICLE)
