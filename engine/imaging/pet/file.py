"""A PET in a NIfTI, MetaImage or NRRD file, with a sidecar (.json of BIDS PET or dcm2niix) where there is one."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ...case.ranges import SCAN_TIME, TRACER_ACTIVITY, WEIGHT
from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ...same import SAME_SECOND_S, SAME_STATED
from ...units import ACTIVITY, unit_factor
from ..volumes import read_file
from .frame_times import (
    check_agreement,
    check_corrected_to,
    early_scan,
    frame_start_s,
    half_frame_s,
    sidecar_factors,
    uncorrected_factor,
)
from .header import PetHeader
from .moments import stamp_of
from .scan import Known, PetScan
from .sidecar import Sidecar, read_sidecar, shown
from .stated import listed_corrections, stated_activity_mbq, stated_half_life_s
from .times import scan_times
from .tracers import nuclide_name, radionuclide_half_life_s
from .units import Scale
from .within import OTHER_NUCLIDE

#: Units a sidecar may state, and their factor to Bq/mL.
FILE_UNITS = {"bq/ml": 1.0, "bqml": 1.0, "bq/cc": 1.0, "kbq/ml": 1e3, "kbqml": 1e3, "kbq/cc": 1e3, "mbq/ml": 1e6}
#: Those that mean SUV by body weight.
SUV_UNITS = frozenset({"gml", "g/ml", "suv", "suvbw", "suv (g/ml)", "suvbw (g/ml)"})
#: Words in a file's name that say it is in other units than Bq/mL.
_OTHER_UNITS = re.compile(r"(?i)(?<![a-z])(suv(?:bw|lbm|bsa|ibw)?|sul|kbq(?:ml)?|mbq(?:ml)?|counts|cnts|cps)(?![a-z])")


def header_of_file(path: Path, half_life_s: float | None = None) -> PetHeader:
    """What the sidecar of a volume says, in the words of a DICOM header; nothing where it has none.

    Parameters
    ----------
    path
        The volume; its sidecar has the same name with the ending ``.json``.
    half_life_s
        Half-life of the case's tracer [s], by which one in another unit is recognised.

    Returns
    -------
    PetHeader
        Units, decay correction, tracer, half-life, activity, weight, times; ``after_h`` where scan and injection are
        both stated.

    Raises
    ------
    InputError
        A sidecar that is no JSON object, a key of another type than its own, units that are no activity concentration
        or SUV, values that cannot be right.
    """
    facts, origin = read_sidecar(path)
    with origin.named():
        info = _header(facts, origin.own, path, half_life_s)
    info.notes += origin.note()
    return info


def _header(facts: Sidecar, sidecar: Path, path: Path, half_life_s: float | None) -> PetHeader:
    factor, suv, said = _unit(facts, sidecar, path)
    info = PetHeader("GML" if suv else "BQML", _correction(facts, sidecar), scale=Scale(suv, whole=factor))
    info.notes.append(said)
    named = [nuclide_name(words) for words in (facts.tracer, facts.substance, facts.tracer_name)]
    info.tracer = next((name for name in named if name), None)
    _positive(facts.half_life_s, "RadionuclideHalfLife", sidecar)
    tracers = (radionuclide_half_life_s(info.tracer), half_life_s)
    info.half_life_s = stated_half_life_s(facts.half_life_s, tracers, info.notes)
    info.notes += _corrections(facts)
    info.activity_mbq = _activity(facts, sidecar, info)
    stated = facts.weight_kg if facts.weight_kg is not None else facts.body_weight_kg
    if stated is not None:
        key = "PatientWeight" if facts.weight_kg is not None else "BodyWeight"
        info.weight_kg = _checked(WEIGHT.check, stated, f"{stated:g} kg", key, sidecar)
    info.start = stamp_of(facts.acquired).moment()
    info.after_h = _after_h(facts, sidecar)
    info.model, info.reconstruction = facts.model or None, facts.reconstruction or None
    info.kernel = facts.kernel or None
    return info


def read_pet_file(path: Path, known: Known) -> PetScan:
    """A PET as Bq/mL true at the scan, unless its sidecar says otherwise.

    Parameters
    ----------
    path
        The image; its sidecar has the same name with the ending ``.json``.
    known
        What the case says; ``after_h`` is needed where the sidecar gives no times.

    Raises
    ------
    InputError
        An image or sidecar that cannot be read, a unit that is not an activity concentration or SUV, no time, no
        half-life, activity or weight where a conversion needs it.
    """
    info = header_of_file(path, known.half_life_s)
    facts, origin = read_sidecar(path)
    volume = read_file(path, "Bq/mL")
    notes = [*info.notes, *info.scale.notes, *info.time_notes]
    time_h, scanner_h = scan_times(info, known, notes)
    if time_h is None:
        raise InputError(
            "the time between administration and scan is unknown",
            why="this file format stores no times, and no sidecar states when the scan and the injection began",
            suggestion="give `after: 24 h` for the scan in the case",
            file=path,
            field="after",
        )
    if known.after_h is None:
        notes.append(f"the sidecar's times put the scan {time_h:.4g} h after administration")
    half_life = info.half_life_s or known.half_life_s
    undo_h = scanner_h if scanner_h is not None else time_h
    with origin.named():
        check_agreement(facts, time_h, scanner_h, origin.own)
        delay_s = half_frame_s(facts, origin.own, notes)
        notes += sidecar_factors(facts, info, [info.half_life_s, known.half_life_s], undo_h, origin.own)
        notes += early_scan(info, known.half_life_s or info.half_life_s)
        undone, said = _decay(facts, info, half_life, undo_h, origin.own)
        if info.decay_correction == "NONE":
            undone, said = uncorrected_factor(delay_s, known.half_life_s or info.half_life_s)
        if info.scale.suv:
            undone, said = _suv(info, known, half_life, undo_h, origin.own)
    notes += [said] if said else []
    if info.scale.whole * undone != 1.0:
        volume.values *= np.float32(info.scale.whole * undone)
    notes += _contradictions(info, known)
    activity = known.activity_mbq if known.activity_mbq is not None else info.activity_mbq
    weight = known.weight_kg if known.weight_kg is not None else info.weight_kg
    return PetScan(
        volume, time_h, activity, info.tracer, notes, weight, known.half_life_s or info.half_life_s, info.start,
        known.administered,
    )  # fmt: skip


def _unit(facts: Sidecar, sidecar: Path, path: Path) -> tuple[float, str, str]:
    """Factor to Bq/mL or SUV, the kind of SUV (empty for Bq/mL), and a remark."""
    units = facts.units.lower().replace(" ", "") if facts.units.lower() not in SUV_UNITS else facts.units.lower()
    if not units:
        found = _OTHER_UNITS.search(re.sub(r"[_\-.]+", " ", path.name))
        if found is not None:
            raise InputError(
                f"its name says {found[1].upper()}, and no sidecar states its unit",
                why="values without a unit are taken as Bq/mL, and these are not",
                suggestion="convert it to Bq/mL and rename it, or state its unit in "
                f'{sidecar.name}, as in {{"Units": "SUV"}} or {{"Units": "kBq/mL"}}',
                file=path,
                field="Units",
            )
        return 1.0, "", "no unit is stated; the values are taken as Bq/mL"
    if units in SUV_UNITS:
        return 1.0, "BW", f"the sidecar says {facts.units}, SUV by body weight"
    if units not in FILE_UNITS:
        raise InputError(
            f"the PET's unit is {shown(facts.units)}",
            why="activity concentration is needed",
            suggestion="convert the image to Bq/mL",
            file=sidecar,
            field="Units",
        )
    return FILE_UNITS[units], "", f"the sidecar says {facts.units}"


def _correction(facts: Sidecar, sidecar: Path) -> str:
    """Decay correction in the words of DICOM, by whichever of the two ways of saying it is there."""
    stated = facts.decay_correction.upper()
    if stated and stated not in ("NONE", "START", "ADMIN"):
        raise InputError(
            f"the PET's decay correction is {shown(facts.decay_correction)}",
            why="NONE, START and ADMIN are defined",
            suggestion="correct DecayCorrection in it",
            file=sidecar,
            field="DecayCorrection",
        )
    if facts.decay_corrected is None:
        return stated or "START"
    if facts.decay_corrected and stated == "NONE" or not facts.decay_corrected and stated in ("START", "ADMIN"):
        raise InputError(
            f"DecayCorrection is {stated}, and ImageDecayCorrected {str(facts.decay_corrected).lower()}",
            why="one of the two is wrong, and the activity depends on it",
            suggestion="correct one of them",
            file=sidecar,
            field="ImageDecayCorrected",
        )
    if not facts.decay_corrected:
        return stated or "NONE"
    if facts.corrected_to_s is None and not stated:
        raise InputError(
            "ImageDecayCorrected is true, and ImageDecayCorrectionTime is not stated",
            why="whether the values hold for the scan or for the injection is not known",
            suggestion="add ImageDecayCorrectionTime and ScanStart, both in seconds from TimeZero",
            file=sidecar,
            field="ImageDecayCorrectionTime",
        )
    return stated or "START"


def _decay(
    facts: Sidecar, info: PetHeader, half_life_s: float | None, hours: float, sidecar: Path
) -> tuple[float, str]:
    """Factor that undoes a decay correction to another time than the scan, and a remark."""
    shift_s = hours * 3600.0 if info.decay_correction == "ADMIN" else 0.0
    if facts.decay_corrected and facts.corrected_to_s is not None:
        start_s = frame_start_s(facts, sidecar)
        if start_s is None:
            raise InputError(
                "ImageDecayCorrectionTime is stated, and ScanStart is not",
                why="how long before the scan the values hold is not known",
                suggestion="add ScanStart, in seconds from TimeZero",
                file=sidecar,
                field="ScanStart",
            )
        check_corrected_to(facts, start_s, sidecar)
        by_time_s = start_s - facts.corrected_to_s
        if facts.decay_correction and abs(by_time_s - shift_s) > max(60.0, 0.02 * abs(shift_s)):
            raise InputError(
                f"DecayCorrection is {info.decay_correction}, and ImageDecayCorrectionTime lies {by_time_s:g} s before "
                "ScanStart",
                why="one of the two is wrong, and the activity depends on it",
                suggestion="correct one of them",
                file=sidecar,
                field="ImageDecayCorrectionTime",
            )
        shift_s = by_time_s
        hours = abs(shift_s) / 3600.0
        _checked(SCAN_TIME.check, hours, f"{hours:.6g} h", "ImageDecayCorrectionTime", sidecar)
    if abs(shift_s) <= SAME_SECOND_S:
        stated = facts.decay_corrected is not None or facts.decay_correction
        return (
            1.0,
            "" if stated else "the values are taken as true at the time of the scan (no decay correction undone)",
        )
    if not half_life_s:
        raise InputError(
            "the tracer's half-life is unknown",
            why="the sidecar's decay correction has to be undone",
            suggestion="name the tracer nuclide in the case",
            file=sidecar,
        )
    factor = math.exp(-math.log(2.0) * shift_s / half_life_s)
    return factor, f"the sidecar says decay corrected to {shift_s:g} s before the scan; multiplied by {factor:.5g}"


def _suv(info: PetHeader, known: Known, half_life_s: float | None, hours: float, sidecar: Path) -> tuple[float, str]:
    """Factor from SUV by body weight to Bq/mL at the scan."""
    activity, weight = info.activity_mbq or known.activity_mbq, info.weight_kg or known.weight_kg
    for value, what, key in (
        (activity, "administered activity", "InjectedRadioactivity"),
        (weight, "body weight", "BodyWeight"),
        (half_life_s, "tracer's half-life", "RadionuclideHalfLife"),
    ):
        if not value:
            raise InputError(
                f"the PET is in SUV and the {what} is unknown",
                why="SUV is turned back into Bq/mL with it",
                suggestion=f"state {key}, or give it in the case",
                file=sidecar,
                field=key,
            )
    assert activity and weight and half_life_s
    left = math.exp(-math.log(2.0) * hours * 3600.0 / half_life_s)
    words = f"PET values are SUV by body weight; Bq/mL = SUV x {activity:.5g} MBq x {left:.5g} / {weight:g} kg"
    return activity * 1e6 * left / (weight * 1e3), words


def _activity(facts: Sidecar, sidecar: Path, info: PetHeader) -> float | None:
    """Administered activity [MBq]: InjectedRadioactivity with its unit, else the header's dose."""
    if facts.injected is None:
        if facts.total_dose is None:
            return None
        found = stated_activity_mbq(facts.total_dose, info.notes, info.impossible)
        for refusal in info.impossible.values():
            raise InputError(
                refusal.problem, why=refusal.why, suggestion=refusal.suggestion, file=sidecar,
                field="RadionuclideTotalDose",
            )  # fmt: skip
        return found
    factor = unit_factor(facts.injected_units, ACTIVITY) if facts.injected_units else None
    if factor is None:
        unit = shown(facts.injected_units) if facts.injected_units else "no unit"
        raise InputError(
            f"InjectedRadioactivity is {facts.injected:g} in {unit}",
            why="an activity without a unit can be off by orders of magnitude",
            suggestion="state InjectedRadioactivityUnits, for example MBq",
            file=sidecar,
            field="InjectedRadioactivityUnits",
        )
    value = facts.injected * factor
    words = f"{facts.injected:g} {facts.injected_units}"
    return _checked(TRACER_ACTIVITY.check, value, words, "InjectedRadioactivity", sidecar)


def _checked(check, value: float, words: str, key: str, sidecar: Path) -> float:  # type: ignore[no-untyped-def]
    try:
        return float(check(value, words))
    except InputError as error:
        raise InputError(error.problem, why=error.why, suggestion=error.suggestion, file=sidecar, field=key) from None


def _positive(value: float | None, key: str, sidecar: Path) -> float | None:
    if value is not None and value <= 0.0:
        raise InputError(
            f"{key} is {value:g}",
            why="it is more than zero",
            suggestion=f"correct {key} in it",
            file=sidecar,
            field=key,
        )
    return value


def _after_h(facts: Sidecar, sidecar: Path) -> float | None:
    """Hours from the injection to the scan, where both are stated."""
    if facts.scan_start_s is None or facts.injection_start_s is None:
        return None
    hours = ((frame_start_s(facts, sidecar) or 0.0) - facts.injection_start_s) / 3600.0
    if hours < 0.0:
        raise InputError(
            f"ScanStart lies {-hours:.4g} h before InjectionStart",
            why="a scan cannot come before the administration",
            suggestion="correct one of them; both are in seconds from TimeZero",
            file=sidecar,
            field="ScanStart",
        )
    return _checked(SCAN_TIME.check, hours, f"{hours:.6g} h", "ScanStart", sidecar)


def _contradictions(info: PetHeader, known: Known) -> list[str]:
    """Remarks where case and sidecar disagree; the case's values are used."""
    notes: list[str] = []
    if info.tracer and known.tracer and info.tracer != known.tracer:
        words = f"the sidecar names {info.tracer} as the tracer, the case {known.tracer}; the case's is used"
        notes.append(Note(words, CONTRADICTION, CRITICAL))
    for case, file, what, unit in (
        (known.activity_mbq, info.activity_mbq, "administered activity", "MBq"),
        (known.weight_kg, info.weight_kg, "weight", "kg"),
        (known.half_life_s, info.half_life_s, "half-life", "s"),
    ):
        if not case or not file or abs(case / file - 1.0) <= SAME_STATED:
            continue
        words = f"the case's {what} {case:.5g} {unit} is used; the sidecar says {file:.5g} {unit}"
        other = what == "half-life" and abs(file / case - 1.0) > OTHER_NUCLIDE
        if other:
            words += (
                ", that of another nuclide: the decay within the scan was corrected with it, which could not be put "
                "right, and the calibration may be that nuclide's"
            )
        notes.append(Note(words, CONTRADICTION, CRITICAL if other else CAUTION))
    return notes


def _corrections(facts: Sidecar) -> list[str]:
    """Remarks on corrections that the sidecar says were not made."""
    notes = listed_corrections(facts.corrected, " ".join(facts.scatter_method))
    methods = [*facts.attenuation, *facts.attenuation_method]
    if any(method.strip().upper() in ("NONE", "NO", "NAC") for method in methods) and not any(
        "attenuation" in note for note in notes
    ):
        words = "the sidecar says that attenuation was not corrected; the activity is not quantitative"
        notes.append(Note(words, CONTRADICTION, CRITICAL))
    return notes
