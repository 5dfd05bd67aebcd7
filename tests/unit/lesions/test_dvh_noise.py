"""Histograms corrected for Monte Carlo noise: synthetic noise with a known truth, and short runs against a long one."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.lesions import dvh_noise
from hevesy.engine.lesions.dvh import RegionDoses
from hevesy.engine.lesions.dvh_bands import Resampling, batch_bands, metric, volumes_at, voxel_bands
from hevesy.engine.lesions.dvh_noise import NoisyVoxels, noise_corrected_histogram, noise_variance
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.statistics import gy_per_mev
from hevesy.kernels.backends import cpu
from hevesy.tests.verification.drivers import WATER, block, world_of

BATCHES = 30
U = (np.arange(2000) + 0.5) / 2000
TRUTHS = {
    "uniform": np.full(2000, 30.0),
    "ramp": 20 + 20 * U,
    "fall-off": 40 * (1 - 0.7 * U**2),
    "two levels": np.where(U < 0.5, 20.0, 40.0),
}


def noisy(truth: np.ndarray, relative: float, seed: int = 4) -> np.ndarray:
    """Batch doses with the noise of counts: variance in proportion to dose."""
    rng = np.random.default_rng(seed)
    sigma = relative * np.sqrt(truth * truth.mean()) * np.sqrt(BATCHES)
    return truth + sigma * rng.standard_normal((BATCHES, truth.size))


def mean_and_sigma(batches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return batches.mean(axis=0), batches.std(axis=0, ddof=1) / np.sqrt(len(batches))


def area_between(a: RegionDoses, b: RegionDoses) -> float:
    """Area between two cumulative histograms [Gy]."""
    at = np.linspace(0.0, 1.05 * max(a.dose_gy[0], b.dose_gy[0]), 4000)
    return float(np.abs(volumes_at(a, at) - volumes_at(b, at)).sum() * (at[1] - at[0]) / 100)


@pytest.mark.parametrize("name", TRUTHS)
def test_noise_of_fifteen_percent_is_undone(name) -> None:
    """The area to the true histogram shrinks to less than two thirds; the mean stays; the spread comes back."""
    truth = TRUTHS[name]
    dose, sigma = mean_and_sigma(noisy(truth, 0.15))
    weight = np.ones(truth.size)
    true, raw = RegionDoses(truth, weight), RegionDoses(dose, weight)
    clean = noise_corrected_histogram(NoisyVoxels(dose, sigma, weight, BATCHES)).region()
    assert area_between(clean, true) < 0.66 * area_between(raw, true)
    assert abs(clean.volume_mean() - raw.volume_mean()) < 1e-3
    # the spread left over: the true one and at most a tenth of the noise's variance, and the scatter of both
    noise = np.sqrt(np.mean(sigma**2))
    assert abs(clean.volume_sd() ** 2 - true.volume_sd() ** 2) < 0.1 * noise**2 + 6 * noise * max(
        true.volume_sd(), noise
    ) / np.sqrt(truth.size)
    for percent in (98, 2):
        bias = {
            n: abs(r.dose_at_volume(percent) - true.dose_at_volume(percent))
            for n, r in (("raw", raw), ("clean", clean))
        }
        assert bias["clean"] < 0.6 * bias["raw"], (percent, bias)


def test_little_noise_changes_little() -> None:
    """Half a per cent: the corrected histogram lies within a tenth of a Gy of the voxels' own."""
    truth = TRUTHS["ramp"]
    dose, sigma = mean_and_sigma(noisy(truth, 0.005))
    clean = noise_corrected_histogram(NoisyVoxels(dose, sigma, np.ones(truth.size), BATCHES)).region()
    assert area_between(clean, RegionDoses(dose, np.ones(truth.size))) < 0.1
    exact = noise_corrected_histogram(NoisyVoxels(truth, 1e-7 * truth, np.ones(truth.size), BATCHES))
    assert exact.iterations == 0 and np.array_equal(exact.dose_gy, np.sort(truth))


def test_weights_are_volumes() -> None:
    """A voxel with weight two is two voxels."""
    truth = TRUTHS["ramp"][::10]
    dose, sigma = mean_and_sigma(noisy(truth, 0.1))
    weight = np.where(np.arange(truth.size) % 2, 2.0, 1.0)
    once = noise_corrected_histogram(NoisyVoxels(dose, sigma, weight, BATCHES)).region()
    assert abs(once.volume_mean() - RegionDoses(dose, weight).volume_mean()) < 1e-3


def test_noise_at_the_true_dose_has_no_bias() -> None:
    """The regressed variance at the true dose is the true variance, although low voxels show low errors."""
    truth = TRUTHS["ramp"]
    dose, sigma = mean_and_sigma(noisy(truth, 0.1))
    variance = noise_variance(dose, sigma, np.array([20.0, 30.0, 40.0]), BATCHES)
    expected = 0.1**2 * np.array([20.0, 30.0, 40.0]) * truth.mean()
    np.testing.assert_allclose(variance.mean(axis=0), expected, rtol=0.06)


def test_few_batches_are_refused() -> None:
    dose = np.linspace(10, 20, 50)
    with pytest.raises(InputError, match="(?s)unknown noise .19 batches.*20 batches or more"):
        noise_corrected_histogram(NoisyVoxels(dose, 0.1 * dose, np.ones(50), 19))


def test_bands_cover_the_truth() -> None:
    """95 % bands of D50, mean and V from 30 batches hold the true values in most of 40 independent samples."""
    truth = TRUTHS["fall-off"][::10]
    weight = np.ones(truth.size)
    true = RegionDoses(truth, weight)
    names = ("mean", "D50", "V25")
    hits = dict.fromkeys(names, 0)
    for sample in range(40):
        batches = noisy(truth, 0.08, seed=100 + sample)
        found = batch_bands(
            batches, weight, np.array([25.0]), metrics=names, resampling=Resampling(resamples=40, seed=sample)
        )
        for name in names:
            _, low, high = found.metrics[name]
            hits[name] += low <= metric(true, name) <= high
    # binomial(40, 0.95): 30 or fewer has probability 3e-6
    assert min(hits.values()) > 30, hits


def test_bands_from_voxel_errors_are_like_those_from_batches() -> None:
    truth = TRUTHS["fall-off"][::5]
    batches = noisy(truth, 0.1)
    dose, sigma = mean_and_sigma(batches)
    weight, at = np.ones(truth.size), np.linspace(15, 40, 6)
    a = batch_bands(batches, weight, at, metrics=("mean",), resampling=Resampling(resamples=150))
    b = voxel_bands(
        NoisyVoxels(dose, sigma, weight, BATCHES), at, metrics=("mean",), resampling=Resampling(resamples=150)
    )
    widths = [v[2] - v[1] for v in (a.metrics["mean"], b.metrics["mean"])]
    assert 0.6 < widths[0] / widths[1] < 1.6
    assert (a.high_percent >= a.low_percent).all() and (b.high_percent >= b.low_percent).all()


def test_short_run_tells_the_long_runs_histogram() -> None:
    """A 131I sphere in water: 30 batches of 200 decays, corrected, against 120 times as many decays."""
    shape = (11, 11, 11)
    radius = np.sqrt(sum((g - 5.0) ** 2 for g in np.indices(shape)))
    lesion = (radius < 4.2).ravel()
    problem = block(nuclide("I-131").emission, shape, 4.0, (WATER,), source=(radius < 3.5).astype(float))
    engine = cpu.Engine(world_of(problem), 21)
    scale = float(gy_per_mev(np.array([1.0]), 0.064)[0]) * 2.0**-26 * 1e12

    def batches(first: int, count: int, decays: int) -> np.ndarray:
        out = []
        for batch in range(first, first + count):
            tally = np.zeros(lesion.size, np.int64)
            engine.run_batch(batch, decays, tally)
            out.append(tally[lesion] * (scale / decays))
        return np.array(out)

    short, long = batches(0, BATCHES, 200), batches(1000, BATCHES, 24_000)
    engine.close()
    weight = np.ones(int(lesion.sum()))
    dose, sigma = mean_and_sigma(short)
    true, raw = RegionDoses(long.mean(axis=0), weight), RegionDoses(dose, weight)
    clean = noise_corrected_histogram(NoisyVoxels(dose, sigma, weight, BATCHES)).region()
    assert area_between(clean, true) < 0.6 * area_between(raw, true)
    assert abs(clean.dose_at_volume(2) - true.dose_at_volume(2)) < 0.5 * abs(
        raw.dose_at_volume(2) - true.dose_at_volume(2)
    )


def test_products_of_the_iteration_run_on_one_blas_thread(monkeypatch):
    """On a busy machine threads that wait for one another made a lesion take minutes."""
    from threadpoolctl import threadpool_info

    seen = []
    iterate = dvh_noise._unfold

    def recorded(*arguments):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return iterate(*arguments)

    monkeypatch.setattr(dvh_noise, "_unfold", recorded)
    rng = np.random.default_rng(1)
    dose = 20.0 + rng.normal(0.0, 1.0, 50)
    noise = np.full(50, 0.5)
    noise_corrected_histogram(NoisyVoxels(dose, noise, np.ones(50), 30))
    assert set(seen) <= {1}
