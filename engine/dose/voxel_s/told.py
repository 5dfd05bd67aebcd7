"""What a user states about a kernel of others: nuclide, voxel, medium, density, unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...constants import JOULE_PER_MEV
from ...errors import InputError
from ...nuclides.emission import Emission
from ...physics.material import Material
from ...text import number
from .facts import emission_named, emitted_of
from .kernel import VoxelKernel
from .media import medium_named

#: Sides and densities that differ by no more than this share are the same.
SAME = 1e-3
_PREFIX = {"": 1.0, "c": 1e-2, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "k": 1e3, "M": 1e6, "G": 1e9}
_UNIT = re.compile(r"([cmuµn]?)Gy/?([kMG]?)Bq/?s")


def unit_gy_per_decay(text: str) -> float | None:
    """How many Gy per decay a unit of S is; None where the text is none.

    ``mGy/(MBq s)``, ``mGy/MBq/s``, ``mGy/MBq-s``, ``Gy/(Bq s)``, ``Gy per decay`` and the like.
    """
    plain = re.sub(r"[\s()\[\]{}·*^.]|-1|−1|⁻¹", "", text.replace("\u03bc", "µ"))
    if plain.lower() in ("gyperdecay", "gy/decay"):
        return 1.0
    plain = plain.replace("per", "/").replace("-", "")
    match = _UNIT.fullmatch(plain)
    return _PREFIX[match[1]] / _PREFIX[match[2]] if match else None


@dataclass(frozen=True)
class Told:
    """What a user states about a kernel; what is None the file must say.

    Parameters
    ----------
    nuclide, progeny
        The nuclide, and how its progeny are counted.
    voxel_size_mm
        (dz, dy, dx) [mm].
    medium, density_g_cm3
        Name of the medium (:mod:`.media`), mass density [g/cm3].
    unit
        Unit of the values.
    emission, material
        In place of those of the nuclide and of the medium, where a file holds them.
    """

    nuclide: str | None = None
    progeny: Any = None
    voxel_size_mm: tuple[float, float, float] | None = None
    medium: str | None = None
    density_g_cm3: float | None = None
    unit: str | None = None
    emission: Emission | None = None
    material: Material | None = None

    def kernel(self, voxel_size_mm: tuple[float, ...] | None, path: Path) -> VoxelKernel:
        """A kernel of one empty voxel with the facts stated.

        Raises
        ------
        InputError
            A fact that is missing.
        """
        sizes = voxel_size_mm or self.voxel_size_mm
        if voxel_size_mm and self.voxel_size_mm:
            self.same_voxel(self.voxel_size_mm, voxel_size_mm, path)
        given = {"nuclide": self.nuclide or self.emission, "voxel": sizes, "medium": self.medium or self.material}
        missing = [name for name, value in given.items() if value is None]
        if missing:
            raise InputError(
                f"does not say its {' and '.join(missing)}",
                why="the energy in a voxel follows from S, the mass of the voxel and what a decay emits",
                suggestion='state them, for example I-131 --voxel "3 mm" --medium "soft tissue" --density "1.04 g/cm3"',
                file=path,
            )
        if self.emission is None:
            emission, progeny = emission_named(str(self.nuclide), self.progeny)
        else:
            emission, progeny = self.emission, self.progeny or "none"
        if self.material is None:
            medium, density = medium_named(str(self.medium), self.density_g_cm3)
        else:
            medium = self.material
            density = medium.nominal_density_g_cm3 if self.density_g_cm3 is None else self.density_g_cm3
        assert sizes is not None  # noqa: S101 (for the type checker: it is not among the missing)
        return VoxelKernel(
            energy_mev=np.zeros((1, 1, 1)),
            standard_error_mev=np.zeros((1, 1, 1)),
            voxel_size_mm=(float(sizes[0]), float(sizes[1]), float(sizes[2])),
            medium=medium,
            density_g_cm3=density,
            emission=emission,
            emitted_mev=emitted_of(emission),
            progeny=progeny,
            notes=(f"Read from {path.name}.",),
        )

    def mev_per_value(self, kernel: VoxelKernel, heading: str | None, path: Path) -> tuple[float, float]:
        """Energy [MeV] that a value of one stands for in a voxel of this kernel, and its unit [Gy per decay].

        Parameters
        ----------
        kernel
            With the voxel and the density.
        heading
            Unit that the file states, None where it states none.
        path
            The file, for messages.

        Raises
        ------
        InputError
            No unit, an unknown one, two that differ.
        """
        units = {text: unit_gy_per_decay(text) for text in (heading, self.unit) if text is not None}
        for text, factor in units.items():
            if factor is None:
                raise InputError(
                    f"{text!r} is not a unit of voxel S values",
                    why="S is absorbed dose per decay",
                    suggestion='write "mGy/(MBq s)", "Gy/(Bq s)" or "Gy per decay"',
                    file=path,
                    field="unit",
                )
        if not units:
            raise InputError(
                "does not say its unit",
                why="tables of voxel S values are in mGy/(MBq s) or in Gy/(Bq s), which differ by a factor of 10^9",
                suggestion='state it: --unit "mGy/(MBq s)"',
                file=path,
                field="unit",
            )
        factors = [factor for factor in units.values() if factor is not None]
        if max(factors) > min(factors) * (1.0 + 1e-9):
            raise InputError(
                f"states the unit {heading!r}, and {self.unit!r} is given",
                why="the two differ",
                suggestion="leave out the unit that is wrong",
                file=path,
                field="unit",
            )
        return factors[0] * kernel.voxel_mass_g * 1e-3 / JOULE_PER_MEV, factors[0]

    def check(self, kernel: VoxelKernel, path: Path) -> None:
        """Refuse a kernel whose file contradicts what is stated.

        Raises
        ------
        InputError
            Naming the fact.
        """
        if self.voxel_size_mm is not None:
            self.same_voxel(self.voxel_size_mm, kernel.voxel_size_mm, path)
        if self.nuclide is not None:
            emission, _ = emission_named(self.nuclide, self.progeny)
            if emission.nuclide != kernel.emission.nuclide:
                raise _contradiction("nuclide", emission.nuclide, kernel.emission.nuclide, path)
        if self.medium is not None:
            medium, _ = medium_named(self.medium)
            if medium.name != kernel.medium.name:
                raise _contradiction("medium", medium.name, kernel.medium.name, path)
        if self.density_g_cm3 is not None and abs(self.density_g_cm3 / kernel.density_g_cm3 - 1.0) > SAME:
            raise _contradiction("density", f"{self.density_g_cm3:g} g/cm3", f"{kernel.density_g_cm3:g} g/cm3", path)

    @staticmethod
    def same_voxel(stated: tuple[float, ...], stored: tuple[float, ...], path: Path) -> None:
        """Refuse two voxel sizes that differ."""
        if any(abs(a / b - 1.0) > SAME for a, b in zip(stated, stored, strict=True)):
            raise _contradiction("voxel", _sides(stated), _sides(stored), path)


def _sides(sizes: tuple[float, ...]) -> str:
    return " x ".join(number(v, 4) for v in sizes) + " mm (z, y, x)"


def _contradiction(fact: str, stated: str, stored: str, path: Path) -> InputError:
    return InputError(
        f"its {fact} is {stored}, and {stated} is stated",
        why="one of the two is wrong",
        suggestion="leave out what the file says itself, or give another file",
        file=path,
        field=fact,
    )
