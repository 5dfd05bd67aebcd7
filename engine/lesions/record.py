"""What each lesion receives, and what that means against the dose threshold.

The mean dose of a lesion is energy over mass, ``sum(w D m) / sum(w m)`` over its voxels with mask weight
``w``, so that a voxel of lung beside a nodule counts by its mass. Histogram metrics are weighted with volume.
The standard error of a Monte Carlo mean comes from the batches' totals in the lesion, which include the
correlation between its voxels; it cannot be derived from voxel errors, and is not guessed where it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..text import or_nan, plain
from .bounds import ESTIMATE, Bounds
from .columns import COLUMNS, row_of
from .dvh import DoseVolumeHistogram
from .parts import Clinic, Kinetics, NoiseCorrectedDvh, Recovery, UncertaintyBudget, with_former_keys

#: Roles of a structure: what the verdict is about, what may get no more than a limit, and what is only looked at.
TARGET, ORGAN, REFERENCE = "target", "organ", "reference"


@dataclass(frozen=True)
class LesionDose:
    """One lesion at one visit. Doses are for the therapy activity; NaN where unavailable.

    Parameters
    ----------
    patient, visit, lesion
        Whose lesion it is, by name.
    volume_ml, mass_g
        Volume on the dose grid, sub-voxel weights included [mL], and mass of the lesion itself, without the share of
        its surroundings in edge voxels [g].
    dose_gy
        Mean [Gy]: that of the dose map (`dose_map_gy`) times `recovery_dose_factor`.
    dose_uncertainty_gy
        Combined standard uncertainty u of `dose_gy` (k = 1) [Gy].
    dose_mc_standard_error_gy
        Its Monte Carlo part: standard error of the mean [Gy].
    dose_map_gy, dose_local_gy
        Energy of the dose map and of local deposition in the mask over the lesion's mass [Gy].
    threshold_gy, verdict
        Dose that the mean must reach [Gy], and whether it does: ``"eligible"``, ``"below"`` or ``"undetermined"``;
        empty where none is asked for (an organ, a reference region, the dose of a scan).
    role, limit_gy
        ``"target"``, ``"organ"`` or ``"reference"``; the largest dose that an organ may get [Gy], NaN without one.
    bounds
        Why the dose is only a bound.
    therapy_activity_gbq
        Administered activity that the doses are stated for [GBq].
    recovery_dose_factor
        Ratio of the recovery-corrected mean dose to that of the map (1: no correction). Minimum, maximum, D and V
        stay those of the uncorrected map.
    ldpa_gy_per_gbq
        Lesion dose per administered activity [Gy/GBq].
    min_gy, max_gy, sd_gy
        Smallest and largest voxel dose of the map, and the standard deviation of the voxel doses [Gy].
    d98_gy, d95_gy, d90_gy, d70_gy, d50_gy, d2_gy
        D98: the smallest dose among the hottest 98 % of the volume [Gy]; the others alike.
    vthreshold_percent, v20gy_percent
        Share of the volume that gets at least `threshold_gy` [%], and at least 20 Gy [%].
    uniformity
        (D5 - D95) / mean of the map.
    voxel_metrics
        ``"shown"`` or ``"mean only"``: a lesion within two PET resolutions has no voxel dose of its own.
    undecided
        The interval of the mean (k = 2) holds the threshold, or the dose is a bound that leaves it open.
    probability
        P(mean dose >= threshold), when the uncertainty chain gives one; NaN for a bound.
    interval_low_gy, interval_high_gy
        Interval of the mean, k = 2, lognormal [Gy].
    density_g_cm3, voxels
        Mean mass density [g/cm3], and number of voxels with any share of the lesion.
    centroid_mm
        Centroid (z, y, x), LPS [mm].
    contour_volume_ml
        Volume inside the contours as drawn [mL]; NaN where the mask comes without.
    method
        Dose method of the map.
    site
        Where it is in the body; empty when not stated.
    flags
        What a reader must know, one sentence each.
    diameter_mm
        Diameter of the sphere of the same volume [mm].
    dvh
        Histogram of the dose map.
    noise_corrected_dvh
        The histogram corrected for Monte Carlo noise, its metrics and bands
        (:func:`hevesy.engine.pipeline.lesion_histogram.noise_corrected_dvh`); empty without it.
    kinetics, recovery, uncertainty, clinic
        What those steps report, as plain dictionaries, for the tables and the report.

    Notes
    -----
    Deprecated names of attributes, readable for one more format version: `borderline`, `dose_sigma_gy`,
    `dose_mc_sigma_gy`, `dose_factor` and `clean_dvh`; likewise `residence_time_h` and `residence_time_sigma_h` in
    `kinetics`.
    """

    patient: str
    visit: str
    lesion: str
    volume_ml: float
    mass_g: float
    dose_gy: float
    dose_uncertainty_gy: float
    dose_mc_standard_error_gy: float
    threshold_gy: float
    verdict: str
    undecided: bool
    therapy_activity_gbq: float
    ldpa_gy_per_gbq: float
    min_gy: float
    max_gy: float
    sd_gy: float
    d98_gy: float
    d95_gy: float
    d90_gy: float
    d70_gy: float
    d50_gy: float
    d2_gy: float
    v20gy_percent: float
    vthreshold_percent: float
    uniformity: float
    diameter_mm: float
    density_g_cm3: float
    voxels: int
    centroid_mm: tuple[float, float, float]
    dose_map_gy: float
    recovery_dose_factor: float = 1.0
    method: str = "mc"
    site: str = ""
    role: str = TARGET
    limit_gy: float = math.nan
    bounds: Bounds = ESTIMATE
    probability: float = math.nan
    interval_low_gy: float = math.nan
    interval_high_gy: float = math.nan
    voxel_metrics: str = "shown"
    dose_local_gy: float = math.nan
    contour_volume_ml: float = math.nan
    flags: tuple[str, ...] = ()
    dvh: DoseVolumeHistogram | None = field(default=None, compare=False, repr=False)
    noise_corrected_dvh: NoiseCorrectedDvh = field(default_factory=NoiseCorrectedDvh, compare=False, repr=False)
    kinetics: Kinetics = field(default_factory=Kinetics, compare=False, repr=False)
    recovery: Recovery = field(default_factory=Recovery, compare=False, repr=False)
    uncertainty: UncertaintyBudget = field(default_factory=UncertaintyBudget, compare=False, repr=False)
    clinic: Clinic = field(default_factory=Clinic, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinetics", with_former_keys(self.kinetics))

    @property
    def judged(self) -> bool:
        """Whether the lesion is a target whose mean dose is held against a threshold."""
        return self.role == TARGET and math.isfinite(self.threshold_gy)

    @property
    def stated_uncertainty_gy(self) -> float:
        """What stands behind the dose as ± [Gy]: `dose_uncertainty_gy`; NaN where the dose bounds nothing."""
        return math.nan if self.bounds.open else self.dose_uncertainty_gy

    @property
    def borderline(self) -> bool:
        """Deprecated name of `undecided`."""
        return self.undecided

    @property
    def local_difference_percent(self) -> float:
        """Local deposition against `dose_gy`, by the same recovery factor [%]; NaN where it is the dose itself."""
        if self.method == "local" or not self.dose_map_gy > 0:
            return math.nan
        return 100.0 * (self.dose_local_gy / self.dose_map_gy - 1.0)

    @property
    def dose_sigma_gy(self) -> float:
        """Deprecated name of `dose_uncertainty_gy`."""
        return self.dose_uncertainty_gy

    @property
    def dose_mc_sigma_gy(self) -> float:
        """Deprecated name of `dose_mc_standard_error_gy`."""
        return self.dose_mc_standard_error_gy

    @property
    def dose_factor(self) -> float:
        """Deprecated name of `recovery_dose_factor`."""
        return self.recovery_dose_factor

    @property
    def clean_dvh(self) -> NoiseCorrectedDvh:
        """Deprecated name of `noise_corrected_dvh`."""
        return self.noise_corrected_dvh

    def to_row(self) -> dict[str, Any]:
        """The columns of the lesion table, deprecated names last: numbers, text, or None where there is no value."""
        return row_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for lesions.json: the row, the histogram, and the records of the other steps."""
        record = self.to_row()
        record["flags"] = list(self.flags)
        record["bounds"] = self.bounds.to_dict()
        record["dvh"] = None if self.dvh is None else self.dvh.to_dict()
        for name in PARTS:
            record[name] = plain(dict(getattr(self, name)))
        record["clean_dvh"] = record["noise_corrected_dvh"]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> LesionDose:
        """From what `to_dict` wrote, in this or the former format version."""
        values: dict[str, Any] = {column.name: column.read(record) for column in COLUMNS if column.stored}
        values |= {name: dict(record.get(name) or {}) for name in PARTS}
        if "noise_corrected_dvh" not in record:
            values["noise_corrected_dvh"] = dict(record.get("clean_dvh") or {})
        values["centroid_mm"] = tuple(or_nan(record.get(f"centroid_{axis}_mm")) for axis in "zyx")
        values["flags"] = tuple(record.get("flags") or ())
        values["bounds"] = Bounds.from_dict(record.get("bounds") or _former_bounds(values["clinic"]))
        values["role"] = values["role"] or TARGET
        if "interval_low_gy" not in record:  # the former format version stated it in the budget alone
            ends = values["uncertainty"].get("interval_k2_gy") or (math.nan, math.nan)
            values["interval_low_gy"], values["interval_high_gy"] = ends
        dvh = record.get("dvh")
        values["dvh"] = None if dvh is None else DoseVolumeHistogram.from_dict(dvh)
        return cls(**values)


def _former_bounds(clinic: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Bounds of a record of the former format version, which stated no reasons."""
    return {kind: (f"a {kind} bound",) for kind in ("lower", "upper") if clinic.get(f"{kind}_bound")}


#: Attributes that hold the records of other steps of a run.
PARTS = ("noise_corrected_dvh", "kinetics", "recovery", "uncertainty", "clinic")
