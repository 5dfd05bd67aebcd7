"""What a terminal shows of a run: the tables of each visit, and sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..lesions.record import TARGET, LesionDose
from ..lesions.verdict import UNDETERMINED
from ..text import NONE, Table, chance, dose_unit, number, plus_minus
from .clinic import clinic_lines

if TYPE_CHECKING:
    from ..pipeline.outcome import Outcome

#: A column: its title, and its cell for a lesion.
Column = tuple[str, Callable[[LesionDose], str]]


def lesion_tables(outcome: Outcome, *, wide: bool = False) -> list[Table]:
    """For each visit the lesions that are judged, then the other structures; in each table by dose, highest first.

    Parameters
    ----------
    outcome
        What a run gave.
    wide
        Every column: size, Monte Carlo part, dose per activity, and what the map says as imaged.

    Returns
    -------
    list of Table
        Doses in the unit that suits the highest of their table.
    """
    tables = []
    for visit in outcome.visits:
        name = f"{visit.name}: " if len(outcome.visits) > 1 else ""
        judged = [lesion for lesion in visit.lesions if lesion.judged]
        others = [lesion for lesion in visit.lesions if not lesion.judged]
        if judged:
            tables.append(_table(judged, wide, f"{name}lesions" if name or others else None))
        if others:
            roles = any(lesion.role != TARGET for lesion in others)
            what = "organs and references" if roles else "lesions"
            tables.append(_table(others, wide, f"{name}{what}" if name or roles else None))
    return tables


def _table(lesions: Sequence[LesionDose], wide: bool, title: str | None) -> Table:
    """One kind of structure: all of `lesions` are judged, or none of them is."""
    unit, per_gy = dose_unit(max((lesion.dose_gy for lesion in lesions), default=math.nan))
    columns: list[Column] = [
        (f"dose\n[{unit}]", lambda one: _dose(one, per_gy)),
        (f"interval\n(k = 2) [{unit}]" if wide else "interval\n(k = 2)", lambda one: _interval(one, per_gy)),
    ]
    text: list[Column] = [("lesion", lambda one: one.lesion)]
    if lesions[0].judged:
        threshold = lesions[0].threshold_gy
        columns += [(f"P(dose ≥\n{threshold:g} Gy)", lambda one: chance(one.probability)), ("verdict", _verdict)]
    elif any(lesion.role != TARGET for lesion in lesions):
        text = [("structure", lambda one: one.lesion), ("role", lambda one: one.role)]
        columns.append((f"limit\n[{unit}]", lambda one: number(per_gy * one.limit_gy)))
    else:
        columns.append(("dose per activity\n[mGy/MBq]", lambda one: number(one.ldpa_gy_per_gbq)))
    if wide:
        columns += _wide_columns(lesions[0], unit, per_gy)
    chosen = [*text, *columns]
    ordered = sorted(lesions, key=lambda one: -one.dose_gy)
    return Table(
        [heading for heading, _ in chosen], [[cell(one) for _, cell in chosen] for one in ordered], title, len(text)
    )


def _wide_columns(first: LesionDose, unit: str, per_gy: float) -> list[Column]:
    """Size and parts of the dose, then what the dose map says as imaged."""
    columns: list[Column] = [
        ("volume\n[mL]", lambda one: number(one.volume_ml)),
        ("mass\n[g]", lambda one: number(one.mass_g)),
        (f"MC part\n[{unit}]", lambda one: number(per_gy * one.dose_mc_standard_error_gy, 2)),
    ]
    if first.judged or first.role != TARGET:  # else it stands among the first columns
        columns.append(("per activity\n[Gy/GBq]", lambda one: number(one.ldpa_gy_per_gbq)))
    columns += [
        ("corrected /\nas imaged", lambda one: number(one.recovery_dose_factor)),
        (f"as imaged:\nmean [{unit}]", lambda one: number(per_gy * one.dose_map_gy)),
        (f"min\n[{unit}]", lambda one: _of_voxels(one, per_gy * one.min_gy)),
        (f"max\n[{unit}]", lambda one: _of_voxels(one, per_gy * one.max_gy)),
        (f"D95\n[{unit}]", lambda one: _of_voxels(one, per_gy * one.d95_gy)),
    ]
    if first.judged:
        columns.append((f"V{first.threshold_gy:g}Gy\n[%]", lambda one: _of_voxels(one, one.vthreshold_percent)))
    columns.append(("local\n[%]", lambda one: _signed(one.local_difference_percent)))
    return columns


def _dose(lesion: LesionDose, per_gy: float) -> str:
    return lesion.bounds.sign + plus_minus(per_gy * lesion.dose_gy, per_gy * lesion.stated_uncertainty_gy)


def _interval(lesion: LesionDose, per_gy: float) -> str:
    """Both ends; none of a bound, whose interval is not that of the true dose."""
    if lesion.bounds or not math.isfinite(lesion.interval_low_gy):
        return NONE
    return f"{number(per_gy * lesion.interval_low_gy)}–{number(per_gy * lesion.interval_high_gy)}"


def _verdict(lesion: LesionDose) -> str:
    return lesion.verdict + (" ?" if lesion.undecided and lesion.verdict != UNDETERMINED else "")


def _of_voxels(lesion: LesionDose, value: float) -> str:
    """A metric of the voxel doses; none for a lesion that the PET does not resolve."""
    return number(value) if lesion.voxel_metrics == "shown" else NONE


def _signed(value: float) -> str:
    return f"{value:+.1f}" if math.isfinite(value) else NONE


def verdict_lines(outcome: Outcome) -> list[str]:
    """What the judge says on each visit, or what the dose is of, and then what changes it.

    Parameters
    ----------
    outcome
        What a run gave.

    Returns
    -------
    list of str
        Sentences for the terminal.
    """
    lines = []
    for visit in outcome.visits:
        sentence = visit.verdict.sentence if visit.verdict else str(visit.clinic.get("dose_of_scan") or "")
        if sentence:
            lines.append(f"{visit.name}: {sentence}" if len(outcome.visits) > 1 else sentence)
    return lines + [f"critical: {text}" for text in _notes(outcome, critical=True)]


def warning_lines(outcome: Outcome) -> list[str]:
    """The warnings of every visit that are not critical, each once.

    Parameters
    ----------
    outcome
        What a run gave.

    Returns
    -------
    list of str
        Sentences; those of one visit of several after its name.
    """
    return [f"caution: {text}" for text in _notes(outcome, critical=False)]


def _notes(outcome: Outcome, *, critical: bool) -> list[str]:
    """The critical notes or the other warnings; what several visits share is said once, with their names."""
    found: dict[str, list[str]] = {}
    for visit in outcome.visits:
        for text in visit.result.warnings:
            if (text in visit.result.critical) == critical:
                found.setdefault(text, []).append(visit.name)
    several = len(outcome.visits) > 1
    return [
        f"{', '.join(names)}: {text}" if several and not text.startswith(names[0]) else text
        for text, names in found.items()
    ]


def further_lines(outcome: Outcome, *, wide: bool = False) -> list[str]:
    """How to read the tables, then the clinical record: other activities, tolerance, changes between visits.

    Parameters
    ----------
    outcome
        What a run gave.
    wide
        Whether the tables have every column.

    Returns
    -------
    list of str
        Sentences for the terminal.
    """
    lesions = outcome.lesions
    corrected = any(lesion.recovery_dose_factor != 1.0 for lesion in lesions)
    reading = [
        "dose: mean" + (", corrected for PET recovery," if corrected else "") + " ± standard uncertainty (k = 1)"
    ]
    if any(lesion.undecided and lesion.verdict != UNDETERMINED for lesion in lesions):
        reading.append("?: undecided, the interval holds the threshold")
    signs = {lesion.bounds.sign.strip() for lesion in lesions if lesion.bounds}
    meaning = {"≥": "at least", "≤": "at most", "~": "not known how far from the truth"}
    reading += [f"{sign} {words}" for sign, words in meaning.items() if sign in signs]
    if wide:
        reading.append(
            f"as imaged: of the dose map{', not corrected' if corrected else ''}, as min, max, D95 and V are; local: "
            "local deposition relative to that map"
        )
    return ["; ".join(reading) + ".", *clinic_lines(outcome.clinic)] if lesions else clinic_lines(outcome.clinic)
