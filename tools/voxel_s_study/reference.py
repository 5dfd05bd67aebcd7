"""Our kernels beside the doses of the reference code, which scored one active voxel in a uniform block."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...engine.dose.voxel_s import KernelRequest
from ...engine.dose.voxel_s.cache import kept_kernel
from ...engine.files import write_text
from ...engine.transport.problem import Problem
from .plan import Run
from .published import FOLDER, Neighbour
from .record import values_of

FILE = FOLDER / "voxel-s-reference.csv"
#: Problem files of the reference code: nuclide and decay data.
FILES = {
    "i131_voxel_3mm_water": ("I-131", "DDEP"),
    "i131_voxel_3mm_water_icrp107": ("I-131", "ICRP 107"),
    "i131_voxel_4p8mm_tissue": ("I-131", "DDEP"),
    "lu177_voxel_3mm_water": ("Lu-177", "DDEP"),
    "y90_voxel_3mm_water": ("Y-90", "DDEP"),
    "f18_voxel_3mm_water": ("F-18", "DDEP"),
    "tc99m_voxel_3mm_water": ("Tc-99m", "DDEP"),
    "i124_voxel_3mm_water_icrp107": ("I-124", "ICRP 107"),
}
DECAYS = 3_000_000
COLUMNS = (
    "nuclide", "data", "medium", "density_g_cm3", "voxel_mm", "i", "j", "k",
    "ours_gy_per_decay", "ours_standard_error", "reference_gy_per_decay", "reference_standard_error",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """One neighbour in one problem of the reference code; doses in Gy per decay."""

    nuclide: str
    data: str
    medium: str
    density_g_cm3: float
    voxel_mm: float
    neighbour: Neighbour
    ours: float
    ours_error: float
    reference: float
    reference_error: float

    @property
    def problem(self) -> tuple[str, str, str, float]:
        """What tells problems apart."""
        return self.nuclide, self.data, self.medium, self.voxel_mm

    @property
    def z(self) -> float:
        """Difference over its standard error."""
        return (self.ours - self.reference) / float(np.hypot(self.ours_error, self.reference_error))


def compare(folder: Path, scale: float = 1.0) -> list[Compared]:
    """Make the kernels of the emission, medium and voxel in each file, and compare them with its dose.

    Parameters
    ----------
    folder
        Folder with the problem files.
    scale
        Factor on the decays.
    """
    rows = []
    for number, (name, (nuclide, data)) in enumerate(FILES.items()):
        file = folder / f"{name}.npz"
        problem = Problem.load(file)
        density = float(problem.density_g_cm3.flat[0])
        size = problem.voxel_size_mm
        run = Run(nuclide, size[0], "whole", round(DECAYS * scale), 9000 + number)
        with np.load(file, allow_pickle=False) as arrays:
            dose, sigma = arrays["dose_gy_per_decay"], arrays["sigma_gy_per_decay"]
        middle = tuple(int(i) for i in np.argwhere(problem.source > 0)[0])
        reach = int(np.isfinite(dose[middle[0], middle[1], middle[2] :]).sum()) - 1
        request = KernelRequest(
            problem.emission, size, problem.materials[0], density, (reach,) * 3, run.decays, run.seed
        )
        values = values_of(run, kept_kernel(request))
        for n in itertools.combinations_with_replacement(range(reach + 1), 3):
            at = tuple(c + step for c, step in zip(middle, n, strict=True))
            ours, error = (1e-9 * x for x in values.s[n])
            rows.append(
                Compared(
                    nuclide, data, problem.materials[0].name, density, size[0], n,
                    ours, error, float(dose[at]), float(sigma[at]),
                )
            )  # fmt: skip
    return rows


def write(rows: list[Compared], file: Path = FILE) -> None:
    """Write the comparison as CSV."""
    lines = [list(COLUMNS)]
    for row in rows:
        lines.append(
            [row.nuclide, row.data, row.medium, f"{row.density_g_cm3:g}", f"{row.voxel_mm:g}", *map(str, row.neighbour)]
            + [f"{x:.6g}" for x in (row.ours, row.ours_error, row.reference, row.reference_error)]
        )
    write_text(file, "".join(",".join(line) + "\n" for line in lines))


def read(file: Path = FILE) -> list[Compared]:
    """Read that CSV."""
    with file.open(encoding="utf-8", newline="") as text:
        return [
            Compared(
                row["nuclide"], row["data"], row["medium"], float(row["density_g_cm3"]), float(row["voxel_mm"]),
                (int(row["i"]), int(row["j"]), int(row["k"])), *(float(row[c]) for c in COLUMNS[8:]),
            )
            for row in csv.DictReader(text)
        ]  # fmt: skip
