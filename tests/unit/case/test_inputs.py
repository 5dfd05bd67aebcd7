"""Every file that decides a result counts when a batch asks whether a complete case is still the same."""

from __future__ import annotations

import json
import os
import typing
from pathlib import Path

import pytest
from hevesy.cli.main import app
from hevesy.engine.batch.inputs import input_hashes
from hevesy.engine.case.model import Case
from hevesy.tests.unit.small_case import TEXT, write_small_case
from pydantic import BaseModel
from typer.testing import CliRunner

#: Every field of a case that names a file, and the file it names here.
FILES = {
    "visits.scans.pet": "pet_24.nii.gz",
    "visits.scans.ct": "ct.nii.gz",
    "visits.lesions.file": "lesions.nii.gz",
    "visits.retention": "retention.csv",
    "recovery.curve": "recovery.csv",
    "tissue.calibration": "tissue.csv",
}
CASE = TEXT.replace(
    "    lesions: lesions.nii.gz\n", "    lesions: lesions.nii.gz\n    retention: retention.csv\n"
).replace("transport:", "recovery: {curve: recovery.csv}\ntissue: {calibration: tissue.csv}\ntransport:")


def path_fields(model: type[BaseModel], where: str = "") -> set[str]:
    """Dotted names of the fields of a model, at any depth, that hold paths."""
    found = set()
    for name, field in model.model_fields.items():
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= path_fields(part, f"{where}{name}.")
            elif part is Path:
                found.add(where + name)
    return found


def parts(annotation: object) -> set[object]:
    inner = typing.get_args(annotation)
    return {part for item in inner for part in parts(item)} if inner else {annotation}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    for name in ("retention.csv", "recovery.csv", "tissue.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    return Case.load(write_small_case(tmp_path, CASE))


def edit(file: Path) -> None:
    about = file.stat()
    file.write_bytes(file.read_bytes() + b"\n")
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))  # its size alone tells


def test_every_path_of_the_model_is_known_here():
    assert path_fields(Case) == set(FILES)


@pytest.mark.parametrize("field", FILES)
def test_an_edit_of_any_input_file_is_noticed(case: Case, tmp_path: Path, field: str):
    file, before = tmp_path / FILES[field], input_hashes(case)
    assert file in case.input_files()
    edit(file)
    assert input_hashes(case) != before


@pytest.mark.parametrize("name", ["lesions.json", "pet_24.json"])
def test_what_stands_beside_an_image_counts(case: Case, tmp_path: Path, name: str):
    before = input_hashes(case)
    (tmp_path / name).write_text('{"1": "renamed"}')
    assert input_hashes(case) != before


def test_slices_of_a_series_count_whether_folder_series_or_file_is_named(tmp_path: Path):
    write_small_case(tmp_path)
    folder = tmp_path / "CT"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}").write_bytes(bytes(128) + b"DICM" + bytes([number]))
    for name in ("CT", "CT#1.2.840.1", "CT/0"):
        file = tmp_path / "case.yaml"
        file.write_text(TEXT.replace("ct: ct.nii.gz", f"ct: {name}"))
        case = Case.load(file)
        before = input_hashes(case)
        assert folder / "2" in case.input_files()
        edit(folder / "2")
        assert input_hashes(case) != before


def test_voxels_of_a_detached_header_count(tmp_path: Path):
    write_small_case(tmp_path)
    (tmp_path / "ct.mhd").write_text("ElementDataFile = ct.raw\n")
    (tmp_path / "ct.raw").write_bytes(b"\0\0")
    file = tmp_path / "case.yaml"
    file.write_text(TEXT.replace("ct.nii.gz", "ct.mhd"))
    before = input_hashes(Case.load(file))
    edit(tmp_path / "ct.raw")
    assert input_hashes(Case.load(file)) != before


def test_a_batch_runs_again_after_the_ct_calibration_was_edited(tmp_path: Path):
    text = TEXT.replace("transport:", "tissue: {calibration: tissue.csv}\ntransport:")
    file = write_small_case(tmp_path / "A", text)
    table = file.with_name("tissue.csv")
    table.write_text("HU,g/cm3\n-1000,0.00121\n0,1.00\n1600,1.95\n")
    line = ["batch", str(file), "--out", str(tmp_path / "out"), "--method", "local", "--quiet"]
    lesions = tmp_path / "out" / "T1" / "lesions.json"

    def dose() -> float:
        found = CliRunner().invoke(app, line)
        assert found.exit_code == 0, found.exception
        return json.loads(lesions.read_text())["lesions"][0]["dose_gy"]

    first = dose()
    written = lesions.stat().st_mtime_ns
    assert dose() == first and lesions.stat().st_mtime_ns == written  # cached: nothing changed
    table.write_text("HU,g/cm3\n-1000,0.00121\n0,1.05\n1600,2.0475\n")
    # water 5 % denser: the same energy in 5 % more mass
    assert dose() == pytest.approx(first / 1.05, rel=1e-4)
