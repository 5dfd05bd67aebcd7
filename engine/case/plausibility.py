"""Values of a case that are unusual: used, and said to the reader."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from ..notes import CAUTION, Note
from .fields import Quantity
from .model import Case, Visit
from .ranges import GRID_SPACING


def unusual_values(case: Case, visit: Visit) -> list[str]:
    """One sentence for each value of the case that a visit uses and that lies outside its usual range.

    Parameters
    ----------
    case
        The case.
    visit
        One of its visits; values of the others are left out.

    Returns
    -------
    list of str
        Notes of weight "caution", with the key of each value.
    """
    number = case.visits.index(visit)
    remarks = [
        *_unusual(case, ""),
        *(f"visits[{number}].{text}" for text in _unusual(visit, "")),
    ]
    spacing = case.transport.spacing_mm
    if spacing is not None and (text := GRID_SPACING.unusual(spacing)):
        remarks.append(f"transport.grid {text}")
    return [Note(text, weight=CAUTION) for text in remarks]


def _unusual(block: BaseModel, path: str) -> Iterator[str]:
    for name, field in type(block).model_fields.items():
        value, key = getattr(block, name), f"{path}{field.alias or name}"
        if isinstance(value, Visit):
            continue
        if isinstance(value, BaseModel):
            yield from _unusual(value, f"{key}.")
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel) and not isinstance(item, Visit):
                    yield from _unusual(item, f"{key}[{index}].")
        limits = next((mark.range for mark in _marks(field.annotation, field.metadata) if mark.range), None)
        for index, number in enumerate(value if isinstance(value, tuple) else (value,)):
            if limits is not None and isinstance(number, float) and (text := limits.unusual(number)):
                yield f"{key}{f'[{index}]' if isinstance(value, tuple) else ''} {text}"


def _marks(annotation: object, metadata: object) -> Iterator[Quantity]:
    """The quantities that a field's annotation names: its own, or those of its parts (a union, a tuple)."""
    for mark in (*(metadata or ()), *getattr(annotation, "__metadata__", ())):  # type: ignore[misc]
        if isinstance(mark, Quantity):
            yield mark
    for part in getattr(annotation, "__args__", ()):
        yield from _marks(part, ())
