"""Read blood and whole-body samples from a CSV file whose header gives the units (docs/methods/blood.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import CsvFile, read_csv
from ..kinetics.conversion import decay_constant
from ..text import counted, did_you_mean, nearest

COLUMNS = (
    "time_h",
    "whole_body_percent",
    "whole_body_counts",
    "whole_body_sigma_percent",
    "blood_percent_per_l",
    "blood_kbq_per_ml",
    "blood_sigma_percent_per_l",
)
SETTINGS = ("nuclide", "decay_corrected", "administered_mbq")


@dataclass(frozen=True, eq=False)
class Samples:
    """Measured shares of the administered tracer activity, physical (at sample time, not decay corrected).

    Attributes
    ----------
    body_time_h, body_fraction, body_sigma
        Whole body: time after administration [h], share of the administered activity, standard uncertainty.
    blood_time_h, blood_fraction_per_ml, blood_sigma
        Blood: time [h], share of the administered activity per mL [1/mL], standard uncertainty.
    nuclide
        The measured nuclide when the file names it.
    source
        The file.
    """

    body_time_h: np.ndarray
    body_fraction: np.ndarray
    body_sigma: np.ndarray | None
    blood_time_h: np.ndarray
    blood_fraction_per_ml: np.ndarray
    blood_sigma: np.ndarray | None
    nuclide: str | None = None
    source: str = ""


def read_samples(path: str | Path, half_life_h: float | None = None, administered_mbq: float | None = None) -> Samples:
    """Read a samples file.

    Parameters
    ----------
    path
        CSV file; lines that start with ``#`` are settings of the form ``# key: value``.
    half_life_h
        Half-life of the measured nuclide [h]; needed for decay-corrected values and for counts.
    administered_mbq
        Administered activity [MBq] at administration, for absolute blood activities; the file's own
        ``administered_mbq`` comes first.

    Returns
    -------
    Samples
        Times and shares of the administered activity in the body and per mL of blood, not decay corrected.

    Raises
    ------
    InputError
        Missing file, unknown column or setting (with did-you-mean), values that are not numbers, times that
        do not increase, a needed half-life or activity that is missing.
    """
    file = Path(path)
    samples = read_csv(file, "give the samples as CSV, saved as UTF-8 (docs/methods/blood.md)")
    settings = _settings(samples)
    rows = [row.cells for row in samples.rows]
    if len(rows) < 2:
        raise InputError("no samples", why="a header line and one line a sample are needed", file=file)
    header = [name.strip().lower() for name in rows[0]]
    _check_header(header, file)
    table = np.full((len(rows) - 1, len(header)), math.nan)
    for i, row in enumerate(rows[1:]):
        if len(row) > len(header):
            raise InputError(
                f"sample {i + 1} has {counted(len(row), 'value')} for {counted(len(header), 'column')}", file=file
            )
        for j, cell in enumerate(row):
            if cell.strip():
                table[i, j] = _number(cell, header[j], i, samples)
    columns = {name: table[:, j] for j, name in enumerate(header)}
    times = columns["time_h"]
    if not np.all(np.isfinite(times)) or np.any(times < 0.0) or np.any(np.diff(times) <= 0.0):
        raise InputError(
            "sample times that are missing, negative or do not increase",
            why="times are hours after administration, one line a time, in order",
            file=file,
            field="time_h",
        )
    corrected = settings.get("decay_corrected", "no") in ("yes", "true", "1")
    rate = None if half_life_h is None else decay_constant(half_life_h)
    activity = float(settings["administered_mbq"]) if "administered_mbq" in settings else administered_mbq
    measured = _Measured(columns, corrected, rate, file)
    t_body, body, s_body = _used(times, measured.body(), measured.scaled("whole_body_sigma_percent", 1e-2), file)
    blood = measured.blood(activity)
    t_blood, blood, s_blood = _used(times, blood, measured.scaled("blood_sigma_percent_per_l", 1e-5), file)
    return Samples(t_body, body, s_body, t_blood, blood, s_blood, settings.get("nuclide"), str(file))


@dataclass(frozen=True, eq=False)
class _Measured:
    """The columns of a samples file by name, and what turns them into physical shares of the administered activity.

    Attributes
    ----------
    columns
        Values as the file has them; NaN where a cell is empty.
    decay_corrected
        Whether the file states values corrected for decay.
    rate
        Decay constant of the measured nuclide [1/h]; None when not known.
    file
        For messages.
    """

    columns: dict[str, np.ndarray]
    decay_corrected: bool
    rate: float | None
    file: Path

    def physical(self, name: str) -> np.ndarray:
        """A column, its decay correction undone where the file says that there is one."""
        values = self.columns[name]
        if not self.decay_corrected:
            return values
        if self.rate is None:
            raise InputError(
                "decay-corrected samples without a half-life",
                why="the correction must be undone before the therapy nuclide's decay is applied",
                suggestion="name the tracer in the case",
                file=self.file,
            )
        return values * np.exp(-self.rate * self.columns["time_h"])

    def scaled(self, name: str, factor: float) -> np.ndarray | None:
        """A physical column times a factor; None when the file lacks it."""
        return self.physical(name) * factor if name in self.columns else None

    def body(self) -> np.ndarray | None:
        """Share of the administered activity in the body."""
        if "whole_body_percent" in self.columns:
            return self.physical("whole_body_percent") / 100.0
        if "whole_body_counts" in self.columns:
            counts = self.physical("whole_body_counts")
            return _from_counts(counts, self.columns["time_h"], self.rate, self.file)
        return None

    def blood(self, administered_mbq: float | None) -> np.ndarray | None:
        """Share of the administered activity in 1 mL of blood [1/mL]."""
        if "blood_percent_per_l" in self.columns or "blood_kbq_per_ml" not in self.columns:
            return self.scaled("blood_percent_per_l", 1e-5)
        if not administered_mbq or not administered_mbq > 0.0:
            raise InputError(
                "blood activities in kBq/mL without the administered activity",
                suggestion="add a line '# administered_mbq: 74'",
                file=self.file,
                field="blood_kbq_per_ml",
            )
        return self.physical("blood_kbq_per_ml") * 1e-3 / administered_mbq


def _settings(samples: CsvFile) -> dict[str, str]:
    found, file = {}, samples.path
    for bare in samples.comments:
        if ":" not in bare:
            continue
        key, value = (part.strip().lower() for part in bare[1:].split(":", 1))
        key = key.replace(" ", "_")
        if key in SETTINGS:
            found[key] = value
        elif nearest(key, SETTINGS):
            raise InputError(f"unknown setting {key!r}", suggestion=did_you_mean(key, SETTINGS), file=file, field=key)
    if found.get("decay_corrected", "no") not in ("yes", "no", "true", "false", "0", "1"):
        raise InputError(f"decay_corrected: {found['decay_corrected']}", suggestion="write yes or no", file=file)
    if "administered_mbq" in found:
        found["administered_mbq"] = str(_number(found["administered_mbq"], "administered_mbq", None, samples))
    if "nuclide" in found:
        found["nuclide"] = found["nuclide"].capitalize()
    return found


def _check_header(header: list[str], file: Path) -> None:
    for name in header:
        if name not in COLUMNS:
            raise InputError(
                f"unknown column {name!r}",
                why="column names include the unit: " + ", ".join(COLUMNS),
                suggestion=did_you_mean(name, COLUMNS, otherwise="", cutoff=0.5),
                file=file,
            )
    if len(set(header)) != len(header):
        raise InputError("a column appears twice", file=file)
    if "time_h" not in header:
        raise InputError("no column time_h", why="every sample needs its time", file=file)
    for pair in (("whole_body_percent", "whole_body_counts"), ("blood_percent_per_l", "blood_kbq_per_ml")):
        if all(name in header for name in pair):
            raise InputError(f"both {pair[0]} and {pair[1]}", why="one of them would be ignored", file=file)


def _number(cell: str, column: str, row: int | None, samples: CsvFile) -> float:
    try:
        value = samples.number(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        place = "" if row is None else f" in sample {row + 1}"
        raise InputError(f"{cell.strip()!r}{place} is not a number", file=samples.path, field=column)
    return value


def _from_counts(counts: np.ndarray, times: np.ndarray, rate: float | None, file: Path) -> np.ndarray:
    """Shares from counts whose first value, before any voiding, represents the whole administered
    activity."""
    usable = np.flatnonzero(np.isfinite(counts))
    if usable.size == 0:
        return counts
    first = usable[0]
    if rate is None:
        raise InputError(
            "whole-body counts without a half-life",
            why="the first count is 100 % less its decay since administration",
            suggestion="name the tracer in the case",
            file=file,
        )
    if times[first] > 4.0:
        raise InputError(
            f"first whole-body count at {times[first]:g} h",
            why="the first count represents 100 % and must be taken before voiding",
            suggestion="give whole_body_percent instead",
            file=file,
            field="whole_body_counts",
        )
    if not counts[first] > 0.0:
        raise InputError("first whole-body count is not positive", file=file, field="whole_body_counts")
    return counts / counts[first] * math.exp(-rate * times[first])


def _used(
    times: np.ndarray, values: np.ndarray | None, sigma: np.ndarray | None, file: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Times and values of the samples that were taken; negative values are refused."""
    if values is None:
        return np.empty(0), np.empty(0), None
    keep = np.isfinite(values)
    if np.any(values[keep] < 0.0):
        raise InputError("a negative sample", why="an activity is not negative", file=file)
    chosen = None
    if sigma is not None:
        chosen = sigma[keep]
        if not np.all(chosen > 0.0):
            raise InputError("a sample without a positive standard uncertainty", file=file)
    return times[keep], values[keep], chosen
