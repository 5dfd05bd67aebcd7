"""Track of an electron or positron: condensed history of class II, flown from hinge to hinge across voxel faces.

Law: class II: hard events are simulated explicitly (hard_event.py), soft ones as continuous slowing down with
    straggling and a deflection at the hinge of each step (step.py, scattering.py).
Source: random hinge of Sempau et al., Phys Med Biol 45 (2000) 2263; stopping powers as in ICRU Report 37 (1984).
Neglects: the density effect at other than the nominal density of a material, and what is named in the files above
    (docs/methods/electrons.md).

Nothing happens where one step ends and the next begins, so a particle flies from hinge to hinge: the path after one
hinge and the path to the next are one flight, which loses the energy of both. The clocks of the process (path to the
hinge, optical depth to the next hard event, residual range) all run in mass thickness and are not reset at a voxel
face, so the process does not depend on how density is divided into voxels: Fano's theorem holds by construction. At a
change of material the residual range is looked up again and the remaining path is scaled by the ratio of the two step
lengths. At birth and at every hinge an electron that cannot leave its voxel is deposited there (range_rejection.py).
"""

import numpy as np

from ...constants import MC2_QUANTA, PER_QUANTUM, QUANTA
from ...geometry import face_distance, inside, rotate, voxel_index
from ...interp import lerp, locate
from ...particles import ALIVE, GONE, INTERACTS, STOPPED, Charged
from ...rng import draw4, next_draw
from ...scoring import deposit, escape
from ...tables import (
    ACCEPT,
    COLLISION_SHARE,
    CSDA,
    ELECTRON,
    ELECTRON_SEGMENTS,
    ELECTRONS,
    ENERGY,
    HARD_COLLISIONS,
    HARD_COLUMNS,
    HARD_SHIFT,
    POSITRON,
    RADIATIVE_SHARE,
    STEP,
    TRACK_COLUMNS,
)
from ...target import cos_sin_2pi, device, i32, i64, likely, log, real, u32, unlikely
from ..positron.annihilation import annihilate_at_rest
from .hard_event import annihilate_in_flight, collide, radiate
from .range_rejection import apply_range_rejection
from .step import draw_step, rescale_step, residual_range, track_column, track_row

# what ended a segment; START: none yet
FACE, CUT, HARD_EVENT, HINGE, START = 0, 1, 2, 3, 4
FAR = np.float32(1e30)


@device
def particle_row(world, kind, voxel):
    """Row of an electron's or positron's tables in the material of a voxel."""
    medium = i32(world.material[voxel])
    return i32(world.n_materials + medium) if kind == POSITRON else medium


@device
def begin_charged(world, counters, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw):
    """A particle before its first segment. Returns (ALIVE or STOPPED, particle, draw)."""
    counters[ELECTRONS] += i64(1)
    energy = real(quanta) * PER_QUANTUM
    voxel = voxel_index(world, ix, iy, iz)
    row = particle_row(world, kind, voxel)
    cut_path = world.cut_range[u32(row)]
    path_left = residual_range(world, row, energy)
    r1, r2, r3, r4 = draw4(key, draw)
    at, fraction = track_row(world, row, path_left)
    zero, one = real(0.0), real(1.0)
    charged = Charged(
        kind, ix, iy, iz, voxel, world.density[voxel], row, cut_path, px, py, pz, u, v, w, quanta, energy, i32(0),
        path_left, at, fraction, -log(r1), r2, i32(START), zero, zero, one, one, one, zero,
    )  # fmt: skip
    moves = energy > world.electron_cutoff and path_left > cut_path
    return ALIVE if moves else STOPPED, charged, next_draw(draw)


@device
def next_event(world, row, cut_path, energy, path_left, depth_left, factor, to_hinge, to_face):
    """What ends the segment that begins here, of a particle ``to_face`` from the next voxel face [g/cm2].

    Returns the event, the path to it [g/cm2], residual range and energy there, their index and fraction in the
    slowing-down table, and the optical depth left to the next hard event.
    """
    s = to_face
    event = FACE
    if likely(to_hinge <= s):
        s = to_hinge
        event = HINGE
    path_end = path_left - factor * s
    at, fraction = track_row(world, row, path_end)
    energy_end = min(lerp(world.track, at + ENERGY, i32(TRACK_COLUMNS), fraction), energy)
    if unlikely(path_end <= cut_path):
        s = (path_left - cut_path) / factor
        path_end = cut_path
        energy_end = world.electron_cutoff
        event = CUT
    # soft loss per unit of optical depth
    per_depth = factor / world.hard_majorant[u32(row)]
    energy_hard = energy - depth_left * per_depth
    if energy_hard > energy_end and energy_hard > world.electron_cutoff:
        path_end = max(min(residual_range(world, row, energy_hard), path_left), path_end)
        s = (path_left - path_end) / factor
        energy_end = energy_hard
        event = HARD_EVENT
    return event, s, path_end, energy_end, at, fraction, depth_left - (energy - energy_end) / per_depth


@device
def cross_face(world, ix, iy, iz, px, py, pz, u, v, w, fx, fy, fz):
    """Voxel and offset beyond the nearest of the faces at distances ``fx``, ``fy`` and ``fz``."""
    if fx <= fy and fx <= fz:
        ix = i32(ix + i32(1)) if u > 0.0 else i32(ix - i32(1))
        px = real(0.0) if u > 0.0 else world.hx
    elif fy <= fz:
        iy = i32(iy + i32(1)) if v > 0.0 else i32(iy - i32(1))
        py = real(0.0) if v > 0.0 else world.hy
    else:
        iz = i32(iz + i32(1)) if w > 0.0 else i32(iz - i32(1))
        pz = real(0.0) if w > 0.0 else world.hz
    return ix, iy, iz, px, py, pz


@device
def fly_segment(world, tally, counters, stack_real, stack_int, depth, charged, key, draw):
    """One segment: to a face, a hinge, a hard event or the cut-off, and what happens at all but the hard event.

    Returns (ALIVE, STOPPED, GONE or INTERACTS, particle, depth, draw); secondaries go to the stack.
    """
    (
        kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
        path_left, at, fraction, depth_left, r_photon, event, to_hinge, after_hinge, factor, factor_after,
        cosine, azimuth,
    ) = charged  # fmt: skip
    columns = i32(TRACK_COLUMNS)
    alive = True
    if event >= HINGE:
        if kind == ELECTRON:
            stays, quanta, depth, draw = apply_range_rejection(
                world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, density, row,
                world.track, at + CSDA, columns, fraction, quanta, energy, r_photon, key, draw,
            )  # fmt: skip
            if stays:
                charged = Charged(
                    kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
                    path_left, at, fraction, depth_left, r_photon, i32(event), to_hinge, after_hinge, factor,
                    factor_after, cosine, azimuth,
                )  # fmt: skip
                return STOPPED, charged, depth, draw
        if event == HINGE:
            a, b = cos_sin_2pi(azimuth)
            u, v, w = rotate(u, v, w, cosine, a, b)
        # the next step begins where this one ends
        path_next = path_left - factor_after * after_hinge
        if path_next > cut_path:
            to_hinge, after_hinge, factor, factor_after, cosine, azimuth, draw = draw_step(
                world, counters, row, path_next, after_hinge, factor_after, key, draw
            )
        else:
            to_hinge = FAR
            factor = factor_after
            after_hinge = real(0.0)
    counters[ELECTRON_SEGMENTS] += i64(1)
    fx = face_distance(px, u, world.hx)
    fy = face_distance(py, v, world.hy)
    fz = face_distance(pz, w, world.hz)
    event, s, path_end, energy_end, at, fraction, depth_left = next_event(
        world, row, cut_path, energy, path_left, depth_left, factor, to_hinge, min(fx, min(fy, fz)) * density
    )
    d = s / density
    px = px + u * d
    py = py + v * d
    pz = pz + w * d
    q_end = min(i32(energy_end * QUANTA + 0.5), quanta)
    unscored = i32(unscored + i32(quanta - q_end))
    quanta = q_end
    energy = energy_end
    path_left = path_end
    to_hinge = to_hinge - s
    # returned if the particle ends here: returning the old state would keep it alive through all of the above
    charged = Charged(
        kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
        path_left, at, fraction, depth_left, r_photon, i32(event), to_hinge, after_hinge, factor, factor_after,
        cosine, azimuth,
    )  # fmt: skip
    if event == FACE:
        deposit(tally, counters, voxel, unscored)
        unscored = i32(0)
        ix, iy, iz, px, py, pz = cross_face(world, ix, iy, iz, px, py, pz, u, v, w, fx, fy, fz)
        if not inside(world, ix, iy, iz):
            escape(counters, i64(quanta) + (2 * i64(MC2_QUANTA) if kind == POSITRON else i64(0)))
            return GONE, charged, depth, draw
        voxel = voxel_index(world, ix, iy, iz)
        density = world.density[voxel]
        new_row = particle_row(world, kind, voxel)
        if new_row != row:
            old_step = track_column(world, row, path_left, i32(STEP))
            row = new_row
            cut_path = world.cut_range[u32(row)]
            path_left = residual_range(world, row, energy)
            to_hinge, after_hinge = rescale_step(world, row, path_left, old_step, to_hinge, after_hinge)
            alive = path_left > cut_path
    elif event == CUT:
        alive = False
    elif event == HARD_EVENT:
        return INTERACTS, charged, depth, draw
    charged = Charged(
        kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
        path_left, at, fraction, depth_left, r_photon, i32(event), to_hinge, after_hinge, factor, factor_after,
        cosine, azimuth,
    )  # fmt: skip
    return ALIVE if alive else STOPPED, charged, depth, draw


@device
def hard_event(world, tally, counters, stack_real, stack_int, depth, charged, key, draw):
    """The hard event at the end of a segment, if it is a real one.

    Returns (ALIVE, STOPPED or GONE, particle, depth, draw); secondaries go to the stack.
    """
    (
        kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
        path_left, at, fraction, depth_left, r_photon, event, to_hinge, after_hinge, factor, factor_after,
        cosine, azimuth,
    ) = charged  # fmt: skip
    alive = True
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    depth_left = -log(r2)
    node, fraction = locate(energy, world.e_low, world.e_nodes, HARD_SHIFT)
    at = i32((row * world.e_nodes + node) * HARD_COLUMNS)
    hard_columns = i32(HARD_COLUMNS)
    collides = r3 < lerp(world.hard, at + COLLISION_SHARE, hard_columns, fraction)
    # interpolation between table nodes may reach slightly below the threshold of two equal electrons
    possible = not collides or kind == POSITRON or energy > 2.0 * world.delta_ray_threshold
    if possible and r1 < lerp(world.hard, at + ACCEPT, hard_columns, fraction):
        counters[HARD_COLLISIONS] += i64(1)
        old_step = track_column(world, row, path_left, i32(STEP))
        if collides:
            u, v, w, quanta, unscored, depth, draw = collide(
                world, tally, counters, stack_real, stack_int, depth, kind, ix, iy, iz, px, py, pz, u, v, w,
                quanta, energy, unscored, r4, key, draw,
            )  # fmt: skip
        elif kind == ELECTRON or r3 < lerp(world.hard, at + RADIATIVE_SHARE, hard_columns, fraction):
            quanta, depth, draw = radiate(
                world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, u, v, w, row,
                quanta, energy, key, draw,
            )  # fmt: skip
        else:
            depth, draw = annihilate_in_flight(
                world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, u, v, w,
                quanta, energy, key, draw,
            )  # fmt: skip
            deposit(tally, counters, voxel, unscored)
            return GONE, charged, depth, draw
        energy = real(quanta) * PER_QUANTUM
        path_left = residual_range(world, row, energy)
        alive = energy > world.electron_cutoff and path_left > cut_path
        if alive:
            to_hinge, after_hinge = rescale_step(world, row, path_left, old_step, to_hinge, after_hinge)
    charged = Charged(
        kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
        path_left, at, fraction, depth_left, r_photon, i32(event), to_hinge, after_hinge, factor, factor_after,
        cosine, azimuth,
    )  # fmt: skip
    return ALIVE if alive else STOPPED, charged, depth, draw


@device
def advance_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw):
    """One segment and what happens at its end.

    Returns (ALIVE, STOPPED or GONE, particle, depth, draw); secondaries go to the stack.
    """
    status, charged, depth, draw = fly_segment(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
    if status == INTERACTS:
        return hard_event(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
    return status, charged, depth, draw


@device
def end_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw):
    """Deposit the last energy of a particle that has stopped; a positron annihilates. Returns (depth, draw)."""
    deposit(tally, counters, charged.voxel, i32(charged.unscored + charged.quanta))
    if charged.kind == POSITRON:
        depth, draw = annihilate_at_rest(
            world, tally, counters, stack_real, stack_int, depth, charged.ix, charged.iy, charged.iz,
            charged.px, charged.py, charged.pz, key, draw,
        )  # fmt: skip
    return depth, draw


@device
def transport_charged(
    world, tally, counters, stack_real, stack_int, depth, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw
):
    """Follow one electron or positron to its end; secondaries go to the stack. Returns (depth, draw)."""
    status, charged, draw = begin_charged(world, counters, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, key, draw)
    while status == ALIVE:
        status, charged, depth, draw = advance_charged(
            world, tally, counters, stack_real, stack_int, depth, charged, key, draw
        )
    if status == STOPPED:
        depth, draw = end_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw)
    return depth, draw
