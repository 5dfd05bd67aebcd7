"""The loop of a GPU lane: each iteration advances one flight or segment of the lane's current particle.

The loop of :mod:`.history` follows a particle to its end, so a warp waits for the longest of its 32 lanes. Here a lane
whose particle has ended takes its next one in the next iteration (docs/performance.md gives the gain).
"""

from .particles import ALIVE, GONE, STOPPED
from .physics.electron.track import advance_charged, end_charged
from .physics.photon.track import advance_photon
from .stages import NO_PARTICLE, capped, decays_of, next_emission, no_charged, no_decay, no_photon, take_particle
from .tables import PHOTON
from .target import device, i32


@device
def simulate_interleaved(
    world, tally, counters, stack_real, stack_int, seed_low, seed_high, batch, first, last, per_batch, tickets
):
    """Simulate histories ``first`` to ``last - 1`` of ``batch``: the next unassigned one, until none is left.

    ``tickets`` (int64, one number) counts the histories assigned to all lanes.
    """
    decays = decays_of(seed_low, seed_high, batch, first, last, per_batch)
    decay = no_decay(world, decays)
    depth, draw = i32(0), i32(1)
    kind, photon, charged, flights = i32(NO_PARTICLE), no_photon(), no_charged(), i32(0)
    while True:
        if kind == NO_PARTICLE:
            if depth == 0:
                emitted, decay, depth, draw = next_emission(
                    world, tally, counters, stack_real, stack_int, depth, decays, decay, tickets, draw
                )
                if not emitted:
                    return
            if depth > 0:
                flights = i32(0)
                kind, photon, charged, depth, draw = take_particle(
                    world, tally, counters, stack_real, stack_int, depth, photon, charged, decay.key, draw
                )
        if kind == PHOTON:
            status, photon, depth, draw = advance_photon(
                world, tally, counters, stack_real, stack_int, depth, photon, decay.key, draw
            )
            flights = i32(flights + i32(1))
            if capped(world, tally, counters, photon, status, flights) == GONE:
                kind = i32(NO_PARTICLE)
        elif kind != NO_PARTICLE:
            status, charged, depth, draw = advance_charged(
                world, tally, counters, stack_real, stack_int, depth, charged, decay.key, draw
            )
            if status == STOPPED:
                depth, draw = end_charged(
                    world, tally, counters, stack_real, stack_int, depth, charged, decay.key, draw
                )
            if status != ALIVE:
                kind = i32(NO_PARTICLE)
