"""Voxel-wise time-integrated activity: exact on clean images, unbiased on noisy ones, guards counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.kinetics.curves import fit_curve
from hevesy.engine.kinetics.models import Shape
from hevesy.engine.kinetics.population import Population
from hevesy.engine.kinetics.voxelwise import voxel_tia
from scipy.ndimage import gaussian_filter

T124, T131 = 100.224, 192.6048
L124, L131 = math.log(2) / T124, math.log(2) / T131
TIMES = np.array([24.0, 96.0])


def images(u: np.ndarray, times=TIMES) -> np.ndarray:
    """Tracer concentrations at scan time from retention (nt, nz, ny, nx)."""
    return u * np.exp(-L124 * np.asarray(times))[:, None, None, None]


def uniform(values, shape=(8, 9, 10)) -> np.ndarray:
    return np.stack([np.full(shape, v) for v in values])


@pytest.mark.parametrize("rate", ["smoothed", "voxel"])
def test_uniform_image_equals_the_lesion_curve(rate):
    voxels = voxel_tia(TIMES, images(uniform([800.0, 500.0])), T124, T131, rate=rate)
    curve = fit_curve(TIMES, [800.0, 500.0], None, T124, T131)
    assert voxels.model == "two-point"
    assert voxels.tia_h == pytest.approx(curve.tia_coefficient_h, rel=1e-6)
    assert voxels.effective_half_life_h == pytest.approx(curve.effective_half_life_h, rel=1e-5)
    assert voxels.extrapolated_fraction == pytest.approx(curve.extrapolated_fraction, rel=1e-5)


@pytest.mark.parametrize("uptake", ["linear-activity", "linear-retention", "instant"])
@pytest.mark.parametrize(
    "model, times",
    [("two-point", [24, 96]), ("linear-exponential", [4, 24, 48, 96]), ("mono-exponential", [24, 48, 96])],
)
def test_every_model_matches_the_lesion_fit_on_exact_data(model, times, uptake):
    times = np.array(times, float)
    kind = "mono" if model == "mono-exponential" else "rise"
    shape = Shape(kind, L131, 24.0, uptake if kind == "rise" else "linear-activity")
    u = 900 * shape.unit(times, np.array([0.007])) * np.exp(L131 * times)
    if uptake == "instant" and model == "linear-exponential":
        u = u[1:]
        times = times[1:]
    voxels = voxel_tia(times, images(uniform(u), times), T124, T131, model, uptake=uptake)
    assert voxels.tia_h == pytest.approx(shape.integral(900.0, np.array([0.007]))[0], rel=1e-5)


def test_bi_exponential_takes_the_rates_of_the_region():
    times = np.array([2.0, 6.0, 24.0, 48.0, 96.0])
    shape = Shape("bi", L131)
    rates = np.array([0.007, 0.15])
    u = 900 * shape.unit(times, rates) * np.exp(L131 * times)
    rng = np.random.default_rng(3)
    weight = rng.uniform(0.5, 1.5, (6, 6, 6))
    stack = images(u[:, None, None, None] * weight[None], times)
    labels = np.zeros((6, 6, 6), dtype=np.uint8)
    labels[:3] = 1
    voxels = voxel_tia(times, stack, T124, T131, "bi-exponential", regions=labels)
    assert voxels.tia_h == pytest.approx(weight * shape.integral(900.0, rates)[0], rel=1e-4)
    assert voxels.region_curves[1].model == "bi-exponential"


def test_one_scan_is_physical_decay():
    c = np.random.default_rng(1).uniform(0, 5e4, (1, 4, 4, 4))
    voxels = voxel_tia([1.0], c, 1.83, 1.83)
    expected = c[0] * math.exp(math.log(2) / 1.83) * 1.83 / math.log(2)
    assert voxels.tia_h == pytest.approx(expected, rel=1e-12)
    assert voxels.model == "physical-decay" and "Physical decay only" in voxels.notes[0]


@pytest.mark.parametrize("hours", [4.0, 24.0, 96.0])
@pytest.mark.parametrize("model", ["auto", "single-time-point"])
@pytest.mark.parametrize("uptake", ["linear-activity", "instant"])
def test_the_map_of_one_scan_is_the_lesion_curve(hours, model, uptake):
    """For the bound (a rise, physical decay, the fastest clearance) and for the population's half-life."""
    u = np.random.default_rng(4).uniform(100.0, 900.0, (1, 4, 5, 6))
    more = {"uptake": uptake, "population": Population(70.0, 1.6, 24.0)}
    voxels = voxel_tia([hours], images(u, [hours]), T124, T131, model, **more)
    curve = fit_curve([hours], [1.0], None, T124, T131, model, **more)
    assert voxels.model == curve.model
    assert voxels.tia_h == pytest.approx(u[0] * curve.tia_coefficient_h, rel=1e-12)
    assert voxels.extrapolated_fraction == pytest.approx(curve.extrapolated_fraction, rel=1e-6)
    decay = np.exp(-L131 * hours) / L131
    assert model != "auto" or np.all(voxels.tia_h >= 0.999 * u[0] * decay)


def test_a_region_integrates_to_its_lesion_curve():
    """With one rate a region the map is linear in the image, so its sum is the lesion-wise result."""
    rng = np.random.default_rng(2)
    u = np.stack([rng.uniform(200, 900, (10, 10, 10)), rng.uniform(100, 500, (10, 10, 10))])
    labels = np.zeros((10, 10, 10), dtype=np.int32)
    labels[2:6, 2:6, 2:6] = 3
    voxels = voxel_tia(TIMES, images(u), T124, T131, regions=labels)
    inside = labels == 3
    curve = fit_curve(TIMES, u[:, inside].sum(axis=1), None, T124, T131)
    assert voxels.tia_h[inside].sum() == pytest.approx(curve.tia_coefficient_h, rel=1e-9)


def test_guards_are_counted():
    u = uniform([500.0, 300.0], (6, 6, 6))
    u[1, 0, 0, 0] = 900.0  # rising
    u[1, 1, 1, 1] = -10.0  # negative at the second scan
    u[:, 2, 2, 2] = -5.0  # negative throughout
    voxels = voxel_tia(TIMES, images(u), T124, T131, rate="voxel")
    assert voxels.flags["rising"] == 1
    assert voxels.flags["no_rate"] == 2
    assert voxels.flags["negative_input"] == 2
    assert voxels.flags["clipped"] == 1 and voxels.tia_h.min() == 0.0
    rising = fit_curve(TIMES, [500.0, 900.0], None, T124, T131)
    assert voxels.tia_h[0, 0, 0] == pytest.approx(rising.tia_coefficient_h, rel=1e-9)
    assert voxels.effective_half_life_h.max() <= T131 * (1 + 1e-6)


def test_second_scan_below_detection_bounds_the_rate():
    u = uniform([500.0, 300.0], (6, 6, 6))
    u[1, 3, 3, 3] = 1.0
    voxels = voxel_tia(TIMES, images(u), T124, T131, noise=[10.0, 10.0], rate="voxel")
    assert voxels.flags["below_detection"] == 1
    limit = 30.0 * math.exp(L124 * 96)
    slow = math.log(500 / limit) / 72 + L131
    assert voxels.effective_half_life_h[3, 3, 3] == pytest.approx(math.log(2) / slow, rel=1e-5)


def lesion_bias(mode: str, seeds: int = 30, cov: float = 0.15, rate_b: float = 0.0065) -> tuple[float, float]:
    """Mean and standard error of (lesion mean TIA / noise-free lesion mean TIA - 1) over noise seeds.

    A 20 mm sphere on 4 mm voxels, blurred to 6 mm, in a background that clears faster; noise 15 % of the
    lesion at the first scan, growing as counts fall (24 % at the second).
    """
    z, y, x = np.mgrid[:24, :24, :24] - 11.5
    inside = np.sqrt(z**2 + y**2 + x**2) * 4.0 < 10.0
    u = [np.where(inside, 1000.0 * math.exp(-rate_b * t), 50.0 * math.exp(-0.05 * t)) for t in (0, 72)]
    clean = images(np.stack([gaussian_filter(v, 6.0 / 2.3548 / 4.0) for v in u]))
    labels = inside.astype(np.uint8)
    truth = voxel_tia(TIMES, clean, T124, T131, regions=labels).tia_h[inside].mean()
    rng = np.random.default_rng(11)
    means = [c[inside].mean() for c in clean]
    ratios = []
    for _ in range(seeds):
        noise = [cov * math.sqrt(m * means[0]) * rng.standard_normal(inside.shape) for m in means]
        more = {"regions": labels} if mode == "region" else {"rate": mode}
        voxels = voxel_tia(TIMES, clean + np.stack(noise), T124, T131, voxel_size_mm=(4, 4, 4), **more)
        ratios.append(voxels.tia_h[inside].mean() / truth - 1)
    return float(np.mean(ratios)), float(np.std(ratios, ddof=1) / math.sqrt(seeds))


@pytest.mark.parametrize("mode, limit", [("region", 0.01), ("smoothed", 0.03)])
def test_noise_of_15_percent_does_not_bend_the_lesion_mean(mode, limit):
    bias, error = lesion_bias(mode)
    assert error < 0.01
    assert abs(bias) < limit + 5 * error


def test_rate_per_voxel_is_worse_which_is_why_it_is_not_the_default():
    by_voxel, error = lesion_bias("voxel")
    by_region, _ = lesion_bias("region")
    assert by_voxel > abs(by_region) + 5 * error  # +9 % against less than 1 %


@pytest.mark.parametrize(
    "change, text",
    [
        ({"concentration": np.ones((3, 4, 4, 4))}, "stacked as"),
        ({"concentration": np.full((2, 4, 4, 4), np.nan)}, "not finite"),
        ({"regions": np.zeros((2, 2, 2), int)}, "labels must lie"),
        ({"noise": 0.0}, "not positive"),
        ({"rate": "fast"}, "smoothed"),
        ({"model": "two-points"}, "did you mean 'two-point'"),
        ({"model": "bi-exponential"}, "needs at least 4"),
        ({"model": "single-time-point"}, "exactly 1"),
    ],
)
def test_unusable_input_is_refused_with_its_name(change, text):
    arguments = {"times_h": TIMES, "concentration": np.ones((2, 4, 4, 4))} | change
    with pytest.raises(InputError, match=text):
        voxel_tia(**arguments, tracer_half_life_h=T124, therapy_half_life_h=T131)
