"""Values that a PET header states, where they can be right; the refusals of those that cannot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...case.ranges import HEIGHT, TRACER_ACTIVITY, WEIGHT, Range
from ...errors import InputError
from ...notes import CONTRADICTION, CRITICAL, Note
from ...same import SAME_STATED
from ..dicom.elements import number, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Smallest value of the administered activity that is taken as Bq.
LEAST_BQ = 1e5
#: Half-lives of tracers [s]: 82Rb has 76 s, 22Na of sources 2.6 years.
LEAST_HALF_LIFE_S, MOST_HALF_LIFE_S = 30.0, 1e9
#: Units of time that exporters write for a half-life in place of seconds [s].
_TIME_UNITS = {"minutes": 60.0, "hours": 3600.0, "days": 86400.0}
#: Largest value below that which is taken as MBq; those between may be Bq, kBq or MBq.
MOST_MBQ = 12e3

_TOTAL_DOSE, _WEIGHT, _SIZE = (
    "RadionuclideTotalDose (0018,1074)",
    "PatientWeight (0010,1030)",
    "PatientSize (0010,1020)",
)


@dataclass(frozen=True)
class Body:
    """Height [cm] and sex (``"male"`` or ``"female"``) of a patient; None where they are not stated."""

    height_cm: float | None = None
    sex: str | None = None


def positive(value: object) -> float | None:
    """A value as a positive finite number; None otherwise."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found > 0.0 else None


def stated_positive(data: Dataset, keyword: str) -> float | None:
    """An element as one positive number; None otherwise."""
    return positive(number(data, keyword))


def stated_half_life_s(stated: object, tracers_s: Iterable[float | None], notes: list[str]) -> float | None:
    """Half-life of the tracer [s] as a header states it; None where it states none, or one of no tracer.

    Parameters
    ----------
    stated
        Value of the header.
    tracers_s
        Half-lives of the tracers that header and case name [s]: one of them in another unit is recognised.
    notes
        Gets a remark where the value is not used, or not taken as seconds.
    """
    found = positive(stated)
    if found is None:
        return None
    known = [tracer for tracer in tracers_s if tracer]
    for tracer in known:
        for unit, seconds in _TIME_UNITS.items():
            if abs(found * seconds / tracer - 1.0) <= SAME_STATED:
                words = f"the header's half-life {found:g} is that of the tracer in {unit}, and is taken as such"
                notes.append(Note(words, CONTRADICTION))
                return found * seconds
    if LEAST_HALF_LIFE_S <= found <= MOST_HALF_LIFE_S:
        return found
    notes.append(Note(f"the header's half-life {found:g} s is that of no tracer and is not used", CONTRADICTION))
    return None


def listed_corrections(listed: Sequence[str], scatter: str = "") -> list[str]:
    """Remarks where a list of corrections (CorrectedImage) leaves out one that makes a PET quantitative.

    Parameters
    ----------
    listed
        Its words; an empty list says nothing.
    scatter
        The method of the correction for scatter, where it is stated by itself.
    """
    notes: list[str] = []
    words = [word.upper() for word in listed]
    if words and "ATTN" not in words:
        text = "the header does not list attenuation correction; the activity is not quantitative"
        notes.append(Note(text, CONTRADICTION, CRITICAL))
    if words and not any(word.startswith("SCAT") for word in words) and scatter.upper() in ("", "NONE"):
        text = "the header does not list scatter correction; without it the activity is too high by tens of per cent"
        notes.append(Note(text, CONTRADICTION))
    return notes


def stated_body(data: Dataset, impossible: dict[str, InputError]) -> tuple[float | None, Body]:
    """Body weight [kg], height and sex as a header states them.

    Parameters
    ----------
    data
        The header.
    impossible
        Gets the refusal of a value that cannot be right, under the key of the case that replaces it.

    Returns
    -------
    tuple
        Weight, and height with sex; None for what is not stated, or cannot be right.
    """
    weight = _within(WEIGHT, stated_positive(data, "PatientWeight"), "weight", _WEIGHT, impossible)
    metres = stated_positive(data, "PatientSize")
    height = _within(HEIGHT, None if metres is None else 100.0 * metres, "height", _SIZE, impossible)
    sex = {"M": "male", "F": "female"}.get(text(data, "PatientSex").upper())
    return weight, Body(height, sex)


def stated_activity_mbq(stated: object, notes: list[str], impossible: dict[str, InputError]) -> float | None:
    """Administered activity [MBq] as a header states it; the standard asks for Bq, and not every exporter follows it.

    Parameters
    ----------
    stated
        Value of the header.
    notes
        Gets a remark where the value is not used, or not taken as Bq.
    impossible
        Gets the refusal of a value that cannot be right, under the key of the case that replaces it.

    Returns
    -------
    float or None
        None where the header states none, or one that cannot be right.
    """
    value = positive(stated)
    if value is None:
        if stated is not None and str(stated).strip():
            notes.append(Note(f"the header's administered activity is {stated}, which is not used", CONTRADICTION))
        return None
    if value >= LEAST_BQ:
        return _within(TRACER_ACTIVITY, value * 1e-6, "activity", _TOTAL_DOSE, impossible)
    if value > MOST_MBQ:
        impossible["activity"] = InputError(
            f"the header's administered activity is {value:g}, without a unit",
            why=f"the standard asks for Bq; that would be {value * 1e-3:g} kBq, in kBq it is {value * 1e-3:g} MBq "
            f"and in MBq {value * 1e-3:g} GBq",
            suggestion="state `activity` in the case",
            field=_TOTAL_DOSE,
        )
        return None
    words = (
        f"the header's administered activity {value:g} cannot be Bq as the standard asks; taken as {value:g} MBq "
        f"(in mCi it would be {37.0 * value:g} MBq)"
    )
    notes.append(Note(words, CONTRADICTION, CRITICAL))
    return _within(TRACER_ACTIVITY, value, "activity", _TOTAL_DOSE, impossible)


def _within(limits: Range, value: float | None, key: str, tag: str, impossible: dict[str, InputError]) -> float | None:
    if value is None:
        return None
    try:
        return limits.check(value, limits.text(value))
    except InputError as error:
        impossible[key] = InputError(
            f"the header's value {error.problem}", why=error.why, suggestion=f"state `{key}` in the case", field=tag
        )
        return None
