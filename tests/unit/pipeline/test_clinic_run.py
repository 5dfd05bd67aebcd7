"""The clinic's part of a run on a small block: numbers by hand, contradictions named, files and report."""

import csv
import json
import math

import hevesy
import numpy as np
import pytest
import yaml
from hevesy.engine.case.clinic import Reporting
from hevesy.engine.dose.sphere import sphere_s_value_gy_per_gbq_h
from hevesy.engine.errors import InputError
from hevesy.engine.export import clinic as clinic_outputs
from hevesy.engine.grid import write_image
from hevesy.engine.lesions.bounds import BELOW_DETECTION
from hevesy.engine.lesions.uncertainty import MeasurementChain, lesion_uncertainty
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.pipeline.clinic.lesions import section_axes
from hevesy.engine.pipeline.lesion_records import uptake_relative
from hevesy.phantoms.shapes import Ellipsoid, full_fraction
from hevesy.tests.unit.small_case import (
    BODY,
    GRID,
    HOT,
    RETENTION,
    TEXT,
    TRACER_MBQ,
    hot_tia_h_per_ml,
    write_small_case,
)

VOLUME_ML = 27 * 0.064
TIMES = (2.0, 24.0, 48.0, 96.0)


def samples(nuclide_name="I-124", body_half_life_h=14.0):
    """Whole body and blood that wash out with one half-life, as the tracer shows them."""
    rate = nuclide("I-124" if nuclide_name == "I-124" else nuclide_name).decay_constant_per_h
    lines = [f"# nuclide: {nuclide_name}", "time_h,whole_body_percent,blood_percent_per_l"]
    for t in TIMES:
        left = math.exp(-(rate + math.log(2.0) / body_half_life_h) * t)
        lines.append(f"{t:g},{100 * left:.8f},{2.5 * left:.8f}")
    return "\n".join(lines) + "\n"


def run(folder, retention=None, method="local", **changes):
    file = write_small_case(folder)
    data = yaml.safe_load(TEXT) | changes
    if retention is not None:
        (folder / "retention.csv").write_text(retention)
        data["visits"][0]["retention"] = "retention.csv"
    return hevesy.run(hevesy.Case.from_dict(data, base=file.parent), method=method)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(
        tmp_path_factory.mktemp("clinic"),
        samples(),
        height="175 cm",
        sex="male",
        diffuse_lung_metastases=True,
        reporting={"preparation": "rhTSH"},
        eligibility={"activities": ["0.5 GBq"]},
    )


@pytest.fixture(scope="module")
def visit(done):
    return done.clinic["visits"][0]


def test_maximum_activity_by_hand(visit):
    """Mono-exponential washout of 131I from 1 (body) and 2.5 %/L (blood); Lassmann et al. 2008."""
    rate = nuclide("I-131").decay_constant_per_h + math.log(2.0) / 14.0
    dose = 108.0 * 2.5e-5 / rate + 0.0188 / 75.0 ** (2 / 3) / rate
    blood = visit["blood"]
    assert blood["dose_gy_per_gbq"] == pytest.approx(dose, rel=2e-3)
    assert blood["tau_body_h"] == pytest.approx(1.0 / rate, rel=2e-3)
    left = math.exp(-48.0 * rate)
    assert blood["retention_48h_percent"] == pytest.approx(100 * left, rel=2e-3)
    assert blood["by_rule_gbq"]["48 h retention, diffuse lung metastases"] == pytest.approx(2.96 / left, rel=2e-3)
    assert blood["maximum_gbq"] == pytest.approx(min(2.0 / dose, 2.96 / left), rel=2e-3)
    assert blood["limiting_rule"] == "blood dose"


def test_eligibility_at_every_activity_and_what_flips(done, visit):
    found = visit["eligibility"]
    assert [one["name"] for one in found["at"]] == ["7.4 GBq", "500 MBq", "MTA"]
    ldpa = done.lesions[0].ldpa_gy_per_gbq
    for one, gbq in zip(found["at"], (7.4, 0.5, visit["blood"]["maximum_gbq"]), strict=True):
        assert one["lesions"][0]["dose_gy"] == pytest.approx(ldpa * gbq)
    assert 0.5 * ldpa < 20 < 7.4 * ldpa
    assert found["flips"] == {"hot cube": ["7.4 GBq", "MTA"]}
    assert found["needed_gbq"]["hot cube"] == pytest.approx(20 / ldpa)
    assert found["at"][1]["verdict"] == "undetermined"  # not corrected for recovery: the dose is a lower bound


def test_therapy_above_what_is_tolerable_is_a_warning(tmp_path):
    outcome = run(tmp_path, samples(body_half_life_h=400.0))
    (visit,) = outcome.clinic["visits"]
    assert visit["blood"]["maximum_gbq"] < 7.4
    assert visit["eligibility"]["at"][0]["verdict"] == "not tolerable"
    assert any("above the maximum tolerable" in text for text in outcome.visits[0].result.warnings)


def test_sphere_formula_beside_the_dose(done):
    (lesion,) = done.lesions
    mass = VOLUME_ML * lesion.density_g_cm3
    by_hand = hot_tia_h_per_ml() * VOLUME_ML * sphere_s_value_gy_per_gbq_h(mass) * 7.4
    assert lesion.clinic["sphere_dose_gy"] == pytest.approx(by_hand, rel=1e-4)
    assert lesion.to_row()["sphere_difference_percent"] == pytest.approx(100 * (by_hand / lesion.dose_gy - 1), abs=1e-3)


def test_uptake_equals_a_hand_calculation(done):
    row = done.lesions[0].to_row()
    assert row["uptake_24h_percent"] == pytest.approx(100 * RETENTION[24.0] * VOLUME_ML, rel=1e-4)
    per_gram = 100 * RETENTION[24.0] / done.lesions[0].density_g_cm3
    assert row["uptake_24h_percent_per_g"] == pytest.approx(per_gram, rel=1e-4)
    assert row["suv_24h"] == pytest.approx(per_gram / 100 * 75000, rel=1e-4)


def test_effect_of_a_uniform_dose(done):
    """Uniform dose D: EUD = gEUD = D and BED = D (1 + G D / (a/b)); G of the linear rise by quadrature."""
    (lesion,) = done.lesions
    c, dose = lesion.clinic, lesion.dose_gy
    assert c["effect_basis"] == "voxels"
    assert c["eud_gy"] == pytest.approx(dose, rel=1e-5)
    assert c["geud_gy"] == pytest.approx(dose, rel=1e-5)
    decay = nuclide("I-131").decay_constant_per_h
    rate = decay + math.log(RETENTION[24.0] / RETENTION[96.0]) / 72.0
    t = np.linspace(0.0, 1500.0, 300001)
    r = np.where(t < 24.0, t / 24.0, np.exp(-rate * (t - 24.0)))
    mu, step = math.log(2.0) / 1.5, t[1]
    kept = np.zeros_like(t)
    fade = math.exp(-mu * step)
    for i in range(1, t.size):
        kept[i] = kept[i - 1] * fade + 0.5 * step * (r[i - 1] * fade + r[i])
    g = 2 * np.trapezoid(r * kept, t) / np.trapezoid(r, t) ** 2
    assert c["bed_gy"] == pytest.approx(dose * (1 + g * dose / 10.0), rel=1e-4)
    assert c["eqd2_gy"] == pytest.approx(c["bed_gy"] / 1.2, rel=1e-6)


def test_checklist_tells_what_is_missing(visit):
    rows = {(r["section"], r["item"]): r for r in visit["reporting"]}
    assert rows[("Patient and preparation", "rhTSH or withdrawal")]["value"] == "rhTSH"
    assert rows[("Patient and preparation", "TSH")]["value"] is None
    assert rows[("Imaging", "times after administration")]["value"] == "24 h, 96 h"
    assert "blood dose" in rows[("Blood and whole body", "maximum tolerable activity and its parts")]["value"]


def test_every_field_of_good_reporting_is_an_item_and_nothing_is_missing_then(tmp_path):
    """Each free text of the case stands in the checklist (Lassmann et al. 2011); with all of them none is missing."""
    fields = {name: f"told about {name}" for name in Reporting.model_fields}
    tracer = {"nuclide": "I-124", "activity": "74 MBq", "administered": "2026-01-05T09:00"}
    outcome = run(tmp_path, samples(), height="175 cm", sex="male", reporting=fields, tracer=tracer)
    rows = outcome.clinic["visits"][0]["reporting"]
    values = " ".join(str(row["value"]) for row in rows)
    assert all(text in values for text in fields.values())
    assert all(row["value"] is not None for row in rows)
    assert {row["section"] for row in rows} == {
        "Patient and preparation",
        "Administration",
        "Imaging",
        "Lesions",
        "Kinetics",
        "Dose",
        "Blood and whole body",
        "Remarks",
    }


def test_contradictions_in_the_samples_are_refused(tmp_path):
    with pytest.raises(InputError, match="measured with Lu-177"):
        run(tmp_path / "a", samples("Lu-177"))
    with pytest.raises(InputError, match="no body weight") as caught:
        run(tmp_path / "b", samples(), weight=None)
    assert caught.value.field == "weight"
    too_much = "time_h,whole_body_percent\n2,98\n24,95\n48,90\n"
    with pytest.raises(InputError, match="cannot contain more than was administered"):
        run(tmp_path / "c", too_much)


def test_samples_of_the_therapy_nuclide_are_taken_as_such(tmp_path):
    outcome = run(tmp_path, samples("I-131"))
    rate = nuclide("I-131").decay_constant_per_h + math.log(2.0) / 14.0
    assert outcome.clinic["visits"][0]["blood"]["tau_body_h"] == pytest.approx(1 / rate, rel=2e-3)
    assert any("measured with I-131" in text for text in outcome.visits[0].result.assumptions)


def test_other_therapies_have_no_blood_rule(tmp_path):
    outcome = run(tmp_path, samples(), therapy={"nuclide": "Lu-177", "activity": "7.4 GBq"})
    assert outcome.clinic["visits"][0]["blood"] is None
    assert any("retention samples were not used" in text for text in outcome.visits[0].result.assumptions)
    assert outcome.lesions[0].clinic.get("sphere_dose_gy") is None


def noisy_background(folder, hot_share):
    """The hot cube at a share of its uptake, over a background of 5 kBq/mL with 30 % noise."""
    rng = np.random.default_rng(5)
    rate = nuclide("I-124").decay_constant_per_h
    for hours, retained in RETENTION.items():
        pet = np.zeros(GRID.shape, np.float32)
        pet[BODY] = 5000.0 * (1 + 0.3 * rng.standard_normal(pet[BODY].shape))
        pet[HOT] += hot_share * retained * TRACER_MBQ * 1e6 * math.exp(-rate * hours)
        write_image(folder / f"pet_{hours:.0f}.nii.gz", GRID, pet.clip(0))


@pytest.mark.parametrize(("share", "seen"), [(1.0, True), (0.0, False)])
def test_detection_limit_makes_an_upper_bound(tmp_path, share, seen):
    file = write_small_case(tmp_path)
    noisy_background(tmp_path, share)
    (lesion,) = hevesy.run(file, method="local").lesions
    assert lesion.clinic["upper_bound"] is not seen
    measured, limit = lesion.kinetics["measured_bq_ml"], lesion.clinic["detection_bq_ml"]
    assert all((m > l) is seen for m, l in zip(measured, limit, strict=True))
    assert all(l > b for l, b in zip(limit, lesion.kinetics["background_bq_ml"], strict=True))
    data = yaml.safe_load(TEXT) | {"kinetics": {"detection_sigmas": "0"}}
    (without,) = hevesy.run(hevesy.Case.from_dict(data, base=tmp_path), method="local").lesions
    assert BELOW_DETECTION not in without.bounds.upper
    assert (without.kinetics["tia_coefficient_h"] < lesion.kinetics["tia_coefficient_h"]) is not seen


def test_image_noise_joins_the_weights_and_the_budget(tmp_path):
    """Noise of the surroundings, carried to the lesion's level, beside the stated error of each scan."""
    file = write_small_case(tmp_path)
    rng = np.random.default_rng(3)
    for hours in (24, 96):
        pet = np.zeros(GRID.shape, np.float32)
        pet[BODY] = 400.0
        pet[HOT] = 1600.0 if hours == 24 else 900.0
        noise = rng.normal(1.0, 0.2, GRID.shape)
        noise[HOT] = 1.0
        write_image(tmp_path / f"pet_{hours}.nii.gz", GRID, (pet * noise).astype(np.float32))
    outcome = hevesy.run(file, method="local")
    lesion = outcome.lesions[0]
    noise = np.array(lesion.kinetics["noise_percent"]) / 100.0
    # 20 % of 400 Bq/mL grows with the root of the level; 1.728 mL hold (1 + (V/0.738)^(2/3))^1.5 samples
    samples_in = (1.0 + (VOLUME_ML / 0.738) ** (2 / 3)) ** 1.5
    by_hand = 0.2 * np.sqrt(400.0 / np.array([1600.0, 900.0])) / math.sqrt(samples_in)
    assert noise == pytest.approx(by_hand, rel=0.15)  # from the shell's few hundred voxels
    errors = np.array(lesion.uncertainty["scans"])
    assert errors == pytest.approx(np.hypot(0.08, noise))
    curve = next(c["relative"] for c in lesion.uncertainty["contributions"] if c["name"].startswith("scan noise"))
    assert curve * lesion.kinetics["tia_coefficient_h"] == pytest.approx(
        lesion.kinetics["tia_coefficient_uncertainty_h"]
    )


def test_axes_of_an_ellipsoid():
    grid = GRID.__class__((30, 30, 30), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    part = full_fraction(Ellipsoid((29.0, 28.6, 30.2), (9.0, 7.0, 16.0)), grid)
    assert section_axes(part, grid) == pytest.approx((32.0, 14.0), rel=0.02)
    dot = np.zeros(grid.shape)
    dot[4, 4, 4] = 1.0
    assert section_axes(dot, grid) == pytest.approx((2.4814, 2.4814), rel=1e-3)  # the sphere of 8 mm3


def test_random_parts_of_uptake_share_the_volume_error():
    budget = lesion_uncertainty(MeasurementChain(20.0, 2.0, 4.0, 6.0, scan_relative=0.08, mc_relative=0.0))
    uptake, per_gram = uptake_relative(budget, 0.08)
    assert budget.volume_relative == pytest.approx(0.759, abs=1e-3)  # clinical_vectors.py, part C
    # u(A)/A of the vector holds the same volume term and 5 % calibration
    assert math.hypot(uptake, 0.05) == pytest.approx(math.hypot(budget.activity_relative, 0.08), rel=1e-6)
    assert per_gram > budget.volume_relative - uptake


def test_clinical_files_and_report_are_written(tmp_path):
    file = write_small_case(tmp_path)
    (tmp_path / "retention.csv").write_text(samples())
    text = file.read_text().replace(
        "    lesions: lesions.nii.gz", "    lesions: lesions.nii.gz\n    retention: retention.csv"
    )
    file.write_text(text)
    out = tmp_path / "out"
    outcome = hevesy.run(file, method="local", out=out)
    record = json.loads((out / "patient.json").read_text())
    record.pop("sha256")  # of what it holds
    assert record == json.loads(json.dumps(outcome.clinic))
    assert not (out / "visits.csv").exists()
    html = (out / "report.html").read_text()
    for title in ("Eligibility by activity", "maximum tolerable activity", "Methods side by side", "Not stated:"):
        assert title in html
    row = next(csv.DictReader((out / "lesions.csv").open()))
    assert float(row["bed_gy"]) > float(row["dose_gy"])
    assert any("Maximum tolerable activity" in line for line in clinic_outputs.clinic_lines(record))
    (out / "patient.json").write_text('{"format": "something"}')
    with pytest.raises(InputError, match="not a patient record of format version 1"):
        clinic_outputs.read_patient(out)
