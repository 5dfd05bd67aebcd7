"""Elements of a DICOM data set as what the standard says they are: a foreign file may hold anything in their place.

Every reader of this program takes elements through these functions. One that is absent or empty is None (or an empty
list); one that holds something else (text for a number, a number for a sequence) is absent too where the value can be
done without, which the caller decides, and a refusal with file, element and value where it cannot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def _value(data: Dataset, keyword: str) -> object:
    """The value of an element as pydicom converts it; None where it is absent, empty or cannot be converted."""
    try:
        return data.get(keyword)
    except Exception:  # conversion is done when a value is asked for, and fails in many ways
        return None


def text(data: Dataset, keyword: str) -> str:
    """An element as one line of text, without blanks around it; several values joined by blanks; empty if absent."""
    return " ".join(" ".join(texts(data, keyword)).split())


def texts(data: Dataset, keyword: str) -> list[str]:
    """An element as a list of texts; empty if absent."""
    value = _value(data, keyword)
    if value is None or isinstance(value, bytes) or _is_sequence(value):
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):  # a person's name can be iterated, letter by letter
        value = [value]
    return [word for one in value if (word := str(one).strip())]


def numbers(data: Dataset, keyword: str) -> list[float]:
    """An element as finite numbers; empty if absent, or if any of its values is none."""
    found = []
    for word in texts(data, keyword):
        try:
            number = float(word)
        except ValueError:
            return []
        if not math.isfinite(number):
            return []
        found.append(number)
    return found


def number(data: Dataset, keyword: str) -> float | None:
    """An element as one finite number; None if absent, no number, or several."""
    found = numbers(data, keyword)
    return found[0] if len(found) == 1 else None


def items(data: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; empty if absent or no sequence."""
    value = _value(data, keyword)
    return list(value) if _is_sequence(value) else []  # type: ignore[call-overload]


def required_numbers(data: Dataset, keyword: str, count: int, file: Path, why: str) -> list[float]:
    """An element as this many finite numbers.

    Raises
    ------
    InputError
        It is absent, or holds something else; naming the file, the element and what it holds.
    """
    found = numbers(data, keyword)
    if len(found) == count:
        return found
    held = texts(data, keyword)
    wanted = "one number" if count == 1 else f"{count} numbers"
    problem = f"{keyword} is {chr(92).join(held)!r}, not {wanted}" if held else f"the file has no {keyword}"
    raise InputError(problem, why=why, suggestion="export the series again", file=file, field=keyword)


def _is_sequence(value: object) -> bool:
    from pydicom.sequence import Sequence as DicomSequence

    return isinstance(value, DicomSequence)
