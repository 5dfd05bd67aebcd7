"""Condensed history of an electron or positron: class II, random hinge, steps across voxel faces.

Law: a step has a scattering strength K that depends on the energy alone. Its deflection happens at one hinge, placed
    so that the mean displacement along the initial direction is exact (the linear part of Goudsmit-Saunderson
    transport theory). The soft energy loss of a step is that of continuous slowing down times a factor of mean one,
    its straggling.
Source: random hinge of Sempau et al., Phys Med Biol 45 (2000) 2263; stopping powers as in ICRU Report 37 (1984).
Neglects: the skewness of soft straggling, the density effect at other than the nominal density, and the exact lateral
    displacement of a step (docs/methods/electrons.md).

Nothing happens where one step ends and the next begins, so a particle flies from hinge to hinge: the path after one
hinge and the path to the next are one flight, which loses the energy of both. The clocks of the process (path to the
hinge, optical depth to the next hard event, residual range) all run in mass thickness and are not reset at a voxel
face, so the process does not depend on how density is divided into voxels: Fano's theorem holds by construction. At a
change of material the residual range is looked up again and the remaining path is scaled by the ratio of the two step
lengths. At birth and at every hinge an electron that cannot leave its voxel is deposited there (range_rejection.py).
"""

import math

import numpy as np

from ...constants import MC2, MC2_QUANTA, PER_QUANTUM, QUANTA
from ...geometry import face_distance, inside, rotate, voxel_index
from ...interp import lerp, locate
from ...particles import ALIVE, GONE, STOPPED, Charged
from ...rng import draw4, next_draw
from ...scoring import deposit, escape, push
from ...tables import (
    ACCEPT,
    BREMS_PHOTONS,
    COLLISION_SHARE,
    CSDA,
    ELECTRON,
    ELECTRON_SEGMENTS,
    ELECTRON_STEPS,
    ELECTRONS,
    ENERGY,
    HARD_COLLISIONS,
    HARD_COLUMNS,
    HARD_SHIFT,
    PHOTON,
    POSITRON,
    RADIATIVE_SHARE,
    RANGE,
    SKEW,
    STEP,
    STRAGGLE,
    STRENGTH,
    TRACK_COLUMNS,
    TRACK_SHIFT,
)
from ...target import cos_sin_2pi, device, i32, i64, likely, log, real, u32, unlikely
from ..photon.pair import sample_dipole
from ..positron.annihilation import annihilate_at_rest, sample_annihilation
from ..positron.bhabha import sample_bhabha
from .bremsstrahlung import sample_photon_energy
from .moller import sample_moller
from .range_rejection import apply_range_rejection
from .scattering import sample_scattering

# what ended a segment; START: none yet
FACE, CUT, HARD_EVENT, HINGE, START = 0, 1, 2, 3, 4
FAR = np.float32(1e30)


@device
def residual_range(world, row, energy):
    """Residual range of soft slowing down [g/cm2]."""
    node, fraction = locate(energy, world.e_low, world.e_nodes, HARD_SHIFT)
    at = u32((row * world.e_nodes + node) * HARD_COLUMNS + RANGE)
    return lerp(world.hard, at, i32(HARD_COLUMNS), fraction)


@device
def track_row(world, row, path):
    """Index and fraction of residual range ``path`` in the slowing-down table."""
    node, fraction = locate(path, world.t_low, world.t_nodes, TRACK_SHIFT)
    return i32((row * world.t_nodes + node) * TRACK_COLUMNS), fraction


@device
def track_column(world, row, path, column):
    """One column of the slowing-down table at residual range ``path``."""
    at, fraction = track_row(world, row, path)
    return lerp(world.track, at + column, i32(TRACK_COLUMNS), fraction)


@device
def straggling_factor(sigma, r):
    """Factor of mean one and relative standard deviation ``sigma`` on the energy loss of a step.

    Uniform while that keeps it positive; for the few soft collisions of a short step, two values, the lower 0.1.
    """
    if sigma < 0.5:
        return 1.0 + sigma * 1.7320508 * (2.0 * r - 1.0)
    share = sigma * 1.1111111
    share = 1.0 / (1.0 + share * share)
    return 0.1 + 0.9 / share if r < share else real(0.1)


@device
def hinge_share(strength, skew, r):
    """Fraction of a step's path that lies before its hinge.

    In fractions x of the strength K the hinge has the density K exp(-K x)/(1 - exp(-K)), so that the mean cosine is
    exp(-K) on average at every depth; its inverse, -ln(1 - r (1 - exp(-K)))/K, is taken to the fourth power of K (K
    is at most 0.6: 2e-4 of it). The scattering power rises along the step: a fraction y of the path holds the fraction
    y (1 + skew y)/(1 + skew) of K.
    """
    q = r * (1.0 - r)
    odd = 2.0 * r - 1.0
    third = (1.0 - 6.0 * q) + strength * odd * (0.2 - 2.4 * q)
    share = r - q * strength * (0.5 + strength * (odd * 0.16666667 + strength * third * 0.041666667))
    both = 2.0 * (1.0 + skew) * share
    return both / (1.0 + math.sqrt(1.0 + 2.0 * skew * both))


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
def advance_charged(world, tally, counters, stack_real, stack_int, depth, charged, key, draw):
    """One segment: to a face, a hinge, a hard event or the cut-off, and what happens there.

    Returns (ALIVE, STOPPED or GONE, particle, depth, draw); secondaries go to the stack.
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
            counters[ELECTRON_STEPS] += i64(1)
            r1, r2, r3, r4 = draw4(key, draw)
            draw = next_draw(draw)
            at, fraction = track_row(world, row, path_next)
            step = lerp(world.track, at + STEP, columns, fraction)
            sigma = lerp(world.track, at + STRAGGLE, columns, fraction)
            share = hinge_share(
                lerp(world.track, at + STRENGTH, columns, fraction),
                lerp(world.track, at + SKEW, columns, fraction), r1,
            )  # fmt: skip
            before = share * step
            cosine = sample_scattering(world, row, lerp(world.track, at + ENERGY, columns, fraction), r4, r2)
            azimuth = r3
            # soft straggling, drawn from the low digits of r1, which the hinge does not use
            spread = real(r1 * 4096.0)
            following = straggling_factor(sigma, spread - real(i32(spread)))
            to_hinge = after_hinge + before
            factor = (factor_after * after_hinge + following * before) / to_hinge
            factor_after = following
            after_hinge = step - before
        else:
            to_hinge = FAR
            factor = factor_after
            after_hinge = real(0.0)
    counters[ELECTRON_SEGMENTS] += i64(1)
    fx = face_distance(px, u, world.hx)
    fy = face_distance(py, v, world.hy)
    fz = face_distance(pz, w, world.hz)
    s = min(fx, min(fy, fz)) * density
    event = FACE
    if likely(to_hinge <= s):
        s = to_hinge
        event = HINGE
    path_end = path_left - factor * s
    at, fraction = track_row(world, row, path_end)
    energy_end = min(lerp(world.track, at + ENERGY, columns, fraction), energy)
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
    d = s / density
    px = px + u * d
    py = py + v * d
    pz = pz + w * d
    q_end = min(i32(energy_end * QUANTA + 0.5), quanta)
    unscored = i32(unscored + i32(quanta - q_end))
    quanta = q_end
    depth_left = depth_left - (energy - energy_end) / per_depth
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
        if fx <= fy and fx <= fz:
            ix = i32(ix + i32(1)) if u > 0.0 else i32(ix - i32(1))
            px = real(0.0) if u > 0.0 else world.hx
        elif fy <= fz:
            iy = i32(iy + i32(1)) if v > 0.0 else i32(iy - i32(1))
            py = real(0.0) if v > 0.0 else world.hy
        else:
            iz = i32(iz + i32(1)) if w > 0.0 else i32(iz - i32(1))
            pz = real(0.0) if w > 0.0 else world.hz
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
            ratio = track_column(world, row, path_left, i32(STEP)) / old_step
            to_hinge = to_hinge * ratio
            after_hinge = after_hinge * ratio
            alive = path_left > cut_path
    elif event == CUT:
        alive = False
    elif event == HARD_EVENT:
        node, fraction = locate(energy, world.e_low, world.e_nodes, HARD_SHIFT)
        at = i32((row * world.e_nodes + node) * HARD_COLUMNS)
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        depth_left = -log(r2)
        wide = i32(HARD_COLUMNS)
        collide = r3 < lerp(world.hard, at + COLLISION_SHARE, wide, fraction)
        # interpolation between table nodes may reach slightly below the threshold of two equal electrons
        possible = not collide or kind == POSITRON or energy > 2.0 * world.delta_ray_threshold
        if possible and r1 < lerp(world.hard, at + ACCEPT, wide, fraction):
            counters[HARD_COLLISIONS] += i64(1)
            old_step = track_column(world, row, path_left, i32(STEP))
            if collide:
                if kind == POSITRON:
                    loss, spare, draw = sample_bhabha(counters, energy, world.delta_ray_threshold, key, draw)
                else:
                    loss, spare, draw = sample_moller(counters, energy, world.delta_ray_threshold, key, draw)
                loss_q = min(i32(loss * QUANTA), quanta)
                m2 = 2.0 * MC2
                secondary = math.sqrt(min(loss * (energy + m2) / (energy * (loss + m2)), real(1.0)))
                rest = max(energy - loss, real(0.0))
                primary = math.sqrt(min(rest * (energy + m2) / (energy * (rest + m2)), real(1.0)))
                cp, sp = cos_sin_2pi(r4)
                if loss > world.electron_cutoff:
                    a, b, c = rotate(u, v, w, secondary, cp, sp)
                    depth = push(
                        world, stack_real, stack_int, depth, tally, counters,
                        ELECTRON, ix, iy, iz, px, py, pz, a, b, c, loss_q,
                    )  # fmt: skip
                else:
                    unscored = i32(unscored + loss_q)
                u, v, w = rotate(u, v, w, primary, -cp, -sp)
                quanta = i32(quanta - loss_q)
            elif kind == ELECTRON or r3 < lerp(world.hard, at + RADIATIVE_SHARE, wide, fraction):
                q1, q2, q3, q4 = draw4(key, draw)
                draw = next_draw(draw)
                k = sample_photon_energy(world, i32(0), row, energy, q1, q2)
                kq = min(i32(k * QUANTA), quanta)
                cp, sp = cos_sin_2pi(q4)
                a, b, c = rotate(u, v, w, sample_dipole(energy, q3), cp, sp)
                counters[BREMS_PHOTONS] += i64(1)
                depth = push(
                    world, stack_real, stack_int, depth, tally, counters,
                    PHOTON, ix, iy, iz, px, py, pz, a, b, c, kq,
                )  # fmt: skip
                quanta = i32(quanta - kq)
            else:
                share, soft, hard, spare, draw = sample_annihilation(counters, energy, key, draw)
                total = i64(quanta) + 2 * i64(MC2_QUANTA)
                soft_q = i32(real(total) * share)
                cp, sp = cos_sin_2pi(spare)
                a, b, c = rotate(u, v, w, soft, cp, sp)
                depth = push(
                    world, stack_real, stack_int, depth, tally, counters,
                    PHOTON, ix, iy, iz, px, py, pz, a, b, c, soft_q,
                )  # fmt: skip
                a, b, c = rotate(u, v, w, hard, -cp, -sp)
                depth = push(
                    world, stack_real, stack_int, depth, tally, counters,
                    PHOTON, ix, iy, iz, px, py, pz, a, b, c, i32(total - i64(soft_q)),
                )  # fmt: skip
                deposit(tally, counters, voxel, unscored)
                return GONE, charged, depth, draw
            energy = real(quanta) * PER_QUANTUM
            path_left = residual_range(world, row, energy)
            alive = energy > world.electron_cutoff and path_left > cut_path
            if alive:
                ratio = track_column(world, row, path_left, i32(STEP)) / old_step
                to_hinge = to_hinge * ratio
                after_hinge = after_hinge * ratio
    charged = Charged(
        kind, ix, iy, iz, voxel, density, row, cut_path, px, py, pz, u, v, w, quanta, energy, unscored,
        path_left, at, fraction, depth_left, r_photon, i32(event), to_hinge, after_hinge, factor, factor_after,
        cosine, azimuth,
    )  # fmt: skip
    return ALIVE if alive else STOPPED, charged, depth, draw


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
