"""Dose of a sphere of soft tissue from its own 131I: a sanity check on Monte Carlo, never a replacement.

``S = 107.7 m^-0.970 Gy/(GBq h)`` for masses of 0.05 to 50 g at unit density. It was fitted to beta absorbed
fractions from a published 4 mm voxel kernel and photon self-absorption by chord lengths
(docs/methods/kinetics.md); doses from outside the sphere are not in it.
"""

from __future__ import annotations

from ..errors import InputError
from ..lesions.uncertainty import MASS_EXPONENT

#: Dose rate constant of a 1 g sphere [Gy/(GBq h)].
SPHERE_FACTOR = 107.684
#: Masses of the fit [g].
VALID_G = (0.05, 50.0)


def sphere_s_value_gy_per_gbq_h(mass_g: float) -> float:
    """S value of a 131I sphere [Gy/(GBq h)]: times the time-integrated activity coefficient it gives the LDpA.

    Raises
    ------
    InputError
        A mass that is not positive.
    """
    if not mass_g > 0.0:
        raise InputError(f"sphere of {mass_g!r} g", why="a dose needs a positive mass", field="mass")
    return SPHERE_FACTOR * mass_g**-MASS_EXPONENT


def sphere_ldpa(tia_coefficient_h: float, mass_g: float) -> tuple[float, bool]:
    """Lesion dose per activity [Gy/GBq] by the sphere formula, and whether the mass is within its range."""
    return tia_coefficient_h * sphere_s_value_gy_per_gbq_h(mass_g), VALID_G[0] <= mass_g <= VALID_G[1]
