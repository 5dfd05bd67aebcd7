"""Choices of the case that change what a run does: other therapies, one scan only, the resolution's uncertainty."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import hevesy
import pytest
import yaml
from hevesy.cli.main import app
from hevesy.engine.errors import InputError
from hevesy.engine.export.folder import rewrite_report
from hevesy.engine.nuclides.decay import nuclide
from hevesy.tests.unit.small_case import RETENTION, TEXT, write_small_case
from typer.testing import CliRunner

ONE_SCAN = "      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}\n"


def load(folder: Path, text: str = TEXT, **changes: Any) -> hevesy.Case:
    file = write_small_case(folder)
    return hevesy.Case.from_dict(yaml.safe_load(text) | changes, base=file.parent)


FURTHER = [{"nuclide": "Lu-177", "activity": "7.4 GBq"}, {"nuclide": "I-124", "activity": "1 GBq"}]


def test_several_therapies_from_one_tracer_study(tmp_path: Path) -> None:
    """Each has the retention of the scans and its own decay: the TIA coefficient by hand for all three.

    Iodine rises linearly to the first scan; 177Lu is back-extrapolated.
    """
    outcome = hevesy.run(load(tmp_path, further_therapies=FURTHER), method="local", out=tmp_path / "run")
    assert [one.case.therapy.nuclide for one in outcome.further] == ["Lu-177", "I-124"]
    clearance = math.log(RETENTION[24.0] / RETENTION[96.0]) / 72.0
    for one in (outcome, *outcome.further):
        decay = nuclide(one.case.therapy.nuclide).decay_constant_per_h
        first = RETENTION[24.0] * math.exp(-24.0 * decay)
        slow = clearance + decay
        before = 12.0 if one.case.therapy.nuclide != "Lu-177" else math.expm1(24.0 * slow) / slow
        by_hand = 1.728 * first * (before + 1.0 / slow)
        assert one.lesions[0].kinetics["tia_coefficient_h"] == pytest.approx(by_hand, rel=1e-4)
    for name in ("", "therapy_Lu-177/", "therapy_I-124/"):
        record = json.loads((tmp_path / "run" / name / "lesions.json").read_text())
        assert record["lesions"][0]["kinetics"]["therapy"] == (name.strip("/").removeprefix("therapy_") or "I-131")
    again = hevesy.Case.load(tmp_path / "run" / "therapy_Lu-177" / "case.resolved.yaml")
    assert again.therapy.nuclide == "Lu-177" and not again.further_therapies
    assert len(rewrite_report(tmp_path / "run")) == 3
    assert "sphere_dose_gy" not in outcome.further[0].lesions[0].clinic  # its formula is that of 131I


def test_the_same_therapy_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="I-131 is listed twice"):
        load(tmp_path, further_therapies=[{"nuclide": "131I", "activity": "3.7 GBq"}])


def test_the_command_line_shows_every_therapy(tmp_path: Path) -> None:
    text = TEXT.replace("tracer:", "further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]\ntracer:")
    file = write_small_case(tmp_path, text)
    shown = CliRunner().invoke(app, ["run", str(file), "--method", "local", "--out", str(tmp_path / "run")])
    assert shown.exit_code == 0, shown.output
    assert "From the same scans, 7.4 GBq Lu-177:" in shown.output
    shown = CliRunner().invoke(app, ["check", str(file)])
    assert "From the same scans too: 7.4 GBq of Lu-177: half-life 15" in shown.output


@pytest.mark.parametrize("kinetics", [{"population_half_life": "70 h"}, {}])
def test_one_scan_with_a_population_half_life_when_asked_and_flagged(tmp_path: Path, kinetics: Any) -> None:
    """For iodine it need not be stated."""
    kinetics = {"model": "single-time-point"} | kinetics
    case = load(tmp_path, TEXT.replace(ONE_SCAN, ""), kinetics=kinetics)
    outcome = hevesy.run(case, method="local")
    (lesion,) = outcome.lesions
    decay = nuclide("I-131").decay_constant_per_h
    by_hand = 1.728 * RETENTION[24.0] * math.exp(-24 * decay) * (12 + 1 / (decay + math.log(2) / 70))
    assert lesion.kinetics["tia_coefficient_h"] == pytest.approx(by_hand, rel=1e-4)
    assert lesion.kinetics["biological_half_life_h"] == pytest.approx(70.0)
    assert any("population" in flag for flag in lesion.flags)
    assert any("70 h from a population" in text for text in outcome.visits[0].result.warnings)


@pytest.mark.parametrize(
    ("kinetics", "text"),
    [
        ({"model": "auto", "population_half_life": "70 h"}, "'population_half_life' for another model"),
        ({"model": "two-point", "population_gsd": 1.6}, "'population_gsd' for another model"),
        ({"model": "mono-exponential", "uptake": "linear"}, "does not fit 'model: mono-exponential'"),
        ({"model": "bi-exponential", "uptake": "instant"}, "does not fit 'model: bi-exponential'"),
    ],
)
def test_a_choice_that_the_model_does_not_use_is_refused(tmp_path: Path, kinetics: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        load(tmp_path, kinetics=kinetics)


def test_two_scans_are_not_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="single-time-point"):
        case = load(tmp_path, kinetics={"model": "single-time-point", "population_half_life": "70 h"})
        hevesy.run(case, method="local")


def test_the_resolution_s_uncertainty_is_a_line_of_the_budget(tmp_path: Path) -> None:
    """RC of the blurred mask at 6.3 and 5.7 mm against 6 mm: half their log ratio."""
    known = hevesy.run(load(tmp_path, recovery={"fwhm": "6 mm"}), method="local").lesions[0]
    given = hevesy.run(load(tmp_path, recovery={"fwhm": "6 mm", "fwhm_sigma": "0.3 mm"}), method="local").lesions[0]
    ends = [
        hevesy.run(load(tmp_path, recovery={"fwhm": f"{f} mm"}), method="local").lesions[0].recovery["coefficient"]
        for f in (5.7, 6.3)
    ]

    def line(lesion: Any) -> float:
        return next(c["relative"] for c in lesion.uncertainty["contributions"] if c["name"] == "recovery curve")

    assert line(known) == 0.0
    assert line(given) == pytest.approx(0.5 * math.log(ends[0] / ends[1]), rel=0.02)
    with pytest.raises(InputError, match="belongs to 'fwhm'"):
        (tmp_path / "curve.csv").write_text("diameter_mm,recovery\n10,0.4\n20,0.7\n37,0.9\n")
        load(tmp_path, recovery={"curve": "curve.csv", "fwhm_sigma": "0.3 mm"})


def test_the_chain_and_its_sampled_check_agree_in_a_run(tmp_path: Path) -> None:
    case = load(tmp_path, recovery={"fwhm": "6 mm"}, uncertainty={"volume": "15 %"})
    lesion = hevesy.run(case, method="local").lesions[0]
    drawn = lesion.uncertainty["sampled"]
    assert drawn["relative"] == pytest.approx(lesion.uncertainty["relative"], rel=0.06)  # docs/methods/uncertainty.md
    assert drawn["median_gy"] == pytest.approx(lesion.dose_gy, rel=0.02)
    assert drawn["interval_k1_gy"] == pytest.approx(lesion.uncertainty["interval_k1_gy"], rel=0.03)
    assert drawn["probability"] == pytest.approx(lesion.probability, abs=0.05)
    assert hevesy.run(load(tmp_path), method="local").lesions[0].uncertainty["sampled"] is None  # no recovery
