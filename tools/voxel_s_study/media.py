"""How much medium and density matter: the 90Y table against kernels of other media."""

from __future__ import annotations

import csv
from pathlib import Path

from ...engine.dose.voxel_s.cache import kept_kernel
from ...engine.files import write_text
from .analysis import Number
from .plan import Run, request_of
from .published import FOLDER, Neighbour, PublishedTable
from .record import values_of

FILE = FOLDER / "voxel-s-media.csv"
#: NIST name, density [g/cm3]: what the page calls it.
MEDIA = {
    ("TISSUE, SOFT (ICRP)", 1.04): "soft tissue (ICRP), 1.04 g/cm3",
    ("TISSUE, SOFT (ICRU FOUR-COMPONENT)", 1.04): "soft tissue (ICRU, four components), 1.04",
    ("TISSUE, SOFT (ICRP)", 1.0): "soft tissue (ICRP), 1.00",
    ("WATER, LIQUID", 1.0): "water, 1.00",
}
DECAYS = 2_000_000
COLUMNS = ("medium", "density_g_cm3", "i", "j", "k", "s_mgy_per_mbq_s", "standard_error")

#: By medium and density: voxel S value by neighbour [mGy/(MBq s)].
Media = dict[tuple[str, float], dict[Neighbour, Number]]


def make(table: PublishedTable, scale: float = 1.0) -> Media:
    """The kernel of a table's nuclide and voxel in each medium."""
    made: Media = {}
    for number, (medium, density) in enumerate(MEDIA):
        run = Run(table.nuclide, table.voxel_mm, "whole", max(50, round(DECAYS * scale)), 8000 + number)
        values = values_of(run, kept_kernel(request_of(run, medium, density)))
        made[medium, density] = {n: Number(*pair) for n, pair in values.s.items()}
    return made


def write(media: Media, file: Path = FILE) -> None:
    """Write the kernels as CSV."""
    lines = [",".join(COLUMNS)]
    for (medium, density), s in media.items():
        for n, number in s.items():
            cells = [f'"{medium}"', f"{density:g}", *map(str, n), f"{number.value:.6g}", f"{number.error:.3g}"]
            lines.append(",".join(cells))
    write_text(file, "\n".join(lines) + "\n")


def read(file: Path = FILE) -> Media:
    """Read that CSV."""
    media: Media = {}
    with file.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            kernel = media.setdefault((row["medium"], float(row["density_g_cm3"])), {})
            n = (int(row["i"]), int(row["j"]), int(row["k"]))
            kernel[n] = Number(float(row["s_mgy_per_mbq_s"]), float(row["standard_error"]))
    return media


def ratio(table: PublishedTable, kernel: dict[Neighbour, Number], neighbour: Neighbour) -> Number:
    """Published over ours, as `analysis.ratio`."""
    return Number(table.s[neighbour], table.rounding(neighbour)) / kernel[neighbour]


def yttrium(tables: list[PublishedTable]) -> PublishedTable:
    """The table that is compared: 90Y, 3 mm."""
    return next(t for t in tables if t.nuclide == "Y-90" and t.voxel_mm == 3.0)
