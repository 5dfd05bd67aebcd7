"""PET to activity concentration in Bq/mL, true at the scan time.

What the stored values mean follows from Units (0054,1001) and Decay Correction (0054,1102):

- BQML, START: true at the start of the scan; unchanged.
- BQML, ADMIN: decayed back to the administration; multiplied by exp(-lambda (scan - administration)).
- BQML, NONE: true at each slice's own acquisition; brought to the start of the scan.
- GML, SUV by body weight: multiplied by (administered activity decayed to the scan) / weight. The SUV is the
  same for START and ADMIN, since image and activity are decayed together.

The half-life, activity and weight used to undo a conversion are those in the header, because the scanner
used them; the values of the case fill gaps and are used for everything after.
"""

from __future__ import annotations

import logging
import math
from datetime import datetime

import numpy as np

from ...errors import InputError
from ...notes import CONTRADICTION, Note
from ..dicom.series import stack
from ..source import ImagePath, ImageSource
from ..volumes import volume_of
from .checks import check_total, check_values
from .file import read_pet_file
from .header import PetHeader, radionuclide_half_life_s, read_pet_header
from .scan import Known, PetScan

log = logging.getLogger(__name__)

#: A header's half-life further than this from the nuclide's is reported.
HALF_LIFE_TOLERANCE = 0.005


def read_pet(
    path: ImagePath | ImageSource,
    *,
    administered: datetime | None = None,
    activity_mbq: float | None = None,
    weight_kg: float | None = None,
    half_life_s: float | None = None,
    after_h: float | None = None,
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

    Returns
    -------
    PetScan
        The images with its time, and what was assumed.

    Raises
    ------
    InputError
        Units that are not Bq/mL or SUV by body weight; no administration or scan time; missing activity,
        weight or half-life where a conversion needs them; NaN or negative activity; what
        :func:`read_volume` refuses.
    """
    if after_h is not None and not (math.isfinite(after_h) and after_h >= 0.0):
        raise InputError(
            f"the scan is {after_h:g} h after administration",
            why="a scan cannot come before the administration",
            suggestion="give the hours from administration to scan",
            field="after",
        )
    source, known = ImageSource.open(path), Known(administered, activity_mbq, weight_kg, half_life_s, after_h)
    scan = _read_dicom(source, known) if source.is_dicom else read_pet_file(source.location, known)
    check_values(scan)
    check_total(scan)
    for text in scan.assumptions:
        log.debug("%s: %s", scan.volume.source, text)
    return scan


def _read_dicom(source: ImageSource, known: Known) -> PetScan:
    headers = source.series("PET", "PT")
    info = read_pet_header(headers, source.name)
    notes = [*info.notes, *_impossible(info, known, source.name)]
    half_life = _half_life(info, known.half_life_s, notes)
    time_h, header_h = _times(info, known.administered, known.after_h, notes)
    scanner_half_life = info.half_life_s or half_life

    if time_h is None:
        raise InputError(
            "the time between administration and scan is unknown",
            why="; ".join(info.time_notes) or "the header gives no administration time or no scan time",
            suggestion="give `after: 24 h` for the scan, or `administered` for the tracer, in the case",
            file=source.name,
        )
    undo_h = header_h if header_h is not None else time_h
    factor, conversion = _factor(info, undo_h, scanner_half_life, known, source.name)
    notes += conversion
    scale = _per_slice_decay(info, scanner_half_life, notes) if info.decay_correction == "NONE" else None
    volume = volume_of(stack(headers, "PET"), "Bq/mL", source.name, scale)
    volume.values *= np.float32(factor)
    notes += _differences(info, known)
    return PetScan(
        volume,
        time_h,
        known.activity_mbq if known.activity_mbq is not None else info.activity_mbq,
        info.tracer,
        notes,
        known.weight_kg if known.weight_kg is not None else info.weight_kg,
        half_life,
        info.scan_start,
        known.administered or info.administered,
    )


def _impossible(info: PetHeader, known: Known, source: str) -> list[str]:
    """Remarks on values of the header that cannot be right, where the case states them.

    Raises
    ------
    InputError
        Where it does not.
    """
    notes: list[str] = []
    for key, refusal in info.impossible.items():
        if (known.activity_mbq if key == "activity" else known.weight_kg) is None:
            raise InputError(
                refusal.problem, why=refusal.why, suggestion=refusal.suggestion, file=source, field=refusal.field
            )
        notes.append(Note(f"{refusal.field}: {refusal.problem}; the case's `{key}` is used", CONTRADICTION))
    return notes


def _differences(info: PetHeader, known: Known) -> list[str]:
    """Remarks where case and header state different activities or weights; the case's are used."""
    notes = []
    if known.activity_mbq is not None and info.activity_mbq and _differ(known.activity_mbq, info.activity_mbq):
        notes.append(
            f"the case's administered activity {known.activity_mbq:.4g} MBq is used; the header says "
            f"{info.activity_mbq:.4g} MBq"
        )
    if known.weight_kg is not None and info.weight_kg and _differ(known.weight_kg, info.weight_kg):
        notes.append(f"the case's weight {known.weight_kg:g} kg is used; the header says {info.weight_kg:g} kg")
    return notes


def _differ(a: float, b: float) -> bool:
    return abs(a / b - 1.0) > 0.01


def _half_life(info: PetHeader, given: float | None, notes: list[str]) -> float | None:
    """The tracer's half-life [s]: the case's, else the named nuclide's, else the header's own."""
    known = given if given is not None else radionuclide_half_life_s(info.tracer)
    stated = info.half_life_s
    if known and stated and abs(stated / known - 1.0) > HALF_LIFE_TOLERANCE:
        text = (
            f"the header's half-life {stated:.6g} s is not the tracer's {known:.6g} s; the scanner's "
            "decay correction was "
            f"undone with the header's, decay after the scan uses the tracer's"
        )
        if abs(stated / known - 1.0) > 0.05:
            text += (
                "; the scan was set up for another nuclide, its branching ratio may be wrong as well and with it the "
                "calibration"
            )
            text = Note(text, CONTRADICTION)
        notes.append(text)
    return known or stated


def _times(
    info: PetHeader, administered: datetime | None, after_h: float | None, notes: list[str]
) -> tuple[float | None, float | None]:
    """Hours from administration to scan: for the dosimetry, and as assumed by the scanner (None: unknown)."""
    header_h = None
    if info.scan_start is not None and info.administered is not None:
        header_h = (info.scan_start - info.administered).total_seconds() / 3600.0
    if after_h is not None:
        if header_h is not None and abs(header_h - after_h) > max(0.25, 0.02 * after_h):
            notes.append(
                f"the case says {after_h:g} h after administration, the header's times say "
                f"{header_h:.4g} h; the case's "
                "is used"
            )
        return after_h, header_h
    if administered is not None and info.scan_start is not None:
        start = info.scan_start
        hours = (start - administered.replace(tzinfo=None)).total_seconds() / 3600.0
        if hours < 0.0 or hours > 24.0 * 60:
            raise InputError(
                f"the scan of {start:%Y-%m-%d %H:%M} lies {hours:.4g} h after the administration of "
                f"{administered:%Y-%m-%d %H:%M}",
                why="a scan follows its administration within days; de-identification may have shifted dates",
                suggestion="give `after: 24 h` for the scan in the case instead",
                field="administered",
            )
        if header_h is not None and abs(header_h - hours) > 0.25:
            notes.append(
                f"the case's administration time gives {hours:.4g} h to the scan, the header's "
                f"{header_h:.4g} h; the "
                "case's is used"
            )
        return hours, header_h
    notes += info.time_notes
    return header_h, header_h


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
            f"for {hours:.4g} h "
            "to be true at the scan"
        ]
    activity = info.activity_mbq or known.activity_mbq
    weight = info.weight_kg or known.weight_kg
    for value, what, key in (
        (activity, "administered activity", "activity"),
        (weight, "body weight", "weight"),
    ):
        if not value:
            raise InputError(
                f"the PET is in SUV and the {what} is unknown",
                why="SUV is turned back into Bq/mL with it",
                suggestion=f"give `{key}` in the case",
                file=source,
                field=key,
            )
    assert activity is not None and weight is not None
    remaining = decay()
    factor = activity * 1e6 * remaining / (weight * 1e3)
    return factor, [
        f"PET values are SUV by body weight; Bq/mL = SUV x {activity:.5g} MBq x {remaining:.5g} (decay "
        f"over {hours:.4g} h "
        f"to the scan, half-life {half_life_s:.6g} s) / {weight:g} kg"
    ]


def _per_slice_decay(info: PetHeader, half_life_s: float | None, notes: list[str]) -> dict[str, float] | None:
    """Factors that bring uncorrected slices from their own mid-acquisition time to the start of the scan."""
    if not info.slice_delay_s or not half_life_s:
        notes.append("PET values are not decay corrected (NONE); they are taken as true at the scan start")
        return None
    rate = math.log(2.0) / half_life_s
    factors = {uid: math.exp(rate * delay) for uid, delay in info.slice_delay_s.items()}
    notes.append(
        "PET values are not decay corrected (NONE); each slice was brought from its own time to the "
        "scan start (factors "
        f"{min(factors.values()):.4f} to {max(factors.values()):.4f})"
    )
    return factors
