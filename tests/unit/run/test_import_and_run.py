"""The way a user goes: DICOM of the synthetic patient, `import`, the case untouched, `run`, against the truth."""

import json
import math

import pytest
import yaml
from hevesy.cli import main
from hevesy.phantoms.patient import synthetic_patient
from hevesy.phantoms.true_dose import true_doses


def hevesy(*words):
    """Call the command line; it must end well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["hevesy", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main.entry()
    assert not end.value.code


def imported(patient, folder):
    """The case file that `import` writes from the patient's DICOM."""
    patient.save_dicom(folder / "dicom")
    hevesy("import", folder / "dicom", "-o", folder / "case.yaml")
    return folder / "case.yaml"


def records_of(case, out, *flags):
    """Records by lesion name of a run."""
    hevesy("run", case, "--out", out, "-q", *flags)
    records = json.loads((out / "lesions.json").read_text())
    return {row["lesion"]: row for row in (records["lesions"] if isinstance(records, dict) else records)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo patient and its case as imported."""
    patient = synthetic_patient()
    return patient, imported(patient, tmp_path_factory.mktemp("demo"))


def z_scores(records, truth):
    """Deviations from the true doses in stated standard uncertainties: of the dose, and of its logarithm."""
    scores = []
    for name, dose in truth.items():
        row = records[name]
        scores.append((row["dose_gy"] - dose) / row["dose_uncertainty_gy"])
        scores.append(math.log(row["dose_gy"] / dose) / row["uncertainty"]["relative"])
    return scores


def assert_within_two_uncertainties(patient, case, out):
    """Local deposition against the closed form of a sphere's self-dose: a few per cent, against 15 to 40 % stated."""
    records = records_of(case, out, "--method", "local")
    truth = {t.name: t.sphere_dose_gy for t in patient.truth}
    assert set(records) == set(truth)
    assert max(map(abs, z_scores(records, truth))) <= 2.0
    assert not any(row["clinic"]["lower_bound"] or row["clinic"]["upper_bound"] for row in records.values())


def test_every_lesion_of_the_untouched_case_within_two_uncertainties(demo, tmp_path):
    patient, case = demo
    assert yaml.safe_load(case.read_text())["recovery"]["assumed"] is True
    assert_within_two_uncertainties(patient, case, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("fwhm_mm", [4.7, 7.5])
def test_the_same_on_a_sharper_and_a_blunter_scanner(tmp_path, fwhm_mm):
    # one standard uncertainty of the assumed resolution to either side
    patient = synthetic_patient(fwhm_mm=fwhm_mm)
    assert_within_two_uncertainties(patient, imported(patient, tmp_path), tmp_path / "out")


def test_without_the_block_every_small_lesion_is_a_lower_bound_and_true_to_it(demo, tmp_path):
    patient, imported_case = demo
    data = yaml.safe_load(imported_case.read_text())
    del data["recovery"]
    case = imported_case.with_name("without.yaml")
    case.write_text(yaml.safe_dump(data))
    records = records_of(case, tmp_path / "out", "--method", "local")
    for truth in patient.truth:
        row = records[truth.name]
        assert row["clinic"]["lower_bound"] is (truth.diameter_mm < 18.9)
        assert row["mass_g"] == pytest.approx(truth.mass_g, rel=0.1)
        if row["clinic"]["lower_bound"]:
            assert row["dose_gy"] < truth.sphere_dose_gy
        else:
            assert abs(math.log(row["dose_gy"] / truth.sphere_dose_gy)) < 2.0 * row["uncertainty"]["relative"]


@pytest.mark.slow
def test_the_demo_patient_untouched_by_monte_carlo(demo, tmp_path):
    patient, case = demo
    records = records_of(case, tmp_path / "out")
    truth = dict(zip((t.name for t in patient.truth), (t.dose_gy for t in true_doses(patient)), strict=True))
    assert max(map(abs, z_scores(records, truth))) <= 2.0
