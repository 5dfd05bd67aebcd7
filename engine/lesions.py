"""What each lesion receives, and what that means against the dose threshold.

The mean dose of a lesion is energy over mass, ``sum(w D m) / sum(w m)`` over its voxels with mask weight
``w``, so that a voxel of lung beside a nodule counts by its mass. Histogram metrics are weighted with volume.
The standard error of a Monte Carlo mean comes from the batches' totals in the lesion, which carry the
correlation between its voxels; it cannot be had from voxel errors, and is not made up where it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from .dvh import DoseVolumeHistogram, RegionDoses
from .errors import InputError
from .grid import Grid
from .verdict import BELOW, ELIGIBLE, Verdict, plain, verdict, verdicts

#: Voxel metrics are shown as measured only for lesions wider than this many times the PET resolution
#: (clinical.md section 3.3; Jentzen et al., J Nucl Med 57:1499, 2016, use the same rule for non-uniformity).
RESOLUTIONS_FOR_VOXEL_METRICS = 2.0

__all__ = [
    "BELOW", "COLUMNS", "ELIGIBLE", "LesionDose", "Verdict", "plain", "summarise", "verdict", "verdicts",
    "with_uncertainty",
]  # fmt: skip

#: Columns of lesions.csv, in order; interface.md asks for the first twelve.
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


def summarise(
    dose_gy: np.ndarray,
    density_g_cm3: np.ndarray,
    mask: Any,
    grid: Grid,
    *,
    patient: str = "",
    visit: str = "",
    site: str = "",
    method: str = "mc",
    threshold_gy: float = 20.0,
    therapy_activity_gbq: float = math.nan,
    mc_sigma_gy: float = math.nan,
    relative_uncertainty: float = math.nan,
    dose_factor: float = 1.0,
    local_dose_gy: np.ndarray | None = None,
    resolution_mm: float | None = None,
    probability: float = math.nan,
    kinetics: Mapping[str, Any] | None = None,
    recovery: Mapping[str, Any] | None = None,
    uncertainty: Mapping[str, Any] | None = None,
    flags: Iterable[str] = (),
    bins: int = 200,
) -> LesionDose:
    """Volume, mass, dose metrics and verdict of one lesion.

    Parameters
    ----------
    dose_gy
        Dose for the therapy activity (nz, ny, nx) [Gy].
    density_g_cm3
        Mass density on the same grid [g/cm3].
    mask
        With ``name``, ``fraction`` (nz, ny, nx) in [0, 1] and, optionally, ``contour_volume_ml``.
    grid
        Geometry of all three.
    patient, visit, site, method
        Labels of the record.
    threshold_gy
        Mean dose that makes a lesion eligible [Gy].
    therapy_activity_gbq
        Activity that `dose_gy` stands for [GBq].
    mc_sigma_gy
        Standard error of the map's mean in this lesion, from batch totals [Gy]; 0 for methods without noise.
    relative_uncertainty
        Standard uncertainty of the measurement chain, without the Monte Carlo part, as a fraction of the
        dose; nan: none was computed, and the total is the Monte Carlo part alone (flagged).
    dose_factor
        Factor from the recovery correction of the lesion's activity, applied to the mean once.
    local_dose_gy
        Local deposition on the same grid, for comparison [Gy].
    resolution_mm
        PET resolution (FWHM) [mm]: lesions within twice that get "mean only".
    probability, kinetics, recovery, uncertainty, flags
        What the other steps found out about this lesion; kept and shown.
    bins
        Bins of the histogram.

    Raises
    ------
    InputError
        A lesion without volume on the grid, or a dose that is not finite in it.
    """
    name = str(mask.name)
    fraction = np.asarray(mask.fraction)
    if fraction.shape != grid.shape or dose_gy.shape != grid.shape or density_g_cm3.shape != grid.shape:
        raise ValueError(
            f"mask {fraction.shape}, dose {dose_gy.shape}, density {density_g_cm3.shape}: not the grid's {grid.shape}"
        )
    index = np.nonzero(fraction > 0)
    if index[0].size == 0:
        raise InputError(
            f"lesion {name!r} has no volume on the dose grid",
            why="its contour is empty, lies outside the images, or is far smaller than a voxel",
            suggestion="look at the contour over the PET/CT, or leave this lesion out of the case",
            field="lesions",
        )
    weight = fraction[index].astype(np.float64)
    dose = np.asarray(dose_gy[index], dtype=np.float64)
    if not np.isfinite(dose).all():
        raise InputError(
            f"the dose is undefined in {int((~np.isfinite(dose)).sum())} voxels of lesion {name!r}",
            why="a mean over them would be meaningless",
            suggestion="look for NaN in the images and in the kinetic fit",
            field="lesions",
        )
    mass = weight * np.asarray(density_g_cm3[index], dtype=np.float64) * grid.voxel_volume_ml
    mass_g, volume_ml = float(mass.sum()), float(weight.sum()) * grid.voxel_volume_ml
    if mass_g <= 0:
        raise InputError(
            f"lesion {name!r} has no mass",
            why="its voxels have zero density, so that no dose can be stated",
            suggestion="look at the CT and at the calibration of its Hounsfield units",
            field="lesions",
        )
    map_mean = float(dose @ mass) / mass_g
    mean = map_mean * dose_factor
    mc_sigma = mc_sigma_gy * dose_factor
    raised = list(flags)
    if math.isfinite(relative_uncertainty):
        parts = [relative_uncertainty * mean, mc_sigma if math.isfinite(mc_sigma) else 0.0]
        total_sigma = math.hypot(*parts)
        if not math.isfinite(mc_sigma):
            raised.append("Monte Carlo uncertainty not known: it is missing from the total")
    else:
        total_sigma = mc_sigma
        raised.append("uncertainty is the Monte Carlo part alone")
    diameter = (6.0 * volume_ml * 1e3 / math.pi) ** (1.0 / 3.0)
    metrics = "shown"
    if resolution_mm is not None and diameter <= RESOLUTIONS_FOR_VOXEL_METRICS * resolution_mm:
        metrics = "mean only"
        raised.append(
            f"within two PET resolutions ({diameter:.1f} mm against {resolution_mm:.1f} mm FWHM): mean dose only"
        )
    if dose_factor != 1.0 and metrics == "shown":
        raised.append("voxel metrics are those of the map without recovery correction")
    region = RegionDoses(dose, weight)
    spread = region.dose_at_volume(5) - region.dose_at_volume(95)
    local = math.nan
    if local_dose_gy is not None:
        local = float(np.asarray(local_dose_gy[index], dtype=np.float64) @ mass) / mass_g
    x, y, z = grid.index_to_xyz(np.array([axis @ weight for axis in index]) / weight.sum())
    contour = getattr(mask, "contour_volume_ml", None)
    return LesionDose(
        patient=patient,
        visit=visit,
        lesion=name,
        site=site,
        method=method,
        volume_ml=volume_ml,
        mass_g=mass_g,
        dose_gy=mean,
        dose_sigma_gy=total_sigma,
        dose_mc_sigma_gy=mc_sigma,
        dose_map_gy=map_mean,
        dose_factor=dose_factor,
        threshold_gy=threshold_gy,
        verdict=ELIGIBLE if mean >= threshold_gy else BELOW,
        borderline=bool(math.isfinite(total_sigma) and abs(mean - threshold_gy) <= total_sigma),
        probability=probability,
        therapy_activity_gbq=therapy_activity_gbq,
        ldpa_gy_per_gbq=mean / therapy_activity_gbq if therapy_activity_gbq > 0 else math.nan,
        min_gy=float(region.dose_gy[-1]),
        max_gy=float(region.dose_gy[0]),
        sd_gy=region.volume_sd(),
        d98_gy=region.dose_at_volume(98),
        d95_gy=region.dose_at_volume(95),
        d90_gy=region.dose_at_volume(90),
        d70_gy=region.dose_at_volume(70),
        d50_gy=region.dose_at_volume(50),
        d2_gy=region.dose_at_volume(2),
        v20gy_percent=region.volume_at_dose(20.0),
        vthreshold_percent=region.volume_at_dose(threshold_gy),
        uniformity=spread / map_mean if map_mean > 0 else math.nan,
        diameter_mm=diameter,
        density_g_cm3=mass_g / volume_ml,
        voxels=int(index[0].size),
        centroid_mm=(float(z), float(y), float(x)),
        voxel_metrics=metrics,
        dose_local_gy=local,
        contour_volume_ml=math.nan if contour is None else float(contour),
        flags=tuple(raised),
        dvh=region.histogram(bins),
        kinetics=dict(kinetics or {}),
        recovery=dict(recovery or {}),
        uncertainty=dict(uncertainty or {}),
    )


def with_uncertainty(
    lesion: LesionDose,
    relative_uncertainty: float,
    probability: float = math.nan,
    uncertainty: Mapping[str, Any] | None = None,
) -> LesionDose:
    """The same lesion with the total uncertainty of the measurement chain (without Monte Carlo) put in."""
    mc = lesion.dose_mc_sigma_gy if math.isfinite(lesion.dose_mc_sigma_gy) else 0.0
    sigma = math.hypot(relative_uncertainty * lesion.dose_gy, mc)
    return replace(
        lesion,
        dose_sigma_gy=sigma,
        borderline=abs(lesion.dose_gy - lesion.threshold_gy) <= sigma,
        probability=probability,
        uncertainty=dict(uncertainty or {}),
        flags=tuple(f for f in lesion.flags if f != "uncertainty is the Monte Carlo part alone"),
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
