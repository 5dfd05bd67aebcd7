"""Multiple elastic scattering of a step of given scattering strength.

Law: Goudsmit and Saunderson's angular distribution after a step of strength K (path over transport mean free path).
    The tables hold, for each particle, material and energy, the inverse cumulative distribution of mu = (1 - cos)/2
    in the variable x of mu = w x/(1 - x + w), in which it is nearly a straight line. The energy node is chosen at
    random between the two neighbours, so that one table row is read. The azimuth is uniform.
Source: Goudsmit & Saunderson, Phys Rev 57 (1940) 24; Kawrakow & Bielajew, NIM B 134 (1998) 325 for x.
Neglects: the change of the angular distribution along a step, taken at the energy at half its strength; soft collisions
    deflect by Rutherford's 1/W^2 instead of Moller's law (docs/methods/electrons.md).
"""

import math

from ...interp import locate
from ...tables import GS_SHIFT
from ...target import device, i32, real, u32


@device
def sample_scattering(world, row, energy, r_node, r_mu):
    """Cosine of a step's deflection."""
    node, fraction = locate(energy, world.gs_low, world.gs_energies, GS_SHIFT)
    node = i32(node + i32(1)) if r_node < fraction else node
    at = (row * world.gs_energies + node) * i32(world.gs_points + i32(1))
    w = world.gs[u32(at)]
    # points are dense near probability one, where the few large deflections are
    position = (1.0 - math.sqrt(1.0 - r_mu)) * real(i32(world.gs_points - i32(1)))
    k = min(i32(position), i32(world.gs_points - i32(2)))
    low = world.gs[u32(at + 1 + k)]
    x = low + (position - real(k)) * (world.gs[u32(at + 2 + k)] - low)
    mu = w * x / (1.0 - x + w)
    return 1.0 - 2.0 * mu
