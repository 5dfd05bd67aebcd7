"""The judge's trial: its counting against numbers worked by hand, and a small patient through it from DICOM on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hevesy.phantoms.cohort import make_cohort
from hevesy.phantoms.patient import synthetic_patient
from hevesy.tools import verdict_rows, verdict_trial
from hevesy.tools.stored_parts import made_parts
from hevesy.tools.verdict_cells import CELLS, Cell, wrong_outlines
from hevesy.tools.verdict_numbers import (
    KINDS,
    accuracy,
    calibration,
    claims,
    confidences,
    decisions,
    exact_interval,
    must_hold,
    risk_coverage,
    risks,
    summary,
)
from hevesy.tools.verdict_page import figure, page, trust


def _lesion(true: float, at: list[list[Any]], **other: Any) -> dict[str, Any]:
    row = {
        "cell": "c", "patient": "P01", "seed": 0, "lesion": "a", "true_gy": true, "dose_gy": true, "relative": 0.1,
        "sign": "", "reasons": [], "resolutions": 3.0, "volume_ml": 5.0, "at": at,
    }  # fmt: skip
    return row | other


def _patient(true: float, at: list[list[Any]]) -> dict[str, Any]:
    return {"cell": "c", "patient": "P01", "seed": 0, "true_gy": true, "at": at}


# true dose 15 Gy at 10 GBq, hence 30 Gy at 20 GBq: reached at the second activity alone
LESIONS = [
    _lesion(15.0, [[10.0, "below", True, 0.01], [20.0, "eligible", True, 0.99]]),  # both claims right
    _lesion(15.0, [[10.0, "eligible", True, 0.97], [20.0, "below", True, 0.04]]),  # both wrong
    _lesion(15.0, [[10.0, "below", False, 0.30], [20.0, "eligible", False, 0.95]]),  # no claim: 0.95 is not above it
    _lesion(15.0, [[10.0, "undetermined", False, None], [20.0, "eligible", True, None]], sign="≥"),
]
PATIENTS = [
    _patient(15.0, [[10.0, "below", True, 0.01, 0.02], [20.0, "eligible", True, 0.99, 1.0]]),  # right, right
    _patient(15.0, [[10.0, "eligible", True, 0.97, 0.97], [20.0, "eligible", False, 0.60, 0.60]]),  # wrong, right
    _patient(15.0, [[10.0, "undetermined", False, 0.00, 1.00], [20.0, "below", True, 0.00, 0.01]]),  # -, wrong
]


def test_claims_and_wrong_ones_are_counted() -> None:
    found = claims(LESIONS, PATIENTS)
    counts = {kind: (found[kind]["count"], found[kind]["of"]) for kind in KINDS}
    assert counts == {
        "lesion, P > 0.95": (1, 2),
        "lesion, P < 0.05": (1, 2),
        "patient, P > 0.95": (1, 2),
        "patient, P < 0.05": (1, 2),  # what bounds leave open (highest P of 1) claims nothing
        "certain verdict": (2, 4),
    }
    planned = claims(LESIONS, PATIENTS, planned_only=True)
    assert [(planned[kind]["count"], planned[kind]["of"]) for kind in KINDS] == [(1, 1), (0, 1), (1, 1), (0, 1), (1, 2)]
    cell = {"cell": "c", "claims": found}
    assert [row["holds"] for row in must_hold(cell)] == [False] * 5
    assert trust(cell | {"decisions": {"abstention": 1.0}}) == "fails"
    none = {"claims": {}, "decisions": {"abstention": 0.3}}
    doses = {"coverage_k2": 0.95} | {f"{k}_{what}": 0 for k in ("lower", "upper") for what in ("bounds", "violated_k2")}
    assert trust(none | {"accuracy": doses}) == "holds"
    assert trust(none | {"accuracy": doses | {"coverage_k2": 0.89}}) == "narrow"
    assert trust(none | {"accuracy": doses | {"upper_bounds": 10, "upper_violated_k2": 1}}) == "narrow"
    assert trust(none | {"accuracy": doses, "decisions": {"abstention": 0.9}}) == "abstains"


def test_exact_interval_is_that_of_clopper_and_pearson() -> None:
    assert exact_interval(0, 10) == pytest.approx((0.0, 1.0 - 0.025**0.1))  # (1-p)^10 = 0.025
    assert exact_interval(10, 10) == pytest.approx((0.025**0.1, 1.0))
    low, high = exact_interval(1, 2)  # (1 - p)^2 = 0.975: none of two; and its mirror
    assert (low, high) == pytest.approx((1.0 - math.sqrt(0.975), math.sqrt(0.975)))


def test_sensitivity_specificity_and_abstention() -> None:
    found = decisions(PATIENTS)
    assert (found["verdicts"], found["undetermined"]) == (6, 1)
    assert (found["true_positive"], found["false_negative"]) == (2, 1)
    assert (found["true_negative"], found["false_positive"]) == (1, 1)
    assert (found["sensitivity"], found["specificity"]) == pytest.approx((2 / 3, 1 / 2))


def test_risk_and_coverage_of_a_toy_list() -> None:
    # confidences 0.99 right, 0.9 wrong, 0.9 right (go together), 0.6 right; one of five verdicts abstains
    curve = risk_coverage([(0.6, False), (0.9, True), (0.99, False), (0.9, False)], 5)
    assert np.array(curve) == pytest.approx(np.array([(0.2, 0.0), (0.6, 1 / 3), (0.8, 0.25)]))
    assert risks(curve) == {"0.25": 1 / 3, "0.5": 1 / 3, "0.75": 0.25, "0.9": None, "1": None}
    found = confidences(PATIENTS, of_patients=True)
    expected = [(0.60, False), (0.97, True), (0.98, False), (0.99, False), (0.99, True)]
    assert np.array(sorted(found)) == pytest.approx(np.array(expected))
    # a bound that decides has no P: certain by its interval
    assert (1.0, False) in confidences(LESIONS, of_patients=False)


def test_calibration_leaves_out_what_bounds_open() -> None:
    lesions = {(one["from"], one["to"]): one for one in calibration(LESIONS, of_patients=False)}
    assert (lesions[0.01, 0.05]["count"], lesions[0.01, 0.05]["of"]) == (1, 2)  # 0.01 below, 0.04 truly reached
    assert (lesions[0.95, 0.99]["count"], lesions[0.95, 0.99]["of"]) == (1, 2)  # 0.97 below, 0.95 reached
    assert lesions[0.95, 0.99]["mean"] == pytest.approx(0.96)
    assert sum(one["of"] for one in calibration(PATIENTS, of_patients=True)) == 2


def test_bias_coverage_and_violated_bounds() -> None:
    none: list[list[Any]] = [[10.0, "below", True, None]]
    rows = [
        _lesion(10.0, none, dose_gy=10.5),  # ln 1.05 / 0.1 = 0.49
        _lesion(10.0, none, dose_gy=11.5),  # 1.40
        _lesion(10.0, none, dose_gy=7.0),  # 3.57
        _lesion(10.0, none, dose_gy=9.0, sign="≥"),
        _lesion(10.0, none, dose_gy=11.0, sign="≥"),  # violated, but 0.95 of its uncertainty beyond
        _lesion(10.0, none, dose_gy=7.0, sign="≤"),  # violated by 3.57
        _lesion(10.0, none, dose_gy=12.0, sign="≤"),
        _lesion(10.0, none, dose_gy=12.0, sign="~"),
    ]
    found = accuracy(rows)
    assert (found["estimates"], found["doses"], found["open"]) == (3, 8, 1)
    assert found["bias"] == pytest.approx(0.05)
    assert (found["coverage_k1"], found["coverage_k2"]) == pytest.approx((1 / 3, 2 / 3))
    assert (found["lower_bounds"], found["lower_violated"], found["lower_violated_k2"]) == (2, 1, 0)
    assert (found["upper_bounds"], found["upper_violated"], found["upper_violated_k2"]) == (2, 1, 1)


def test_page_says_what_fails_and_that_a_run_was_short(tmp_path: Path) -> None:
    about = {
        "trial_seed": 1, "noise_seeds": [1000], "patients": ["P01"], "patients_in_trial": 28, "lesions": 1, "jobs": 1,
        "activities_gbq": [10.0, 20.0], "commits": ["x"], "wall_time_s": 1.0, "cpu_time_s": 1.0, "decays": 1000,
        "imported_recovery": None, "no_scan": "no scan",
    }  # fmt: skip
    record = summary(["c"], LESIONS, PATIENTS, about)
    text = " ".join(page(record).split())
    assert "This is not the full trial" in text and "**this does not hold for c: lesion, P > 0.95;" in text
    assert "**1 of 2, 50.0 % (1.3 to 98.7 %)**" in text and "It claims too much" in text
    figure(record, tmp_path / "a.svg")
    figure(record, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    right = summary(["c"], LESIONS[:1], PATIENTS[:1], about)
    assert all(row["holds"] for row in right["judgements"]) and "**this holds.**" in page(right)


def test_outlines_are_wrong_by_one_voxel_and_keep_apart() -> None:
    labels = np.zeros((7, 7, 9), np.uint8)
    labels[2:5, 2:5, 1:4], labels[2:5, 2:5, 5:8] = 1, 2  # cubes of 27, one voxel of air between them
    wide = wrong_outlines(labels, 1)
    assert [int((wide == k).sum()) for k in (1, 2)] == [27 + 6 * 9, 27 + 5 * 9]  # the air between goes to the first
    narrow = wrong_outlines(labels, -1)
    assert [int((narrow == k).sum()) for k in (1, 2)] == [1, 1]
    assert (wrong_outlines(narrow, -1) == narrow).all()  # the last voxel stays


def test_parts_are_kept_until_their_settings_change(tmp_path: Path) -> None:
    made: list[str] = []

    def make(name: str) -> dict[str, Any]:
        made.append(name)
        return {"rows": [len(made)]}

    first = list(made_parts(["a", "b"], make, [1, 2.0], tmp_path))
    assert [part["name"] for part in first] == ["a", "b"]
    again = list(made_parts(["b", "a", "c"], make, [1, 2.0], tmp_path))
    assert made == ["a", "b", "c"] and [part["rows"] for part in again] == [[2], [1], [3]]
    list(made_parts(["a"], make, [1, 3.0], tmp_path))
    assert made[-1] == "a" and json.loads((tmp_path / "a.json").read_text())["key"] == [1, 3.0]
    list(made_parts(["a"], make, [1, 3.0], time_limit_s=0.0))  # without a folder, and at least one
    assert len(made) == 5


def test_an_early_peak_leaves_the_uptake_at_24_h_and_adds_what_came_before() -> None:
    late, early = synthetic_patient(voxel_mm=16.0), synthetic_patient(voxel_mm=16.0, peak_h=6.0)
    region = early.regions[-1]
    slow = math.log(2.0) / region.biological_half_life_h
    assert early.retention(region, 24.0) == pytest.approx(late.retention(region, 24.0))
    assert early.retention(region, 6.0) == pytest.approx(late.retention(region, 24.0) * math.exp(18.0 * slow))
    times = np.linspace(0.0, 2000.0, 400_001)
    decay = math.log(2.0) / (8.0252 * 24.0)
    # the activity of 131I itself rises linearly
    peak = early.retention(region, 6.0) * math.exp(-6.0 * decay)
    curve = np.where(times < 6.0, peak * times / 6.0, peak * np.exp(-(slow + decay) * (times - 6.0)))
    assert early.tia_coefficient_h_per_ml(region) == pytest.approx(np.trapezoid(curve, times), rel=1e-3)


def test_no_scan_is_refused_and_cells_have_names_of_their_own() -> None:
    assert "scans" in verdict_trial.no_scan()
    names = [cell.name for cell in CELLS] + [way[0] for way in verdict_rows.WAYS]
    assert len(set(names)) == len(names)


def test_a_small_patient_in_three_cells_and_from_dicom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_rows, "DECAYS", 100_000)
    (patient,) = make_cohort(seed=4, patients=1, control_patients=0, voxel_mm=8.0).patients
    cells = (CELLS[0], CELLS[1], Cell("wide", outline="grown", shift_mm=4.0))
    lesions, patients = verdict_trial.rows_of_patient(patient, cells, [1000], verdict_rows.WAYS[:1], None, seed=4)
    scan = patient.visits[0]
    names = [cell.name for cell in cells] + [verdict_rows.WAYS[0][0]]
    assert [row["cell"] for row in patients] == names and len(lesions) == len(names) * len(scan.lesions)
    for row in lesions:
        truth = next(t for t in scan.truth if t.name == row["lesion"])
        assert row["true_gy"] == pytest.approx(truth.sphere_dose_gy, rel=0.25)  # the sphere has no photons from around
        assert [at[0] for at in row["at"]] == [7.4, 1.85, 3.7, 14.8, 29.6]
        if row["cell"] == CELLS[1].name:  # one scan: the dose is a bound, nothing is claimed above it
            assert "≤" in row["sign"] or row["sign"] == "~"
            assert all(at[1] != "eligible" and at[3] is None for at in row["at"])
        elif row["cell"] in (CELLS[0].name, names[-1]) and not row["sign"]:
            assert abs(math.log(row["dose_gy"] / row["true_gy"])) < 3.0 * row["relative"]
    grown = [row["dose_gy"] for row in lesions if row["cell"] == "wide"]
    reference = [row["dose_gy"] for row in lesions if row["cell"] == CELLS[0].name]
    assert all(a != b for a, b in zip(grown, reference, strict=True))
    assert all(row["true_gy"] == max(r["true_gy"] for r in lesions) for row in patients)
