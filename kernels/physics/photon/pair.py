"""Pair production, and triplet production treated as a pair: directions and energy sharing.

Law: the kinetic energy is shared uniformly (Bethe and Heitler's law is nearly flat below 3 MeV); directions follow the
    leading term 1/(1 - beta cos)^2, opposite in azimuth.
Source: Bethe & Heitler 1934 (docs/methods/photons.md).
Neglects: the shape of the energy sharing and the recoil electron of a triplet, together below 0.1 % of the dose of any
    radionuclide of this project (docs/methods/photons.md).
"""

import math

from ...constants import MC2
from ...target import device, real


@device
def sample_dipole(energy, r):
    """Cosine from a density proportional to 1/(1 - beta cos)^2 for an electron of ``energy`` [MeV]."""
    tau = energy / MC2
    beta = math.sqrt(tau * (tau + 2.0)) / (tau + 1.0)
    c = 2.0 * r - 1.0
    return min(max((c + beta) / (1.0 + beta * c), real(-1.0)), real(1.0))
