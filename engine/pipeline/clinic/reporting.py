"""The checklist of good dosimetry reporting: what this run can state, what the case adds, what is missing.

Items after the EANM guidance (Lassmann et al., EJNMMI 38 (2011) 192).
"""

from __future__ import annotations

import math
from typing import Any

from ...case.model import Case
from ...clinic.blood import BloodDose
from ...dose.methods import main_method
from ...results.provenance import code_version
from ...text import activity_text, counted
from ..activity import VisitActivity
from ..scans import VisitImages

#: An item of the checklist: its name, its value (None where there is none), and who states it ("run", "case").
Item = tuple[str, str | None, str]


def checklist(
    case: Case, images: VisitImages, activity: VisitActivity, blood: BloodDose | None
) -> list[dict[str, Any]]:
    """Sections of items; an item without a value is missing.

    Returns
    -------
    list of dict
        ``section``, ``item``, ``value`` (text or None), ``source`` ("run", "case" or None).
    """
    sections: dict[str, list[Item]] = {
        "Patient and preparation": _patient(case, images),
        "Administration": _administration(case, images),
        "Imaging": _imaging(case, images),
        "Lesions": _lesions(case, images),
        "Kinetics": _kinetics(case, images, activity),
        "Dose": _dose(case),
        "Blood and whole body": _blood(case, blood),
    }
    if not treats_thyroid(case):
        sections = {name: [item for item in items if _concerns(item)] for name, items in sections.items()}
    if case.reporting.remarks:
        sections["Remarks"] = [("remarks", case.reporting.remarks, "case")]
    return [
        {"section": section, "item": item, "value": value or None, "source": source if value else None}
        for section, items in sections.items()
        for item, value, source in items
    ]


#: What is asked of a patient who gets radioiodine; of others only where the case states it.
THYROID_ITEMS = frozenset(
    {
        "rhTSH or withdrawal", "TSH", "low-iodine diet", "iodine excretion", "samples", "drawing and counting",
        "maximum tolerable activity and its parts",
    }
)  # fmt: skip


def treats_thyroid(case: Case) -> bool:
    """Whether tracer or therapy is iodine: the items of thyroid dosimetry are asked for then."""
    return any(name.startswith("I-") for name in (case.tracer.nuclide, case.therapy.nuclide))


def _concerns(item: Item) -> bool:
    """Whether an item belongs into the checklist of a patient without radioiodine."""
    name, value, _ = item
    return name not in THYROID_ITEMS or bool(value)


def _patient(case: Case, images: VisitImages) -> list[Item]:
    free = case.reporting
    weight = images.visit.weight_kg or case.weight_kg
    return [
        ("body weight", None if weight is None else f"{weight:g} kg", "case"),
        ("height, sex", _joined(case.height_cm and f"{case.height_cm:g} cm", case.sex), "case"),
        ("rhTSH or withdrawal", free.preparation, "case"),
        ("TSH", free.tsh, "case"),
        ("low-iodine diet", free.diet, "case"),
        ("iodine excretion", free.iodine_excretion, "case"),
        ("drugs", free.drugs, "case"),
        ("previous treatments", free.previous_treatments, "case"),
    ]


def _administration(case: Case, images: VisitImages) -> list[Item]:
    free = case.reporting
    given = images.visit.administered or case.tracer.administered
    return [
        ("nuclide and activity", f"{activity_text(images.tracer_activity_mbq)} {case.tracer.nuclide}", "run"),
        ("time", None if given is None else given.isoformat(sep=" ", timespec="minutes"), "case"),
        ("residual activity", free.residual_activity, "case"),
        ("activity meter and its traceability", free.activity_meter, "case"),
    ]


def _imaging(case: Case, images: VisitImages) -> list[Item]:
    free = case.reporting
    spacing = " x ".join(f"{s:.3g}" for s in images.pet_spacing_mm)
    return [
        ("times after administration", ", ".join(f"{t:.4g} h" for t in images.times_h), "run"),
        ("voxel size (z, y, x)", f"{spacing} mm", "run"),
        ("scanner and mode", free.scanner, "case"),
        ("calibration and cross-calibration", free.calibration, "case"),
        ("dead time", free.dead_time, "case"),
        ("duration of bed positions", free.acquisition, "case"),
        ("reconstruction", free.reconstruction, "case"),
        ("attenuation, scatter, prompt-gamma, decay correction", free.corrections, "case"),
        ("alignment of the scans", _alignment(images), "run"),
    ]


def _lesions(case: Case, images: VisitImages) -> list[Item]:
    free = case.reporting
    drawn = None if images.contour_spacing_mm is None else "drawn on the CT"
    if images.visit.drawn_on is not None:
        drawn = f"drawn on the {images.visit.drawn_on.upper()}"
    return [
        ("method of segmentation", _joined(free.segmentation, drawn), "case"),
        ("operator", free.operator, "case"),
        ("recovery correction", _recovery(case), "run"),
        ("mass and density", "mask on the dose grid, density from the CT", "run"),
    ]


def _kinetics(case: Case, images: VisitImages, activity: VisitActivity) -> list[Item]:
    models = ", ".join(sorted({lesion.curve.model for lesion in activity.lesions}))
    noise = [100.0 * value for lesion in activity.lesions for value in lesion.noise_relative]
    weights = f"{100 * case.uncertainty.per_scan:g} % per scan, with the image noise of each lesion"
    late = [lesion.curve.extrapolated_fraction for lesion in activity.lesions]
    late = [value for value in late if math.isfinite(value)]
    span = f"{100 * min(late):.0f} to {100 * max(late):.0f} % of the time-integrated activity" if late else None
    return [
        ("function and number of points", f"{models}; {counted(len(images.times_h), 'scan')}", "run"),
        ("weights", f"{weights} ({min(noise):.2g} to {max(noise):.2g} %)", "run"),
        ("extrapolated after the last scan", span, "run"),
    ]


def _dose(case: Case) -> list[Item]:
    given = case.radiobiology
    parameters = (
        f"alpha/beta {given.alpha_beta_gy:g} Gy, alpha {given.alpha_per_gy:g} /Gy, repair half-time "
        f"{given.repair_half_time_h:g} h ({given.source})"
    )
    return [
        ("method", main_method(case.methods).sentence, "run"),
        ("software and version", f"hevesy {code_version()}", "run"),
        ("uncertainties", "EANM chain (Gear et al. 2018) joined with the Monte Carlo error", "run"),
        ("radiobiological parameters", parameters, "case"),
    ]


def _blood(case: Case, blood: BloodDose | None) -> list[Item]:
    free = case.reporting
    parts = None
    if blood is not None:
        parts = (
            f"TIA coefficients {blood.tau_blood_h_per_ml:.3g} h/mL (blood), {blood.tau_body_h:.3g} h (body); "
            f"{blood.dose_gy_per_gbq:.3g} Gy/GBq; 48 h retention {100 * blood.retention_48h:.2g} %; "
            f"maximum {blood.maximum.activity_gbq:.3g} GBq by {blood.maximum.limiting_rule}"
        )
    return [
        ("samples", None if blood is None else blood.method, "run"),
        ("drawing and counting", _joined(free.blood_sampling, free.counting), "case"),
        ("maximum tolerable activity and its parts", parts, "run"),
    ]


def _joined(*parts: object) -> str | None:
    return ", ".join(str(part) for part in parts if part) or None


def _alignment(images: VisitImages) -> str:
    if len(images.times_h) == 1:
        return "one scan"
    kinds = {scan.alignment.model for scan in images.scans[1:]}
    known = {
        "none": "taken as aligned in patient coordinates", "rigid": "rigid, by the CTs",
        "deformable": "deformable, by the CTs",
    }  # fmt: skip
    return "; ".join(known[kind] for kind in sorted(kinds))


def _recovery(case: Case) -> str:
    if case.recovery is None:
        return "none: doses of small lesions are bounds"
    if case.recovery.fwhm_mm is not None:
        assumed = " (assumed, not measured)" if case.recovery.assumed else ""
        return f"each lesion's mask at {case.recovery.fwhm_mm:g} mm FWHM{assumed}, once"
    return "phantom curve, once"
