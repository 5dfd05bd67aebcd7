"""Dose-volume histograms corrected for Monte Carlo noise, by deconvolution.

The statistical noise of voxel doses widens a histogram: it is the true one convolved with the noise, so maximum doses
and D2 come out too high, D98 and the minimum too low (Sempau & Bielajew, Phys Med Biol 45 (2000) 131, who unfold it).
Here the convolution is undone by maximum likelihood. Voxel i, with noise s_i, shows the dose d_i with density
sum_j p_j N(d_i; g_j, s_i(g_j)), where p_j >= 0 is the share of the volume with true dose g_j on a grid that is finer
than the noise. The p that makes all d_i most likely is found by expectation maximisation (each step multiplies p_j
by the volume-weighted mean of N_ij over the mixture: Richardson and Lucy's iteration, with a noise of its own for
every voxel); p stays positive and normalised.

Run to convergence, the iteration turns a smooth histogram into a few spikes that fit the statistical fluctuations of
the data. It starts from the voxel doses themselves and ends as soon as the result explains them: when 90 % of the
noise's variance has been removed from the histogram, and the result, convolved with the noise, lies no further from
the voxels than the true histogram does in half of all cases (the median of Kolmogorov's distribution). A uniform
dose, which needs many steps, gets them; a wide histogram with little noise gets a few.

The noise of a voxel is itself estimated from B batches, with a relative scatter of 1/sqrt(2 (B - 1)), and a voxel whose
dose is low by chance also has its noise estimated low. Both are undone by a regression of log s^2 on log d over the
region; a voxel keeps the part of its deviation from the line that exceeds the scatter of the estimate, and the line's
slope gives the noise at the true dose g_j instead of at d_i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, polygamma
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..statistics import MINIMUM_BATCHES
from ..text import counted
from .dvh import DoseVolumeHistogram, RegionDoses

#: grid points of the true dose per mean noise, and the most and fewest of them
POINTS_PER_SIGMA, FEWEST_POINTS, MOST_POINTS = 4.0, 60, 1200
#: the iteration ends when the log-likelihood per voxel rises by less than this, at the latest after ITERATIONS
CONVERGED, ITERATIONS = 1e-6, 3000
#: median of the Kolmogorov distribution: how far the best histogram lies from its data, times the root of their number
KOLMOGOROV_MEDIAN = 0.828
#: share of the noise's variance that has to be gone from the histogram before the iteration may end
WIDENING_REMOVED = 0.90
#: noise below this share of the region's mean dose leaves the histogram as it is
NEGLIGIBLE = 1e-4


@dataclass(frozen=True)
class NoiseCorrectedHistogram:
    """A noise-corrected histogram, as shares of the volume on a grid of doses.

    Parameters
    ----------
    dose_gy
        Grid of true doses (n,) [Gy], ascending.
    share
        Share of the volume at each (n,), sum 1.
    iterations
        Steps of the iteration; 0 when the noise was negligible and the voxels are returned.
    rms_noise_gy
        Root mean square noise of the voxels [Gy].
    """

    dose_gy: np.ndarray
    share: np.ndarray
    iterations: int
    rms_noise_gy: float

    def region(self) -> RegionDoses:
        """The same as doses with volumes: D, V, mean and spread are read off it as off voxels."""
        keep = self.share > 1e-9
        return RegionDoses(self.dose_gy[keep], self.share[keep])

    def histogram(self, bins: int = 200, maximum_gy: float | None = None) -> DoseVolumeHistogram:
        """Cumulative and differential histogram."""
        return self.region().histogram(bins, maximum_gy)


@dataclass(frozen=True)
class NoisyVoxels:
    """The doses of a region's voxels with their Monte Carlo standard errors.

    Parameters
    ----------
    dose_gy, standard_error_gy
        Dose of each voxel and its standard error (n,) [Gy].
    weight
        Volume fraction of each voxel in the region (n,), positive.
    n_batches
        Batches that the standard errors come from.
    """

    dose_gy: np.ndarray
    standard_error_gy: np.ndarray
    weight: np.ndarray
    n_batches: int

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Doses, standard errors and weights as float64 (n,)."""
        dose, sigma, weight = (
            np.asarray(a, float).ravel() for a in (self.dose_gy, self.standard_error_gy, self.weight)
        )
        return dose, sigma, weight

    def check(self) -> None:
        """Refuse doses that cannot be corrected.

        Raises
        ------
        InputError
            Standard errors from fewer than 20 batches, or missing.
        """
        dose, sigma, weight = self.flat()
        if self.n_batches < MINIMUM_BATCHES or not np.isfinite(sigma).all():
            raise InputError(
                f"a histogram cannot be corrected for unknown noise ({counted(self.n_batches, 'batch')})",
                why=f"voxel standard errors need {MINIMUM_BATCHES} batches or more",
                suggestion="run more batches, or show the histogram as it is",
            )
        if not dose.shape == sigma.shape == weight.shape or dose.size == 0:
            raise ValueError(f"doses {dose.shape}, errors {sigma.shape}, weights {weight.shape}")


def noise_corrected_histogram(voxels: NoisyVoxels) -> NoiseCorrectedHistogram:
    """Undo the noise of a region's histogram.

    Raises
    ------
    InputError
        Standard errors from fewer than 20 batches, or missing.
    """
    voxels.check()
    dose, sigma, weight = voxels.flat()
    share = weight / weight.sum()
    rms = float(np.sqrt(share @ sigma**2))
    if rms <= NEGLIGIBLE * abs(float(share @ dose)):
        order = np.argsort(dose, kind="stable")
        return NoiseCorrectedHistogram(dose[order], share[order], 0, rms)
    grid = _grid(dose, sigma)
    variance = noise_variance(dose, sigma, grid, voxels.n_batches)
    # a product of this size is done before a second thread has woken up; on a busy machine the threads wait for one
    # another, thousands of times
    with threadpool_limits(1, user_api="blas"):
        p, steps = _unfold(_kernel(dose, variance, grid), share, dose, grid, variance)
    # noise has mean zero: the region's mean is right as it was measured, and stays
    return NoiseCorrectedHistogram(grid + float(share @ dose - p @ grid), p, steps, rms)


def noise_variance(dose: np.ndarray, sigma: np.ndarray, grid: np.ndarray, n_batches: int) -> np.ndarray:
    """Variance of each voxel's noise at each true dose of the grid, (n, grid) [Gy^2]."""
    positive = (dose > 0) & (sigma > 0)
    floor = 1e-12 * max(float(np.max(np.abs(dose))), 1e-30)
    variance = np.maximum(sigma, floor) ** 2
    if positive.sum() < 8:
        return np.broadcast_to(variance[:, None], (dose.size, grid.size))
    x, y = np.log(dose[positive]), np.log(variance[positive])
    # the doses scatter by the noise itself: without it they would be this much closer together
    spread = float(x.var() - np.mean(variance[positive] / dose[positive] ** 2))
    spread = spread if spread > 0.3 * float(x.var()) else 0.0
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 1e-12 else 1.0
    # noise that falls with dose, or grows faster than the dose itself, is not counting noise: clip to 0..2
    slope = min(max(slope, 0.0), 2.0)
    level = y - slope * x
    # the logarithm of a chi-squared estimate with nu = B - 1 has variance psi'(nu/2) and mean psi(nu/2) - ln(nu/2)
    half = 0.5 * (n_batches - 1)
    share = max(1.0 - float(polygamma(1, half)) / max(float(level.var()), 1e-30), 0.0)
    own = np.full(dose.size, level.mean())
    own[positive] = level.mean() + share * (level - level.mean())
    own -= float(polygamma(0, half)) - np.log(half)
    safe = np.maximum(grid, max(0.02 * float(np.abs(dose).mean()), floor))
    return np.exp(own[:, None] + slope * np.log(safe)[None, :])


def _grid(dose: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    low, high = max(float(dose.min()), 0.0), float(dose.max())
    smallest = max(float(np.quantile(sigma, 0.1)), 1e-3 * max(high, 1e-30))
    width = max(high - low, smallest)
    points = int(np.clip(np.ceil(POINTS_PER_SIGMA * width / smallest), FEWEST_POINTS, MOST_POINTS))
    return np.linspace(low, low + width, points)


def _kernel(dose: np.ndarray, variance: np.ndarray, grid: np.ndarray) -> np.ndarray:
    exponent = -0.5 * (dose[:, None] - grid[None, :]) ** 2 / variance - 0.5 * np.log(variance)
    return np.exp(exponent - exponent.max(axis=1, keepdims=True))


def _unfold(
    kernel: np.ndarray, share: np.ndarray, dose: np.ndarray, grid: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, int]:
    """Iterate from the observed histogram until it explains the data, no further: see the module docstring."""
    # the observed doses on the grid, each spread over its own noise, so that every grid point starts with something
    start = kernel / np.maximum(kernel.sum(axis=1, keepdims=True), 1e-300)
    p = share @ start
    own = np.array([np.interp(d, grid, v) for d, v in zip(dose, variance, strict=True)])
    mean = float(share @ dose)
    noise = float(share @ own)
    target = float(share @ (dose - mean) ** 2) - WIDENING_REMOVED * noise
    order = np.argsort(dose, kind="stable")
    observed = np.cumsum(share[order]) - 0.5 * share[order]
    sample = order[:: max(dose.size // 400, 1)]
    seen = observed[:: max(dose.size // 400, 1)]
    typical = np.sqrt(np.exp(np.interp(np.log(np.maximum(grid, 1e-300)), *_by_dose(dose, own))))
    fold = ndtr((dose[sample][:, None] - grid[None, :]) / typical[None, :])
    allowed = KOLMOGOROV_MEDIAN * float(np.sqrt(share @ share))
    before = -np.inf
    for step in range(1, ITERATIONS + 1):
        mixture = np.maximum(kernel @ p, 1e-300)
        p = p * ((share / mixture) @ kernel)
        p /= p.sum()
        centre = float(p @ grid)
        if float(p @ (grid - centre) ** 2) <= target and float(np.abs(fold @ p - seen).max()) <= allowed:
            return p, step
        if step % 10 == 0:
            now = float(share @ np.log(np.maximum(kernel @ p, 1e-300)))
            if now - before < 10 * CONVERGED:
                return p, step
            before = now
    return p, ITERATIONS


def _by_dose(dose: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxels' doses and noise variances in logarithms, ascending, averaged in up to 20 groups."""
    order = np.argsort(dose, kind="stable")
    groups = np.array_split(order, min(20, dose.size))
    x = np.array([np.log(np.maximum(dose[g].mean(), 1e-300)) for g in groups])
    return x, np.array([np.log(variance[g].mean()) for g in groups])
