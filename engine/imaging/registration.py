"""Alignment of serial PET/CT by their CTs: rigid, or deformable on request, the PET carried along.

The CT of the first scan stays; a later one is aligned to it (SimpleITK: Euler transform, mutual information
of Mattes et al., IEEE Trans Med Imaging 22 (2003) 120, several resolutions, masked to the body). A rigid
motion moves the voxel grid and leaves the values alone, so that the PET can be averaged over dose voxels by
overlap volume with its activity conserved, and a lesion can be read from the PET's own voxels.
docs/methods/registration.md has the choices and what they were measured to give.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..grid import Grid, Volume, to_sitk
from .resample import coverage, resample_conserving

if TYPE_CHECKING:
    import SimpleITK as sitk

log = logging.getLogger(__name__)

MODELS = ("none", "rigid", "deformable")
METRICS = ("mutual-information", "mean-squares")

#: Voxel size at which CTs are compared [mm]: averages noise away; the optimum is found to a tenth of it.
WORK_MM = 4.0
#: HU range that takes part: beyond it metal and air in the bowel would lead.
HU_RANGE = (-1000.0, 600.0)
#: HU above which a voxel may belong to the body.
BODY_HU = -400.0
#: CTs whose correlation in the body stays below this are not the same anatomy in one place.
LEAST_CORRELATION = 0.85
#: A turn beyond this [degrees] is no patient who lay down again. Shifts tell nothing: tables differ.
LARGEST_TURN_DEG = 20.0
#: Starting positions along the body: this far each way, in these steps [mm].
START_REACH_MM, START_STEP_MM = 200.0, 20.0
#: A starting position counts when this share of the shorter body is in both CTs.
LEAST_OVERLAP = 0.4
#: Distance of the control points of the deformable model [mm].
CONTROL_MM = 60.0
#: Share of the voxels, on every second plane each way, that the deformable model looks at.
SPLINE_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Deformation:
    """Displacements u(x) of the deformable part, on a coarse grid of the fixed image [mm].

    ``field`` is (3, nz, ny, nx), components along (x, y, z); a fixed point x corresponds to ``M (x + u(x))``.
    """

    grid: Grid
    field: np.ndarray

    def at(self, xyz_mm: np.ndarray) -> np.ndarray:
        """Displacement (..., 3) in (x, y, z) [mm] at fixed positions (..., 3); nearest value outside."""
        points = np.asarray(xyz_mm, float)
        index = self.grid.xyz_to_index(points.reshape(-1, 3)).T
        parts = [ndimage.map_coordinates(c, index, order=1, mode="nearest") for c in self.field]
        return np.stack(parts, axis=-1).reshape(points.shape)

    def expansion(self) -> np.ndarray:
        """Determinant of d(x + u)/dx (nz, ny, nx): volume in the moving image per volume in the fixed one."""
        dz, dy, dx = self.grid.spacing_mm
        jacobian = np.zeros((*self.grid.shape, 3, 3))
        cosines = np.asarray(self.grid.direction, float).reshape(3, 3)
        for row, component in enumerate(self.field):
            along = np.stack(np.gradient(component, dz, dy, dx)[::-1], axis=-1)  # along the grid's x, y, z axes
            jacobian[..., row, :] = along @ cosines.T
        return np.asarray(np.linalg.det(jacobian + np.eye(3)))


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one image lies against the fixed one.

    Attributes
    ----------
    model
        ``"none"``, ``"rigid"`` or ``"deformable"``.
    matrix
        4x4, fixed patient position (x, y, z, 1) to moving patient position [mm].
    deformation
        What the deformable model adds; None otherwise.
    translation_mm
        Motion of the body's centre (x, y, z) [mm].
    rotation_deg
        Angle of the rotation [degrees].
    correlation_before, correlation_after
        Correlation of the two CTs inside the body, in [-1, 1]; nan when they do not overlap.
    metric, metric_before, metric_after
        Name and value of the optimised metric (smaller is better); nan without an optimisation.
    notes, warnings
        What was done, and what a reader must look at.
    """

    model: str = "none"
    matrix: np.ndarray = field(default_factory=lambda: np.eye(4))
    deformation: Deformation | None = None
    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_deg: float = 0.0
    correlation_before: float = math.nan
    correlation_after: float = math.nan
    metric: str = ""
    metric_before: float = math.nan
    metric_after: float = math.nan
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether anything is moved."""
        return self.deformation is not None or not np.array_equal(self.matrix, np.eye(4))

    def to_moving(self, xyz_mm: np.ndarray) -> np.ndarray:
        """Moving positions (..., 3) of fixed positions (..., 3), (x, y, z) [mm]."""
        points = np.asarray(xyz_mm, float)
        if self.deformation is not None:
            points = points + self.deformation.at(points)
        return np.asarray(points @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def matrix_at(self, xyz_mm: np.ndarray | None = None) -> np.ndarray:
        """The rigid motion (4x4) near a fixed position; a deformation enters as its shift there."""
        if self.deformation is None or xyz_mm is None:
            return self.matrix
        local = np.eye(4)
        local[:3, 3] = self.deformation.at(np.asarray(xyz_mm, float))
        return np.asarray(self.matrix @ local)

    def place(self, grid: Grid, xyz_mm: np.ndarray | None = None) -> Grid:
        """A grid of the moving image as it lies in the fixed one (near a position, for a deformation)."""
        return grid.moved(np.linalg.inv(self.matrix_at(xyz_mm))) if self.moves else grid

    def carry(self, volume: Volume, grid: Grid) -> Volume:
        """The moving volume (a concentration or density) on ``grid`` of the fixed image.

        The integral over the region that both cover is conserved: exactly up to overlap volumes for a rigid
        motion, by the determinant of the deformation otherwise. float32 (nz, ny, nx).
        """
        placed = Volume(
            self.place(volume.grid), volume.values, volume.quantity, None, volume.source, list(volume.notes)
        )
        if self.deformation is None:
            return resample_conserving(placed, grid)
        values = _deformed(placed, grid, self.deformation)
        return Volume(grid, values, volume.quantity, None, volume.source, list(volume.notes))

    def to_dict(self) -> dict[str, Any]:
        """What tables and report show."""
        return {
            "model": self.model,
            "matrix": self.matrix.tolist(),
            "translation_mm": list(self.translation_mm),
            "rotation_deg": self.rotation_deg,
            "largest_deformation_mm": None
            if self.deformation is None
            else float(np.linalg.norm(self.deformation.field, axis=0).max()),
            "correlation_before": self.correlation_before,
            "correlation_after": self.correlation_after,
            "metric": self.metric,
            "metric_before": self.metric_before,
            "metric_after": self.metric_after,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def register(
    fixed: Volume,
    moving: Volume,
    model: str = "rigid",
    *,
    metric: str = "mutual-information",
    work_mm: float = WORK_MM,
    control_mm: float = CONTROL_MM,
) -> Alignment:
    """Align a CT to another of the same patient.

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
        The same each time: one thread, every voxel of the body sampled, parameters rounded to a
        nanometre.

    Raises
    ------
    InputError
        Unknown model or metric, no body in the fixed CT, or CTs that cannot be brought to overlap.
    """
    for value, known, name in ((model, MODELS, "model"), (metric, METRICS, "metric")):
        if value not in known:
            raise InputError(
                f"alignment {name} {value!r}",
                why="it is one of " + ", ".join(known),
                field=f"alignment.{name}",
            )
    still, body = _working(fixed, work_mm)
    other, other_body = _working(moving, work_mm)
    if not body.any():
        raise InputError(
            "there is no body in the CT that stays",
            why=f"no voxel lies above {BODY_HU:g} HU",
            suggestion="check that the CT is in Hounsfield units",
            file=fixed.source or None,
        )
    before = _correlation(still, body, other, Alignment())
    if model == "none":
        return Alignment(correlation_before=before, correlation_after=before, warnings=_judge(before))
    if not other_body.any():
        raise InputError(
            "there is no body in the CT to be aligned",
            why=f"no voxel lies above {BODY_HU:g} HU",
            suggestion="check that the CT is in Hounsfield units",
            file=moving.source or None,
        )
    return _optimise(still, body, other, other_body, model, metric, control_mm, before, moving.source)


def body_mask(hu: np.ndarray) -> np.ndarray:
    """The body in a CT (nz, ny, nx): the largest connected part above :data:`BODY_HU`, lungs and bowel filled.

    Slices are filled first, or thin chest walls would open; then one erosion, so that the table comes off.
    """
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in np.asarray(hu) > BODY_HU])
    labels, count = ndimage.label(ndimage.binary_erosion(filled))
    if count == 0:
        return np.zeros(filled.shape, bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_dilation(labels == int(sizes.argmax())) & filled)


def _working(ct: Volume, work_mm: float) -> tuple[Volume, np.ndarray]:
    """CT averaged to the working voxel size and clipped, and its body."""
    step = tuple(max(float(s), work_mm) for s in ct.grid.spacing_mm)
    grid = ct.grid
    if max(a / b for a, b in zip(step, ct.grid.spacing_mm, strict=True)) > 1.05:
        grid = ct.grid.with_spacing((step[0], step[1], step[2]))
    clipped = np.clip(np.asarray(ct.values, np.float32), *HU_RANGE)
    lifted = Volume(ct.grid, clipped - HU_RANGE[0], "HU+1000")
    # the last voxels reach beyond the CT: what they show is the mean of what is there, not of nothing
    covered = np.maximum(coverage(ct.grid, grid), 1e-6)
    values = (resample_conserving(lifted, grid).values / covered).astype(np.float32) + np.float32(HU_RANGE[0])
    return Volume(grid, values, "HU", source=ct.source), body_mask(values)


def _optimise(
    still: Volume,
    body: np.ndarray,
    other: Volume,
    other_body: np.ndarray,
    model: str,
    metric: str,
    control_mm: float,
    before: float,
    source: str,
) -> Alignment:
    import SimpleITK as sitk

    fixed, moving = to_sitk(still.grid, still.values), to_sitk(other.grid, other.values)
    mask = to_sitk(still.grid, ndimage.binary_dilation(body, iterations=2))
    centre = _centre(still.grid, body)
    start = _best_start(still, body, other, other_body)
    if start is None:
        raise InputError(
            "the CTs cannot be brought to overlap",
            why="no starting position shows the same anatomy in both",
            suggestion="check that both scans are of this patient, or align them beforehand and say "
            "alignment: {model: none}",
            file=source or None,
        )
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter([float(v) for v in centre])
    rigid.SetTranslation([float(v) for v in start])
    method = _method(sitk, metric, mask)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=200, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2.0 * max(still.grid.spacing_mm), max(still.grid.spacing_mm), 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(rigid, inPlace=True)
    at_start = _value(sitk, metric, mask, fixed, moving, sitk.Euler3DTransform())
    method.Execute(fixed, moving)
    rigid.SetParameters([round(p, 9 if i < 3 else 6) for i, p in enumerate(rigid.GetParameters())])
    matrix = _matrix(rigid)
    deformation = None
    whole: sitk.Transform = rigid
    if model == "deformable":
        spline = _splines(sitk, fixed, moving, mask, rigid, metric, control_mm)
        deformation = _sampled(sitk, spline, still.grid)
        whole = sitk.CompositeTransform([rigid, spline])
    shift = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
    angle = math.degrees(math.acos(float(np.clip((np.trace(matrix[:3, :3]) - 1.0) / 2.0, -1.0, 1.0))))
    bare = Alignment(model, matrix, deformation)
    after = _correlation(still, body, other, bare)
    warnings = list(_judge(after))
    if angle > LARGEST_TURN_DEG:
        warnings.append(f"the alignment turns the body by {angle:.0f} degrees: look at the overlay")
    if math.isfinite(before) and after < before - 0.002:
        warnings.append(f"the CTs agree less after the alignment (correlation {after:.3f}) than before ({before:.3f})")
    if deformation is not None and float(deformation.expansion().min()) <= 0.0:
        warnings.append("the deformation folds over itself somewhere: do not use it there")
    return Alignment(
        model=model,
        matrix=matrix,
        deformation=deformation,
        translation_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
        rotation_deg=angle,
        correlation_before=before,
        correlation_after=after,
        metric=metric,
        metric_before=at_start,
        metric_after=_value(sitk, metric, mask, fixed, moving, whole),
        notes=(_sentence(model, shift, angle, before, after, deformation),),
        warnings=tuple(warnings),
    )


def _sentence(
    model: str, shift: np.ndarray, angle: float, before: float, after: float, deformation: Deformation | None
) -> str:
    listed = ", ".join(f"{v:.1f}" for v in shift)
    text = (
        f"{model} alignment of the CTs moved the body's centre by ({listed}) mm (x, y, z) and turned it by "
        f"{angle:.2f} degrees"
    )
    if deformation is not None:
        text += f", with deformations up to {np.linalg.norm(deformation.field, axis=0).max():.1f} mm"
    was = f"{before:.3f}" if math.isfinite(before) else "none, no overlap"
    return text + f"; correlation inside the body {after:.3f} (before: {was})"


def _judge(correlation: float) -> tuple[str, ...]:
    if math.isfinite(correlation) and correlation >= LEAST_CORRELATION:
        return ()
    said = f"correlation {correlation:.2f}" if math.isfinite(correlation) else "no overlap"
    return (f"the CTs do not agree ({said}, at least {LEAST_CORRELATION:g} expected): look at the overlay",)


def _centre(grid: Grid, mask: np.ndarray) -> np.ndarray:
    return np.asarray(grid.index_to_xyz(np.array(ndimage.center_of_mass(mask))))


def _method(sitk: Any, metric: str, mask: Any, share: float | None = None) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in a fixed order: the same result each time
    if metric == "mutual-information":
        method.SetMetricAsMattesMutualInformation(48)
    else:
        method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(mask)
    if share is None:
        method.SetMetricSamplingStrategy(method.NONE)
    else:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(share, 1)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _value(sitk: Any, metric: str, mask: Any, fixed: Any, moving: Any, transform: Any) -> float:
    method = _method(sitk, metric, mask)
    method.SetInitialTransform(transform)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:  # no sample of the mask falls into the moving image
        return math.nan


def _best_start(still: Volume, body: np.ndarray, other: Volume, other_body: np.ndarray) -> np.ndarray | None:
    """Shift (x, y, z) [mm] to begin with; None where no position shows the same anatomy in both.

    The best of: as it lies, and the centres of the bodies together with shifts along the body, since two bodies
    seen over different lengths have centres that do not correspond. Judged by the correlation in what both show
    times the root of how much that is: a small overlap agrees easily.
    """
    centre, there = _centre(still.grid, body), _centre(other.grid, other_body)
    steps = [sign * z for z in np.arange(0.0, START_REACH_MM + 1.0, START_STEP_MM) for sign in (1, -1)]
    shifts = [np.zeros(3), *(there - centre + np.array([0.0, 0.0, z]) for z in steps)]
    near = ndimage.binary_dilation(body, iterations=2)
    thin = np.zeros_like(near)
    thin[::2, ::2, ::2] = near[::2, ::2, ::2]
    smaller = min(float(body.sum()), float(other_body.sum())) * (float(near.sum()) / float(body.sum())) / 8.0
    best: tuple[float, np.ndarray | None] = (0.0, None)
    for shift in shifts:
        matrix = np.eye(4)
        matrix[:3, 3] = shift
        correlation, count = _agreement(still, thin, other, Alignment("rigid", matrix))
        share = min(count / max(smaller, 1.0), 1.0)
        score = correlation * math.sqrt(share) if share >= LEAST_OVERLAP and correlation > 0 else 0.0
        if score > best[0]:
            best = (score, shift)
    return best[1]


def _matrix(transform: Any) -> np.ndarray:
    matrix = np.eye(4)
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix[:3, :3] = turn
    matrix[:3, 3] = centre + shift - turn @ centre
    return matrix


def _splines(sitk: Any, fixed: Any, moving: Any, mask: Any, rigid: Any, metric: str, control_mm: float) -> Any:
    """Cubic B-splines on top of the rigid motion."""
    extent = [n * s for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    mesh = [max(int(round(e / control_mm)), 2) for e in extent]
    spline = sitk.BSplineTransformInitializer(fixed, mesh, 3)
    method = _method(sitk, metric, mask, SPLINE_SHARE)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-6, numberOfIterations=50, maximumNumberOfCorrections=8)
    method.SetShrinkFactorsPerLevel([2])
    method.SetSmoothingSigmasPerLevel([0.5 * float(max(fixed.GetSpacing()))])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.Execute(fixed, moving)
    return spline


def _sampled(sitk: Any, spline: Any, grid: Grid) -> Deformation:
    """The displacement of the spline on the working grid, rounded to a nanometre."""
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


def _correlation(still: Volume, body: np.ndarray, other: Volume, alignment: Alignment) -> float:
    """Correlation of the CTs in the body, where the moving one covers at least a tenth of it; else nan."""
    correlation, count = _agreement(still, body, other, alignment)
    return correlation if count >= max(0.1 * np.count_nonzero(body), 8) else math.nan


def _agreement(still: Volume, mask: np.ndarray, other: Volume, alignment: Alignment) -> tuple[float, int]:
    """Correlation of the CTs over the part of a mask that the moving one covers, and its voxels."""
    index = np.argwhere(mask)
    points = alignment.to_moving(still.grid.index_to_xyz(index))
    there = other.grid.xyz_to_index(points)
    inside = np.all((there >= -0.5) & (there <= np.array(other.grid.shape) - 0.5), axis=1)
    count = int(np.count_nonzero(inside))
    if count < 8:
        return math.nan, count
    seen = ndimage.map_coordinates(other.values, there[inside].T, order=1, mode="nearest")
    kept = still.values[tuple(index[inside].T)]
    if np.ptp(seen) < 1e-6 or np.ptp(kept) < 1e-6:  # a uniform block: nothing to compare but equality
        return (1.0 if abs(float(seen.mean() - kept.mean())) < 1.0 else 0.0), count
    return float(np.corrcoef(seen, kept)[0, 1]), count


def _deformed(volume: Volume, grid: Grid, deformation: Deformation) -> np.ndarray:
    """Mean over 2 x 2 x 2 sub-points of each voxel of ``C(x + u) |d(x + u)/dx|``: activity is conserved."""
    expansion = deformation.expansion()
    values = np.asarray(volume.values, np.float64)
    out = np.zeros(grid.shape)
    halves = [np.array(h) / 2.0 - 0.25 for h in np.ndindex(2, 2, 2)]
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in grid.shape), indexing="ij")
    centres = np.stack([z.ravel(), y.ravel(), x.ravel()], -1)
    for half in halves:
        points = grid.index_to_xyz(centres + half)
        stretch = ndimage.map_coordinates(expansion, deformation.grid.xyz_to_index(points).T, order=1, mode="nearest")
        there = volume.grid.xyz_to_index(points + deformation.at(points))
        inside = np.all((there >= -0.5) & (there <= np.array(volume.grid.shape) - 0.5), axis=1)
        seen = ndimage.map_coordinates(values, there.T, order=1, mode="nearest")
        out += np.where(inside, seen * stretch, 0.0).reshape(grid.shape) / len(halves)
    return out.astype(np.float32)
