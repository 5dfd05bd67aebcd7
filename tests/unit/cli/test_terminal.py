"""What `hevesy run` prints: five columns in 80 characters, no number torn, every sentence once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hevesy.cli.main import app
from hevesy.cli.output import echo_table, echo_text
from hevesy.engine.grid import write_image
from hevesy.tests.unit.small_case import GRID, HOT, TEXT, write_small_case
from typer.testing import CliRunner

LONG = "right supraclavicular lymph node beside the thoracic-duct-and-subclavian-vein"
NAMES = {"1": {"name": "hot cube"}, "2": {"name": LONG}, "3": {"name": "Left kidney"}, "4": {"name": "Aorta"}}
STRUCTURES = {
    "file": "lesions.nii.gz",
    "names": {"Left kidney": {"role": "organ", "limit": "300 Gy"}, "Aorta": "reference"},
}


def make_case(folder: Path, **changes: object) -> Path:
    """Two targets, an organ and a reference, corrected for recovery, threshold 32 Gy."""
    file = write_small_case(folder)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[HOT] = 1
    labels[HOT[0].start, HOT[1], HOT[2]] = 2
    labels[HOT[0].stop - 1, 6:8, 6:9] = 3
    labels[3, 4:6, 4:6] = 4
    write_image(folder / "lesions.nii.gz", GRID, labels)
    (folder / "lesions.json").write_text(json.dumps(NAMES))
    data = yaml.safe_load(TEXT) | {"threshold": "32 Gy", "recovery": {"fwhm": "6 mm", "fwhm_sigma": "0.5 mm"}}
    data["visits"][0]["lesions"] = STRUCTURES
    file.write_text(yaml.safe_dump(data | changes))
    return file


def printed(file: Path, *flags: str, columns: str | None = "80") -> tuple[str, str]:
    """Standard output and standard error of a run by local deposition, in a process of its own, on pipes."""
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    if columns is not None:
        environment["COLUMNS"] = columns
    done = subprocess.run(
        [sys.executable, "-m", "hevesy.cli.main", "run", file.name, "--method", "local", "--out", "run", "-q", *flags],
        capture_output=True, text=True, cwd=file.parent, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def case_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_case(tmp_path_factory.mktemp("terminal"))


@pytest.fixture(scope="module")
def on_a_pipe(case_file: Path) -> tuple[str, str]:
    return printed(case_file, columns=None)


def rows(out: str) -> list[list[str]]:
    """Cells of every line of a table's body."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line[:1] == "│"]


def written(file: Path) -> dict:
    return json.loads((file.parent / "run" / "lesions.json").read_text())


def test_every_line_fits_80_columns_on_a_pipe_and_where_the_terminal_has_them(case_file, on_a_pipe):
    for out, err in (on_a_pipe, printed(case_file, columns="80")):
        assert [line for line in (out + err).splitlines() if len(line) > 80] == []
        assert len(out.splitlines()) > 15


def test_the_table_says_dose_interval_probability_and_verdict_of_the_records_highest_first(case_file, on_a_pipe):
    lesions = {one["lesion"]: one for one in written(case_file)["lesions"]}
    # the continued lines of a long name have no other cell
    judged = [row for row in rows(on_a_pipe[0]) if len(row) == 5 and row[4] and row[1] != "organ" != row[1]]
    judged = [row for row in judged if row[4].split()[0] in ("eligible", "below", "undetermined")]
    found = [one for one in lesions.values() if one["role"] == "target"]
    assert len(judged) == len(found) == 2
    for row, one in zip(judged, sorted(found, key=lambda one: -one["dose_gy"]), strict=True):
        assert one["lesion"].startswith(row[0])
        dose = re.fullmatch(r"(?:[≥≤~] )?([\d.]+) ± ([\d.]+)", row[1])
        assert dose, row
        assert float(dose[1]) == pytest.approx(one["dose_gy"], rel=0.02)
        assert float(dose[2]) == pytest.approx(one["dose_uncertainty_gy"], rel=0.05)
        if any(one["bounds"].values()):
            assert row[1][0] in "≥≤~" and row[2:4] == ["–", "–"]
        else:
            low, high = row[2].split("–")
            assert float(low) == pytest.approx(one["interval_low_gy"], rel=0.005)
            assert float(high) == pytest.approx(one["interval_high_gy"], rel=0.005)
        assert row[4].split()[0] == one["verdict"]


def test_organs_and_references_have_a_table_without_probability_and_verdict(on_a_pipe):
    out = on_a_pipe[0]
    assert "organs and references" in out
    others = {row[0]: row for row in rows(out) if row[1] in ("organ", "reference")}
    assert {name: (row[1], row[4]) for name, row in others.items()} == {
        "Left kidney": ("organ", "300"), "Aorta": ("reference", "–"),
    }  # fmt: skip


def test_a_long_name_is_whole_or_shortened_in_its_middle(on_a_pipe):
    cells = [row[0] for row in rows(on_a_pipe[0])]
    start = next(i for i, cell in enumerate(cells) if cell.startswith("right"))
    name = " ".join(
        cells[start : next(i for i in range(start + 1, 99) if not cells[i].islower() or "cube" in cells[i])]
    )
    assert name.startswith("right supraclavicular lymph node beside the thoracic-")
    assert name.endswith("vein")


def test_the_sentence_of_the_judge_stands_first_and_is_that_of_the_file(case_file, on_a_pipe):
    out, err = on_a_pipe
    said = re.sub(r"\s+", " ", out[out.rindex("┘") + 1 :]).strip()
    assert said.startswith(written(case_file)["verdicts"][0]["sentence"])
    cautions = [line for line in re.sub(r"\n  ", " ", err).splitlines() if line]
    assert cautions and all(line.startswith("caution: ") for line in cautions)
    result = json.loads((case_file.parent / "run" / "patient.json").read_text())["visits"][0]
    told = [line.removeprefix("caution: ") for line in cautions]
    critical = [text for text in result["critical"] if f"critical: {text}" in said]
    assert sorted([*told, *critical]) == sorted(result["warnings"])


def test_nothing_is_said_twice_and_no_subject_is_doubled(on_a_pipe):
    out, err = (re.sub(r"\n  ", " ", text) for text in on_a_pipe)
    lines = [line for line in (out + err).splitlines() if line and line[0] not in "│┏┡┃└"]
    assert len(lines) == len(set(lines))
    assert not re.search(r"(\b[\w.]+): \1", out + err)


def test_wide_names_v_after_the_threshold_and_keeps_what_is_as_imaged_apart(case_file):
    out, _ = printed(case_file, "--wide", columns="250")
    assert "V32Gy" in out and "V20Gy" not in out
    heading = next(line for line in out.splitlines() if "as imaged:" in line)
    assert heading.index("corrected /") < heading.index("as imaged:") < heading.index("V32Gy")
    hot = next(row for row in rows(out) if row[0] == "hot cube")
    record = next(one for one in written(case_file)["lesions"] if one["lesion"] == "hot cube")
    assert float(hot[9]) == pytest.approx(record["recovery_dose_factor"], rel=0.01)
    assert float(hot[10]) == pytest.approx(record["dose_map_gy"], rel=0.01)


def test_assumptions_hold_no_warning_and_each_once(tmp_path):
    """Two scans without a sidecar: their identical remarks are one line that names both."""
    file = make_case(tmp_path, tracer={"nuclide": "I-124", "activity": "740 MBq"})
    shown = CliRunner().invoke(app, ["check", str(file), "--json"])
    visit = json.loads(shown.stdout)["visits"][0]
    assumptions, warnings = visit["assumptions"], visit["warnings"]
    assert [text for text in warnings if "administered activity left at the scan" in text]
    assert not set(assumptions) & set(warnings) and len(assumptions) == len(set(assumptions))
    assert not [text for text in assumptions if "warning" in text.lower() or "left at the scan" in text]
    unit = [text for text in assumptions if "no unit is stated" in text]
    assert len(unit) == 1 and unit[0].count("pet_24.nii.gz") == unit[0].count("pet_96.nii.gz") == 1


def test_a_table_of_many_numbers_grows_rather_than_tear_one(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    numbers = [f"{1234567 + i} ± {7654321 + i}" for i in range(8)]
    echo_table(["lesion", *(f"a long heading of column {i}" for i in range(8))], [["one two three", *numbers]])
    out = capsys.readouterr().out
    assert all(number in out for number in numbers)
    assert "heading" in out and len(out.splitlines()[0]) > 80


def test_a_sentence_is_never_broken_between_a_number_and_its_unit(capsys, monkeypatch):
    for width in range(40, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        echo_text("Carried by right level IV node 46 (34–62) Gy and T8 15 ± 2 Gy, P > 99.9 % at 7.4 GBq and k = 2.")
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        for whole in ("46 (34–62) Gy", "15 ± 2 Gy", "P > 99.9 %", "7.4 GBq", "k = 2."):
            assert any(whole in line for line in lines), (width, whole, lines)


def test_a_table_without_headings_keeps_long_words_of_its_values_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    echo_table(("data", ""), [("physics.h5", f"sha256 {'0123456789abcdef' * 5}")], text_columns=2)
    assert "0123456789abcdef" * 5 in capsys.readouterr().out
