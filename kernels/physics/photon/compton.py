"""Incoherent scattering.

Law: Klein and Nishina's cross section times the incoherent scattering function S(x)/Z of the material. The angle comes
    from a table of inverse cumulative distributions (``engine/transport/tables/compton.py``), straight lines in energy
    and in the square root of the probability: one random number and no rejection loop, so that the lanes of a GPU take
    the same time and a processor has no branch to predict.
Source: Klein and Nishina's law and Hubbell et al., J Phys Chem Ref Data 4 (1975) 471 for S.
Neglects: the Doppler broadening of the scattered energy, the binding energy of the struck shell, and polarisation
    (docs/methods/photons.md).
"""

import math

from ...constants import MC2
from ...interp import lerp, locate
from ...tables import COMPTON_POINTS, COMPTON_SHIFT
from ...target import device, i32, real


@device
def sample_compton(world, medium, energy, r):
    """Scattered energy [MeV] and cosine of the scattered photon, from a uniform number."""
    node, fraction = locate(energy, world.c_low, world.c_nodes, COMPTON_SHIFT)
    v = math.sqrt(r) * real(COMPTON_POINTS - 1)
    cell = min(i32(v), i32(COMPTON_POINTS - 2))
    v = v - real(cell)
    row = i32(world.compton + i32(i32(medium * world.c_nodes + node) * i32(COMPTON_POINTS) + cell))
    slow = lerp(world.photons, row, i32(1), v)
    fast = lerp(world.photons, row + i32(COMPTON_POINTS), i32(1), v)
    t = slow + fraction * (fast - slow)
    return energy / (1.0 + energy / MC2 * t), 1.0 - t
