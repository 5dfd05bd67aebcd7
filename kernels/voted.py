"""The loop of a GPU lane, in step with its warp: in each turn the warp does the stage that most of its lanes wait for.

In :mod:`.interleaved` each lane does what its particle needs, so nearly every turn of a warp goes through every stage,
the rare ones for two or three lanes. Here the lanes vote, and those that wait for another stage keep waiting: a stage
runs with more lanes (docs/performance.md gives the gain). A lane without work votes until the whole warp has none,
because a vote needs every lane.
"""

from .particles import ALIVE, GONE, INTERACTS, STOPPED
from .physics.electron.track import end_charged, fly_segment, hard_event
from .physics.photon.track import advance_photon
from .stages import NO_PARTICLE, capped, decays_of, next_emission, no_charged, no_decay, no_photon, take_particle
from .tables import PHOTON
from .target import device, i32, lanes

#: What a lane waits for: a particle, a flight of its photon, a segment of its electron or a hard event of it; nothing
#: when no decay is left.
TAKE, FLIGHT, SEGMENT, HARD_EVENT, NOTHING = range(5)
#: How much a lane counts that waits for a stage: segments are the bulk of the work, so they wait until other stages
#: have brought them more lanes (found with the model of docs/performance.md).
HARD_EVENT_WEIGHT, TAKE_WEIGHT, FLIGHT_WEIGHT, SEGMENT_WEIGHT = 4, 2, 2, 1


@device
def poll(stage, candidate, weight, elected, most):
    """Let a candidate stand against the stage elected so far. Returns (the one with more votes, its votes)."""
    votes = i32(lanes(stage == candidate) * weight)
    if votes > most:
        return i32(candidate), votes
    return elected, most


@device
def elect(stage):
    """The stage with most votes in the warp; NOTHING when no lane waits for any."""
    elected, most = poll(stage, HARD_EVENT, HARD_EVENT_WEIGHT, i32(NOTHING), i32(0))
    elected, most = poll(stage, TAKE, TAKE_WEIGHT, elected, most)
    elected, most = poll(stage, FLIGHT, FLIGHT_WEIGHT, elected, most)
    elected, most = poll(stage, SEGMENT, SEGMENT_WEIGHT, elected, most)
    return elected


@device
def begin(world, tally, counters, stack_real, stack_int, depth, decays, decay, tickets, photon, charged, draw):
    """Take a lane's next particle: from its stack, else an emission.

    Returns (the stage that follows, decay, photon, charged particle, depth, draw).
    """
    if depth == 0:
        emitted, decay, depth, draw = next_emission(
            world, tally, counters, stack_real, stack_int, depth, decays, decay, tickets, draw
        )
        if not emitted:
            return i32(NOTHING), decay, photon, charged, depth, draw
    kind = i32(NO_PARTICLE)
    if depth > 0:
        kind, photon, charged, depth, draw = take_particle(
            world, tally, counters, stack_real, stack_int, depth, photon, charged, decay.key, draw
        )
    if kind == PHOTON:
        return i32(FLIGHT), decay, photon, charged, depth, draw
    return i32(TAKE) if kind == NO_PARTICLE else i32(SEGMENT), decay, photon, charged, depth, draw


@device
def follow_charged(world, tally, counters, stack_real, stack_int, depth, stage, charged, key, draw):
    """A segment, or the hard event that it has led to. Returns (the stage that follows, particle, depth, draw)."""
    if stage == SEGMENT:
        status, charged, depth, draw = fly_segment(
            world, tally, counters, stack_real, stack_int, depth, charged, key, draw
        )
    else:
        status, charged, depth, draw = hard_event(
            world, tally, counters, stack_real, stack_int, depth, charged, key, draw
        )
    if status == STOPPED:
        depth, draw = end_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
    if status == ALIVE:
        return i32(SEGMENT), charged, depth, draw
    return i32(HARD_EVENT) if status == INTERACTS else i32(TAKE), charged, depth, draw


@device
def simulate_voted(
    world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
):
    """Simulate histories ``first`` to ``last - 1`` of ``batch``: the next unassigned one, until none is left.

    ``tickets`` (int64, one number) counts the histories assigned to all lanes.
    """
    decays = decays_of(seed_low, seed_high, batch, first, last, per_batch)
    decay = no_decay(world, decays)
    depth, draw = i32(0), i32(1)
    stage, photon, charged, flights = i32(TAKE), no_photon(), no_charged(), i32(0)
    while True:
        elected = elect(stage)
        if elected == NOTHING:
            return
        if stage == elected:
            if elected == TAKE:
                flights = i32(0)
                stage, decay, photon, charged, depth, draw = begin(
                    world, tally, counters, stack_real, stack_int, depth, decays, decay, tickets, photon, charged, draw
                )
            elif elected == FLIGHT:
                status, photon, depth, draw = advance_photon(
                    world, tally, counters, stack_real, stack_int, depth, photon, decay.key, draw
                )
                flights = i32(flights + i32(1))
                if capped(world, tally, counters, photon, status, flights) == GONE:
                    stage = i32(TAKE)
            else:
                stage, charged, depth, draw = follow_charged(
                    world, tally, counters, stack_real, stack_int, depth, stage, charged, decay.key, draw
                )
