"""From serial scans to numbers of decays: voxel by voxel for the transport, lesion by lesion for tables."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..case.model import Case
from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..errors import InputError
from ..grid import Grid
from ..kinetics.capped import TYPICAL_SCAN_ERROR
from ..kinetics.conversion import contradictions
from ..kinetics.curves import LARGEST, NO_BOUND, Curve, fit_curve
from ..kinetics.voxelwise import VoxelKinetics, voxel_tia
from ..lesions.bounds import (
    BELOW_DETECTION,
    FIRST_MISPLACED,
    LATE_SCAN,
    LIMITED,
    MISPLACED,
    NO_RECOVERY,
    ONE_SCAN,
    SMALL,
    UNRESOLVED,
    Bounds,
)
from ..lesions.recovery import Corrected, RecoveryModel
from ..notes import CRITICAL, Note
from ..nuclides.decay import nuclide
from ..text import counted
from .displacement import Displacement, displacements
from .emission import emission_notes
from .kinetic_remarks import kinetic_remarks, unseen_uptake, uptake_of
from .lesion import FineMask, Lesion
from .lesion_density import density_slope, lesion_density
from .lesion_recovery import Spill, corrected_scans, recovery_remarks, spill_of
from .lesion_views import LesionView, lesion_views
from .scans import VisitImages

log = logging.getLogger(__name__)


@dataclass
class LesionActivity:
    """What the scans show of one lesion.

    Parameters
    ----------
    lesion
        The lesion.
    volume_ml
        Its volume there [mL].
    density_g_cm3
        Density of the lesion itself, without what its edge voxels share with the surroundings [g/cm3].
    density_in_outline_g_cm3
        Mean density of the voxels in its mask [g/cm3].
    density_slope
        d ln(density) / d ln(volume): how that density follows an error of the contour.
    measured, background
        Mean concentration in the mask, and around it, at each scan [Bq/mL].
    corrected
        Recovery-corrected concentration and its coefficient; None when the case asks for no recovery.
    model
        The recovery model, for the uncertainty chain.
    curve
        Time-activity curve of the (corrected) retention.
    map_tia_h, true_tia_h, background_tia_h
        Time integral of the mean concentration per administered activity: of the voxel map in the mask, of
        the corrected curve, and of the background [h/mL].
    detection_bq_ml
        Concentration in the mask below which the lesion is not seen, at each scan [Bq/mL]; None when the
        case asks for no limit or there is no background to tell.
    noise_relative
        Relative standard deviation of the lesion's activity above its background from image noise, each scan.
    displaced
        How far its activity lies from its outline in later scans.
    bounds
        Why its dose is only a bound; empty where it is an estimate.
    spill_relative
        Relative standard uncertainty from a loss of activity that is not corrected for.
    flags
        Remarks for the reader.
    contradictions
        Those of them by which the scans contradict themselves.
    """

    lesion: Lesion
    volume_ml: float
    density_g_cm3: float
    density_in_outline_g_cm3: float
    measured: np.ndarray
    background: np.ndarray
    corrected: Corrected | None
    model: RecoveryModel | None
    curve: Curve
    map_tia_h: float
    true_tia_h: float
    background_tia_h: float
    detection_bq_ml: np.ndarray | None = None
    density_slope: float = 0.0
    noise_relative: np.ndarray = field(default_factory=lambda: np.zeros(1))
    displaced: Displacement = field(default_factory=lambda: Displacement(np.zeros(0), np.zeros(1)))
    bounds: Bounds = Bounds()
    spill_relative: float = 0.0
    flags: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the lesion."""
        return self.lesion.name

    @property
    def mass_g(self) -> float:
        """Mass of the lesion itself [g]: its density times its volume, whatever is corrected for in the PET."""
        return self.density_g_cm3 * self.volume_ml

    @property
    def fraction(self) -> np.ndarray:
        """Volume fractions of the lesion on the dose grid (nz, ny, nx)."""
        return self.lesion.fraction

    @property
    def recovery(self) -> float:
        """Recovery coefficient (1 without a correction)."""
        return 1.0 if self.corrected is None else float(self.corrected.recovery)


@dataclass
class VisitActivity:
    """Decays of the therapy nuclide on the dose grid, and the lesions' curves.

    Parameters
    ----------
    tia_bq_h_ml
        Time-integrated activity concentration for the therapy activity (nz, ny, nx), float64 [Bq h/mL].
    decays
        Decays in each voxel (nz, ny, nx), float64.
    voxels
        The voxel-wise kinetics.
    lesions
        One record a lesion.
    assumptions
        What was assumed, one sentence each.
    """

    tia_bq_h_ml: np.ndarray
    decays: np.ndarray
    voxels: VoxelKinetics
    lesions: list[LesionActivity]
    assumptions: list[str]

    @property
    def total_decays(self) -> float:
        """Decays in the whole grid."""
        return float(self.decays.sum())


def integrate(case: Case, images: VisitImages) -> VisitActivity:
    """Integrate a visit's scans into decays of the therapy nuclide for the therapy activity.

    Parameters
    ----------
    case
        The case.
    images
        The visit on its dose grid.

    Returns
    -------
    VisitActivity
        Decays per voxel, and the curves of the lesions.

    Raises
    ------
    InputError
        A kinetic model that the scans cannot give, or no activity at all.
    """
    ratio = case.therapy.activity_mbq / images.tracer_activity_mbq
    voxels = voxel_tia(
        images.times_h,
        images.concentration,
        *half_lives_h(case),
        model=case.kinetics.model,
        regions=_labels(images.lesions, images.grid),
        voxel_size_mm=images.grid.spacing_mm,
        uptake=uptake_of(case),
        population=case.population,
    )
    notes = [*emission_notes(case), *voxels.notes, *kinetic_remarks(case, images, voxels)]
    tia = voxels.tia_h * ratio
    air = images.density < NO_DOSE_BELOW_G_CM3
    lost = float(tia[air].sum())
    total = float(tia.sum())
    if not total > 0:
        raise InputError(
            f"the PET of visit '{images.visit.name}' holds no activity on the dose grid",
            why="without decays there is no dose",
            suggestion="check the PET's units and that it overlaps the CT",
            field="visits.scans.pet",
        )
    if lost:
        tia = np.where(air, 0.0, tia)
        notes.append(
            f"Activity in air (density below {NO_DOSE_BELOW_G_CM3:g} g/cm3, {100 * lost / total:.2g} % of the total) "
            "was taken as noise or spill-out and left out."
        )
    fwhm = case.recovery.fwhm_mm if case.recovery is not None else None
    views = [lesion_views(images, lesion, fwhm) for lesion in images.lesions]
    lesions = [
        _lesion(case, images, lesion, voxels, seen, displaced)
        for lesion, seen, displaced in zip(images.lesions, views, displacements(views), strict=True)
    ]
    notes += _bound_notes(lesions)
    uncorrected = [lesion.name for lesion in lesions if NO_RECOVERY in lesion.bounds.lower]
    limited = [lesion.name for lesion in lesions if LIMITED in lesion.bounds.reasons]
    notes += recovery_remarks(case, uncorrected, limited, {one.name: one.volume_ml for one in lesions})
    seconds_ml = 3600.0 * images.grid.voxel_volume_ml
    return VisitActivity(tia, tia * seconds_ml, voxels, lesions, notes)


def _labels(lesions: Sequence[Lesion], grid: Grid) -> np.ndarray:
    """Integer map of the lesion that holds most of each voxel (0: none): its rate is the lesion's.

    A target inside an organ keeps its voxels.
    """
    best = np.zeros(grid.shape, dtype=np.float32)
    labels = np.zeros(grid.shape, dtype=np.int32)
    for number, lesion in sorted(enumerate(lesions, 1), key=lambda pair: pair[1].mask.role != "target"):
        more = lesion.fraction > best
        best[more] = lesion.fraction[more]
        labels[more] = number
    return labels


def _lesion(
    case: Case,
    images: VisitImages,
    lesion: Lesion,
    voxels: VoxelKinetics,
    views: list[LesionView],
    displaced: Displacement,
) -> LesionActivity:
    weight = np.asarray(lesion.fraction, dtype=np.float64)
    where = weight > 0
    share = weight[where] / weight[where].sum()
    volume = float(weight.sum()) * images.grid.voxel_volume_ml
    measured = np.array([view.mean for view in views], dtype=np.float64)
    background = np.array([view.background for view in views])
    limit = _detection_limit(case, views)
    corrected = model = None
    concentration, detectable = measured, limit
    if case.recovery is not None:
        corrected, model, detectable = corrected_scans(case.recovery, images.grid, lesion, views, limit)
        concentration = corrected.concentration
    spill = Spill() if corrected is not None else spill_of(case.tracer.nuclide, volume, measured, background)
    administered = images.tracer_activity_mbq * 1e6
    to_share = volume / administered
    noise = _noise(views, 0.0 if corrected is None else corrected.recovery)
    errors = scan_errors(case, noise, displaced.missed)
    limits = None if detectable is None else detectable * to_share
    curve, odd = _fit(case, images.times_h, concentration * to_share, errors, limits)
    flat = _curve(case, images.times_h, np.maximum(background, 1e-12), None, None)
    flags = [*(() if corrected is None else corrected.flags), *odd]
    flags += [text for text in (*curve.flags, *unseen_uptake(curve)) if text not in flags]
    return LesionActivity(
        lesion=lesion,
        volume_ml=volume,
        density_g_cm3=lesion_density(weight, images.density),
        density_in_outline_g_cm3=float(images.density[where] @ share),
        density_slope=_density_slope(images, lesion),
        measured=measured,
        background=background,
        corrected=corrected,
        model=model,
        curve=curve,
        map_tia_h=float(np.asarray(voxels.tia_h)[where] @ share) / administered,
        true_tia_h=curve.tia_coefficient_h / volume,
        background_tia_h=float(flat.tia_coefficient_h) / administered,
        detection_bq_ml=limit,
        noise_relative=noise,
        displaced=displaced,
        bounds=_bounds(corrected, curve, spill, displaced),
        spill_relative=spill.relative,
        flags=flags,
        contradictions=odd,
    )


def _bounds(corrected: Corrected | None, curve: Curve, spill: Spill, displaced: Displacement) -> Bounds:
    """Why the lesion's dose is only a bound."""
    lower = [SMALL] if corrected is not None and corrected.lower_bound else []
    unknown = [FIRST_MISPLACED] if displaced.misplaced and displaced.first else []
    if displaced.misplaced and not displaced.first:
        lower.append(MISPLACED)
    if curve.relative_sigma(TYPICAL_SCAN_ERROR) > MOST_CLEARANCE_ERROR:
        unknown.append(UNRESOLVED)
    upper = [BELOW_DETECTION] if curve.below_detection else []
    if corrected is not None and corrected.limited:
        # a factor above 1 raises what is warmer than its surroundings, and lowers what is colder
        lower += [LIMITED] if np.any(corrected.factor >= 1.0) else []
        upper += [LIMITED] if not np.all(corrected.factor >= 1.0) else []
    if curve.unmeasured:
        upper.append(ONE_SCAN if curve.unmeasured == LARGEST else LATE_SCAN)
    if curve.unmeasured == NO_BOUND:
        lower.append(LATE_SCAN)
    return Bounds((*lower, *spill.bounds.lower), (*upper, *spill.bounds.upper), tuple(unknown))


def _bound_notes(lesions: Sequence[LesionActivity]) -> list[Note]:
    """What makes doses of a visit bounds, or worse, beyond what one scan and a missing recovery do; critical."""
    notes = []
    for reason in (MISPLACED, FIRST_MISPLACED, UNRESOLVED):
        names = [one.name for one in lesions if reason in one.bounds.reasons]
        if names:
            text = f"{', '.join(names)}: {reason}. No probability is stated for {counted(len(names), 'lesion')}."
            notes.append(Note(text, weight=CRITICAL))
    return notes


#: Error of the integral, for scans of the usual error, beyond which the clearance is not known.
MOST_CLEARANCE_ERROR = 0.5


def _density_slope(images: VisitImages, lesion: Lesion) -> float:
    """How the lesion's density follows its mask, on the voxels around it."""
    box = Grid.bounding_box(lesion.fraction, 3)
    near = images.grid.cropped(box)
    fine = lesion.fine or FineMask(np.asarray(lesion.fraction, dtype=np.float64)[box], near)
    return density_slope(fine.fraction, fine.grid, images.density[box], near)


#: Noise is stated as a share of the activity above background; where there is next to none, at most this.
MOST_NOISE = 1.0


def _noise(views: list[LesionView], recovery_coefficient: float) -> np.ndarray:
    """Image noise of each scan relative to the activity that counts: C - (1 - RC) B with a recovery, else C."""
    noise = []
    for view in views:
        spill = (1.0 - recovery_coefficient) * view.background if recovery_coefficient else 0.0
        net = view.mean - spill
        noise.append(min(view.noise_sigma / net, MOST_NOISE) if net > 0.0 else MOST_NOISE)
    return np.array(noise)


def scan_errors(case: Case, noise_relative: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """Random relative error of each scan: what the case states (registration, scanner), noise, and displacement."""
    return np.asarray(np.sqrt(case.uncertainty.per_scan**2 + noise_relative**2 + missed**2))


def _fit(
    case: Case, times: np.ndarray, fraction: np.ndarray, relative: np.ndarray, limit: np.ndarray | None
) -> tuple[Curve, list[str]]:
    """The lesion's curve, and what in its values contradicts itself."""
    sigma = np.maximum(np.abs(fraction), 1e-12) * np.maximum(relative, 1e-6)
    try:
        curve = _curve(case, times, fraction, sigma, limit)
    except InputError as error:
        error.field = error.field or "kinetics.model"
        raise
    retained = fraction * np.exp(nuclide(case.tracer.nuclide).decay_constant_per_h * times)
    return curve, contradictions(times, retained, retained * relative)


def half_lives_h(case: Case) -> tuple[float, float]:
    """Half-lives of tracer and therapy nuclide [h]."""
    return nuclide(case.tracer.nuclide).half_life_h, nuclide(case.therapy.nuclide).half_life_h


def _curve(
    case: Case, times: np.ndarray, activity: np.ndarray, sigma: np.ndarray | None, limit: np.ndarray | None
) -> Curve:
    """The case's kinetic model through tracer activities at the scan times."""
    return fit_curve(
        times,
        activity,
        sigma,
        *half_lives_h(case),
        model=case.kinetics.model,
        quantity="tracer-activity",
        detection_limit=limit,
        uptake=uptake_of(case),
        population=case.population,
    )


def _detection_limit(case: Case, views: list[LesionView]) -> np.ndarray | None:
    """Background plus k standard deviations of a lesion-sized mean of it, each scan [Bq/mL] (Currie 1968)."""
    k = case.kinetics.detection_sigmas
    if not k:
        return None
    limit = np.array([view.background + k * view.background_sigma for view in views])
    return limit if np.all(limit > 0) else None
