"""The trial's tables against values worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hevesy.engine.cohort.tables import PatientRun, quartiles, share, trial_tables
from hevesy.engine.report.cohort import headlines, interval, proportion, spread
from scipy.stats import t as student


def _values(scale: float, volume: float) -> dict[str, Any]:
    return {
        "ldpa_gy_per_gbq": scale,
        "uptake_percent": scale,
        "uptake_percent_per_g": scale,
        "volume_ml": volume,
        "diameter_mm": 10.0,
        "effective_half_life_h": None,
        "dose_gy": 7.4 * scale,
    }


def _run(name: str, arm: str, after: list[float], again: list[str], response: list[str]) -> PatientRun:
    """A patient whose lesions have LDpA 1 first and ``after`` later."""
    rows = []
    for k, (value, said) in enumerate(zip(after, response, strict=True)):
        common = {"lesion": f"l{k}", "site": "", "response": None, "reinduction": None}
        rows += [
            {**common, "visit": "baseline", "state": "first", "values": _values(1.0, 1.0)},
            {**common, "visit": "week 6", "state": "persistent", "values": _values(value, 0.5), "response": said},
        ]
    one = {"visit": "week 6", "reinduction": [{"verdict": v} for v in again],
           "re_induced": [f"l{k}" for k, v in enumerate(again) if v == "re-induced"],
           "recist": {"response": response[0], "change_percent": -10.0}}  # fmt: skip
    at = {
        "name": "7.4 GBq",
        "activity_gbq": 7.4,
        "verdict": "eligible" if max(after) > 3 else "below",
        "probability": 0.25,
        "lesions": [{"verdict": "eligible" if a > 3 else "below"} for a in after],
    }
    visits = [
        {
            "visit": v,
            "therapy_activity_gbq": 7.4,
            "eligibility": {"at": [at]},
            "blood": {
                "maximum_gbq": 5.0 if arm == "c" else 20.0,
                "limiting_rule": "blood dose",
                "dose_gy_per_gbq": 0.1,
                "retention_48h_percent": 7.0,
            },
        }
        for v in ("baseline", "week 6")
    ]
    record = {"visits": visits, "follow_up": {"first": "baseline", "targets": ["l0"], "rows": rows, "visits": [one]}}
    return PatientRun(name, arm, [], record)


RUNS = [
    _run("P1", "a", [2.0, 8.0], ["not re-induced", "re-induced"], ["PR", "SD"]),
    _run("P2", "a", [1.0], ["concentrated by shrinkage"], ["PR"]),
    _run("C1", "c", [4.0], ["re-induced"], ["PD"]),
]


def test_ratios_are_of_patients_means() -> None:
    """P1: mean of ln 2 and ln 8 is ln 4; P2: 0. Geometric mean 2; t interval of two values."""
    row = next(r for r in trial_tables(RUNS)["changes"] if r["arm"] == "a" and r["quantity"] == "ldpa_gy_per_gbq")
    assert (row["lesions"], row["patients"]) == (3, 2)
    assert row["ratio"] == pytest.approx(2.0)
    reach = student.ppf(0.975, 1) * math.log(4.0) / math.sqrt(2.0) / math.sqrt(2.0)
    assert row["high"] == pytest.approx(2.0 * math.exp(reach))
    missing = next(r for r in trial_tables(RUNS)["changes"] if r["quantity"] == "effective_half_life_h")
    assert missing["lesions"] == 0 and missing["left_out"] == 3 and math.isnan(missing["ratio"])


def test_counts_of_response_eligibility_tolerance_and_reinduction() -> None:
    tables = trial_tables(RUNS)
    a, c = tables["response"]
    assert (a["lesions"]["PR"], a["lesions"]["SD"], a["lesions"]["responding"]["of"]) == (2, 1, 3)
    assert a["targets"]["responding"]["count"] == 2 and a["targets"]["responding"]["share"] == 1.0
    assert c["patients"]["PD"] == 1
    rows = {(r["arm"], r["visit"]): r for r in tables["eligibility"]}
    assert rows["a", "week 6"]["patients"]["count"] == 1 and rows["a", "week 6"]["patients"]["of"] == 2
    assert rows["a", "week 6"]["lesions"]["count"] == 1 and rows["a", "week 6"]["lesions"]["of"] == 3
    assert rows["a", "week 6"]["expected_patients"] == pytest.approx(0.5)
    assert [r["tolerable"] for r in tables["tolerance"]] == [True] * 4 + [False] * 2
    again = {r["arm"]: r for r in tables["reinduction"]}
    assert again["a"]["re_induced_patients"] == ["P1"] and again["a"]["patients"]["of"] == 2
    assert again["a"]["lesions"] == {
        "re-induced": 1,
        "concentrated by shrinkage": 1,
        "not re-induced": 1,
        "not assessable": 0,
    }


def test_intervals_of_proportions_by_hand() -> None:
    """No event in n: the exact upper bound is 1 - 0.025^(1/n)."""
    none = share(0, 9)
    assert none["low"] == 0.0 and none["high"] == pytest.approx(1.0 - 0.025 ** (1.0 / 9.0))
    assert share(0, 0)["share"] is None
    assert proportion(none) == "0 / 9 (0 %; 0 to 34)"
    assert proportion(share(0, 0)) == "–"


def test_quartiles_leave_out_what_is_not_there() -> None:
    found = quartiles([1.0, None, math.nan, 2.0, 3.0])
    assert found == {"n": 3, "median": 2.0, "low": 1.5, "high": 2.5}
    assert spread(found) == "2.0 (1.5 to 2.5)"
    assert spread(quartiles([])) == "–"
    assert interval([1.0, 2.0]) == "1.00 to 2.00" and interval([7.4, 7.4]) == "7.40"
    assert interval([None, 1.0]) == "–"


def test_headlines_name_who_is_re_induced() -> None:
    (tone, headline, sentence), (_, other, _) = headlines(trial_tables(RUNS))
    assert tone == "yes" and headline == "a: Re-induction in 1 of 2 patients"
    assert sentence == (
        "Patients with a lesion at the threshold at 7.4 GBq: baseline 1 of 2; week 6 1 of 2. Re-induced: P1."
    )
    assert other == "c: Re-induction in 1 of 1 patient"
