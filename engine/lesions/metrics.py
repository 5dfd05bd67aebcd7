"""Volume, mass, dose metrics and verdict of one lesion from a dose map."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import InputError
from ..grid import Grid
from ..text import counted
from .bounds import ESTIMATE, Bounds
from .dvh import RegionDoses
from .judge import lesion_verdict
from .parts import Kinetics, Recovery, UncertaintyBudget
from .record import TARGET, LesionDose
from .recovery import sphere_diameter_mm

#: Voxel metrics are shown as measured only for lesions wider than this many times the PET resolution
#: (Jentzen et al., J Nucl Med 57:1499, 2016, use the same rule for non-uniformity).
RESOLUTIONS_FOR_VOXEL_METRICS = 2.0
#: Remark of a lesion whose measurement chain gave no uncertainty.
MONTE_CARLO_ALONE = "uncertainty is the Monte Carlo part alone"


class LesionMask(Protocol):
    """A lesion on the dose grid; `site`, `contour_volume_ml`, `role` and `limit_gy` are optional."""

    @property
    def name(self) -> str:
        """Name of the lesion."""

    @property
    def fraction(self) -> np.ndarray:
        """Share of each voxel inside it (nz, ny, nx), 0 to 1."""


@dataclass(frozen=True)
class DoseMaps:
    """The maps that a lesion's dose is read from, all on one grid.

    Parameters
    ----------
    dose_gy
        Dose for the therapy activity (nz, ny, nx), float64 [Gy].
    density_g_cm3
        Mass density (nz, ny, nx), float32 or float64 [g/cm3].
    grid
        Their geometry.
    local_dose_gy
        Local deposition, for comparison (nz, ny, nx), float64 [Gy].
    """

    dose_gy: np.ndarray
    density_g_cm3: np.ndarray
    grid: Grid
    local_dose_gy: np.ndarray | None = None


@dataclass(frozen=True)
class DoseContext:
    """What the doses of one visit are for.

    Parameters
    ----------
    patient, visit, method
        Labels of the record.
    threshold_gy
        Mean dose that makes a lesion eligible [Gy]; NaN: no verdict is asked for.
    therapy_activity_gbq
        Activity that the dose map is for [GBq].
    resolution_mm
        PET resolution (FWHM) [mm]: lesions within twice that get "mean only".
    """

    patient: str = ""
    visit: str = ""
    method: str = "mc"
    threshold_gy: float = field(kw_only=True)
    therapy_activity_gbq: float = math.nan
    resolution_mm: float | None = None


@dataclass(frozen=True)
class MeanDoseErrors:
    """Standard uncertainties of a lesion's mean dose.

    Parameters
    ----------
    mc_standard_error_gy
        Standard error of the map's mean in this lesion, from batch totals [Gy]; 0 for methods without noise.
    chain_relative
        Relative standard uncertainty of the measurement chain, without the Monte Carlo part; NaN: none was
        computed, and the total is the Monte Carlo part alone (flagged).
    """

    mc_standard_error_gy: float = math.nan
    chain_relative: float = math.nan


@dataclass(frozen=True)
class LesionParts:
    """What other steps report on a lesion; shown beside its dose."""

    kinetics: Kinetics = field(default_factory=Kinetics)
    recovery: Recovery = field(default_factory=Recovery)
    uncertainty: UncertaintyBudget = field(default_factory=UncertaintyBudget)
    bounds: Bounds = ESTIMATE
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Voxels:
    """The voxels of a lesion: indices, volume weights, doses [Gy] and masses [g], (n,) each; the lesion's mass [g]."""

    index: tuple[np.ndarray, ...]
    weight: np.ndarray
    dose_gy: np.ndarray
    mass_g: np.ndarray
    lesion_g: float

    def mass_mean(self, values: np.ndarray) -> float:
        """Mass-weighted mean of values of these voxels (n,)."""
        return float(values @ self.mass_g) / float(self.mass_g.sum())

    @property
    def per_mass(self) -> float:
        """Mass in the mask over that of the lesion: a mean dose is the energy in the mask over the lesion's mass."""
        return float(self.mass_g.sum()) / self.lesion_g

    def map_mean(self, dose_gy: np.ndarray | None) -> float:
        """Mean dose by a map (nz, ny, nx) [Gy]; NaN without one."""
        if dose_gy is None:
            return math.nan
        return self.mass_mean(np.asarray(dose_gy[self.index], dtype=np.float64)) * self.per_mass


def summarise(
    maps: DoseMaps,
    mask: LesionMask,
    context: DoseContext,
    *,
    errors: MeanDoseErrors | None = None,
    recovery_dose_factor: float = 1.0,
    parts: LesionParts | None = None,
    density_g_cm3: float | None = None,
    bins: int = 200,
) -> LesionDose:
    """Volume, mass, dose metrics and verdict of one lesion.

    Parameters
    ----------
    maps
        Dose, density and grid.
    mask
        With ``name``, ``fraction`` (nz, ny, nx) in [0, 1] and, optionally, ``site`` and ``contour_volume_ml``.
    context
        Patient, visit, threshold and activity.
    errors
        Uncertainties of the mean; unknown when not given.
    recovery_dose_factor
        Factor from the recovery correction of the lesion's activity, applied to the mean once.
    parts
        What the other steps report on this lesion.
    density_g_cm3
        Density of the lesion itself [g/cm3], which its mass and its mean doses are stated for; by default the mean
        in the mask, whose edge voxels hold some of the surroundings.
    bins
        Bins of the histogram.

    Returns
    -------
    LesionDose
        The lesion's record.

    Raises
    ------
    InputError
        A lesion without volume on the grid, or a dose that is not finite in it.
    """
    errors, parts = errors or MeanDoseErrors(), parts or LesionParts()
    voxels = _voxels(maps, mask, density_g_cm3)
    volume_ml = float(voxels.weight.sum()) * maps.grid.voxel_volume_ml
    mass_g, map_mean = voxels.lesion_g, voxels.map_mean(maps.dose_gy)
    mean = map_mean * recovery_dose_factor
    mc_error = errors.mc_standard_error_gy * voxels.per_mass * recovery_dose_factor
    uncertainty, remarks = _combined(mean, mc_error, errors.chain_relative)
    diameter = float(sphere_diameter_mm(volume_ml))
    resolved, unresolved_remarks = _resolved(diameter, context.resolution_mm)
    flags = [*parts.flags, *remarks, *unresolved_remarks]
    if recovery_dose_factor != 1.0 and resolved:
        flags.append("voxel metrics are those of the map without recovery correction")
    region = RegionDoses(voxels.dose_gy, voxels.weight)
    contour = getattr(mask, "contour_volume_ml", None)
    activity = context.therapy_activity_gbq
    return LesionDose(
        patient=context.patient,
        visit=context.visit,
        lesion=str(mask.name),
        site=str(getattr(mask, "site", "") or ""),
        method=context.method,
        volume_ml=volume_ml,
        mass_g=mass_g,
        dose_gy=mean,
        dose_uncertainty_gy=uncertainty,
        dose_mc_standard_error_gy=mc_error,
        dose_map_gy=map_mean,
        recovery_dose_factor=recovery_dose_factor,
        threshold_gy=context.threshold_gy,
        **_judged(mask, context, parts.bounds, mean, uncertainty, known=math.isfinite(errors.chain_relative)),
        therapy_activity_gbq=activity,
        ldpa_gy_per_gbq=mean / activity if activity > 0 else math.nan,
        **_metrics(region, voxels.mass_mean(voxels.dose_gy), context.threshold_gy),
        diameter_mm=diameter,
        density_g_cm3=mass_g / volume_ml,
        voxels=int(voxels.weight.size),
        centroid_mm=_centroid(voxels, maps.grid),
        voxel_metrics="shown" if resolved else "mean only",
        dose_local_gy=voxels.map_mean(maps.local_dose_gy),
        contour_volume_ml=math.nan if contour is None else float(contour),
        flags=tuple(flags),
        dvh=region.histogram(bins),
        kinetics=parts.kinetics,
        recovery=parts.recovery,
        uncertainty=parts.uncertainty,
    )


def _judged(
    mask: LesionMask, context: DoseContext, bounds: Bounds, mean_gy: float, uncertainty_gy: float, *, known: bool
) -> dict[str, Any]:
    """What the judge says of the lesion, by the names of the record; `known`: there is an uncertainty budget."""
    role, limit = str(getattr(mask, "role", TARGET)), getattr(mask, "limit_gy", None)
    asked = role == TARGET and math.isfinite(context.threshold_gy)
    relative = uncertainty_gy / mean_gy if mean_gy > 0 and math.isfinite(uncertainty_gy) else 0.0
    # where no verdict is asked for, only the interval counts
    found = lesion_verdict(mean_gy, relative, context.threshold_gy if asked else 1.0, bounds, budget=known)
    return {
        "verdict": found.verdict if asked else "",
        "undecided": asked and not found.decided,
        "probability": found.probability if asked else math.nan,
        "interval_low_gy": found.low_gy,
        "interval_high_gy": found.high_gy,
        "bounds": bounds,
        "role": role,
        "limit_gy": math.nan if limit is None else float(limit),
    }


def _voxels(maps: DoseMaps, mask: LesionMask, density_g_cm3: float | None) -> _Voxels:
    """The lesion's voxels, checked."""
    name, grid = str(mask.name), maps.grid
    fraction = np.asarray(mask.fraction)
    if fraction.shape != grid.shape or maps.dose_gy.shape != grid.shape or maps.density_g_cm3.shape != grid.shape:
        raise ValueError(
            f"mask {fraction.shape}, dose {maps.dose_gy.shape}, density {maps.density_g_cm3.shape}: "
            f"not the grid's {grid.shape}"
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
    dose = np.asarray(maps.dose_gy[index], dtype=np.float64)
    if not np.isfinite(dose).all():
        raise InputError(
            f"the dose is undefined in {counted(int((~np.isfinite(dose)).sum()), 'voxel')} of lesion {name!r}",
            why="a mean over them would be meaningless",
            suggestion="look for NaN in the images and in the kinetic fit",
            field="lesions",
        )
    mass = weight * np.asarray(maps.density_g_cm3[index], dtype=np.float64) * grid.voxel_volume_ml
    if float(mass.sum()) <= 0:
        raise InputError(
            f"lesion {name!r} has no mass",
            why="its voxels have zero density, so that no dose can be stated",
            suggestion="look at the CT and at the calibration of its Hounsfield units",
            field="lesions",
        )
    own = float(mass.sum())
    if density_g_cm3 is not None:
        own = density_g_cm3 * float(weight.sum()) * maps.grid.voxel_volume_ml
    return _Voxels(index, weight, dose, mass, own)


def _combined(mean_gy: float, mc_error_gy: float, chain_relative: float) -> tuple[float, list[str]]:
    """Combined standard uncertainty of the mean [Gy], and what to remark about it."""
    if not math.isfinite(chain_relative):
        return mc_error_gy, [MONTE_CARLO_ALONE]
    if not math.isfinite(mc_error_gy):
        remark = "Monte Carlo uncertainty not known: it is missing from the total"
        return math.hypot(chain_relative * mean_gy, 0.0), [remark]
    return math.hypot(chain_relative * mean_gy, mc_error_gy), []


def _resolved(diameter_mm: float, resolution_mm: float | None) -> tuple[bool, list[str]]:
    """Whether the PET resolves the lesion well enough for voxel metrics, and the remark where it does not."""
    if resolution_mm is not None and diameter_mm <= RESOLUTIONS_FOR_VOXEL_METRICS * resolution_mm:
        widths = f"({diameter_mm:.1f} mm against {resolution_mm:.1f} mm FWHM)"
        return False, [f"within two PET resolutions {widths}: mean dose only"]
    return True, []


def _metrics(region: RegionDoses, map_mean_gy: float, threshold_gy: float) -> dict[str, Any]:
    """Metrics of the voxel doses, by the names of the record."""
    spread = region.dose_at_volume(5) - region.dose_at_volume(95)
    return {
        "min_gy": float(region.dose_gy[-1]),
        "max_gy": float(region.dose_gy[0]),
        "sd_gy": region.volume_sd(),
        **{f"d{percent}_gy": region.dose_at_volume(percent) for percent in (98, 95, 90, 70, 50, 2)},
        "v20gy_percent": region.volume_at_dose(20.0),
        "vthreshold_percent": region.volume_at_dose(threshold_gy),
        "uniformity": spread / map_mean_gy if map_mean_gy > 0 else math.nan,
    }


def _centroid(voxels: _Voxels, grid: Grid) -> tuple[float, float, float]:
    """Centre of the mask (z, y, x), LPS [mm]."""
    x, y, z = grid.index_to_xyz(np.array([axis @ voxels.weight for axis in voxels.index]) / voxels.weight.sum())
    return float(z), float(y), float(x)
