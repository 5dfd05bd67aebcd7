"""What each lesion receives, and what that means against the dose threshold.

The mean dose of a lesion is energy over mass, ``sum(w D m) / sum(w m)`` over its voxels with mask weight
``w``, so that a voxel of lung beside a nodule counts by its mass. Histogram metrics are weighted with volume.
The standard error of a Monte Carlo mean comes from the batches' totals in the lesion, which carry the
correlation between its voxels; it cannot be had from voxel errors, and is not made up where it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..text import plain
from .dvh import DoseVolumeHistogram

#: Columns of lesions.csv, in order; the first twelve never change.
COLUMNS = (
    "patient", "visit", "lesion", "volume_ml", "mass_g", "dose_gy", "dose_sigma_gy", "dose_mc_sigma_gy",
    "ldpa_gy_per_gbq", "d95_gy", "v20gy_percent", "verdict",
    "borderline", "threshold_gy", "vthreshold_percent", "therapy_activity_gbq", "method", "probability",
    "dose_map_gy", "dose_factor", "min_gy", "max_gy", "sd_gy", "d98_gy", "d90_gy", "d70_gy", "d50_gy",
    "d2_gy", "uniformity", "voxel_metrics", "dose_local_gy", "local_difference_percent", "diameter_mm",
    "density_g_cm3", "contour_volume_ml", "voxels", "centroid_z_mm", "centroid_y_mm", "centroid_x_mm",
    "residence_time_h",
    "effective_half_life_h", "extrapolated_fraction", "recovery_coefficient", "site", "flags",
    "biological_half_life_h", "uptake_24h_percent", "uptake_24h_percent_per_g", "suv_24h", "dose_low_gy",
    "dose_high_gy", "lower_bound", "upper_bound", "sphere_dose_gy", "sphere_difference_percent", "bed_gy",
    "eqd2_gy", "eud_gy", "geud_gy", "effect_basis", "long_axis_mm", "short_axis_mm",
    "voxel_noise_percent", "d98_clean_gy", "d98_clean_low_gy", "d98_clean_high_gy", "d95_clean_gy",
    "d95_clean_low_gy", "d95_clean_high_gy", "d50_clean_gy", "d50_clean_low_gy", "d50_clean_high_gy",
    "d2_clean_gy", "d2_clean_low_gy", "d2_clean_high_gy", "v20gy_clean_percent", "v20gy_clean_low_percent",
    "v20gy_clean_high_percent", "vthreshold_clean_percent", "vthreshold_clean_low_percent",
    "vthreshold_clean_high_percent",
)  # fmt: skip
#: Those that the clinical steps fill in.
CLINIC_COLUMNS = COLUMNS[COLUMNS.index("uptake_24h_percent") : COLUMNS.index("voxel_noise_percent")]
#: Metrics of the histogram freed of Monte Carlo noise: their name there, and beginning and end of their columns.
CLEAN_METRICS = (
    ("D98", "d98_clean", "gy"), ("D95", "d95_clean", "gy"), ("D50", "d50_clean", "gy"), ("D2", "d2_clean", "gy"),
    ("V20", "v20gy_clean", "percent"), ("Vthreshold", "vthreshold_clean", "percent"),
)  # fmt: skip


@dataclass(frozen=True)
class LesionDose:
    """One lesion at one visit. Doses are for the therapy activity; nan where a value could not be had.

    Parameters
    ----------
    dose_gy
        Mass-weighted mean [Gy]: of the dose map (`dose_map_gy`) times `dose_factor`.
    dose_sigma_gy
        Total standard uncertainty of `dose_gy` [Gy].
    dose_mc_sigma_gy
        Its Monte Carlo part [Gy].
    dose_factor
        Recovery correction of the lesion's activity (1: none). Minimum, maximum, D and V stay those of the
        uncorrected map.
    ldpa_gy_per_gbq
        Lesion dose per administered activity [Gy/GBq].
    vthreshold_percent
        Volume that gets at least `threshold_gy` [%]; `v20gy_percent` is the same at 20 Gy.
    uniformity
        (D5 - D95) / mean of the map.
    voxel_metrics
        ``"shown"`` or ``"mean only"``: a lesion within two PET resolutions has no voxel dose of its own.
    borderline
        The mean lies within one total standard uncertainty of the threshold.
    probability
        P(mean dose >= threshold), when the uncertainty chain gives one.
    diameter_mm
        Diameter of the sphere of the same volume.
    clean_dvh
        The histogram freed of Monte Carlo noise, its metrics and bands
        (:func:`hevesy.engine.pipeline.lesion_histogram.clean_dvh`); empty without it.
    kinetics, recovery, uncertainty, clinic
        What those steps report, as plain dictionaries, for the tables and the report.
    """

    patient: str
    visit: str
    lesion: str
    volume_ml: float
    mass_g: float
    dose_gy: float
    dose_sigma_gy: float
    dose_mc_sigma_gy: float
    threshold_gy: float
    verdict: str
    borderline: bool
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
    dose_factor: float = 1.0
    method: str = "mc"
    site: str = ""
    probability: float = math.nan
    voxel_metrics: str = "shown"
    dose_local_gy: float = math.nan
    contour_volume_ml: float = math.nan
    flags: tuple[str, ...] = ()
    dvh: DoseVolumeHistogram | None = field(default=None, compare=False, repr=False)
    clean_dvh: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    kinetics: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    recovery: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    uncertainty: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    clinic: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def local_difference_percent(self) -> float:
        """Local deposition against `dose_gy`, by the same dose factor [%]."""
        if not self.dose_map_gy > 0:
            return math.nan
        return 100.0 * (self.dose_local_gy / self.dose_map_gy - 1.0)

    def to_row(self) -> dict[str, Any]:
        """Flat record with `COLUMNS`: numbers, text, or None where there is no value."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["local_difference_percent"] = self.local_difference_percent
        for axis, value in zip("zyx", self.centroid_mm, strict=True):
            values[f"centroid_{axis}_mm"] = value
        for key in ("residence_time_h", "effective_half_life_h", "extrapolated_fraction", "biological_half_life_h"):
            values[key] = self.kinetics.get(key)
        values |= {key: self.clinic.get(key) for key in CLINIC_COLUMNS}
        values["voxel_noise_percent"] = self.clean_dvh.get("noise_percent")
        for name, column, unit in CLEAN_METRICS:
            ends = (self.clean_dvh.get("metrics") or {}).get(name) or (None, None, None)
            for end, value in zip(("", "_low", "_high"), ends, strict=True):
                values[f"{column}{end}_{unit}"] = value
        values["recovery_coefficient"] = self.recovery.get("coefficient")
        values["flags"] = "; ".join(self.flags)
        return {key: plain(values[key]) for key in COLUMNS}

    def to_dict(self) -> dict[str, Any]:
        """Everything, for lesions.json: the row, the histogram, and the records of the other steps."""
        record = self.to_row()
        record["flags"] = list(self.flags)
        record["dvh"] = None if self.dvh is None else self.dvh.to_dict()
        for key in ("clean_dvh", "kinetics", "recovery", "uncertainty", "clinic"):
            record[key] = plain(dict(getattr(self, key)))
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> LesionDose:
        """From what `to_dict` wrote."""
        names = {f.name: f for f in fields(cls)}
        values: dict[str, Any] = {}
        for name in names:
            if name == "centroid_mm":
                values[name] = tuple(_number(record.get(f"centroid_{axis}_mm")) for axis in "zyx")
            elif name == "dvh":
                dvh = record.get("dvh")
                values[name] = None if dvh is None else DoseVolumeHistogram.from_dict(dvh)
            elif name == "flags":
                values[name] = tuple(record.get("flags") or ())
            elif name in ("clean_dvh", "kinetics", "recovery", "uncertainty", "clinic"):
                values[name] = dict(record.get(name) or {})
            elif name in ("patient", "visit", "lesion", "verdict", "method", "site", "voxel_metrics"):
                values[name] = str(record.get(name) or "")
            elif name == "borderline":
                values[name] = bool(record.get(name))
            elif name == "voxels":
                values[name] = int(record.get(name) or 0)
            else:
                values[name] = _number(record.get(name))
        return cls(**values)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
