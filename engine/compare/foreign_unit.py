"""The unit of a foreign dose map: what its header and its user say, and the factor that makes gray of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid import Volume
from ..imaging.formats.dose_unit import stated_dose_units
from ..imaging.source import ImageSource
from ..text import did_you_mean

#: Gray per unit of dose that a header or an option may state.
UNITS_GY = {"Gy": 1.0, "cGy": 1e-2, "mGy": 1e-3, "uGy": 1e-6, "µGy": 1e-6, "kGy": 1e3, "rad": 1e-2, "rads": 1e-2}
#: Gigabecquerel per unit of activity that a dose may be stated per.
ACTIVITIES_GBQ = {"GBq": 1.0, "MBq": 1e-3, "kBq": 1e-6, "Bq": 1e-9, "mCi": 0.037, "Ci": 37.0}


def option(unit: str) -> str:
    """How a user names the unit of a map."""
    return f"--with FILE=NAME:{unit}"


def gray_per_value(file: Path, unit: str, scale: float, volume: Volume, activity_gbq: float) -> tuple[float, str]:
    """Gray per stored value, and the remark on it.

    Parameters
    ----------
    file
        The file.
    unit
        As the user names it, empty without: of dose, or of dose per therapy activity.
    scale
        Further factor.
    volume
        What was read of the file.
    activity_gbq
        Therapy activity [GBq]; NaN where it is not known.

    Raises
    ------
    InputError
        An unknown unit, one that contradicts the header, a dose per activity without one, a scale not above zero.
    """
    whole, activity = unit, ""
    if unit.partition("/")[0] in UNITS_GY and unit.partition("/")[2] in ACTIVITIES_GBQ:
        unit, _, activity = unit.partition("/")
        if not activity_gbq > 0.0:
            raise InputError(
                f"a dose in {whole} has no therapy activity to be for",
                why="the run does not state one",
                suggestion="give the dose in Gy",
                file=file,
                field="unit",
            )
        scale *= activity_gbq / ACTIVITIES_GBQ[activity]
    if not (np.isfinite(scale) and scale > 0.0):
        raise InputError(
            f"the scale of the dose map is {scale:g}",
            why="doses are multiplied by it",
            suggestion="give a number above zero, or none",
            file=file,
            field="scale",
        )
    if unit and unit not in UNITS_GY:
        raise InputError(
            f"unknown unit of dose {unit!r}",
            why="dose maps are compared in Gy",
            suggestion=did_you_mean(unit, UNITS_GY, "use Gy, cGy, mGy, or a dose per activity such as mGy/MBq"),
            file=file,
            field="unit",
        )
    dicom = volume.source and ImageSource.open(volume.source).is_dicom
    stated = ["Gy"] if dicom else stated_dose_units(file)
    relative = next((one for one in stated if one not in UNITS_GY), None)
    if relative is not None and scale == 1.0 and not activity:
        unit = relative if relative.partition("/")[2] in ACTIVITIES_GBQ else "mGy/MBq"
        raise InputError(
            f"the header states {relative}, not Gy",
            why="doses are compared for the therapy activity of the run, and this is a dose per something",
            suggestion=f"a dose per therapy activity is named by its unit: {option(unit)}",
            file=file,
            field="unit",
        )
    known = {UNITS_GY[one] for one in stated if one in UNITS_GY}
    given = UNITS_GY.get(unit)
    if (given is None and len(known) > 1) or (given is not None and known and given not in known):
        words = " and ".join(stated)
        raise InputError(
            f"the header states {words}" + (f", the option {unit}" if unit else ""),
            why="they contradict each other",
            suggestion=f"correct the header, or name the unit that it states: {option(stated[0])}",
            file=file,
            field="unit",
        )
    gray = given if given is not None else next(iter(known), 1.0)
    shown = whole or next((one for one in stated if one in UNITS_GY), "")
    text = f"values taken in {shown}, as stated" if shown else "the file states no unit; values taken in Gy"
    if activity:
        text += f", times {activity_gbq:g} GBq"
    elif scale != 1.0:
        text += f", times {scale:g}"
    return gray * scale, f"{text}, for the therapy activity of the run"
