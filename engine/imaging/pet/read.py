"""PET to activity concentration in Bq/mL, true at the scan time.

What the stored values mean follows from Units (0054,1001) and Decay Correction (0054,1102):

- BQML, START: true at the start of the scan; unchanged.
- BQML, ADMIN: decayed back to the administration; multiplied by exp(-lambda (scan - administration)).
- BQML, NONE: true at each slice's own acquisition; brought to the start of the scan.
- SUV: multiplied by (administered activity decayed to the scan) / size of the patient (``units.py``). The SUV is the
  same for START and ADMIN, since image and activity are decayed together.

The half-life, activity, weight and height used to undo a conversion are those in the header, because the scanner
used them; the values of the case fill gaps and are used for everything after.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ...errors import InputError
from ...notes import CONTRADICTION, CRITICAL, Note
from ..dicom.find import Header
from ..dicom.series import stack
from ..source import ImagePath, ImageSource
from ..volumes import volume_of
from .checks import check_total, check_values
from .factors import correction_fits
from .file import read_pet_file
from .header import PetHeader, read_pet_header
from .moments import Moment
from .scan import Known, PetScan
from .stated import Body
from .times import scan_times
from .tracers import radionuclide_half_life_s
from .units import BY_HEIGHT, BY_SEX, SUV_KINDS, factors_agree, size_of
from .within import HALF_LIFE_TOLERANCE, OTHER_NUCLIDE, within_scan

log = logging.getLogger(__name__)


def read_pet(
    path: ImagePath | ImageSource,
    *,
    administered: datetime | None = None,
    activity_mbq: float | None = None,
    weight_kg: float | None = None,
    half_life_s: float | None = None,
    after_h: float | None = None,
    tracer: str | None = None,
    body: Body | None = None,
) -> PetScan:
    """Read a PET as activity concentration true at the scan time.

    Parameters
    ----------
    path
        DICOM series (folder, ``folder#SeriesInstanceUID``, file, file list) or NIfTI, MetaImage, NRRD; or any of
        these opened before.
    administered, activity_mbq, weight_kg
        Time, activity [MBq] and body weight [kg] as the case says; they go before the header, except for undoing the
        scanner's own conversion.
    half_life_s
        Half-life of the case's tracer nuclide [s].
    after_h
        Time from administration to the scan [h], from the case; goes before all dates.
    tracer
        The case's tracer nuclide.
    body
        Height and sex, from the case.

    Returns
    -------
    PetScan
        The images with its time, and what was assumed.

    Raises
    ------
    InputError
        Units that are neither Bq/mL nor SUV; no administration or scan time; missing activity,
        weight, height, sex or half-life where a conversion needs them; NaN or negative activity; activity that cannot
        be right; what :func:`read_volume` refuses.
    """
    if after_h is not None and not (math.isfinite(after_h) and after_h >= 0.0):
        raise InputError(
            f"the scan is {after_h:g} h after administration",
            why="a scan cannot come before the administration",
            suggestion="give the hours from administration to scan",
            field="after",
        )
    given = None if administered is None else Moment(administered)
    known = Known(given, activity_mbq, weight_kg, half_life_s, after_h, tracer, body or Body())
    source = ImageSource.open(path)
    scan = _read_dicom(source, known) if source.is_dicom else read_pet_file(source.location, known)
    check_values(scan)
    check_total(scan)
    for text in scan.assumptions:
        log.debug("%s: %s", scan.volume.source, text)
    return scan


def _read_dicom(source: ImageSource, known: Known) -> PetScan:
    headers = source.series("PET", "PT")
    info = read_pet_header(headers, source.name, known.half_life_s)
    notes = [*info.notes, *_impossible(info, known, source.name), *_other_tracer(info, known)]
    half_life = _half_life(info, known.half_life_s, notes)
    time_h, header_h = scan_times(info, known, notes)
    scanner_half_life = info.half_life_s or half_life

    if time_h is None:
        raise InputError(
            "the time between administration and scan is unknown",
            why="; ".join(info.time_notes) or "the header gives no administration time or no scan time",
            suggestion="give `after: 24 h` for the scan, or `administered` for the tracer, in the case",
            file=source.name,
        )
    undo_h = header_h if header_h is not None else time_h
    notes += correction_fits(info, headers, undo_h, (scanner_half_life, half_life))
    factor, conversion = _factor(info, undo_h, scanner_half_life, known, source.name)
    notes += conversion
    scale = _product(info.scale.factor, within_scan(info, scanner_half_life, half_life, undo_h, notes))
    volume = volume_of(stack(headers, "PET"), "Bq/mL", source.name, scale)
    volume.values *= np.float32(factor)
    notes += _differences(info, known) + _philips(info, headers, known, undo_h)
    return PetScan(
        volume,
        time_h,
        known.activity_mbq if known.activity_mbq is not None else info.activity_mbq,
        info.tracer,
        notes,
        known.weight_kg if known.weight_kg is not None else info.weight_kg,
        half_life,
        info.start,
        known.administered or info.given,
    )


def _product(one: dict[str, float], two: dict[str, float] | None) -> dict[str, float] | None:
    """Factors of the slices by both; None where there is neither."""
    if not one or not two:
        return one or two or None
    return {uid: factor * two[uid] for uid, factor in one.items()}


def _other_tracer(info: PetHeader, known: Known) -> list[str]:
    """A remark where the header names another nuclide than the case."""
    if not info.tracer or not known.tracer or info.tracer == known.tracer:
        return []
    words = (
        f"the header names {info.tracer} as the tracer, the case {known.tracer}; the case's is used. A scan set up for "
        "another nuclide is calibrated with that one's positrons per decay"
    )
    return [Note(words, CONTRADICTION, CRITICAL)]


def _philips(info: PetHeader, headers: Sequence[Header], known: Known, hours: float) -> list[str]:
    """A remark where the scanner's factors to Bq/mL and to SUV do not belong together."""
    activity, weight = info.activity_mbq or known.activity_mbq, info.weight_kg or known.weight_kg
    if not info.scale.factor or info.scale.suv or not activity or not weight or not info.half_life_s:
        return []
    left_bq = activity * 1e6 * math.exp(-math.log(2.0) * hours * 3600.0 / info.half_life_s)
    return factors_agree(headers, weight * 1e3 / left_bq)


def _impossible(info: PetHeader, known: Known, source: str) -> list[str]:
    """Remarks on values of the header that cannot be right, where the case states them.

    Raises
    ------
    InputError
        Where it does not.
    """
    notes: list[str] = []
    stated = {"activity": known.activity_mbq, "weight": known.weight_kg, "height": known.body.height_cm}
    for key, refusal in info.impossible.items():
        if key == "height" and info.scale.suv not in BY_HEIGHT:
            continue
        if stated[key] is None:
            raise InputError(
                refusal.problem, why=refusal.why, suggestion=refusal.suggestion, file=source, field=refusal.field
            )
        words = f"{refusal.field}: {refusal.problem}; the case's `{key}` is used"
        notes.append(Note(words, CONTRADICTION))
    return notes


def _differences(info: PetHeader, known: Known) -> list[str]:
    """Remarks where case and header state different activities or weights; the case's are used."""
    notes: list[str] = []
    if known.activity_mbq is not None and info.activity_mbq and _differ(known.activity_mbq, info.activity_mbq):
        words = (
            f"the case's administered activity {known.activity_mbq:.4g} MBq is used; the header says "
            f"{info.activity_mbq:.4g} MBq"
        )
        notes.append(Note(words, CONTRADICTION))
    if known.weight_kg is not None and info.weight_kg and _differ(known.weight_kg, info.weight_kg):
        words = f"the case's weight {known.weight_kg:g} kg is used; the header says {info.weight_kg:g} kg"
        notes.append(Note(words, CONTRADICTION))
    return notes


def _differ(a: float, b: float) -> bool:
    return abs(a / b - 1.0) > 0.01


def _half_life(info: PetHeader, given: float | None, notes: list[str]) -> float | None:
    """The tracer's half-life [s]: the case's, else the named nuclide's, else the header's own."""
    known = given if given is not None else radionuclide_half_life_s(info.tracer)
    stated = info.half_life_s
    if known and stated and abs(stated / known - 1.0) > HALF_LIFE_TOLERANCE:
        words = (
            f"the header's half-life {stated:.6g} s is not the tracer's {known:.6g} s; what the scanner corrected with "
            "the header's is undone with it, decay after the scan uses the tracer's"
        )
        other = abs(stated / known - 1.0) > OTHER_NUCLIDE
        if other:
            words += (
                "; the scan was set up for another nuclide, its branching ratio may be wrong as well and with it the "
                "calibration"
            )
        notes.append(Note(words, CONTRADICTION, CRITICAL) if other else words)
    return known or stated


def _factor(
    info: PetHeader,
    hours: float,
    half_life_s: float | None,
    known: Known,
    source: str,
) -> tuple[float, list[str]]:
    """Factor from rescaled values to Bq/mL at the scan start, and a remark."""

    def decay() -> float:
        if not half_life_s:
            raise InputError(
                "the tracer's half-life is unknown",
                why=f"decay correction {info.decay_correction} has to be undone",
                suggestion="name the tracer nuclide in the case",
                file=source,
                field="RadionuclideHalfLife",
            )
        return math.exp(-math.log(2.0) * hours * 3600.0 / half_life_s)

    if info.units == "BQML":
        if info.decay_correction != "ADMIN":
            return 1.0, []
        factor = decay()
        return factor, [
            f"PET values are decay corrected to the administration (ADMIN); multiplied by {factor:.5g} "
            f"for {hours:.4g} h to be true at the scan"
        ]
    kind = info.scale.suv
    stated, given = info.activity_mbq, known.activity_mbq
    activity = (given or stated) if info.activity_guessed else (stated or given)
    weight = info.weight_kg or known.weight_kg
    height, sex = info.body.height_cm or known.body.height_cm, info.body.sex or known.body.sex
    for value, what, key in (
        (activity, "administered activity", "activity"),
        (weight, "body weight", "weight"),
        (height if kind in BY_HEIGHT else True, "height", "height"),
        (sex if kind in BY_SEX else True, "sex (male or female)", "sex"),
    ):
        if not value:
            raise InputError(
                f"the PET is in SUV and the {what} is unknown",
                why=f"SUV by {SUV_KINDS[kind]} is turned back into Bq/mL with it",
                suggestion=f"give `{key}` in the case",
                file=source,
                field=key,
            )
    assert activity is not None and weight is not None
    size = _size(kind, weight, height, sex, source)
    remaining = decay()
    factor = activity * 1e6 * remaining / size
    divisor = f"{weight:g} kg" if kind == "BW" else f"{size:.5g} {'cm2' if kind == 'BSA' else 'g'}"
    return factor, [
        f"PET values are SUV by {SUV_KINDS[kind]}; Bq/mL = SUV x {activity:.5g} MBq x {remaining:.5g} (decay "
        f"over {hours:.4g} h to the scan, half-life {half_life_s:.6g} s) / {divisor}",
        *_older_formula(kind, weight, height, sex),
    ]


def _size(kind: str, weight_kg: float, height_cm: float | None, sex: str | None, source: str) -> float:
    """What the SUV was multiplied with; refused where a formula, used outside its range, leaves nothing."""
    size = size_of(kind, weight_kg, height_cm, sex)
    if size > 0.0:
        return size
    raise InputError(
        f"the {SUV_KINDS[kind]} of {weight_kg:g} kg and {height_cm:g} cm is {size * 1e-3:.3g} kg by its formula",
        why="the formula holds for adults of usual build",
        suggestion="check weight and height, or export the series in Bq/mL",
        file=source,
        field="SUVType (0054,1006)",
    )


def _older_formula(kind: str, weight_kg: float, height_cm: float | None, sex: str | None) -> list[str]:
    """A remark on LBM without the name of its formula, which scanners computed in two ways."""
    if kind != "LBM":
        return []
    ratio = size_of("LBM", weight_kg, height_cm, sex) / size_of("LBMJAMES128", weight_kg, height_cm, sex)
    words = (
        "SUV of type LBM does not say by which formula: 1.10 W - 120 (W/H)^2 for men and 1.07 W - 148 (W/H)^2 for "
        f"women is taken; with 128 in place of 120 the activity would be {ratio:.3g} times as large"
    )
    return [Note(words, CONTRADICTION)]
