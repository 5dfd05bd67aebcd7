"""Registration of serial PET/CT by their CTs: rigid, or deformable on request.

The CT of the first scan is fixed; a later one is registered to it (SimpleITK: Euler transform, mutual information
of Mattes et al., IEEE Trans Med Imaging 22 (2003) 120, several resolutions, masked to the body).
docs/methods/registration.md explains the choices and their measured accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..grid import Grid, Volume, to_sitk
from .agreement import BODY_HU, WorkingCT, agreement, correlation, disagreement
from .alignment import Alignment, Deformation

if TYPE_CHECKING:
    import SimpleITK as sitk

MODELS = ("none", "rigid", "deformable")
METRICS = ("mutual-information", "mean-squares")

#: Voxel size at which CTs are compared [mm]: averages noise away; the optimum is found to a tenth of it.
WORK_MM = 4.0
#: Larger rotations [degrees] are implausible for a repositioned patient. Translations are not tested: table
#: positions differ.
LARGEST_TURN_DEG = 20.0
#: Starting positions along the body: this far each way, in these steps [mm].
START_REACH_MM, START_STEP_MM = 200.0, 20.0
#: A starting position is considered when this share of the shorter body is in both CTs.
LEAST_OVERLAP = 0.4
#: Distance of the control points of the deformable model [mm].
CONTROL_MM = 60.0
#: Share of the voxels, on every second plane each way, that the deformable model samples.
SPLINE_SHARE = 0.2


def register(
    fixed: Volume,
    moving: Volume,
    model: str = "rigid",
    *,
    metric: str = "mutual-information",
    work_mm: float = WORK_MM,
    control_mm: float = CONTROL_MM,
) -> Alignment:
    """Register a CT to another of the same patient.

    Parameters
    ----------
    fixed, moving
        CTs [HU].
    model
        ``"none"`` (quality only), ``"rigid"`` or ``"deformable"`` (a rigid motion, then cubic B-splines).
    metric
        ``"mutual-information"`` (scanners and tube voltages may differ) or ``"mean-squares"``.
    work_mm
        Voxel size at which the CTs are compared [mm]; finer voxels are averaged first.
    control_mm
        Distance of the B-spline control points [mm].

    Returns
    -------
    Alignment
        Reproducible: one thread, every voxel of the body sampled, parameters rounded to a
        nanometre.

    Raises
    ------
    InputError
        Unknown model or metric, no body in the fixed CT, or CTs without a common region.
    """
    for value, known, name in ((model, MODELS, "model"), (metric, METRICS, "metric")):
        if value not in known:
            raise InputError(
                f"unknown alignment {name} {value!r}",
                why="it must be one of " + ", ".join(known),
                field=f"alignment.{name}",
            )
    still, other = WorkingCT.of(fixed, work_mm), WorkingCT.of(moving, work_mm)
    _require_body(still, "fixed")
    before = correlation(still, other, Alignment())
    if model == "none":
        return Alignment(correlation_before=before, correlation_after=before, warnings=disagreement(before))
    _require_body(other, "moving")
    return _optimise(_Pair(still, other, metric), model, control_mm, before)


def _require_body(working: WorkingCT, which: str) -> None:
    if not working.body.any():
        raise InputError(
            f"there is no body in the {which} CT",
            why=f"no voxel lies above {BODY_HU:g} HU",
            suggestion="check that the CT is in Hounsfield units",
            file=working.ct.source or None,
        )


@dataclass(frozen=True, eq=False)
class _Pair:
    """The two CTs as the optimiser sees them, and the metric that it compares them with."""

    still: WorkingCT
    other: WorkingCT
    metric: str

    @cached_property
    def fixed(self) -> sitk.Image:
        return to_sitk(self.still.ct.grid, self.still.ct.values)

    @cached_property
    def moving(self) -> sitk.Image:
        return to_sitk(self.other.ct.grid, self.other.ct.values)

    @cached_property
    def mask(self) -> sitk.Image:
        return to_sitk(self.still.ct.grid, self.still.body_and_skin)

    def method(self, share: float | None = None) -> sitk.ImageRegistrationMethod:
        """A registration with the metric and the body mask; ``share`` of the voxels sampled, all by default."""
        import SimpleITK as sitk

        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)  # sums in a fixed order: the same result each time
        if self.metric == "mutual-information":
            method.SetMetricAsMattesMutualInformation(48)
        else:
            method.SetMetricAsMeanSquares()
        method.SetMetricFixedMask(self.mask)
        if share is None:
            method.SetMetricSamplingStrategy(method.NONE)
        else:
            method.SetMetricSamplingStrategy(method.REGULAR)
            method.SetMetricSamplingPercentage(share, 1)
        method.SetInterpolator(sitk.sitkLinear)
        return method

    def value(self, transform: sitk.Transform) -> float:
        """The metric at a transform (smaller is better); nan where the images do not meet."""
        method = self.method()
        method.SetInitialTransform(transform)
        try:
            return float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:  # no sample of the mask falls into the moving image
            return math.nan


def _optimise(pair: _Pair, model: str, control_mm: float, before: float) -> Alignment:
    """Find the motion, and report it with the quality before and after."""
    import SimpleITK as sitk

    start = _best_start(pair.still, pair.other)
    if start is None:
        raise InputError(
            "the CTs cannot be registered",
            why="no starting position shows the same anatomy in both",
            suggestion="check that both scans are of this patient, or register them beforehand and state "
            "alignment: {model: none}",
            file=pair.other.ct.source or None,
        )
    at_start = pair.value(sitk.Euler3DTransform())
    rigid = _rigid(pair, start)
    matrix, deformation = _matrix(rigid), None
    whole: sitk.Transform = rigid
    if model == "deformable":
        spline = _splines(pair, rigid, control_mm)
        deformation = _sampled(spline, pair.still.ct.grid)
        whole = sitk.CompositeTransform([rigid, spline])
    centre = pair.still.centre_xyz_mm
    shift = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
    angle = math.degrees(math.acos(float(np.clip((np.trace(matrix[:3, :3]) - 1.0) / 2.0, -1.0, 1.0))))
    after = correlation(pair.still, pair.other, Alignment(model, matrix, deformation))
    return Alignment(
        model=model,
        matrix=matrix,
        deformation=deformation,
        translation_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
        rotation_deg=angle,
        correlation_before=before,
        correlation_after=after,
        metric=pair.metric,
        metric_before=at_start,
        metric_after=pair.value(whole),
        notes=(_sentence(model, shift, angle, before, after, deformation),),
        warnings=_doubts(angle, before, after, deformation),
    )


def _doubts(angle: float, before: float, after: float, deformation: Deformation | None) -> tuple[str, ...]:
    """Warnings: an implausible motion, CTs that do not agree, a deformation that folds."""
    warnings = list(disagreement(after))
    if angle > LARGEST_TURN_DEG:
        warnings.append(f"the registration rotates the body by {angle:.0f} degrees: look at the overlay")
    if math.isfinite(before) and after < before - 0.002:
        warnings.append(f"the CTs agree less after registration (correlation {after:.3f}) than before ({before:.3f})")
    if deformation is not None and float(deformation.expansion().min()) <= 0.0:
        warnings.append("the deformation folds over itself somewhere: do not use it there")
    return tuple(warnings)


def _sentence(
    model: str, shift: np.ndarray, angle: float, before: float, after: float, deformation: Deformation | None
) -> str:
    listed = ", ".join(f"{v:.1f}" for v in shift)
    text = (
        f"{model} registration of the CTs moved the body's centre by ({listed}) mm (x, y, z) and rotated it by "
        f"{angle:.2f} degrees"
    )
    if deformation is not None:
        text += f", with deformations up to {deformation.largest_mm:.1f} mm"
    was = f"{before:.3f}" if math.isfinite(before) else "none, no overlap"
    return text + f"; correlation inside the body {after:.3f} (before: {was})"


def _best_start(fixed: WorkingCT, moving: WorkingCT) -> np.ndarray | None:
    """Starting shift (x, y, z) [mm]; None where no position shows the same anatomy in both.

    The best of no shift, and of the centres of the bodies superposed with shifts along the body, since two bodies
    seen over different lengths have centres that do not correspond. The score is the correlation
    in the common region times the square root of its size, since a small overlap correlates easily.
    """
    between = moving.centre_xyz_mm - fixed.centre_xyz_mm
    steps = [sign * z for z in np.arange(0.0, START_REACH_MM + 1.0, START_STEP_MM) for sign in (1, -1)]
    shifts = [np.zeros(3), *(between + np.array([0.0, 0.0, z]) for z in steps)]
    near, body = fixed.body_and_skin, float(fixed.body.sum())
    thin = np.zeros_like(near)
    thin[::2, ::2, ::2] = near[::2, ::2, ::2]
    smaller = min(body, float(moving.body.sum())) * (float(near.sum()) / body) / 8.0
    best: tuple[float, np.ndarray | None] = (0.0, None)
    for shift in shifts:
        matrix = np.eye(4)
        matrix[:3, 3] = shift
        value, count = agreement(fixed.ct, thin, moving.ct, Alignment("rigid", matrix))
        share = min(count / max(smaller, 1.0), 1.0)
        score = value * math.sqrt(share) if share >= LEAST_OVERLAP and value > 0 else 0.0
        if score > best[0]:
            best = (score, shift)
    return best[1]


def _rigid(pair: _Pair, start: np.ndarray) -> sitk.Euler3DTransform:
    """The rigid motion with the best metric, from a starting shift (x, y, z) [mm]."""
    import SimpleITK as sitk

    rigid = sitk.Euler3DTransform()
    rigid.SetCenter([float(v) for v in pair.still.centre_xyz_mm])
    rigid.SetTranslation([float(v) for v in start])
    voxel_mm = max(pair.still.ct.grid.spacing_mm)
    method = pair.method()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=200, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2.0 * voxel_mm, voxel_mm, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(rigid, inPlace=True)
    method.Execute(pair.fixed, pair.moving)
    rigid.SetParameters([round(p, 9 if i < 3 else 6) for i, p in enumerate(rigid.GetParameters())])
    return rigid


def _matrix(transform: sitk.Euler3DTransform) -> np.ndarray:
    matrix = np.eye(4)
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix[:3, :3] = turn
    matrix[:3, 3] = centre + shift - turn @ centre
    return matrix


def _splines(pair: _Pair, rigid: sitk.Euler3DTransform, control_mm: float) -> sitk.BSplineTransform:
    """Cubic B-splines on top of the rigid motion."""
    import SimpleITK as sitk

    fixed = pair.fixed
    extent = [n * s for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    mesh = [max(int(round(e / control_mm)), 2) for e in extent]
    spline = sitk.BSplineTransformInitializer(fixed, mesh, 3)
    method = pair.method(SPLINE_SHARE)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-6, numberOfIterations=50, maximumNumberOfCorrections=8)
    method.SetShrinkFactorsPerLevel([2])
    method.SetSmoothingSigmasPerLevel([0.5 * float(max(fixed.GetSpacing()))])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    with _one_thread():
        method.Execute(fixed, pair.moving)
    return spline


@contextmanager
def _one_thread() -> Iterator[None]:
    """SimpleITK on one thread: a registration's own setting does not reach the sums over a spline's control points."""
    import SimpleITK as sitk

    former = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(former)


def _sampled(spline: sitk.BSplineTransform, grid: Grid) -> Deformation:
    """The displacement of the spline on the working grid, rounded to a nanometre."""
    import SimpleITK as sitk

    nz, ny, nx = grid.shape
    image = to_sitk(grid, np.zeros(grid.shape, np.uint8))
    filtered = sitk.TransformToDisplacementField(
        spline,
        sitk.sitkVectorFloat64,
        (nx, ny, nz),
        image.GetOrigin(),
        image.GetSpacing(),
        image.GetDirection(),
    )
    field_xyz = sitk.GetArrayFromImage(filtered)  # (nz, ny, nx, 3), components x, y, z
    return Deformation(grid, np.ascontiguousarray(np.round(np.moveaxis(field_xyz, -1, 0), 6)))
