"""What a material is made of, checked and ready for sums over elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import InputError
from ..text import counted, did_you_mean
from . import data
from .material import Material


@dataclass(frozen=True)
class Composition:
    """A checked material.

    Parameters
    ----------
    Z
        Atomic numbers.
    weight
        Mass fractions, summing to exactly one.
    moles
        Moles of each element in a gram of material [mol/g].
    z_over_a
        Moles of electrons in a gram [mol/g].
    mean_excitation_ev, density
        As given [eV], [g/cm3].
    """

    Z: tuple[int, ...]
    weight: np.ndarray
    moles: np.ndarray
    z_over_a: float
    mean_excitation_ev: float
    density: float


def composition(material: Material) -> Composition:
    """Check a material and prepare it.

    Mass fractions that miss one by no more than 0.5 % (rounded tables do) are scaled to one.

    Raises
    ------
    InputError
        For an element without data, fractions that do not sum to one, or I or density that are not positive.
    """
    return _composition(
        material.name,
        tuple(int(z) for z in material.Z),
        tuple(float(w) for w in material.mass_fraction),
        float(material.mean_excitation_ev),
        float(material.nominal_density_g_cm3),
    )


@lru_cache(maxsize=1024)
def _composition(
    name: str, Z: tuple[int, ...], mass_fraction: tuple[float, ...], mean_excitation: float, density: float
) -> Composition:
    where = f"material {name!r}"
    if not Z or len(Z) != len(mass_fraction):
        raise InputError(
            f"{counted(len(Z), 'atomic number')} and {counted(len(mass_fraction), 'mass fraction')}",
            why="every element needs one mass fraction",
            suggestion="give Z and mass_fraction as lists of the same length",
            field=where,
        )
    for z in Z:
        if not 1 <= z <= data.z_max():
            raise InputError(
                f"no cross sections for the element Z = {z}",
                why=f"the tables cover Z = 1 to {data.z_max()}",
                suggestion="check the atomic number",
                field=where,
            )
    if len(set(Z)) != len(Z):
        raise InputError(
            f"an element is listed twice in Z = {list(Z)}",
            why="its mass fraction would be ambiguous",
            suggestion="add up the mass fractions of equal elements",
            field=where,
        )
    weight = np.array(mass_fraction)
    total = float(weight.sum())
    if not np.isfinite(weight).all() or (weight < 0).any() or not 0.995 <= total <= 1.005:
        raise InputError(
            f"mass fractions sum to {total:.6g}",
            why="mass fractions must not be negative and must sum to 1 within 0.005",
            suggestion="give fractions (not per cent) of the mass (not of the atoms)",
            field=where,
        )
    for value, what, unit in (
        (mean_excitation, "mean excitation energy", "eV"),
        (density, "nominal density", "g/cm3"),
    ):
        if not (np.isfinite(value) and value > 0.0):
            raise InputError(
                f"{what} of {value:g} {unit}",
                why="it must be a positive number",
                suggestion="water has 75 eV and 1 g/cm3",
                field=where,
            )
    weight = weight / total
    moles = weight / np.array([data.atomic_weight(z) for z in Z])
    weight.flags.writeable = moles.flags.writeable = False
    return Composition(Z, weight, moles, float(np.dot(moles, Z)), mean_excitation, density)


def energies(values: object, low: float, high: float, what: str) -> np.ndarray:
    """Energies [MeV] as an array, checked to lie in [low, high]; ``what`` names them in the error."""
    array = np.asarray(values, dtype=np.float64)
    bad = ~((array >= low) & (array <= high))
    if bad.any():
        first = float(array[bad].ravel()[0]) if array.ndim else float(array)
        raise InputError(
            f"{what} of {first:g} MeV",
            why=f"the tables cover {low:g} to {high:g} MeV",
            suggestion="energies are in MeV; 364 keV is 0.364",
        )
    return array


@lru_cache(maxsize=1)
def _nist_names() -> dict[str, int]:
    return {name.decode().upper(): i for i, name in enumerate(data.tables()["materials/name"])}


def nist_names() -> list[str]:
    """Names of the elements and materials that :func:`nist_material` knows."""
    return [name.decode() for name in data.tables()["materials/name"]]


def nist_material(name: str) -> Material:
    """An element or material of the NIST tables by name, e.g. ``"WATER, LIQUID"`` or ``"LUNG (ICRP)"``.

    Parameters
    ----------
    name
        As NIST spells it, in either case.

    Returns
    -------
    Material
        Composition by mass, mean excitation energy and nominal density.

    Raises
    ------
    InputError
        No material of this name; the message has the nearest ones.
    """
    index = _nist_names().get(name.upper())
    if index is None:
        raise InputError(
            f"no NIST material {name!r}",
            suggestion=did_you_mean(name, nist_names(), "see nist_names()", n=3, cutoff=0.4),
        )
    t = data.tables()
    part = slice(int(t["materials/offset"][index]), int(t["materials/offset"][index + 1]))
    return Material(
        name=t["materials/name"][index].decode(),
        Z=tuple(int(z) for z in t["materials/Z"][part]),
        mass_fraction=tuple(float(w) for w in t["materials/mass_fraction"][part]),
        mean_excitation_ev=float(t["materials/mean_excitation"][index]),
        nominal_density_g_cm3=float(t["materials/density"][index]),
    )
