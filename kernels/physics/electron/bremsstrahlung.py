"""Bremsstrahlung photons: Koch-Motz 3BN spectrum with Elwert factor, normalised to the radiative stopping power.

Two families of inverse cumulative spectra: photons above the cut-off emitted at an energy, and the photons that a
slowing-down electron emits altogether (for electrons deposited by range rejection). The direction follows the
leading dipole term about the electron; the electron keeps its direction.
"""

from ...interp import locate
from ...tables import BREMS_SHIFT
from ...target import device, exp, i32, log, real, u32


@device
def sample_photon_energy(world, offset, row, energy, r_node, r_energy):
    """Photon energy [MeV] from the spectra at ``offset``: the share of log(k/cut-off) at a cumulative number."""
    node, fraction = locate(energy, world.b_low, world.b_energies, BREMS_SHIFT)
    node = i32(node + i32(1)) if r_node < fraction else node
    at = offset + (row * world.b_energies + node) * world.b_points
    # points are dense where the cumulative number nears one: few photons there carry much of the energy
    position = (1.0 - exp(log(1.0 - r_energy) * 0.3333333333)) * real(i32(world.b_points - i32(1)))
    k = min(i32(position), i32(world.b_points - i32(2)))
    low = world.brems[u32(at + k)]
    share = low + (position - real(k)) * (world.brems[u32(at + k + 1)] - low)
    # k runs from the cut-off to the electron's energy, in equal shares of log k
    return world.photon_cutoff * exp(log(energy / world.photon_cutoff) * share)
