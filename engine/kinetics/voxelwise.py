"""Time-integrated activity voxel by voxel, without letting image noise bend it.

A rate fitted in each voxel is a non-linear function of noisy values: the mean of a lesion is then biased (by
how much is measured in tests/unit/kinetics/test_voxelwise.py and docs/methods/kinetics.md). Here the *rate*
comes from more than one voxel (a lesion, or a smoothed neighbourhood) and only the *amplitude* from the voxel
itself, in which the result is linear and hence unbiased.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter

from ..errors import InputError
from .conversion import LN2, decay_constant, scan_times
from .curves import CAPPED, Curve, fit_curve
from .fitting import FASTEST
from .models import MODELS, UPTAKES, Shape

log = logging.getLogger(__name__)

_FWHM_TO_SIGMA = 1.0 / math.sqrt(8.0 * LN2)
_CHUNK = 1 << 19


@dataclass(frozen=True, eq=False)
class VoxelKinetics:
    """Time-integrated activity map and how it came about.

    Attributes
    ----------
    tia_h
        Time-integrated activity concentration of the therapy nuclide [Bq h/mL], (nz, ny, nx) float64, for an
        administered activity of the therapy nuclide equal to that of the tracer. Never negative.
    effective_half_life_h
        Effective half-life of the final phase [h], (nz, ny, nx) float32.
    extrapolated_map
        Share of each voxel's integral that lies after the last scan, (nz, ny, nx) float32.
    extrapolated_fraction
        The same for the whole image, weighted by the integral.
    model
        Model used ("auto" resolved).
    flags
        Number of voxels by remark: ``rising`` (uptake phase not resolved, effective half-life capped at the
        physical one), ``below_detection``, ``no_rate`` (no usable values: rate of the whole image taken),
        ``negative_input`` and ``clipped`` (negative integral set to zero).
    notes
        What was assumed, one sentence each.
    region_curves
        The curve of each region (label) whose rate was fitted as a whole.
    """

    tia_h: np.ndarray
    effective_half_life_h: np.ndarray
    extrapolated_map: np.ndarray
    extrapolated_fraction: float
    model: str
    flags: dict[str, int]
    notes: list[str]
    region_curves: dict[int, Curve] = field(default_factory=dict)

    def extrapolated_in(self, weight: np.ndarray) -> float:
        """Share of the integral after the last scan within a mask (any non-negative weights)."""
        share = weight * self.tia_h
        total = float(share.sum())
        return float((share * self.extrapolated_map).sum()) / total if total > 0.0 else math.nan


def voxel_tia(
    times_h: object,
    concentration: np.ndarray,
    tracer_half_life_h: float,
    therapy_half_life_h: float | None = None,
    model: str = "auto",
    noise: object = None,
    *,
    rate: str = "smoothed",
    regions: np.ndarray | None = None,
    voxel_size_mm: tuple[float, float, float] | None = None,
    smooth_fwhm_mm: float = 8.0,
    uptake: str = "linear-activity",
    population_biological_half_life_h: float | None = None,
) -> VoxelKinetics:
    """Integrate serial tracer images into the time-integrated activity of the therapy nuclide.

    Parameters
    ----------
    times_h
        Scan times [h after administration], (nt,).
    concentration
        Tracer activity concentration, physical, true at each scan's time [Bq/mL], (nt, nz, ny, nx).
    tracer_half_life_h, therapy_half_life_h
        Physical half-lives [h]; the therapy nuclide is the tracer itself when not given.
    model
        ``"auto"`` (one scan: physical decay; two: two-point; more: linear-exponential) or a model name.
        ``"bi-exponential"`` takes its two rates from each region, elsewhere from the whole image.
    noise
        Standard deviation of one voxel in each scan [Bq/mL], (nt,) or scalar. It weights the scans and sets
        the detection limit (3 sigma) of the rate; without it scans are weighted as counts are (Poisson).
    rate
        ``"smoothed"``: rate from images smoothed to ``smooth_fwhm_mm`` (default). ``"voxel"``: rate of each
        voxel by itself, noisy and biased, for comparison.
    regions
        Integer labels (nz, ny, nx), 0 for none: each label takes one rate, that of its summed activity, so
        that the map integrates to the lesion-wise result.
    voxel_size_mm
        (dz, dy, dx) [mm]; without it the smoothing is three voxels wide.
    smooth_fwhm_mm
        Width of the smoothing of the rate [mm].
    uptake
        Unseen phase before the first scan, see :func:`hevesy.engine.kinetics.curves.fit_curve`.
    population_biological_half_life_h
        Only for ``model="single-time-point"``.

    Raises
    ------
    InputError
        Shapes that do not agree, values that are not finite, a model that the scans cannot give.
    """
    times = scan_times(times_h)
    tracer = decay_constant(tracer_half_life_h, "tracer_half_life_h")
    physical = tracer
    if therapy_half_life_h is not None:
        physical = decay_constant(therapy_half_life_h, "therapy_half_life_h")
    images = _checked(concentration, times, regions, noise, rate, model, uptake)
    sigma = None if noise is None else np.broadcast_to(np.asarray(noise, dtype=np.float64), times.shape)
    name = _model_name(model, times.size)
    shape3 = images.shape[1:]
    fits = _RateMaps(np.zeros(shape3, dtype=np.float32), np.zeros(shape3, dtype=np.uint8), {}, [])
    flags = dict.fromkeys(("rising", "below_detection", "no_rate", "negative_input", "clipped"), 0)
    flags["negative_input"] = int(np.count_nonzero((images < 0).any(axis=0)))

    if name in ("two-point", "linear-exponential", "mono-exponential"):
        _local_rates(fits, images, times, tracer, name, sigma, rate, voxel_size_mm, smooth_fwhm_mm, flags)
    elif name == "single-time-point":
        fits.rate[:] = decay_constant(
            population_biological_half_life_h or math.nan, "population_biological_half_life_h"
        )
        fits.notes.append("One scan: biological half-life taken from a population for every voxel.")
    elif name == "physical-decay":
        fits.notes.append("Physical decay only: no biological clearance and immediate uptake assumed.")

    curves: dict[int, Curve] = {}
    lesion_model = model if times.size > 1 else name
    if name == "bi-exponential":
        whole = images.reshape(times.size, -1).sum(axis=1, dtype=np.float64)
        curves[0] = _region_curve(whole, times, tracer, physical, lesion_model, uptake)
        fits.notes.append("Outside the regions the rates are those of the whole image.")
    if regions is not None and name not in ("physical-decay", "single-time-point"):
        curves |= _region_curves(images, regions, times, tracer, physical, lesion_model, uptake, fits.notes)
    tia, half_life, tail = _integrate(
        images, times, tracer, physical, name, uptake, sigma, fits, regions, curves, flags
    )
    total = float(tia.sum())
    overall = float((tia * tail).sum()) / total if total > 0.0 else math.nan
    log.info("kinetics: %s, %d voxels, flags %s", name, tia.size, flags)
    return VoxelKinetics(tia, half_life, tail, overall, name, flags, fits.notes, curves)


@dataclass
class _RateMaps:
    """Biological rate [1/h] and peak scan index of each voxel, and what was assumed."""

    rate: np.ndarray
    peak: np.ndarray
    regions: dict[int, Curve]
    notes: list[str]


def _checked(concentration, times, regions, noise, rate, model, uptake) -> np.ndarray:
    """The images as one array (nt, nz, ny, nx), after every check of the arguments."""
    images = np.asarray(concentration)
    if images.dtype not in (np.float32, np.float64):
        images = images.astype(np.float64)
    if images.ndim != 4 or images.shape[0] != times.size:
        raise InputError(
            f"images of shape {images.shape} for {times.size} scans",
            why="the images are stacked as (scan, z, y, x)",
            field="concentration",
        )
    if not np.all(np.isfinite(images)):
        bad = int(np.count_nonzero(~np.isfinite(images)))
        raise InputError(
            f"{bad} voxels are not finite numbers",
            why="they cannot be integrated",
            suggestion="mask or repair the image first",
            field="concentration",
        )
    if regions is not None and np.shape(regions) != images.shape[1:]:
        raise InputError(
            f"regions of shape {np.shape(regions)} on images of {images.shape[1:]}",
            why="labels must lie on the grid of the images",
            field="regions",
        )
    if noise is not None and np.any(np.asarray(noise, dtype=np.float64) <= 0.0):
        raise InputError("noise that is not positive", field="noise")
    if rate not in ("smoothed", "voxel"):
        raise InputError(f"rate {rate!r}", why="it is 'smoothed' or 'voxel'", field="rate")
    if uptake not in UPTAKES:
        raise InputError(f"uptake {uptake!r}", why="it is one of " + ", ".join(UPTAKES), field="uptake")
    if model not in (*MODELS, "auto"):
        _probe(model, times)
    return images


def _probe(model: str, times: np.ndarray) -> None:
    """Let fit_curve word the error about a model that is unknown or does not fit the number of scans."""
    values = np.linspace(1.0, 0.5, times.size)
    fit_curve(times, values, None, 100.0, 100.0, model, population_biological_half_life_h=50.0)


def _model_name(model: str, scans: int) -> str:
    if model != "auto":
        _probe(model, np.arange(1.0, scans + 1.0))
        return model
    return {1: "physical-decay", 2: "two-point"}.get(scans, "linear-exponential")


def _local_rates(
    fits: _RateMaps,
    images: np.ndarray,
    times: np.ndarray,
    tracer: float,
    name: str,
    sigma: np.ndarray | None,
    rate: str,
    voxel_size_mm: tuple[float, float, float] | None,
    smooth_fwhm_mm: float,
    flags: dict[str, int],
) -> None:
    """Rate and peak of every voxel from (smoothed) retention images."""
    width = np.zeros(3)
    if rate == "smoothed":
        size = np.asarray(voxel_size_mm or (smooth_fwhm_mm / 3.0,) * 3, dtype=np.float64)
        width = smooth_fwhm_mm * _FWHM_TO_SIGMA / size
        fits.notes.append(f"Clearance rate from images smoothed to {smooth_fwhm_mm:g} mm, amplitude per voxel.")
    else:
        fits.notes.append("Clearance rate of each voxel by itself: noisy, and biased by noise.")
    grow = np.exp(tracer * times)
    source = [gaussian_filter(im, width, mode="nearest") if rate == "smoothed" else im for im in images]
    # White noise through a Gaussian filter: variance divided by (4 pi)^(3/2) times the widths in voxels.
    damping = (4 * math.pi) ** -0.75 / math.sqrt(float(np.prod(width))) if rate == "smoothed" else 1.0
    floor = None if sigma is None else 3.0 * sigma * min(damping, 1.0) * grow
    sums = np.array([float(im.sum(dtype=np.float64)) for im in images]) * grow
    fallback = 0.0
    if np.all(sums > 0.0):
        weight = sums / grow
        fallback = _slope(times, np.log(sums)[:, None], weight[:, None])[0]

    flat_rate, flat_peak = fits.rate.reshape(-1), fits.peak.reshape(-1)
    flat = [im.reshape(-1) for im in source]
    for start in range(0, flat_rate.size, _CHUNK):
        part = slice(start, min(start + _CHUNK, flat_rate.size))
        u = np.stack([f[part].astype(np.float64) for f in flat]) * grow[:, None]
        if floor is not None:
            under = (u < floor[:, None]) & (u.max(axis=0) >= floor.min())
            flags["below_detection"] += int(np.count_nonzero(under.any(axis=0)))
            u = np.where(under, floor[:, None], u)
        peak = np.zeros(u.shape[1], dtype=np.uint8)
        if name == "linear-exponential":
            decay = np.exp(-tracer * times)[:, None]
            peak = np.minimum(np.argmax(u * decay, axis=0), times.size - 2).astype(np.uint8)
        usable = (u > 0.0) & (np.arange(times.size)[:, None] >= peak[None, :])
        weight = np.where(usable, u / grow[:, None], 0.0)
        slope = _slope(times, np.log(np.where(usable, u, 1.0)), weight)
        lost = np.count_nonzero(usable, axis=0) < 2
        flags["no_rate"] += int(np.count_nonzero(lost & (np.abs(u).max(axis=0) > 0.0)))
        slope[lost] = fallback
        flags["rising"] += int(np.count_nonzero((slope <= 0.0) & ~lost))
        flat_rate[part] = np.clip(slope, 0.0, FASTEST)
        flat_peak[part] = peak


def _slope(times: np.ndarray, log_u: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted log-linear clearance rate [1/h] of each column; 0 where the times do not spread."""
    total = weight.sum(axis=0)
    safe = np.where(total > 0.0, total, 1.0)
    mean_t = (weight * times[:, None]).sum(axis=0) / safe
    mean_u = (weight * log_u).sum(axis=0) / safe
    dt = times[:, None] - mean_t
    spread = (weight * dt**2).sum(axis=0)
    return -(weight * dt * (log_u - mean_u)).sum(axis=0) / np.where(spread > 0.0, spread, 1.0)


def _region_curve(sums, times, tracer, physical, model, uptake) -> Curve:
    """Curve of a summed activity, with its counting weights."""
    values = np.maximum(sums, 1e-12 * float(np.max(np.abs(sums))) if np.any(sums) else 1.0)
    relative = 1.0 / np.sqrt(values / values.max())
    return fit_curve(
        times,
        values,
        0.05 * values * relative,
        LN2 / tracer,
        LN2 / physical,
        model,
        quantity="tracer-activity",
        uptake=uptake,
    )


def _region_curves(images, regions, times, tracer, physical, model, uptake, notes) -> dict[int, Curve]:
    """One curve for each label whose summed activity is positive at the first scan."""
    labels = np.asarray(regions).reshape(-1)
    count = int(labels.max(initial=0)) + 1
    sums = np.stack([np.bincount(labels, weights=im.reshape(-1).astype(np.float64), minlength=count) for im in images])
    found = {}
    for label in range(1, count):
        if not np.any(labels == label):
            continue
        if np.any(sums[:, label] <= 0.0):
            notes.append(f"Region {label}: no positive activity at every scan; its voxels keep the local rate.")
            continue
        found[label] = _region_curve(sums[:, label], times, tracer, physical, model, uptake)
    notes.append(f"{len(found)} regions take one clearance rate each, that of their summed activity.")
    return found


def _integrate(
    images: np.ndarray,
    times: np.ndarray,
    tracer: float,
    physical: float,
    name: str,
    uptake: str,
    sigma: np.ndarray | None,
    fits: _RateMaps,
    regions: np.ndarray | None,
    curves: dict[int, Curve],
    flags: dict[str, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitude of each voxel for its rate, then the closed-form integral and tail."""
    size = fits.rate.size
    tia = np.empty(size)
    half_life = np.empty(size, dtype=np.float32)
    tail = np.empty(size, dtype=np.float32)
    flat = images.reshape(times.size, -1)
    labels = None if regions is None else np.asarray(regions).reshape(-1)
    rate, peak = fits.rate.reshape(-1), fits.peak.reshape(-1)
    for start in range(0, size, _CHUNK):
        part = slice(start, min(start + _CHUNK, size))
        c = flat[:, part].astype(np.float64)
        if name != "bi-exponential":
            tia[part], half_life[part], tail[part] = _one_rate(
                c, times, tracer, physical, name, uptake, sigma, rate[part].astype(np.float64), peak[part]
            )
        for label, curve in curves.items():
            here = np.ones(c.shape[1], dtype=bool) if label == 0 else labels[part] == label  # type: ignore[index]
            if not here.any():
                continue
            scale = curve.shape.unit(times, curve.rates) * np.exp((physical - tracer) * times)
            first_only = curve.model == "two-point" and CAPPED in curve.flags
            amplitude = _amplitude(c[:, here], scale[:, None], sigma, first_only)
            index = np.arange(part.start, part.stop)[here]
            tia[index] = amplitude * curve.shape.integral(1.0, curve.rates)[0]
            half_life[index] = curve.effective_half_life_h
            tail[index] = curve.extrapolated_fraction
    negative = tia < 0.0
    flags["clipped"] = int(np.count_nonzero(negative))
    tia[negative] = 0.0
    shape3 = images.shape[1:]
    return tia.reshape(shape3), half_life.reshape(shape3), tail.reshape(shape3)


def _one_rate(
    c: np.ndarray,
    times: np.ndarray,
    tracer: float,
    physical: float,
    name: str,
    uptake: str,
    sigma: np.ndarray | None,
    rate: np.ndarray,
    peak: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integral, effective half-life and tail share of voxels with one biological rate each."""
    slow = rate + physical
    grow = np.exp((physical - tracer) * times)[:, None]
    t = times[:, None]
    if name in ("mono-exponential", "physical-decay"):
        unit, whole = np.exp(-slow * t), 1.0 / slow
        tail = np.exp(-slow * times[-1])
    else:
        # per voxel the same closed forms as models.Shape, with the rate as an array
        rises = np.array([Shape("rise", physical, float(p), uptake).rise_integral() for p in times])
        top = times[peak]
        unit = np.exp(-slow * (t - top))
        if uptake == "instant":
            whole = np.exp(slow * top) / slow
        else:
            before = t / top * (np.exp(-physical * (t - top)) if uptake == "linear-retention" else 1.0)
            unit = np.where(t < top, before, unit)
            whole = rises[peak] + 1.0 / slow
        tail = np.exp(-slow * (times[-1] - top)) / slow / whole
    scale = unit * grow
    amplitude = _amplitude(c, scale, sigma, False)
    if name == "two-point":
        # the guard of the clinical two-point rule: a rising voxel rests on its first scan alone
        amplitude = np.where(rate > 0.0, amplitude, c[0] / scale[0])
    return amplitude * whole, LN2 / slow, tail


def _amplitude(c: np.ndarray, scale: np.ndarray, sigma: np.ndarray | None, first_only: bool) -> np.ndarray:
    """Best amplitude for known shapes: inverse-variance weights, or Poisson ones (ratio of sums)."""
    if first_only:
        return c[0] / scale[0]
    if sigma is None:
        return c.sum(axis=0) / scale.sum(axis=0)
    weight = scale / (sigma**2)[:, None]
    return (c * weight).sum(axis=0) / (scale * weight).sum(axis=0)
