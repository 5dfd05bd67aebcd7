"""PET to Bq/mL true at the scan: units, decay correction, SUV, times, and what is refused."""

import json
from datetime import datetime

import numpy as np
import pytest
from hevesy.engine import imaging
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.imaging.pet.header import nuclide_name
from hevesy.engine.imaging.pet.stated import Body
from hevesy.engine.notes import CONTRADICTION, CRITICAL, code_of, weight_of
from hevesy.tests.unit.dicom_factory import radiopharmaceutical, write_pet

GRID = Grid((4, 6, 5), (30.0, 40.0, 40.0), (-20.0, 0.0, 0.0))
TRUE = np.random.default_rng(2).gamma(2.0, 3000.0, GRID.shape)
I124_S = 4.1760 * 86400.0
DECAY_24H = 0.5 ** (86400.0 / 360806.4)


def close(scan, expected=TRUE, rel=1e-4):
    """Equal within the 16-bit storage of each slice."""
    np.testing.assert_allclose(scan.volume.values, expected, atol=rel * float(np.max(expected)))
    assert scan.volume.quantity == "Bq/mL"


def test_bqml_start_is_kept(tmp_path):
    scan = imaging.read_pet(write_pet(tmp_path / "p", TRUE, GRID), half_life_s=I124_S)
    close(scan)
    assert scan.time_h == pytest.approx(24.0)
    assert (scan.tracer, scan.administered_activity_mbq, scan.weight_kg) == ("I-124", 74.0, 75.0)
    assert scan.assumptions == []


def test_admin_is_decayed_once_to_the_scan(tmp_path):
    folder = write_pet(tmp_path / "p", TRUE / DECAY_24H, GRID, DecayCorrection="ADMIN")
    scan = imaging.read_pet(folder, half_life_s=I124_S)
    close(scan)
    assert any("ADMIN" in text and f"{DECAY_24H:.5g}" in text for text in scan.assumptions)


def test_admin_at_96_h_differs_by_the_factor_of_the_specification(tmp_path):
    """A 124I image at 96 h, corrected to administration, is 1.94 times the true activity."""
    tracer = {"RadiopharmaceuticalStartDateTime": "20260102090000"}
    folder = write_pet(tmp_path / "p", TRUE, GRID, tracer, DecayCorrection="ADMIN")
    scan = imaging.read_pet(folder)
    assert scan.time_h == pytest.approx(96.0)
    assert TRUE.sum() / scan.volume.values.sum(dtype=float) == pytest.approx(1.94, abs=0.005)


@pytest.mark.parametrize("correction", ["START", "ADMIN"])
def test_suv_is_converted_back_to_activity(tmp_path, correction):
    """SUV = C w / (A0 decayed to the scan) whatever the image's decay reference; reading gives C back."""
    suv = TRUE * 75e3 / (74e6 * DECAY_24H)
    folder = write_pet(tmp_path / "p", suv, GRID, Units="GML", SUVType="BW", DecayCorrection=correction)
    scan = imaging.read_pet(folder)
    close(scan)
    assert any("SUV by body weight" in text for text in scan.assumptions)


def test_suv_is_undone_with_the_headers_activity_not_the_cases(tmp_path):
    suv = TRUE * 75e3 / (74e6 * DECAY_24H)
    folder = write_pet(tmp_path / "p", suv, GRID, Units="GML")
    scan = imaging.read_pet(folder, activity_mbq=70.0, weight_kg=80.0)
    close(scan)
    assert (scan.administered_activity_mbq, scan.weight_kg) == (70.0, 80.0)
    assert any("the header says 74 MBq" in text for text in scan.assumptions)


def test_the_case_fills_what_the_header_lacks_for_suv(tmp_path):
    suv = TRUE * 75e3 / (74e6 * DECAY_24H)
    tracer = {"RadionuclideTotalDose": None}
    folder = write_pet(tmp_path / "p", suv, GRID, tracer, Units="GML", PatientWeight=None)
    close(imaging.read_pet(folder, activity_mbq=74.0, weight_kg=75.0))
    with pytest.raises(InputError, match="in SUV and the administered activity is unknown"):
        imaging.read_pet(folder, weight_kg=75.0)
    with pytest.raises(InputError, match="in SUV and the body weight is unknown"):
        imaging.read_pet(folder, activity_mbq=74.0)


def test_uncorrected_slices_are_brought_to_the_start(tmp_path):
    folder = write_pet(
        tmp_path / "p",
        TRUE,
        GRID,
        {"RadionuclideHalfLife": "6586.2", "RadiopharmaceuticalStartDateTime": "20260106080000"},
        DecayCorrection="NONE",
        CorrectedImage=["ATTN"],
        ActualFrameDuration="600000",
    )
    scan = imaging.read_pet(folder, half_life_s=6586.2)
    close(scan, TRUE * 2.0 ** (300.0 / 6586.2))
    assert any("NONE" in text for text in scan.assumptions)


@pytest.mark.parametrize("units", ["CNTS", "PROPCPS", "", None])
def test_other_units_are_refused(tmp_path, units):
    folder = write_pet(tmp_path / "p", TRUE, GRID, Units=units)
    with pytest.raises(InputError, match="the PET's units are (CNTS|PROPCPS|not given)"):
        imaging.read_pet(folder)


#: Size of a man of 75 kg and 175 cm by each formula, worked out by hand: g, or cm2 for the surface.
SIZES = {
    "LBM": 60459.2,
    "LBMJAMES128": 58989.8,
    "LBMJANMA": 58083.7,
    "IBW": 72380.0,
    "BSA": 19031.2,
}


@pytest.mark.parametrize("kind", SIZES)
def test_other_kinds_of_suv_are_converted_by_their_formulas(tmp_path, kind):
    units = "CM2ML" if kind == "BSA" else "GML"
    suv = TRUE * SIZES[kind] / (74e6 * DECAY_24H)
    man = {"PatientSex": "M", "PatientSize": "1.75"}
    folder = write_pet(tmp_path / "p", suv, GRID, Units=units, SUVType=kind, **man)
    scan = imaging.read_pet(folder)
    close(scan, rel=2e-4)
    assert any("does not say by which formula" in text for text in scan.assumptions) == (kind == "LBM")


def test_suv_by_height_needs_height_and_sex(tmp_path):
    suv = TRUE * SIZES["LBMJANMA"] / (74e6 * DECAY_24H)
    folder = write_pet(tmp_path / "p", suv, GRID, Units="GML", SUVType="LBMJANMA", PatientSex="O")
    with pytest.raises(InputError, match="the height is unknown"):
        imaging.read_pet(folder)
    with pytest.raises(InputError, match="sex .male or female. is unknown"):
        imaging.read_pet(folder, body=Body(175.0))
    close(imaging.read_pet(folder, body=Body(175.0, "male")), rel=2e-4)


def test_a_height_in_centimetres_is_not_used(tmp_path):
    suv = TRUE * SIZES["IBW"] / (74e6 * DECAY_24H)
    man = {"PatientSex": "M", "PatientSize": "175"}
    folder = write_pet(tmp_path / "p", suv, GRID, Units="GML", SUVType="IBW", **man)
    with pytest.raises(InputError, match=r"PatientSize .*17500 cm is out of range"):
        imaging.read_pet(folder)
    close(imaging.read_pet(folder, body=Body(175.0)), rel=2e-4)
    assert imaging.read_pet(write_pet(tmp_path / "q", TRUE, GRID, **man)).time_h == 24.0


@pytest.mark.parametrize(("units", "kind"), [("GML", "BSA"), ("CM2ML", "BW"), ("GML", "SUVMAX")])
def test_units_and_kind_of_suv_that_contradict_each_other(tmp_path, units, kind):
    folder = write_pet(tmp_path / "p", TRUE, GRID, Units=units, SUVType=kind)
    with pytest.raises(InputError, match=f"SUV is of type {kind} in units {units}"):
        imaging.read_pet(folder)


def test_pet_without_times(tmp_path):
    tracer = {"RadiopharmaceuticalStartDateTime": None}
    folder = write_pet(tmp_path / "p", TRUE, GRID, tracer)
    with pytest.raises(InputError, match="the time between administration and scan is unknown") as caught:
        imaging.read_pet(folder)
    assert "after: 24 h" in str(caught.value) and "no administration time" in str(caught.value)
    close(imaging.read_pet(folder, after_h=24.0))
    scan = imaging.read_pet(folder, administered=datetime(2026, 1, 5, 9, 0))
    assert scan.time_h == pytest.approx(24.0)


def test_a_clock_time_alone_is_not_enough_for_a_long_lived_tracer(tmp_path):
    tracer = {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": "080000"}
    folder = write_pet(tmp_path / "p", TRUE, GRID, tracer)
    with pytest.raises(InputError, match="too long-lived to take the scan's day"):
        imaging.read_pet(folder)
    short = write_pet(tmp_path / "q", TRUE, GRID, {**tracer, "RadionuclideHalfLife": "6586.2"})
    scan = imaging.read_pet(short, half_life_s=6586.2)
    assert scan.time_h == pytest.approx(1.0)
    assert any("time of day only" in text for text in scan.assumptions)


def test_contradictory_dates_are_resolved_and_reported(tmp_path):
    """Administration one day AFTER the scan: for a short-lived tracer its time of day holds."""
    tracer = {"RadiopharmaceuticalStartDateTime": "20260107080000", "RadionuclideHalfLife": "6586.2"}
    scan = imaging.read_pet(write_pet(tmp_path / "p", TRUE, GRID, tracer), half_life_s=6586.2)
    assert scan.time_h == pytest.approx(1.0)
    assert any("contradicts the scan's" in text for text in scan.assumptions)
    long_lived = write_pet(tmp_path / "q", TRUE, GRID, {"RadiopharmaceuticalStartDateTime": "20260107080000"})
    with pytest.raises(InputError, match="contradicts the scan's date"):
        imaging.read_pet(long_lived)


def test_two_clock_fields_that_differ_are_reported(tmp_path):
    folder = write_pet(tmp_path / "p", TRUE, GRID, {"RadiopharmaceuticalStartTime": "101500"})
    scan = imaging.read_pet(folder)
    assert scan.time_h == pytest.approx(24.0)
    assert any("two administration clock times" in text for text in scan.assumptions)


def test_the_cases_time_goes_first_but_the_scanners_is_undone(tmp_path):
    """The header's 24 h made the ADMIN image; the case's 30 h is what the dosimetry uses."""
    folder = write_pet(tmp_path / "p", TRUE / DECAY_24H, GRID, DecayCorrection="ADMIN")
    scan = imaging.read_pet(folder, after_h=30.0)
    close(scan)
    assert scan.time_h == 30.0
    assert any("the case says 30 h" in text for text in scan.assumptions)


def test_a_scan_before_its_administration(tmp_path):
    folder = write_pet(tmp_path / "p", TRUE, GRID)
    with pytest.raises(InputError, match="lies -24 h after the administration"):
        imaging.read_pet(folder, administered=datetime(2026, 1, 7, 9, 0))
    with pytest.raises(InputError, match="the scan is -1 h after administration"):
        imaging.read_pet(folder, after_h=-1.0)


def test_a_derived_series_keeps_the_acquisitions_time(tmp_path):
    folder = write_pet(tmp_path / "p", TRUE, GRID, SeriesTime="113000")
    scan = imaging.read_pet(folder)
    assert scan.time_h == pytest.approx(24.0)
    assert any("derived series" in text for text in scan.assumptions)


def test_another_nuclides_half_life_is_reported(tmp_path):
    tracer = {"RadionuclideHalfLife": "6586.2", "RadiopharmaceuticalStartDateTime": "20260106080000"}
    scan = imaging.read_pet(write_pet(tmp_path / "p", TRUE, GRID, tracer), half_life_s=I124_S)
    assert any(code_of(text) == CONTRADICTION and "half-life" in text for text in scan.assumptions)
    assert scan.half_life_s == I124_S


def test_another_nuclides_positron_fraction_is_reported(tmp_path):
    folder = write_pet(tmp_path / "p", TRUE, GRID, {"RadionuclidePositronFraction": "0.967"})
    assert any("factor 4.26" in text for text in imaging.read_pet(folder).assumptions)


def test_negative_activity(tmp_path):
    values = TRUE.copy()
    values[1, 2, 3] = -9000.0
    with pytest.raises(InputError, match=r"1 PET voxel holds negative activity, down to -9000"):
        imaging.read_pet(write_image(tmp_path / "p.nii.gz", GRID, values), after_h=24.0)
    values[1, 2, 3] = -1.0
    scan = imaging.read_pet(write_image(tmp_path / "q.nii.gz", GRID, values), after_h=24.0)
    assert scan.volume.values.min() == 0.0 and any("set to zero" in text for text in scan.assumptions)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha"])
def test_nan_and_empty_pet_are_refused(tmp_path, ending):
    values = TRUE.copy()
    values[0, 0, 1] = np.nan
    with pytest.raises(InputError, match="not a number"):
        imaging.read_pet(write_image(tmp_path / f"p{ending}", GRID, values), after_h=24.0)
    with pytest.raises(InputError, match="holds no activity"):
        imaging.read_pet(write_image(tmp_path / f"q{ending}", GRID, 0 * TRUE), after_h=24.0)


def test_volume_file_needs_a_time_and_says_what_it_assumes(tmp_path):
    path = write_image(tmp_path / "pet.nii.gz", GRID, TRUE)
    with pytest.raises(InputError, match="time between administration and scan"):
        imaging.read_pet(path)
    scan = imaging.read_pet(path, after_h=24.0, activity_mbq=74.0)
    close(scan)
    assert any("taken as Bq/mL" in text for text in scan.assumptions)


def test_sidecar_units_and_decay_correction(tmp_path):
    path = write_image(tmp_path / "pet.nii.gz", GRID, TRUE / 1e3 / DECAY_24H)
    sidecar = {
        "Units": "kBq/mL",
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": 0,
        "ScanStart": 86400,
    }
    (tmp_path / "pet.json").write_text(json.dumps(sidecar))
    close(imaging.read_pet(path, after_h=24.0, half_life_s=360806.4))
    (tmp_path / "pet.json").write_text(json.dumps({"Units": "counts"}))
    with pytest.raises(InputError, match="the PET's unit is 'counts'"):
        imaging.read_pet(path, after_h=24.0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("18F", "F-18"),
        ("^18^Fluorine", "F-18"),
        ("Fluorine F^18^", "F-18"),
        ("I-124 NaI", "I-124"),
        ("FDG F18", "F-18"),
        ("^124^Iodine", "I-124"),
        ("Iodine-124", "I-124"),
        ("68Ga-DOTATATE", "Ga-68"),
        ("99mTc", "Tc-99m"),
        ("FDG -- fluorodeoxyglucose", None),
        ("Solution 10", None),
    ],
)
def test_nuclide_names_in_headers(text, name):
    assert nuclide_name(text) == name


def test_more_activity_than_was_given(tmp_path):
    """The sum over the image is a check of units: SUV or kBq/mL read as Bq/mL, or MBq given for GBq."""
    path = write_image(tmp_path / "pet.nii.gz", GRID, TRUE)
    held = TRUE.sum() * GRID.voxel_volume_ml * 1e-6 / DECAY_24H
    known = {"after_h": 24.0, "half_life_s": 360806.4}
    with pytest.raises(InputError, match="MBq, 2.5 times what is left of the administered"):
        imaging.read_pet(path, activity_mbq=held / 2.5, **known)
    with pytest.raises(InputError, match=r"1\.12 times what is left"):
        imaging.read_pet(path, activity_mbq=held / 1.12, **known)
    for share, warned in ((1.05, True), (0.9, False), (0.01, False)):
        said = imaging.read_pet(path, activity_mbq=held / share, **known).assumptions
        assert any(f"holds {100 * share:.3g} % of" in text for text in said) == warned


def test_less_activity_than_any_part_of_a_body_holds(tmp_path):
    """SUV or kBq/mL read as Bq/mL lie a thousandfold below; the neck alone holds little, and is hot in places."""
    known = {"after_h": 24.0, "half_life_s": 360806.4, "activity_mbq": 74.0, "weight_kg": 70.0}
    path = write_image(tmp_path / "pet.nii.gz", GRID, TRUE * 1e-3)
    with pytest.raises(InputError, match="no part of a body holds so little"):
        imaging.read_pet(path, **known)
    neck = Grid((10, 10, 10), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
    values = np.full(neck.shape, 50.0)
    values[4:6, 4:6, 4:6] = 20_000.0
    said = imaging.read_pet(write_image(tmp_path / "neck.nii.gz", neck, values), **known).assumptions
    (words,) = [text for text in said if "small part of the body" in text]
    assert weight_of(words) == CRITICAL
    with pytest.raises(InputError, match="no part of a body holds so little"):
        imaging.read_pet(write_image(tmp_path / "low.nii.gz", neck, values * 1e-3), **known)


def test_slices_that_differ_in_units(tmp_path):
    import pydicom

    folder = write_pet(tmp_path / "p", TRUE, GRID)
    victim = sorted(folder.iterdir())[2]
    data = pydicom.dcmread(victim)
    data.Units = "GML"
    data.save_as(victim)
    with pytest.raises(InputError, match="differ in Units"):
        imaging.read_pet(folder)


def test_header_without_radiopharmaceutical(tmp_path):
    folder = write_pet(tmp_path / "p", TRUE, GRID, RadiopharmaceuticalInformationSequence=None)
    scan = imaging.read_pet(folder, after_h=24.0, activity_mbq=74.0, half_life_s=I124_S)
    close(scan)
    assert scan.tracer is None and scan.administered_activity_mbq == 74.0
    assert radiopharmaceutical()[0].RadionuclideTotalDose == 74000000
