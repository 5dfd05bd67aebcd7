"""131I in water spheres of 2 to 6 mm: what full absorption of the beta energy overestimates.

Published for thyroid remnants: with an absorbed fraction of one, S of the beta particles is 11 to 37 % too high in
spheres of 2 to 6 mm diameter. The spheres here are those of the program's validation: whole voxels of a 150th of the
cube around the sphere, corrected for the steps of their surface.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ....engine.dose.local import emitted_energy
from ....engine.imaging.tissue import water
from ....engine.nuclides.decay import nuclide
from ...validation.spheres import ACROSS, electron_kernel, electrons_in_sphere

DIAMETERS_MM = (2.0, 3.0, 4.0, 5.0, 6.0)
DECAYS, SEED = 400_000, 9


def small_sphere(diameter_mm: float) -> dict[str, Any]:
    """Absorbed fraction of the energy of beta particles, and of all electrons, with standard errors."""
    whole = nuclide("I-131").emission
    numbers: dict[str, Any] = {"diameter_mm": diameter_mm, "decays": DECAYS}
    for kind, emission in (("beta", replace(whole, electron_lines=np.empty((0, 2)))), ("electrons", whole)):
        kernel = electron_kernel(water(), emission, True, SEED + 1, None)
        part = electrons_in_sphere(0.05 * diameter_mm, water(), emission, kernel, ACROSS, DECAYS, SEED, None)
        energy = emitted_energy(emission).electron
        numbers[kind] = part.energy_mev / energy
        numbers[f"{kind} error"] = part.sigma_mev / energy
    return numbers
