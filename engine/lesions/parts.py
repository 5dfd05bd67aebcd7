"""What the steps of a run report on a lesion, as stored in lesions.json beside its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast


class Kinetics(TypedDict, total=False):
    """The fitted time-activity curve and the scans it comes from; lists have one entry per scan."""

    model: str
    tracer: str
    therapy: str
    times_h: list[float]
    retention_percent: list[float]
    uptake_percent_per_g: list[float]
    measured_bq_ml: list[float]
    background_bq_ml: list[float]
    corrected_bq_ml: list[float]
    suv_decay_corrected: list[float] | None
    tia_coefficient_h: float | None
    tia_coefficient_uncertainty_h: float | None
    effective_half_life_h: float | None
    biological_half_life_h: float | None
    extrapolated_fraction: float | None
    upper_bound: bool
    uptake: str
    alternative_uptake: str | None
    alternative_tia_coefficient_h: float | None
    population_half_life_h: float | None
    population_gsd: float | None
    noise_percent: list[float]
    sensitivity: list[float]
    flags: list[str]
    curve_times_h: list[float]
    curve_activity_percent: list[float]


class Recovery(TypedDict, total=False):
    """The correction of the lesion's activity for the resolution of the PET."""

    coefficient: float | None
    model: str
    fwhm_mm: float | None
    assumed: bool
    density_g_cm3: float
    mean_density_in_outline_g_cm3: float
    lower_bound: bool
    flags: list[str]


class BudgetLine(TypedDict):
    """One line of the uncertainty budget."""

    name: str
    relative: float
    kind: str


class SampledUncertainty(TypedDict):
    """The distribution of the dose drawn instead of derived (GUM Supplement 1)."""

    draws: int
    relative: float
    median_gy: float
    interval_k1_gy: list[float]
    interval_k2_gy: list[float]
    probability: float | None


class UncertaintyBudget(TypedDict, total=False):
    """The uncertainty chain: relative standard uncertainties, intervals and budget."""

    relative: float
    random: float
    systematic: float
    without_covariance: float
    volume: float
    uptake_random: float
    uptake_per_g_random: float
    scans: list[float]
    interval_k1_gy: list[float]
    interval_k2_gy: list[float]
    contributions: list[BudgetLine]
    sampled: SampledUncertainty | None


class Clinic(TypedDict, total=False):
    """Uptake, biological effect, axes and the sphere formula."""

    uptake_24h_percent: float | None
    uptake_24h_percent_per_g: float | None
    suv_24h: float | None
    effective_half_life_relative: float | None
    long_axis_mm: float
    short_axis_mm: float
    lower_bound: bool
    upper_bound: bool
    detection_bq_ml: list[float] | None
    centroid_shift_mm: list[float | None]
    dose_local_gy: float
    dose_low_gy: float
    dose_high_gy: float
    sphere_dose_gy: float
    sphere_in_range: bool
    sphere_difference_percent: float | None
    effect_basis: str
    bed_gy: float
    bed_of_mean_gy: float
    eqd2_gy: float
    eud_gy: float
    geud_gy: float
    repair_factor: float


class NoiseCorrectedDvh(TypedDict, total=False):
    """The histogram corrected for Monte Carlo noise, with its band; metrics as value, low and high end."""

    level: float
    batches: int
    noise_percent: float
    metrics: dict[str, list[float]]
    dose_gy: list[float]
    volume_percent: list[float]
    low_percent: list[float]
    high_percent: list[float]


#: Keys of the kinetics that were renamed, with their deprecated names; both are written and read.
KINETICS_FORMERLY = {
    "tia_coefficient_h": "residence_time_h",
    "tia_coefficient_uncertainty_h": "residence_time_sigma_h",
}


def with_former_keys(kinetics: Mapping[str, Any]) -> Kinetics:
    """The kinetics with present and deprecated keys, whichever of them it came with."""
    both = dict(kinetics)
    for name, former in KINETICS_FORMERLY.items():
        if name in both:
            both[former] = both[name]
        elif former in both:
            both[name] = both[former]
    return cast(Kinetics, both)
