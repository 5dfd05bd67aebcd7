"""The columns of the lesion table on every surface: values worked out apart from the table, file by file."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import hevesy
import numpy as np
import pytest
from hevesy.engine.cohort.outputs import _lesions_csv
from hevesy.engine.cohort.tables import PatientRun
from hevesy.engine.errors import InputError
from hevesy.engine.export.tables import read_lesions_json, write_lesions_csv, write_lesions_json
from hevesy.engine.lesions.bounds import Bounds
from hevesy.engine.lesions.columns import BY_NAME, COLUMNS, FORMER_NAMES, header
from hevesy.engine.lesions.record import LesionDose
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.results.hdf5 import _table
from hevesy.engine.results.result import Result
from hevesy.tests.unit import small_case
from hevesy.tools import column_page
from scipy.special import ndtr

DATA = Path(__file__).resolve().parents[2] / "data"
METRICS = ("D98", "D95", "D50", "D2", "V20", "Vthreshold")
#: Columns that programs which read the table rely on; the renamed ones for one format version.
PROMISED = (
    "patient", "visit", "lesion", "volume_ml", "mass_g", "dose_gy", "dose_sigma_gy", "dose_mc_sigma_gy",
    "ldpa_gy_per_gbq", "d95_gy", "v20gy_percent", "verdict",
)  # fmt: skip
#: Columns that the first format version did not have.
NEWER = ("interval_low_gy", "interval_high_gy", "role", "limit_gy")
FORMERLY = {
    "dose_sigma_gy": "dose_uncertainty_gy",
    "dose_mc_sigma_gy": "dose_mc_standard_error_gy",
    "borderline": "undecided",
    "dose_factor": "recovery_dose_factor",
    "residence_time_h": "tia_coefficient_h",
} | {
    f"{metric}_clean{end}_{unit}": f"{metric}_noise_corrected{end}_{unit}"
    for metric, unit in (("d98", "gy"), ("d95", "gy"), ("d50", "gy"), ("d2", "gy"), ("v20gy", "percent"),
                         ("vthreshold", "percent"))
    for end in ("", "_low", "_high")
}  # fmt: skip


# ------------------------------------------------------------------------------- a record with a value everywhere

RECORD = LesionDose(
    patient="P7", visit="week 6", lesion="node 2", volume_ml=1.01, mass_g=1.02, dose_gy=1.03, dose_uncertainty_gy=1.04,
    dose_mc_standard_error_gy=1.05, threshold_gy=1.06, verdict="below", undecided=True, therapy_activity_gbq=1.07,
    ldpa_gy_per_gbq=1.08, min_gy=1.09, max_gy=1.10, sd_gy=1.11, d98_gy=1.12, d95_gy=1.13, d90_gy=1.14, d70_gy=1.15,
    d50_gy=1.16, d2_gy=1.17, v20gy_percent=1.18, vthreshold_percent=1.19, uniformity=1.20, diameter_mm=1.21,
    density_g_cm3=1.22, voxels=123, centroid_mm=(1.24, 1.25, 1.26), dose_map_gy=2.0, recovery_dose_factor=1.27,
    method="mc", site="lung", probability=0.28, interval_low_gy=0.29, interval_high_gy=0.30, role="organ",
    limit_gy=0.31, bounds=Bounds(upper=("a reason",)), voxel_metrics="mean only", dose_local_gy=2.5,
    contour_volume_ml=1.29, flags=("one", "two"),
    noise_corrected_dvh={
        "noise_percent": 1.30,
        "metrics": {name: [2.1 + i, 2.2 + i, 2.3 + i] for i, name in enumerate(METRICS)},
    },
    kinetics={"tia_coefficient_h": 1.31, "effective_half_life_h": 1.32, "extrapolated_fraction": 1.33,
              "biological_half_life_h": 1.34},
    recovery={"coefficient": 1.35},
    clinic={
        "uptake_24h_percent": 1.36, "uptake_24h_percent_per_g": 1.37, "suv_24h": 1.38, "dose_low_gy": 1.39,
        "dose_high_gy": 1.40, "sphere_dose_gy": 1.41,
        "sphere_difference_percent": 1.42, "bed_gy": 1.43, "eqd2_gy": 1.44, "eud_gy": 1.45, "geud_gy": 1.46,
        "effect_basis": "mean dose", "long_axis_mm": 1.47, "short_axis_mm": 1.48,
    },
)  # fmt: skip
#: Its row, written down value by value; no two numbers are the same, so that no column can stand in for another.
ROW: dict[str, Any] = {
    "patient": "P7", "visit": "week 6", "lesion": "node 2", "volume_ml": 1.01, "mass_g": 1.02, "dose_gy": 1.03,
    "dose_uncertainty_gy": 1.04, "dose_mc_standard_error_gy": 1.05, "ldpa_gy_per_gbq": 1.08, "d95_gy": 1.13,
    "v20gy_percent": 1.18, "verdict": "below", "undecided": True, "threshold_gy": 1.06, "vthreshold_percent": 1.19,
    "therapy_activity_gbq": 1.07, "method": "mc", "probability": 0.28, "interval_low_gy": 0.29,
    "interval_high_gy": 0.30, "role": "organ", "limit_gy": 0.31, "dose_map_gy": 2.0,
    "recovery_dose_factor": 1.27, "min_gy": 1.09, "max_gy": 1.10, "sd_gy": 1.11, "d98_gy": 1.12, "d90_gy": 1.14,
    "d70_gy": 1.15, "d50_gy": 1.16, "d2_gy": 1.17, "uniformity": 1.20, "voxel_metrics": "mean only",
    "dose_local_gy": 2.5, "local_difference_percent": 25.0, "diameter_mm": 1.21, "density_g_cm3": 1.22,
    "contour_volume_ml": 1.29, "voxels": 123, "centroid_z_mm": 1.24, "centroid_y_mm": 1.25, "centroid_x_mm": 1.26,
    "tia_coefficient_h": 1.31, "effective_half_life_h": 1.32, "extrapolated_fraction": 1.33,
    "recovery_coefficient": 1.35, "site": "lung", "flags": "one; two", "biological_half_life_h": 1.34,
    "uptake_24h_percent": 1.36, "uptake_24h_percent_per_g": 1.37, "suv_24h": 1.38, "dose_low_gy": 1.39,
    "dose_high_gy": 1.40, "lower_bound": False, "upper_bound": True, "sphere_dose_gy": 1.41,
    "sphere_difference_percent": 1.42, "bed_gy": 1.43, "eqd2_gy": 1.44, "eud_gy": 1.45, "geud_gy": 1.46,
    "effect_basis": "mean dose", "long_axis_mm": 1.47, "short_axis_mm": 1.48, "voxel_noise_percent": 1.30,
    "d98_noise_corrected_gy": 2.1, "d98_noise_corrected_low_gy": 2.2, "d98_noise_corrected_high_gy": 2.3,
    "d95_noise_corrected_gy": 3.1, "d95_noise_corrected_low_gy": 3.2, "d95_noise_corrected_high_gy": 3.3,
    "d50_noise_corrected_gy": 4.1, "d50_noise_corrected_low_gy": 4.2, "d50_noise_corrected_high_gy": 4.3,
    "d2_noise_corrected_gy": 5.1, "d2_noise_corrected_low_gy": 5.2, "d2_noise_corrected_high_gy": 5.3,
    "v20gy_noise_corrected_percent": 6.1, "v20gy_noise_corrected_low_percent": 6.2,
    "v20gy_noise_corrected_high_percent": 6.3, "vthreshold_noise_corrected_percent": 7.1,
    "vthreshold_noise_corrected_low_percent": 7.2, "vthreshold_noise_corrected_high_percent": 7.3,
}  # fmt: skip


def from_csv(cell: str, like: Any) -> Any:
    """A CSV cell as the kind of value it should be."""
    if isinstance(like, bool):
        return {"yes": True, "no": False}[cell]
    return cell if isinstance(like, str) else float(cell)


def from_table(value: Any, like: Any) -> Any:
    """A cell of the result file's table; flags are numbers there."""
    return value.decode() if isinstance(like, str) else float(value)


def test_every_column_has_a_value_of_its_own_and_former_names_repeat_it(tmp_path: Path) -> None:
    numbers = [v for v in ROW.values() if not isinstance(v, (str, bool))]
    assert len(set(numbers)) == len(numbers) and None not in ROW.values()
    assert [column.name for column in COLUMNS] == list(ROW) and FORMER_NAMES == FORMERLY
    expected = ROW | {former: ROW[name] for former, name in FORMERLY.items()}
    assert header() == tuple(expected)
    assert set(PROMISED) <= set(expected)
    for name, value in RECORD.to_row().items():
        assert value == pytest.approx(expected[name]), name
    # two of the three flags are true: this tells them apart
    assert replace(RECORD, undecided=False).to_row() == RECORD.to_row() | {"undecided": False, "borderline": False}

    with write_lesions_csv([RECORD], tmp_path / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        (cells,) = reader
    assert tuple(reader.fieldnames or ()) == tuple(expected)
    assert {name: from_csv(cells[name], value) for name, value in expected.items()} == expected

    (written,) = json.loads(write_lesions_json([RECORD], tmp_path / "lesions.json").read_text())["lesions"]
    assert {name: written[name] for name in expected} == expected | {"flags": ["one", "two"]}
    (back,) = read_lesions_json(tmp_path / "lesions.json")
    assert back == RECORD and back.to_row() == RECORD.to_row()

    table = _table([RECORD])
    assert table.dtype.names == tuple(expected)
    for name, value in expected.items():
        assert (table[name][0] if isinstance(value, str) else float(table[name][0])) == value, name

    run = PatientRun("case 1", "arm A", [RECORD], {})
    (together,) = csv.DictReader(_lesions_csv([run]).splitlines())
    assert (together.pop("arm"), together["patient"]) == ("arm A", "case 1")
    assert together == {**cells, "patient": "case 1"}


def test_missing_values_are_empty_null_and_nan(tmp_path: Path) -> None:
    bare = LesionDose.from_dict({"patient": "P7", "visit": "v", "lesion": "L", "verdict": "below"})
    with write_lesions_csv([bare], tmp_path / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        (cells,) = csv.DictReader(stream)
    table, row = _table([bare]), bare.to_row()
    for name in ("dose_gy", "dose_sigma_gy", "tia_coefficient_h", "d2_noise_corrected_high_gy", "limit_gy"):
        assert cells[name] == "" and row[name] is None and math.isnan(table[name][0]), name
    assert cells["effect_basis"] == "" and table["effect_basis"][0] == ""


def test_former_attributes_and_keys_read_the_present_ones() -> None:
    assert RECORD.dose_sigma_gy == RECORD.dose_uncertainty_gy == 1.04
    assert RECORD.dose_mc_sigma_gy == RECORD.dose_mc_standard_error_gy == 1.05
    assert RECORD.dose_factor == RECORD.recovery_dose_factor == 1.27
    assert RECORD.clean_dvh["noise_percent"] == RECORD.noise_corrected_dvh["noise_percent"] == 1.30
    assert RECORD.kinetics["residence_time_h"] == RECORD.kinetics["tia_coefficient_h"] == 1.31


# ---------------------------------------------------------------------------------- from images to every surface


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A case run from files: its folder, the arrays of its result file, and its record in lesions.json."""
    place = tmp_path_factory.mktemp("columns")
    text = small_case.TEXT.replace("threshold: 20 Gy", "threshold: 32 Gy") + "recovery: {fwhm: 2 mm}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_case, "HOT", (slice(4, 7), slice(6, 9), slice(7, 10)))  # three different coordinates
        hevesy.run(small_case.write_small_case(place, text), out=place / "run", seed=5)
    (record,) = json.loads((place / "run" / "lesions.json").read_text())["lesions"]
    with h5py.File(place / "run" / "result.h5") as file:
        hot = file["lesions/mask"][0] == 255
        arrays = {name: file[name][()][hot] for name in ("dose/mc/mean", "dose/mc/sigma", "dose/local/mean", "density")}
        batches = file["tally/region_quanta"][:, 0].astype(float)
        table = file["lesions/table"]
        units = json.loads(table.attrs["units"])
        return SimpleNamespace(
            folder=place / "run", record=record, batches=batches, table=table[0], units=units,
            dose=arrays["dose/mc/mean"], noise=arrays["dose/mc/sigma"], local=arrays["dose/local/mean"],
            density=float(arrays["density"].mean()),
        )  # fmt: skip


def expected_row(run: SimpleNamespace) -> dict[str, Any]:
    """Every column from the voxels, from formulas, or (where a step has tests of its own) from that step's record."""
    r, dose, volume = run.record, run.dose, 27 * 0.064
    hottest = np.sort(dose)[::-1]
    d = {x: hottest[math.ceil(x / 100 * dose.size - 1e-9) - 1] for x in (2, 5, 50, 70, 90, 95, 98)}
    mass, map_mean = volume * run.density, float(dose.mean())
    (corrected,) = (flag for flag in r["flags"] if flag.startswith("mean dose corrected for recovery"))
    factor = float(corrected.split("(x ")[1].rstrip(")"))
    mean, relative = map_mean * factor, r["uncertainty"]["relative"]
    standard_error = run.batches.std(ddof=1) / run.batches.mean() / math.sqrt(run.batches.size)
    decay = nuclide("I-131").decay_constant_per_h
    biological = math.log(small_case.RETENTION[24.0] / small_case.RETENTION[96.0]) / 72.0
    recovery = r["recovery"]["coefficient"]
    tia = small_case.hot_tia_h_per_ml() * volume / recovery
    late = small_case.RETENTION[96.0] * volume / recovery * math.exp(-decay * 96.0) / (biological + decay)
    uptake = 100.0 * small_case.RETENTION[24.0] * volume / recovery
    sphere = 107.684 * mass**-0.96973 * tia * 7.4
    clinic, clean = r["clinic"], r["noise_corrected_dvh"]
    names = ("d98", "d95", "d50", "d2", "v20gy", "vthreshold")
    bands = {
        f"{name}_noise_corrected{end}_{'gy' if name[0] == 'd' else 'percent'}": clean["metrics"][metric][i]
        for name, metric in zip(names, METRICS, strict=True)
        for i, end in enumerate(("", "_low", "_high"))
    }
    return {
        "patient": "T1", "visit": "baseline", "lesion": "hot cube", "volume_ml": volume, "mass_g": mass,
        "dose_gy": mean, "dose_uncertainty_gy": mean * relative, "dose_mc_standard_error_gy": mean * standard_error,
        "ldpa_gy_per_gbq": mean / 7.4, "d95_gy": d[95], "v20gy_percent": 100.0 * np.mean(dose >= 20.0),
        "verdict": "eligible" if mean >= 32.0 else "below", "undecided": abs(math.log(mean / 32.0)) <= 2.0 * relative,
        "threshold_gy": 32.0, "vthreshold_percent": 100.0 * np.mean(dose >= 32.0), "therapy_activity_gbq": 7.4,
        "method": "mc", "probability": float(ndtr(math.log(mean / 32.0) / relative)), "dose_map_gy": map_mean,
        "interval_low_gy": mean * math.exp(-2.0 * relative), "interval_high_gy": mean * math.exp(2.0 * relative),
        "role": "target", "limit_gy": None,
        "recovery_dose_factor": factor, "min_gy": dose.min(), "max_gy": dose.max(), "sd_gy": dose.std(),
        "d98_gy": d[98], "d90_gy": d[90], "d70_gy": d[70], "d50_gy": d[50], "d2_gy": d[2],
        "uniformity": (d[5] - d[95]) / map_mean, "voxel_metrics": "shown", "dose_local_gy": run.local.mean(),
        "local_difference_percent": 100.0 * (run.local.mean() / map_mean - 1.0),
        "diameter_mm": (6.0 * volume * 1e3 / math.pi) ** (1 / 3), "density_g_cm3": run.density,
        "contour_volume_ml": None, "voxels": 27, "centroid_z_mm": -6.0, "centroid_y_mm": -2.0, "centroid_x_mm": 2.0,
        "tia_coefficient_h": tia, "effective_half_life_h": math.log(2.0) / (biological + decay),
        "extrapolated_fraction": late / tia, "recovery_coefficient": recovery, "site": "node",
        "flags": "; ".join(r["flags"]), "biological_half_life_h": math.log(2.0) / biological,
        "uptake_24h_percent": uptake, "uptake_24h_percent_per_g": uptake / mass,
        "suv_24h": uptake / 100.0 / mass * 75e3, "dose_low_gy": mean * math.exp(-relative),
        "dose_high_gy": mean * math.exp(relative), "lower_bound": False, "upper_bound": False,
        "sphere_dose_gy": sphere, "sphere_difference_percent": 100.0 * (sphere / mean - 1.0),
        "bed_gy": clinic["bed_gy"], "eqd2_gy": clinic["bed_gy"] / 1.2, "eud_gy": clinic["eud_gy"],
        "geud_gy": factor * float(np.mean(dose**-10.0)) ** -0.1, "effect_basis": "voxels",
        "long_axis_mm": clinic["long_axis_mm"], "short_axis_mm": clinic["short_axis_mm"],
        "voxel_noise_percent": 100.0 * math.sqrt(float(np.mean(run.noise**2))) / map_mean, **bands,
    }  # fmt: skip


def test_a_run_gives_the_same_columns_in_every_file(run: SimpleNamespace) -> None:
    expected = expected_row(run)
    assert set(expected) == set(BY_NAME)
    with (run.folder / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        (cells,) = csv.DictReader(stream)
    record = run.record | {"flags": "; ".join(run.record["flags"])}
    for written, value in [*expected.items(), *((former, expected[name]) for former, name in FORMERLY.items())]:
        if value is None:
            assert cells[written] == "" and record[written] is None and math.isnan(run.table[written]), written
            continue
        # the recovery factor is known to the three digits of its remark, the noise from float32 maps
        truth = value if isinstance(value, (str, bool, np.bool_)) else pytest.approx(float(value), rel=6e-3, abs=0.6e-3)
        if "difference" in written:
            truth = pytest.approx(float(value), abs=0.6)
        assert record[written] == truth, written
        exact = value if isinstance(value, str) else pytest.approx(record[written], rel=1e-8)
        assert from_csv(cells[written], record[written]) == exact, written
        in_table = float(record[written]) if isinstance(value, (bool, np.bool_)) else exact
        assert from_table(run.table[written], record[written]) == in_table, written


def test_the_report_labels_what_it_shows_as_the_table_does(run: SimpleNamespace) -> None:
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    absent = ("contour_volume_ml", "limit_gy")  # no contour and no organ in this case
    labels = [column.label for column in COLUMNS if column.label and column.name not in absent]
    assert len(labels) > 12 and [label for label in labels if label not in report] == []


def test_units_are_those_at_the_end_of_the_names(run: SimpleNamespace) -> None:
    written = {
        "ml": "mL", "g": "g", "gy": "Gy", "gbq": "GBq", "mm": "mm", "h": "h", "percent": "%", "cm3": "g/cm3",
        "24h": "g/mL",
    }  # fmt: skip
    for name, unit in run.units.items():
        ending = name.rsplit("_", 1)[-1]
        if unit and name not in ("ldpa_gy_per_gbq", "uptake_24h_percent_per_g"):
            assert written[ending] == unit, name
        elif not unit:
            assert ending not in written, name
    assert run.units["ldpa_gy_per_gbq"] == "Gy/GBq" and run.units["uptake_24h_percent_per_g"] == "%/g"


# ------------------------------------------------------------------------------------------------- older files


def test_files_of_the_first_format_still_load() -> None:
    """Written by the version before the columns were renamed: `small_case` on a smaller grid."""
    before = json.loads((DATA / "lesions_format_1.json").read_text())
    assert before["format_version"] == 1 and "dose_uncertainty_gy" not in before["lesions"][0]
    (lesion,) = read_lesions_json(DATA / "lesions_format_1.json")
    result = Result.load(DATA / "result_format_1_0.h5")
    with h5py.File(DATA / "result_format_1_0.h5") as file:
        assert file.attrs["format_version"] == "1.0"
    old = before["lesions"][0] | {"flags": "; ".join(before["lesions"][0]["flags"])}
    for loaded in (lesion, *result.lesions):
        row = loaded.to_row()
        for name in COLUMNS:
            if name.name not in NEWER:
                assert row[name.name] == old[name.formerly or name.name], name.name
        assert [row["interval_low_gy"], row["interval_high_gy"]] == old["uncertainty"]["interval_k2_gy"]
        assert row["role"] == "target" and row["limit_gy"] is None
        assert row["dose_uncertainty_gy"] > 0 and row["d95_noise_corrected_gy"] > 0 and row["tia_coefficient_h"] > 0
        assert loaded.kinetics["tia_coefficient_uncertainty_h"] == old["kinetics"]["residence_time_sigma_h"]
        assert loaded.noise_corrected_dvh == old["clean_dvh"]
    assert result.tally is not None and result.tally.n_batches == 50


def test_a_version_from_the_future_is_refused(tmp_path: Path) -> None:
    content = json.loads((DATA / "lesions_format_1.json").read_text()) | {"format_version": 3}
    (tmp_path / "lesions.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="version 3; this is 2"):
        read_lesions_json(tmp_path / "lesions.json")


# ------------------------------------------------------------------------------------------------- format page


def test_the_format_page_is_the_table_of_columns() -> None:
    place = column_page.PLACE
    page = place.page.read_text(encoding="utf-8")
    assert place.put(page, column_page.column_table()) == page, "run `make columns`"
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    by_name = {cells[0].strip(" `"): [cell.strip(" `") for cell in cells[1:]] for cells in rows}
    for column in COLUMNS:
        assert by_name[column.name] == [column.unit, column.description, column.formerly or ""], column.name
    with pytest.raises(InputError, match="no place for the table"):
        place.put(page.replace(place.end, ""), column_page.column_table())
