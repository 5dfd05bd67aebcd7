"""Pair production (and triplet, treated as a pair): energy sharing and directions.

Below 3 MeV the energy distribution of the pair is nearly flat (Bethe & Heitler 1934): it is sampled uniformly.
Directions follow the leading term 1/(1 - beta cos)^2. The recoil electron of a triplet is neglected; both are
below 0.1 % of the dose of any radionuclide of this project (docs/methods/photons.md).
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
