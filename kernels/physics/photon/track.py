"""Flights and collisions of a photon by delta (Woodcock) tracking; every interaction is simulated explicitly.

Law: exponential free paths at a majorant that depends on energy alone (largest attenuation over the voxels of the
    problem); a tentative collision is real with probability mu(voxel, E)/majorant(E). When flights score by track
    length (track_length.py), the same collisions end them, but their electrons are absorbed locally.
Source: Woodcock et al., ANL-7050 (1965); attenuation coefficients of NIST XCOM.
Neglects: nothing in the flight; below the cut-off a photon is deposited at its position (docs/methods/photons.md).
"""

import math

from ...constants import FLIGHTS_CAP, MC2, MC2_QUANTA, PER_QUANTUM, QUANTA
from ...geometry import inside, isotropic, rotate, voxel_index, wrap_to_voxel
from ...interp import lerp, locate
from ...particles import ALIVE, GONE, Photon
from ...rng import draw4, next_draw
from ...scoring import deposit, escape, push, transfer
from ...tables import (
    CAPPED_FLIGHTS,
    ELECTRON,
    ELECTRONS,
    HARD_SHIFT,
    PHOTON,
    PHOTON_COLLISIONS,
    PHOTON_COLUMNS,
    PHOTON_FLIGHTS,
    PHOTON_SHIFT,
    POSITRON,
    REJECTION_COLUMNS,
)
from ...target import cos_sin_2pi, device, i32, i64, log, prefetch, real, u32
from ..electron.range_rejection import apply_range_rejection
from .compton import sample_compton
from .pair import sample_dipole
from .photoelectric import sample_fluorescence, sample_sauter
from .rayleigh import sample_rayleigh
from .track_length import absorb_locally, absorb_pair_locally, scored_flight


@device
def push_electron(world, stack_real, stack_int, depth, tally, counters, ix, iy, iz, px, py, pz, u, v, w, quanta):
    """Put an electron of ``quanta`` on the stack, or deposit it when it is below the cut-off."""
    if real(quanta) * PER_QUANTUM <= world.electron_cutoff:
        deposit(tally, counters, voxel_index(world, ix, iy, iz), quanta)
        return depth
    return push(world, stack_real, stack_int, depth, tally, counters, ELECTRON, ix, iy, iz, px, py, pz, u, v, w, quanta)


@device
def deposit_at_collision(world, tally, counters, voxel, quanta):
    """Deposit energy at a collision: in the voxel, or in none when flights have scored its mean."""
    if len(world.track_length) > 0:
        transfer(counters, quanta)
    else:
        deposit(tally, counters, voxel, quanta)


@device
def try_absorb_locally(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, voxel, quanta, r_photon, key, draw
):
    """Absorb an electron that a collision releases, if its track need not be simulated.

    That is so if it is below the cut-off, or flights score (its bremsstrahlung is still simulated), or it cannot leave
    the voxel. Returns (whether it is absorbed, depth, draw); ``r_photon`` is a uniform number.
    """
    energy = real(quanta) * PER_QUANTUM
    if energy <= world.electron_cutoff:
        deposit_at_collision(world, tally, counters, voxel, quanta)
        return True, depth, draw
    medium = i32(world.material[voxel])
    if len(world.track_length) > 0:
        depth, draw = absorb_locally(
            world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, quanta, key, draw
        )
        return True, depth, draw
    node, fraction = locate(energy, world.e_low, world.e_nodes, HARD_SHIFT)
    at = i32((medium * world.e_nodes + node) * REJECTION_COLUMNS)
    rejected, rest, depth, draw = apply_range_rejection(
        world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, world.density[voxel], medium,
        world.rejection, at, i32(REJECTION_COLUMNS), fraction, quanta, energy, r_photon, key, draw,
    )  # fmt: skip
    if rejected:
        counters[ELECTRONS] += i64(1)
        deposit(tally, counters, voxel, rest)
    return rejected, depth, draw


@device
def attenuation(world, voxel, node, fraction):
    """Mass attenuation coefficient in a voxel [cm2/g], and the index of its row of the table."""
    row = i32((i32(world.material[voxel]) * world.p_nodes + node) * PHOTON_COLUMNS)
    return lerp(world.photons, row, i32(PHOTON_COLUMNS), fraction), row


@device
def fly(world, tally, counters, ix, iy, iz, px, py, pz, u, v, w, node, fraction, inverse_majorant, r_length, r_kind):
    """Move a photon through any number of voxels to its next tentative collision.

    Returns its position, the voxel, its row of the attenuation table (-1 outside the grid) and coefficient, and a
    number that is below the coefficient if the collision is real; it is then uniform and selects the process.
    """
    counters[PHOTON_FLIGHTS] += i64(1)
    distance = -log(r_length) * inverse_majorant
    px, ix = wrap_to_voxel(px + u * distance, ix, world.hx, world.ihx)
    py, iy = wrap_to_voxel(py + v * distance, iy, world.hy, world.ihy)
    pz, iz = wrap_to_voxel(pz + w * distance, iz, world.hz, world.ihz)
    if not inside(world, ix, iy, iz):
        return ix, iy, iz, px, py, pz, u32(0), i32(-1), real(0.0), real(1.0)
    voxel = voxel_index(world, ix, iy, iz)
    prefetch(tally, voxel)
    total, row = attenuation(world, voxel, node, fraction)
    return ix, iy, iz, px, py, pz, voxel, row, total, r_kind / (world.density[voxel] * inverse_majorant)


@device
def attenuation_node(world, energy):
    """Node and fraction of an energy in the attenuation tables, and the inverse of the majorant there [cm]."""
    node, fraction = locate(energy, world.p_low, world.p_nodes, PHOTON_SHIFT)
    return node, fraction, 1.0 / lerp(world.photons, world.p_majorant + node, i32(1), fraction)


@device
def begin_photon(world, ix, iy, iz, px, py, pz, u, v, w, quanta):
    """A photon before its first flight."""
    node, fraction, inverse_majorant = attenuation_node(world, real(quanta) * PER_QUANTUM)
    return Photon(ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant)


@device
def absorb_photon(world, tally, counters, stack_real, stack_int, depth, photon, voxel, key, draw):
    """Photoelectric absorption: an electron, and an X ray where the K shell emits one. Returns (depth, draw)."""
    ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant = photon
    medium = i32(world.material[voxel])
    energy = real(quanta) * PER_QUANTUM
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    binding, xray = sample_fluorescence(world, medium, energy, r1)
    x_q = i32(xray * QUANTA)
    b_q = min(i32(binding * QUANTA), quanta)
    e_q = i32(quanta - b_q)
    if x_q > 0:
        a, b, c = isotropic(r2, r3)
        x_q = min(x_q, b_q)
        depth = push(
            world, stack_real, stack_int, depth, tally, counters,
            PHOTON, ix, iy, iz, px, py, pz, a, b, c, x_q,
        )  # fmt: skip
        b_q = i32(b_q - x_q)
    deposit_at_collision(world, tally, counters, voxel, b_q)
    absorbed, depth, draw = try_absorb_locally(
        world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, voxel, e_q, r4, key, draw
    )
    if not absorbed:
        cosine, azimuth, draw = sample_sauter(counters, real(e_q) * PER_QUANTUM, key, draw)
        cp, sp = cos_sin_2pi(azimuth)
        a, b, c = rotate(u, v, w, cosine, cp, sp)
        depth = push(
            world, stack_real, stack_int, depth, tally, counters,
            ELECTRON, ix, iy, iz, px, py, pz, a, b, c, e_q,
        )  # fmt: skip
    return depth, draw


@device
def create_pair(world, tally, counters, stack_real, stack_int, depth, photon, voxel, key, draw):
    """Pair production: an electron and a positron replace the photon. Returns (depth, draw)."""
    ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant = photon
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    kinetic_q = i32(quanta - 2 * MC2_QUANTA)
    if kinetic_q <= 0:
        deposit(tally, counters, voxel, quanta)
        return depth, draw
    e_q = min(i32(real(kinetic_q) * r4), kinetic_q)  # float32 may round up beyond the total
    p_q = i32(kinetic_q - e_q)
    if len(world.track_length) > 0:
        return absorb_pair_locally(
            world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, i32(world.material[voxel]),
            e_q, p_q, key, draw,
        )  # fmt: skip
    cp, sp = cos_sin_2pi(r3)
    a, b, c = rotate(u, v, w, sample_dipole(real(p_q) * PER_QUANTUM, r1), cp, sp)
    depth = push(
        world, stack_real, stack_int, depth, tally, counters,
        POSITRON, ix, iy, iz, px, py, pz, a, b, c, p_q,
    )  # fmt: skip
    a, b, c = rotate(u, v, w, sample_dipole(real(e_q) * PER_QUANTUM, r2), -cp, -sp)
    depth = push_electron(world, stack_real, stack_int, depth, tally, counters, ix, iy, iz, px, py, pz, a, b, c, e_q)
    return depth, draw


@device
def advance_photon(world, tally, counters, stack_real, stack_int, depth, photon, key, draw):
    """One or two flights to a tentative collision, and the collision if it is real.

    Returns (ALIVE or GONE, photon, depth, draw); electrons go to the stack.
    """
    ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant = photon
    energy = real(quanta) * PER_QUANTUM
    if energy <= world.photon_cutoff:
        deposit(tally, counters, voxel_index(world, ix, iy, iz), quanta)
        return GONE, photon, depth, draw
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    if len(world.track_length) > 0:
        ix, iy, iz, px, py, pz = scored_flight(
            world, tally, counters, ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, -log(r1)
        )
        photon = Photon(ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant)
        if not inside(world, ix, iy, iz):
            escape(counters, quanta)
            return GONE, photon, depth, draw
        voxel = voxel_index(world, ix, iy, iz)
        total, row = attenuation(world, voxel, node, fraction)
        kind = r2 * total
    else:
        # four random numbers serve two tentative collisions
        ix, iy, iz, px, py, pz, voxel, row, total, kind = fly(
            world, tally, counters, ix, iy, iz, px, py, pz, u, v, w, node, fraction, inverse_majorant, r1, r2
        )
        if kind >= total and row >= 0:
            ix, iy, iz, px, py, pz, voxel, row, total, kind = fly(
                world, tally, counters, ix, iy, iz, px, py, pz, u, v, w, node, fraction, inverse_majorant, r3, r4
            )
        photon = Photon(ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant)
        if row < 0:
            escape(counters, quanta)
            return GONE, photon, depth, draw
        if kind >= total:
            return ALIVE, photon, depth, draw
    medium = i32(world.material[voxel])
    columns = i32(PHOTON_COLUMNS)
    counters[PHOTON_COLLISIONS] += i64(1)
    if kind < lerp(world.photons, row + 1, columns, fraction):
        depth, draw = absorb_photon(world, tally, counters, stack_real, stack_int, depth, photon, voxel, key, draw)
        return GONE, photon, depth, draw
    if kind < lerp(world.photons, row + 2, columns, fraction):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        scattered, cosine = sample_compton(world, medium, energy, r1)
        cp, sp = cos_sin_2pi(r2)
        s_q = min(i32(scattered * QUANTA + 0.5), quanta)
        e_q = i32(quanta - s_q)
        absorbed, depth, draw = try_absorb_locally(
            world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, voxel, e_q, r3, key, draw
        )
        if not absorbed:
            # the electron's direction conserves the momentum of a collision with a free electron at rest
            kinetic = real(e_q) * PER_QUANTUM
            momentum = math.sqrt(kinetic * (kinetic + 2.0 * MC2))
            forward = min((energy - scattered * cosine) / momentum, real(1.0))
            a, b, c = rotate(u, v, w, forward, -cp, -sp)
            depth = push(
                world, stack_real, stack_int, depth, tally, counters,
                ELECTRON, ix, iy, iz, px, py, pz, a, b, c, e_q,
            )  # fmt: skip
        u, v, w = rotate(u, v, w, cosine, cp, sp)
        quanta = s_q
        node, fraction, inverse_majorant = attenuation_node(world, real(quanta) * PER_QUANTUM)
    elif kind < lerp(world.photons, row + 3, columns, fraction):
        cosine, azimuth, draw = sample_rayleigh(world, counters, medium, energy, key, draw)
        cp, sp = cos_sin_2pi(azimuth)
        u, v, w = rotate(u, v, w, cosine, cp, sp)
    else:
        depth, draw = create_pair(world, tally, counters, stack_real, stack_int, depth, photon, voxel, key, draw)
        return GONE, photon, depth, draw
    photon = Photon(ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, inverse_majorant)
    return ALIVE, photon, depth, draw


@device
def abandon_photon(world, tally, counters, photon):
    """Deposit a photon that has reached the cap on flights at its position."""
    counters[CAPPED_FLIGHTS] += i64(1)
    deposit(tally, counters, voxel_index(world, photon.ix, photon.iy, photon.iz), photon.quanta)


@device
def transport_photon(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw
):
    """Follow one photon to its end; electrons go to the stack. Returns (depth, draw)."""
    photon = begin_photon(world, ix, iy, iz, px, py, pz, u, v, w, quanta)
    for _ in range(FLIGHTS_CAP):
        status, photon, depth, draw = advance_photon(
            world, tally, counters, stack_real, stack_int, depth, photon, key, draw
        )
        if status == GONE:
            return depth, draw
    abandon_photon(world, tally, counters, photon)
    return depth, draw
