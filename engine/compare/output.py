"""The folder of a comparison: JSON, CSV, the page, and maps of ratio and difference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..dose.map import DoseMap
from ..files import csv_text, write_json, write_text
from ..grid import Grid, write_image
from .record import Comparison, MethodDose, RegionComparison

JSON_FILE, CSV_FILE, PAGE_FILE = "compare.json", "compare.csv", "compare.html"
#: A ratio is stated where the reference dose is at least this share of its largest [%]. Elsewhere it is 0, as NaN
#: would be by common readers of NIfTI.
RATIO_FLOOR_PERCENT = 1.0

#: Columns of compare.csv: of the region, and of the method in it.
REGION_COLUMNS = ("visit", "lesion", "role", "volume_ml", "mass_g", "threshold_gy", "method")
DOSE_COLUMNS = (
    "mean_gy",
    "mean_standard_error_gy",
    "mean_without_decay_noise_gy",
    "mean_without_decay_noise_standard_error_gy",
    "covered_percent",
    "bias_percent",
    "bias_low_percent",
    "bias_high_percent",
    "bias_standard_error_percent",
    "bias_paired",
    "d95_gy",
    "d95_bias_percent",
    "d95_bias_low_percent",
    "d95_bias_high_percent",
    "d50_gy",
    "d50_bias_percent",
    "d50_bias_low_percent",
    "d50_bias_high_percent",
    "v20gy_percent",
    "v20gy_difference_percent",
    "activity_at_threshold_gbq",
    "above",
    "changes_side",
    "changes_side_from_gbq",
    "changes_side_to_gbq",
    "figure_of_merit_per_s",
    "use",
    "decays_needed",
    "sentence",
)


def write_tables(comparison: Comparison, folder: Path) -> None:
    """Write compare.json and compare.csv.

    Parameters
    ----------
    comparison
        The comparison.
    folder
        An existing folder.
    """
    write_json(folder / JSON_FILE, comparison.to_dict())
    rows = [_row(region, name, dose) for region in comparison.regions for name, dose in region.doses.items()]
    write_text(folder / CSV_FILE, csv_text((*REGION_COLUMNS, *DOSE_COLUMNS), rows))


def _row(region: RegionComparison, method: str, dose: MethodDose) -> dict[str, Any]:
    """One row of compare.csv."""
    row: dict[str, Any] = {
        "visit": region.visit,
        "lesion": region.name,
        "role": region.role,
        "volume_ml": region.volume_ml,
        "mass_g": region.mass_g,
        "threshold_gy": region.threshold_gy,
        "method": method,
    }
    row |= {name: getattr(dose, name) for name in DOSE_COLUMNS if hasattr(dose, name)}
    for prefix in ("", "d95_", "d50_"):
        bias = getattr(dose, f"{prefix}bias")
        if bias is not None:
            row |= {f"{prefix}bias_{name}": value for name, value in vars(bias).items()}
            row[f"{prefix}bias_percent"] = bias.percent
    if dose.changes_side_between_gbq is not None:
        row["changes_side_from_gbq"], row["changes_side_to_gbq"] = dose.changes_side_between_gbq
    return {name: _finite(value) for name, value in row.items()}


def _finite(value: Any) -> Any:
    """A cell; nothing for what is not finite."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write_maps(
    doses: Mapping[str, DoseMap], reference: str, grid: Grid, folder: Path, root: Path
) -> dict[str, dict[str, str]]:
    """Write ratio and difference of every method against the reference.

    Parameters
    ----------
    doses
        By method [Gy], the reference among them.
    reference
        Its name.
    grid
        Of the maps.
    folder
        Where the visit's maps go; it is made.
    root
        Folder of the comparison, which the paths in the result are relative to.

    Returns
    -------
    dict
        By method: file of ``"ratio"`` and of ``"difference"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of = np.asarray(doses[reference].mean, dtype=np.float64)
    known = of >= np.nanmax(of, initial=0.0) * RATIO_FLOOR_PERCENT / 100.0
    known &= of > 0.0
    files: dict[str, dict[str, str]] = {}
    for name, stem in zip(doses, file_stems(list(doses)), strict=True):
        if name == reference:
            continue
        dose = np.asarray(doses[name].mean, dtype=np.float64)
        ratio = np.divide(dose, of, out=np.zeros_like(of), where=known & np.isfinite(dose))
        files[name] = {}
        for kind, values in (("ratio", ratio), ("difference", dose - of)):
            path = write_image(folder / f"{kind}_{stem}.nii.gz", grid, values.astype(np.float32))
            files[name][kind] = path.relative_to(root).as_posix()
    return files


def file_stems(methods: list[str]) -> list[str]:
    """Names of methods as parts of file names, each different, spelled as in the files of a run.

    Parameters
    ----------
    methods
        Names, each different.

    Examples
    --------
    >>> from hevesy.engine.compare.output import file_stems
    >>> file_stems(["mc", "local+photons", "local photons"])
    ['mc', 'local_photons', 'local_photons_3']
    """
    stems: list[str] = []
    for number, name in enumerate(methods, 1):
        stem = re.sub(r"\W+", "_", name)
        stems.append(stem if stem not in stems else f"{stem}_{number}")
    return stems
