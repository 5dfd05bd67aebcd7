"""Recovery of small lesions: closed form against quadrature and a blurred image, slopes, fits, bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.lesions.recovery import (
    PhantomRecovery,
    SphereRecovery,
    correct,
    edge_density,
    sphere_diameter_mm,
    sphere_recovery,
    sphere_recovery_slope,
    sphere_volume_ml,
)
from scipy.integrate import quad
from scipy.special import erf


@pytest.mark.parametrize("d, rc", [(6, 0.215), (10, 0.443), (17, 0.652), (22, 0.728), (37, 0.836)])
def test_values_of_the_clinical_page(d, rc):
    assert float(sphere_recovery(d, 6.0)) == pytest.approx(rc, abs=5e-4)


def profile(r: float, radius: float, s: float) -> float:
    """Blurred uniform sphere at distance r, from the radial Gaussian integral (independent of RC)."""
    plain = 0.5 * (erf((radius - r) / (math.sqrt(2) * s)) + erf((radius + r) / (math.sqrt(2) * s)))
    tail = math.exp(-((r - radius) ** 2) / (2 * s * s)) - math.exp(-((r + radius) ** 2) / (2 * s * s))
    return plain - s / (r * math.sqrt(2 * math.pi)) * tail


@pytest.mark.parametrize("d", [0.8, 2.0, 6.0, 15.63, 40.0])
def test_closed_form_is_the_mean_of_the_blurred_sphere(d):
    s, radius = 6.0 / math.sqrt(8 * math.log(2)), d / 2
    inside = quad(lambda r: 4 * math.pi * r * r * profile(r, radius, s), 1e-9, radius, epsabs=1e-13)[0]
    expected = inside / (4 / 3 * math.pi * radius**3)
    assert float(sphere_recovery(d, 6.0)) == pytest.approx(expected, rel=1e-6)
    assert float(edge_density(d, 6.0)) == pytest.approx(2 * profile(radius, radius, s), rel=1e-6)


def test_closed_form_agrees_with_a_blurred_image():
    from scipy.ndimage import gaussian_filter

    step, d, f = 0.5, 12.0, 6.0
    ax = (np.arange(96) - 47.5) * step
    z, y, x = np.meshgrid(ax, ax, ax, indexing="ij")
    ball = (x * x + y * y + z * z <= (d / 2) ** 2).astype(float)
    blurred = gaussian_filter(ball, f / math.sqrt(8 * math.log(2)) / step, truncate=6)
    assert blurred[ball > 0].mean() == pytest.approx(float(sphere_recovery(d, f)), abs=2e-3)


def test_series_joins_the_closed_form_and_has_the_right_limits():
    join = 0.5 * 6.0 / (2 * math.sqrt(math.log(2)))
    low, high = sphere_recovery(np.array([join * (1 - 1e-9), join * (1 + 1e-9)]), 6.0)
    assert low == pytest.approx(high, rel=1e-8)
    a = 1e-3
    tiny = a * 6.0 / (2 * math.sqrt(math.log(2)))
    assert float(sphere_recovery(tiny, 6.0)) == pytest.approx(a**3 / (6 * math.sqrt(math.pi)), rel=1e-5)
    assert float(sphere_recovery(1e4, 6.0)) == pytest.approx(1.0, abs=2e-3)
    assert float(sphere_recovery_slope(tiny, 6.0)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("d", [0.5, 1.7, 1.9, 4.0, 15.63, 60.0])
def test_slope_is_the_derivative(d):
    h = 1e-5
    up, down = (math.log(float(sphere_recovery(d * math.exp(k * h / 3), 6.0))) for k in (1, -1))
    assert float(sphere_recovery_slope(d, 6.0)) == pytest.approx((up - down) / (2 * h), rel=1e-5)


def test_slope_and_edge_of_the_clinical_example():
    """2 mL at a FWHM of 6 mm, the worked example of docs/methods/uncertainty.md."""
    d = float(sphere_diameter_mm(2.0))
    assert float(sphere_recovery(d, 6.0)) == pytest.approx(0.6236598362215366, rel=1e-12)
    assert float(edge_density(d, 6.0)) == pytest.approx(0.7398923506822843, rel=1e-12)
    assert float(sphere_recovery_slope(d, 6.0)) == pytest.approx(0.18637165307228143, rel=1e-6)


def test_sphere_model_uncertainty_is_that_of_the_resolution():
    model = SphereRecovery(6.0, 0.6)
    up, down = (SphereRecovery(f).recovery(2.0) for f in (6.06, 5.94))
    assert model.relative_sigma(2.0) == pytest.approx(abs(math.log(up / down)) / 0.02 * 0.1, rel=1e-3)


def test_phantom_fit_returns_the_parameters_and_their_scatter():
    d = np.array([10, 13, 17, 22, 28, 37.0])
    true = PhantomRecovery(0.9, 0.75)
    rc = np.array([true.recovery(float(v)) for v in sphere_volume_ml(d)])
    exact = PhantomRecovery.fit(rc, diameter_mm=d, sigma=0.02)
    assert (exact.b1_ml, exact.b2) == (pytest.approx(0.9, rel=1e-6), pytest.approx(0.75, rel=1e-6))
    assert exact.recovery(0.9) == pytest.approx(0.5)
    rng = np.random.default_rng(5)
    fits = [
        PhantomRecovery.fit(rc + 0.02 * rng.standard_normal(6), volume_ml=sphere_volume_ml(d), sigma=0.02)
        for _ in range(300)
    ]
    spread = np.std([f.recovery(2.0) for f in fits]) / exact.recovery(2.0)
    assert exact.relative_sigma(2.0) == pytest.approx(spread, rel=0.2)


def test_phantom_slope_is_the_derivative():
    model = PhantomRecovery(0.9, 0.75)
    numeric = math.log(model.recovery(2.0002) / model.recovery(1.9998)) / math.log(2.0002 / 1.9998)
    assert model.slope(2.0) == pytest.approx(numeric, rel=1e-6)


def test_correction_with_background_undoes_the_blur():
    """A sphere of 10 in a background of 1 shows RC 10 + (1 - RC) 1."""
    model = SphereRecovery(6.0)
    rc = model.recovery(2.0)
    done = correct([rc * 10 + (1 - rc) * 1, rc * 5 + (1 - rc) * 1], 2.0, model, background=1.0)
    assert done.concentration == pytest.approx([10.0, 5.0])
    assert not done.lower_bound and done.volume_ml == 2.0


def test_below_the_known_volume_only_a_lower_bound():
    model = SphereRecovery(6.0)
    done = correct(1.0, 0.05, model)
    assert done.lower_bound and done.volume_ml == 0.16
    assert done.concentration[0] == pytest.approx(1 / model.recovery(0.16))
    assert done.concentration[0] < 1 / model.recovery(0.05)
    assert "lower bound" in done.flags[0]
    assert not correct(1.0, 0.16, model).lower_bound


def test_a_second_correction_is_refused():
    with pytest.raises(InputError, match="already corrected"):
        correct(1.0, 2.0, SphereRecovery(6.0), already_corrected=True)


def test_unusable_input_is_refused_with_its_name():
    with pytest.raises(InputError, match="must be positive"):
        sphere_recovery(-1.0, 6.0)
    with pytest.raises(InputError, match="positive volume"):
        correct(1.0, 0.0, SphereRecovery(6.0))
    with pytest.raises(InputError, match="three spheres"):
        PhantomRecovery.fit([0.5, 0.6], volume_ml=[1, 2])
    with pytest.raises(InputError, match="as fractions"):
        PhantomRecovery.fit([50, 60, 70], volume_ml=[1, 2, 3])
    with pytest.raises(InputError, match="exactly one"):
        PhantomRecovery.fit([0.5, 0.6, 0.7])
