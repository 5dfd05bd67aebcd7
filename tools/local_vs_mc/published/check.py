"""131I in spheres of soft tissue of 0.1 to 100 g: mean dose against an independent general-purpose code.

The reference (EGSnrc, same geometry, standard errors of 0.08 %) has the DDEP decay data; here the program's own nuclide
is used, so the difference holds what the decay data do. `make validation` compares the transport alone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ....engine.constants import JOULE_PER_MEV
from ....engine.nuclides.decay import nuclide
from ...validation.spheres import ACROSS, electron_kernel, electrons_in_sphere, photons_in_sphere
from ..design import SOFT
from ..spheres import medium

#: Radius [cm] of spheres of so many grams at 1.0 g/cm3, and their mean dose [Gy per decay].
REFERENCE_GY = {0.1: 2.802861e-10, 1.0: 3.024517e-11, 10.0: 3.208130e-12, 100.0: 3.473724e-13}
REFERENCE_ERROR_PERCENT = 0.08
DECAYS, SEED = 400_000, 4


def sphere_dose(mass_g: float) -> dict[str, Any]:
    """Mean dose to a sphere [Gy per decay], its standard error, and the reference."""
    radius = (3.0 * mass_g / (4.0 * math.pi)) ** (1.0 / 3.0)
    tissue, emission = replace(medium(SOFT), nominal_density_g_cm3=1.0), nuclide("I-131").emission
    kernel = electron_kernel(tissue, emission, True, SEED + 1, None)
    electrons = electrons_in_sphere(radius, tissue, emission, kernel, ACROSS, DECAYS, SEED, None)
    photons = photons_in_sphere(radius, tissue, emission, DECAYS, SEED + 2, None)
    to_gray = JOULE_PER_MEV / (mass_g * 1e-3)
    return {
        "mass_g": mass_g,
        "dose": (electrons.energy_mev + photons.energy_mev) * to_gray,
        "error": math.hypot(electrons.sigma_mev, photons.sigma_mev) * to_gray,
        "reference": REFERENCE_GY[mass_g],
        "decays": DECAYS,
    }
