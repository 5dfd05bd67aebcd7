"""Hard events of a charged particle: collisions with delta rays, bremsstrahlung, annihilation in flight.

Law: distances between hard events are exponential in soft energy loss, with a constant majorant of hard events per MeV
    lost and rejection at the energy of the event; its kind is chosen by the cross sections. Both electrons of a
    collision leave at the angles of two-body kinematics, opposite in azimuth.
Source: Moller, Ann Phys 14 (1932) 531; Bhabha, Proc R Soc A 154 (1936) 195; Koch & Motz, Rev Mod Phys 31 (1959) 920;
    Heitler, The Quantum Theory of Radiation (1954).
Neglects: binding in hard collisions, K X rays after impact ionisation, the deflection of an electron that emits a
    photon (docs/methods/electrons.md).
"""

import math

from ...constants import MC2, MC2_QUANTA, QUANTA
from ...geometry import rotate
from ...rng import draw4, next_draw
from ...scoring import push
from ...tables import BREMS_PHOTONS, ELECTRON, PHOTON, POSITRON
from ...target import cos_sin_2pi, device, i32, i64, real
from ..photon.pair import sample_dipole
from ..positron.annihilation import sample_annihilation
from ..positron.bhabha import sample_bhabha
from .bremsstrahlung import sample_photon_energy
from .moller import sample_moller


@device
def collide(
    world, tally, counters, stack_real, stack_int, depth, kind, ix, iy, iz, px, py, pz, u, v, w, quanta, energy,
    unscored, r_azimuth, key, draw,
):  # fmt: skip
    """Collide with an electron at rest. Returns (direction u, v, w, quanta, unscored, depth, draw).

    A delta ray goes to the stack, or below the cut-off to the ``unscored`` energy of the voxel.
    """
    if kind == POSITRON:
        loss, spare, draw = sample_bhabha(counters, energy, world.delta_ray_threshold, key, draw)
    else:
        loss, spare, draw = sample_moller(counters, energy, world.delta_ray_threshold, key, draw)
    loss_q = min(i32(loss * QUANTA), quanta)
    m2 = 2.0 * MC2
    secondary = math.sqrt(min(loss * (energy + m2) / (energy * (loss + m2)), real(1.0)))
    rest = max(energy - loss, real(0.0))
    primary = math.sqrt(min(rest * (energy + m2) / (energy * (rest + m2)), real(1.0)))
    cp, sp = cos_sin_2pi(r_azimuth)
    if loss > world.electron_cutoff:
        a, b, c = rotate(u, v, w, secondary, cp, sp)
        depth = push(
            world, stack_real, stack_int, depth, tally, counters,
            ELECTRON, ix, iy, iz, px, py, pz, a, b, c, loss_q,
        )  # fmt: skip
    else:
        unscored = i32(unscored + loss_q)
    u, v, w = rotate(u, v, w, primary, -cp, -sp)
    return u, v, w, i32(quanta - loss_q), unscored, depth, draw


@device
def radiate(
    world,
    tally,
    counters,
    stack_real,
    stack_int,
    depth,
    ix,
    iy,
    iz,
    px,
    py,
    pz,
    u,
    v,
    w,
    row,
    quanta,
    energy,
    key,
    draw,
):
    """Emit a bremsstrahlung photon. Returns (quanta left, depth, draw)."""
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    k = sample_photon_energy(world, i32(0), row, energy, r1, r2)
    k_q = min(i32(k * QUANTA), quanta)
    cp, sp = cos_sin_2pi(r4)
    a, b, c = rotate(u, v, w, sample_dipole(energy, r3), cp, sp)
    counters[BREMS_PHOTONS] += i64(1)
    depth = push(world, stack_real, stack_int, depth, tally, counters, PHOTON, ix, iy, iz, px, py, pz, a, b, c, k_q)
    return i32(quanta - k_q), depth, draw


@device
def annihilate_in_flight(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, u, v, w, quanta, energy, key, draw
):
    """Put the two photons of an annihilation in flight on the stack. Returns (depth, draw)."""
    share, soft, hard, spare, draw = sample_annihilation(counters, energy, key, draw)
    total = i64(quanta) + 2 * i64(MC2_QUANTA)
    soft_q = i32(real(total) * share)
    cp, sp = cos_sin_2pi(spare)
    a, b, c = rotate(u, v, w, soft, cp, sp)
    depth = push(world, stack_real, stack_int, depth, tally, counters, PHOTON, ix, iy, iz, px, py, pz, a, b, c, soft_q)
    a, b, c = rotate(u, v, w, hard, -cp, -sp)
    depth = push(
        world, stack_real, stack_int, depth, tally, counters,
        PHOTON, ix, iy, iz, px, py, pz, a, b, c, i32(total - i64(soft_q)),
    )  # fmt: skip
    return depth, draw
