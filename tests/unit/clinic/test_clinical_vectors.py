"""The worked example of the clinical page, end to end: 124I retention to eligibility, every printed digit.

The numbers come from shared/reference/clinical_vectors.py (T1/2: 4.1760 d and 8.0252 d); the last test runs
that script, where it is at hand, and compares what it prints.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import runpy

import pytest
from hevesy.engine.clinic.blood import blood_dose_per_gbq, maximum_activity, single_measurement
from hevesy.engine.clinic.radiobiology import bed, repair_factor, repair_factor_mono
from hevesy.engine.clinic.response import PARTIAL_VOLUME_DECREASE, PROGRESSIVE_VOLUME_INCREASE
from hevesy.engine.dose.sphere import sphere_ldpa, sphere_s_value_gy_per_gbq_h
from hevesy.engine.kinetics.conversion import percent_per_gram, suv, to_therapy
from hevesy.engine.kinetics.curves import fit_curve
from hevesy.engine.lesions.judge import Target, judge
from hevesy.engine.lesions.uncertainty import MeasurementChain, lesion_uncertainty
from hevesy.engine.lesions.verdict import Tolerance

T124, T131 = 4.1760 * 24, 8.0252 * 24
L131 = math.log(2) / T131
CURVE = fit_curve([24, 96], [8e-4, 5e-4], None, T124, T131)


def test_conversion_factors():
    """Retention to activity (docs/methods/kinetics.md)."""
    assert to_therapy([1.0, 1.0], [24, 96], T124, T131) == pytest.approx([1.08286704, 1.37499318], rel=1e-8)


def test_a_lesion_dose_per_activity():
    """Worked example of docs/methods/kinetics.md; Jentzen et al. 2008."""
    assert CURVE.biological_half_life_h == pytest.approx(106.18, abs=0.005)
    assert CURVE.effective_half_life_h == pytest.approx(68.448, abs=0.0005)
    assert CURVE.tia_coefficient_h == pytest.approx(0.081268, abs=5e-7)
    ldpa, inside = sphere_ldpa(CURVE.tia_coefficient_h, 2.0)
    assert inside and ldpa == pytest.approx(4.468425620845661, rel=1e-10)
    assert 7.4 * ldpa == pytest.approx(33.06634959425789, rel=1e-10)
    back = fit_curve([24, 96], [8e-4, 5e-4], None, T124, T131, uptake="instant").tia_coefficient_h
    mono = fit_curve([24, 96], [8e-4, 5e-4], None, T124, T131, "mono-exponential").tia_coefficient_h
    assert back == pytest.approx(0.09239849304943444, rel=1e-12)
    assert mono == pytest.approx(back, rel=1e-9)
    assert sphere_ldpa(back, 2.0)[0] == pytest.approx(5.080404007422563, rel=1e-10)
    per_gram = percent_per_gram(8e-4, 2.0)
    assert per_gram == pytest.approx(0.04) and suv(per_gram, 75) == pytest.approx(30.0)


def test_b_blood_and_maximum_activity():
    """Lassmann et al. 2008, Haenscheid et al. 2009 (docs/methods/blood.md)."""
    dose = blood_dose_per_gbq(4.3495145631067966e-4, 16.0, 75.0)
    assert dose == pytest.approx(0.06389, abs=5e-6)
    assert maximum_activity(dose, None).activity_gbq == pytest.approx(31.30, abs=0.005)
    single = single_measurement(48.0, 0.08, 75.0, 175.0, "male")
    assert single.tau_body_h == pytest.approx(19.0, abs=0.05)
    assert single.dose_gy_per_gbq == pytest.approx(0.0759, abs=5e-5)
    assert single.maximum.activity_gbq == pytest.approx(26.4, abs=0.05)


def test_c_uncertainty():
    """Worked example of docs/methods/uncertainty.md; Gear et al. 2018."""
    u = lesion_uncertainty(
        MeasurementChain(33.07, 2.0, 4.0, 6.0, curve_sensitivity=CURVE.sensitivity, density_relative=0.0)
    )
    assert (u.volume_relative, u.recovery) == (pytest.approx(0.759, abs=5e-4), pytest.approx(0.624, abs=5e-4))
    assert u.counts_relative == pytest.approx(0.450, abs=5e-4)
    assert u.activity_relative == pytest.approx(0.313, abs=5e-4)
    assert u.curve_relative == pytest.approx(0.099, abs=5e-4)
    assert u.relative == pytest.approx(0.44, abs=5e-3)
    assert u.relative_without_covariance == pytest.approx(0.81, abs=5e-3)


def test_d_biological_effect():
    """Linear-quadratic model by hand."""
    assert float(bed(20, repair_factor_mono(1.5, CURVE.effective_half_life_h), 10)) == pytest.approx(20.86, abs=5e-3)
    assert repair_factor(CURVE, 1.5) == pytest.approx(0.0202, abs=5e-5)
    assert float(bed(20, repair_factor(CURVE, 1.5), 10)) == pytest.approx(20.81, abs=5e-3)


@pytest.mark.parametrize(
    "half_life, percent",
    [(40, 0.03924748), (60, 0.02775780), (80, 0.02147190), (100, 0.01750729), (150, 0.01197813)],
)
def test_e_uptake_that_reaches_the_threshold(half_life, percent):
    """By hand: 20 Gy at 7.4 GBq in a 1 g lesion with S = 107.7 Gy/(GBq h)."""
    clearance = math.log(2) / half_life - L131
    u = percent / 100
    curve = fit_curve([24, 96], [u, u * math.exp(-clearance * 72)], None, T124, T131)
    assert curve.effective_half_life_h == pytest.approx(half_life)
    assert 107.7 * curve.tia_coefficient_h * 7.4 == pytest.approx(20.0, rel=1e-6)


def test_threshold_and_volumes():
    assert pytest.approx(2.70, abs=0.005) == 20 / 7.4
    assert judge([Target("L", 4.468)], {"7.4 GBq": 7.4}, 20.0, Tolerance(31.3)).planned.verdict == "eligible"
    assert pytest.approx(1 - 0.343) == PARTIAL_VOLUME_DECREASE
    assert pytest.approx(0.728) == PROGRESSIVE_VOLUME_INCREASE


@pytest.mark.parametrize(
    "mass, product",
    [
        (0.05, 97.0),
        (0.1, 100.4),
        (0.2, 103.2),
        (0.5, 106.3),
        (1, 108.4),
        (2, 110.4),
        (5, 113.0),
        (10, 115.1),
        (20, 117.4),
        (50, 120.9),
    ],
)
def test_sphere_fit_against_its_table(mass, product):
    """The power law (docs/methods/kinetics.md) stays within 1.5 % of the table it was fitted to."""
    assert sphere_s_value_gy_per_gbq_h(mass) * mass == pytest.approx(product, rel=0.015)


def test_one_tenth_of_a_percent_per_gram():
    """By hand: 0.1 %IA/g at 24 h with an effective half-life of 60 h is about 9.7 Gy/GBq."""
    clearance = math.log(2) / 60 - L131
    curve = fit_curve([24, 96], [1e-3, 1e-3 * math.exp(-clearance * 72)], None, T124, T131)
    assert sphere_ldpa(curve.tia_coefficient_h, 1.0)[0] == pytest.approx(9.7, abs=0.05)


def test_the_reference_script_prints_the_same(reference_dir):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path(str(reference_dir / "clinical_vectors.py"))
    text = out.getvalue()

    def printed(label: str) -> float:
        found = re.search(re.escape(label) + r"\s+([-+0-9.e]+)", text)
        assert found, label
        return float(found.group(1))

    u = lesion_uncertainty(
        MeasurementChain(33.07, 2.0, 4.0, 6.0, curve_sensitivity=CURVE.sensitivity, density_relative=0.0)
    )
    assert printed("tau_lin") == pytest.approx(CURVE.tia_coefficient_h, rel=1e-12)
    assert printed("Teff") == pytest.approx(CURVE.effective_half_life_h, rel=1e-12)
    assert printed("LDpA lin") == pytest.approx(sphere_ldpa(CURVE.tia_coefficient_h, 2.0)[0], rel=1e-10)
    assert printed("u(D)/D with cov") == pytest.approx(u.relative, rel=1e-6)
    assert printed("without cov") == pytest.approx(u.relative_without_covariance, rel=1e-6)
    assert printed("G linexp") == pytest.approx(repair_factor(CURVE, 1.5), rel=2e-5)
    single = single_measurement(48.0, 0.08, 75.0, 175.0, "male").dose_gy_per_gbq
    assert printed("BLV 5153.0 D/A0") == pytest.approx(single, rel=1e-12)
