"""Clinical files of a run: patient.json, visits.csv and the picture of the registered CTs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case.model import Case
from ..errors import InputError
from ..files import csv_text, read_json, write_bytes, write_json, write_text
from ..lesions.quantities import QUANTITIES
from ..lesions.record import TARGET
from ..pipeline.clinic.visits import VisitLesions, follow_up
from ..report.clinic import overlay
from ..text import plain
from .patient_shape import check_patient_record
from .sealed import check_seal, sealed

if TYPE_CHECKING:
    from ..pipeline.outcome import VisitOutcome

PATIENT_FILE, VISITS_FILE, PICTURE_FILE = "patient.json", "visits.csv", "alignment.png"
PATIENT_FORMAT = "hevesy-patient"
PATIENT_VERSION = 1

#: Columns of visits.csv, in order; then ratio, low and high of every quantity.
VISIT_COLUMNS = (
    "patient", "lesion", "site", "visit", "state", "names", "distance_mm", "confirm", "volume_ml",
    "diameter_mm", "long_axis_mm", "short_axis_mm", "uptake_percent", "uptake_percent_per_g",
    "effective_half_life_h", "ldpa_gy_per_gbq", "dose_gy", "lower_bound", "upper_bound", "response",
    "reinduction",
)  # fmt: skip


def patient_record(case: Case, visits: Sequence[VisitOutcome]) -> dict[str, Any]:
    """The clinic's record of a patient: every visit, and what changed between them.

    Parameters
    ----------
    case
        The case.
    visits
        What its visits gave, in order.

    Returns
    -------
    dict
        Plain data as docs/formats/patient.md describes it, ready for JSON.
    """
    several = [
        VisitLesions(v.name, [one for one in v.lesions if one.role == TARGET], v.result, v.frame_of_reference)
        for v in visits
    ]
    return plain(
        {
            "format": PATIENT_FORMAT,
            "format_version": PATIENT_VERSION,
            "patient": case.patient,
            "visits": [v.clinic for v in visits],
            "follow_up": follow_up(case, several),
        }
    )


def clinic_lines(record: Mapping[str, Any]) -> list[str]:
    """What a terminal shows of the patient record, one sentence per line."""
    lines = []
    visits = [visit for visit in record.get("visits") or () if visit]
    for visit in visits:
        name, blood = f"{visit['visit']}: " if len(visits) > 1 else "", visit.get("blood")
        if blood:
            lines.append(
                f"{name}Maximum tolerable activity {blood['maximum_gbq']:.3g} GBq, set by {blood['limiting_rule']} "
                f"(blood {blood['dose_gy_per_gbq']:.3g} Gy/GBq, whole body {blood['retention_48h_percent']:.2g} % at "
                "48 h)."
            )
        lines += [f"{name}{sentence}" for sentence in visit["eligibility"].get("sentences", ())[1:]]
        flips = visit["eligibility"].get("flips")
        if flips:
            listed = "; ".join(f"{lesion} at {', '.join(where)}" for lesion, where in flips.items())
            lines.append(f"{name}Lesions that reach the threshold at some activities only: {listed}.")
    for later in (record.get("follow_up") or {}).get("visits") or ():
        states = ", ".join(f"{count} {state}" for state, count in later["states"].items())
        again = ", ".join(later["re_induced"]) or "none"
        line = f"{later['visit']}: lesions {states}; re-induced: {again}"
        if later.get("recist"):
            line += f"; RECIST {later['recist']['response']} ({later['recist']['change_percent']:+.0f} %)"
        lines.append(line + ".")
    return lines


def write_patient(record: Mapping[str, Any], folder: Path) -> None:
    """Write ``patient.json``, and ``visits.csv`` when there are several visits."""
    write_json(folder / PATIENT_FILE, sealed(record))
    follow = record.get("follow_up")
    if follow:
        write_text(folder / VISITS_FILE, _visits_csv(str(record["patient"]), follow["rows"]))


def alignment_picture(visit: VisitOutcome) -> bytes:
    """Picture of the visit's registered CTs, a PNG file; empty where there is nothing to register."""
    if not visit.overlays or visit.result.ct_hu is None:
        return b""
    return overlay(visit.result.grid, np.asarray(visit.result.ct_hu), visit.overlays)


def write_alignment_picture(png: bytes, folder: Path) -> None:
    """Write the picture of the registered CTs; nothing when it is empty."""
    if png:
        write_bytes(folder / PICTURE_FILE, png)


def read_alignment_picture(folder: Path) -> bytes:
    """The picture of the registered CTs, a PNG file; empty when the folder has none."""
    file = folder / PICTURE_FILE
    return file.read_bytes() if file.is_file() else b""


def read_patient(folder: Path) -> dict[str, Any]:
    """The patient record in a run's folder or in the one above; empty when there is none.

    Parameters
    ----------
    folder
        Folder of a run, or of one of its visits.

    Returns
    -------
    dict
        What :func:`patient_record` gave.

    Raises
    ------
    InputError
        Not a patient record of this format version, or values of other types than a run writes.
    """
    file = next((f / PATIENT_FILE for f in (folder, folder.parent) if (f / PATIENT_FILE).is_file()), None)
    if file is None:
        return {}
    record = read_json(file, "run the case again")
    stated = (record.get("format"), record.get("format_version")) if isinstance(record, dict) else (None, None)
    if stated != (PATIENT_FORMAT, PATIENT_VERSION):
        raise InputError(
            f"not a patient record of format version {PATIENT_VERSION}",
            why=f"it states format {stated[0]!r}, version {stated[1]!r}",
            suggestion="run the case again",
            file=file,
        )
    check_seal(record, file)
    check_patient_record(record, file)
    return dict(record)


def _visits_csv(patient: str, rows: Sequence[Mapping[str, Any]]) -> str:
    changes = [(key, part) for key, _, _ in QUANTITIES for part in ("ratio", "low", "high")]
    lines = []
    for row in rows:
        flat = {**(row.get("values") or {}), **row, "patient": patient, "names": " + ".join(row["names"])}
        ratios = row.get("ratios") or {}
        for key, part in changes:
            flat[f"{key}_{part}"] = (ratios.get(key) or {}).get(part)
        lines.append(flat)
    return csv_text([*VISIT_COLUMNS, *(f"{key}_{part}" for key, part in changes)], lines)
