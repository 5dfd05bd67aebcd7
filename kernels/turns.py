"""A lane of a GPU: turn by turn one flight or one segment, of whatever particle and whatever decay it is at.

The histories are those of :mod:`.history`, with the same random numbers and the same deposits. But where that loop
follows a particle to its end, and a warp waits for the longest of its 32, here a lane whose particle has ended takes
the next one, a secondary, an emission or another decay, in the very next turn (docs/performance.md: what that gains).
Decays are given out one by one: a lane with long ones takes fewer.
"""

from .batch import history_key
from .constants import FLIGHTS_CAP
from .emission import batch_words
from .history import decay_place, emissions, emit
from .particles import GOES_ON, GONE, STOPS, Charged, Photon, Place
from .physics.electron.track import charged_at_birth, charged_end, charged_round
from .physics.photon.track import give_up, photon_at_birth, photon_round
from .scoring import pop
from .tables import ELECTRON, LOCAL, PHOTON
from .target import device, i32, i64, real, take, u32

NOBODY = LOCAL  # no particle of that kind is ever followed


@device
def no_photon():
    """A photon that is none: it says what types its numbers have."""
    n, x = i32(0), real(0.0)
    return Photon(n, n, n, x, x, x, x, x, x, n, n, x, x)


@device
def no_charged():
    """An electron that is none."""
    n, x = i32(0), real(0.0)
    return Charged(
        i32(ELECTRON), n, n, n, u32(0), x, n, x, x, x, x, x, x, x, n, x, n, x, n, x, x, x, n, x, x, x, x, x, x
    )


@device
def play_turns(
    world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
):
    """Play histories of ``first`` to ``last - 1`` of ``batch``, whichever is next, until all are given out.

    ``tickets`` (int64, one number) counts those given out, to all lanes.
    """
    words = batch_words(seed_low, seed_high, batch)
    index = i64(first - i64(1))
    key = history_key(seed_low, seed_high, batch, index, per_batch)
    x = real(0.0)
    place = Place(i32(0), i32(0), i32(0), x, x, x)
    # the decay's emissions that are still to come: of this category, from this number on
    category, number, due, mask = i32(world.n_categories), i64(0), i32(0), u32(0)
    depth, draw = i32(0), i32(1)
    kind, photon, charged, rounds = i32(NOBODY), no_photon(), no_charged(), i32(0)
    while True:
        if kind == NOBODY:
            if depth == 0:
                while due == 0 and index < last:
                    category = i32(category + i32(1))
                    if category < world.n_categories:
                        number, due, mask = emissions(world, category, index, words)
                    else:
                        index = i64(first + take(tickets, u32(0)))
                        if index < last:
                            key = history_key(seed_low, seed_high, batch, index, per_batch)
                            place = decay_place(world, tally, counters, key, index, per_batch)
                            category, draw = i32(-1), i32(1)
                if due == 0:
                    return
                depth, draw = emit(
                    world, tally, counters, stack_real, stack_int, depth, place, category, number, mask, key, draw
                )
                number = i64(number + i64(1))
                due = i32(due - i32(1))
            if depth > 0:
                depth, kind, ix, iy, iz, px, py, pz, u, v, w, quanta = pop(stack_real, stack_int, depth)
                rounds = i32(0)
                left = GOES_ON
                if kind == PHOTON:
                    photon = photon_at_birth(world, ix, iy, iz, px, py, pz, u, v, w, quanta)
                else:
                    left, charged, draw = charged_at_birth(
                        world, counters, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw
                    )
                if left == STOPS:
                    depth, draw = charged_end(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
                    kind = i32(NOBODY)
        if kind == PHOTON:
            left, photon, depth, draw = photon_round(
                world, tally, counters, stack_real, stack_int, depth, photon, key, draw
            )
            rounds = i32(rounds + i32(1))
            if left == GOES_ON and rounds == FLIGHTS_CAP:
                give_up(world, tally, counters, photon)
                left = GONE
            if left == GONE:
                kind = i32(NOBODY)
        elif kind != NOBODY:
            left, charged, depth, draw = charged_round(
                world, tally, counters, stack_real, stack_int, depth, charged, key, draw
            )
            if left == STOPS:
                depth, draw = charged_end(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
            if left != GOES_ON:
                kind = i32(NOBODY)
