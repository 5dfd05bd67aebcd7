"""Values that a PET header states, where they can be right; the refusals of those that cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...case.ranges import HEIGHT, TRACER_ACTIVITY, WEIGHT, Range
from ...errors import InputError
from ...notes import CONTRADICTION, CRITICAL, Note
from ..dicom.elements import number, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Smallest value of the administered activity that is taken as Bq.
LEAST_BQ = 1e5
#: Half-lives of tracers [s]: 82Rb has 76 s, 22Na of sources 2.6 years.
LEAST_HALF_LIFE_S, MOST_HALF_LIFE_S = 30.0, 1e9
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


def stated_half_life_s(data: Dataset, notes: list[str]) -> float | None:
    """Half-life of the tracer [s] as a header states it; None where it states none, or one of no tracer.

    Parameters
    ----------
    data
        The item of the radiopharmaceutical.
    notes
        Gets a remark where the value is not used.
    """
    found = stated_positive(data, "RadionuclideHalfLife")
    if found is None or LEAST_HALF_LIFE_S <= found <= MOST_HALF_LIFE_S:
        return found
    notes.append(Note(f"the header's half-life {found:g} s is that of no tracer and is not used", CONTRADICTION))
    return None


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
