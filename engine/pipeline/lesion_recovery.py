"""The recovery model that a case requests, and the concentrations of a lesion corrected with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..case.model import Case
from ..case.recovery import Recovery
from ..grid import Grid
from ..imaging.pet.scanners import typical_resolution
from ..lesions.bounds import COLD, NO_RECOVERY, Bounds
from ..lesions.recovery import (
    LEAST_RECOVERY,
    Corrected,
    RecoveryModel,
    SphereRecovery,
    correct,
    sphere_diameter_mm,
)
from ..lesions.recovery_curve import curve_remarks, read_recovery_curve
from ..notes import CAUTION, CRITICAL, Note
from ..privacy import telling_name
from .lesion import Lesion
from .lesion_views import LesionView, PlacedRecovery
from .mask_recovery import MaskRecovery

#: Without a correction the dose of a lesion narrower than this many resolutions is a bound. At three resolutions a
#: sphere in a cold background still loses a third of its mean.
RESOLUTIONS_KNOWN = 3.0


@dataclass(frozen=True)
class Spill:
    """What it means for a lesion that its activity is not corrected for the resolution of the PET.

    Parameters
    ----------
    bounds
        Why its dose is only a bound.
    relative
        Relative standard uncertainty of a dose that is still an estimate.
    """

    bounds: Bounds = Bounds()
    relative: float = 0.0


def spill_of(tracer: str, volume_ml: float, measured: np.ndarray, background: np.ndarray) -> Spill:
    """What a missing correction does to one lesion.

    Parameters
    ----------
    tracer
        Nuclide of the scans.
    volume_ml
        Volume of the lesion [mL].
    measured, background
        Mean concentration in it and around it, each scan (n,) [Bq/mL].

    Returns
    -------
    Spill
        Bounds below :data:`RESOLUTIONS_KNOWN` typical resolutions: a lesion warmer than its surroundings loses
        activity to them, a colder one gains some; one that is warmer in one scan and colder in another does both.
        From there on the loss of the sphere of this volume, ``ln(1/RC)``, as an uncertainty.
    """
    fwhm = typical_resolution(tracer).fwhm_mm
    if float(sphere_diameter_mm(volume_ml)) >= RESOLUTIONS_KNOWN * fwhm:
        return Spill(relative=-math.log(SphereRecovery(fwhm).recovery(volume_ml)))
    warmer, colder = bool(np.any(measured >= background)), bool(np.any(measured < background))
    return Spill(Bounds((NO_RECOVERY,) if warmer else (), (COLD,) if colder else ()))


def recovery_remarks(
    case: Case, lower_bounds: Sequence[str], limited: Sequence[str], volumes_ml: Mapping[str, float]
) -> list[str]:
    """What a reader must know about the recovery of a visit's lesions.

    Parameters
    ----------
    case
        The case.
    lower_bounds
        Names of the lesions whose doses are lower bounds because nothing was corrected.
    limited
        Names of those whose coefficients were too small to be used.
    volumes_ml
        Volume of each lesion [mL], by name.
    """
    asked = case.recovery
    if asked is None:
        fwhm = typical_resolution(case.tracer.nuclide).fwhm_mm
        named = f" (here {', '.join(lower_bounds)})" if lower_bounds else ""
        text = (
            f"Not corrected for the resolution of the PET: doses of lesions below {RESOLUTIONS_KNOWN * fwhm:.0f} mm"
            f"{named} are lower bounds, and those of lesions colder than their surroundings upper bounds. Add "
            f"recovery: {{fwhm: ...}} to the case, the resolution of this PET for {case.tracer.nuclide} (typically "
            f"{fwhm:g} mm)."
        )
        return [Note(text, "no-recovery", CRITICAL)]
    remarks: list[str] = []
    if limited:
        text = (
            f"{', '.join(limited)}: the recovery coefficient is below {LEAST_RECOVERY:g}, smaller than any that a "
            f"phantom measures; the correction was limited to a factor of {1.0 / LEAST_RECOVERY:g}, and the dose is "
            "only a bound. Check the resolution in the case."
        )
        remarks.append(Note(text, "limited-recovery", CRITICAL))
    if asked.curve is not None:
        remarks += curve_remarks(read_recovery_curve(asked.curve), telling_name(asked.curve), volumes_ml)
    if asked.assumed:
        text = (
            f"Recovery with an assumed PET resolution of {asked.fwhm_mm:g} ± {asked.fwhm_sigma_mm:g} mm FWHM, typical "
            "of such scans and not measured; its uncertainty is in the budget as 'recovery curve'."
        )
        remarks.append(Note(text, "assumed-recovery", CAUTION))
    return remarks


def corrected_scans(
    asked: Recovery, grid: Grid, lesion: Lesion, views: Sequence[LesionView], limit: np.ndarray | None
) -> tuple[Corrected, RecoveryModel, np.ndarray | None]:
    """A lesion's concentrations after recovery, each scan by the lesion's mask on the voxels it was read from.

    Parameters
    ----------
    asked
        Resolution or phantom curve, as the case gives it.
    grid
        The dose grid.
    lesion
        The lesion.
    views
        The lesion in each scan.
    limit
        Detection limit in the mask at each scan [Bq/mL]; None without one.

    Returns
    -------
    (corrected, model, limit)
        Concentrations of all scans, with the first scan's coefficient; the first scan's model; the detection
        limit after correction [Bq/mL].
    """
    volume = float(np.asarray(lesion.fraction, dtype=np.float64).sum()) * grid.voxel_volume_ml
    models: list[RecoveryModel]
    if asked.fwhm_mm is None:
        assert asked.curve is not None
        models = [read_recovery_curve(asked.curve)] * len(views)
    else:
        models = [_by_resolution(asked.fwhm_mm, asked.fwhm_sigma_mm or 0.0, grid, lesion, view) for view in views]
    scans = [correct(v.mean, volume, model, v.background) for v, model in zip(views, models, strict=True)]
    whole = replace(
        scans[0],
        concentration=np.concatenate([scan.concentration for scan in scans]),
        factor=np.concatenate([scan.factor for scan in scans]),
        limited=any(scan.limited for scan in scans),
        flags=tuple(dict.fromkeys(text for scan in scans for text in scan.flags)),
    )
    if limit is None:
        return whole, models[0], None
    # a lesion just at the limit: B + k sigma seen, less the background's share, over the coefficient
    seen = zip(limit, models, views, strict=True)
    least = [float(correct(at, volume, model, view.background).concentration[0]) for at, model, view in seen]
    return whole, models[0], np.array(least)


def _by_resolution(fwhm_mm: float, sigma_mm: float, grid: Grid, lesion: Lesion, view: LesionView) -> MaskRecovery:
    """Recovery of the lesion's mask at a resolution [mm], on fine voxels where it has them."""
    if view.fine is not None:
        return PlacedRecovery(view, fwhm_mm, sigma_mm)
    return MaskRecovery(lesion.fraction, grid.spacing_mm, fwhm_mm, sigma_mm)
