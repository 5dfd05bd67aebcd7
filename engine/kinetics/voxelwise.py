"""Time-integrated activity voxel by voxel, without bias from image noise.

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

from ..errors import InputError
from ..text import counted
from .conversion import LN2, decay_constant, scan_times
from .curves import CAPPED, POPULATION, Curve, fit_curve
from .models import Shape, require_uptake
from .names import MODELS
from .one_scan import FAST_CLEARANCE, LATE_PEAK, ONE_SCAN
from .population import THYROID_METASTASES, Population
from .voxel_rates import CHUNK, RateMaps, Study, local_rates, smoothing_voxels

log = logging.getLogger(__name__)

#: What the curve of every voxel assumes, by the flag of the curve through one scan.
ONE_SCAN_NOTES = {
    ONE_SCAN: "Physical decay only: no biological clearance and immediate uptake assumed.",
    FAST_CLEARANCE: "Fastest plausible clearance and immediate uptake, which give the largest integral.",
    LATE_PEAK: "Linear rise to the latest plausible peak and no clearance, which give the largest integral.",
    POPULATION: "One scan: biological half-life taken from a population for every voxel.",
}


@dataclass(frozen=True, eq=False)
class VoxelKinetics:
    """Time-integrated activity map and how it came about.

    Attributes
    ----------
    tia_h
        Time-integrated activity concentration of the therapy nuclide, (nz, ny, nx) float64, in the unit of the
        images times hours [h]: Bq h/mL from images in Bq/mL; for an administered activity of the therapy nuclide equal
        to that of the tracer. Never negative.
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
    population: Population | None = None,
) -> VoxelKinetics:
    """Integrate serial tracer images into the time-integrated activity of the therapy nuclide.

    Parameters
    ----------
    times_h
        Scan times after administration [h], (nt,).
    concentration
        Tracer activity concentration, physical, true at each scan's time [Bq/mL]; (nt, nz, ny, nx), float32 or
        float64.
    tracer_half_life_h, therapy_half_life_h
        Physical half-lives [h]; the therapy nuclide is the tracer itself when not given.
    model
        ``"auto"`` (one scan: the upper bound of :func:`~hevesy.engine.kinetics.curves.fit_curve`; two: two-point;
        more: linear-exponential, or mono-exponential with ``"instant"`` uptake) or a model name.
        ``"bi-exponential"`` takes its two rates from each region, elsewhere from the whole image.
    noise
        Standard deviation of one voxel in each scan [Bq/mL], (nt,) or scalar. It weights the scans and sets
        the detection limit (3 sigma) of the rate; without it scans are weighted as counts are (Poisson).
    rate
        ``"smoothed"``: rate from images smoothed to ``smooth_fwhm_mm`` (default). ``"voxel"``: rate of each
        voxel by itself, noisy and biased, for comparison.
    regions
        Labels (nz, ny, nx), int32 or another integer, 0 for none: each label takes one rate, that of its summed
        activity, so that the map integrates to the lesion-wise result.
    voxel_size_mm
        (dz, dy, dx) [mm]; without it the smoothing is three voxels wide.
    smooth_fwhm_mm
        Width of the smoothing of the rate [mm].
    uptake
        Unseen phase before the first scan, see :func:`hevesy.engine.kinetics.curves.fit_curve`.
    population
        Spread of the biological half-life, for one scan; see :func:`hevesy.engine.kinetics.curves.fit_curve`.

    Returns
    -------
    VoxelKinetics
        The integral of each voxel, its effective half-life, and how both were obtained.

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
    images = _checked(concentration, times, regions, noise)
    _check_choices(model, rate, uptake, times)
    sigma = None if noise is None else np.broadcast_to(np.asarray(noise, dtype=np.float64), times.shape)
    study = Study(images, times, tracer, physical, _model_name(model, times.size, uptake), uptake, sigma)
    maps = RateMaps.empty(images.shape[1:])
    maps.flags["negative_input"] = int(np.count_nonzero((images < 0).any(axis=0)))

    if study.model in ("two-point", "linear-exponential", "mono-exponential"):
        if rate == "smoothed":
            maps.notes.append(f"Clearance rate from images smoothed to {smooth_fwhm_mm:g} mm, amplitude per voxel.")
        else:
            maps.notes.append("Clearance rate of each voxel by itself: noisy, and biased by noise.")
        local_rates(study, maps, smoothing_voxels(smooth_fwhm_mm, voxel_size_mm) if rate == "smoothed" else None)
    elif times.size > 1 and study.model == "physical-decay":
        maps.notes.append("Physical decay only: no biological clearance and immediate uptake assumed.")

    curves = _curves(study, model, regions, maps.notes, population)
    tia, half_life, tail = _integrate(study, maps, regions, curves)
    total = float(tia.sum())
    overall = float((tia * tail).sum()) / total if total > 0.0 else math.nan
    log.info("kinetics: %s, %d voxels, flags %s", study.model, tia.size, maps.flags)
    name = curves[0].model if times.size == 1 else study.model
    return VoxelKinetics(tia, half_life, tail, overall, name, maps.flags, maps.notes, curves)


def _checked(concentration: np.ndarray, times: np.ndarray, regions: np.ndarray | None, noise: object) -> np.ndarray:
    """The images as one array (nt, nz, ny, nx), after every check of the arrays."""
    images = np.asarray(concentration)
    if images.dtype not in (np.float32, np.float64):
        images = images.astype(np.float64)
    if images.ndim != 4 or images.shape[0] != times.size:
        raise InputError(
            f"images of shape {images.shape} for {counted(times.size, 'scan')}",
            why="the images are stacked as (scan, z, y, x)",
            field="concentration",
        )
    if not np.all(np.isfinite(images)):
        bad = int(np.count_nonzero(~np.isfinite(images)))
        raise InputError(
            f"{counted(bad, 'voxel', ('is not a finite number', 'are not finite numbers'))}",
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
    return images


def _check_choices(model: str, rate: str, uptake: str, times: np.ndarray) -> None:
    if rate not in ("smoothed", "voxel"):
        raise InputError(f"rate {rate!r}", why="it must be 'smoothed' or 'voxel'", field="rate")
    require_uptake(uptake)
    if model not in (*MODELS, "auto"):
        _probe(model, times)


def _probe(model: str, times: np.ndarray) -> None:
    """Let fit_curve word the error about a model that is unknown or does not fit the number of scans."""
    values = np.linspace(1.0, 0.99, times.size)
    fit_curve(times, values, None, 100.0, 100.0, model, population=THYROID_METASTASES)


def _model_name(model: str, scans: int, uptake: str) -> str:
    if model != "auto":
        _probe(model, np.arange(1.0, scans + 1.0))
        return model
    return {1: "physical-decay", 2: "two-point"}.get(
        scans, "mono-exponential" if uptake == "instant" else "linear-exponential"
    )


def _curves(
    study: Study, model: str, regions: np.ndarray | None, notes: list[str], population: Population | None
) -> dict[int, Curve]:
    """Curves that are fitted to sums: of each region, and as 0 of the whole image where voxels have no own rate."""
    curves: dict[int, Curve] = {}
    if study.times_h.size == 1:
        # its shape does not depend on the values, so it is the lesions' own
        curves[0] = _summed_curve(study, _whole(study), study.model, population)
        notes.append(ONE_SCAN_NOTES[curves[0].flags[0]])
        return curves
    if study.model == "bi-exponential":
        curves[0] = _summed_curve(study, _whole(study), model)
        notes.append("Outside the regions the rates are those of the whole image.")
    if regions is not None and study.model != "physical-decay":
        curves |= _region_curves(study, model, regions, notes)
    return curves


def _whole(study: Study) -> np.ndarray:
    """Summed activity of each scan (nt,)."""
    return np.asarray(study.images.reshape(study.times_h.size, -1).sum(axis=1, dtype=np.float64))


def _summed_curve(study: Study, sums: np.ndarray, model: str, population: Population | None = None) -> Curve:
    """Curve of a summed activity, with its counting weights."""
    values = np.maximum(sums, 1e-12 * float(np.max(np.abs(sums))) if np.any(sums) else 1.0)
    relative = 1.0 / np.sqrt(values / values.max())
    return fit_curve(
        study.times_h,
        values,
        0.05 * values * relative,
        LN2 / study.tracer,
        LN2 / study.physical,
        model,
        quantity="tracer-activity",
        uptake=study.uptake,
        population=population,
    )


def _region_curves(study: Study, model: str, regions: np.ndarray, notes: list[str]) -> dict[int, Curve]:
    """One curve for each label whose summed activity is positive at every scan."""
    labels = np.asarray(regions).reshape(-1)
    count = int(labels.max(initial=0)) + 1
    flat = (image.reshape(-1).astype(np.float64) for image in study.images)
    sums = np.stack([np.bincount(labels, weights=image, minlength=count) for image in flat])
    curves = {}
    for label in range(1, count):
        if not np.any(labels == label):
            continue
        if np.any(sums[:, label] <= 0.0):
            notes.append(f"Region {label}: no positive activity at every scan; its voxels use the local rate.")
            continue
        curves[label] = _summed_curve(study, sums[:, label], model)
    have = counted(len(curves), "region", ("has one clearance rate", "have one clearance rate each"))
    notes.append(f"{have}, that of the summed activity.")
    return curves


def _integrate(
    study: Study, maps: RateMaps, regions: np.ndarray | None, curves: dict[int, Curve]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitude of each voxel for its rate, then the closed-form integral and tail."""
    times = study.times_h
    size = maps.rate.size
    tia = np.empty(size)
    half_life = np.empty(size, dtype=np.float32)
    tail = np.empty(size, dtype=np.float32)
    flat = study.images.reshape(times.size, -1)
    labels = None if regions is None else np.asarray(regions).reshape(-1)
    rate, peak = maps.rate.reshape(-1), maps.peak.reshape(-1)
    for start in range(0, size, CHUNK):
        part = slice(start, min(start + CHUNK, size))
        c = flat[:, part].astype(np.float64)
        if 0 not in curves:
            tia[part], half_life[part], tail[part] = _one_rate(study, c, rate[part].astype(np.float64), peak[part])
        for label, curve in curves.items():
            here = np.ones(c.shape[1], dtype=bool) if label == 0 else labels[part] == label  # type: ignore[index]
            if not here.any():
                continue
            scale = curve.shape.unit(times, curve.rates) * np.exp((study.physical - study.tracer) * times)
            first_only = curve.model == "two-point" and CAPPED in curve.flags
            amplitude = _amplitude(c[:, here], scale[:, None], study.sigma, first_only)
            index = np.arange(part.start, part.stop)[here]
            tia[index] = amplitude * curve.shape.integral(1.0, curve.rates)[0]
            half_life[index] = curve.effective_half_life_h
            tail[index] = curve.extrapolated_fraction
    negative = tia < 0.0
    maps.flags["clipped"] = int(np.count_nonzero(negative))
    tia[negative] = 0.0
    shape = study.images.shape[1:]
    return tia.reshape(shape), half_life.reshape(shape), tail.reshape(shape)


def _one_rate(
    study: Study, c: np.ndarray, rate: np.ndarray, peak: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integral, effective half-life and tail share of voxels with one biological rate each.

    Parameters
    ----------
    study
        Times, decay constants and model.
    c
        Concentration of the voxels (nt, n) [Bq/mL].
    rate, peak
        Their biological rates [1/h] and peak scan indices, (n,).
    """
    times, physical = study.times_h, study.physical
    slow = rate + physical
    grow = np.exp((physical - study.tracer) * times)[:, None]
    t = times[:, None]
    if study.model in ("mono-exponential", "physical-decay"):
        unit, whole = np.exp(-slow * t), 1.0 / slow
        tail = np.exp(-slow * times[-1])
    else:
        # per voxel the same closed forms as models.Shape, with the rate as an array
        rises = np.array([Shape("rise", physical, float(p), study.uptake).rise_integral() for p in times])
        top = times[peak]
        unit = np.exp(-slow * (t - top))
        if study.uptake == "instant":
            whole = np.exp(slow * top) / slow
        else:
            before = t / top * (np.exp(-physical * (t - top)) if study.uptake == "linear-retention" else 1.0)
            unit = np.where(t < top, before, unit)
            whole = rises[peak] + 1.0 / slow
        tail = np.exp(-slow * (times[-1] - top)) / slow / whole
    scale = unit * grow
    amplitude = _amplitude(c, scale, study.sigma, False)
    if study.model == "two-point":
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
