"""The published tables, as docs/studies/voxel-s.json keeps them."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

from ...engine.constants import JOULE_PER_MEV
from ...engine.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "studies"
FILE = FOLDER / "voxel-s.json"

Neighbour = tuple[int, int, int]


@dataclass(frozen=True)
class PublishedTable:
    """Voxel S values of one nuclide and voxel.

    Parameters
    ----------
    nuclide, voxel_mm
        Whose, and the edge of the cubic voxels [mm].
    medium, density_g_cm3
        NIST name and mass density [g/cm3] of the medium.
    s
        Voxel S value by neighbour (i <= j <= k voxels along the axes) [mGy/(MBq s)].
    """

    nuclide: str
    voxel_mm: float
    medium: str
    density_g_cm3: float
    s: dict[Neighbour, float]

    @property
    def mass_kg(self) -> float:
        """Mass of one voxel [kg]."""
        return self.density_g_cm3 * self.voxel_mm**3 * 1e-6

    def rounding(self, neighbour: Neighbour) -> float:
        """Standard uncertainty that three significant figures leave: a uniform law over the last one."""
        return 10.0 ** (math.floor(math.log10(self.s[neighbour])) - 2) / math.sqrt(12.0)

    def energy_mev(self) -> tuple[float, float]:
        """Energy per decay in all voxels of the table, and its standard uncertainty by rounding [MeV].

        The values of two voxels are rounded independently, those of equivalent voxels together.
        """
        unit = 1e-9 * self.mass_kg / JOULE_PER_MEV
        total = sum(copies(n) * value for n, value in self.s.items())
        variance = sum((copies(n) * self.rounding(n)) ** 2 for n in self.s)
        return unit * total, unit * math.sqrt(variance)


def copies(neighbour: Neighbour) -> int:
    """How many voxels are equivalent to a neighbour by the symmetries of the cube."""
    return len(set(itertools.permutations(neighbour))) * 2 ** sum(step > 0 for step in neighbour)


def published(file: Path = FILE) -> list[PublishedTable]:
    """All tables of the file.

    Raises
    ------
    InputError
        The file is not there, or not as it should be.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return [
            PublishedTable(
                nuclide=table["nuclide"],
                voxel_mm=float(table["voxel_mm"]),
                medium=content["medium"],
                density_g_cm3=float(content["density_g_cm3"]),
                s={_neighbour(key): float(value) for key, value in table["s"].items()},
            )
            for table in content["tables"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "the published voxel S values cannot be read", why=str(error), suggestion="restore the file", file=file
        ) from error


def _neighbour(key: str) -> Neighbour:
    i, j, k = (int(step) for step in key.split())
    if not 0 <= i <= j <= k:
        raise ValueError(f"neighbour {key!r} must be three numbers in ascending order")
    return i, j, k
