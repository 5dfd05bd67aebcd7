"""Lesion by lesion: recovery-corrected mean dose, its uncertainty, and the record for tables and report."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..case.model import Case
from ..constants import JOULE_PER_MEV
from ..dose.local import emitted_energy
from ..dose.methods import main_method
from ..kinetics.unseen import NAMES
from ..lesions.bounds import STOPPED
from ..lesions.metrics import DoseContext, DoseMaps, LesionParts, MeanDoseErrors, summarise
from ..lesions.parts import Kinetics, Recovery, SampledUncertainty, UncertaintyBudget
from ..lesions.record import TARGET, LesionDose
from ..lesions.recovery import RecoveryModel, SphereRecovery, sphere_diameter_mm, sphere_recovery
from ..lesions.uncertainty import LesionUncertainty, MeasurementChain, lesion_uncertainty
from ..lesions.uncertainty_sampling import SampledScans, sample_dose
from ..lesions.unjudged import without_verdict
from ..nuclides.decay import nuclide
from ..nuclides.emission import Emission
from ..results.result import Result
from .activity import LesionActivity, VisitActivity, scan_errors
from .dose import main_dose
from .emission import emission_of
from .lesion_histogram import noise_corrected_dvh
from .lesion_views import SHELL_FWHM_MM
from .scans import VisitImages

#: Electrons carry their energy about half their range away: this share of the energy-weighted CSDA range
#: (0.694 mm for 131I by the formula below) is the escape length k of 131I in soft tissue, 0.394 mm, from the
#: voxel kernel of Lanconelli et al., Phys Med Biol 57:517, 2012.
ESCAPE_SHARE_OF_RANGE = 0.394 / 0.694

#: Resolution of a CT with a soft-tissue kernel [mm], for the edge of a lesion that was drawn on it.
CT_FWHM_MM = 1.0


def lesion_records(
    case: Case, images: VisitImages, activity: VisitActivity, result: Result, mc_standard_error_gy: np.ndarray
) -> list[LesionDose]:
    """One record per lesion of this visit; `mc_standard_error_gy` (lesion,) is that of each mean of the map [Gy]."""
    dose = main_dose(case, result)
    maps = DoseMaps(dose.mean, images.density, images.grid, result.doses["local"].mean)
    context = DoseContext(
        patient=case.patient,
        visit=images.visit.name,
        method=main_method(case.methods).name,
        threshold_gy=case.threshold_gy,
        therapy_activity_gbq=case.therapy.activity_mbq / 1e3,
        resolution_mm=case.recovery.fwhm_mm if case.recovery is not None else None,
    )
    records = []
    for lesion, mc_error in zip(activity.lesions, mc_standard_error_gy, strict=True):
        record = _record(case, images, lesion, maps, context, float(mc_error))
        if record.voxel_metrics == "shown" and result.tally is not None:
            histogram = noise_corrected_dvh(
                dose, lesion.fraction, result.tally.n_batches, float(mc_error), case.threshold_gy
            )
            record = replace(record, noise_corrected_dvh=histogram)
        records.append(record if case.judged else without_verdict(record))
    return records


def _record(
    case: Case, images: VisitImages, lesion: LesionActivity, maps: DoseMaps, context: DoseContext, mc_error: float
) -> LesionDose:
    """Recovery, uncertainty and dose metrics of one lesion."""
    if main_method(case.methods).simulates and not math.isfinite(mc_error):
        lesion = replace(lesion, bounds=replace(lesion.bounds, unknown=(*lesion.bounds.unknown, STOPPED)))
    weight = np.asarray(lesion.fraction, dtype=np.float64) * images.density
    in_outline = float((weight * maps.dose_gy).sum() / weight.sum())
    # the map's energy in the outline over the lesion's own mass
    map_mean = in_outline * lesion.density_in_outline_g_cm3 / lesion.density_g_cm3
    factor = recovery_dose_factor(case, lesion, map_mean)
    flags = list(lesion.flags)
    if lesion.corrected is not None:
        flags.append(f"mean dose corrected for recovery (x {factor:.3g})")
    chain = _chain(case, images, lesion, map_mean * factor, mc_error / in_outline if in_outline > 0 else 0.0)
    errors, budget_record = MeanDoseErrors(mc_standard_error_gy=mc_error), UncertaintyBudget()
    if chain is not None:
        budget = lesion_uncertainty(chain)
        flags += budget.notes
        budget_record = _uncertainty(case, lesion, chain, budget)
        errors = MeanDoseErrors(
            mc_standard_error_gy=mc_error,
            chain_relative=math.sqrt(sum(c.relative**2 for c in budget.contributions if c.name != "Monte Carlo")),
        )
    kinetics, recovery = _kinetics(case, images, lesion), _recovery(case, lesion)
    parts = LesionParts(kinetics, recovery, budget_record, lesion.bounds, tuple(flags))
    record = summarise(
        maps,
        lesion.lesion.mask,
        context,
        errors=errors,
        recovery_dose_factor=factor,
        parts=parts,
        density_g_cm3=lesion.density_g_cm3,
    )
    if not main_method(case.methods).simulates:
        record = replace(record, dose_mc_standard_error_gy=math.nan)  # it has none, which is not zero
    return record


def recovery_dose_factor(case: Case, lesion: LesionActivity, map_mean_gy: float) -> float:
    """Ratio of the recovery-corrected mean dose to that of the uncorrected dose map.

    The missing activity is put back where it was, in the lesion; its charged-particle energy is deposited
    there, less what leaves through the surface, in the lesion's own mass:

        D = D_map + E_c / rho [ t - e (t - b) - (m - e' (m - b)) ]

    with the map's energy in the outline over the lesion's own mass, D_map, decays per volume t (corrected), m (map)
    and b (background), the lesion's own density rho, and the share e of the excess over the background that escapes
    a sharp sphere, ``e = 0.75 k (1.04 / rho) / R``. The blurred map loses less through its soft edge (e'): there the
    escape acts like a slightly wider resolution. Photons of the activity put back are neglected: their self-absorbed
    share is 1-3 % of the dose of a lesion below 10 g, and only the part that blur had moved away counts.
    """
    if lesion.corrected is None or not map_mean_gy > 0:
        return 1.0
    emission = emission_of(case)
    density = lesion.density_g_cm3
    radius = 0.5 * float(sphere_diameter_mm(lesion.volume_ml))
    length = escape_length_mm(emission) * 1.04 / density
    sharp = min(0.75 * length / radius, 0.5)
    blurred = 0.0
    if case.recovery is not None and case.recovery.fwhm_mm is not None:
        fwhm = getattr(lesion.model, "effective_fwhm_mm", case.recovery.fwhm_mm)
        # the resolution whose edge loss, 1 - RC = 0.508 FWHM / R, is the escape 0.75 k / R
        wider = math.hypot(fwhm, 1.476 * length)
        blurred = 1.0 - float(sphere_recovery(2 * radius, wider) / sphere_recovery(2 * radius, fwhm))
    true, seen, around = lesion.true_tia_h, lesion.map_tia_h, lesion.background_tia_h
    excess = true - sharp * (true - around) - (seen - blurred * (seen - around))
    decays_per_ml = excess * case.therapy.activity_mbq * 1e6 * 3600.0
    joule = decays_per_ml * emitted_energy(emission).charged * JOULE_PER_MEV
    return max(1.0 + joule / (density * 1e-3) / map_mean_gy, 0.0)


def escape_length_mm(emission: Emission) -> float:
    """Length k over which charged particles carry energy out of soft tissue [mm].

    The energy-weighted CSDA range of all charged particles, R = 0.412 E^(1.265 - 0.0954 ln E) g/cm2 for electrons
    and positrons (Katz and Penfold, Rev Mod Phys 24:28, 1952), times :data:`ESCAPE_SHARE_OF_RANGE`. Alpha particles
    count with their energy and no range: they stop within 0.1 mm, and the transport leaves them where they start.
    """

    def range_mm(mev: np.ndarray) -> np.ndarray:
        e = np.maximum(mev, 1e-3)
        return 4.12 * e ** (1.265 - 0.0954 * np.log(e)) / 1.04

    total, energy = 0.0, emitted_energy(emission).alpha
    lines = np.asarray(emission.electron_lines, dtype=np.float64).reshape(-1, 2)
    if lines.size:
        energies = lines[:, 0] * lines[:, 1]
        total += float(energies @ range_mm(lines[:, 0]))
        energy += float(energies.sum())
    for mev, per_mev in (
        (emission.beta_mev, emission.beta_per_mev),
        (emission.positron_mev, emission.positron_per_mev),
    ):
        if len(mev) > 1:
            e, n = np.asarray(mev, dtype=np.float64), np.asarray(per_mev, dtype=np.float64)
            total += float(np.trapezoid(e * n * range_mm(e), e))
            energy += float(np.trapezoid(e * n, e))
    return ESCAPE_SHARE_OF_RANGE * total / energy if energy > 0 else 0.0


def _chain(
    case: Case, images: VisitImages, lesion: LesionActivity, dose_gy: float, mc_relative: float
) -> MeasurementChain | None:
    """Inputs of the uncertainty chain; None where there is no dose to state one for."""
    if not dose_gy > 0:
        return None
    fwhm = case.recovery.fwhm_mm if case.recovery is not None and case.recovery.fwhm_mm else SHELL_FWHM_MM
    model: RecoveryModel = lesion.model or SphereRecovery(fwhm)
    return MeasurementChain(
        dose_gy,
        lesion.volume_ml,
        images.pet_spacing_mm,
        fwhm,
        contour_voxel_mm=images.contour_spacing_mm,
        contour_fwhm_mm=None if images.contour_spacing_mm is None else CT_FWHM_MM,
        volume_relative=case.uncertainty.volume,
        image_fwhm_mm=getattr(model, "effective_fwhm_mm", None),
        recovery_model=model,
        recovery_applied=lesion.corrected is not None,
        spill_relative=lesion.spill_relative,
        calibration_relative=case.uncertainty.calibration,
        curve_sensitivity=lesion.curve.sensitivity,
        scan_relative=scan_errors(case, lesion.noise_relative, lesion.displaced.missed),
        clearance_relative=lesion.curve.population_relative,
        unseen_uptake_relative=0.0 if lesion.curve.alternative is None else lesion.curve.alternative.relative,
        density_relative=case.uncertainty.density,
        density_slope=lesion.density_slope,
        mc_relative=mc_relative if math.isfinite(mc_relative) else 0.0,
    )


def _kinetics(case: Case, images: VisitImages, lesion: LesionActivity) -> Kinetics:
    curve, other = lesion.curve, lesion.curve.alternative
    population = case.population if curve.times_h.size == 1 else None
    tracer = nuclide(case.tracer.nuclide)
    retained = curve.values  # decay-corrected to administration, recovery-corrected where asked for
    hours = np.linspace(0.0, max(2.5 * float(images.times_h[-1]), 24.0), 61)
    concentration = lesion.measured if lesion.corrected is None else lesion.corrected.concentration
    return {
        "model": curve.model,
        "tracer": case.tracer.nuclide,
        "therapy": case.therapy.nuclide,
        "times_h": images.times_h.tolist(),
        "retention_percent": (100.0 * retained).tolist(),
        "uptake_percent_per_g": (100.0 * retained / (lesion.density_g_cm3 * lesion.volume_ml)).tolist(),
        "measured_bq_ml": lesion.measured.tolist(),
        "background_bq_ml": lesion.background.tolist(),
        "corrected_bq_ml": np.asarray(concentration).tolist(),
        "suv_decay_corrected": None
        if case.weight_kg is None
        else (
            lesion.measured
            * np.exp(tracer.decay_constant_per_h * images.times_h)
            * case.weight_kg
            * 1e3
            / (images.tracer_activity_mbq * 1e6)
        ).tolist(),
        "tia_coefficient_h": curve.tia_coefficient_h,
        "tia_coefficient_uncertainty_h": curve.tia_coefficient_uncertainty_h,
        "effective_half_life_h": curve.effective_half_life_h,
        "biological_half_life_h": curve.biological_half_life_h,
        "extrapolated_fraction": curve.extrapolated_fraction,
        "upper_bound": curve.upper_bound,
        "uptake": NAMES[curve.uptake],
        "alternative_uptake": None if other is None else NAMES[other.uptake],
        "alternative_tia_coefficient_h": None if other is None else other.tia_coefficient_h,
        "population_half_life_h": None if population is None else population.half_life_h,
        "population_gsd": None if population is None else population.gsd,
        "noise_percent": (100.0 * lesion.noise_relative).tolist(),
        "sensitivity": curve.sensitivity.tolist(),  # d ln(TIA coefficient) / d ln(scan)
        "flags": list(curve.flags),
        "curve_times_h": hours.tolist(),
        "curve_activity_percent": (100.0 * curve.activity(hours)).tolist(),
    }


def _recovery(case: Case, lesion: LesionActivity) -> Recovery:
    if lesion.corrected is None:
        return {
            "coefficient": None,
            "model": "none: not asked for in the case",
            "density_g_cm3": lesion.density_g_cm3,
            "mean_density_in_outline_g_cm3": lesion.density_in_outline_g_cm3,
            "lower_bound": bool(lesion.bounds.lower),
        }
    return {
        "coefficient": lesion.recovery,
        "model": lesion.corrected.model,
        "fwhm_mm": case.recovery.fwhm_mm if case.recovery is not None else None,
        "assumed": case.recovery is not None and case.recovery.assumed,
        "density_g_cm3": lesion.density_g_cm3,
        "mean_density_in_outline_g_cm3": lesion.density_in_outline_g_cm3,
        "lower_bound": lesion.corrected.lower_bound,
        "flags": list(lesion.corrected.flags),
    }


def _uncertainty(
    case: Case, lesion: LesionActivity, chain: MeasurementChain, budget: LesionUncertainty
) -> UncertaintyBudget:
    low, high = budget.interval_gy(1.0)
    low2, high2 = budget.interval_gy(2.0)
    errors = scan_errors(case, lesion.noise_relative, lesion.displaced.missed)
    uptake, per_gram = uptake_relative(budget, float(errors[0]))
    return {
        "relative": budget.relative,
        "random": budget.relative_random,
        "systematic": budget.relative_systematic,
        "without_covariance": budget.relative_without_covariance,
        "volume": budget.volume_relative,
        "uptake_random": uptake,
        "uptake_per_g_random": per_gram,
        "scans": errors.tolist(),
        "interval_k1_gy": [low, high],
        "interval_k2_gy": [low2, high2],
        "contributions": [{"name": c.name, "relative": c.relative, "kind": c.kind} for c in budget.contributions],
        "sampled": _sampled(case, lesion, chain, budget),
    }


#: Draws of the sampled cross-check: its standard deviation is known to 1 % and its median to 1.3 % of that.
DRAWS = 10_000


def _sampled(
    case: Case, lesion: LesionActivity, chain: MeasurementChain, budget: LesionUncertainty
) -> SampledUncertainty | None:
    """The chain drawn instead of derived (GUM Supplement 1); None where it does not apply.

    It needs a recovery by resolution, which it applies to each draw, one or two scans, and a dose that is no bound.
    """
    fwhm = getattr(lesion.model, "effective_fwhm_mm", None)
    curve = lesion.curve
    if lesion.bounds or lesion.corrected is None or fwhm is None:
        return None
    if curve.times_h.size > 2 or np.any(curve.values <= 0.0):
        return None
    judged = case.judged and lesion.lesion.mask.role == TARGET
    drawn = sample_dose(
        replace(chain, fwhm_mm=fwhm, volume_relative=budget.volume_relative),
        SampledScans(
            curve.times_h,
            curve.values,
            nuclide(case.therapy.nuclide).half_life_h,
            instant=curve.uptake == "instant",
            peak_h=curve.shape.peak_h or None,
            alternative_ratio=1.0 if curve.alternative is None else curve.alternative.ratio,
            population=None if curve.unmeasured else case.population,
        ),
        fwhm_relative=getattr(lesion.model, "fwhm_sigma_mm", 0.0) / fwhm,
        draws=DRAWS,
    )
    return {
        "draws": DRAWS,
        "relative": drawn.log_sigma,
        "median_gy": drawn.median_gy,
        "interval_k1_gy": list(drawn.interval_gy()),
        "interval_k2_gy": list(drawn.interval_gy(0.9545)),
        "probability": drawn.probability_at_least(case.threshold_gy) if judged else math.nan,
    }


#: Time at which uptake is compared between lesions and visits [h].
UPTAKE_H = 24.0


def uptake_relative(budget: LesionUncertainty, scan_relative: float) -> tuple[float, float]:
    """Random relative standard uncertainties of uptake and of uptake per gram.

    Both carry the volume's error v: a larger contour takes in more counts (phi / 2R) but is divided by a larger
    recovery, so the uptake follows ``(phi / 2R - d ln R / d ln v) u(v)/v``; the uptake per gram is that less the
    mass's share.
    """
    own = next((c.relative for c in budget.contributions if c.name == "recovery curve"), 0.0)
    slope = math.sqrt(max(budget.recovery_relative**2 - own**2, 0.0))
    shared = budget.counts_relative - slope
    per_gram = math.hypot(shared - budget.mass_relative, scan_relative)
    return math.hypot(shared, scan_relative), per_gram
