"""The judgement of the cohort check on made-up doses, and that a trial's cases say what the check relies on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hevesy.engine import imaging
from hevesy.engine.case.model import Case
from hevesy.engine.pipeline.scans import read_visit
from hevesy.phantoms.cohort import make_cohort
from hevesy.tools.cohort_check import drawn_relative
from hevesy.tools.cohort_errors import draw_errors, with_errors
from hevesy.tools.cohort_page import accuracy, eligibility, page, summary

ABOUT = {
    "trial_seed": 1, "noise_seeds": 2, "patients": ["P01"], "patients_in_trial": 14, "wall_time_s": 1.0,
    "cpu_time_s": 1.0, "photon_decays": 1000, "jobs": 1, "commits": ["x"],
}  # fmt: skip


def _row(lesion: str, seed: int, dose: float, true: float, **other: Any) -> dict[str, Any]:
    row = {
        "patient": "P01", "arm": "main", "visit": "baseline", "lesion": lesion, "site": "node",
        "noise_seed": seed, "volume_ml": 8.0, "resolutions": 3.0, "true_gy": true, "dose_gy": dose,
        "low_gy": 0.9 * dose, "high_gy": 1.1 * dose, "upper_bound": False, "lower_bound": False,
        "drawn_effect": 0.05, "deviation": float(np.log(dose / true)) / 0.1,
        "verdict": "eligible" if dose >= 20.0 else "below",
    }  # fmt: skip
    return row | other


ROWS = [
    _row("a", 0, 11.0, 10.0), _row("a", 1, 12.0, 10.0),  # ratios 1.1 (covered), 1.2 (not)
    _row("b", 0, 19.0, 20.0), _row("b", 1, 21.0, 20.0),  # ratios 0.95, 1.05 (both covered)
    _row("c", 0, 99.0, 10.0, upper_bound=True),
]  # fmt: skip


def test_bias_is_over_lesions_and_bounds_are_left_out() -> None:
    found = accuracy(ROWS)
    assert (found["lesions"], found["doses"], found["bounds"]) == (2, 4, 1)
    assert found["bias"] == pytest.approx(0.075)  # means 1.15 and 1.00
    # over lesions (1.15, 1.00), and over the two seeds' means (1.025, 1.125)
    over = np.array([np.std([1.15, 1.0], ddof=1), np.std([1.025, 1.125], ddof=1)]) / np.sqrt(2)
    assert found["bias_error"] == pytest.approx(np.hypot(*over))
    assert found["scatter"] == pytest.approx(np.sqrt(0.005))
    assert found["coverage"] == pytest.approx(0.75)
    assert found["log_bias"] == pytest.approx(0.25 * np.log(1.1 * 1.2 * 0.95 * 1.05))
    assert found["own_bias"] == pytest.approx(found["log_bias"] - 0.05)
    assert found["spread"] == pytest.approx(10.0 * np.sqrt(np.mean(np.square(np.log([1.1, 1.2, 0.95, 1.05])))))


def test_an_error_that_never_happens_is_not_in_the_intervals() -> None:
    parts = {"volume": 0.04, "uptake before the first scan": 0.12, "calibration": 0.03}
    contributions = [{"name": name, "relative": relative} for name, relative in parts.items()]
    assert drawn_relative({"relative": 0.13, "contributions": contributions}) == pytest.approx(0.05)


def test_eligibility_by_lesion_and_by_patient_visit() -> None:
    found = eligibility(ROWS)
    assert found["lesions"] | {"specificity": None} == {
        "true_positive": 1,
        "false_negative": 1,
        "false_positive": 1,
        "true_negative": 2,
        "sensitivity": 0.5,
        "specificity": None,
    }
    # seed 0: the bound alone makes the patient eligible; seed 1: lesion b
    assert found["patients"]["sensitivity"] == 1.0 and found["patients"]["specificity"] is None


def test_judgements_fail_when_they_must_and_say_when_the_run_was_short() -> None:
    judged = [
        {
            "patient": "P01",
            "arm": "main",
            "responder": False,
            "visit": "week 6",
            "noise_seed": k,
            "lesions": 2,
            "re_induced": int(k == 0),
            "concentrated": 0,
        }
        for k in range(2)
    ]
    control = [j | {"arm": "control", "responder": True, "patient": "C01", "re_induced": 1} for j in judged * 3]
    record = summary(ROWS, judged + control, ABOUT)
    main, arm = record["arms"]
    # 1 of 1 visit by chance: 5 %, not below it; 3 of 3: 0.05^3
    assert (main["found"], arm["found"], arm["patient_visits"], arm["mean_count"]) == (0, 2, 3, 3.0)
    holds = {row["what"].split(",")[0]: row["holds"] for row in record["judgements"]}
    assert holds["bias of the dose above two resolutions"] is False
    assert holds["coverage of the 68 % intervals above two resolutions"] is True
    assert holds["false re-induction"] is False
    assert holds["noise seeds in which the control arm is found"] is True
    text = page(record)
    assert "2 noise seeds, 1 of 14 patients" in text and "This is not the full check" in text
    assert "+7.5 ± 9.0 %" in text
    full = ABOUT | {"noise_seeds": 20, "patients": [f"P{k}" for k in range(14)]}
    assert "not the full check" not in page(summary(ROWS, judged, full))


def test_a_trial_s_case_states_sites_and_a_number_of_decays(tmp_path: Path) -> None:
    cohort = make_cohort(seed=4, patients=1, control_patients=0, voxel_mm=8.0)
    cohort.save(tmp_path, dose="sphere")
    case = Case.load(tmp_path / "P01" / "case.yaml")
    assert case.transport.until is None and case.transport.decays == 2_000_000
    grid = imaging.read_ct(case.visits[0].scans[0].ct).grid
    masks = imaging.read_masks(case.visits[0].lesion_files[0], grid)
    assert [m.site for m in masks] == [lesion.site for lesion in cohort.patients[0].visits[0].lesions]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Case]:
    folder = tmp_path_factory.mktemp("trial")
    cohort = make_cohort(seed=4, patients=1, control_patients=0, voxel_mm=8.0)
    cohort.save(folder, dose="sphere")
    return cohort.patients[0], Case.load(folder / "P01" / "case.yaml")


def test_errors_have_the_size_that_the_case_states(one: tuple[Any, Case]) -> None:
    patient, case = one
    drawn = [draw_errors(case, patient, (2.0, 2.0, 2.0), seed) for seed in range(400)]
    logs = np.log([[visits[0].activity, visits[0].density, *visits[1].scans, visits[2].volumes[0]] for visits in drawn])
    volume = patient.visits[2].lesions[0].volume_ml
    diameter = (6000 * volume / np.pi) ** (1 / 3)
    # CT voxels of 2 mm, edges of 1 mm, and both sides seen within one voxel (triangular)
    stated = 3 * np.sqrt(2.0**2 / 6 + 1.0**2 / (4 * np.log(2)) + (2 * 2.0) ** 2 / 6) / diameter
    assert logs.std(axis=0) == pytest.approx([0.05, 0.03, 0.08, 0.08, stated], rel=0.15)  # 400 draws: 3.5 %
    assert np.abs(logs.mean(axis=0) / logs.std(axis=0)).max() < 0.2
    assert np.abs(np.corrcoef(logs.T) - np.eye(5)).max() < 0.2
    assert len({visits[0].activity for visits in drawn[0:1]} | {v.activity for v in drawn[0]}) == 1  # one scanner
    again = draw_errors(case, patient, (2.0, 2.0, 2.0), 7)
    assert again[1].volumes == pytest.approx(drawn[7][1].volumes)


def test_a_repetition_changes_what_it_says_and_nothing_else(one: tuple[Any, Case], tmp_path: Path) -> None:
    patient, case = one
    images = read_visit(case, case.visits[0])
    scan = patient.visits[0]
    (errors, *_) = draw_errors(case, patient, (4.0, 4.0, 4.0), 3)
    clean = [scan.pet_without_noise(k) for k in range(2)]
    found = with_errors(images, scan, clean, errors, 3, tmp_path)
    assert found.density == pytest.approx(images.density * errors.density, rel=1e-6)
    voxel = scan.ct_grid.voxel_volume_ml
    for drawn, before, lesion, factor in zip(found.lesions, images.lesions, scan.lesions, errors.volumes, strict=True):
        assert (drawn.name, drawn.site) == (before.name, before.site)
        assert drawn.mask.volume_ml == pytest.approx(max(round(lesion.volume_ml * factor / voxel), 1) * voxel, rel=1e-5)
    total = found.concentration.sum(axis=(1, 2, 3)) / images.concentration.sum(axis=(1, 2, 3))
    assert total == pytest.approx(errors.activity * errors.scans, rel=0.01)  # noise of the whole image
    assert found.times_h is images.times_h and found.ct_hu is images.ct_hu
