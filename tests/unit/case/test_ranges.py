"""Plausibility, met through `check` and `run`: what cannot be right is refused, what is rare is said and used."""

import json

import numpy as np
import pytest
from hevesy.engine.case import ranges
from hevesy.engine.errors import InputError
from hevesy.engine.grid import write_image
from hevesy.tests.patience import promised
from hevesy.tests.unit.dicom_factory import write_pet, write_series
from hevesy.tests.unit.small_case import BODY, GRID, HOT, TEXT, write_small_case
from hevesy.tools import range_page

#: A change of the case text, the field that the message names, the value as written, and the suggestion.
REFUSED = [
    (("activity: 74 MBq", "activity: 74 mBq"), "tracer.activity", "74 mBq", "did you mean 74 MBq?"),
    (("activity: 74 MBq", "activity: 740 GBq"), "tracer.activity", "740 GBq", "did you mean 740 MBq?"),
    (("activity: 7.4 GBq", "activity: 7400 mBq"), "therapy.activity", "7400 mBq", "did you mean 7400 MBq?"),
    (("activity: 7.4 GBq", "activity: 7.4 TBq"), "therapy.activity", "7.4 TBq", "did you mean 7.4 GBq?"),
    (("75 kg", "75000 kg"), "weight", "75000 kg", "did you mean 75000 g?"),
    (("75 kg", "0.5 g"), "weight", "0.5 g", ""),
    (("75 kg", "nan kg"), "weight", "nan kg", ""),
    (("75 kg", "inf kg"), "weight", "inf kg", ""),
    (("weight: 75 kg", "weight: 75 kg\nheight: 1.7 cm"), "height", "1.7 cm", "did you mean 1.7 m?"),
    (("weight: 75 kg", "weight: 75 kg\nheight: 175 m"), "height", "175 m", "did you mean 175 cm?"),
    (("transport:", "recovery: {fwhm: 6 cm}\ntransport:"), "recovery.fwhm", "6 cm", "did you mean 6 mm?"),
    (("transport:", "recovery: {fwhm: 0.1 mm}\ntransport:"), "recovery.fwhm", "0.1 mm", ""),
    (("transport:", "recovery: {fwhm: 6 mm, fwhm_sigma: 5 cm}\ntransport:"), "recovery.fwhm_sigma", "5 cm", ""),
    (("20 Gy", "20 kGy"), "threshold", "20 kGy", "did you mean 20 Gy?"),
    (("24 h}", "24 years}"), "visits[0].scans[0].after", "24 years", "did you mean 24 h?"),
    (("transport:", "uncertainty: {calibration: 500 %}\ntransport:"), "uncertainty.calibration", "500 %", ""),
    (("transport:", "uncertainty: {volume: 2 fraction}\ntransport:"), "uncertainty.volume", "2 fraction (200 %)",
     "did you mean 2 %?"),
    (("{decays: 40000", "{grid: 0.01 mm, decays: 40000"), "transport.grid", "0.01 mm", ""),
    (("{decays: 40000", "{decays: 1e30"), "transport.decays", "1e30", ""),
    (("{decays: 40000", "{electron_cutoff: 1e9 keV, decays: 40000"), "transport.electron_cutoff", "1e9 keV", ""),
    (("{decays: 40000", "{photon_cutoff: 10 eV, decays: 40000"), "transport.photon_cutoff", "10 eV",
     "did you mean 10 keV?"),
    (("{decays: 40000", "{time_limit: 3 years, decays: 40000"), "transport.time_limit", "3 years", ""),
    (("transport:", "radiobiology: {alpha_beta: 10 kGy}\ntransport:"), "radiobiology.alpha_beta", "10 kGy",
     "did you mean 10 Gy?"),
    (("transport:", "radiobiology: {alpha: 200 /Gy}\ntransport:"), "radiobiology.alpha", "200 /Gy", ""),
    (("transport:", "radiobiology: {repair_half_time: 1 year}\ntransport:"), "radiobiology.repair_half_time", "1 year",
     ""),
    (("transport:", "radiobiology: {geud_exponent: nan}\ntransport:"), "radiobiology.geud_exponent", "nan", ""),
    (("transport:", "kinetics: {model: single-time-point, population_half_life: 70 years}\ntransport:"),
     "kinetics.population_half_life", "70 years", "did you mean 70 h?"),
    (("transport:", "eligibility: {activities: [11.1 GBq, 11.1 mBq]}\ntransport:"), "eligibility.activities[1]",
     "11.1 mBq", "did you mean 11.1 MBq?"),
]  # fmt: skip

#: A change of the case text, and the key of the remark; a mouse in a small-animal scanner among them.
UNUSUAL = [
    (("75 kg", "25 g"), "weight 0.025 kg is unusual"),
    (("75 kg", "500 g"), "weight 0.5 kg is unusual"),
    (("activity: 74 MBq", "activity: 37 kBq"), "tracer.activity 37 kBq is unusual"),
    (("transport:", "recovery: {fwhm: 1.2 mm}\ntransport:"), "recovery.fwhm 1.2 mm is unusual"),
    (("20 Gy", "20 mGy"), "threshold 0.02 Gy is unusual"),
    (("activity: 7.4 GBq", "activity: 7.4 MBq"), "therapy.activity 7.4 MBq of I-131 is unusual"),
    (("activity: 7.4 GBq", "activity: 20 kBq"), "therapy.activity 20 kBq is unusual"),
    (("transport:", "eligibility: {activities: [100 GBq]}\ntransport:"), "eligibility.activities[0] 100 GBq is"),
    (("{decays: 40000", "{grid: 12 mm, decays: 40000"), "transport.grid 12 mm is unusual"),
    (("{decays: 40000", "{electron_cutoff: 400 keV, decays: 40000"), "transport.electron_cutoff 400 keV is unusual"),
]

#: What a usual case holds, among it a child, microPET apart: nothing is said of it.
USUAL = [
    ("75 kg", "22 kg"),
    ("activity: 74 MBq", "activity: 5 MBq"),
    ("nuclide: I-131, activity: 7.4 GBq", "nuclide: Ac-225, activity: 8 MBq"),
    ("transport:", "recovery: {fwhm: 6 mm, fwhm_sigma: 0.5 mm}\ntransport:"),
]


def case_with(folder, change=("", "")):
    file = write_small_case(folder)
    # the activity of the images follows the administered one, so that only the quantity itself is at stake
    text = TEXT.replace(*change, 1)
    assert text != TEXT or change == ("", "")
    file.write_text(text)
    return file


@pytest.mark.parametrize(("change", "field", "value", "suggestion"), REFUSED, ids=[f"{r[1]}={r[2]}" for r in REFUSED])
def test_what_cannot_be_right_is_refused(command, tmp_path, change, field, value, suggestion):
    file = case_with(tmp_path, change)
    with promised(2.0):
        code, out, err = command("check", file)
    assert (code, out) == (2, "")
    first, why, *_ = err.splitlines()
    assert first.startswith(f"{file}: {field} (line ")
    assert value in first
    assert why.startswith("  why: ")
    assert suggestion in err
    assert command("run", file, "--method", "local", "-o", tmp_path / "out") == (2, "", err)
    assert not (tmp_path / "out").exists()


def scaled(folder, change):
    """The case with images that fit its tracer activity."""
    file = case_with(folder, change)
    if "37 kBq" in change[1] or "activity: 5 MBq" in change[1]:
        from hevesy.engine.imaging.volumes import read_file

        share = (37e-3 if "kBq" in change[1] else 5.0) / 74.0
        for path in folder.glob("pet_*.nii.gz"):
            write_image(path, GRID, read_file(path, "Bq/mL").values * share)
    return file


@pytest.mark.parametrize(("change", "words"), UNUSUAL, ids=[u[1] for u in UNUSUAL])
def test_what_is_rare_is_said_and_used(command, tmp_path, change, words):
    file = scaled(tmp_path, change)
    code, out, err = command("check", file, "--json")
    assert code == 0, err
    (visit,) = json.loads(out)["visits"]
    assert [text for text in visit["warnings"] if words in text]
    code, out, err = command("run", file, "--method", "local", "-o", tmp_path / "out", "--quiet")
    assert code == 0, err
    assert words in err + out


@pytest.mark.parametrize("change", USUAL, ids=[u[1].split("\n")[0] for u in USUAL])
def test_nothing_is_said_of_a_usual_value(command, tmp_path, change):
    code, out, err = command("check", scaled(tmp_path, change), "--json")
    assert code == 0, err
    assert "unusual" not in out


@pytest.mark.parametrize("limits", ranges.RANGES, ids=lambda r: r.name)
def test_every_range_has_its_reason_and_holds_its_usual_values(limits):
    assert limits.reason
    low, high = limits.usual or (limits.least, limits.most)
    assert limits.least <= low < high <= limits.most
    for value in (low, high):
        assert limits.check(value, "x") == value
        assert limits.unusual(value) == ""
    for value in (limits.least / 2 - 1e-9, limits.most * 1.01):
        with pytest.raises(InputError):
            limits.check(value, f"{value:g}")


def test_the_page_has_the_ranges_of_the_program():
    page = range_page.PLACE.page.read_text(encoding="utf-8")
    assert range_page.PLACE.put(page, range_page.range_table()) == page, "run `make ranges`"


# ---------------------------------------------------------------------------------------------- images and headers


def test_a_pet_given_as_ct_and_a_ct_given_as_pet(command, tmp_path):
    file = case_with(tmp_path)
    file.write_text(TEXT.replace("ct: ct.nii.gz", "ct: pet_24.nii.gz"))
    code, _, err = command("check", file)
    assert code == 2
    assert "pet_24.nii.gz: the CT values run from 0 to" in err and "check that `ct` names the CT" in err
    file.write_text(TEXT.replace("pet: pet_24.nii.gz", "pet: ct.nii.gz"))
    code, _, err = command("check", file)
    assert code == 2
    assert "ct.nii.gz: the PET values run from -1000 to 20" in err and "check that `pet` names the PET" in err


def test_a_lesion_denser_than_any_tissue(command, tmp_path):
    """2800 HU in the hot cube: 1.017 + 0.000592 HU = 2.67 g/cm3; 1800 HU: 2.08 g/cm3."""
    file = case_with(tmp_path)
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[BODY] = 20.0
    hu[HOT] = 2800.0
    write_image(tmp_path / "ct.nii.gz", GRID, hu)
    for words in (("check", file), ("run", file, "--method", "local", "-o", tmp_path / "out")):
        code, _, err = command(*words)
        assert code == 2
        assert "lesion 'hot cube' has a density of 2.67 g/cm3" in err
    hu[HOT] = 1800.0
    write_image(tmp_path / "ct.nii.gz", GRID, hu)
    code, out, _ = command("check", file)
    assert code == 0
    assert "'hot cube' has a density of 2.08 g/cm3, which is unusual" in " ".join(out.split())


def test_a_dose_grid_that_no_memory_holds(command, tmp_path, monkeypatch):
    """56 x 64 x 64 mm in voxels of 0.1 mm: 560 x 640 x 640 x 40 bytes = 9.18 GB."""
    from hevesy.engine.pipeline import plausibility

    monkeypatch.setattr(plausibility, "memory_bytes", lambda: 8_000_000_000)
    file = case_with(tmp_path, ("{decays: 40000", "{grid: 0.1 mm, decays: 40000"))
    code, _, err = command("check", file)
    assert code == 2
    assert "transport.grid: a dose grid of 560 x 640 x 640 voxels needs 9.18 GB" in err
    assert "this machine has 8 GB" in err


@pytest.fixture
def dicom_case(tmp_path):
    """A case of DICOM images whose values of the header are taken, written with changes of the header."""

    def write(text=TEXT, tracer=None, **fields):
        file = case_with(tmp_path)
        hu = np.full(GRID.shape, -1000.0, np.float32)
        hu[BODY] = 20.0
        write_series(tmp_path / "ct", hu, GRID)
        pet = np.zeros(GRID.shape, np.float32)
        pet[HOT] = 2e4
        write_pet(tmp_path / "pet", pet, GRID, tracer, **fields)
        scans = text[text.index("      - {pet: pet_24") : text.index("    lesions:")]
        one = "      - {pet: pet, ct: ct, after: 24 h}\n"
        file.write_text(text.replace(scans, one))
        return file

    return write


NO_ACTIVITY = TEXT.replace("nuclide: I-124, activity: 74 MBq", "nuclide: I-124")
NO_WEIGHT = TEXT.replace("weight: 75 kg\n", "")


@pytest.mark.parametrize(
    ("text", "tracer", "fields", "words"),
    [
        (NO_WEIGHT, {}, {"PatientWeight": "75000"},
         ("PatientWeight (0010,1030): the header's value 75000 kg is out of range", "state `weight` in the case")),
        (NO_ACTIVITY, {"RadionuclideTotalDose": "74000000000000"}, {},
         ("RadionuclideTotalDose (0018,1074): the header's value 74 TBq is out of range", "state `activity`")),
        (NO_ACTIVITY, {"RadionuclideTotalDose": "74000"}, {},
         ("RadionuclideTotalDose (0018,1074): the header's administered activity is 74000, without a unit",
          "74 kBq, in kBq it is 74 MBq and in MBq 74 GBq")),
        (NO_ACTIVITY, {"RadionuclideTotalDose": "0"}, {}, ("the administered tracer activity", "is not known")),
    ],
)  # fmt: skip
def test_a_header_value_that_cannot_be_right_is_refused_unless_the_case_states_it(
    command, dicom_case, text, tracer, fields, words
):
    code, _, err = command("check", dicom_case(text, tracer, **fields))
    assert code == 2
    for part in words:
        assert part in err
    file = dicom_case(TEXT, tracer, **fields)
    code, out, err = command("check", file, "--json")
    assert code == 0, err
    (visit,) = json.loads(out)["visits"]
    assert visit["scans"][0]["given_mbq"] == 74.0
    assert any("is used" in text or "is not used" in text for text in visit["warnings"])


def test_an_activity_that_may_be_in_mbq_or_mci_is_said(command, dicom_case):
    code, out, err = command("check", dicom_case(NO_ACTIVITY, {"RadionuclideTotalDose": "74"}), "--json")
    assert code == 0, err
    (visit,) = json.loads(out)["visits"]
    assert visit["scans"][0]["given_mbq"] == 74.0
    assert any("taken as 74 MBq (in mCi it would be 2738 MBq)" in text for text in visit["warnings"])


def test_a_pet_series_given_as_ct(command, dicom_case, tmp_path):
    file = dicom_case()
    file.write_text(file.read_text().replace("ct: ct,", "ct: pet,"))
    code, _, err = command("check", file)
    assert code == 2
    assert "CT" in err and "PT" in err
