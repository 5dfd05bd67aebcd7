"""Density against CT number: the curve, its text table, and values that no calibration of a scanner has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..notes import CAUTION, CRITICAL, Note
from ..privacy import telling_name
from ..tables import Column, CsvFile, read_csv
from ..text import counted

#: Dry air as in Schneider's curve [g/cm3]: the lowest density of a voxel.
AIR_G_CM3 = 1.21e-3
#: CT numbers above this are metal or artefact and are clipped [HU].
METAL_HU = 3000.0
#: Density at 0 HU, which is water on every calibrated scanner [g/cm3]; plastics that stand in for water differ by 5 %.
WATER_G_CM3 = (0.9, 1.1)
#: Densest implant [g/cm3], and lowest and highest CT number that scanners store [HU].
DENSEST_G_CM3 = 25.0
CT_NUMBERS = (-3024.0, 65535.0)
#: A curve spans at least this many CT numbers: lung to bone is 1000, and fat to muscle alone 150.
LEAST_SPAN_HU = 300.0
#: Density at -1000 HU above which air would be a material: nothing solid or liquid in a body is lighter [g/cm3].
AIR_AT_MOST_G_CM3 = 0.1

#: A curve that begins above this leaves lung to a guess [HU].
LUNG_HU = -700.0

HU = Column("HU", ("hu", "ct", "ct number", "ct value", "hounsfield", "hounsfield unit", "hounsfield units"),
            {"": 1.0, "hu": 1.0})  # fmt: skip
DENSITY = Column(
    "density_g_cm3",
    ("density", "mass density", "physical density", "rho", "ρ", "dichte", "densité", "masse volumique"),
    {
        **dict.fromkeys(("", "g/cm3", "g cm3", "g/cc", "g/ml", "g cm-3", "g/cm^3", "kg/l", "t/m3"), 1.0),
        **dict.fromkeys(("kg/m3", "kg m3", "kg m-3", "kg/m^3", "mg/cm3", "mg/ml", "g/l"), 1e-3),
    },
)
_NO_MASS_DENSITY = re.compile(r"\b(electron|red|ed|rel|relative|stopping|spr|rsp|attenuation|mu)\b", re.IGNORECASE)
_ADVICE = "give lines of 'HU, g/cm3', such as '-1000, 0.001' and '0, 1.0'"


@dataclass(frozen=True)
class Calibration:
    """Density against CT number, joined by straight lines.

    Parameters
    ----------
    hu
        CT numbers [HU], not decreasing; a repeated value makes a step.
    density_g_cm3
        Mass densities [g/cm3], positive.
    name
        Where it comes from, for the record.

    Below the first point the first density holds, above the last the last piece is continued.
    """

    hu: tuple[float, ...]
    density_g_cm3: tuple[float, ...]
    name: str = "Schneider 2000"

    def density(self, hu: np.ndarray) -> np.ndarray:
        """Density [g/cm3] at CT numbers of any shape, at least that of air; float64."""
        x, y = np.array(self.hu), np.array(self.density_g_cm3)
        hu = np.asarray(hu, np.float64)
        at = np.clip(np.searchsorted(x, hu, side="right") - 1, 0, len(x) - 2)
        width = x[at + 1] - x[at]
        slope = np.divide(y[at + 1] - y[at], width, out=np.zeros_like(width), where=width > 0)
        return np.maximum(np.where(hu < x[0], y[0], y[at] + slope * (hu - x[at])), AIR_G_CM3)

    @classmethod
    def read(cls, table: Calibration | str | Path | Sequence[Sequence[float]] | None) -> Calibration:
        """From a text table (HU, g/cm3 per line, with or without a heading), a list of pairs, or the default.

        Raises
        ------
        InputError
            A table that cannot be read, or values that no calibration has.
        """
        if table is None:
            return DEFAULT_CALIBRATION
        if isinstance(table, Calibration):
            return table
        if isinstance(table, str | Path):
            path = Path(table)
            pairs, name, source = _read_table(path), telling_name(path), path
        else:
            pairs, name, source = [(float(h), float(d)) for h, d in table], "the case's calibration", None
        _check(pairs, source)
        hu, density = zip(*pairs, strict=True)
        return cls(hu, density, name)

    def remarks(self, lowest_hu: float, highest_hu: float) -> list[str]:
        """What a reader must know of this curve and a CT of these values [HU]."""
        if self is DEFAULT_CALIBRATION:
            return []
        notes = []
        if self.hu[-1] < highest_hu:
            notes.append(f"the calibration ends at {self.hu[-1]:g} HU; its last piece was continued above that")
        least = max(lowest_hu, -1000.0)
        if self.hu[0] > least + 50.0:  # tables begin at -1000 or -976
            text = (
                f"the calibration {self.name} begins at {self.hu[0]:g} HU, and the CT at {least:g} HU: "
                f"everything below was taken as {self.density_g_cm3[0]:g} g/cm3"
            )
            notes.append(Note(text, weight=CAUTION if self.hu[0] <= LUNG_HU else CRITICAL))
        return notes


# Density [g/cm3] at CT numbers [HU]: the straight pieces of W. Schneider et al., Phys Med Biol 45 (2000) 459:
# -1000..-98 joined from air to 0.93; -98..14: 1.018 + 0.893e-3 H; 14..23: 1.03; 23..100: 1.003 + 1.169e-3
# H; above 100: 1.017 + 0.592e-3 H. The step down at 100 HU is the paper's: soft tissue ends, marrow and
# bone begin.
_CURVE_HU = (-1000.0, -98.0, -98.0, 14.0, 14.0, 23.0, 23.0, 100.0, 100.0, METAL_HU)
_CURVE_G_CM3 = (AIR_G_CM3, 0.93, 0.930486, 1.030502, 1.03, 1.03, 1.029887, 1.1199, 1.0762, 2.793)
DEFAULT_CALIBRATION = Calibration(_CURVE_HU, _CURVE_G_CM3)


def _read_table(path: Path) -> list[tuple[float, float]]:
    table = read_csv(path, "give the CT calibration as 'HU, g/cm3' lines, saved as UTF-8")
    (hu_at, hu_factor), (density_at, density_factor) = _columns(table)
    hu = hu_factor * table.values(hu_at, "HU")
    density = density_factor * table.values(density_at, "density")
    return list(zip(hu.tolist(), density.tolist(), strict=True))


def _columns(table: CsvFile) -> tuple[tuple[int, float], tuple[int, float]]:
    """Places of CT number and density, and their factors; without names that are known, the first and the second."""
    in_order = (0, 1.0), (1, 1.0)
    heading = table.heading
    if heading is None:
        return in_order
    units = [(place, DENSITY.units[unit]) for place, cell in enumerate(heading.cells) if (unit := _unit(cell))]
    named = [(place, factor) for place, cell in enumerate(heading.cells) if (factor := DENSITY.factor(cell))]
    densities = named or units
    numbers = [place for place, cell in enumerate(heading.cells) if HU.factor(cell)]
    foreign = next((cell for cell in heading.cells if _NO_MASS_DENSITY.search(re.sub(r"[_\W]+", " ", cell))), None)
    if foreign and not densities:
        raise table.refusal(
            f"the column {foreign!r} is no mass density",
            heading.line,
            why="dose is energy per mass; relative electron density is lower than mass density in bone by 10 %",
            suggestion="give the scanner's mass densities in g/cm3, or leave out tissue.calibration",
        )
    if not densities and not numbers and len(heading.cells) == 2:
        return in_order
    if len(heading.cells) == 2:  # the name of one column tells which is the other
        densities = densities or [(1 - numbers[0], 1.0)]
        numbers = numbers or [1 - densities[0][0]]
    if len(densities) == 1 and len(numbers) == 1 and densities[0][0] != numbers[0]:
        return (numbers[0], 1.0), densities[0]
    raise table.refusal(
        f"columns {', '.join(repr(cell) for cell in heading.cells)}",
        heading.line,
        why="which holds CT numbers and which mass densities is not known",
        suggestion="name them HU and density_g_cm3",
    )


def _unit(cell: str) -> str:
    """The unit of density that is all that a heading says; empty where it is none."""
    text = " ".join(cell.casefold().replace("³", "3").strip("()[] ").split())
    return text if text in DENSITY.units else ""


def _check(pairs: Sequence[tuple[float, float]], source: Path | None) -> None:
    """Refuse what is no calibration of a CT.

    Raises
    ------
    InputError
        With the first fault.
    """

    def refuse(problem: str, why: str, suggestion: str = _ADVICE) -> InputError:
        return InputError(f"the CT calibration {problem}", why=why, suggestion=suggestion, file=source)

    if len(pairs) < 2:
        raise refuse(f"has {counted(len(pairs), 'point')}", "a curve needs at least two")
    hu, density = (np.array(column) for column in zip(*pairs, strict=True))
    if np.any(~np.isfinite(hu)) or np.any(~np.isfinite(density)):
        raise refuse("holds a number that is not finite", "every point has a CT number and a density")
    low, high = CT_NUMBERS
    swapped = "the columns may be swapped: the CT number comes first, or name them HU and density_g_cm3"
    if hu.min() < low or hu.max() > high:
        raise refuse(
            f"has points from {hu.min():g} to {hu.max():g} HU", f"scanners store {low:g} to {high:g} HU", swapped
        )
    if np.any(density <= 0):
        advice = swapped if density.min() <= -100.0 else "correct that line"
        raise refuse(f"has a density of {density.min():g} g/cm3", "densities are positive", advice)
    if np.ptp(hu) < LEAST_SPAN_HU:
        raise refuse(
            f"spans {hu.min():g} to {hu.max():g} HU",
            f"a curve from lung or fat to bone spans more than {LEAST_SPAN_HU:g} HU",
            swapped,
        )
    if density.max() > DENSEST_G_CM3:
        raise refuse(
            f"reaches {density.max():g} g/cm3",
            "no implant is that dense",
            "give mass density in g/cm3, not kg/m3 (or call the column 'density (kg/m3)')",
        )
    if np.any(np.diff(hu) < 0):
        first = int(np.argmax(np.diff(hu) < 0))
        raise refuse(
            f"goes back from {hu[first]:g} to {hu[first + 1]:g} HU",
            "the curve is read in order of CT number",
            "sort the lines by HU",
        )
    _check_anchors(Calibration(tuple(hu), tuple(density)), refuse)


def _check_anchors(curve: Calibration, refuse: Callable[[str, str, str], InputError]) -> None:
    """Air and water lie where every calibrated scanner has them, and the density does not fall for long."""
    hu, density = np.array(curve.hu), np.array(curve.density_g_cm3)
    water = float(curve.density(np.array(0.0)))
    if hu[0] <= 0.0 <= hu[-1] and not WATER_G_CM3[0] <= water <= WATER_G_CM3[1]:
        shifted = hu[0] >= 0.0 and hu[-1] >= 1024.0
        raise refuse(
            f"gives water (0 HU) {water:.3g} g/cm3",
            f"water has 1 g/cm3; a calibration gives {WATER_G_CM3[0]:g} to {WATER_G_CM3[1]:g} g/cm3 at 0 HU",
            "give CT numbers in HU, without an offset of 1000 or 1024"
            if shifted
            else "correct the table and its units",
        )
    if hu[0] <= -950.0 and density[0] > AIR_AT_MOST_G_CM3:
        raise refuse(
            f"gives air ({hu[0]:g} HU) {density[0]:g} g/cm3",
            f"air has 0.0012 g/cm3, and nothing at {hu[0]:g} HU more than {AIR_AT_MOST_G_CM3:g}",
            "correct that line",
        )
    falls = np.flatnonzero(np.diff(density) < -0.1)  # Schneider's curve steps down by 0.04 at 100 HU
    if falls.size:
        at = int(falls[0])
        raise refuse(
            f"falls from {density[at]:g} g/cm3 at {hu[at]:g} HU to {density[at + 1]:g} g/cm3 at {hu[at + 1]:g} HU",
            "what attenuates more is denser",
            "correct these lines; the columns may be swapped",
        )
    if hu[0] > 0.0:
        raise refuse(
            f"begins at {hu[0]:g} HU",
            "lung and fat lie below 0 HU, and air at -1000 HU",
            "give the points from air to bone; CT numbers are in HU, without an offset of 1000 or 1024",
        )
