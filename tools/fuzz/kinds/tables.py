"""Text tables: recovery curves, CT calibrations, blood and body samples, voxel S values."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ....engine.clinic.blood_samples import read_samples
from ....engine.dose.voxel_s import Told, read_kernel
from ....engine.imaging.ct_calibration import Calibration
from ....engine.lesions.recovery_curve import read_recovery_curve
from ..damage import WORDS, damaged, encoded, reworded
from ..sample import Kind, Reading, Sample

Rows = list[list[float]]


def written(heading: list[str], rows: Rows, rng: Random, digits: int = 10) -> str:
    """A table as spreadsheets of any country write it."""
    separator = rng.choice((",", ";", "\t", ";"))
    comma = separator != "," and rng.randrange(2)
    lines = [heading] if heading else []
    points = []
    for row in rows:
        cells = [f"{value:.{digits}g}" for value in row]
        points += [cell for cell in cells if "." in cell]
        lines.append(cells)
    if comma and all(len(cell.split(".")[1].split("e")[0]) != 3 for cell in points):
        lines = [[cell.replace(".", ",") for cell in line] if at or not heading else line
                 for at, line in enumerate(lines)]  # fmt: skip
    blank = rng.choice(("", "", " "))
    text = "\n".join((separator + blank).join(line) for line in lines)
    if rng.randrange(4) == 0:
        text = "\n".join(f'"{line}"' if separator not in line else line for line in text.split("\n"))
    return rng.choice(("", "# a comment\n", "\n\n")) + text + rng.choice(("", "\n", "\n\n", separator))


def mutated(
    rng: Random, heading: list[str], rows: Rows, truth: Any, name: str, units: dict[str, tuple[str, float]]
) -> Sample:
    """A table changed in one way.

    Parameters
    ----------
    rng
        Source of choices.
    heading, rows
        The table.
    truth
        What is read of rows, as a function of them.
    name
        Its file.
    units
        Other headings of a column, each with the factor from its unit.
    """
    kind = rng.randrange(8)
    if kind < 2:
        renamed, factors = list(heading), np.ones(len(heading))
        for at, column in enumerate(heading):
            if column in units and rng.randrange(2):
                renamed[at], factors[at] = units[column]
        scaled = [[value / factor for value, factor in zip(row, factors, strict=True)] for row in rows]
        order = rng.sample(range(len(heading)), len(heading))
        text = written([renamed[at] for at in order], [[row[at] for at in order] for row in scaled], rng)
        return Sample("the same meaning", {name: encoded(text, rng)}, truth(rows), must="read")
    if kind == 2:
        at, column = rng.randrange(len(rows)), rng.randrange(len(heading))
        changed = [list(row) for row in rows]
        changed[at][column] *= rng.choice((0.97, 1.02, 1.1, 0.5, 3.0, -1.0, 0.0, 1000.0))
        return Sample("a number", {name: encoded(written(heading, changed, rng), rng)}, truth(changed))
    plain = "\n".join([",".join(heading), *(",".join(f"{v:g}" for v in row) for row in rows)]) + "\n"
    if kind == 3:
        lines = plain.split("\n")
        at = rng.randrange(len(rows)) + 1
        cells = lines[at].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(WORDS)
        lines[at] = ",".join(cells)
        return Sample("a cell", {name: "\n".join(lines).encode("utf-8", "surrogatepass")})
    if kind == 4:
        text = rng.choice(
            (
                '"' * rng.randrange(1, 9) + plain,
                plain + '"' + "x" * 200_000,
                "," * 10_000,
                plain.replace(",", '","'),
                plain.replace(".", ","),
                plain * 3,
                "sep=;\n" + plain,
                plain + "\n".join([plain.split("\n")[1]] * 2000),
                "\n" * 100_000,
                plain.replace("\n", "\n\0"),
            )
        )
        return Sample("an odd form", {name: text.encode()})
    if kind < 7:
        return Sample("text", {name: reworded(plain, rng).encode("utf-8", "surrogatepass")})
    return Sample("bytes", {name: damaged(plain.encode(), rng)})


# --------------------------------------------------------------------------------------------- recovery curve

_SPHERES = ((10.0, 0.31, 0.02), (13.0, 0.45, 0.02), (17.0, 0.6, 0.02), (22.0, 0.72, 0.02), (28.0, 0.82, 0.015),
            (37.0, 0.9, 0.01))  # fmt: skip


def _recovery_truth(rows: Rows) -> dict[str, Any]:
    columns = np.array(rows).T
    return {"diameter_mm": columns[0], "recovery": columns[1], "sigma": columns[2]}


def generate_recovery(rng: Random) -> Sample:
    """A recovery curve."""
    units = {"diameter_mm": ("diameter (cm)", 10.0), "recovery": ("recovery (%)", 0.01), "sigma": ("sigma [%]", 0.01)}
    heading = ["diameter_mm", "recovery", "sigma"]
    return mutated(rng, heading, [list(row) for row in _SPHERES], _recovery_truth, "t.csv", units)


def read_recovery(folder: Path) -> Reading:
    """The points of the curve."""
    volume_ml, recovery, sigma = np.array(read_recovery_curve(folder / "t.csv").table).T
    return {"diameter_mm": (6.0 * volume_ml * 1e3 / np.pi) ** (1 / 3), "recovery": recovery, "sigma": sigma}


# ---------------------------------------------------------------------------------------------- CT calibration

_CURVE = ((-1000.0, 0.0012), (-100.0, 0.93), (0.0, 1.0), (60.0, 1.06), (1000.0, 1.61), (3000.0, 2.8))


def _calibration_truth(rows: Rows) -> dict[str, Any]:
    columns = np.array(rows).T
    return {"hu": columns[0], "density": columns[1]}


def generate_calibration(rng: Random) -> Sample:
    """A CT calibration."""
    units = {"density_g_cm3": ("density (kg/m3)", 1e-3)}
    return mutated(rng, ["HU", "density_g_cm3"], [list(row) for row in _CURVE], _calibration_truth, "t.csv", units)


def read_calibration(folder: Path) -> Reading:
    """The points of the curve."""
    curve = Calibration.read(folder / "t.csv")
    return {"hu": np.asarray(curve.hu, float), "density": np.asarray(curve.density_g_cm3, float)}


# --------------------------------------------------------------------------------------------------- samples

_SAMPLES = ((2.0, 97.0, 3.1), (6.0, 80.5, 2.0), (24.0, 40.25, 0.9), (48.0, 20.5, 0.4), (96.0, 8.5, 0.12))


def _samples_truth(rows: Rows) -> dict[str, Any]:
    columns = np.array(rows).T
    return {"time_h": columns[0], "body": columns[1] / 100.0, "blood": columns[2] * 1e-5}


def generate_samples(rng: Random) -> Sample:
    """Blood and whole-body samples."""
    units = {"time_h": ("time (min)", 1 / 60)}
    heading = ["time_h", "whole_body_percent", "blood_percent_per_l"]
    return mutated(rng, heading, [list(row) for row in _SAMPLES], _samples_truth, "t.csv", units)


def read_the_samples(folder: Path) -> Reading:
    """Times and shares."""
    samples = read_samples(folder / "t.csv", half_life_h=100.0, administered_mbq=74.0)
    return {"time_h": samples.body_time_h, "body": samples.body_fraction, "blood": samples.blood_fraction_per_ml}


# -------------------------------------------------------------------------------------------- voxel S values

_S = {
    (0, 0, 0): 0.9, (0, 0, 1): 0.03, (0, 1, 1): 0.0024, (1, 1, 1): 7.3e-4,
    (0, 0, 2): 4.6e-4, (0, 1, 2): 3.7e-4, (1, 1, 2): 3.1e-4, (0, 2, 2): 2.3e-4, (1, 2, 2): 2.0e-4, (2, 2, 2): 1.5e-4,
}  # fmt: skip
_TOLD = Told(nuclide="I-131", voxel_size_mm=(3.0, 3.0, 3.0), medium="soft tissue", density_g_cm3=1.04)


def _s_truth(rows: Rows) -> dict[str, Any]:
    return {"s": np.array([row[3] for row in rows])}


def generate_s(rng: Random) -> Sample:
    """A table of voxel S values, one line for each class of neighbours."""
    rows = [[*map(float, place), value] for place, value in _S.items()]
    units = {"S [mGy/(MBq s)]": ("S [Gy/(MBq s)]", 1e3)}
    sample = mutated(rng, ["i", "j", "k", "S [mGy/(MBq s)]"], rows, _s_truth, "t.csv", units)
    truth = sample.truth if sample.change != "a number" else {}  # an offset may be another line's
    return Sample(sample.change, sample.files, truth, sample.must)


def read_s(folder: Path) -> Reading:
    """Values by the base table's places; the kernel is symmetric."""
    kernel = read_kernel(folder / "t.csv", _TOLD)
    values, (a, b, c) = kernel.s_mgy_per_mbq_s, kernel.reach
    for axis in range(3):
        assert np.allclose(values, np.flip(values, axis), rtol=1e-12), "not symmetric"
    inside = all(reach >= 2 for reach in (a, b, c))
    return {"s": np.array([values[a + i, b + j, c + k] for i, j, k in _S]) if inside else None}


KINDS = (
    Kind("recovery-curve", generate_recovery, read_recovery, 10),
    Kind("ct-calibration", generate_calibration, read_calibration, 10),
    Kind("samples", generate_samples, read_the_samples, 10),
    Kind("voxel-s-table", generate_s, read_s, 3),
)
