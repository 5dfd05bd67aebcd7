"""Track-length scoring of photon dose: a flight deposits its expected energy in every voxel it crosses.

Law: a photon of energy E that crosses a length l of a voxel deposits E mu_en l there on average, whether or not it
    collides. Collisions are simulated as in the analog mode; the electrons they release are not transported and their
    energy is not scored, since the flights have scored its mean. Delta tracking does not stop at voxel faces, so in
    this mode the flight is traced from face to face and its optical depth is used up on the way: one pass finds the
    collision and the scores.
Source: Williamson, Radiat Prot Dosim 19 (1987) 209; Baldacci et al., Z Med Phys 25 (2015) 36.
Neglects: the transport of energy by those electrons (docs/methods/track-length.md). Their bremsstrahlung is
    simulated, from the spectrum of the whole slowing-down, and its mean is left out of mu_en.
"""

from ...constants import LOOP_CAP, PER_QUANTUM
from ...geometry import face_distance, inside, voxel_index
from ...interp import lerp
from ...rng import draw4, next_draw
from ...scoring import score_path, transfer
from ...tables import CAPPED_FLIGHTS, PHOTON_COLUMNS, PHOTON_FLIGHTS, YIELD
from ...target import device, i32, i64, real
from ..electron.bremsstrahlung import emit_slowing_down_photon
from ..electron.step import residual_range, track_column
from ..positron.annihilation import annihilate_at_rest


@device
def new_position(p, direction, h, distance):
    """Offset in the voxel of a flight that ends ``distance`` before the next face of this axis."""
    if direction > 1e-9:
        return min(max(h - direction * distance, real(0.0)), h)
    if direction < -1e-9:
        return min(max(-direction * distance, real(0.0)), h)
    return p


@device
def scored_flight(world, tally, counters, ix, iy, iz, px, py, pz, u, v, w, quanta, node, fraction, depth_left):
    """Fly ``depth_left`` mean free paths, scoring in every voxel.

    Returns the position, outside the grid after an escape.
    """
    counters[PHOTON_FLIGHTS] += i64(1)
    right = i32(1) if u > 0.0 else i32(-1)
    front = i32(1) if v > 0.0 else i32(-1)
    up = i32(1) if w > 0.0 else i32(-1)
    # to the next face of each axis; reset to a whole crossing at each face, so that rounding does not accumulate
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
                ix, iy, iz, new_position(px, u, world.hx, fx - s), new_position(py, v, world.hy, fy - s),
                new_position(pz, w, world.hz, fz - s),
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
def absorb_locally(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, quanta, key, draw
):
    """Absorb an electron where it is released; only its bremsstrahlung leaves. Returns (depth, draw).

    The number of photons and their spectrum are those of the slowing-down to rest (as in range rejection).
    """
    kinetic = real(quanta) * PER_QUANTUM
    if kinetic > world.electron_cutoff:
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        mean = track_column(world, medium, residual_range(world, medium, kinetic), i32(YIELD))
        for _ in range(i32(mean + r1)):
            quanta, depth, draw = emit_slowing_down_photon(
                world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, quanta, kinetic,
                key, draw,
            )  # fmt: skip
    transfer(counters, quanta)
    return depth, draw


@device
def absorb_pair_locally(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, e_q, p_q, key, draw
):
    """Absorb an electron and a positron where they are created; their photons leave. Returns (depth, draw)."""
    depth, draw = absorb_locally(
        world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, e_q, key, draw
    )
    depth, draw = absorb_locally(
        world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, medium, p_q, key, draw
    )
    return annihilate_at_rest(world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, key, draw)
