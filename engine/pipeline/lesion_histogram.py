"""A lesion's histogram corrected for Monte Carlo noise, with bands, beside the one of the voxel doses themselves."""

from __future__ import annotations

import numpy as np

from ..dose.map import DoseMap
from ..lesions.dvh_bands import Resampling, voxel_bands
from ..lesions.dvh_noise import NoisyVoxels, noise_corrected_histogram
from ..lesions.parts import NoiseCorrectedDvh
from ..statistics import MINIMUM_BATCHES

#: Probability that the bands are meant to hold, and how many redrawn histograms they come from.
LEVEL, RESAMPLES = 0.95, 60
#: A lesion of more voxels is thinned to about this many, in the order of their doses.
MOST_VOXELS = 1500
#: Doses at which histogram and band are stored.
POINTS = 81


def noise_corrected_dvh(
    dose: DoseMap, fraction: np.ndarray, n_batches: int, mean_standard_error_gy: float, threshold_gy: float
) -> NoiseCorrectedDvh:
    """Histogram and metrics corrected for Monte Carlo noise, as plain data; empty where there is nothing to correct.

    Parameters
    ----------
    dose
        The dose map with its standard errors [Gy].
    fraction
        Volume fractions of the lesion (nz, ny, nx).
    n_batches
        Batches behind the standard errors.
    mean_standard_error_gy
        Monte Carlo standard error of the lesion's mean [Gy]: what voxels have in common.
    threshold_gy
        V of this dose is given beside V20.

    Returns
    -------
    NoiseCorrectedDvh
        ``level``, ``batches``, ``noise_percent`` (root mean square over the mean dose), ``dose_gy``,
        ``volume_percent``, ``low_percent``, ``high_percent``, and ``metrics``: value, low and high end each of
        D98, D95, D50, D2 [Gy], V20 and V of the threshold [%]. Empty without standard errors, or with fewer
        than 20 batches.
    """
    if dose.sigma is None or n_batches < MINIMUM_BATCHES:
        return NoiseCorrectedDvh()
    where = np.asarray(fraction) > 0
    values, sigma = (np.asarray(a)[where].astype(np.float64) for a in (dose.mean, dose.sigma))
    weight = np.asarray(fraction)[where].astype(np.float64)
    if not (np.isfinite(sigma).all() and np.any(sigma > 0.0) and np.any(values > 0.0)):
        return NoiseCorrectedDvh()
    noise = float(np.sqrt(np.average(sigma**2, weights=weight)) / np.average(values, weights=weight))
    values, sigma, weight = _thinned(values, sigma, weight)
    names = ("D98", "D95", "D50", "D2", "V20", f"V{threshold_gy:g}")
    voxels = NoisyVoxels(values, sigma, weight, n_batches)
    corrected = noise_corrected_histogram(voxels)
    top = max(float(corrected.dose_gy[corrected.share > 1e-9].max()), float(values.max()))
    at = np.linspace(0.0, top, POINTS)
    bands = voxel_bands(
        voxels,
        at,
        mean_standard_error_gy=mean_standard_error_gy if np.isfinite(mean_standard_error_gy) else 0.0,
        metrics=tuple(dict.fromkeys(names)),
        resampling=Resampling(LEVEL, RESAMPLES),
    )
    metrics = {name: list(ends) for name, ends in bands.metrics.items()}
    metrics["Vthreshold"] = metrics[names[-1]]
    return {
        "level": LEVEL,
        "batches": n_batches,
        "noise_percent": 100.0 * noise,
        "metrics": metrics,
        "dose_gy": at.tolist(),
        "volume_percent": corrected.histogram(POINTS - 1, top).volume_percent.tolist(),
        "low_percent": bands.low_percent.tolist(),
        "high_percent": bands.high_percent.tolist(),
    }


def _thinned(dose: np.ndarray, sigma: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every k-th voxel in the order of doses, with the volume of those passed over added to its own."""
    step = -(-dose.size // MOST_VOXELS)
    if step <= 1:
        return dose, sigma, weight
    order = np.argsort(dose, kind="stable")
    starts = np.arange(0, dose.size, step)
    middle = order[np.minimum(starts + step // 2, dose.size - 1)]
    return dose[middle], sigma[middle], np.add.reduceat(weight[order], starts)
