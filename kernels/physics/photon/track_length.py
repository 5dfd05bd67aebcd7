"""Track-length scoring of photon dose: a flight leaves its expected energy in every voxel it crosses.

A photon of energy E that crosses a length l of a voxel gives it, in the mean, E mu_en l, whether it collides there
or not (Williamson, Radiat Prot Dosim 19 (1987) 209; Baldacci et al., Z Med Phys 25 (2015) 36). The collisions are
played as in the analog mode; the electrons they release are not transported, and their energy is not scored, since
the flights already have scored its mean. Delta tracking knows no voxel faces, so here the flight itself is traced from
face to face and its optical depth is used up on the way: one pass finds the collision and leaves the scores.

Neglected: the way that electrons carry their energy (docs/methods/track-length.md). Their bremsstrahlung is played,
from the spectrum of a whole slowing-down, and its mean is left out of mu_en.
"""

from ...constants import LOOP_CAP, MC2_QUANTA, PER_QUANTUM, QUANTA
from ...geometry import face_distance, inside, isotropic, voxel_index
from ...interp import lerp
from ...rng import draw4, next_draw
from ...scoring import push, score_path, transfer
from ...tables import BREMS_PHOTONS, CAPPED_FLIGHTS, PHOTON, PHOTON_COLUMNS, PHOTON_FLIGHTS, YIELD
from ...target import device, i32, i64, real
from ..electron.bremsstrahlung import sample_photon_energy
from ..electron.track import residual_range, track_column


@device
def landing(p, direction, h, distance):
    """Offset in the voxel of a flight that has ``distance`` to go to the next face of this axis."""
    if direction > 1e-9:
        return min(max(h - direction * distance, real(0.0)), h)
    if direction < -1e-9:
        return min(max(-direction * distance, real(0.0)), h)
    return p


@device
def scored_flight(world, tally, counters, ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, depth_left):
    """Fly ``depth_left`` mean free paths, scoring in every voxel; returns the place, outside after an escape."""
    counters[PHOTON_FLIGHTS] += i64(1)
    right = i32(1) if u > 0.0 else i32(-1)
    front = i32(1) if v > 0.0 else i32(-1)
    up = i32(1) if w > 0.0 else i32(-1)
    # to the next face of each axis; only ever reset to a whole crossing, so that rounding does not build up
    fx = face_distance(px, u, world.hx)
    fy = face_distance(py, v, world.hy)
    fz = face_distance(pz, w, world.hz)
    whole_x = abs(world.hx / u) if abs(u) > 1e-9 else real(1e30)
    whole_y = abs(world.hy / v) if abs(v) > 1e-9 else real(1e30)
    whole_z = abs(world.hz / w) if abs(w) > 1e-9 else real(1e30)
    energy = real(quanta)
    medium = i32(-1)
    attenuation = real(0.0)
    absorption = real(0.0)
    for _ in range(LOOP_CAP * 100):
        voxel = voxel_index(world, ix, iy, iz)
        density = world.density[voxel]
        here = i32(world.material[voxel])
        if here != medium:
            medium = here
            at = medium * world.p_nodes + node
            attenuation = lerp(world.photons, at * PHOTON_COLUMNS, i32(PHOTON_COLUMNS), fraction)
            absorption = energy * lerp(world.photons, world.p_absorption + at, i32(1), fraction)
        s = min(fx, min(fy, fz))
        depth = attenuation * density * s
        if depth_left <= depth:
            s = depth_left / (attenuation * density)
            score_path(tally, counters, voxel, i64(absorption * density * s + 0.5))
            return (
                ix, iy, iz, landing(px, u, world.hx, fx - s), landing(py, v, world.hy, fy - s),
                landing(pz, w, world.hz, fz - s),
            )  # fmt: skip
        score_path(tally, counters, voxel, i64(absorption * density * s + 0.5))
        depth_left = depth_left - depth
        if fx <= fy and fx <= fz:
            ix = i32(ix + right)
            fy = fy - s
            fz = fz - s
            fx = whole_x
        elif fy <= fz:
            iy = i32(iy + front)
            fx = fx - s
            fz = fz - s
            fy = whole_y
        else:
            iz = i32(iz + up)
            fx = fx - s
            fy = fy - s
            fz = whole_z
        if not inside(world, ix, iy, iz):
            return ix, iy, iz, px, py, pz
    counters[CAPPED_FLIGHTS] += i64(1)
    return i32(-1), iy, iz, px, py, pz


@device
def settle(world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, quanta, key, draw):
    """End an electron where it is set in motion; only its bremsstrahlung leaves. Returns (depth, draw).

    The number of photons and their spectrum are those of the slowing-down to rest (as in range rejection).
    """
    kinetic = real(quanta) * PER_QUANTUM
    if kinetic > world.electron_cutoff:
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        mean = track_column(world, medium, residual_range(world, medium, kinetic), i32(YIELD))
        for _ in range(i32(mean + r1)):
            q1, q2, q3, q4 = draw4(key, draw)
            draw = next_draw(draw)
            k = sample_photon_energy(world, world.b_thick, medium, kinetic, q1, q2)
            kq = min(i32(k * QUANTA), quanta)
            a, b, c = isotropic(q3, q4)
            counters[BREMS_PHOTONS] += i64(1)
            depth = push(
                world, stack_real, stack_int, depth, tally, counters,
                PHOTON, ix, iy, iz, px, py, pz, a, b, c, kq,
            )  # fmt: skip
            quanta = i32(quanta - kq)
    transfer(counters, quanta)
    return depth, draw


@device
def settle_pair(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, e_q, p_q, key, draw
):
    """End an electron and a positron where they are made: two annihilation photons leave. Returns (depth, draw)."""
    depth, draw = settle(
        world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, e_q, key, draw
    )
    depth, draw = settle(
        world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, p_q, key, draw
    )
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    a, b, c = isotropic(r1, r2)
    for side in range(2):
        sign = real(1.0) if side == 0 else real(-1.0)
        depth = push(
            world, stack_real, stack_int, depth, tally, counters,
            PHOTON, ix, iy, iz, px, py, pz, sign * a, sign * b, sign * c, MC2_QUANTA,
        )  # fmt: skip
    return depth, draw
