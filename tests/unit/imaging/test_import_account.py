"""What `hevesy import` tells: the account, also where it refuses; what it lacks; reasons that are true."""

import json

import numpy as np
import pytest
import yaml
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.sorting.sort import sort_folder
from hevesy.engine.imaging.sorting.wishes import Wishes
from hevesy.phantoms.traps.archives import TRAPS
from hevesy.phantoms.traps.patient import at, ct_truth, pet_truth, write_ct, write_patient, write_pet, write_structures
from hevesy.tests.unit.traps.driver import call


@pytest.fixture
def told(monkeypatch, capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""
    return lambda *words: call([str(word) for word in words], monkeypatch, capsys)


def pile(folder, **parts):
    write_patient(folder, **parts)
    (folder / "case.yaml").unlink()
    return folder


def test_the_account_is_told_before_a_refusal_which_names_the_input(tmp_path, told):
    pile(tmp_path / "in", structures={"change": lambda data: setattr(data, "ApprovalStatus", "REJECTED")})
    code, out, err = told("import", tmp_path / "in", "-o", tmp_path / "out.yaml")
    assert code == 2 and not (tmp_path / "out.yaml").exists()
    assert "used    PET" in out and "skipped RTSTRUCT" in out
    assert f"{tmp_path / 'in'}: no lesions were found" in err and "out.yaml" not in err
    assert "ApprovalStatus is REJECTED" in err


def test_json_lists_what_was_found_with_and_without_a_case(tmp_path, told):
    pile(tmp_path / "in", pet96={"Units": "CNTS"})
    code, out, _ = told("import", tmp_path / "in", "-o", tmp_path / "case.yaml", "--json")
    data = json.loads(out)
    assert code == 1 and data["case"].endswith("case.yaml") and "PET96" in data["left_out"][0]
    assert {item["kind"]: item["used"] for item in data["found"] if "PET96" not in item["path"]} == {
        "CT": True, "PET": True, "RTSTRUCT": True,
    }  # fmt: skip
    code, out, _ = told("import", tmp_path / "in" / "CT", "-o", tmp_path / "b.yaml", "--json")
    data = json.loads(out)
    assert code == 2 and data["case"] is None and data["found"][0]["kind"] == "CT" and "no PET" in data["refused"]


def test_what_an_import_lacks_stands_in_its_case(tmp_path, told):
    pile(tmp_path / "in", pet96={"CorrectedImage": ["DECY"]})
    code, _, err = told("import", tmp_path / "in", "-o", tmp_path / "case.yaml")
    text = " ".join((tmp_path / "case.yaml").read_text().replace("#", "").split())
    assert code == 1 and "left out: PET PET96" in err
    assert "left out: PET PET96, a scan (2026-01-09 09:00): not corrected for attenuation" in text
    assert yaml.safe_load((tmp_path / "case.yaml").read_text())["patient"] == "P01"


def test_many_files_of_one_kind_are_counted(tmp_path):
    pile(tmp_path)
    report = {"Modality": "SR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67"}
    for number in range(30):
        write_ct(tmp_path / "SR", ct_truth()[:1], series=f"sr{number}", prefix=f"{number}_", **report)
    lines = [line for line in sort_folder([tmp_path]).account() if "modality SR" in line]
    assert len(lines) == 4 and "27 more of the kind" in lines[-1]


def test_newest_of_the_structures_on_the_same_image(tmp_path):
    pile(tmp_path)

    def later(data):
        data.StructureSetDate = "20260107"

    write_structures(tmp_path / "RS" / "new.dcm", change=later)
    found = sort_folder([tmp_path])
    (old,) = [item for item in found.items if item.kind == "RTSTRUCT" and item.skipped]
    assert old.label == "rs.dcm" and "newer, of 2026-01-07 15:00" in old.skipped


def test_structures_of_one_minute_that_hold_the_same_are_asked_about(tmp_path):
    pile(tmp_path)
    write_structures(tmp_path / "RS" / "twin.dcm")
    with pytest.raises(InputError, match="neither is newer") as caught:
        sort_folder([tmp_path]).to_case_dict(tmp_path)
    assert "--take twin.dcm" in str(caught.value)
    taken = sort_folder([tmp_path], Wishes(take=("twin.dcm",))).to_case_dict(tmp_path)
    assert taken["visits"][0]["lesions"] == "RS/twin.dcm"


def test_a_word_that_names_nothing_is_refused(tmp_path, told):
    pile(tmp_path / "in")
    code, _, err = told("import", tmp_path / "in", "-o", tmp_path / "c.yaml", "--take", "nothing")
    assert code == 2 and "nothing that was found is named 'nothing'" in err and "PET24" in err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--after", "24 h", "names no scan with its time"),
        ("--after", "PET24=soon", "names no scan with its time"),
        ("--after", "PET24=24", "24"),
        ("--therapy", "I-131", "is no therapy"),
        ("--tracer", "Xx-1", "Xx-1"),
        ("--activity", "74", "74"),
    ],
)
def test_options_that_say_nothing_are_refused(tmp_path, told, option, value, message):
    pile(tmp_path / "in")
    code, _, err = told("import", tmp_path / "in", "-o", tmp_path / "c.yaml", option, value)
    assert code == 2 and message in err and "try:" in err and not (tmp_path / "c.yaml").exists()


def test_options_stand_in_the_case(tmp_path, told):
    pile(tmp_path / "in")
    words = ("--patient", "P07", "--activity", "80 MBq", "--therapy", "I-131 5.5 GBq", "--after", "PET24=25 h")
    code, _, err = told("import", tmp_path / "in", "-o", tmp_path / "c.yaml", *words)
    data = yaml.safe_load((tmp_path / "c.yaml").read_text())
    assert code == 0, err
    assert data["patient"] == "P07" and data["tracer"]["activity"] == "80 MBq"
    assert data["therapy"] == {"nuclide": "I-131", "activity": "5.5 GBq"}
    assert [scan.get("after") for scan in data["visits"][0]["scans"]] == ["25 h", None]


def test_a_value_that_cannot_be_right_is_said(tmp_path):
    pile(tmp_path, pet24={"PatientWeight": 70000.0})
    notes = [line for line in sort_folder([tmp_path]).account() if "PatientWeight" in line]
    assert notes and "weight" in notes[0]


def test_a_scan_whose_picture_alone_is_left_out_lacks_nothing(tmp_path):
    pile(tmp_path)
    write_pet(tmp_path / "MIP", np.repeat(pet_truth().max(1)[None], 4, 0), at(25.0), ImageType=["DERIVED", "X", "MIP"])
    assert sort_folder([tmp_path]).losses() == []


def test_a_picture_of_a_scan_that_is_not_there_is_a_loss(tmp_path):
    pile(tmp_path)
    write_pet(tmp_path / "MIP", np.repeat(pet_truth().max(1)[None], 4, 0), at(48.0), ImageType=["DERIVED", "X", "MIP"])
    assert "MIP" in sort_folder([tmp_path]).losses()[0]


def test_the_account_names_nobody(tmp_path):
    pile(tmp_path, pet24={"PatientName": "Testperson^Xaver", "SeriesDescription": "WB testperson AC"})
    for path in (tmp_path / "CT", tmp_path / "PET96", tmp_path / "RS"):
        assert path.is_dir()
    text = "\n".join(sort_folder([tmp_path], Wishes(same_patient=True)).account())
    assert "estperson" not in text and "'PET AC'" in text


def test_sessions_of_bids_have_their_own_ct(tmp_path):
    trap = next(trap for trap in TRAPS if trap.name == "bids-data-set")
    found = sort_folder([trap.write(tmp_path)])
    pairs = [(pair.pet.study, pair.ct.study, pair.pet.hours) for pair in found.visits[0].scans]
    assert pairs == [("ses-early", "ses-early", 24.0), ("ses-late", "ses-late", 96.0)]


def test_what_the_user_takes_outweighs_words_and_nothing_else(tmp_path):
    pile(tmp_path, pet24={"change": lambda data, number: delattr(data, "CorrectedImage"), "SeriesDescription": "NAC"})
    assert "PET24" in sort_folder([tmp_path]).losses()[0]
    found = sort_folder([tmp_path], Wishes(take=("PET24",)))
    assert len(found.visits[0].scans) == 2 and any("used as asked" in note for note in found.notes)
    write_pet(tmp_path / "COUNTS", start=at(48.0), Units="CNTS")
    with pytest.raises(InputError, match="COUNTS cannot be used: the PET's units are CNTS"):
        sort_folder([tmp_path], Wishes(take=("COUNTS",))).to_case_dict(tmp_path)


def test_an_import_can_be_repeated(tmp_path, told):
    trap = next(trap for trap in TRAPS if trap.name == "zip-of-an-export")
    own = trap.write(tmp_path)
    for _ in range(2):
        code, out, err = told("import", own, "-o", own / "case.yaml", "--force")
        assert code == 0, err
    assert "was unpacked into all/ before" in out and out.count("used    PET") == 2


def test_a_series_in_two_folders(tmp_path, told):
    pile(tmp_path / "in")
    (tmp_path / "in" / "more").mkdir()
    for path in sorted((tmp_path / "in" / "PET24").iterdir())[:8]:
        path.rename(tmp_path / "in" / "more" / path.name)
    code, _, err = told("import", tmp_path / "in", "-o", tmp_path / "case.yaml")
    assert code == 0, err
    assert told("check", tmp_path / "case.yaml")[0] == 0
