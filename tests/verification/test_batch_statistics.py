"""Standard errors that mean what they say: coverage, the square-root law, and a stratified source without bias."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.statistics import region_mean_sigma
from hevesy.engine.transport.run import simulate
from hevesy.tests.verification.budget import quantile, sidak
from hevesy.tests.verification.drivers import BONE, WATER, block
from scipy import stats
from scipy.stats import t as student

SHAPE = (4, 4, 4)
GROUPS, BATCHES, PER_BATCH = 240, 20, 300


def problem():
    material = np.indices(SHAPE).sum(axis=0) % 2
    source = np.zeros(SHAPE)
    source[1:3, 1:3, 1:3] = 1.0
    return block(
        nuclide("I-131").emission, SHAPE, 4.0, (WATER, BONE), np.array([1.0, 1.85])[material], material, source
    )


def weights() -> np.ndarray:
    """A lesion (the active voxels), the rest, and two single voxels: in the lesion and beside it.

    Not voxels that few particles reach: batches in which a voxel holds two or three deposits have skewed means, and
    no interval from 20 of them can be trusted (docs/methods/statistics.md).
    """
    source = problem().source > 0
    out = [source, ~source]
    for index in ((1, 1, 1), (1, 1, 0)):
        w = np.zeros(SHAPE, bool)
        w[index] = True
        out.append(w)
    return np.array(out, np.uint8)


@pytest.fixture(scope="module")
def long_run():
    """240 independent runs of 20 batches of 300 decays: batches are independent, so they are cut from one run."""
    return simulate(
        problem(), decays=GROUPS * BATCHES * PER_BATCH, batch_histories=PER_BATCH, seed=11, regions=weights()
    )


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_coverage(long_run, level) -> None:
    """The interval mean +- k sigma of a run covers the truth as often as it says, in lesion and single voxels."""
    quanta = long_run.region_quanta
    truth = quanta.sum(axis=0) / quanta.shape[0] / PER_BATCH * 2.0**-26
    k = student.ppf(0.5 * (1.0 + level), BATCHES - 1)
    hits = np.zeros(quanta.shape[1])
    for group in quanta.reshape(GROUPS, BATCHES, -1):
        mean, sigma = region_mean_sigma(group, PER_BATCH)
        # the truth is the mean of all runs, this one among them: its error is 1/sqrt(240) of sigma
        hits += np.abs(mean - truth) < k * sigma * np.sqrt(1 - 1 / GROUPS)
    share = sidak(hits.size) / 2
    low, high = stats.binom.ppf(share, GROUPS, level), stats.binom.isf(share, GROUPS, level)
    assert ((hits >= low) & (hits <= high)).all(), hits / GROUPS


def test_sigma_of_runs_is_their_scatter(long_run) -> None:
    """Root mean square sigma of the runs equals the standard deviation of their means (chi-square)."""
    groups = long_run.region_quanta.reshape(GROUPS, BATCHES, -1)
    both = [region_mean_sigma(g, PER_BATCH) for g in groups]
    mean, sigma = np.array([b[0] for b in both]), np.array([b[1] for b in both])
    ratio = mean.var(axis=0, ddof=1) / (sigma**2).mean(axis=0)
    # F distribution with 239 and 240 x 19 degrees of freedom for normal batch means
    share = sidak(ratio.size) / 2
    low, high = stats.f.ppf(share, GROUPS - 1, GROUPS * 19), stats.f.isf(share, GROUPS - 1, GROUPS * 19)
    assert ((ratio > low) & (ratio < high)).all(), ratio


def test_sigma_falls_with_the_root_of_the_decays(long_run) -> None:
    quanta = long_run.region_quanta
    _, whole = region_mean_sigma(quanta, PER_BATCH)
    _, part = region_mean_sigma(quanta[: quanta.shape[0] // 16], PER_BATCH)
    n = quanta.shape[0] // 16
    share = sidak(whole.size) / 2
    ratio = (part / whole) ** 2 / 16
    low, high = stats.f.ppf(share, n - 1, 15 * n), stats.f.isf(share, n - 1, 15 * n)
    # the part belongs to the whole, so the ratio scatters less than F: the interval is generous
    assert ((ratio > low) & (ratio < high)).all(), ratio


def test_stratified_source_is_unbiased_and_quieter() -> None:
    """Batches of one decay cannot stratify: the plain Monte Carlo that stratified batches must agree with."""
    regions = weights()
    n = 6000
    plain = simulate(problem(), decays=n, batch_histories=1, seed=2, regions=regions)
    stratified = simulate(problem(), decays=100 * n, batches=200, seed=3, regions=regions)
    _, sigma_plain = plain.region_energy()
    _, sigma = stratified.region_energy()
    mean_a, _ = plain.region_energy()
    mean_b, _ = stratified.region_energy()
    z = (mean_a - mean_b) / np.hypot(sigma_plain, sigma)
    assert np.abs(z).max() < quantile(z.size)
    # sigma at equal numbers of decays: never larger, for the lesion as a whole clearly smaller
    gain = (sigma_plain / 10 / sigma) ** 2
    assert gain[0] > 1.3, gain


def test_too_few_batches_give_no_sigma() -> None:
    tally = simulate(problem(), decays=190, batches=19, seed=1, regions=weights())
    mean, sigma = tally.region_energy()
    assert np.isfinite(mean).all() and np.isnan(sigma).all()
    _, voxels = tally.dose_gy_per_decay(problem().density_g_cm3, problem().voxel_volume_ml)
    assert np.isnan(voxels).all()
