"""What a GPU lane does in one iteration: take a particle, or advance the one it has by one flight or segment.

The histories are those of :mod:`.history`, with the same random numbers and the same deposits, cut into stages. A lane
whose particle has ended takes its next one in an iteration of its own: a secondary, an emission or another decay.
Decays are assigned dynamically, one at a time: a lane with long ones takes fewer. The schedules (:mod:`.interleaved`,
:mod:`.voted`) differ in which lanes of a warp do which stage together.
"""

from typing import NamedTuple

from .batch import history_key
from .constants import FLIGHTS_CAP
from .emission import batch_words
from .history import emissions, emit, sample_decay_position
from .particles import ALIVE, GONE, STOPPED, Charged, Photon, Position
from .physics.electron.track import begin_charged, end_charged
from .physics.photon.track import abandon_photon, begin_photon
from .scalar_types import I32, I64, U32
from .scoring import pop
from .tables import ELECTRON, LOCAL, PHOTON, Key
from .target import device, fetch_add, i32, i64, real, u32

NO_PARTICLE = LOCAL  # a kind that is never transported


class Decays(NamedTuple):
    """The decays of a launch: ``first`` to ``last - 1`` of a batch of ``per_batch``, and the batch's random words."""

    seed_low: U32
    seed_high: U32
    batch: I64
    first: I64
    last: I64
    per_batch: I64
    words: tuple[U32, U32]


class Decay(NamedTuple):
    """The decay that a lane simulates, and its emissions still to be simulated."""

    index: I64
    key: Key
    position: Position
    category: I32  # of the emissions, ``pending`` of them from ``number`` on
    number: I64
    pending: I32
    mask: U32


@device
def decays_of(seed_low, seed_high, batch, first, last, per_batch):
    """Decays of a launch."""
    words = batch_words(seed_low, seed_high, batch)
    return Decays(seed_low, seed_high, i64(batch), i64(first), i64(last), i64(per_batch), words)


@device
def no_decay(world, decays):
    """A lane before its first decay; it fixes the types of the fields."""
    index = i64(decays.first - i64(1))
    key = history_key(decays.seed_low, decays.seed_high, decays.batch, index, decays.per_batch)
    x = real(0.0)
    return Decay(index, key, Position(i32(0), i32(0), i32(0), x, x, x), i32(world.n_categories), i64(0), i32(0), u32(0))


@device
def no_photon():
    """The photon of a lane that follows none; it fixes the types of the fields."""
    n, x = i32(0), real(0.0)
    return Photon(n, n, n, x, x, x, x, x, x, n, n, x, x)


@device
def no_charged():
    """The electron of a lane that follows none; it fixes the types of the fields."""
    n, x = i32(0), real(0.0)
    return Charged(
        i32(ELECTRON), n, n, n, u32(0), x, n, x, x, x, x, x, x, x, n, x, n, x, n, x, x, x, n, x, x, x, x, x, x
    )


@device
def next_emission(world, tally, counters, stack_real, stack_int, depth, decays, decay, tickets, draw):
    """Put the next emission on an empty stack, if need be of the next decay that no lane has taken.

    Returns (whether there was one, decay, depth, draw). An emission that is absorbed where it is leaves the stack
    empty.
    """
    index, key, position, category, number, pending, mask = decay
    while pending == 0 and index < decays.last:
        category = i32(category + i32(1))
        if category < world.n_categories:
            number, pending, mask = emissions(world, category, index, decays.words)
        else:
            index = i64(decays.first + fetch_add(tickets, u32(0), i64(1)))
            if index < decays.last:
                key = history_key(decays.seed_low, decays.seed_high, decays.batch, index, decays.per_batch)
                position = sample_decay_position(world, tally, counters, key, index, decays.per_batch)
                category, draw = i32(-1), i32(1)
    if pending == 0:
        return False, Decay(index, key, position, category, number, pending, mask), depth, draw
    depth, draw = emit(
        world, tally, counters, stack_real, stack_int, depth, position, category, number, mask, key, draw
    )
    decay = Decay(index, key, position, category, i64(number + i64(1)), i32(pending - i32(1)), mask)
    return True, decay, depth, draw


@device
def take_particle(world, tally, counters, stack_real, stack_int, depth, photon, charged, key, draw):
    """Take the top particle from the stack, up to its first flight or segment.

    Returns (its kind, or NO_PARTICLE where it ends at once; photon, charged particle, depth, draw).
    """
    depth, kind, ix, iy, iz, px, py, pz, u, v, w, quanta = pop(stack_real, stack_int, depth)
    if kind == PHOTON:
        return kind, begin_photon(world, ix, iy, iz, px, py, pz, u, v, w, quanta), charged, depth, draw
    status, charged, draw = begin_charged(world, counters, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw)
    if status == STOPPED:
        depth, draw = end_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
        kind = i32(NO_PARTICLE)
    return kind, photon, charged, depth, draw


@device
def capped(world, tally, counters, photon, status, flights):
    """Status of a photon after so many flights: at the cap it is deposited at its position."""
    if status == ALIVE and flights == FLIGHTS_CAP:
        abandon_photon(world, tally, counters, photon)
        return GONE
    return status
