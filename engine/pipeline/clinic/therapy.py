"""The clinic's questions about a visit: what is tolerable, who is eligible at which activity, what is missing."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ...case.model import Case, Visit
from ...clinic import blood as blood_dosimetry
from ...clinic.blood import BloodDose
from ...clinic.eligibility import ELIGIBLE, ActivityVerdict, LesionPrediction, assess
from ...errors import InputError
from ...lesions.record import LesionDose
from ...notes import NOTE, weight_of
from ...nuclides.decay import nuclide
from ...nuclides.names import canonical_name
from ...text import count_of, plain
from ..activity import VisitActivity
from ..scans import VisitImages
from .lesions import IODINE_131
from .reporting import checklist

log = logging.getLogger(__name__)


def blood_of_visit(case: Case, visit: Visit) -> tuple[BloodDose | None, list[str]]:
    """Blood dose and maximum tolerable activity from the visit's samples, and remarks.

    Parameters
    ----------
    case
        The case.
    visit
        The visit; it names the file of samples.

    Returns
    -------
    tuple of BloodDose or None and list of str
        None without samples, or where the therapy nuclide is not 131I; and the remarks, one sentence each.

    Raises
    ------
    InputError
        Samples of a nuclide that is neither tracer nor therapy, no body weight, values that cannot be.
    """
    if visit.retention is None:
        return None, []
    if case.therapy.nuclide != IODINE_131:
        return None, [
            f"{visit.name}: the retention samples were not used, since the blood dose factors are those of 131I and "
            f"the therapy is {case.therapy.nuclide}."
        ]
    weight = visit.weight_kg or case.weight_kg
    if weight is None:
        raise InputError(
            f"no body weight for the blood dose of visit '{visit.name}'",
            why="the whole-body part of the blood dose depends on the weight",
            suggestion="add to the case: weight: 75 kg",
            field="weight",
        )
    activity = visit.activity_mbq or case.tracer.activity_mbq
    measured, notes = case.tracer.nuclide, []
    samples = blood_dosimetry.read_samples(visit.retention, nuclide(measured).half_life_h, activity)
    if samples.nuclide is not None and canonical_name(samples.nuclide) != measured:
        measured = canonical_name(samples.nuclide)
        if measured != case.therapy.nuclide:
            raise InputError(
                f"the samples were measured with {measured}",
                why=f"the tracer is {case.tracer.nuclide} and the therapy {case.therapy.nuclide}",
                suggestion="correct '# nuclide:' in the file, or the tracer in the case",
                file=visit.retention,
                field="nuclide",
            )
        samples = blood_dosimetry.read_samples(visit.retention, nuclide(measured).half_life_h, activity)
        notes.append(f"{visit.name}: blood and whole body were measured with {measured}, not with the tracer.")
    found = blood_dosimetry.blood_dose(
        samples,
        weight,
        tracer_half_life_h=nuclide(measured).half_life_h,
        therapy_half_life_h=nuclide(case.therapy.nuclide).half_life_h,
        height_cm=case.height_cm,
        sex=case.sex,
        diffuse_lung=case.diffuse_lung_metastases,
    )
    notes += [f"{visit.name}, blood dosimetry: {text}." for text in found.flags]
    return found, notes


def visit_record(
    case: Case,
    images: VisitImages,
    activity: VisitActivity,
    records: Sequence[LesionDose],
    blood: BloodDose | None,
) -> dict[str, Any]:
    """Everything the clinic's sections of the report say about one visit, as plain data.

    Parameters
    ----------
    case
        The case.
    images, activity
        What the steps before gave for the visit.
    records
        Doses of its lesions.
    blood
        Blood dosimetry; None without it.

    Returns
    -------
    dict
        Ready for JSON.
    """
    eligibility = eligibility_of(case, records, blood)
    therapy_gbq = case.therapy.activity_mbq / 1e3
    warnings = []
    if blood is not None and therapy_gbq > blood.maximum.activity_gbq:
        warnings.append(
            f"The therapy activity of {therapy_gbq:g} GBq is above the maximum tolerable one of "
            f"{blood.maximum.activity_gbq:.3g} GBq ({blood.maximum.limiting_rule})."
        )
    for scan in images.scans:
        warnings += [f"{scan.name}: {text}." for text in scan.alignment.warnings]
    warnings += contradictions(images, activity, blood)
    return plain(
        {
            "visit": images.visit.name,
            "therapy_activity_gbq": therapy_gbq,
            "threshold_gy": case.threshold_gy,
            "blood": None if blood is None else _blood(blood),
            "eligibility": eligibility,
            "alignment": [
                {"scan": scan.name, "hours": float(t), **scan.alignment.to_dict()}
                for scan, t in zip(images.scans[1:], images.times_h[1:], strict=True)
            ],
            "reporting": checklist(case, images, activity, blood),
            "warnings": warnings,
        }
    )


def contradictions(images: VisitImages, activity: VisitActivity, blood: BloodDose | None) -> list[str]:
    """What weighs more than an assumption in what was read and fitted, one sentence each."""
    heavy = [text for text in (*images.assumptions, *activity.assumptions) if weight_of(text) != NOTE]
    found = [f"{text.removesuffix('.')}." for text in heavy]
    for lesion in activity.lesions:
        found += [f"{lesion.name}: {text}." for text in lesion.contradictions]
    if blood is not None:
        found += [f"Retention samples: {text}." for text in blood.contradictions]
    return found


def eligibility_of(case: Case, records: Sequence[LesionDose], blood: BloodDose | None) -> dict[str, Any]:
    """Verdicts at the therapy's activity, the further ones of the case, and the maximum tolerable activity."""
    amounts = dict.fromkeys((case.therapy.activity_mbq, *case.eligibility.activities_mbq))
    maximum = None if blood is None else blood.maximum.activity_gbq
    predictions = [prediction(record) for record in records]
    found = assess(
        predictions,
        threshold_gy=case.threshold_gy,
        activities_gbq={f"{mbq / 1e3:g} GBq": mbq / 1e3 for mbq in amounts},
        maximum_gbq=maximum,
    )
    return {
        "threshold_gy": found.threshold_gy,
        "maximum_gbq": maximum,
        "at": [asdict(one) for one in found.at],
        "flips": {name: list(where) for name, where in found.flips.items()},
        "needed_gbq": found.needed_gbq,
        "sentences": [_sentence(one, len(records)) for one in found.at],
    }


def prediction(record: LesionDose) -> LesionPrediction:
    """A lesion's prediction per activity, with what its record knows of uncertainty and bounds."""
    budget = record.uncertainty
    return LesionPrediction(
        record.lesion,
        record.ldpa_gy_per_gbq if math.isfinite(record.ldpa_gy_per_gbq) else 0.0,
        float(budget.get("random") or 0.0),
        float(budget.get("systematic") or 0.0),
        bool(record.clinic.get("lower_bound")),
        bool(record.clinic.get("upper_bound")),
    )


def _sentence(one: ActivityVerdict, lesions: int) -> str:
    reached = [row for row in one.lesions if row.verdict == ELIGIBLE]
    name = one.name if one.name.endswith("GBq") else f"{one.name} ({one.activity_gbq:.3g} GBq)"
    count = count_of(len(reached), lesions, "lesion", ("reaches", "reach"))
    text = f"At {name}: {one.verdict}, {count} the threshold"
    return f"{text}, P(at least one) = {one.probability:.2f}."


def _blood(blood: BloodDose) -> dict[str, Any]:
    hours = np.linspace(0.0, 168.0, 85)
    curves = {
        name: None
        if fit is None
        else {
            "activity": fit.activity(hours).tolist(),
            "method": fit.method,
            "tia_coefficient_uncertainty_h": fit.tia_coefficient_uncertainty_h,
            "residence_sigma_h": fit.tia_coefficient_uncertainty_h,  # deprecated name
            "extrapolated_fraction": fit.extrapolated_fraction,
        }
        for name, fit in (("blood", blood.blood), ("body", blood.body))
    }
    return {
        "method": blood.method,
        "dose_gy_per_gbq": blood.dose_gy_per_gbq,
        "dose_sigma_gy_per_gbq": blood.dose_sigma_gy_per_gbq,
        "tau_blood_h_per_ml": blood.tau_blood_h_per_ml,
        "tau_body_h": blood.tau_body_h,
        "retention_48h_percent": 100.0 * blood.retention_48h,
        "maximum_gbq": blood.maximum.activity_gbq,
        "limiting_rule": blood.maximum.limiting_rule,
        "by_rule_gbq": blood.maximum.by_rule_gbq,
        "curve_hours": hours.tolist(),
        **curves,
        "flags": list(blood.flags),
    }
