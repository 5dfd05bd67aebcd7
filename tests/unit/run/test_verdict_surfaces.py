"""One judge: every combination of bound, tolerability and stopped transport gives one verdict on every surface.

The surfaces: the terminal, ``run --json``, lesions.json, lesions.csv, patient.json, the result file, the report (as
written, and as written again by ``hevesy report``), Python, and the table of a trial.
"""

from __future__ import annotations

import csv
import html
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hevesy
import numpy as np
import pytest
import yaml
from hevesy.cli import main
from hevesy.engine.cohort.tables import PatientRun, trial_tables
from hevesy.engine.export.clinic import read_patient
from hevesy.engine.export.folder import rewrite_report
from hevesy.engine.export.summary import verdict_lines
from hevesy.engine.export.tables import read_lesions_json
from hevesy.engine.grid import write_image
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.pipeline.outcome import Outcome
from hevesy.tests.unit.small_case import BODY, GRID, HOT, TEXT, TRACER_MBQ, write_small_case

#: Half-lives of the whole body [h] that allow less than 7.4 GBq, and more.
SLOW, FAST = 400.0, 14.0
#: Threshold that the lesion's dose lies far above, and far below [Gy].
LOW, HIGH = 0.05, 5000.0


def paint(folder: Path, hot: dict[float, float]) -> None:
    """PETs with noise around a background of 1 kBq/mL, and `hot` kBq/mL in the cube at each time [h]."""
    noise = np.random.default_rng(5)
    for hours, kbq in hot.items():
        pet = np.zeros(GRID.shape, np.float32)
        pet[BODY] = 1e3 * (1.0 + 0.05 * noise.standard_normal(pet[BODY].shape))
        pet[HOT] = 1e3 * kbq
        write_image(folder / f"pet_{hours:.0f}.nii.gz", GRID, pet)


def estimate(folder: Path, data: dict[str, Any]) -> None:
    paint(folder, {24.0: 30.0, 96.0: 10.0})


def small(folder: Path, data: dict[str, Any]) -> None:
    """Two voxels: 0.128 mL, below the smallest volume that is known."""
    estimate(folder, data)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[6, 7, 7:9] = 1
    write_image(folder / "lesions.nii.gz", GRID, labels)


def dark(folder: Path, data: dict[str, Any]) -> None:
    """Below detection in the later scan."""
    paint(folder, {24.0: 30.0, 96.0: 1.0})


def dark_in_both(folder: Path, data: dict[str, Any]) -> None:
    paint(folder, {24.0: 1.0, 96.0: 1.0})


def one_scan(folder: Path, data: dict[str, Any]) -> None:
    estimate(folder, data)
    del data["visits"][0]["scans"][1]


def without_recovery(folder: Path, data: dict[str, Any]) -> None:
    estimate(folder, data)
    del data["recovery"]


def small_and_one_scan(folder: Path, data: dict[str, Any]) -> None:
    small(folder, data)
    del data["visits"][0]["scans"][1]


def stopped(folder: Path, data: dict[str, Any]) -> None:
    """The transport ends before its standard error is known."""
    estimate(folder, data)
    data["methods"] = ["mc", "local"]


#: Scenario, and the kind of bound that it must give.
SCENARIOS: dict[Callable[[Path, dict[str, Any]], None], str] = {
    estimate: "",
    small: "lower",
    dark: "upper",
    dark_in_both: "upper",
    one_scan: "upper",
    without_recovery: "lower",
    small_and_one_scan: "open",
    stopped: "open",
}
#: Verdict of a lesion far above the threshold, and far below it, by the kind of bound: the table of the page.
ABOVE = {"": "eligible", "lower": "eligible", "upper": "undetermined", "open": "undetermined"}
BELOW = {"": "below", "lower": "undetermined", "upper": "below", "open": "undetermined"}


def samples(half_life_h: float) -> str:
    rate = nuclide("I-124").decay_constant_per_h + math.log(2.0) / half_life_h
    lines = ["# nuclide: I-124", "time_h,whole_body_percent,blood_percent_per_l"]
    lines += [f"{t:g},{100 * math.exp(-rate * t):.8f},{2.5 * math.exp(-rate * t):.8f}" for t in (2.0, 24.0, 48.0, 96.0)]
    return "\n".join(lines) + "\n"


def write_case(folder: Path, scenario: Callable[[Path, dict[str, Any]], None], threshold: float, body: float) -> Path:
    write_small_case(folder)
    data = yaml.safe_load(TEXT) | {
        "threshold": f"{threshold} Gy", "methods": ["local"], "recovery": {"fwhm": "6 mm", "fwhm_sigma": "0.5 mm"},
    }  # fmt: skip
    if body:
        (folder / "retention.csv").write_text(samples(body))
        data["visits"][0]["retention"] = "retention.csv"
    scenario(folder, data)
    (folder / "case.yaml").write_text(yaml.safe_dump(data))
    return folder / "case.yaml"


def stop_at_once() -> Callable[[], bool]:
    """Asks to stop after the first batch."""
    asked = iter([False, False])
    return lambda: next(asked, True)


def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    monkeypatch.setattr(sys, "argv", ["hevesy", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main.entry()
    assert not caught.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("body", [0.0, FAST, SLOW], ids=["maximum unknown", "tolerable", "not tolerable"])
@pytest.mark.parametrize("threshold", [LOW, HIGH], ids=["above", "below"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_every_surface_says_what_the_judge_says(scenario, threshold, body, tmp_path, capsys, monkeypatch) -> None:
    file = write_case(tmp_path, scenario, threshold, body)
    outcome = hevesy.run(file, out=tmp_path / "out", stop=stop_at_once() if scenario is stopped else None)
    kind = SCENARIOS[scenario]
    of_lesion = (ABOVE if threshold == LOW else BELOW)[kind]
    of_patient = "not tolerable" if body == SLOW and of_lesion != "below" else of_lesion
    check_files(tmp_path / "out", outcome, of_lesion, of_patient, kind)
    check_report(tmp_path / "out", outcome, again=body == SLOW)
    assert outcome.verdicts[0].sentence in " ".join(" ".join(verdict_lines(outcome)).split())


@pytest.mark.parametrize("scenario", [estimate, small_and_one_scan], ids=lambda one: one.__name__)
def test_the_command_prints_the_same(scenario, tmp_path, capsys, monkeypatch) -> None:
    file = write_case(tmp_path, scenario, LOW, SLOW)
    printed = " ".join(command(capsys, monkeypatch, "run", file, "--out", tmp_path / "out", "-q").split())
    told = json.loads(command(capsys, monkeypatch, "run", file, "--out", tmp_path / "out", "--json"))
    (written,) = json.loads((tmp_path / "out" / "lesions.json").read_text())["verdicts"]
    assert told["verdicts"] == [written] and written["sentence"] in printed
    assert told["lesions"][0]["verdict"] == written["lesions"][0]["verdict"]


def check_files(folder: Path, outcome: Outcome, of_lesion: str, of_patient: str, kind: str) -> None:
    """lesions.csv, lesions.json, patient.json, result.h5, Python and the trial's table."""
    (verdict,) = outcome.verdicts
    (lesion,) = outcome.lesions
    assert (lesion.verdict, verdict.verdict, verdict.lesions[0].verdict) == (of_lesion, of_patient, of_lesion)
    assert math.isnan(lesion.probability) == math.isnan(verdict.probability) == bool(kind)
    assert (lesion.bounds.at_least, lesion.bounds.at_most, lesion.bounds.open) == (
        kind == "lower", kind == "upper", kind == "open",
    )  # fmt: skip
    written = json.loads((folder / "lesions.json").read_text())
    patient = json.loads((folder / "patient.json").read_text())["visits"][0]["eligibility"]
    expected = json.loads(json.dumps(verdict.to_dict()))
    assert written["verdicts"] == [expected] and patient["at"][0] == expected
    assert written["lesions"][0]["verdict"] == of_lesion and bool(written["lesions"][0]["undecided"]) != (
        not kind or of_lesion in ("eligible", "below")
    )
    sampled = written["lesions"][0]["uncertainty"].get("sampled")
    assert sampled is None or not kind, "a bound has no probability, sampled or not"
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["verdict"] == of_lesion and (row["probability"] == "") == bool(kind)
    assert (row["lower_bound"], row["upper_bound"]) == tuple(
        "yes" if has else "no" for has in (bool(lesion.bounds.lower), bool(lesion.bounds.upper))
    )
    with h5py.File(folder / "result.h5") as stored:
        assert stored["lesions/table"]["verdict"][0].decode() == of_lesion
    tables = trial_tables([PatientRun("P", "arm", read_lesions_json(folder / "lesions.json"), read_patient(folder))])
    counts = tables["eligibility"][0]
    assert counts["patients"]["count"] == (of_patient == "eligible")
    assert counts["undetermined"] == (of_patient == "undetermined")
    assert counts["not_tolerable"] == (of_patient == "not tolerable")


def check_report(folder: Path, outcome: Outcome, again: bool) -> None:
    """Headline and sentence, in the report of the run and, where asked for, in the one made again from its files."""
    (verdict,) = outcome.verdicts
    first = (folder / "report.html").read_text(encoding="utf-8")
    if again:
        assert rewrite_report(folder) == [folder / "report.html"]
        assert (folder / "report.html").read_text(encoding="utf-8") == first
    words = html.unescape(first)
    assert re.findall(r'<p class="headline">(.*?)</p>', words) == [verdict.headline]
    assert f"<p>{verdict.sentence}</p>" in words


def test_the_lesion_of_the_scenarios_lies_where_they_say(tmp_path: Path) -> None:
    """By hand: 30 kBq/mL at 24 h of 74 MBq are 0.048 %IA/mL, far more than 2 Gy and far less than 5000 Gy."""
    dose = hevesy.run(write_case(tmp_path, estimate, 20.0, 0.0)).lesions[0].dose_gy
    uptake = 30e3 / (TRACER_MBQ * 1e6) * math.exp(nuclide("I-124").decay_constant_per_h * 24.0)
    assert LOW < 0.3 * 97.0 * 7.4 * uptake * 100 < dose < 3.0 * 97.0 * 7.4 * uptake * 100 < HIGH
