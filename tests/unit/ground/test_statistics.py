"""Exact 128-bit sums, and means and standard errors that cover the truth as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine import statistics as st
from hevesy.tests.conftest import SUITE_ALPHA
from scipy.stats import binom, t

EDGES = [0, 1, -1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, -(2**33), 2**62 + 12345, 2**63 - 1, -(2**63)]


def as_limbs(values: list[int]) -> np.ndarray:
    return np.array([[v & (2**64 - 1) for v in values], [v >> 64 for v in values]], dtype=np.uint64)


def test_squares_are_exact_at_the_edges_of_int64():
    squares = st.square_limbs(np.array(EDGES, dtype=np.int64))
    assert squares.dtype == np.uint64 and squares.shape == (2, len(EDGES))
    assert st.limbs_to_int(squares).tolist() == [v * v for v in EDGES]


def test_squares_add_scale_and_subtract_match_python_integers():
    rng = np.random.default_rng(1)
    for bits in (10, 33, 50, 62):
        q = rng.integers(-(2**bits), 2**bits, size=500)
        p = rng.integers(-(2**bits), 2**bits, size=500)
        square_q, square_p = [int(v) ** 2 for v in q], [int(v) ** 2 for v in p]
        total = st.add_limbs(st.square_limbs(q), st.square_limbs(p))
        both = [a + b for a, b in zip(square_q, square_p, strict=True)]
        assert st.limbs_to_int(total).tolist() == both
        back = st.subtract_limbs(total, st.square_limbs(p))
        assert st.limbs_to_int(back).tolist() == square_q
        scaled = st.scale_limbs(st.square_limbs(q >> 6), 997)
        assert st.limbs_to_int(scaled).tolist() == [997 * int(v) ** 2 for v in q >> 6]
        np.testing.assert_allclose(st.limbs_to_float(total), [float(v) for v in both], rtol=3 * 2**-53)


def test_carry_travels_from_the_low_to_the_high_limb():
    a = as_limbs([2**64 - 1, 2**127])
    assert st.limbs_to_int(st.add_limbs(a, as_limbs([1, 2**64 - 1]))).tolist() == [2**64, 2**127 + 2**64 - 1]
    assert st.limbs_to_int(st.subtract_limbs(as_limbs([2**64]), as_limbs([1]))).tolist() == [2**64 - 1]


@pytest.mark.parametrize("a, b", [(2**127, 2**127), (2**128 - 1, 1)])
def test_overflow_and_negative_differences_are_errors_not_wraps(a, b):
    with pytest.raises(OverflowError):
        st.add_limbs(as_limbs([a]), as_limbs([b]))
    with pytest.raises(OverflowError):
        st.scale_limbs(as_limbs([2**127]), 2)
    with pytest.raises(ArithmeticError):
        st.subtract_limbs(as_limbs([5]), as_limbs([6]))
    with pytest.raises(ArithmeticError):
        st.subtract_limbs(as_limbs([2**64]), as_limbs([2**64 + 1]))


def test_floats_are_refused_as_quanta():
    with pytest.raises(TypeError):
        st.square_limbs(np.array([1.0]))


def test_running_sum_of_squares_is_the_plain_sum():
    rng = np.random.default_rng(2)
    limbs = st.zero_limbs((3, 4, 5))
    batches = rng.integers(0, 2**45, size=(30, 3, 4, 5))
    for batch in batches:
        limbs = st.add_limbs(limbs, st.square_limbs(batch))
    expected = (batches.astype(object) ** 2).sum(axis=0)
    assert (st.limbs_to_int(limbs) == expected).all()


def sums(batches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    limbs = st.zero_limbs(batches.shape[1:])
    for batch in batches:
        limbs = st.add_limbs(limbs, st.square_limbs(batch))
    return batches.sum(axis=0), limbs


def test_mean_and_sigma_equal_the_textbook_on_batch_means():
    rng = np.random.default_rng(3)
    batches = rng.integers(0, 2**40, size=(25, 2, 3, 4))
    mean, sigma = st.batch_mean_sigma(*sums(batches), n_batches=25, batch_histories=1000)
    per_decay = batches.astype(float) / 2**26 / 1000
    np.testing.assert_allclose(mean, per_decay.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(sigma, per_decay.std(axis=0, ddof=1) / 5.0, rtol=1e-12)


def test_sigma_survives_batches_that_agree_to_eighteen_digits():
    """B S2 - S1^2 in floating point would be pure rounding here; the true spread is one quantum."""
    base = 2**57
    batches = np.full((20, 1), base, dtype=np.int64)
    batches[::2] += 1
    mean, sigma = st.batch_mean_sigma(*sums(batches), n_batches=20, batch_histories=1)
    expected = math.sqrt((20 * 0.25 / 19) / 20) / 2**26
    assert sigma[0] == pytest.approx(expected, rel=1e-14)
    assert mean[0] == pytest.approx((base + 0.5) / 2**26, rel=1e-15)


def test_equal_batches_have_exactly_zero_sigma():
    batches = np.full((40, 3), 123_456_789_012_345, dtype=np.int64)
    assert (st.batch_mean_sigma(*sums(batches), 40, 7)[1] == 0).all()


def test_sums_beyond_128_bits_after_scaling_fall_back_to_exact_integers():
    batches = np.zeros((300, 1), dtype=np.int64)
    batches[0] = 2**62
    mean, sigma = st.batch_mean_sigma(*sums(batches), 300, 1)
    assert sigma[0] == pytest.approx(float(mean[0]), rel=1e-12)  # one non-zero batch: sigma equals the mean


def test_sums_that_cannot_belong_together_are_refused():
    with pytest.raises(ArithmeticError):
        st.batch_mean_sigma(np.array([1000]), st.square_limbs(np.array([10])), 20, 1)


@pytest.mark.parametrize("n_batches", [1, 2, 19])
def test_fewer_than_twenty_batches_give_a_mean_but_no_sigma(n_batches):
    batches = np.arange(1, n_batches + 1, dtype=np.int64)[:, None]
    mean, sigma = st.batch_mean_sigma(*sums(batches), n_batches, 10)
    assert mean[0] > 0 and np.isnan(sigma[0])
    mean, sigma = st.region_mean_sigma(batches, 10)
    assert mean[0] > 0 and np.isnan(sigma[0])


def test_no_batches_is_an_error():
    with pytest.raises(ValueError):
        st.batch_mean_sigma(np.array([0]), st.zero_limbs((1,)), 0, 10)


def test_region_sigma_keeps_the_correlation_that_voxel_sigmas_lose():
    """Two voxels that always share one energy: the region is exact although each voxel is noisy."""
    rng = np.random.default_rng(4)
    first = rng.integers(0, 2**30, size=50)
    both = np.stack([first, 2**30 - first], axis=1)
    _, voxel_sigma = st.batch_mean_sigma(*sums(both), 50, 100)
    mean, region_sigma = st.region_mean_sigma(both.sum(axis=1, keepdims=True), 100)
    assert region_sigma[0] == 0 and (voxel_sigma > 0).all()
    assert mean[0] == pytest.approx(2**30 / 2**26 / 100)


def test_region_and_voxel_estimates_are_the_same_number():
    batches = np.random.default_rng(5).integers(0, 2**50, size=(32, 6))
    by_voxel = st.batch_mean_sigma(*sums(batches), 32, 12345)
    by_region = st.region_mean_sigma(batches, 12345)
    np.testing.assert_allclose(by_voxel, by_region, rtol=1e-13)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_intervals_cover_the_truth_as_often_as_stated(level):
    """Each history deposits an exponential energy with 30 % probability: skewed, like a voxel near a source.

    A batch of 400 histories holds a compound sum; 4000 voxels are independent repetitions. The number of
    intervals that miss is binomial, so its bounds follow from the suite's error budget.
    """
    rng = np.random.default_rng(6)
    voxels, n_batches, histories = 4000, 25, 400
    hits = rng.binomial(histories, 0.3, size=(n_batches, voxels))
    batches = np.rint(rng.gamma(np.maximum(hits, 1e-12), 2**26 * 0.2)).astype(np.int64)
    mean, sigma = st.batch_mean_sigma(*sums(batches), n_batches, histories)
    truth = 0.3 * 0.2
    covered = int(np.sum(np.abs(mean - truth) <= t.ppf(0.5 * (1.0 + level), n_batches - 1) * sigma))
    alpha = 1 - (1 - SUITE_ALPHA) ** (1 / 100)
    low, high = binom.ppf(alpha / 2, voxels, level), binom.ppf(1 - alpha / 2, voxels, level)
    assert low <= covered <= high


def test_dose_per_mev_and_no_mass():
    factor = st.gy_per_mev(np.array([1.0, 0.0]), 1e-3)
    assert factor[0] == pytest.approx(1.602176634e-13 / 1e-6) and factor[1] == 0
