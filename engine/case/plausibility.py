"""Values of a case that are unusual: used, and said to the reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from ..notes import CAUTION, CRITICAL, Note
from ..nuclides.chains import chain
from ..nuclides.decay import nuclide
from .fields import Quantity
from .model import Case, Visit
from .ranges import GRID_SPACING, ORGAN_LIMIT, THERAPY_ACTIVITY, THRESHOLD, TRACER_ACTIVITY, Range
from .therapy import Therapy

#: The dose is proportional to these, or judged against them: what is unusual of them stands in the first box.
_DECISIVE = frozenset({THERAPY_ACTIVITY.name, TRACER_ACTIVITY.name, THRESHOLD.name, ORGAN_LIMIT.name})
#: Least usual activity [MBq] of a therapy without alpha particles, and least weight [kg] of a patient: 131I is given in
#: hundreds of MBq for the thyroid and in GBq for its metastases, 90Y and 177Lu in GBq. MBq for GBq lies below.
LEAST_BETA_MBQ, LEAST_PATIENT_KG = 100.0, 20.0


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
        Notes of weight "caution", or "critical" where dose or verdict follow from the value, with the key of each.
    """
    number = case.visits.index(visit)
    remarks = [
        *_unusual(case, ""),
        *(Note(f"visits[{number}].{text}", weight=text.weight) for text in _unusual(visit, "")),
    ]
    spacing = case.transport.spacing_mm
    if spacing is not None and (text := GRID_SPACING.unusual(spacing)):
        remarks.append(Note(f"transport.grid {text}", weight=CAUTION))
    return [*remarks, *_little_for_a_beta_emitter(case, visit)]


def _little_for_a_beta_emitter(case: Case, visit: Visit) -> Iterator[Note]:
    """A remark where a patient would be treated with less of a beta emitter than any is."""
    if not case.judged or (visit.weight_kg or case.weight_kg or LEAST_PATIENT_KG) < LEAST_PATIENT_KG:
        return
    for therapy in (case.therapy, *case.further_therapies):
        if THERAPY_ACTIVITY.unusual(therapy.activity_mbq) or therapy.activity_mbq >= LEAST_BETA_MBQ or _alpha(therapy):
            continue
        words = (
            f"therapy.activity {THERAPY_ACTIVITY.text(therapy.activity_mbq)} of {therapy.nuclide} is unusual: patients "
            f"are treated with {LEAST_BETA_MBQ:g} MBq or more of nuclides without alpha particles; check its unit"
        )
        yield Note(words, weight=CRITICAL)


def _alpha(therapy: Therapy) -> bool:
    """Whether a therapy brings alpha particles, of its nuclide or of the progeny."""
    return any(nuclide(member.name).emission.alpha_lines.size for member in chain(therapy.nuclide))


def _weight(limits: Range) -> str:
    return CRITICAL if limits.name in _DECISIVE else CAUTION


def _unusual(block: BaseModel, path: str) -> Iterator[Note]:
    for name, field in type(block).model_fields.items():
        value, key = getattr(block, name), f"{path}{field.alias or name}"
        if isinstance(value, Visit):
            continue
        if isinstance(value, BaseModel):
            yield from _unusual(value, f"{key}.")
        parts = enumerate(value) if isinstance(value, tuple) else value.items() if isinstance(value, Mapping) else ()
        for part, item in parts:
            if isinstance(item, BaseModel) and not isinstance(item, Visit):
                yield from _unusual(item, f"{key}[{part}].")
        limits = next((mark.range for mark in _marks(field.annotation, field.metadata) if mark.range), None)
        for index, number in enumerate(value if isinstance(value, tuple) else (value,)):
            if limits is not None and isinstance(number, float) and (text := limits.unusual(number)):
                shown = f"{key}{f'[{index}]' if isinstance(value, tuple) else ''} {text}"
                yield Note(shown, weight=_weight(limits))


def _marks(annotation: object, metadata: object) -> Iterator[Quantity]:
    """The quantities that a field's annotation names: its own, or those of its parts (a union, a tuple)."""
    for mark in (*(metadata or ()), *getattr(annotation, "__metadata__", ())):  # type: ignore[misc]
        if isinstance(mark, Quantity):
            yield mark
    for part in getattr(annotation, "__args__", ()):
        yield from _marks(part, ())
