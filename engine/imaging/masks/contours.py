"""Closed planar contours to volume fractions of voxels.

Each contour plane represents a slab. Inside a plane, contours are combined as ``regions`` says. A slab reaches half way
to its neighbours where they are the next slices; at an end, or beside slices without a contour, it is as thick as a
slice of the image that the contours were drawn on. Where a few slices are left out and what is on both sides belongs
together, both sides are extended to the middle; across more, the pieces stay apart.

The area of a pixel that lies inside is found from horizontal lines through it, exact along each line; along the
plane normal the overlap of slab and voxel is exact. Sum of fractions times voxel volume therefore
reproduces the contour volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical
from ...notes import CAUTION, NOTE, Note
from ...same import SAME_PLANE_MM, SAME_SLICE
from ...text import counted
from ..resample import average, overlap_matrix
from .regions import Region, area_fractions, combined, common_area, is_speck, near_pairs, winding_area

#: Planes further apart than this many plane distances bound a gap, not a thick slab.
GAP = 1.5
#: Slices are left out inside one lesion over at most this length [mm], or this many slice distances: over more, two
#: contours may as well be two lesions. A radiotherapist draws every second to fifth slice of a fine CT.
BRIDGED_MM, BRIDGED_SLICES = 10.0, 3.0
#: Contours on both sides of slices that were left out belong together where they share this part of the smaller one.
LINKED = 0.1
#: Plane distances differ by less than this share where a structure was drawn on every n-th slice; this share of them.
REGULAR, MOSTLY = 0.1, 0.75
#: A hole larger than this share of what surrounds it is said: two drawings of one lesion, one inside the other.
LARGE_HOLE = 0.5
#: Points of the fine grid that contours are drawn on where they are oblique to the image [memory].
MOST_POINTS = 2e8


#: Distance of the slices along a normal, and the size of their pixels [mm]; None where they are not known.
Measures = Callable[[np.ndarray], tuple[float | None, float | None]]


@dataclass
class Plane:
    """Contours of one plane: ``place`` along the normal [mm], what they enclose, ``thickness`` of its slab [mm]."""

    place: float
    region: Region
    thickness: float = 0.0


def group_planes(
    contours: Sequence[np.ndarray],
    name: str,
    file: object,
    xor: bool = False,
    measures: Measures | None = None,
) -> tuple[list[Plane], np.ndarray, list[Note]]:
    """Sort contours of one lesion into parallel planes, without thickness yet.

    Parameters
    ----------
    contours
        Each (n, 3): points (x, y, z) [mm].
    name, file
        For messages.
    xor
        Whether their type is CLOSEDPLANAR_XOR.
    measures
        Gives the distance of the slices along a normal and the size of their pixels [mm]; None where not known.

    Returns
    -------
    (planes, frame, notes)
        Planes in order; the in-plane and normal unit vectors as rows of a (3, 3) array (u, v, n); remarks.

    Raises
    ------
    InputError
        Contours that are not planar or not parallel, or that cancel each other.
    """
    normal = _common_normal(contours)
    u = np.eye(3)[int(np.argmin(np.abs(normal)))] if np.max(np.abs(normal)) < 0.999 else None
    if u is None:  # axial, coronal or sagittal: keep to the patient axes
        n = int(np.argmax(np.abs(normal)))
        normal = np.eye(3)[n]
        frame = np.array([np.eye(3)[(n + 1) % 3], np.eye(3)[(n + 2) % 3], normal])
    else:
        u = u - (u @ normal) * normal
        u /= np.linalg.norm(u)
        frame = np.array([u, np.cross(normal, u), normal])
    slice_mm, pixel_mm = measures(normal) if measures is not None else (None, None)
    drawn: list[tuple[float, np.ndarray]] = []
    specks = 0
    for points in contours:
        local = points @ frame.T
        place = float(local[:, 2].mean())
        if np.ptp(local[:, 2]) > 2.0 * SAME_PLANE_MM:
            raise InputError(
                f"a contour of lesion {name!r} is not planar or not parallel to the others "
                f"(points spread {np.ptp(local[:, 2]):.2g} mm across its plane)",
                why="closed planar contours in parallel planes are needed",
                suggestion="export the structure again, or give a label map",
                file=file,
            )
        if is_speck(local):
            specks += 1
        else:
            drawn.append((place, local[:, :2]))
    planes = [
        Plane(place, combined(polygons, xor, pixel_mm or 0.0)) for place, polygons in _sorted_by_plane(drawn, slice_mm)
    ]
    notes = _remarks([plane.region for plane in planes], name, file, xor)
    if specks:
        text = counted(specks, "contour", ("is", "are"))
        text += f" no wider than {SAME_PLANE_MM:g} mm and left out: a stray click encloses nothing"
        notes.append(Note(f"lesion {name!r}: {text}", weight=CAUTION))
    return planes, frame, notes


def _sorted_by_plane(
    drawn: Sequence[tuple[float, np.ndarray]], slice_mm: float | None
) -> list[tuple[float, list[np.ndarray]]]:
    """Contours by plane, in order: those of one slice lie together, at the place of the largest of them.

    Contours are of one slice within a share of its distance, where their planes are then a slice apart; else within
    the rounding of their places.
    """
    if not drawn:
        return []
    order = sorted(drawn, key=lambda one: one[0])
    groups = _runs(order, SAME_PLANE_MM)
    if slice_mm:
        wide = _runs(order, max(SAME_SLICE * slice_mm, SAME_PLANE_MM))
        if all(b[0][0] - a[-1][0] > 0.5 * slice_mm for a, b in zip(wide, wide[1:], strict=False)):
            groups = wide
    out = []
    for group in groups:
        place, _ = max(group, key=lambda one: winding_area(one[1]))
        out.append((place, [polygon for _, polygon in group]))
    return out


def _runs(order: Sequence[tuple[float, np.ndarray]], within: float) -> list[list[tuple[float, np.ndarray]]]:
    """Contours in order of their places, parted where one is farther from the first of its run than this [mm]."""
    runs: list[list[tuple[float, np.ndarray]]] = []
    for one in order:
        if runs and one[0] - runs[-1][0][0] <= within:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _remarks(regions: Sequence[Region], name: str, file: object, xor: bool) -> list[Note]:
    """How contours of a plane were combined, where it is not as one would think."""
    repeated, crossing, twisted, second = (
        sum(getattr(r, key) for r in regions) for key in ("repeated", "crossing", "twisted", "second")
    )
    if xor and repeated:
        raise InputError(
            f"{counted(repeated, 'contour')} of lesion {name!r} {'is' if repeated == 1 else 'are'} stored twice",
            why="their type is CLOSEDPLANAR_XOR, by which two identical contours cancel each other",
            suggestion="export the structure again, with each contour once",
            file=file,
            field="ContourGeometricType",
        )
    notes = []
    if repeated:
        text = counted(repeated, "contour", ("is stored twice and counts", "are stored twice and count"))
        notes.append(Note(f"lesion {name!r}: {text} once", weight=CAUTION))
    if crossing:
        notes.append(
            Note(f"lesion {name!r}: {crossing} contours cross another of their plane; they were united", weight=CAUTION)
        )
    if second:
        text = counted(second, "contour", ("runs", "run"))
        text += " less than half a pixel beside another of the plane all the way, as a second drawing of it: united"
        notes.append(Note(f"lesion {name!r}: {text}", weight=CAUTION))
    if twisted:
        text = counted(twisted, "contour", ("crosses itself; it was", "cross themselves; they were"))
        notes.append(Note(f"lesion {name!r}: {text} filled by the even-odd rule", weight=CAUTION))
    whole = sum(r.area_mm2 for r in regions)
    outer = sum(max(r.area_mm2, *(Region((p,)).area_mm2 for p in r.polygons)) for r in regions if len(r.polygons) > 1)
    filled = outer + sum(r.area_mm2 for r in regions if len(r.polygons) == 1)
    if filled > 0.0 and 1.0 - whole / filled > LARGE_HOLE:
        text = f"holes take {100.0 * (1.0 - whole / filled):.0f} % of what its outer contours enclose"
        notes.append(Note(f"lesion {name!r}: {text}", weight=CAUTION))
    return notes


def _common_normal(contours: Sequence[np.ndarray]) -> np.ndarray:
    """Unit normal of the largest contour (Newell's rule), in the sense of increasing patient coordinate."""
    best = np.zeros(3)
    for points in contours:
        local = points - points[0]
        normal = np.cross(local, np.roll(local, -1, axis=0)).sum(axis=0)
        if np.linalg.norm(normal) > np.linalg.norm(best):
            best = normal
    length = np.linalg.norm(best)
    if length == 0.0:
        return np.array([0.0, 0.0, 1.0])
    best = best / length
    return best * np.sign(best[int(np.argmax(np.abs(best)))])


def set_thickness(planes: list[Plane], slice_mm: float | None, otherwise_mm: float, name: str) -> list[Note]:
    """Give each plane its slab, and add slabs where slices were left out inside the lesion.

    Parameters
    ----------
    planes
        In order; slabs are added to the list.
    slice_mm
        Distance of the slices that they were drawn on [mm]; None where the file does not tell.
    otherwise_mm
        Thickness of lone planes without it [mm].
    name
        Of the lesion.

    Returns
    -------
    list of Note
        What was taken, where the planes leave it open.
    """
    places = np.array([plane.place for plane in planes])
    gaps = np.diff(places)
    step, notes = _slice_distance(planes, gaps, slice_mm, otherwise_mm, name)
    wide = gaps > GAP * step
    ends = [min(step, max(float(gap), slice_mm or step)) for gap in (*gaps[:1], *gaps[-1:])] or [step, step]
    before = [0.5 * ends[0], *(0.5 * (step if far else gap) for gap, far in zip(gaps, wide, strict=True))]
    behind = [*before[1:], 0.5 * ends[1]]
    left: list[float] = []
    bridged: list[float] = []
    for i in np.flatnonzero(wide).tolist():
        low, high = planes[i], planes[i + 1]
        pairs = _linked(low.region, high.region) if gaps[i] <= _reach(step) else set()
        (bridged if pairs else left).append(float(gaps[i]))
        if not pairs:
            continue
        extra = 0.5 * (float(gaps[i]) - step)
        for place, region, parts in (
            (places[i] + 0.5 * (step + extra), low.region, {a for a, _ in pairs}),
            (places[i + 1] - 0.5 * (step + extra), high.region, {b for _, b in pairs}),
        ):
            planes.append(Plane(float(place), region.only(parts), extra))
    for plane, down, up in zip(planes[: len(places)], before, behind, strict=True):
        plane.thickness = down + up
        # the slab is not centred where the distances differ; its place moves to the middle of the slab
        plane.place += 0.5 * (up - down)
    if bridged:
        text = counted(len(bridged), "gap", ("of its slices has", "of its slices have"))
        notes.append(
            Note(
                f"lesion {name!r}: {text} no contour (up to {max(bridged):.3g} mm from plane to plane, slices "
                f"{step:.3g} mm); the contours on both sides were extended to the middle",
                weight=CAUTION,
            )
        )
    if left:
        text = counted(len(left), "gap", ("between its contour planes was", "between its contour planes were"))
        notes.append(
            Note(
                f"lesion {name!r}: {text} left empty ({min(left):.3g} mm or more, slices {step:.3g} mm): its pieces "
                "are taken as islands",
                weight=CAUTION,
            )
        )
    return notes


def _reach(step: float) -> float:
    """Longest gap [mm] that is taken as slices left out."""
    return max(BRIDGED_MM, BRIDGED_SLICES * step) + SAME_PLANE_MM


def _slice_distance(
    planes: Sequence[Plane], gaps: np.ndarray, slice_mm: float | None, otherwise_mm: float, name: str
) -> tuple[float, list[Note]]:
    """Thickness of a lone plane [mm], and how it was found where the planes leave it open."""
    if len(gaps) == 0:
        step = slice_mm or otherwise_mm
        return step, [Note(f"lesion {name!r} has one contour plane; taken as {step:.3g} mm thick", weight=NOTE)]
    usual, least = float(np.median(gaps)), float(gaps.min())
    known = slice_mm or (least if least <= _reach(0.0) else otherwise_mm)
    if usual <= (1.0 + REGULAR) * known:
        # planes of two drawings lie between each other's: the slices are those of the image
        mixed = bool(np.any((gaps > GAP * usual) & (gaps <= GAP * known)))
        return (known if mixed else usual), []
    near = np.abs(gaps - usual) <= REGULAR * usual
    together = all(_linked(planes[i].region, planes[i + 1].region) for i in np.flatnonzero(near).tolist())
    if len(gaps) > 1 and near.mean() >= MOSTLY and usual <= _reach(known) and together:
        text = (
            f"its contour planes are {usual:.3g} mm apart throughout, slices {known:.3g} mm; that far each one counts"
        )
        return usual, [Note(f"lesion {name!r}: {text}", weight=CAUTION)]
    return known, []


def _linked(low: Region, high: Region) -> set[tuple[int, int]]:
    """Pairs of parts of two planes that belong together."""
    pairs: set[tuple[int, int]] = set()
    for k, j in near_pairs(low.polygons, high.polygons).tolist():
        a, b, parts = low.polygons[k], high.polygons[j], (low.parts[k], high.parts[j])
        if parts in pairs:
            continue
        least = min(Region((a,)).area_mm2, Region((b,)).area_mm2)
        if least > 0.0 and common_area(a, b) > LINKED * least:
            pairs.add(parts)
    return pairs


def rasterise(planes: list[Plane], frame: np.ndarray, grid: Grid) -> np.ndarray:
    """Volume fraction of each voxel of ``grid`` inside the contours; float64 (nz, ny, nx).

    Parallel to a grid axis the result is direct; otherwise the contours are drawn on a fine grid of their
    own frame and averaged onto ``grid``.
    """
    cosines = np.asarray(grid.direction, float).reshape(3, 3)
    along = np.abs(frame[2] @ cosines)
    if abs(along[2] - 1.0) < 1e-6:
        return _rasterise_parallel(planes, frame, grid)
    points = np.concatenate([p for plane in planes for p in plane.region.polygons])
    thin = min(plane.thickness for plane in planes)
    bottom = min(plane.place - 0.5 * plane.thickness for plane in planes)
    top = max(plane.place + 0.5 * plane.thickness for plane in planes)
    fine = 0.5 * min(grid.spacing_mm)
    box = float(np.prod(np.ptp(points, axis=0) + 2.0 * fine)) * (top - bottom)
    fine = max(fine, np.sqrt(box / MOST_POINTS / min(fine, thin)))
    low = points.min(axis=0) - fine
    columns, rows = (int(n) for n in np.ceil((points.max(axis=0) + fine - low) / fine))
    step = min(fine, thin)
    layers = max(int(np.ceil((top - bottom) / step - 1e-6)), 1)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = frame[2] * step, frame[1] * fine, frame[0] * fine
    affine[:3, 3] = np.array([low[0] + 0.5 * fine, low[1] + 0.5 * fine, bottom + 0.5 * step]) @ frame
    drawn = np.zeros((layers, rows, columns))
    edges = bottom + step * np.arange(layers + 1)
    for plane in planes:
        polygons = [(p - low) / fine - 0.5 for p in plane.region.polygons]
        weight = _slab_weight(plane, edges)
        drawn += weight[:, None, None] * area_fractions(polygons, rows, columns, levels=plane.region.levels)
    values, own = canonical(drawn, affine)
    return np.clip(average(values, own, grid), 0.0, 1.0)


def _slab_weight(plane: Plane, edges: np.ndarray) -> np.ndarray:
    slab = np.array([plane.place - 0.5 * plane.thickness, plane.place + 0.5 * plane.thickness])
    return overlap_matrix(edges, slab).toarray()[:, 0]


def _rasterise_parallel(planes: list[Plane], frame: np.ndarray, grid: Grid) -> np.ndarray:
    """Contour planes parallel to the grid's slices: area fractions times slab overlap."""
    nz, ny, nx = grid.shape
    out = np.zeros(grid.shape)
    for plane in planes:
        polygons, heights = [], []
        for polygon in plane.region.polygons:
            xyz = np.column_stack([polygon, np.full(len(polygon), plane.place)]) @ frame
            index = grid.xyz_to_index(xyz)
            polygons.append(index[:, [2, 1]])
            heights.append(index[:, 0].mean())
        middle, half = float(np.mean(heights)), 0.5 * plane.thickness / grid.spacing_mm[0]
        weight = overlap_matrix(np.arange(nz + 1) - 0.5, np.array([middle - half, middle + half])).toarray()[:, 0]
        slices = np.flatnonzero(weight)
        if slices.size == 0:
            continue
        points = np.concatenate(polygons)
        x0, y0 = (max(int(np.floor(v + 0.5)), 0) for v in points.min(axis=0))
        x1 = min(int(np.floor(points[:, 0].max() + 0.5)) + 1, nx)
        y1 = min(int(np.floor(points[:, 1].max() + 0.5)) + 1, ny)
        if x1 <= x0 or y1 <= y0:
            continue
        moved = [p - np.array([x0, y0]) for p in polygons]
        area = area_fractions(moved, y1 - y0, x1 - x0, levels=plane.region.levels)
        out[slices[0] : slices[-1] + 1, y0:y1, x0:x1] += weight[slices[0] : slices[-1] + 1, None, None] * area
    return np.clip(out, 0.0, 1.0)
