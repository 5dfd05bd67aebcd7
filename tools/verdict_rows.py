"""One patient of the judge's trial: each cell's repetitions, and the whole way from DICOM, as rows to count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.engine.case.model import Case
from hevesy.engine.grid import Volume
from hevesy.engine.lesions.judge import judge_lesions
from hevesy.engine.lesions.record import LesionDose
from hevesy.engine.lesions.verdict import Judgement
from hevesy.engine.pipeline.clinic.therapy import judgement_of
from hevesy.engine.run import run

from ..phantoms.cohort import CohortPatient
from ..phantoms.noise import noise_stream
from ..phantoms.patient import LesionTruth, SyntheticPatient
from .cohort_check import answers
from .cohort_errors import draw_errors
from .verdict_cells import ACTIVITIES_GBQ, Cell, Ground, repetitions, written_case

#: Decays of a run from DICOM; the standard error of each mean is in its budget.
DECAYS = 1_000_000
#: Standard deviation along each axis of the patient's movement between scans [mm], where it moves.
MOVED_MM = 6.0
_MOVE_STREAM = 2_002

Rows = list[dict[str, Any]]


def cell_rows(ground: Ground, cells: tuple[Cell, ...], seeds: Sequence[int]) -> tuple[Rows, Rows]:
    """Rows of lesions and of patients, for every cell and noise seed."""
    lesions: Rows = []
    patients: Rows = []
    for seed in seeds:
        for cell, case, images in repetitions(ground, cells, seed):
            visit = ground.truth(cell.peak_h)
            records = answers(case, visit, images).lesions
            judgement = judgement_of(case, records, None)
            assert judgement is not None
            truths = {t.name: (visit.doses[t.label].dose_gy, t) for t in visit.scan.truth}
            about = {"cell": cell.name, "patient": ground.patient.name, "seed": seed}
            found, whole = rows_of(records, judgement, truths, about, cell.fwhm_mm)
            lesions += found
            patients.append(whole)
    return lesions, patients


def rows_of(
    records: Sequence[LesionDose],
    judgement: Judgement,
    truths: dict[str, tuple[float, LesionTruth]],
    about: dict[str, Any],
    fwhm_mm: float,
) -> tuple[Rows, dict[str, Any]]:
    """One row a lesion, and one for the patient; doses and truths are those of the planned activity."""
    lesions = []
    for record in records:
        true, known = truths[record.lesion]
        budget = record.uncertainty
        at = [next(one for one in verdict.lesions if one.lesion == record.lesion) for verdict in judgement.at]
        lesions.append(
            about
            | {
                "lesion": record.lesion,
                "resolutions": known.diameter_mm / fwhm_mm,
                "volume_ml": known.volume_ml,
                "true_gy": true,
                "dose_gy": record.dose_gy,
                "relative": budget.get("relative"),
                "sign": record.bounds.sign.strip(),
                "reasons": list(record.bounds.reasons),
                "at": [
                    [verdict.activity_gbq, one.verdict, one.decided, number(one.probability)]
                    for verdict, one in zip(judgement.at, at, strict=True)
                ],
            }
        )
    whole = about | {
        "true_gy": max(true for true, _ in truths.values()),
        "at": [
            [one.activity_gbq, one.verdict, one.certain, number(one.probability), number(one.probability_high)]
            for one in judgement.at
        ],
    }
    return lesions, whole


def number(value: float) -> float | None:
    """A number for JSON, or None."""
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class Measured(SyntheticPatient):
    """A patient whose scanner is wrong by these factors, one a scan."""

    factors: tuple[float, ...] = (1.0, 1.0)

    def _scan(self, number: int) -> tuple[Volume, Volume]:
        pet, ct = super()._scan(number)
        return replace(pet, values=(pet.values * self.factors[number]).astype(np.float32)), ct


#: The whole way from DICOM: name, scan times [h], whether the patient moves between scans.
WAYS = (
    ("from DICOM: 2 scans (24, 96 h)", (24.0, 96.0), False),
    ("from DICOM: 2 scans, patient moved, registered by CT", (24.0, 96.0), True),
    ("from DICOM: 1 scan (24 h)", (24.0,), False),
    ("from DICOM: 3 scans (24, 48, 96 h)", (24.0, 48.0, 96.0), False),
)


def whole_way(ground: Ground, way: tuple[str, tuple[float, ...], bool], folder: Path, seed: int) -> tuple[Rows, Rows]:
    """DICOM on disk, ``hevesy import``, and a run of the case as it was written."""
    name, times, moves = way
    patient = ground.patient
    scan = measured(patient, times, moves, seed)
    scan.save_dicom(folder / "dicom")
    written = Case.load(written_case(folder / "dicom", folder / "case.yaml"))
    outcome = run(written, decays=DECAYS)
    (visit,) = outcome.visits
    further = {f"{gbq:g} GBq": gbq for gbq in ACTIVITIES_GBQ[1:]}
    judgement = judge_lesions(visit.lesions, further, None)
    assert judgement is not None and judgement.planned.activity_gbq == ACTIVITIES_GBQ[0]
    truth = ground.truth(scan.peak_h)
    truths = {t.name: (truth.doses[t.label].dose_gy, t) for t in truth.scan.truth}
    about = {"cell": name, "patient": patient.name, "seed": seed}
    lesions, whole = rows_of(visit.lesions, judgement, truths, about, scan.fwhm_mm)
    return lesions, [whole]


def measured(patient: CohortPatient, times: tuple[float, ...], moves: bool, seed: int) -> Measured:
    """The patient with other noise, wrong calibration and scans, and movement."""
    first = replace(patient.visits[0], times_h=times)
    given = Case.model_construct()  # the defaults of the budget
    (errors,) = draw_errors(given, replace(patient, visits=(first,)), (first.voxel_mm / 2.0,) * 3, seed)
    stream = noise_stream(seed * 100_000 + first.seed % 100_000, _MOVE_STREAM)
    z, y, x = (MOVED_MM * stream.standard_normal(3)).tolist() if moves else (0.0, 0.0, 0.0)
    values = {f: getattr(first, f) for f in first.__dataclass_fields__}
    values |= {"seed": first.seed + 1_000_000 * seed, "shift_mm": (z, y, x)}
    return Measured(**values, factors=tuple(float(errors.activity * one) for one in errors.scans))
