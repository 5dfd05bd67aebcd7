"""Confidence bands of noise-corrected dose-volume histograms, from resampled batches or voxel errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .dvh import RegionDoses
from .dvh_noise import NoiseCorrectedHistogram, NoisyVoxels, noise_corrected_histogram


@dataclass(frozen=True)
class Resampling:
    """How bands are computed: probability of the interval, number of resamples, seed of their random numbers."""

    level: float = 0.95
    resamples: int = 200
    seed: int = 1


@dataclass(frozen=True)
class Bands:
    """Confidence bands of a histogram, from resampling.

    Parameters
    ----------
    dose_gy
        Doses [Gy] (n,).
    low_percent, high_percent
        Ends of the interval of the volume with at least each dose (n,) [%].
    level
        Probability that the interval is meant to hold.
    metrics
        For each requested metric (``"D95"``, ``"V20"``): value, low and high end.
    """

    dose_gy: np.ndarray
    low_percent: np.ndarray
    high_percent: np.ndarray
    level: float
    metrics: dict[str, tuple[float, float, float]]


def batch_bands(
    batch_dose_gy: np.ndarray,
    weight: np.ndarray,
    dose_gy: np.ndarray,
    *,
    metrics: tuple[str, ...] = (),
    resampling: Resampling | None = None,
) -> Bands:
    """Bands from whole batches drawn with replacement, which preserves the correlation between voxels.

    Parameters
    ----------
    batch_dose_gy
        Dose of each voxel in each batch (batches, n) [Gy], scaled so that their mean is the voxel's dose.
    weight
        Volume fraction of each voxel (n,).
    dose_gy
        Doses at which the band is wanted [Gy].
    metrics
        ``"D95"`` (Gy), ``"V20"`` (%), ``"mean"`` (Gy).
    resampling
        Level, number and seed of the resamples; the defaults of `Resampling` when not given.
    """
    batches = np.asarray(batch_dose_gy, float)
    count = batches.shape[0]
    resampling = resampling or Resampling()
    rng = np.random.default_rng(resampling.seed)

    def redrawn() -> NoiseCorrectedHistogram:
        chosen = batches[rng.integers(0, count, count)]
        sigma = chosen.std(axis=0, ddof=1) / np.sqrt(count)
        # the redrawn mean carries the data's noise and the redrawing's: twice the variance that is to be undone
        return noise_corrected_histogram(NoisyVoxels(chosen.mean(axis=0), np.sqrt(2.0) * sigma, weight, count))

    sigma = batches.std(axis=0, ddof=1) / np.sqrt(count)
    estimate = noise_corrected_histogram(NoisyVoxels(batches.mean(axis=0), sigma, weight, count))
    return _bands(estimate, redrawn, dose_gy, metrics, resampling)


def voxel_bands(
    voxels: NoisyVoxels,
    at_gy: np.ndarray,
    *,
    mean_standard_error_gy: float = 0.0,
    metrics: tuple[str, ...] = (),
    resampling: Resampling | None = None,
) -> Bands:
    """Bands where only voxel errors are available: new noise is drawn for the doses of the noise-corrected histogram.

    Parameters
    ----------
    voxels
        Doses of the region with their standard errors.
    at_gy
        Doses at which the band is wanted [Gy].
    metrics, resampling
        As in :func:`batch_bands`.
    mean_standard_error_gy
        Standard error of the region's mean from batch totals [Gy]: what is correlated between voxels is drawn as a
        common shift, so that the band of the mean is not too narrow.
    """
    dose, sigma, weight = voxels.flat()
    estimate = noise_corrected_histogram(voxels)
    share = weight / weight.sum()
    independent = float(np.sqrt((share**2) @ sigma**2))
    common = np.sqrt(max(mean_standard_error_gy**2 - independent**2, 0.0))
    # a true dose for every voxel: the corrected distribution in the order of the voxels' doses
    order = np.argsort(dose, kind="stable")
    place = np.cumsum(share[order]) - 0.5 * share[order]
    truth = np.empty_like(dose)
    truth[order] = np.interp(place, np.cumsum(estimate.share) - 0.5 * estimate.share, estimate.dose_gy)
    resampling = resampling or Resampling()
    rng = np.random.default_rng(resampling.seed)

    def redrawn() -> NoiseCorrectedHistogram:
        own = np.sqrt(np.maximum(sigma**2 - common**2, 0.0))
        drawn = truth + own * rng.standard_normal(dose.size) + common * rng.standard_normal()
        error = np.maximum(own, 1e-9 * np.abs(truth))
        return noise_corrected_histogram(NoisyVoxels(drawn, error, weight, voxels.n_batches))

    return _bands(estimate, redrawn, at_gy, metrics, resampling)


def metric(region: RegionDoses, name: str) -> float:
    """``"D95"`` [Gy], ``"V20"`` [%] or ``"mean"`` [Gy] of a region."""
    if name == "mean":
        return region.volume_mean()
    number = float(name[1:])
    return region.dose_at_volume(number) if name[0] == "D" else region.volume_at_dose(number)


def _bands(
    estimate: NoiseCorrectedHistogram,
    redrawn: Callable[[], NoiseCorrectedHistogram],
    at_gy: np.ndarray,
    metrics: tuple[str, ...],
    resampling: Resampling,
) -> Bands:
    at = np.asarray(at_gy, float)
    curves: list[np.ndarray] = []
    values: dict[str, list[float]] = {name: [] for name in metrics}
    for _ in range(resampling.resamples):
        region = redrawn().region()
        curves.append(volumes_at(region, at))
        for name in metrics:
            values[name].append(metric(region, name))
    curve = volumes_at(estimate.region(), at)
    low, high = _ends(curve, np.array(curves), resampling.level)
    # the volume never rises with dose: upper bounds hold at higher doses too, lower bounds at lower ones
    high, low = np.minimum.accumulate(high), np.maximum.accumulate(low[::-1])[::-1]
    ends = {}
    for name in metrics:
        value = metric(estimate.region(), name)
        below, above = _ends(np.array(value), np.array(values[name]), resampling.level)
        ends[name] = (value, float(below), float(above))
    return Bands(at, np.clip(low, 0.0, 100.0), np.clip(high, 0.0, 100.0), resampling.level, ends)


def _ends(estimate: np.ndarray, redrawn: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval: quantiles of the resampled values, joined with their reflections in the estimate.

    Noise that the correction leaves behind displaces the resampled values from the estimate as it displaced the
    estimate from the truth: the reflected interval (basic bootstrap) compensates for this, the quantiles do not.
    """
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(redrawn, [tail, 1.0 - tail], axis=0)
    return np.minimum(low, 2.0 * estimate - high), np.maximum(high, 2.0 * estimate - low)


def volumes_at(region: RegionDoses, dose_gy: np.ndarray) -> np.ndarray:
    """Share of the volume with at least each dose [%]."""
    ascending = region.dose_gy[::-1]
    below = np.concatenate([[0.0], np.cumsum(region.weight[::-1])])
    return np.asarray(100.0 * (1.0 - below[np.searchsorted(ascending, dose_gy, side="left")] / region.total))
