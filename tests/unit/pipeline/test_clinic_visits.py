"""Changes between visits: which lesion is which, ratios with intervals, RECIST, re-induction."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from types import SimpleNamespace

import hevesy
import numpy as np
import pytest
from hevesy.engine.export.clinic import VISIT_COLUMNS, clinic_lines, write_patient
from hevesy.engine.lesions.bounds import ESTIMATE, Bounds
from hevesy.engine.lesions.metrics import DoseContext, DoseMaps, summarise
from hevesy.engine.lesions.record import LesionDose
from hevesy.engine.pipeline.clinic.response import is_node
from hevesy.engine.pipeline.clinic.visits import VisitLesions, follow_up, ratios
from hevesy.tests.unit.moving_body import GRID, ct

CASE = hevesy.Case.from_dict(
    {
        "patient": "P1",
        "therapy": {"nuclide": "I-131", "activity": "7.4 GBq"},
        "tracer": {"nuclide": "I-124"},
        "visits": [{"scans": [{"pet": "a", "ct": "b"}], "lesions": "c"}],
    },
    check_files=False,
)
RESULT = SimpleNamespace(grid=GRID, ct_hu=None)
BUDGET = {"random": 0.15, "systematic": 0.06, "volume": 0.2, "uptake_random": 0.1, "uptake_per_g_random": 0.18}


def lesion(
    name, centre, volume_ml, uptake, *, visit="baseline", site="lung", half_life=60.0, bounds=ESTIMATE
) -> LesionDose:
    """A record whose dose per activity is that of its uptake per gram; ``uptake`` is %IA in the whole lesion."""
    cube = SimpleNamespace(name=name, fraction=np.zeros(GRID.shape), contour_volume_ml=None, site=site)
    cube.fraction[10, 10, 10] = 1.0
    record = summarise(
        DoseMaps(np.ones(GRID.shape), np.ones(GRID.shape), GRID), cube, DoseContext("P1", visit, threshold_gy=20.0)
    )
    ldpa = 97.0 * uptake / volume_ml
    axis = (6000 * volume_ml / math.pi) ** (1 / 3)
    return replace(
        record,
        volume_ml=volume_ml,
        mass_g=volume_ml,
        diameter_mm=axis,
        centroid_mm=centre,
        ldpa_gy_per_gbq=ldpa,
        dose_gy=7.4 * ldpa,
        uncertainty=BUDGET,
        kinetics={"effective_half_life_h": half_life},
        clinic={
            "uptake_24h_percent": uptake,
            "long_axis_mm": axis,
            "short_axis_mm": 0.8 * axis,
            "effective_half_life_relative": 0.1,
        },
        bounds=bounds,
    )


def follow(*visits, case=CASE, results=None, frames=None):
    names = ["baseline", "week 6", "week 12"]
    return follow_up(
        case,
        [
            VisitLesions(name, lesions, results[k] if results else RESULT, frames[k] if frames else None)
            for k, (name, lesions) in enumerate(zip(names, visits, strict=False))
        ],
    )


A, B, C = (0.0, 0.0, -40.0), (0.0, 0.0, 40.0), (60.0, 0.0, 0.0)


def states(found):
    return {(row["lesion"], row["visit"]): row["state"] for row in found["rows"]}


def test_one_visit_has_no_changes():
    assert follow([lesion("a", A, 2.0, 0.01)]) is None


def test_shrinkage_at_constant_uptake_is_never_re_induction():
    """A third of the volume at the same uptake: %IA/g and dose per activity triple, re-induction is refused."""
    found = follow(
        [lesion("a", A, 6.0, 0.05), lesion("b", B, 2.0, 0.01)],
        [lesion("a", A, 2.0, 0.05, visit="week 6"), lesion("b", B, 2.0, 0.1, visit="week 6")],
    )
    by_name = {row["lesion"]: row for row in found["rows"] if row["visit"] == "week 6"}
    assert by_name["a"]["ratios"]["ldpa_gy_per_gbq"]["ratio"] == pytest.approx(3.0)
    assert by_name["a"]["reinduction"] == "concentrated by shrinkage"
    assert by_name["a"]["response"] == "PR"
    assert by_name["b"]["reinduction"] == "re-induced"
    assert found["visits"][0]["re_induced"] == ["b"]


def test_ratio_interval_by_hand():
    a, b = lesion("a", A, 4.0, 0.02), lesion("a", A, 2.0, 0.03, half_life=48.0)
    from hevesy.engine.pipeline.clinic.visits import _values

    found = ratios(_values([a]), _values([b]))
    want = {"volume_ml": (0.5, math.hypot(0.2, 0.2)), "diameter_mm": (0.5 ** (1 / 3), math.hypot(0.2, 0.2) / 3),
            "uptake_percent": (1.5, math.hypot(0.1, 0.1)), "uptake_percent_per_g": (3.0, math.hypot(0.18, 0.18)),
            "ldpa_gy_per_gbq": (3.0, math.hypot(0.15, 0.15)),
            "effective_half_life_h": (0.8, math.hypot(0.1, 0.1))}  # fmt: skip
    for key, (ratio, sigma) in want.items():
        assert found[key]["ratio"] == pytest.approx(ratio)
        assert found[key]["low"] == pytest.approx(ratio * math.exp(-1.959964 * sigma))
        assert found[key]["high"] == pytest.approx(ratio * math.exp(1.959964 * sigma))


def test_states_of_lesions_and_what_counts_as_absent():
    first = [lesion("a", A, 4.0, 0.02), lesion("b", B, 4.0, 0.02)]
    second = [lesion("x", A, 3.0, 0.02, visit="week 6"), lesion("n", C, 1.0, 0.01, visit="week 6")]
    third = [lesion("b", B, 4.0, 0.02, visit="week 12"), lesion("n", C, 1.0, 0.01, visit="week 12")]
    found = follow(first, second, third)
    assert states(found) == {
        ("a", "baseline"): "first",
        ("a", "week 6"): "persistent",
        ("a", "week 12"): "disappeared",
        ("b", "baseline"): "first",
        ("b", "week 6"): "disappeared",
        ("b", "week 12"): "persistent",
        ("n", "week 6"): "new",
        ("n", "week 12"): "persistent",
    }
    gone = next(r for r in found["rows"] if (r["lesion"], r["visit"]) == ("b", "week 6"))
    assert gone["ratios"] is None
    assert gone["response"] == "CR"
    assert gone["reinduction"] == "not assessable"
    assert found["visits"][0]["recist"]["response"] == "PD"  # a new lesion
    assert any("b is disappeared" in text for text in found["notes"])


def test_split_lesion_is_the_sum_of_its_parts():
    found = follow(
        [lesion("a", A, 8.0, 0.08)],
        [lesion("a1", (0.0, 0.0, -42.0), 3.0, 0.04, visit="week 6"),
         lesion("a2", (0.0, 9.0, -38.0), 1.0, 0.02, visit="week 6")],
    )  # fmt: skip
    (row,) = (r for r in found["rows"] if r["visit"] == "week 6")
    assert row["state"] == "split"
    assert row["values"]["volume_ml"] == pytest.approx(4.0)
    assert row["values"]["uptake_percent_per_g"] == pytest.approx(0.06 / 4.0)
    assert row["values"]["ldpa_gy_per_gbq"] == pytest.approx(97 * 0.06 / 4.0)  # mass-weighted
    assert row["ratios"]["uptake_percent"]["ratio"] == pytest.approx(0.75)


def test_merged_lesion_is_followed_under_one_name():
    found = follow(
        [lesion("a", A, 4.0, 0.04), lesion("b", (0.0, 9.0, -36.0), 1.0, 0.01)],
        [lesion("ab", (0.0, 2.0, -39.0), 6.0, 0.06, visit="week 6")],
        [lesion("ab", (0.0, 2.0, -39.0), 6.0, 0.06, visit="week 12")],
    )
    found_states = states(found)
    assert found_states[("a", "week 6")] == "merged"
    assert found_states[("b", "week 6")] == found_states[("b", "week 12")] == "merged into a"
    assert found_states[("a", "week 12")] == "persistent"


def test_recist_measures_nodes_across():
    assert is_node("lymph node")
    assert not is_node("bone")
    first = [lesion("a", A, 14.0, 0.1, site="lymph node"), lesion("b", B, 14.0, 0.1)]
    second = [
        lesion("a", A, 14.0 * 0.216, 0.1, site="lymph node", visit="week 6"),
        lesion("b", B, 14.0 * 0.343, 0.1, visit="week 6"),
    ]
    recist = follow(first, second)["visits"][0]["recist"]
    axis = (6000 * 14.0 / math.pi) ** (1 / 3)
    assert recist["sum_first_mm"] == pytest.approx(1.8 * axis)
    assert recist["sum_mm"] == pytest.approx((0.8 * 0.6 + 0.7) * axis)
    assert recist["response"] == "PR"
    assert recist["volume_change_percent"] == pytest.approx(100 * ((0.216 + 0.343) / 2 - 1))
    assert recist["volume_response"] == "PR"


def test_progression_is_against_the_smallest_sum():
    volumes = (14.0, 14.0 * 0.343, 14.0 * 0.6)
    visits = [
        [lesion("a", A, v, 0.1, visit=n)] for v, n in zip(volumes, ("baseline", "week 6", "week 12"), strict=True)
    ]
    later = follow(*visits)["visits"]
    assert later[0]["recist"]["response"] == "PR"
    assert later[1]["recist"]["nadir_mm"] == pytest.approx(later[0]["recist"]["sum_mm"])
    # 20.9 mm to 25.2 mm is 20.5 % above the smallest sum but less than 5 mm: stable
    assert later[1]["recist"]["response"] == "SD"
    assert later[1]["recist"]["sum_mm"] - later[1]["recist"]["nadir_mm"] == pytest.approx(4.27, abs=0.05)


def test_an_upper_bound_now_is_no_rise():
    at_most = Bounds(upper=("not seen",))
    found = follow([lesion("a", A, 4.0, 0.001)], [lesion("a", A, 4.0, 0.02, visit="week 6", bounds=at_most)])
    assert found["visits"][0]["reinduction"][0]["verdict"] == "not assessable"


@pytest.mark.parametrize("how", ["frames", "case"])
def test_visits_in_other_coordinates_are_aligned_by_their_cts(how):
    """The patient lies 25 mm further along: without the alignment no lesion would be found again."""
    shift = (25.0, 4.0, -6.0)
    results = [SimpleNamespace(grid=GRID, ct_hu=ct()), SimpleNamespace(grid=GRID, ct_hu=ct(shift=shift, seed=2))]
    moved = tuple(a + b for a, b in zip(A, shift, strict=True))
    visits = ([lesion("a", A, 4.0, 0.02)], [lesion("a", moved, 4.0, 0.02, visit="week 6")])
    assert states(follow(*visits, results=results))[("a", "week 6")] == "disappeared"
    case, frames = CASE, None
    if how == "frames":
        frames = ["1.2.3", "1.2.4"]
    else:
        case = CASE.model_copy(update={"alignment": CASE.alignment.model_copy(update={"visits": "rigid"})})
    found = follow(*visits, case=case, results=results, frames=frames)
    (row,) = (r for r in found["rows"] if r["visit"] == "week 6")
    assert row["state"] == "persistent"
    assert row["distance_mm"] < 1.0
    assert found["alignment"][0]["model"] == "rigid"


def test_visits_table_is_written(tmp_path):
    found = follow([lesion("a", A, 6.0, 0.05)], [lesion("a", A, 2.0, 0.05, visit="week 6")])
    record = {"patient": "P1", "visits": [], "follow_up": found}
    write_patient(record, tmp_path)
    rows = list(csv.DictReader((tmp_path / "visits.csv").open()))
    assert list(rows[0])[: len(VISIT_COLUMNS)] == list(VISIT_COLUMNS)
    assert float(rows[1]["ldpa_gy_per_gbq_ratio"]) == pytest.approx(3.0)
    assert rows[1]["reinduction"] == "concentrated by shrinkage"
    assert "re-induced: none" in clinic_lines(record)[0]
