"""A material: elemental composition and what stopping powers need."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """An elemental composition with what stopping powers need.

    Parameters
    ----------
    name
        Its name, e.g. ``"water"``.
    Z
        Atomic numbers.
    mass_fraction
        Mass fractions, summing to one.
    mean_excitation_ev
        Mean excitation energy I [eV].
    nominal_density_g_cm3
        The density at which the density effect is taken [g/cm3]; the voxel's own density scales the rest.
    """

    name: str
    Z: tuple[int, ...]
    mass_fraction: tuple[float, ...]
    mean_excitation_ev: float
    nominal_density_g_cm3: float
