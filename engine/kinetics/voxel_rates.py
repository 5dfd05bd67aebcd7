"""Clearance rate of every voxel from serial images, smoothed against noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter

from .conversion import LN2
from .fitting import FASTEST

_FWHM_TO_SIGMA = 1.0 / math.sqrt(8.0 * LN2)
#: Voxels that are processed at once.
CHUNK = 1 << 19


@dataclass(frozen=True, eq=False)
class Study:
    """Serial images, and by which rules they are integrated.

    Parameters
    ----------
    images
        Tracer activity concentration, true at each scan's time [Bq/mL], (nt, nz, ny, nx).
    times_h
        Scan times after administration [h], (nt,).
    tracer, physical
        Decay constants of the tracer and of the therapy nuclide [1/h].
    model
        Name of the kinetic model, "auto" resolved.
    uptake
        Unseen phase before the first scan, see :func:`hevesy.engine.kinetics.curves.fit_curve`.
    sigma
        Standard deviation of one voxel in each scan [Bq/mL], (nt,); None where it is not known.
    """

    images: np.ndarray
    times_h: np.ndarray
    tracer: float
    physical: float
    model: str
    uptake: str
    sigma: np.ndarray | None = None


@dataclass(eq=False)
class RateMaps:
    """Biological rate [1/h] and peak scan index of each voxel (nz, ny, nx), and what was assumed or counted."""

    rate: np.ndarray
    peak: np.ndarray
    flags: dict[str, int]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> RateMaps:
        """No clearance anywhere, the peak at the first scan."""
        flags = dict.fromkeys(("rising", "below_detection", "no_rate", "negative_input", "clipped"), 0)
        return cls(np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.uint8), flags)


def local_rates(study: Study, maps: RateMaps, width_voxels: np.ndarray | None) -> None:
    """Write rate and peak of every voxel into ``maps``.

    Parameters
    ----------
    study
        The images.
    maps
        What is filled.
    width_voxels
        Standard deviation of the smoothing along each axis [voxels], (3,); None for each voxel by itself.
    """
    times = study.times_h
    grow = np.exp(study.tracer * times)
    source, floor = list(study.images), None
    damping = 1.0
    if width_voxels is not None:
        source = [gaussian_filter(image, width_voxels, mode="nearest") for image in study.images]
        # White noise through a Gaussian filter: variance divided by (4 pi)^(3/2) times the widths in voxels.
        damping = (4 * math.pi) ** -0.75 / math.sqrt(float(np.prod(width_voxels)))
    if study.sigma is not None:
        floor = 3.0 * study.sigma * min(damping, 1.0) * grow
    fallback = _rate_of_the_whole(study, grow)
    rate, peak = maps.rate.reshape(-1), maps.peak.reshape(-1)
    flat = [image.reshape(-1) for image in source]
    for start in range(0, rate.size, CHUNK):
        part = slice(start, min(start + CHUNK, rate.size))
        u = np.stack([f[part].astype(np.float64) for f in flat]) * grow[:, None]
        if floor is not None:
            under = (u < floor[:, None]) & (u.max(axis=0) >= floor.min())
            maps.flags["below_detection"] += int(np.count_nonzero(under.any(axis=0)))
            u = np.where(under, floor[:, None], u)
        top = np.zeros(u.shape[1], dtype=np.uint8)
        if study.model == "linear-exponential":
            decay = np.exp(-study.tracer * times)[:, None]
            top = np.minimum(np.argmax(u * decay, axis=0), times.size - 2).astype(np.uint8)
        usable = (u > 0.0) & (np.arange(times.size)[:, None] >= top[None, :])
        weight = np.where(usable, u / grow[:, None], 0.0)
        slope = _slope(times, np.log(np.where(usable, u, 1.0)), weight)
        lost = np.count_nonzero(usable, axis=0) < 2
        maps.flags["no_rate"] += int(np.count_nonzero(lost & (np.abs(u).max(axis=0) > 0.0)))
        slope[lost] = fallback
        maps.flags["rising"] += int(np.count_nonzero((slope <= 0.0) & ~lost))
        rate[part] = np.clip(slope, 0.0, FASTEST)
        peak[part] = top


def smoothing_voxels(fwhm_mm: float, voxel_size_mm: tuple[float, float, float] | None) -> np.ndarray:
    """Standard deviation [voxels] of a smoothing of ``fwhm_mm``; three voxels wide where their size is not known."""
    size = np.asarray(voxel_size_mm or (fwhm_mm / 3.0,) * 3, dtype=np.float64)
    return np.asarray(fwhm_mm * _FWHM_TO_SIGMA / size)


def _rate_of_the_whole(study: Study, grow: np.ndarray) -> float:
    """Clearance rate of the whole image [1/h], for voxels that have none; 0 where the image has none either."""
    sums = np.array([float(image.sum(dtype=np.float64)) for image in study.images]) * grow
    if not np.all(sums > 0.0):
        return 0.0
    weight = sums / grow
    return float(_slope(study.times_h, np.log(sums)[:, None], weight[:, None])[0])


def _slope(times: np.ndarray, log_u: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted log-linear clearance rate [1/h] of each column; 0 where the times do not spread."""
    total = weight.sum(axis=0)
    safe = np.where(total > 0.0, total, 1.0)
    mean_t = (weight * times[:, None]).sum(axis=0) / safe
    mean_u = (weight * log_u).sum(axis=0) / safe
    dt = times[:, None] - mean_t
    spread = (weight * dt**2).sum(axis=0)
    return -(weight * dt * (log_u - mean_u)).sum(axis=0) / np.where(spread > 0.0, spread, 1.0)
