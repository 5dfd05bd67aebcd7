"""The checklist of good dosimetry reporting: what this run can state, what the case adds, what is missing.

Items after the EANM guidance (Lassmann et al., EJNMMI 38 (2011) 192).
"""

from __future__ import annotations

import math
from typing import Any

from ...case.model import Case
from ...clinic.blood import BloodDose
from ...results.provenance import code_version
from ..activity import VisitActivity
from ..dose import main_method
from ..scans import VisitImages

METHODS = {
    "mc": "Monte Carlo transport of photons and electrons on the voxel grid",
    "local": "local deposition of charged particles",
    "local+photons": "local deposition of charged particles and photons",
}


def checklist(
    case: Case, images: VisitImages, activity: VisitActivity, blood: BloodDose | None
) -> list[dict[str, Any]]:
    """Sections of items; an item without a value is missing.

    Returns
    -------
    list of dict
        ``section``, ``item``, ``value`` (text or None), ``source`` ("run", "case" or None).
    """
    free, visit = case.reporting, images.visit
    rows: list[dict[str, Any]] = []

    def add(section: str, item: str, value: str | None, source: str) -> None:
        rows.append({"section": section, "item": item, "value": value or None, "source": source if value else None})

    weight = visit.weight_kg or case.weight_kg
    given = visit.administered or case.tracer.administered
    section = "Patient and preparation"
    add(section, "body weight", None if weight is None else f"{weight:g} kg", "case")
    add(section, "height, sex", _joined(case.height_cm and f"{case.height_cm:g} cm", case.sex), "case")
    add(section, "rhTSH or withdrawal", free.preparation, "case")
    add(section, "TSH", free.tsh, "case")
    add(section, "low-iodine diet", free.diet, "case")
    add(section, "iodine excretion", free.iodine_excretion, "case")
    add(section, "drugs", free.drugs, "case")
    add(section, "previous treatments", free.previous_treatments, "case")
    section = "Administration"
    add(section, "nuclide and activity", f"{images.tracer_activity_mbq:.4g} MBq {case.tracer.nuclide}", "run")
    add(section, "time", None if given is None else given.isoformat(sep=" ", timespec="minutes"), "case")
    add(section, "residual activity", free.residual_activity, "case")
    add(section, "activity meter and its traceability", free.activity_meter, "case")
    section = "Imaging"
    times = ", ".join(f"{t:.4g} h" for t in images.times_h)
    spacing = " x ".join(f"{s:.3g}" for s in images.pet_spacing_mm)
    add(section, "times after administration", times, "run")
    add(section, "voxel size (z, y, x)", f"{spacing} mm", "run")
    add(section, "scanner and mode", free.scanner, "case")
    add(section, "calibration and cross-calibration", free.calibration, "case")
    add(section, "dead time", free.dead_time, "case")
    add(section, "duration of bed positions", free.acquisition, "case")
    add(section, "reconstruction", free.reconstruction, "case")
    add(section, "attenuation, scatter, prompt-gamma, decay correction", free.corrections, "case")
    add(section, "alignment of the scans", _alignment(images), "run")
    section = "Lesions"
    drawn = None if images.contour_spacing_mm is None else "drawn on the CT"
    if visit.drawn_on is not None:
        drawn = f"drawn on the {visit.drawn_on.upper()}"
    add(section, "method of segmentation", _joined(free.segmentation, drawn), "case")
    add(section, "operator", free.operator, "case")
    add(section, "recovery correction", _recovery(case), "run")
    add(section, "mass and density", "outline on the dose grid, density from the CT", "run")
    section = "Kinetics"
    models = ", ".join(sorted({lesion.curve.model for lesion in activity.lesions}))
    late = [lesion.curve.extrapolated_fraction for lesion in activity.lesions]
    add(section, "function and number of points", f"{models}; {len(images.times_h)} scans", "run")
    noise = [100.0 * value for lesion in activity.lesions for value in lesion.noise_relative]
    weights = f"{100 * case.uncertainty.per_scan:g} % a scan, with the image noise of each lesion"
    add(section, "weights", f"{weights} ({min(noise):.2g} to {max(noise):.2g} %)", "run")
    late = [value for value in late if math.isfinite(value)]
    span = f"{100 * min(late):.0f} to {100 * max(late):.0f} % of the time-integrated activity" if late else None
    add(section, "extrapolated after the last scan", span, "run")
    section = "Dose"
    add(section, "method", METHODS[main_method(case)], "run")
    add(section, "software and version", f"hevesy {code_version()}", "run")
    add(section, "uncertainties", "EANM chain (Gear et al. 2018) joined with the Monte Carlo error", "run")
    given_bio = case.radiobiology
    add(
        section,
        "radiobiological parameters",
        f"alpha/beta {given_bio.alpha_beta_gy:g} Gy, alpha {given_bio.alpha_per_gy:g} /Gy, repair half-time "
        f"{given_bio.repair_half_time_h:g} h ({given_bio.source})",
        "case",
    )
    section = "Blood and whole body"
    add(section, "samples", None if blood is None else blood.method, "run")
    add(section, "drawing and counting", _joined(free.blood_sampling, free.counting), "case")
    components = None
    if blood is not None:
        components = (
            f"residence {blood.tau_blood_h_per_ml:.3g} h/mL blood, {blood.tau_body_h:.3g} h body; "
            f"{blood.dose_gy_per_gbq:.3g} Gy/GBq; 48 h retention {100 * blood.retention_48h:.2g} %; "
            f"maximum {blood.maximum.activity_gbq:.3g} GBq by {blood.maximum.limiting_rule}"
        )
    add(section, "maximum tolerable activity and its parts", components, "run")
    if free.remarks:
        add("Remarks", "remarks", free.remarks, "case")
    return rows


def missing(rows: list[dict[str, Any]]) -> list[str]:
    """Items without a value, with their section."""
    return [f"{row['section']}: {row['item']}" for row in rows if row["value"] is None]


def _joined(*parts: Any) -> str | None:
    return ", ".join(str(part) for part in parts if part) or None


def _alignment(images: VisitImages) -> str:
    if len(images.times_h) == 1:
        return "one scan"
    kinds = {one.model for one in images.alignments[1:]}
    known = {
        "none": "taken as aligned in patient coordinates", "rigid": "rigid, by the CTs",
        "deformable": "deformable, by the CTs",
    }  # fmt: skip
    return "; ".join(known[kind] for kind in sorted(kinds))


def _recovery(case: Case) -> str:
    if case.recovery is None:
        return "none: doses of small lesions are too low"
    if case.recovery.fwhm_mm is not None:
        return f"each lesion's outline at {case.recovery.fwhm_mm:g} mm FWHM, once"
    return "phantom curve, once"
