"""Targets, organs and reference regions: from the case file to the numbers of every surface."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import hevesy
import numpy as np
import pytest
import yaml
from hevesy.engine.errors import InputError
from hevesy.engine.grid import write_image
from hevesy.tests.unit.small_case import GRID, HOT, TEXT, write_small_case

NAMES = {"1": {"name": "hot cube", "site": "node"}, "2": "Left kidney", "3": "Aorta"}


def case(folder: Path, lesions: object, **changes: object) -> hevesy.Case:
    """The small case with two more structures: one hot (the same voxels, doubled mask), one cold."""
    write_small_case(folder)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[HOT] = 1
    labels[HOT[0].start, HOT[1], HOT[2]] = 2  # a slice of the hot cube
    labels[3, 4:6, 4:6] = 3
    write_image(folder / "lesions.nii.gz", GRID, labels)
    (folder / "lesions.json").write_text(json.dumps(NAMES))
    data = yaml.safe_load(TEXT)
    data["visits"][0]["lesions"] = lesions
    return hevesy.Case.from_dict(data | changes, base=folder)


def surfaces(folder: Path, **how: object) -> tuple[dict, dict, dict]:
    """Rows of lesions.csv by name, lesions.json, and the visit's eligibility in patient.json."""
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["lesion"]: row for row in csv.DictReader(stream)}
    patient = json.loads((folder / "patient.json").read_text())
    return rows, json.loads((folder / "lesions.json").read_text()), patient["visits"][0]["eligibility"]


def test_an_organ_has_a_dose_and_a_limit_and_never_a_verdict(tmp_path: Path) -> None:
    lesions = {
        "file": "lesions.nii.gz",
        "names": {"left KIDNEY": {"role": "organ", "limit": "1 Gy"}, "a*": "reference"},
    }
    asked = case(tmp_path, lesions, recovery={"fwhm": "6 mm"})
    critical = hevesy.run(asked, method="local", out=tmp_path / "out").visits[0].result.critical
    assert any(text.startswith("Left kidney gets") and "above its limit of 1 Gy" in text for text in critical)
    rows, written, eligibility = surfaces(tmp_path / "out")
    assert {name: row["role"] for name, row in rows.items()} == {
        "hot cube": "target", "Left kidney": "organ", "Aorta": "reference",
    }  # fmt: skip
    for name in ("Left kidney", "Aorta"):
        assert rows[name]["verdict"] == "" and rows[name]["probability"] == "" and float(rows[name]["dose_gy"]) >= 0
    assert rows["Left kidney"]["limit_gy"] == "1" and float(rows["Left kidney"]["dose_gy"]) > 1.0
    for verdict in (written["verdicts"][0], *eligibility["at"]):
        assert [one["lesion"] for one in verdict["lesions"]] == ["hot cube"]
    # the organ gets more than its limit at the planned activity: by hand, the activity at which it gets 1 Gy
    tolerable = 7.4 * 1.0 / float(rows["Left kidney"]["dose_gy"])
    assert eligibility["maximum_gbq"] == pytest.approx(tolerable, rel=1e-6)
    assert eligibility["at"][0]["verdict"] == written["verdicts"][0]["verdict"] == "not tolerable"
    assert "set by 1 Gy to Left kidney" in eligibility["at"][0]["sentence"]
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert '<p class="headline">Not tolerable</p>' in report


def test_without_a_target_there_is_no_verdict(tmp_path: Path) -> None:
    outcome = hevesy.run(
        case(tmp_path, {"file": "lesions.nii.gz", "role": "organ"}), method="local", out=tmp_path / "out"
    )
    rows, written, eligibility = surfaces(tmp_path / "out")
    assert outcome.verdicts == [] and written["verdicts"] == [] and eligibility == {}
    assert all(row["verdict"] == "" for row in rows.values())
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Eligible" not in report and "Doses without a verdict" in report


def test_roles_survive_the_resolved_case(tmp_path: Path) -> None:
    asked = case(tmp_path, [{"file": "lesions.nii.gz", "names": {"Aorta": "reference"}}])
    first = hevesy.run(asked, method="local", out=tmp_path / "out")
    again = hevesy.run(tmp_path / "out" / "case.resolved.yaml", method="local")
    assert [lesion.to_row() for lesion in again.lesions] == [lesion.to_row() for lesion in first.lesions]


def test_a_name_that_no_structure_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no structure is named 'left kidny'") as error:
        hevesy.run(case(tmp_path, {"file": "lesions.nii.gz", "names": {"left kidny": "organ"}}), method="local")
    assert "Left kidney" in error.value.suggestion and error.value.field == "visits.lesions.names"


def test_only_an_organ_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a target with a limit"):
        case(tmp_path, {"file": "lesions.nii.gz", "names": {"Aorta": {"role": "target", "limit": "20 Gy"}}})


LIMITED = {"file": "lesions.nii.gz", "names": {"Left kidney": {"role": "organ", "limit": "1 Gy"}, "Aorta": "reference"}}


def test_a_lower_bound_of_an_organ_sets_the_maximum_and_is_called_one(tmp_path: Path) -> None:
    """Without recovery the organ gets at least its dose: the maximum is at most the one stated."""
    hevesy.run(case(tmp_path, LIMITED), method="local", out=tmp_path / "out")
    rows, _, eligibility = surfaces(tmp_path / "out")
    assert rows["Left kidney"]["lower_bound"] == "yes"
    assert eligibility["maximum_gbq"] == pytest.approx(7.4 / float(rows["Left kidney"]["dose_gy"]), rel=1e-6)
    assert eligibility["at"][0]["limiting_rule"] == "1 Gy to Left kidney, whose dose is a lower bound"


def test_an_upper_bound_of_an_organ_cannot_show_that_its_limit_is_exceeded(tmp_path: Path) -> None:
    """One scan: the organ gets at most its dose, above the limit; whether it is exceeded is not known."""
    asked = case(tmp_path, LIMITED, recovery={"fwhm": "6 mm"})
    visit = asked.visits[0].model_copy(update={"scans": asked.visits[0].scans[:1]})
    outcome = hevesy.run(asked.model_copy(update={"visits": (visit,)}), method="local", out=tmp_path / "out")
    _, _, eligibility = surfaces(tmp_path / "out")
    assert eligibility["maximum_gbq"] is None and eligibility["at"][0]["tolerable"] is None
    critical = outcome.visits[0].result.critical
    assert any("Left kidney gets ≤ " in text and "not known to be below its limit of 1 Gy" in text for text in critical)
