"""Bremsstrahlung photons: their energy, and the photons of an electron that is not tracked to rest.

Law: Koch and Motz's formula 3BN with Elwert's factor, each element scaled to its radiative stopping power. Two
    families of inverse cumulative spectra: photons above the cut-off emitted at an energy, and all photons that an
    electron emits while it slows down. Directions follow the leading dipole term about the electron, or are isotropic
    for the latter.
Source: Koch & Motz, Rev Mod Phys 31 (1959) 920; Elwert, Ann Phys 34 (1939) 178.
Neglects: screening, the differences in shape from the spectra of Seltzer and Berger, the deflection of the electron;
    positrons have the spectrum of electrons (docs/methods/electrons.md, docs/methods/positrons.md).
"""

from ...constants import QUANTA
from ...geometry import isotropic
from ...interp import locate
from ...rng import draw4, next_draw
from ...scoring import push
from ...tables import BREMS_PHOTONS, BREMS_SHIFT, PHOTON
from ...target import device, exp, i32, i64, log, real, u32


@device
def sample_photon_energy(world, offset, row, energy, r_node, r_energy):
    """Photon energy [MeV] from the spectra at ``offset``: they hold log(k/cut-off) over log(T/cut-off)."""
    node, fraction = locate(energy, world.b_low, world.b_energies, BREMS_SHIFT)
    node = i32(node + i32(1)) if r_node < fraction else node
    at = offset + (row * world.b_energies + node) * world.b_points
    # points are dense near a cumulative number of one: the few photons there carry much of the energy
    position = (1.0 - exp(log(1.0 - r_energy) * 0.3333333333)) * real(i32(world.b_points - i32(1)))
    k = min(i32(position), i32(world.b_points - i32(2)))
    low = world.brems[u32(at + k)]
    share = low + (position - real(k)) * (world.brems[u32(at + k + 1)] - low)
    # k runs from the cut-off to the electron's energy, in equal shares of log k
    return world.photon_cutoff * exp(log(energy / world.photon_cutoff) * share)


@device
def emit_slowing_down_photon(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, row, quanta, energy, key, draw
):
    """Emit one photon from the spectrum of an electron's whole slowing-down, isotropically.

    Returns the electron's quanta less those of the photon, and (depth, draw).
    """
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    k = sample_photon_energy(world, world.b_thick, row, energy, r1, r2)
    k_q = min(i32(k * QUANTA), quanta)
    u, v, w = isotropic(r3, r4)
    counters[BREMS_PHOTONS] += i64(1)
    depth = push(world, stack_real, stack_int, depth, tally, counters, PHOTON, ix, iy, iz, px, py, pz, u, v, w, k_q)
    return i32(quanta - k_q), depth, draw
