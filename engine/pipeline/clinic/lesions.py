"""Clinical quantities of a lesion beside its dose: uptake, effect, axes, and the sphere formula as a check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...case.model import Case
from ...clinic.radiobiology import Radiosensitivity, lesion_effect
from ...dose.sphere import sphere_ldpa
from ...grid import Grid
from ...kinetics.conversion import percent_per_gram, suv
from ...kinetics.curves import Curve
from ...lesions.parts import Clinic
from ...lesions.record import LesionDose
from ...lesions.recovery import sphere_diameter_mm
from ...nuclides.decay import nuclide
from ...results.result import Result
from ..activity import LesionActivity, VisitActivity
from ..dose import main_dose
from ..lesion_records import UPTAKE_H
from ..scans import VisitImages

#: A centre of activity further than this from that of the first scan is a sign of poor registration [mm].
SHIFT_WARNING_MM = 5.0
#: Uptake at 24 h is stated for tracers that keep activity so long: within this many half-lives.
UPTAKE_HALF_LIVES = 3.0
#: The nuclide that the sphere formula and the blood dose factors are for.
IODINE_131 = "I-131"


def with_clinic(
    case: Case, images: VisitImages, activity: VisitActivity, result: Result, records: Sequence[LesionDose]
) -> list[LesionDose]:
    """The records with their ``clinic`` part, and flags for what it shows.

    Parameters
    ----------
    case
        The case.
    images, activity, result
        What the steps before gave for the visit.
    records
        One per lesion of ``activity``, in the same order.

    Returns
    -------
    list of LesionDose
        New records, in the same order.
    """
    dose = np.asarray(main_dose(case, result).mean)
    out = []
    for lesion, record in zip(activity.lesions, records, strict=True):
        clinic = _clinic(case, images, lesion, record, dose)
        flags = list(record.flags)
        shifts = clinic["centroid_shift_mm"]
        worst = max((s for s in shifts if s is not None and math.isfinite(s)), default=0.0)
        if worst > SHIFT_WARNING_MM:
            flags.append(f"its centre of activity moves by {worst:.1f} mm between the scans: check the registration")
        flags += [f"the dose is a lower bound: {reason}" for reason in record.bounds.lower]
        flags += [f"the dose is an upper bound: {reason}" for reason in record.bounds.upper]
        flags += [f"the dose is not known well enough: {reason}" for reason in record.bounds.unknown]
        out.append(replace(record, clinic=clinic, flags=tuple(dict.fromkeys(flags))))
    return out


def _clinic(case: Case, images: VisitImages, lesion: LesionActivity, record: LesionDose, dose: np.ndarray) -> Clinic:
    curve = lesion.curve
    uptake = float(curve.retention(UPTAKE_H))
    own_mass = lesion.density_g_cm3 * lesion.volume_ml
    per_gram = percent_per_gram(uptake, own_mass)
    weight = images.visit.weight_kg or case.weight_kg
    long_axis, short_axis = section_axes(np.asarray(lesion.fraction), images.grid)
    # at 24 h nothing is left to compare of a tracer that decays within hours
    known = nuclide(case.tracer.nuclide).half_life_h * UPTAKE_HALF_LIVES >= UPTAKE_H
    clinic: Clinic = {
        "uptake_24h_percent": 100.0 * uptake if known else None,
        "uptake_24h_percent_per_g": per_gram if known else None,
        "suv_24h": None if weight is None or not known else suv(per_gram, weight),
        "effective_half_life_relative": half_life_relative(curve),
        "long_axis_mm": long_axis,
        "short_axis_mm": short_axis,
        "lower_bound": bool(record.bounds.lower),
        "upper_bound": bool(record.bounds.upper),
        "detection_bq_ml": None if lesion.detection_bq_ml is None else lesion.detection_bq_ml.tolist(),
        "centroid_shift_mm": lesion.displaced.shift_mm.tolist(),
        "dose_local_gy": record.dose_local_gy * record.recovery_dose_factor,
    }
    interval = record.uncertainty.get("interval_k1_gy")
    if interval:
        clinic["dose_low_gy"], clinic["dose_high_gy"] = interval
    clinic.update(_sphere(case, curve.tia_coefficient_h, own_mass, record.dose_gy))
    clinic.update(_effect(case, images, lesion, record, dose))
    return clinic


def _sphere(case: Case, tia_coefficient_h: float, mass_g: float, dose_gy: float) -> Clinic:
    """The sphere formula beside the transport: dose of a sphere from its own 131I."""
    if case.therapy.nuclide != IODINE_131 or not mass_g > 0:
        return {}
    per_gbq, within = sphere_ldpa(tia_coefficient_h, mass_g)
    sphere = per_gbq * case.therapy.activity_mbq / 1e3
    return {
        "sphere_dose_gy": sphere,
        "sphere_in_range": within,
        "sphere_difference_percent": 100.0 * (sphere / dose_gy - 1.0) if dose_gy > 0 else None,
    }


def _effect(case: Case, images: VisitImages, lesion: LesionActivity, record: LesionDose, dose: np.ndarray) -> Clinic:
    """BED, EQD2, EUD: from the voxels where the PET resolves the lesion, else from the mean dose alone."""
    if not case.judged or not record.dose_gy > 0:
        return {}
    where = np.asarray(lesion.fraction) > 0
    if record.voxel_metrics == "shown":
        weight = np.asarray(lesion.fraction)[where] * images.density[where]
        values = np.maximum(dose[where], 0.0)
        values *= record.dose_gy / float(np.average(dose[where], weights=weight))
        basis = "voxels"
    else:
        values, weight = np.array([record.dose_gy]), np.ones(1)
        basis = "mean dose"
    given = case.radiobiology
    parameters = Radiosensitivity(
        given.alpha_beta_gy, given.alpha_per_gy, given.repair_half_time_h, given.geud_exponent, given.source
    )
    effect = lesion_effect(values, lesion.curve, parameters=parameters, weights=weight)
    return {
        "effect_basis": basis,
        "bed_gy": effect.mean_bed_gy,
        "bed_of_mean_gy": effect.bed_of_mean_gy,
        "eqd2_gy": effect.eqd2_gy,
        "eud_gy": effect.eud_gy,
        "geud_gy": effect.geud_gy,
        "repair_factor": effect.repair_factor,
    }


def half_life_relative(curve: Curve) -> float:
    """Relative standard uncertainty of the effective half-life from the fit; nan where the fit cannot tell."""
    rates = curve.rates
    if rates.size == 0 or curve.covariance.shape[0] <= rates.size:
        return math.nan
    effective = rates + curve.shape.physical
    final = int(np.argmin(np.abs(math.log(2.0) / effective - curve.effective_half_life_h)))
    variance = float(curve.covariance[final + 1, final + 1])
    return math.sqrt(variance) / float(effective[final]) if variance > 0 else math.nan


def section_axes(fraction: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Long and short axis of the largest axial section [mm].

    Those of the ellipse with the section's second moments (exact for ellipses, and steady on coarse voxels); the
    moments of the voxel itself are taken off. A section of few voxels gives the diameter of the sphere of the
    lesion's volume for both.
    """
    weight = np.asarray(fraction, dtype=np.float64)
    volume = float(weight.sum()) * grid.voxel_volume_ml
    sphere = float(sphere_diameter_mm(volume))
    plane = weight[int(weight.sum(axis=(1, 2)).argmax())]
    if np.count_nonzero(plane) < 6:
        return sphere, sphere
    _, dy, dx = grid.spacing_mm
    share = plane / plane.sum()
    y, x = (axis * step for axis, step in zip(np.indices(plane.shape), (dy, dx), strict=True))
    y, x = y - (share * y).sum(), x - (share * x).sum()
    moments = np.array([[(share * y * y).sum() - dy**2 / 12, (share * x * y).sum()], [0.0, 0.0]])
    moments[1] = moments[0, 1], (share * x * x).sum() - dx**2 / 12
    low, high = np.linalg.eigvalsh(moments)
    if not low > 0:
        return sphere, sphere
    return 4.0 * math.sqrt(high), 4.0 * math.sqrt(low)
