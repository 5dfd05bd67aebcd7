"""Read blood and whole-body samples from a CSV file whose header gives the units (docs/methods/blood.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..case.ranges import SAMPLE_TIME, TRACER_ACTIVITY
from ..errors import InputError
from ..kinetics.conversion import decay_constant
from ..tables import Column, CsvFile, read_csv
from ..text import did_you_mean, nearest

_PERCENT = {"percent": 1.0, "%": 1.0, "fraction": 100.0}
_PERCENT_PER_L = {"percent per l": 1.0, "%/l": 1.0, "% per l": 1.0, "percent/l": 1.0, "fraction per l": 100.0}
_BODY_SIGMA = ("whole body sigma", "whole body uncertainty", "sigma whole body")
#: Columns of a file of samples; a heading may state another unit, as in ``time (min)``.
COLUMNS = (
    Column("time_h", ("time", "t", "time after administration"), {
        **dict.fromkeys(("h", "hour", "hours", "hr"), 1.0), **dict.fromkeys(("min", "minute", "minutes"), 1 / 60),
        **dict.fromkeys(("d", "day", "days"), 24.0),
    }),
    Column("whole_body_percent", ("whole body", "body", "retention", "whole body retention"), _PERCENT),
    Column("whole_body_counts", ("whole body counts", "body counts"), {"": 1.0}),
    Column("whole_body_sigma_percent", _BODY_SIGMA, _PERCENT),
    Column("blood_percent_per_l", ("blood",), _PERCENT_PER_L),
    Column("blood_kbq_per_ml", ("blood", "blood activity"), {
        **dict.fromkeys(("kbq per ml", "kbq/ml", "mbq/l", "mbq per l"), 1.0),
        **dict.fromkeys(("bq per ml", "bq/ml", "kbq/l", "kbq per l"), 1e-3),
    }),
    Column("blood_sigma_percent_per_l", ("blood sigma", "blood uncertainty", "sigma blood"), _PERCENT_PER_L),
)  # fmt: skip
#: The last sample is taken no earlier than this [h]: earlier ones alone do not show how the activity leaves.
LAST_SAMPLE_H = 12.0
#: Before this [h] the body holds more than :data:`LEAST_BODY_PERCENT` of what was given, less its decay; shares that
#: are all smaller are fractions under a heading of per cent.
EARLY_BODY_H, LEAST_BODY_PERCENT = 48.0, 1.05
#: The same for a litre of blood: spread over all of a body of 70 L it would be 1.4 %.
EARLY_BLOOD_H, LEAST_BLOOD_PERCENT = 6.0, 0.1
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
    samples = read_csv(file, _KIND)
    settings = _settings(samples)
    columns = _columns(samples)
    _check_times(samples, columns["time_h"])
    corrected = settings.get("decay_corrected", "no") in ("yes", "true", "1")
    rate = None if half_life_h is None else decay_constant(half_life_h)
    activity = float(settings["administered_mbq"]) if "administered_mbq" in settings else administered_mbq
    measured = _Measured(columns, corrected, rate, file)
    times, body = columns["time_h"], measured.body()
    t_body, used_body, s_body = _used(times, body, measured.scaled("whole_body_sigma_percent", 1e-2), file)
    blood = measured.blood(activity)
    _check_size(samples, times, body, EARLY_BODY_H, LEAST_BODY_PERCENT * 1e-2, "whole_body_percent")
    _check_size(samples, times, blood, EARLY_BLOOD_H, LEAST_BLOOD_PERCENT * 1e-5, "blood_percent_per_l")
    t_blood, used_blood, s_blood = _used(times, blood, measured.scaled("blood_sigma_percent_per_l", 1e-5), file)
    return Samples(t_body, used_body, s_body, t_blood, used_blood, s_blood, settings.get("nuclide"), str(file))


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
                why="they become shares of it",
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
            raise InputError(
                f"unknown setting {key!r}",
                why="known: " + ", ".join(SETTINGS),
                suggestion=did_you_mean(key, SETTINGS),
                file=file,
                field=key,
            )
    if found.get("decay_corrected", "no") not in ("yes", "no", "true", "false", "0", "1"):
        raise InputError(
            f"decay_corrected: {found['decay_corrected']}",
            why="it is yes or no",
            suggestion="write yes or no",
            file=file,
        )
    if "administered_mbq" in found:
        found["administered_mbq"] = str(_activity(samples, found["administered_mbq"]))
    if "nuclide" in found:
        found["nuclide"] = found["nuclide"].capitalize()
    return found


_KIND = "give the samples as CSV, saved as UTF-8 (docs/methods/blood.md)"


def _columns(samples: CsvFile) -> dict[str, np.ndarray]:
    """Values of each column (n,) in its own unit; NaN for a sample that was not taken."""
    file = samples.path
    if len(samples.rows) < 2 or samples.heading is None:
        raise InputError(
            "no samples", why="a header line and one line a sample are needed", suggestion=_KIND, file=file
        )
    found = samples.columns(COLUMNS)
    if "time_h" not in found:
        raise InputError("no column time_h", why="every sample needs its time", suggestion=_KIND, file=file)
    for pair in (("whole_body_percent", "whole_body_counts"), ("blood_percent_per_l", "blood_kbq_per_ml")):
        if all(name in found for name in pair):
            raise InputError(
                f"both {pair[0]} and {pair[1]}", why="one of them would be ignored", suggestion="keep one", file=file
            )
    return {name: factor * samples.values(place, name, missing=True) for name, (place, factor) in found.items()}


def _check_times(samples: CsvFile, times: np.ndarray) -> None:
    """Refuse times that do not increase, or that are hours in another unit."""
    if not np.all(np.isfinite(times)) or np.any(times < 0.0) or np.any(np.diff(times) <= 0.0):
        raise InputError(
            "sample times that are missing, negative or do not increase",
            why="times are hours after administration, one line a time, in order",
            suggestion="sort the lines, and give every sample its time",
            file=samples.path,
            field="time_h",
        )
    last = float(times[-1])
    if last > SAMPLE_TIME.most:
        raise InputError(
            f"the last sample is taken at {last:g} h",
            why=f"{SAMPLE_TIME.name} is at most {SAMPLE_TIME.most:g} h: {SAMPLE_TIME.reason}",
            suggestion="give hours; if these are minutes, call the column time_min",
            file=samples.path,
            field="time_h",
        )
    if last < LAST_SAMPLE_H:
        raise InputError(
            f"the last sample is taken at {last:.3g} h",
            why=f"samples of the first {LAST_SAMPLE_H:g} h do not show how the activity leaves the body",
            suggestion="give later samples too; if these are days, call the column time_d",
            file=samples.path,
            field="time_h",
        )


def _check_size(
    samples: CsvFile, times: np.ndarray, shares: np.ndarray | None, early_h: float, least: float, column: str
) -> None:
    """Refuse early samples that are smaller than can be: fractions under a heading of per cent."""
    if shares is None:
        return
    seen = np.isfinite(shares)
    early = seen & (times <= early_h)
    if np.any(early) and np.all(shares[seen] < least):
        first = int(np.argmax(early))
        raise InputError(
            f"at {times[first]:g} h the sample is {shares[first]:.2g} of the administered activity"
            f"{' in 1 mL' if column.startswith('blood') else ''}, and no other is larger than {shares[seen].max():.2g}",
            why="early samples hold more of what was given",
            suggestion="give per cent, not fractions (75 for 0.75), or call the column "
            + ("whole_body_fraction" if column.startswith("whole") else "blood_fraction_per_l"),
            file=samples.path,
            field=column,
        )


def _activity(samples: CsvFile, text: str) -> float:
    """The administered activity [MBq] that a comment states."""
    try:
        return TRACER_ACTIVITY.check(samples.number(text, 0), f"{text} MBq")
    except InputError as error:
        raise InputError(
            f"{text!r} is no activity" if error.field else error.problem,
            why="it is a number of megabecquerels" if error.field else error.why,
            suggestion="write '# administered_mbq: 74'",
            file=samples.path,
            field="administered_mbq",
        ) from None


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
        raise InputError(
            "first whole-body count is not positive",
            why="it represents what was administered",
            suggestion="correct it, or give whole_body_percent instead",
            file=file,
            field="whole_body_counts",
        )
    return counts / counts[first] * math.exp(-rate * times[first])


def _used(
    times: np.ndarray, values: np.ndarray | None, sigma: np.ndarray | None, file: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Times and values of the samples that were taken; negative values are refused."""
    if values is None:
        return np.empty(0), np.empty(0), None
    keep = np.isfinite(values)
    if np.any(values[keep] < 0.0):
        raise InputError(
            "a negative sample",
            why="an activity is not negative",
            suggestion="correct it, or leave it empty",
            file=file,
        )
    chosen = None
    if sigma is not None:
        chosen = sigma[keep]
        if not np.all(chosen > 0.0):
            raise InputError(
                "a sample without a positive standard uncertainty",
                why="every measured value has one, above 0",
                suggestion="complete the column, or leave it out",
                file=file,
            )
    return times[keep], values[keep], chosen
