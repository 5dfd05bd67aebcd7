"""Inputs that contradict themselves: each is refused by name, or used and then named where nobody overlooks it."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hevesy
import numpy as np
import pytest
import yaml
from hevesy.engine.errors import InputError
from hevesy.engine.grid import write_image
from hevesy.engine.imaging.pet.read import _half_life
from hevesy.engine.notes import about
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.pipeline.clinic.therapy import visit_warnings
from hevesy.tests.unit.small_case import GRID, HOT, TEXT, TRACER_MBQ, write_small_case


def run(folder: Path, retention: str | None = None, **changes: Any) -> hevesy.engine.pipeline.outcome.Outcome:
    data = yaml.safe_load(TEXT) | changes
    if retention is not None:
        (folder / "retention.csv").write_text(retention)
        data["visits"][0]["retention"] = "retention.csv"
    return hevesy.run(hevesy.Case.from_dict(data, base=folder), method="local", out=folder / "run")


def said(outcome: Any, folder: Path, text: str) -> None:
    """It stands among the warnings of the visit, in the patient's record, and in the report."""
    (visit,) = outcome.visits
    assert any(text in warning for warning in visit.result.warnings), visit.result.warnings
    assert any(text in warning for warning in outcome.clinic["visits"][0]["warnings"])
    assert text in (folder / "run" / "report.html").read_text()


def pet(folder: Path, hours: float, retained: float) -> None:
    values = np.zeros(GRID.shape, np.float32)
    decay = math.exp(-nuclide("I-124").decay_constant_per_h * hours)
    values[HOT] = retained * TRACER_MBQ * 1e6 * decay
    write_image(folder / f"pet_{hours:.0f}.nii.gz", GRID, values)


@pytest.mark.parametrize("after", ["0 h", "-3 h"])
def test_a_scan_before_the_administration_is_refused(tmp_path: Path, after: str) -> None:
    file = write_small_case(tmp_path, TEXT.replace("after: 24 h", f"after: {after}"))
    with pytest.raises(InputError, match="after administration|after the administration|must be|greater"):
        hevesy.run(file, method="local")


def test_more_at_96_h_than_decay_leaves_is_named_and_capped(tmp_path: Path) -> None:
    write_small_case(tmp_path)
    pet(tmp_path, 24.0, 4e-4)
    pet(tmp_path, 96.0, 8e-4)
    outcome = run(tmp_path)
    (lesion,) = outcome.lesions
    said(outcome, tmp_path, "hot cube: the activity at 96 h is above what physical decay alone leaves of that at 24 h")
    assert any("above what physical decay alone leaves" in flag for flag in lesion.flags)
    # never a half-life longer than the nuclide's, whatever the scans say
    assert lesion.kinetics["effective_half_life_h"] == pytest.approx(nuclide("I-131").half_life_h)


def test_more_activity_than_was_given_is_refused(tmp_path: Path) -> None:
    file = write_small_case(tmp_path)
    pet(tmp_path, 24.0, 2.5 / (27 * 0.064))  # two and a half times the administered activity
    with pytest.raises(InputError, match="there cannot be more than was administered"):
        hevesy.run(file, method="local")


def test_nearly_all_of_the_activity_in_the_picture_is_a_warning(tmp_path: Path) -> None:
    write_small_case(tmp_path)
    for hours in (24.0, 96.0):
        pet(tmp_path, hours, 1.09 / (27 * 0.064))
    outcome = run(tmp_path)
    said(outcome, tmp_path, "the image holds 109 % of the administered activity left at the scan")


BODY = "time_h,whole_body_percent,blood_percent_per_l\n"


def test_blood_that_holds_more_than_the_body_is_named(tmp_path: Path) -> None:
    write_small_case(tmp_path)
    outcome = run(tmp_path, BODY + "2,95,3.5\n24,8,3.0\n48,3,0.4\n96,1,0.1\n", height="175 cm", sex="male")
    said(outcome, tmp_path, "Retention samples: at 24 h the blood would contain")


def test_a_body_that_takes_up_again_is_named(tmp_path: Path) -> None:
    write_small_case(tmp_path)
    outcome = run(tmp_path, BODY + "2,95,3.5\n24,20,0.6\n48,30,0.2\n96,1,0.05\n")
    said(outcome, tmp_path, "Retention samples: whole-body retention rises between 24 h and 48 h")


def test_a_blood_volume_that_cannot_be_is_refused(tmp_path: Path) -> None:
    write_small_case(tmp_path)
    with pytest.raises(InputError, match="cm|height|blood volume"):
        run(tmp_path, "time_h,whole_body_percent\n2,95\n24,20\n48,8\n96,1\n", height="1.75 cm", sex="male")


def test_a_lesion_in_one_visit_only_has_no_ratio_and_asks_for_confirmation(tmp_path: Path) -> None:
    write_small_case(tmp_path)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[HOT] = 1
    labels[9:11, 10:12, 10:12] = 2
    write_image(tmp_path / "two.nii.gz", GRID, labels)
    (tmp_path / "two.json").write_text('{"1": {"name": "hot cube", "site": "node"}, "2": "other"}')
    first = yaml.safe_load(TEXT)["visits"][0]
    data = yaml.safe_load(TEXT) | {
        "visits": [first | {"lesions": "two.nii.gz"}, first | {"name": "week 6", "lesions": "lesions.nii.gz"}]
    }
    outcome = hevesy.run(hevesy.Case.from_dict(data, base=tmp_path), method="local")
    follow = outcome.clinic["follow_up"]
    row = next(r for r in follow["rows"] if r["lesion"] == "other" and r["visit"] == "week 6")
    assert row["state"] == "disappeared" and row["ratios"] is None and row["values"] is None
    assert any("other is disappeared" in note and "confirm" in note for note in follow["notes"])
    assert {pair["n"] for pair in follow["visits"][0]["paired"].values()} <= {1, 0}
    back = hevesy.run(
        hevesy.Case.from_dict(data | {"visits": data["visits"][::-1]}, base=tmp_path), method="local"
    ).clinic["follow_up"]
    assert back["visits"][0]["new"] == ["other"] and back["visits"][0]["reinduction"][0]["lesion"] == "hot cube"
    assert all(one["lesion"] != "other" for one in back["visits"][0]["reinduction"])


def test_another_nuclides_half_life_in_the_header_reaches_the_warnings() -> None:
    notes: list[str] = []
    used = _half_life(SimpleNamespace(tracer="I-124", half_life_s=6586.2), None, notes)  # type: ignore[arg-type]
    assert used == pytest.approx(nuclide("I-124").half_life_s, rel=1e-3)  # never the header's
    images = SimpleNamespace(assumptions=[about("baseline, pet", notes[0]), "density from CT numbers"], scans=[])
    case = SimpleNamespace(therapy=SimpleNamespace(activity_mbq=7400.0))
    found = visit_warnings(case, images, SimpleNamespace(lesions=[], assumptions=[]), None)  # type: ignore[arg-type]
    assert len(found) == 1 and "the header's half-life 6586.2 s is not the tracer's" in found[0]
