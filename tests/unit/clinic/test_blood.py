"""Blood and whole-body dosimetry: EANM formula, single measurement, limits, samples file, plausibility."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.clinic.blood import (
    blood_dose,
    blood_dose_per_gbq,
    blood_volume_ml,
    maximum_activity,
    read_samples,
    single_measurement,
)
from hevesy.engine.clinic.washout import fit_washout
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.decay import nuclide
from scipy.integrate import quad

T124, T131 = 100.224, 192.6048
L124, L131 = math.log(2) / T124, math.log(2) / T131


def test_blood_dose_follows_the_eanm_formula():
    """Lassmann et al. 2008 (docs/methods/blood.md): 75 kg, 16 h whole body, 14 % of it in 5150 mL of blood."""
    dose = blood_dose_per_gbq(0.14 * 16 / 5150, 16.0, 75.0)
    assert dose == pytest.approx(0.06388839366307116, rel=1e-12)
    limit = maximum_activity(dose, None)
    assert limit.activity_gbq == pytest.approx(31.30459047925699, rel=1e-12)
    assert limit.limiting_rule == "blood dose"


def test_single_measurement():
    """Haenscheid et al. 2009 (docs/methods/blood.md): 8 % at 48 h, man of 75 kg and 175 cm."""
    assert blood_volume_ml(75, 175, "male") == pytest.approx(5153.0)
    result = single_measurement(48.0, 0.08, 75.0, 175.0, "male")
    assert result.tau_body_h == pytest.approx(19.00441684745837, rel=1e-12)
    assert result.dose_gy_per_gbq == pytest.approx(0.07585262074955534, rel=1e-12)
    assert result.maximum.by_rule_gbq["blood dose"] == pytest.approx(26.366920222881348, rel=1e-12)
    assert result.maximum.by_rule_gbq["48 h retention"] == pytest.approx(55.5, rel=1e-12)
    assert result.maximum.limiting_rule == "blood dose"
    lung = single_measurement(48.0, 0.08, 75.0, 175.0, "male", diffuse_lung=True)
    assert lung.maximum.by_rule_gbq["48 h retention, diffuse lung metastases"] == pytest.approx(37.0)
    assert "validated for 24 to 48 h" in single_measurement(96, 0.02, 75, 175, "f").flags[1]


def test_retention_can_be_the_limit():
    limit = maximum_activity(0.05, 0.4)
    assert limit.limiting_rule == "48 h retention" and limit.activity_gbq == pytest.approx(11.1)
    assert maximum_activity(0.05, 0.4, diffuse_lung=True).activity_gbq == pytest.approx(7.4)


def body(t):
    """True whole-body activity of 131I: 90 % with 10 h, 10 % with 50 h effective half-life."""
    return 0.9 * np.exp(-math.log(2) / 10 * t) + 0.1 * np.exp(-math.log(2) / 50 * t)


def blood(t):
    """True blood activity of 131I per mL."""
    return 4e-5 * np.exp(-math.log(2) / 12 * t) + 1e-6 * np.exp(-math.log(2) / 90 * t)


TAU_BODY = (0.9 * 10 + 0.1 * 50) / math.log(2)
TAU_BLOOD = (4e-5 * 12 + 1e-6 * 90) / math.log(2)


def write(path, times, decay_corrected=False, settings="# nuclide: I-124\n"):
    """Samples of 124I that stand for the 131I curves above."""
    t = np.asarray(times, float)
    convert = np.exp((L131 - L124) * t) * (np.exp(L124 * t) if decay_corrected else 1.0)
    lines = [
        f"{a:.17g},{100 * b:.17g},{1e5 * c:.17g}"
        for a, b, c in zip(t, body(t) * convert, blood(t) * convert, strict=True)
    ]
    head = settings + f"# decay_corrected: {'yes' if decay_corrected else 'no'}\n"
    path.write_text(head + "time_h,whole_body_percent,blood_percent_per_l\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("corrected", [False, True])
def test_samples_of_the_tracer_give_the_tia_coefficients_of_the_therapy(tmp_path, corrected):
    path = write(tmp_path / "s.csv", [2, 6, 24, 48, 72, 96, 144], corrected)
    samples = read_samples(path, T124)
    assert samples.nuclide == "I-124"
    result = blood_dose(samples, 75.0, tracer_half_life_h=T124, therapy_half_life_h=T131)
    assert result.tau_body_h == pytest.approx(TAU_BODY, rel=1e-5)
    assert result.tau_blood_h_per_ml == pytest.approx(TAU_BLOOD, rel=1e-5)
    assert result.retention_48h == pytest.approx(float(body(48.0)), rel=1e-6)
    expected = 108 * TAU_BLOOD + 0.0188 / 75 ** (2 / 3) * TAU_BODY
    assert result.dose_gy_per_gbq == pytest.approx(expected, rel=1e-5)
    assert result.maximum.activity_gbq == pytest.approx(2 / expected, rel=1e-5)
    assert result.flags == ()


def test_three_points_stay_within_the_published_agreement(tmp_path):
    """Jentzen 2015: 1-2 h, 24 or 48 h and >= 96 h give 95 % of the MTAs within 20 %."""
    path = write(tmp_path / "s.csv", [2, 24, 96])
    result = blood_dose(read_samples(path, T124), 75.0, tracer_half_life_h=T124, therapy_half_life_h=T131)
    exact = 108 * TAU_BLOOD + 0.0188 / 75 ** (2 / 3) * TAU_BODY
    assert result.dose_gy_per_gbq / exact == pytest.approx(1.0, abs=0.20)
    assert result.dose_gy_per_gbq > exact  # the interpolation errs on the safe side
    assert any("log-linear" in flag for flag in result.flags)


def test_washout_never_outlasts_physical_decay():
    t = np.array([2.0, 6, 24, 48, 96])
    slow = fit_washout(t, 0.5 * np.exp(-L131 * t) * np.exp(0.002 * t), None, T131)
    assert slow.tail_rate_per_h == pytest.approx(L131, rel=1e-6)
    assert "capped" in slow.flags[0]
    rising = fit_washout(np.array([2.0, 24.0]), np.array([0.5, 0.6]), None, T131)
    assert rising.tail_rate_per_h == pytest.approx(L131)


@pytest.mark.parametrize("times, one", [([2, 6, 24, 48, 96], True), ([2, 24], True), ([2, 24, 96], False)])
def test_tia_coefficient_is_the_integral_of_the_curve(times, one):
    t = np.array(times, float)
    fit = fit_washout(t, body(t), None, T131, starts_at_one=one)
    parts = [0.0, *times, 400.0, 3000.0]
    pieces = zip(parts, parts[1:], strict=False)
    whole = sum(quad(lambda x: float(fit.activity(x)), a, b)[0] for a, b in pieces)
    assert fit.tia_coefficient_h == pytest.approx(whole, rel=1e-4)
    late = quad(lambda x: float(fit.activity(x)), times[-1], 3000, limit=300)[0]
    assert fit.extrapolated_fraction == pytest.approx(late / whole, rel=1e-3)


def test_stated_sigma_matches_repeated_noise():
    """150 noisy repeats know their spread to 6 %; the stated one is a linearisation."""
    rng = np.random.default_rng(4)
    t = np.array([2.0, 6, 24, 48, 72, 96, 144])
    y = body(t)
    fits = [
        fit_washout(t, y * (1 + 0.03 * rng.standard_normal(7)), 0.03 * y, T131, starts_at_one=True) for _ in range(150)
    ]
    spread = np.std([f.tia_coefficient_h for f in fits])
    assert np.median([f.tia_coefficient_uncertainty_h for f in fits]) == pytest.approx(spread, rel=0.3)
    assert np.mean([f.tia_coefficient_h for f in fits]) == pytest.approx(TAU_BODY, rel=0.01)


def test_counts_and_absolute_blood(tmp_path):
    t = np.array([2.0, 24, 48, 96])
    convert = np.exp((L131 - L124) * t)
    counts = 5000 * np.exp(-0.05 * (t - 2)) * np.exp(-L124 * (t - 2))
    rows = "\n".join(f"{a},{b},{1e3 * 74 * c}" for a, b, c in zip(t, counts, blood(t) * convert, strict=True))
    path = tmp_path / "c.csv"
    path.write_text("# administered_mbq: 74\ntime_h,whole_body_counts,blood_kbq_per_ml\n" + rows)
    samples = read_samples(path, T124)
    assert samples.body_fraction[0] == pytest.approx(math.exp(-2 * L124))
    assert samples.body_fraction[1] == pytest.approx(math.exp(-22 * 0.05 - 24 * L124))
    assert samples.blood_fraction_per_ml == pytest.approx(blood(t) * convert)


def test_no_blood_drawn_takes_a_share_of_the_body_and_says_so(tmp_path):
    path = tmp_path / "b.csv"
    t = np.array([2.0, 24, 48, 96])
    convert = np.exp((L131 - L124) * t)
    path.write_text(
        "time_h,whole_body_percent\n" + "\n".join(f"{a},{100 * v}" for a, v in zip(t, body(t) * convert, strict=True))
    )
    samples = read_samples(path, T124)
    more = {"tracer_half_life_h": T124, "therapy_half_life_h": T131}
    with pytest.raises(InputError, match="at least two"):
        blood_dose(samples, 75.0, **more)
    result = blood_dose(samples, 75.0, height_cm=175, sex="male", **more)
    assert result.tau_blood_h_per_ml == pytest.approx(0.14 * result.tau_body_h / 5153.0)
    assert any("14 %" in flag for flag in result.flags)


@pytest.mark.parametrize(
    "text, message",
    [
        ("time_h,whole_body_pct\n2,100\n", "did you mean 'whole_body_percent'"),
        ("time,whole_body_percent\n2,100\n", "states no unit(.|\n)*call it time_h"),
        ("whole_body_percent\n100\n", "no column time_h"),
        ("time_h,whole_body_percent\n2,x\n", "not a number"),
        ("time_h,whole_body_percent\n24,50\n2,90\n", "do not increase"),
        ("time_h,whole_body_percent\n2,95\n24,-5\n", "negative sample"),
        ("time_h,blood_kbq_per_ml\n2,3\n24,2\n", "administered_mbq"),
        ("time_h,whole_body_counts\n24,100\n48,50\n", "before voiding"),
        ("# decay_corected: no\ntime_h,whole_body_percent\n2,90\n", "did you mean 'decay_corrected'"),
        ("time_h,whole_body_percent,whole_body_counts\n2,90,3\n", "both"),
        ("time_h\n", "no samples"),
        ("2,95\n24,40\n", "no samples"),
        ("time_h,whole_body_percent\n120,95\n1440,40\n", "at 1440 h(.|\n)*time_min"),
        ("time_h,whole_body_percent\n0.1,95\n1,40\n4,10\n", "at 4 h(.|\n)*time_d"),
        ("time_h,whole_body_percent\n2,0.95\n24,0.40\n", "not fractions(.|\n)*whole_body_fraction"),
        ("time_h,blood_percent_per_l\n2,0.04\n24,0.01\n", "not fractions(.|\n)*blood_fraction_per_l"),
        ("# administered_mbq: 0.074e-6\ntime_h,whole_body_percent\n2,95\n24,40\n", "out of range"),
        ("# administered_mbq: much\ntime_h,whole_body_percent\n2,95\n24,40\n", "'much' is no activity"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_samples(path, T124)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "time_h,whole_body_percent,blood_percent_per_l\n2,95,4\n24,40,1.5\n",
        "time (min);whole body (%);blood (%/L)\n120;95;4\n1440;40;1,5\n",
        "time_d,whole_body_fraction,blood_fraction_per_l\n0.083333333333,0.95,0.04\n1,0.4,0.015\n",
        "# administered_mbq: 100\ntime_h\twhole_body_percent\tblood [Bq/mL]\n2\t95\t4000\n24\t40\t1500\n",
    ],
)
def test_one_set_of_samples_in_many_units(tmp_path, text):
    path = tmp_path / "s.csv"
    path.write_text(text)
    found = read_samples(path, T124)
    assert found.body_time_h == pytest.approx([2.0, 24.0]) and found.body_fraction == pytest.approx([0.95, 0.4])
    assert found.blood_fraction_per_ml == pytest.approx([4e-5, 1.5e-5])


def test_missing_samples_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_samples(tmp_path / "none.csv")


def test_what_cannot_be_is_refused_and_what_is_odd_is_named(tmp_path):
    more = {"tracer_half_life_h": T124, "therapy_half_life_h": T131}

    def run(rows):
        path = tmp_path / "p.csv"
        path.write_text("time_h,whole_body_percent,blood_percent_per_l\n" + rows)
        return blood_dose(read_samples(path, T124), 75.0, **more)

    with pytest.raises(InputError, match="more than was administered"):
        run("2,98,4\n24,95,2\n48,90,1\n")
    with pytest.raises(InputError, match="per litre"):
        run("2,98,60\n24,30,2\n48,10,1\n")
    odd = run("2,95,4\n24,10,3.5\n48,12,1\n")
    assert any("rises" in flag for flag in odd.flags)
    assert any("the blood would contain" in flag for flag in odd.flags)


def test_body_measures_that_cannot_be():
    with pytest.raises(InputError, match="weight 75000 kg"):
        blood_dose_per_gbq(1e-4, 16, 75000)
    with pytest.raises(InputError, match="in cm"):
        blood_volume_ml(75, 1.75, "male")
    with pytest.raises(InputError, match="'male' or 'female'"):
        blood_volume_ml(75, 175, "x")
    with pytest.raises(InputError, match="between 0 and 100"):
        maximum_activity(0.1, 8.0)
    with pytest.raises(InputError, match="retention 100 %"):
        single_measurement(48, 1.0, 75, 175, "m")


def test_noise_of_the_first_samples_makes_no_spike_before_them(tmp_path):
    """Five samples with 4 % noise whose free bi-exponential fit had four times the true area, in the first hour."""
    file = tmp_path / "samples.csv"
    file.write_text(
        "# nuclide: I-124\n# decay_corrected: no\n# administered_mbq: 78\n"
        "time_h,whole_body_percent,whole_body_sigma_percent,blood_percent_per_l,blood_sigma_percent_per_l\n"
        "0,100,1,,\n2,85.8968,2.59776,2.04633,0.077256\n6,68.0836,1.95904,1.50394,0.0641938\n"
        "24,21.8474,0.627619,0.74915,0.0280048\n48,7.20567,0.217893,0.231935,0.00942461\n"
        "96,2.49914,0.0737765,0.0313889,0.00124266\n"
    )
    samples = read_samples(file, nuclide("I-124").half_life_h, 78.0)
    found = blood_dose(
        samples, 75.0, tracer_half_life_h=nuclide("I-124").half_life_h, therapy_half_life_h=nuclide("I-131").half_life_h
    )
    trapezoid = np.trapezoid([2.2, 2.06, 1.53, 0.811, 0.272, 0.0432], [0, 2, 6, 24, 48, 96]) * 1e-5
    assert 0.8 * trapezoid < found.tau_blood_h_per_ml < 1.15 * trapezoid  # the truth of that patient is 5.09e-4 h/mL
    assert found.tau_blood_h_per_ml == pytest.approx(5.09e-4, rel=0.08)


def test_maximum_activity_over_repeated_noise():
    """100 repetitions of noisy samples: blood TIA coefficient without outliers, and unbiased within 3 %."""
    rng = np.random.default_rng(4)
    t = np.array([2.0, 6.0, 24.0, 48.0, 96.0])
    decay = nuclide("I-131").decay_constant_per_h
    rates = decay + np.log(2) / np.array([90.0, 9.0])
    amplitudes = np.array([0.03, 1.0]) * 2.5e-5
    true = float(np.sum(amplitudes / rates))
    y = np.exp(-np.outer(t, rates)) @ amplitudes
    ratios = []
    for _ in range(100):
        drawn = y * (1.0 + 0.04 * rng.standard_normal(t.size))
        ratios.append(fit_washout(t, drawn, 0.04 * drawn, nuclide("I-131").half_life_h).tia_coefficient_h / true)
    assert min(ratios) > 0.85 and max(ratios) < 1.3
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
