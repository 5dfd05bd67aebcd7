"""The columns of the lesion table: name, unit, meaning and value of each, in one place.

lesions.csv, the rows of lesions.json, ``/lesions/table`` of a result file, lesions_all.csv of a batch, the labels of
the report and the table in docs/formats/result.md are all generated from `COLUMNS`. A new column is one row here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..text import plain

if TYPE_CHECKING:
    from .record import LesionDose

NUMBER, COUNT, TEXT, FLAG = "number", "count", "text", "yes or no"


@dataclass(frozen=True)
class Column:
    """One column of the lesion table.

    Parameters
    ----------
    name
        Its name, with the unit at the end.
    unit
        Unit in words ("Gy", "%"); empty for text, counts, flags and pure numbers.
    description
        What the value is, for the format page and the attributes of the result file.
    get
        Value of a lesion's record; None or NaN where there is none.
    kind
        `NUMBER`, `COUNT`, `TEXT` or `FLAG`.
    label
        What the report calls it, where it shows this column under a name of its own.
    formerly
        Deprecated name: written as a further column behind all others, and read from older files.
    stored
        Whether the value is an attribute of the record under the column's name, and is read back into it.
    """

    name: str
    unit: str
    description: str
    get: Callable[[LesionDose], Any]
    kind: str = NUMBER
    label: str = ""
    formerly: str | None = None
    stored: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its cells are text; all others are numbers (a flag is 1 or 0)."""
        return self.kind == TEXT

    def value(self, lesion: LesionDose) -> Any:
        """Number, text, bool, or None where there is no value: what JSON can hold."""
        return plain(self.get(lesion))

    def read(self, record: Mapping[str, Any]) -> Any:
        """Value of a stored column from a record of lesions.json, under its name or the former one."""
        value = record.get(self.name)
        if value is None and self.formerly is not None:
            value = record.get(self.formerly)
        if self.kind == TEXT:
            return str(value or "")
        if self.kind == FLAG:
            return bool(value)
        if self.kind == COUNT:
            return int(value or 0)
        return math.nan if value is None else float(value)


def _field(name: str, unit: str, description: str, **more: Any) -> Column:
    """A column that is an attribute of the record."""
    return Column(name, unit, description, attrgetter(name), stored=True, **more)


def _derived(name: str, unit: str, description: str, get: Callable[[LesionDose], Any], **more: Any) -> Column:
    return Column(name, unit, description, get, **more)


def _kinetics(name: str, unit: str, description: str, **more: Any) -> Column:
    return Column(name, unit, description, lambda lesion: lesion.kinetics.get(name), **more)


def _clinic(name: str, unit: str, description: str, **more: Any) -> Column:
    return Column(name, unit, description, lambda lesion: lesion.clinic.get(name), **more)


def _noise_corrected(metric: str, stem: str, unit: str, description: str) -> tuple[Column, ...]:
    """Value and ends of the confidence band of one metric of the noise-corrected histogram."""

    def end_of(index: int) -> Callable[[LesionDose], Any]:
        def get(lesion: LesionDose) -> Any:
            ends = lesion.noise_corrected_dvh.get("metrics", {}).get(metric)
            return None if ends is None else ends[index]

        return get

    suffix = {"Gy": "gy", "%": "percent"}[unit]
    meaning = (
        f"{description}, corrected for Monte Carlo noise",
        f"lower end of the 95 % band of the noise-corrected {description}",
        f"upper end of the 95 % band of the noise-corrected {description}",
    )
    return tuple(
        Column(
            f"{stem}_noise_corrected{end}_{suffix}",
            unit,
            meaning[index],
            end_of(index),
            formerly=f"{stem}_clean{end}_{suffix}",
        )
        for index, end in enumerate(("", "_low", "_high"))
    )


#: One row per column, in the order of lesions.csv.
COLUMNS: tuple[Column, ...] = (
    _field("patient", "", "pseudonym of the patient, from the case", kind=TEXT),
    _field("visit", "", "name of the visit", kind=TEXT),
    _field("lesion", "", "name of the lesion", kind=TEXT, label="Lesion"),
    _field("volume_ml", "mL", "volume of the mask on the dose grid", label="Volume"),
    _field("mass_g", "g", "mass of the lesion itself, which the mean dose is stated for", label="Mass"),
    _field("dose_gy", "Gy", "mean absorbed dose for the therapy activity, mass-weighted and corrected for recovery",
           label="Mean dose"),
    _field("dose_uncertainty_gy", "Gy", "combined standard uncertainty u of dose_gy (k = 1)",
           formerly="dose_sigma_gy"),
    _field("dose_mc_standard_error_gy", "Gy",
           "Monte Carlo part of it: standard error of the mean, from batches; empty without Monte Carlo",
           label="Monte Carlo standard error", formerly="dose_mc_sigma_gy"),
    _field("ldpa_gy_per_gbq", "Gy/GBq", "lesion dose per administered activity", label="Dose per activity"),
    _field("d95_gy", "Gy", "smallest dose among the hottest 95 % of the volume", label="D95"),
    _field("v20gy_percent", "%", "share of the volume with at least 20 Gy"),
    _field("verdict", "", "eligible, below or undetermined: whether dose_gy reaches threshold_gy; empty for an organ, "
           "a reference region and the dose of a scan", kind=TEXT),
    _field("undecided", "", "whether the interval of dose_gy (k = 2) holds the threshold, or a bound leaves it open",
           kind=FLAG, formerly="borderline"),
    _field("threshold_gy", "Gy", "mean dose that makes the lesion eligible"),
    _field("vthreshold_percent", "%", "share of the volume with at least threshold_gy"),
    _field("therapy_activity_gbq", "GBq", "activity that all doses are for"),
    _field("method", "", "dose method that dose_gy comes from", kind=TEXT),
    _field("probability", "", "probability that the mean dose reaches the threshold; none for a bound"),
    _field("interval_low_gy", "Gy", "lower end of the interval of dose_gy (k = 2, lognormal)"),
    _field("interval_high_gy", "Gy", "upper end of the interval of dose_gy (k = 2, lognormal)"),
    _field("role", "", "target, organ or reference", kind=TEXT),
    _field("limit_gy", "Gy", "largest dose that an organ may get, where one is stated", label="Limit"),
    _field("dose_map_gy", "Gy", "energy of the dose map in the lesion over mass_g, without the recovery correction"),
    _field("recovery_dose_factor", "", "ratio of dose_gy to dose_map_gy (1: no recovery correction)",
           formerly="dose_factor"),
    _field("min_gy", "Gy", "smallest voxel dose of the map"),
    _field("max_gy", "Gy", "largest voxel dose of the map"),
    _field("sd_gy", "Gy", "volume-weighted standard deviation of the voxel doses"),
    _field("d98_gy", "Gy", "smallest dose among the hottest 98 % of the volume"),
    _field("d90_gy", "Gy", "smallest dose among the hottest 90 % of the volume"),
    _field("d70_gy", "Gy", "smallest dose among the hottest 70 % of the volume"),
    _field("d50_gy", "Gy", "smallest dose among the hottest 50 % of the volume"),
    _field("d2_gy", "Gy", "smallest dose among the hottest 2 % of the volume"),
    _field("uniformity", "", "(D5 - D95) / mean of the map", label="(D5 − D95) / mean"),
    _field("voxel_metrics", "", 'shown, or "mean only" for a lesion within two PET resolutions', kind=TEXT),
    _field("dose_local_gy", "Gy", "mean dose of the map by local deposition"),
    _derived("local_difference_percent", "%", "dose_local_gy against dose_map_gy; empty where they are the same",
             lambda lesion: lesion.local_difference_percent),
    _field("diameter_mm", "mm", "diameter of the sphere of volume_ml", label="Diameter of a sphere of that volume"),
    _field("density_g_cm3", "g/cm3", "mass density of the lesion itself, without its surroundings in edge voxels"),
    _field("contour_volume_ml", "mL", "volume of the drawn contour, where there is one",
           label="Volume of the contour"),
    _field("voxels", "", "voxels of the dose grid that the mask touches", kind=COUNT),
    _derived("centroid_z_mm", "mm", "centre of the mask, patient coordinate z (LPS)",
             lambda lesion: lesion.centroid_mm[0]),
    _derived("centroid_y_mm", "mm", "centre of the mask, patient coordinate y (LPS)",
             lambda lesion: lesion.centroid_mm[1]),
    _derived("centroid_x_mm", "mm", "centre of the mask, patient coordinate x (LPS)",
             lambda lesion: lesion.centroid_mm[2]),
    _kinetics("tia_coefficient_h", "h", "time-integrated activity coefficient of the therapy nuclide",
              label="Time-integrated activity coefficient", formerly="residence_time_h"),
    _kinetics("effective_half_life_h", "h", "effective half-life of the therapy nuclide", label="Effective half-life"),
    _kinetics("extrapolated_fraction", "", "share of the time-integrated activity after the last scan",
              label="Extrapolated after the last scan"),
    _derived("recovery_coefficient", "", "recovery coefficient that the activity was divided by",
             lambda lesion: lesion.recovery.get("coefficient"), label="Recovery coefficient"),
    _field("site", "", "site of the lesion, where stated", kind=TEXT),
    _derived("flags", "", "remarks, separated by semicolons (a list in lesions.json)",
             lambda lesion: "; ".join(lesion.flags), kind=TEXT),
    _kinetics("biological_half_life_h", "h", "biological half-life"),
    _clinic("uptake_24h_percent", "%", "retention 24 h after administration, of the administered activity; "
            "empty for tracers with a half-life below 8 h"),
    _clinic("uptake_24h_percent_per_g", "%/g", "the same per gram of lesion"),
    _clinic("suv_24h", "g/mL", "standardised uptake value by body weight at 24 h"),
    _clinic("dose_low_gy", "Gy", "lower end of the interval of dose_gy (k = 1, lognormal)"),
    _clinic("dose_high_gy", "Gy", "upper end of the interval of dose_gy (k = 1, lognormal)"),
    _derived("lower_bound", "", "whether the dose is a lower bound; the reasons are among the flags",
             lambda lesion: bool(lesion.bounds.lower), kind=FLAG),
    _derived("upper_bound", "", "whether the dose is an upper bound; the reasons are among the flags",
             lambda lesion: bool(lesion.bounds.upper), kind=FLAG),
    _clinic("sphere_dose_gy", "Gy", "self-dose of a unit-density sphere of the same mass (131I only)"),
    _clinic("sphere_difference_percent", "%", "sphere_dose_gy against dose_gy"),
    _clinic("bed_gy", "Gy", "biologically effective dose, mean"),
    _clinic("eqd2_gy", "Gy", "equivalent dose in fractions of 2 Gy"),
    _clinic("eud_gy", "Gy", "equivalent uniform dose"),
    _clinic("geud_gy", "Gy", "generalised equivalent uniform dose"),
    _clinic("effect_basis", "", "voxels or mean dose: what the biological effect was computed from", kind=TEXT),
    _clinic("long_axis_mm", "mm", "long axis of the largest axial section"),
    _clinic("short_axis_mm", "mm", "short axis of the largest axial section"),
    _derived("voxel_noise_percent", "%", "root mean square Monte Carlo noise of the voxels, of their mean dose",
             lambda lesion: lesion.noise_corrected_dvh.get("noise_percent"), label="Voxel noise"),
    *_noise_corrected("D98", "d98", "Gy", "D98"),
    *_noise_corrected("D95", "d95", "Gy", "D95"),
    *_noise_corrected("D50", "d50", "Gy", "D50"),
    *_noise_corrected("D2", "d2", "Gy", "D2"),
    *_noise_corrected("V20", "v20gy", "%", "V20"),
    *_noise_corrected("Vthreshold", "vthreshold", "%", "V of the threshold"),
)  # fmt: skip
#: The same by name.
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}
#: Deprecated names, with the names that replace them.
FORMER_NAMES: dict[str, str] = {column.formerly: column.name for column in COLUMNS if column.formerly is not None}


def header() -> tuple[str, ...]:
    """Names of all columns as they are written: `COLUMNS`, then the deprecated names."""
    return (*BY_NAME, *FORMER_NAMES)


def row_of(lesion: LesionDose) -> dict[str, Any]:
    """All columns of one lesion, as in `header`: numbers, text, flags, or None where there is no value."""
    row = {column.name: column.value(lesion) for column in COLUMNS}
    row.update({former: row[name] for former, name in FORMER_NAMES.items()})
    return row


def written_columns() -> list[tuple[str, Column, str]]:
    """Name, column and description of everything that is written, deprecated names included, in order."""
    return [(column.name, column, column.description) for column in COLUMNS] + [
        (former, BY_NAME[name], f"deprecated: the same as {name}") for former, name in FORMER_NAMES.items()
    ]
