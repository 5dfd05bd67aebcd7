"""Image noise, reproducible from a seed."""

from __future__ import annotations

import numpy as np

from ..engine.constants import FWHM_PER_SIGMA


def noise_stream(seed: int, number: int) -> np.random.Generator:
    """An independent counter-based generator for each image of a seed."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number])))


def correlated_noise(shape: tuple[int, int, int], generator: np.random.Generator) -> np.ndarray:
    """Gaussian noise of unit variance, correlated over about 1.5 voxels (FWHM) as in reconstructed PET."""
    from scipy.ndimage import gaussian_filter

    white = generator.standard_normal(shape, dtype=np.float32)
    smooth = gaussian_filter(white, 1.5 / FWHM_PER_SIGMA, mode="wrap")
    return smooth / smooth.std()


def positive_noise(noise: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Log-normal factors of mean one and the given COV.

    Noise of iterative reconstruction is close to log-normal (Barrett, Wilson & Tsui, Phys Med Biol
    1994;39:833), never makes activity negative, and this form leaves every voxel's mean unbiased.
    """
    spread = np.sqrt(np.log1p(cov**2))
    return np.exp(spread * noise - 0.5 * spread**2)
