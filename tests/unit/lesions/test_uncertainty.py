"""The uncertainty chain of Gear et al. 2018 with covariances, and its sampled cross-check."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.engine.kinetics.curves import fit_curve
from hevesy.engine.lesions.recovery import PhantomRecovery, SphereRecovery, edge_density, sphere_diameter_mm
from hevesy.engine.lesions.uncertainty import (
    MeasurementChain,
    lesion_uncertainty,
    log_ratio_relative,
    probability_at_least,
    scan_relative_error,
)
from hevesy.engine.lesions.uncertainty_sampling import SampledScans, sample_dose
from hevesy.engine.pipeline.lesion_density import SLOPE_STEP, density_slope, lesion_density
from hevesy.phantoms.shapes import full_fraction, sphere
from scipy import ndimage

T124, T131 = 100.224, 192.6048
CURVE = fit_curve([24, 96], [8e-4, 5e-4], None, T124, T131)
SCANS = SampledScans([24, 96], [8e-4, 5e-4], T131)


def example(**more):
    settings = {"curve_sensitivity": CURVE.sensitivity, "density_relative": 0.0} | more
    return lesion_uncertainty(MeasurementChain(33.07, 2.0, 4.0, 6.0, **settings))


def test_example_of_the_clinical_page():
    """Worked example of docs/methods/uncertainty.md: 2 mL, 4 mm voxels, FWHM 6 mm, 5 % calibration, 8 % per scan."""
    u = example()
    assert u.volume_relative == pytest.approx(0.7592429377571667, rel=1e-12)
    assert u.recovery == pytest.approx(0.6236598362215366, rel=1e-12)
    assert u.recovery_relative == pytest.approx(0.14150136139325842, rel=1e-6)
    assert u.counts_relative == pytest.approx(0.4503721494713389, rel=1e-12)
    assert u.activity_relative == pytest.approx(0.3128916165830821, rel=1e-6)
    assert u.curve_relative == pytest.approx(0.09944506021070898, rel=1e-9)
    assert u.s_value_relative == pytest.approx(0.7362606540312572, rel=1e-9)
    assert u.relative == pytest.approx(0.4416462583559221, rel=1e-6)
    assert u.relative_without_covariance == pytest.approx(0.8061452936058243, rel=1e-6)


def test_budget_adds_up_and_separates_random_from_systematic():
    u = example(
        mc_relative=0.01,
        density_relative=0.03,
        dose_model_relative=0.02,
        recovery_model=SphereRecovery(6.0, 0.6),
    )
    assert sum(c.relative**2 for c in u.contributions) == pytest.approx(u.relative**2, rel=1e-12)
    assert u.relative_random**2 + u.relative_systematic**2 == pytest.approx(u.relative**2, rel=1e-12)
    by_name = {c.name: c for c in u.contributions}
    assert by_name["Monte Carlo"].relative == 0.01 and by_name["Monte Carlo"].kind == "random"
    assert by_name["calibration"].kind == "systematic"
    assert by_name["recovery curve"].relative == pytest.approx(3 * 0.18637165307228143 * 0.1, rel=1e-6)


def test_what_the_scans_do_not_tell_is_in_the_budget_and_in_the_sample():
    """Independent of all else, so in quadrature; the spread is each lesion's own, the uptake common to all."""
    plain, more = example(), example(clearance_relative=0.3, unseen_uptake_relative=0.08)
    assert more.relative**2 == pytest.approx(plain.relative**2 + 0.3**2 + 0.08**2, rel=1e-12)
    assert more.relative_random**2 == pytest.approx(plain.relative_random**2 + 0.3**2, rel=1e-12)
    assert more.relative_without_covariance > plain.relative_without_covariance
    ratio = math.exp(0.5)
    chain = MeasurementChain(33.07, 2.0, 4.0, 6.0, volume_relative=0.01)
    open_uptake = sample_dose(chain, SampledScans([24, 96], [8e-4, 5e-4], T131, alternative_ratio=ratio), draws=100_000)
    told = sample_dose(chain, SCANS, draws=100_000)
    assert open_uptake.log_sigma**2 - told.log_sigma**2 == pytest.approx(0.5**2 / 3, rel=0.03)
    with pytest.raises(InputError, match="clearance_relative"):
        MeasurementChain(33.07, 2.0, 4.0, 6.0, clearance_relative=-0.1)


def test_intervals_are_asymmetric_and_probability_is_lognormal():
    u = example()
    low, high = u.interval_gy(1)
    assert low * high == pytest.approx(33.07**2)
    assert high - 33.07 > 33.07 - low
    assert probability_at_least(u.dose_gy, u.relative, 33.07) == pytest.approx(0.5)
    assert probability_at_least(u.dose_gy, u.relative, low) == pytest.approx(0.8413447, abs=1e-6)
    # Phi(ln(33.07 / 20) / 0.4416)
    assert probability_at_least(u.dose_gy, u.relative, 20.0) == pytest.approx(0.873, abs=1e-3)
    assert probability_at_least(0.0, 0.3, 20) == 0.0
    assert probability_at_least(20.0, 0.0, 20) == 1.0


def test_volume_terms_cancel_for_large_lesions_without_recovery_slope():
    """phi/2R - dlnR/dlnv tends to 1/2 and c2 to 1: half the volume error is left."""
    u = lesion_uncertainty(
        MeasurementChain(
            20,
            5e4,
            4.0,
            6.0,
            mass_exponent=1.0,
            scan_relative=0,
            calibration_relative=0,
            density_relative=0,
            volume_relative=0.1,
        )
    )
    assert u.relative == pytest.approx(0.05, rel=0.03)


def test_observed_volume_error_and_ct_contours_replace_the_formula():
    assert example(volume_relative=0.2).volume_relative == 0.2
    ct = example(contour_voxel_mm=(2.0, 1.0, 1.0), contour_fwhm_mm=1.0)
    # mean square of the voxel sides 2 mm2; the edge seen within one voxel on both sides: (2 a)^2 / 6
    expected = 3 * math.sqrt(2.0 / 6 + 1 / (4 * math.log(2)) + 4 * 2.0 / 6) / 15.631852835935439
    assert ct.volume_relative == pytest.approx(expected, rel=1e-12)
    assert ct.relative < example().relative


def test_phantom_recovery_brings_its_own_covariance():
    model = PhantomRecovery(0.9, 0.75, np.diag([0.09**2, 0.05**2]))
    u = example(recovery_model=model)
    term = {c.name: c.relative for c in u.contributions}["recovery curve"]
    assert term == pytest.approx(model.relative_sigma(2.0), rel=1e-12) and term > 0


def chain_against_draws(volume: float, scale: float, draws: int = 100000) -> float:
    """sigma(ln D) of the draws over that of the chain, minus 1, with every input error scaled."""
    errors = {
        "volume_relative": 0.4 * scale,
        "mc_relative": 0.02 * scale,
        "scan_relative": 0.08 * scale,
        "calibration_relative": 0.05 * scale,
        "density_relative": 0.02 * scale,
    }
    model = SphereRecovery(6.0, 0.3 * scale)
    chain = MeasurementChain(
        33.07, volume, 4.0, 6.0, curve_sensitivity=CURVE.sensitivity, recovery_model=model, **errors
    )
    drawn = sample_dose(chain, SCANS, fwhm_relative=0.05 * scale, draws=draws)
    return drawn.log_sigma / lesion_uncertainty(chain).relative - 1


@pytest.mark.parametrize("volume", [2.0, 20.0])
def test_sampling_converges_to_the_chain_as_the_errors_shrink(volume):
    """A first-order chain is wrong by second-order terms: a tenth of the errors, a hundredth of the gap."""
    sampling = 5 / math.sqrt(2 * 100000)  # five standard errors of a standard deviation
    assert abs(chain_against_draws(volume, 0.1)) < sampling
    full = chain_against_draws(volume, 1.0)
    assert abs(full) < 0.10  # measured: +7.8 % at 20 mL, +3.7 % at 2 mL, u(v)/v = 0.4
    assert abs(chain_against_draws(volume, 0.25)) < abs(full) / 16 * 1.5 + sampling


def test_sampling_of_the_small_lesion_shows_the_chain_is_of_the_right_size():
    """u(v)/v = 0.76 is far from linear: the chain must stay within a quarter of the draws."""
    drawn = sample_dose(MeasurementChain(33.07, 2.0, 4.0, 6.0, density_relative=0.0), SCANS, draws=50000)
    assert drawn.log_sigma == pytest.approx(0.4416, rel=0.25)


def test_sampling_is_seeded():
    def draw(seed):
        scans = SampledScans([24], [1e-3], T131)
        return sample_dose(MeasurementChain(20, 2.0, 4.0, 6.0), scans, draws=1000, seed=seed).samples_gy

    assert np.array_equal(draw(3), draw(3)) and not np.array_equal(draw(3), draw(4))


def test_between_visits_the_common_part_cancels_on_one_scanner():
    a, b = example(calibration_relative=0.2), example(calibration_relative=0.2)
    random = (a.relative_random, b.relative_random)
    systematic = (a.relative_systematic, b.relative_systematic)
    same = log_ratio_relative(random, systematic)
    other = log_ratio_relative(random, systematic, same_scanner=False)
    assert same == pytest.approx(math.sqrt(2) * a.relative_random)
    assert other**2 - same**2 == pytest.approx(2 * 0.2**2)


def test_scan_noise_falls_with_independent_samples():
    big = scan_relative_error(0.15, 20.0, 0.064, 6.0)
    assert scan_relative_error(0.15, 1e-6, 0.064, 6.0) == pytest.approx(0.15, rel=1e-3)
    assert big == pytest.approx(0.15 / (1.0 + (20.0 / 0.738) ** (2 / 3)) ** 0.75, rel=2e-3)
    assert scan_relative_error(0.15, 20.0, 0.064, 6.0, registration=0.05) == pytest.approx(math.hypot(big, 0.05))


@pytest.mark.parametrize("radius_voxels", [1.0, 2.0, 3.5])
def test_scan_noise_is_that_of_means_over_correlated_noise(radius_voxels):
    """Means over spheres of noise with a 6 mm kernel on 4 mm voxels, against the formula."""
    rng = np.random.default_rng(5)
    noise = ndimage.gaussian_filter(rng.standard_normal((100, 100, 100)), 6.0 / 4.0 / math.sqrt(8 * math.log(2)))
    noise /= noise.std()
    reach = math.ceil(radius_voxels)
    z, y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1]
    ball = (z**2 + y**2 + x**2 <= radius_voxels**2).astype(float)
    means = ndimage.convolve(noise, ball / ball.sum())
    seen = float(means[::5, ::5, ::5].std())
    stated = scan_relative_error(1.0, ball.sum() * 0.064, 0.064, 6.0)
    assert seen == pytest.approx(stated, rel=0.12)  # 1.1 % of scatter; a ball is no Gaussian and voxels are coarse


@pytest.mark.parametrize(
    "change, text",
    [
        ({"volume_ml": 0.0}, "volume_ml"),
        ({"dose_gy": -1.0}, "dose_gy"),
        ({"mc_relative": -0.1}, "mc_relative"),
        ({"fwhm_mm": math.nan}, "fwhm_mm"),
    ],
)
def test_unusable_input_is_refused_with_its_name(change, text):
    arguments = {"dose_gy": 20.0, "volume_ml": 2.0, "voxel_mm": 4.0, "fwhm_mm": 6.0} | change
    with pytest.raises(InputError, match=text):
        MeasurementChain(**arguments)
    with pytest.raises(InputError, match="threshold"):
        probability_at_least(20, 0.1, 0.0)


def test_volume_error_by_hand_with_image_resolution_and_a_density_that_follows_the_contour():
    """|phi/2R - d ln R/d ln v - c2 (1 + d ln rho/d ln v)| u(v)/v, counts at the resolution of the image."""
    found = example(image_fwhm_mm=7.0, density_slope=-0.3, volume_relative=0.2)
    diameter = float(sphere_diameter_mm(2.0))
    counts = float(edge_density(diameter, 7.0)) / (2 * SphereRecovery(7.0).recovery(2.0))
    slope = counts - SphereRecovery(6.0).slope(2.0) - 0.96973 * 0.7
    (volume,) = (c.relative for c in found.contributions if c.name == "volume")
    assert volume == pytest.approx(abs(slope) * 0.2)
    assert found.mass_relative == pytest.approx(0.7 * 0.2)
    assert example(density_slope=0.0).relative == example().relative


@pytest.mark.parametrize("around, expected", [(0.26, -0.11), (1.05, 0.01)])
def test_density_follows_a_contour_that_is_redrawn(around, expected):
    """A nodule of 1 g/cm3, 14 mm wide, on 4 mm voxels: its contour scaled, against spheres painted anew."""
    grid = Grid((12, 12, 12), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
    fine = Grid((40, 40, 40), (1.0, 1.0, 1.0), (2.5, 2.5, 2.5))
    nodule = sphere((21.0, 22.5, 23.0), 1.437)
    density = around + (1.0 - around) * full_fraction(nodule, grid, points=10)
    found = density_slope(full_fraction(nodule, fine, points=4), fine, density, grid)
    drawn = [
        lesion_density(full_fraction(sphere((21.0, 22.5, 23.0), 1.437 * k), grid, points=10), density)
        for k in (math.exp(-SLOPE_STEP), math.exp(SLOPE_STEP))
    ]
    by_hand = math.log(drawn[1] / drawn[0]) / (2 * SLOPE_STEP)
    assert found == pytest.approx(by_hand, abs=0.05)  # 1 mm contours move the slope of a fit with clipped ends so much
    assert by_hand == pytest.approx(expected, abs=0.02)
