"""The clinic's questions about a visit: what is tolerable, who is eligible at which activity, what is missing."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...case.model import Case, Visit
from ...clinic import blood as blood_dosimetry
from ...clinic.blood import BloodDose
from ...errors import InputError
from ...lesions.judge import judge_lesions
from ...lesions.record import ORGAN, LesionDose
from ...lesions.verdict import Judgement, Tolerance
from ...notes import CRITICAL, NOTE, Note, weight_of
from ...nuclides.decay import nuclide
from ...nuclides.names import canonical_name
from ...text import activity_text, plain
from ..activity import VisitActivity
from ..emission import dose_of_scan
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
    if not case.judged or case.therapy.nuclide != IODINE_131:
        therapy = f"the therapy is {case.therapy.nuclide}" if case.judged else "no therapy is judged"
        return None, [
            f"{visit.name}: the retention samples were not used, since the blood dose factors are those of 131I and "
            f"{therapy}."
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
    judgement: Judgement | None,
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
    judgement
        What `judgement_of` gave.

    Returns
    -------
    dict
        Ready for JSON.
    """
    warnings = visit_warnings(case, images, activity, blood, limit_notes(case, records))
    return plain(
        {
            "visit": images.visit.name,
            "therapy_activity_gbq": case.therapy.activity_mbq / 1e3,
            "threshold_gy": case.threshold_gy if case.judged else None,
            "dose_of_scan": None if case.judged else dose_of_scan(case, records),
            "blood": None if blood is None else _blood(blood),
            "eligibility": {} if judgement is None else judgement.to_dict(),
            "scans": [
                {"scan": scan.name, "hours": float(t), "time_origin": scan.time_origin}
                for scan, t in zip(images.scans, images.times_h, strict=True)
            ],
            "alignment": [
                {"scan": scan.name, "hours": float(t), **scan.alignment.to_dict()}
                for scan, t in zip(images.scans[1:], images.times_h[1:], strict=True)
            ],
            "reporting": checklist(case, images, activity, blood),
            "critical": [text for text in warnings if weight_of(text) == CRITICAL],
            "warnings": warnings,
        }
    )


def visit_warnings(
    case: Case, images: VisitImages, activity: VisitActivity, blood: BloodDose | None, limits: Sequence[Note] = ()
) -> list[str]:
    """What weighs more than an assumption: critical notes, then cautions, one sentence each; `limits` of organs too."""
    found: list[str] = [*limits]
    therapy_gbq = case.therapy.activity_mbq / 1e3
    if blood is not None and therapy_gbq > blood.maximum.activity_gbq:
        text = (
            f"The therapy activity of {activity_text(case.therapy.activity_mbq)} is above the maximum tolerable one of "
            f"{blood.maximum.activity_gbq:.3g} GBq ({blood.maximum.limiting_rule})."
        )
        found.append(Note(text, weight=CRITICAL))
    found += [text for text in (*images.assumptions, *activity.assumptions) if weight_of(text) != NOTE]
    for lesion in activity.lesions:
        found += [Note(f"{lesion.name}: {text}") for text in lesion.contradictions]
    if blood is not None:
        found += [Note(f"Retention samples: {text}") for text in blood.contradictions]
    sentences = {Note(f"{text.removesuffix('.')}.", weight=weight_of(text)): None for text in found}
    return sorted(sentences, key=lambda text: weight_of(text) != CRITICAL)


def judgement_of(case: Case, records: Sequence[LesionDose], blood: BloodDose | None) -> Judgement | None:
    """The verdicts at the planned activity, the further ones of the case, and the maximum tolerable activity.

    The maximum is the smallest that blood dosimetry and the limits of the organs among the records allow.
    """
    tolerances = [] if blood is None else [Tolerance(blood.maximum.activity_gbq, blood.maximum.limiting_rule)]
    tolerances += [
        Tolerance(float(record.limit_gy / record.ldpa_gy_per_gbq), _rule(record))
        for record in _limited(records)
        if not (record.bounds.upper or record.bounds.unknown)  # such a dose cannot show that a limit is exceeded
    ]
    further = {activity_text(mbq): mbq / 1e3 for mbq in dict.fromkeys(case.eligibility.activities_mbq)}
    strictest = min(tolerances, key=lambda one: one.activity_gbq, default=None)
    return judge_lesions(records, further, strictest)


def _limited(records: Sequence[LesionDose]) -> list[LesionDose]:
    """Organs with a limit and a dose."""
    return [one for one in records if one.role == ORGAN and math.isfinite(one.limit_gy) and one.ldpa_gy_per_gbq > 0.0]


def _rule(record: LesionDose) -> str:
    """What an organ's limit is called among the rules that set the maximum."""
    bound = ", whose dose is a lower bound" if record.bounds.lower else ""
    return f"{record.limit_gy:g} Gy to {record.lesion}{bound}"


def limit_notes(case: Case, records: Sequence[LesionDose]) -> list[Note]:
    """Organs whose dose at the planned activity lies above their limit, and those of which that is not known."""
    notes = []
    for record in _limited(records):
        dose = f"{record.bounds.sign}{record.dose_gy:.3g} Gy at {activity_text(case.therapy.activity_mbq)}"
        if record.dose_gy > record.limit_gy:
            known = "not known to be" if record.bounds.upper or record.bounds.unknown else ""
            what = f"{known} below its limit" if known else "above its limit"
            notes.append(Note(f"{record.lesion} gets {dose}, {what} of {record.limit_gy:g} Gy", weight=CRITICAL))
        elif record.bounds.lower or record.interval_high_gy > record.limit_gy:
            text = f"{record.lesion} gets {dose}: its limit of {record.limit_gy:g} Gy lies within what that leaves open"
            notes.append(Note(text))
    return notes


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
