"""BED, EQD2, EUD: closed forms against quadrature and against limits worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.clinic.radiobiology import (
    TUMOUR,
    Radiosensitivity,
    bed,
    eqd2,
    eud,
    geud,
    lesion_effect,
    repair_factor,
    repair_factor_mono,
    repair_factor_sampled,
)
from hevesy.engine.errors import InputError
from hevesy.engine.kinetics.curves import fit_curve

T124, T131 = 100.224, 192.6048
CURVE = fit_curve([24, 96], [8e-4, 5e-4], None, T124, T131)


def test_mono_exponential_example():
    """By hand: 20 Gy, alpha/beta 10, repair 1.5 h, effective half-life 68.4 h."""
    g = repair_factor_mono(1.5, CURVE.effective_half_life_h)
    assert g == pytest.approx(0.021444520706016684, rel=1e-12)
    assert float(bed(20.0, g, 10.0)) == pytest.approx(20.857780828240667, rel=1e-12)


def test_linear_rise_example():
    """The reference integrates on a grid that ends at 15 effective lifetimes: equal to its five digits."""
    g = repair_factor(CURVE, 1.5)
    assert g == pytest.approx(0.020176363967682943, rel=2e-5)
    assert float(bed(20.0, g, 10.0)) == pytest.approx(20.807054558707318, rel=1e-6)


@pytest.mark.parametrize("uptake", ["linear-activity", "linear-retention", "instant"])
@pytest.mark.parametrize("repair", [0.5, 1.5, 10.0])
def test_closed_forms_equal_the_sampled_double_integral(uptake, repair):
    curve = fit_curve([24, 96], [8e-4, 5e-4], None, T124, T131, uptake=uptake)
    t = np.concatenate([np.linspace(0, 24, 600), 24 + np.linspace(0, 3000, 6000)[1:]])
    sampled = repair_factor_sampled(t, curve.activity(t), repair)
    assert repair_factor(curve, repair) == pytest.approx(sampled, rel=2e-4)


def test_bi_exponential_and_decay_equal_the_sampled_double_integral():
    times = np.array([2.0, 6, 24, 48, 96])
    u = np.exp(-0.007 * times) - np.exp(-0.15 * times)
    for curve in (
        fit_curve(times, u, None, T124, T131, "bi-exponential"),
        fit_curve(times, u, None, T124, T131, "mono-exponential"),
        fit_curve([24.0], [1.0], None, T124, T131),
    ):
        t = np.linspace(0, 4500, 20000)
        sampled = repair_factor_sampled(t, curve.activity(t), 3.0)
        assert repair_factor(curve, 3.0) == pytest.approx(sampled, rel=1e-3)


def test_limits_of_the_repair_factor():
    acute = repair_factor_sampled(np.array([0.0, 1e-6]), np.array([1.0, 1.0]), 1.5)
    assert acute == pytest.approx(1.0, rel=1e-5)  # no time to repair
    t, long = np.array([0.0, 10.0]), 10 * math.log(2) / 1.0
    constant = repair_factor_sampled(t, np.array([1.0, 1.0]), 1.0)
    assert constant == pytest.approx(2 / long**2 * (math.exp(-long) - 1 + long), rel=1e-9)  # Dale 1985


def test_eqd2_of_two_gray_fractions_is_the_dose():
    """30 fractions of 2 Gy: BED = 60 (1 + 2/10) = 72 Gy, EQD2 = 60 Gy."""
    assert float(eqd2(72.0, 10.0)) == pytest.approx(60.0)


def test_eud_of_a_uniform_dose_is_the_dose():
    assert eud(np.full(50, 20.0), 0.02) == pytest.approx(20.0, rel=1e-12)
    assert eud(np.full(50, 20.0), 0.0) == pytest.approx(20.0, rel=1e-12)
    assert geud(np.full(50, 20.0), -10.0) == pytest.approx(20.0, rel=1e-12)


def test_eud_of_two_halves_by_hand():
    p = Radiosensitivity(10.0, 0.2)
    expected = -math.log(0.5 * math.exp(-2.0) + 0.5 * math.exp(-6.0)) / 0.2  # G = 0, 10 and 30 Gy
    assert eud(np.array([10.0, 30.0]), 0.0, p) == pytest.approx(expected, rel=1e-12)
    assert geud(np.array([10.0, 30.0]), -1.0) == pytest.approx(15.0)  # harmonic mean
    assert geud(np.array([10.0, 30.0]), 1.0) == pytest.approx(20.0)
    assert geud(np.array([0.0, 30.0]), -10.0) == 0.0


def test_eud_survives_large_doses_and_heeds_weights():
    assert eud(np.array([1e4, 1e4]), 0.02) == pytest.approx(1e4, rel=1e-9)
    w = np.array([1.0, 0.0])
    assert eud(np.array([10.0, 30.0]), 0.02, weights=w) == pytest.approx(10.0)
    assert geud(np.array([10.0, 0.0]), -10.0, w) == pytest.approx(10.0)


def test_lesion_effect_orders_as_it_must():
    d = np.random.default_rng(1).uniform(5, 35, 2000)
    e = lesion_effect(d, CURVE)
    assert e.dose_gy == pytest.approx(d.mean())
    assert e.repair_factor == pytest.approx(repair_factor(CURVE, TUMOUR.repair_half_time_h))
    assert e.eud_gy < e.dose_gy < e.bed_of_mean_gy < e.mean_bed_gy
    assert e.eqd2_gy == pytest.approx(e.mean_bed_gy / 1.2)
    assert e.geud_gy < e.dose_gy
    kidney = Radiosensitivity(2.6, 0.2, 2.8, 1.0, "kidney late effects, 2.6 Gy and 2.8 h")
    mono = lesion_effect(d, effective_half_life_h=68.4, parameters=kidney)
    assert mono.repair_factor == pytest.approx(2.8 / 71.2)


def test_unusable_input_is_refused_with_its_name():
    with pytest.raises(InputError, match="alpha_beta_gy"):
        Radiosensitivity(alpha_beta_gy=0.0)
    with pytest.raises(InputError, match="geud_exponent"):
        Radiosensitivity(geud_exponent=0.0)
    with pytest.raises(InputError, match="time course"):
        lesion_effect(np.ones(3))
    with pytest.raises(InputError, match="no dose voxels"):
        eud(np.empty(0), 0.1)
    with pytest.raises(InputError, match="negative or missing"):
        geud(np.array([-1.0]), 2.0)
    with pytest.raises(InputError, match="increasing"):
        repair_factor_sampled(np.array([1.0, 0.0]), np.ones(2), 1.0)
