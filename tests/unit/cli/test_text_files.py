"""Every text file a user writes, in the encodings and with the delimiters of usual programs, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hevesy.cli.main import app
from hevesy.engine.errors import InputError
from hevesy.tests.unit.small_case import TEXT, write_small_case
from typer.testing import CliRunner

CASE = TEXT.replace(
    "    lesions: lesions.nii.gz\n",
    "    lesions: lesions.nii.gz\n    retention: retention.csv\n",
).replace(
    "transport:",
    "recovery: {curve: recovery.csv}\ntissue: {calibration: tissue.csv}\nheight: 170 cm\nsex: female\ntransport:",
)
TABLES = {
    "retention.csv": "# nuclide: I-124\ntime_h,whole_body_percent,blood_percent_per_l\n"
    "0,100,\n2,92.5,5.1\n24,61.25,1.5\n96,20.5,0.25\n",
    "recovery.csv": "diameter_mm,recovery\n10,0.31\n13,0.45\n17,0.605\n22,0.725\n28,0.81\n37,0.9\n",
    "tissue.csv": "HU,g/cm3\n-1000,0.00121\n0,1.02\n1600,1.95\n",
}
OTHERS = ("case.yaml", "lesions.json", "pet_24.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_case(tmp_path, CASE)
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
    for pet in ("pet_24.json", "pet_96.json"):
        (tmp_path / pet).write_text('{"Units": "kBq/mL"}')
    return tmp_path


def check(folder: Path) -> dict:
    found = CliRunner().invoke(app, ["check", str(folder / "case.yaml"), "--json"])
    assert found.exception is None, found.exception
    return json.loads(found.stdout)


@pytest.mark.parametrize("name", [*TABLES, *OTHERS])
def test_every_encoding_with_a_mark_reads_the_same(folder: Path, name: str) -> None:
    plain, file = check(folder), folder / name
    text = file.read_text()
    for encoding in ("utf-8-sig", "utf-16"):
        file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        assert check(folder) == plain


@pytest.mark.parametrize("name", TABLES)
def test_spreadsheets_semicolons_and_decimal_commas_read_the_same(folder: Path, name: str) -> None:
    plain = check(folder)
    lines = TABLES[name].splitlines()
    (folder / name).write_bytes("\n".join(line.replace(",", ";") for line in lines).encode("utf-8-sig"))
    assert check(folder) == plain
    comma = "\n".join(line if line.startswith("#") else line.replace(",", ";").replace(".", ",") for line in lines)
    (folder / name).write_bytes(comma.encode("utf-8-sig"))
    assert check(folder) == plain
    (folder / name).write_text("\n".join(line.replace(",", "\t") for line in lines))
    assert check(folder) == plain


@pytest.mark.parametrize("name", [*TABLES, *OTHERS])
def test_bytes_that_are_no_text_are_one_clear_error(folder: Path, name: str) -> None:
    file = folder / name
    byte = b"\x81" if name in TABLES else b"\xe4"  # tables may be in Windows-1252, which has no 0x81
    file.write_bytes(b"# L" + byte + b"sion\n" + file.read_bytes())
    error = CliRunner().invoke(app, ["check", str(folder / "case.yaml")]).exception
    assert isinstance(error, InputError) and error.exit_code == 2
    first, why, suggestion = str(error).splitlines()
    assert first == f"{file}: cannot be read as text"
    assert (
        why == f"  why: byte 0x{byte.hex()} in line 1 is not UTF-8" and "UTF-8" in suggestion or name == "pet_24.json"
    )


def test_a_cohort_file_is_read_by_the_same_rule(folder: Path) -> None:
    cohort = folder / "cohort.yaml"
    line = ["batch", str(cohort), "--out", str(folder / "out"), "--method", "local", "--json"]
    cohort.write_bytes("cases: [{patient: Jürgen, case: case.yaml}]\n".encode("utf-16"))
    found = CliRunner().invoke(app, line)
    assert [case["name"] for case in json.loads(found.stdout)["cases"]] == ["Jürgen"]
    cohort.write_bytes("cases: [{patient: Jürgen, case: case.yaml}]\n".encode("latin-1"))
    error = CliRunner().invoke(app, line).exception
    assert isinstance(error, InputError)
    assert str(error).startswith(f"{cohort}: cannot be read as text\n  why: byte 0xfc in line 1 is not UTF-8\n")


def test_records_of_a_run_are_read_by_the_same_rule(folder: Path) -> None:
    out = folder / "run"
    found = CliRunner().invoke(app, ["run", str(folder / "case.yaml"), "--out", str(out), "--method", "local"])
    assert found.exit_code == 0
    assert CliRunner().invoke(app, ["report", str(out)]).exit_code == 0
    page = (out / "report.html").read_text()
    for name in ("lesions.json", "patient.json"):
        text = (out / name).read_text()
        (out / name).write_bytes(text.encode("utf-8-sig"))
        assert CliRunner().invoke(app, ["report", str(out)]).exit_code == 0
        assert (out / "report.html").read_text() == page
        for broken, problem in ((b"\xff\xfa" + text.encode(), "as text"), (text[:-30].encode(), "is not valid JSON")):
            (out / name).write_bytes(broken)
            error = CliRunner().invoke(app, ["report", str(out)]).exception
            assert isinstance(error, InputError) and problem in str(error) and name in str(error)
        (out / name).write_text(text)
