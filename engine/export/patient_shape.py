"""What the values of a patient record are, by their keys: a record of another program or a changed one is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..text import shortened

#: Keys whose value is a list of objects, an object, a list of texts, a text, a number.
_OBJECTS = frozenset({"visits", "at", "alignment", "reporting"})
_OBJECT = frozenset({"eligibility", "blood", "follow_up"})
_TEXTS = frozenset({"critical", "warnings", "sentences", "reached", "carried_by", "undecided", "borderline"})
_TEXT = frozenset({"patient", "visit", "verdict", "headline", "sentence", "item", "section"})
_NUMBER = frozenset({"threshold_gy", "therapy_activity_gbq", "activity_gbq", "maximum_gbq", "probability"})
_WHAT: dict[type, str] = {list: "a list", dict: "an object", str: "a text"}


def check_patient_record(record: Mapping[str, Any], file: Path) -> None:
    """Refuse a record with a value of another type than its key has.

    Parameters
    ----------
    record
        Content of patient.json.
    file
        For the message.

    Raises
    ------
    InputError
        Naming the place and the value.
    """
    for place, what, value in _wrong(record, ""):
        raise InputError(
            f"{shortened(value, 40)} is not {what}",
            why="this is not the record that a run writes",
            suggestion="run the case again",
            file=file,
            field=place,
        )


def _wrong(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Places, what should be there, and what is."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _wrong(item, f"{place}[{index}]")
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        own = f"{place}.{key}".removeprefix(".")
        kind = _kind(key)
        if item is not None and kind is not None and not _fits(item, kind):
            yield own, _WHAT.get(kind, "a number"), item
        elif key in _OBJECTS | _TEXTS and item is not None:
            inner: type = dict if key in _OBJECTS else str
            for index, one in enumerate(item):
                if not isinstance(one, inner):
                    yield f"{own}[{index}]", _WHAT[inner], one
        yield from _wrong(item, own)


def _kind(key: str) -> type | None:
    """Type of the value of a key; None where it may be any."""
    if key in _OBJECTS | _TEXTS:
        return list
    if key in _OBJECT:
        return dict
    if key in _TEXT:
        return str
    return float if key in _NUMBER else None


def _fits(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)
