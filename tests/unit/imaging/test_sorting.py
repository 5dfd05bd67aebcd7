"""`hevesy import`: what is used, what is skipped, and the case that comes out."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from hevesy.cli.main import app
from hevesy.engine import imaging
from hevesy.engine.case.model import Case
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, write_image
from hevesy.tests.unit.dicom_factory import sphere_contours, uid, write_pet, write_rtstruct, write_series
from pydicom.dataset import Dataset
from typer.testing import CliRunner

GRID = Grid((6, 10, 10), (4.0, 4.0, 4.0), (-10.0, -18.0, -18.0))
ACTIVITY = np.random.default_rng(1).gamma(2.0, 1000.0, GRID.shape)
HU = np.full(GRID.shape, 40.0)


def day(text):
    return {"StudyDate": text, "SeriesDate": text, "AcquisitionDate": text}


def write_scan(folder: Path, name: str, date: str, given: str, frame: str | None = None) -> None:
    frame = frame or name
    write_series(folder / f"{name}_ct", HU, GRID, series=f"{name} ct", frame=frame, **day(date))
    write_pet(
        folder / f"{name}_pt",
        ACTIVITY,
        GRID,
        {"RadiopharmaceuticalStartDateTime": given},
        series=f"{name} pt",
        frame=frame,
        **day(date),
    )


def write_lesion(path: Path, frame: str, series: str | None = None) -> None:
    write_rtstruct(path, {"node": sphere_contours(7.0, (0.0, 0.0, 0.0), 2.0)}, frame, series)


def test_two_time_points_and_two_visits(tmp_path):
    pile = tmp_path / "pile"
    write_scan(pile, "a24", "20260106", "20260105090000", "one")
    write_scan(pile, "a96", "20260109", "20260105090000", "one")
    write_scan(pile, "b24", "20260217", "20260216090000", "two")
    write_lesion(pile / "rs_a.dcm", "one")
    write_lesion(pile / "rs_b.dcm", "two")
    found = imaging.sort_folder([pile])
    assert [v.name for v in found.visits] == ["baseline", "week 6 (2026-02-17)"]
    assert [len(v.scans) for v in found.visits] == [2, 1]
    data = found.to_case_dict(tmp_path)
    assert data["tracer"] == {"nuclide": "I-124", "activity": "74 MBq"}
    assert data["therapy"] == {"nuclide": "I-131", "activity": "7.4 GBq"}
    assert (
        data["visits"][0]["scans"][0]["pet"] == "pile/a24_pt" and data["visits"][0]["scans"][1]["ct"] == "pile/a96_ct"
    )
    assert data["visits"][1]["lesions"] == "pile/rs_b.dcm"
    case = Case.from_dict(yaml.safe_load(yaml.safe_dump(data)), base=tmp_path, file=tmp_path / "case.yaml")
    pets = [imaging.read_pet(scan.pet) for visit in case.visits for scan in visit.scans]
    assert [round(pet.time_h, 6) for pet in pets] == [24.0, 96.0, 24.0]
    assert not any("Test" in line or "TEST" in line for line in found.account())


def test_everything_in_one_folder_is_addressed_by_series(tmp_path):
    pile = tmp_path / "pile"
    for name, modality in (("ct", "CT"), ("other", "CT")):
        write_series(pile, HU, GRID, modality, series=name, frame="one" if name == "ct" else "else", **day("20260106"))
    write_pet(pile, ACTIVITY, GRID, series="pt", frame="one")
    write_lesion(pile / "rs.dcm", "one")
    found = imaging.sort_folder([pile])
    data = found.to_case_dict(tmp_path)
    scan = data["visits"][0]["scans"][0]
    assert scan == {"pet": f"pile#{uid('pt', 'PT')}", "ct": f"pile#{uid('ct', 'CT')}"}
    assert imaging.read_ct(tmp_path / scan["ct"]).grid.same_as(GRID)
    np.testing.assert_allclose(imaging.read_pet(tmp_path / scan["pet"]).volume.values, ACTIVITY, atol=2.0)
    (unused,) = [item for item in found.items if item.skipped]
    assert unused.uid == uid("other", "CT") and unused.skipped == "no PET uses it"


def test_every_skipped_file_has_its_reason(tmp_path):
    write_scan(tmp_path, "a", "20260106", "20260105090000")
    write_pet(tmp_path / "nac", ACTIVITY, GRID, series="nac", frame="a", CorrectedImage=["DECY"])
    write_pet(tmp_path / "counts", ACTIVITY, GRID, series="counts", frame="a", Units="CNTS")
    write_series(tmp_path / "scout", HU[:1], Grid((1, 10, 10), GRID.spacing_mm), series="scout", frame="a")
    write_lesion(tmp_path / "on_ct.dcm", "a", uid("a ct", "CT"))
    write_lesion(tmp_path / "on_pet.dcm", "a", uid("a pt", "PT"))
    write_lesion(tmp_path / "far.dcm", "elsewhere")
    write_rtstruct(tmp_path / "empty.dcm", {}, "a")
    (tmp_path / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\2\0")
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    found = imaging.sort_folder([tmp_path])
    reasons = {Path(item.spec).name: item.skipped for item in found.items if item.skipped}
    assert reasons.pop("cut.dcm")
    assert reasons.pop("counts").startswith("the PET's units are CNTS")
    assert reasons == {
        "nac": "not corrected for attenuation: CorrectedImage does not list ATTN",
        "scout": "a single slice",
        "on_ct.dcm": "another structure file was used (drawn on the PET of the first scan)",
        "far.dcm": "no PET/CT used shares its frame of reference",
        "empty.dcm": "it holds no structure",
    }
    assert found.to_case_dict(tmp_path)["visits"][0]["lesions"] == "on_pet.dcm"
    account = found.account()
    assert sum(line.startswith("used") for line in account) == 3
    assert "1 other file was ignored" in account[-1]


def test_of_two_reconstructions_the_one_in_bqml(tmp_path):
    write_scan(tmp_path, "a", "20260106", "20260105090000")
    write_pet(tmp_path / "suv", ACTIVITY / 500, GRID, series="suv", frame="a", Units="GML", **day("20260106"))
    write_lesion(tmp_path / "rs.dcm", "a")
    found = imaging.sort_folder([tmp_path])
    (unused,) = [item for item in found.items if item.skipped]
    assert Path(unused.spec).name == "suv" and "another reconstruction" in unused.skipped


def test_two_patients_are_refused_without_naming_them(tmp_path):
    write_scan(tmp_path, "a", "20260106", "20260105090000")
    write_series(tmp_path / "b", HU, GRID, series="b", PatientID="SECRET")
    with pytest.raises(InputError, match="the files are of 2 patients by PatientID") as caught:
        imaging.sort_folder([tmp_path]).to_case_dict(tmp_path)
    assert "SECRET" not in str(caught.value)


def test_folders_without_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        imaging.sort_folder([tmp_path / "no"])
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="no DICOM files and no volumes"):
        imaging.sort_folder([tmp_path]).to_case_dict(tmp_path)


def test_no_lesions_and_no_ct(tmp_path):
    write_pet(tmp_path / "pt", ACTIVITY, GRID)
    with pytest.raises(InputError, match="no PET with a CT was found") as caught:
        imaging.sort_folder([tmp_path]).to_case_dict(tmp_path)
    assert "no CT in its frame of reference" in str(caught.value)
    write_series(tmp_path / "ct", HU, GRID)
    with pytest.raises(InputError, match="no lesions were found for visit 'baseline'"):
        imaging.sort_folder([tmp_path]).to_case_dict(tmp_path)


def test_volumes_are_told_apart_by_their_names(tmp_path):
    for hours in (24, 96):
        write_image(tmp_path / f"pet_i124_{hours}h.nii.gz", GRID, ACTIVITY)
        write_image(tmp_path / f"ct_{hours}h.nii.gz", GRID, HU)
    write_image(tmp_path / "lesions.nii.gz", GRID, (ACTIVITY > 3000).astype(np.uint8))
    data = imaging.sort_folder([tmp_path]).to_case_dict(tmp_path)
    (visit,) = data["visits"]
    assert visit["scans"] == [
        {"pet": "pet_i124_24h.nii.gz", "ct": "ct_24h.nii.gz", "after": "24 h"},
        {"pet": "pet_i124_96h.nii.gz", "ct": "ct_96h.nii.gz", "after": "96 h"},
    ]
    assert visit["lesions"] == "lesions.nii.gz" and data["tracer"] == {"nuclide": "I-124"}


def test_unknown_tracer_in_volumes(tmp_path):
    write_image(tmp_path / "pet_24h.nii.gz", GRID, ACTIVITY)
    write_image(tmp_path / "ct_24h.nii.gz", GRID, HU)
    write_image(tmp_path / "lesions.nii.gz", GRID, (ACTIVITY > 3000).astype(np.uint8))
    with pytest.raises(InputError, match="the tracer nuclide is not known"):
        imaging.sort_folder([tmp_path]).to_case_dict(tmp_path)


def test_scan_times_are_kept(tmp_path):
    write_scan(tmp_path, "a", "20260106", "20260105090000")
    found = imaging.sort_folder([tmp_path])
    assert found.visits[0].scans[0].pet.when == datetime(2026, 1, 6, 9, 0)


@pytest.mark.parametrize(
    ("nuclide", "half_life_s", "therapy", "said"),
    [
        ("^18^Fluorine", "6586.2", None, "no therapy was written for F-18"),
        ("^68^Galium", "4062.6", None, "no therapy was written for Ga-68"),
        ("^64^Copper", "45723.6", None, "no therapy was written for Cu-64"),
        ("^90^Yttrium", "230760", {"nuclide": "Y-90", "activity": "2100 MBq"}, "the Y-90 that was imaged"),
        ("^124^Iodine", "360806.4", {"nuclide": "I-131", "activity": "7.4 GBq"}, "is a proposal"),
    ],
)
def test_the_therapy_follows_the_tracer(tmp_path, nuclide, half_life_s, therapy, said):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "X", "99TEST", nuclide
    given = {
        "RadiopharmaceuticalStartDateTime": "20260105220000", "RadionuclideTotalDose": "2100000000",
        "RadionuclideHalfLife": half_life_s, "RadionuclideCodeSequence": [code], "Radiopharmaceutical": None,
    }  # fmt: skip
    pile = tmp_path / "pile"
    write_series(pile / "ct", HU, GRID, series="ct", frame="one", **day("20260106"))
    write_pet(pile / "pt", ACTIVITY, GRID, given, series="pt", frame="one", **day("20260106"))
    write_lesion(pile / "rs.dcm", "one")
    shown = CliRunner().invoke(app, ["import", str(pile), "-o", str(tmp_path / "case.yaml")])
    assert shown.exit_code == 0, shown.output
    assert said in shown.output
    case = yaml.safe_load((tmp_path / "case.yaml").read_text())
    assert case.get("therapy") == therapy
    assert case["tracer"]["activity"] == "2100 MBq"
    assert Case.load(tmp_path / "case.yaml").judged is (therapy is not None)
