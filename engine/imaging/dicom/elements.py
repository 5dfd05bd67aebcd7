"""Elements of a DICOM data set as what the standard says they are: a foreign file may hold anything in their place.

Every reader of this program takes elements through these functions. One that is absent or empty is None (or an empty
list); one that holds something else (text for a number, a number for a sequence) is absent too where the value can be
done without, which the caller decides, and a refusal with file, element and value where it cannot.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...text import escaped, shortened

if TYPE_CHECKING:
    from pydicom.dataelem import RawDataElement
    from pydicom.dataset import Dataset


def _value(data: Dataset, keyword: str) -> object:
    """The value of an element as pydicom converts it; None where it is absent, empty or cannot be converted."""
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import RawDataElement

    try:
        raw = data.get_item(keyword)
        if not isinstance(raw, RawDataElement):
            return raw if raw is None else raw.value
        if (raw.VR or dictionary_VR(raw.tag)) not in _PLAIN:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return data.get(keyword)
        # not stored in the data set: of a pile of files each value would then be held twice
        encoding = data.original_character_set
        return _converted(raw, encoding if isinstance(encoding, str) else tuple(encoding))
    except Exception:  # conversion is done when a value is asked for, and fails in many ways
        return None


#: Representations whose values depend on their own bytes alone, and on no other element.
_PLAIN = frozenset(
    ("AS", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US")
)  # fmt: skip


@lru_cache(maxsize=8192)
def _converted(raw: RawDataElement, encoding: str | tuple[str, ...]) -> object:
    """The value of a raw element; slices of one series have most of theirs in common."""
    from pydicom.dataelem import convert_raw_data_element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return convert_raw_data_element(raw, encoding=encoding if isinstance(encoding, str) else list(encoding)).value


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
    wanted = "one number" if count == 1 else f"{count} numbers"
    value = held(data, keyword)
    problem = f"{keyword} is '{value}', not {wanted}" if value else f"the file has no {keyword}"
    raise InputError(problem, why=why, suggestion="export the series again", file=file, field=keyword)


def held(data: Dataset, keyword: str) -> str:
    """What an element holds, as text for messages; empty if absent or empty, its bytes where they have no meaning."""
    words = texts(data, keyword)
    if not words and keyword in data:
        value = getattr(data.get_item(keyword), "value", b"")
        if isinstance(value, bytes):
            words = [value.decode("latin-1").strip("\0 ")]
        elif _is_sequence(value):
            words = ["a sequence"]
    return shortened(escaped(chr(92).join(words)), 60) if any(words) else ""


def _is_sequence(value: object) -> bool:
    from pydicom.sequence import Sequence as DicomSequence

    return isinstance(value, DicomSequence)


def compressed(data: Dataset) -> bool:
    """Whether the pixels of an object are compressed.

    Parameters
    ----------
    data
        The object, with its file meta information where it has some.

    Returns
    -------
    bool
        True where the transfer syntax is none that is known: a decoder says then what is wrong.
    """
    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", None)
    if not syntax:
        return False
    try:
        return bool(syntax.is_compressed)
    except (AttributeError, ValueError):
        return True
