"""Volume, mass, dose metrics and verdict of one lesion from a dose map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..grid import Grid
from .dvh import RegionDoses
from .record import LesionDose
from .verdict import BELOW, ELIGIBLE

#: Voxel metrics are shown as measured only for lesions wider than this many times the PET resolution
#: (Jentzen et al., J Nucl Med 57:1499, 2016, use the same rule for non-uniformity).
RESOLUTIONS_FOR_VOXEL_METRICS = 2.0


def summarise(
    dose_gy: np.ndarray,
    density_g_cm3: np.ndarray,
    mask: Any,
    grid: Grid,
    *,
    patient: str = "",
    visit: str = "",
    site: str = "",
    method: str = "mc",
    threshold_gy: float = 20.0,
    therapy_activity_gbq: float = math.nan,
    mc_sigma_gy: float = math.nan,
    relative_uncertainty: float = math.nan,
    dose_factor: float = 1.0,
    local_dose_gy: np.ndarray | None = None,
    resolution_mm: float | None = None,
    probability: float = math.nan,
    kinetics: Mapping[str, Any] | None = None,
    recovery: Mapping[str, Any] | None = None,
    uncertainty: Mapping[str, Any] | None = None,
    flags: Iterable[str] = (),
    bins: int = 200,
) -> LesionDose:
    """Volume, mass, dose metrics and verdict of one lesion.

    Parameters
    ----------
    dose_gy
        Dose for the therapy activity (nz, ny, nx) [Gy].
    density_g_cm3
        Mass density on the same grid [g/cm3].
    mask
        With ``name``, ``fraction`` (nz, ny, nx) in [0, 1] and, optionally, ``contour_volume_ml``.
    grid
        Geometry of all three.
    patient, visit, site, method
        Labels of the record.
    threshold_gy
        Mean dose that makes a lesion eligible [Gy].
    therapy_activity_gbq
        Activity that `dose_gy` stands for [GBq].
    mc_sigma_gy
        Standard error of the map's mean in this lesion, from batch totals [Gy]; 0 for methods without noise.
    relative_uncertainty
        Standard uncertainty of the measurement chain, without the Monte Carlo part, as a fraction of the
        dose; nan: none was computed, and the total is the Monte Carlo part alone (flagged).
    dose_factor
        Factor from the recovery correction of the lesion's activity, applied to the mean once.
    local_dose_gy
        Local deposition on the same grid, for comparison [Gy].
    resolution_mm
        PET resolution (FWHM) [mm]: lesions within twice that get "mean only".
    probability, kinetics, recovery, uncertainty, flags
        What the other steps found out about this lesion; kept and shown.
    bins
        Bins of the histogram.

    Raises
    ------
    InputError
        A lesion without volume on the grid, or a dose that is not finite in it.
    """
    name = str(mask.name)
    fraction = np.asarray(mask.fraction)
    if fraction.shape != grid.shape or dose_gy.shape != grid.shape or density_g_cm3.shape != grid.shape:
        raise ValueError(
            f"mask {fraction.shape}, dose {dose_gy.shape}, density {density_g_cm3.shape}: not the grid's {grid.shape}"
        )
    index = np.nonzero(fraction > 0)
    if index[0].size == 0:
        raise InputError(
            f"lesion {name!r} has no volume on the dose grid",
            why="its contour is empty, lies outside the images, or is far smaller than a voxel",
            suggestion="look at the contour over the PET/CT, or leave this lesion out of the case",
            field="lesions",
        )
    weight = fraction[index].astype(np.float64)
    dose = np.asarray(dose_gy[index], dtype=np.float64)
    if not np.isfinite(dose).all():
        raise InputError(
            f"the dose is undefined in {int((~np.isfinite(dose)).sum())} voxels of lesion {name!r}",
            why="a mean over them would be meaningless",
            suggestion="look for NaN in the images and in the kinetic fit",
            field="lesions",
        )
    mass = weight * np.asarray(density_g_cm3[index], dtype=np.float64) * grid.voxel_volume_ml
    mass_g, volume_ml = float(mass.sum()), float(weight.sum()) * grid.voxel_volume_ml
    if mass_g <= 0:
        raise InputError(
            f"lesion {name!r} has no mass",
            why="its voxels have zero density, so that no dose can be stated",
            suggestion="look at the CT and at the calibration of its Hounsfield units",
            field="lesions",
        )
    map_mean = float(dose @ mass) / mass_g
    mean = map_mean * dose_factor
    mc_sigma = mc_sigma_gy * dose_factor
    raised = list(flags)
    if math.isfinite(relative_uncertainty):
        parts = [relative_uncertainty * mean, mc_sigma if math.isfinite(mc_sigma) else 0.0]
        total_sigma = math.hypot(*parts)
        if not math.isfinite(mc_sigma):
            raised.append("Monte Carlo uncertainty not known: it is missing from the total")
    else:
        total_sigma = mc_sigma
        raised.append("uncertainty is the Monte Carlo part alone")
    diameter = (6.0 * volume_ml * 1e3 / math.pi) ** (1.0 / 3.0)
    metrics = "shown"
    if resolution_mm is not None and diameter <= RESOLUTIONS_FOR_VOXEL_METRICS * resolution_mm:
        metrics = "mean only"
        raised.append(
            f"within two PET resolutions ({diameter:.1f} mm against {resolution_mm:.1f} mm FWHM): mean dose only"
        )
    if dose_factor != 1.0 and metrics == "shown":
        raised.append("voxel metrics are those of the map without recovery correction")
    region = RegionDoses(dose, weight)
    spread = region.dose_at_volume(5) - region.dose_at_volume(95)
    local = math.nan
    if local_dose_gy is not None:
        local = float(np.asarray(local_dose_gy[index], dtype=np.float64) @ mass) / mass_g
    x, y, z = grid.index_to_xyz(np.array([axis @ weight for axis in index]) / weight.sum())
    contour = getattr(mask, "contour_volume_ml", None)
    return LesionDose(
        patient=patient,
        visit=visit,
        lesion=name,
        site=site,
        method=method,
        volume_ml=volume_ml,
        mass_g=mass_g,
        dose_gy=mean,
        dose_sigma_gy=total_sigma,
        dose_mc_sigma_gy=mc_sigma,
        dose_map_gy=map_mean,
        dose_factor=dose_factor,
        threshold_gy=threshold_gy,
        verdict=ELIGIBLE if mean >= threshold_gy else BELOW,
        borderline=bool(math.isfinite(total_sigma) and abs(mean - threshold_gy) <= total_sigma),
        probability=probability,
        therapy_activity_gbq=therapy_activity_gbq,
        ldpa_gy_per_gbq=mean / therapy_activity_gbq if therapy_activity_gbq > 0 else math.nan,
        min_gy=float(region.dose_gy[-1]),
        max_gy=float(region.dose_gy[0]),
        sd_gy=region.volume_sd(),
        d98_gy=region.dose_at_volume(98),
        d95_gy=region.dose_at_volume(95),
        d90_gy=region.dose_at_volume(90),
        d70_gy=region.dose_at_volume(70),
        d50_gy=region.dose_at_volume(50),
        d2_gy=region.dose_at_volume(2),
        v20gy_percent=region.volume_at_dose(20.0),
        vthreshold_percent=region.volume_at_dose(threshold_gy),
        uniformity=spread / map_mean if map_mean > 0 else math.nan,
        diameter_mm=diameter,
        density_g_cm3=mass_g / volume_ml,
        voxels=int(index[0].size),
        centroid_mm=(float(z), float(y), float(x)),
        voxel_metrics=metrics,
        dose_local_gy=local,
        contour_volume_ml=math.nan if contour is None else float(contour),
        flags=tuple(raised),
        dvh=region.histogram(bins),
        kinetics=dict(kinetics or {}),
        recovery=dict(recovery or {}),
        uncertainty=dict(uncertainty or {}),
    )


def with_uncertainty(
    lesion: LesionDose,
    relative_uncertainty: float,
    probability: float = math.nan,
    uncertainty: Mapping[str, Any] | None = None,
) -> LesionDose:
    """The same lesion with the total uncertainty of the measurement chain (without Monte Carlo) put in."""
    mc = lesion.dose_mc_sigma_gy if math.isfinite(lesion.dose_mc_sigma_gy) else 0.0
    sigma = math.hypot(relative_uncertainty * lesion.dose_gy, mc)
    return replace(
        lesion,
        dose_sigma_gy=sigma,
        borderline=abs(lesion.dose_gy - lesion.threshold_gy) <= sigma,
        probability=probability,
        uncertainty=dict(uncertainty or {}),
        flags=tuple(f for f in lesion.flags if f != "uncertainty is the Monte Carlo part alone"),
    )
