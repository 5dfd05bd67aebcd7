"""Closed planar contours to volume fractions of voxels.

Each contour plane represents a slab as thick as the distance between planes. Inside a plane, contours are
combined by the even-odd rule (DICOM's XOR: a contour inside another is a hole; a keyhole contour works as
well). The area of a pixel that lies inside is found from horizontal lines through it, exact along each line; along the
plane normal the overlap of slab and voxel is exact. Sum of fractions times voxel volume therefore
reproduces the contour volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical
from ...text import counted
from ..resample import average, overlap_matrix

#: Lines through each pixel row.
LINES = 16
#: Planes further apart than this many plane distances bound a gap, not a thick slab.
GAP = 1.5
#: Contour points of one plane may lie this far from it [mm].
FLATNESS_MM = 0.1


@dataclass
class Plane:
    """Contours of one plane [mm]: ``place`` along the normal, polygons (n, 2) in the plane, ``thickness``."""

    place: float
    polygons: list[np.ndarray]
    thickness: float = 0.0

    @property
    def area_mm2(self) -> float:
        """Area inside by the even-odd rule; exact for a single contour, by fine lines for several."""
        if len(self.polygons) == 1:
            x, y = self.polygons[0].T
            return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
        points = np.concatenate(self.polygons)
        low, high = points.min(axis=0), points.max(axis=0)
        rows = 512
        step = (high[1] - low[1]) / rows
        if step <= 0.0 or high[0] <= low[0]:
            return 0.0
        width = high[0] - low[0]
        scaled = [np.column_stack([(p[:, 0] - low[0]) / width, (p[:, 1] - low[1]) / step]) - 0.5 for p in self.polygons]
        return float(area_fractions(scaled, rows, 1).sum()) * step * width


def area_fractions(polygons: list[np.ndarray], rows: int, columns: int, lines: int = LINES) -> np.ndarray:
    """Share of each pixel inside polygons combined by the even-odd rule.

    Parameters
    ----------
    polygons
        Vertices (n, 2) as (column, row) in pixel indices; pixel i covers i - 0.5 to i + 0.5.
    rows, columns
        Shape of the result.
    lines
        Horizontal lines per pixel row, each evaluated exactly.

    Returns
    -------
    array
        float64 (rows, columns) in [0, 1].
    """
    start = np.concatenate(polygons)
    end = np.concatenate([np.roll(p, -1, axis=0) for p in polygons])
    # line k lies at row coordinate (k + 0.5) / lines - 0.5; an edge crosses lines [first, last)
    low = np.minimum(start[:, 1], end[:, 1])
    high = np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil((low + 0.5) * lines - 0.5), 0, rows * lines).astype(np.int64)
    last = np.clip(np.ceil((high + 0.5) * lines - 0.5), 0, rows * lines).astype(np.int64)
    count = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(start)), count)
    line = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    height = (line + 0.5) / lines - 0.5
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + (height - start[edge, 1]) * slope + 0.5  # now pixel j covers j to j + 1
    order = np.lexsort((crossing, line))
    line, crossing = line[order], np.clip(crossing[order], 0.0, columns)
    # on one line crossings come in pairs: enter, leave; the covered length left of u is counted - for
    # enter, + for leave
    sign = np.where(np.arange(len(line)) % 2 == 0, -1.0, 1.0)
    pixel = np.minimum(crossing.astype(np.int64), columns - 1)
    part = np.zeros((rows, columns))
    full = np.zeros((rows, columns + 1))
    np.add.at(part, (line // lines, pixel), sign * (crossing - pixel))
    np.add.at(full, (line // lines, pixel), sign)
    # every crossing at pixel p covers all pixels below p in full
    left = np.cumsum(full[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.clip((part + left) / lines, 0.0, 1.0)


def group_planes(contours: list[np.ndarray], name: str, file: object) -> tuple[list[Plane], np.ndarray, list[str]]:
    """Sort contours (n, 3) [mm, x y z] of one lesion into parallel planes.

    Returns the planes with their thickness, the in-plane and normal unit vectors as rows of a (3, 3) array
    (u, v, n), and remarks. Raises InputError when the contours are not planar or not parallel.
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
    polygons: dict[float, list[np.ndarray]] = {}
    for points in contours:
        local = points @ frame.T
        place = float(local[:, 2].mean())
        if np.ptp(local[:, 2]) > 2.0 * FLATNESS_MM:
            raise InputError(
                f"a contour of lesion {name!r} is not planar or not parallel to the others "
                f"(points spread {np.ptp(local[:, 2]):.2g} mm across its plane)",
                why="closed planar contours in parallel planes are needed",
                suggestion="export the structure again, or give a label map",
                file=file,
            )
        near = next((key for key in polygons if abs(key - place) <= FLATNESS_MM), place)
        polygons.setdefault(near, []).append(local[:, :2])
    planes = [Plane(place, polygons[place]) for place in sorted(polygons)]
    return planes, frame, _thickness(planes, name)


def _common_normal(contours: list[np.ndarray]) -> np.ndarray:
    """Unit normal of the largest contour (Newell's rule), in the sense of increasing patient coordinate."""
    best = np.zeros(3)
    for points in contours:
        normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
        if np.linalg.norm(normal) > np.linalg.norm(best):
            best = normal
    length = np.linalg.norm(best)
    if length == 0.0:
        return np.array([0.0, 0.0, 1.0])
    best = best / length
    return best * np.sign(best[int(np.argmax(np.abs(best)))])


def _thickness(planes: list[Plane], name: str) -> list[str]:
    """Give each plane its slab: half way to its neighbours, the usual half distance at ends and gaps."""
    if len(planes) == 1:
        return []
    gaps = np.diff([plane.place for plane in planes])
    usual = float(np.median(gaps))
    notes = []
    for i, plane in enumerate(planes):
        halves = []
        for gap in (gaps[i - 1] if i > 0 else usual, gaps[i] if i < len(gaps) else usual):
            halves.append(0.5 * (gap if gap <= GAP * usual else usual))
        plane.thickness = sum(halves)
        # the slab is not centred where the distances differ; its place moves to the middle of the slab
        plane.place += 0.5 * (halves[1] - halves[0])
    wide = int(np.count_nonzero(gaps > GAP * usual))
    if wide:
        notes.append(
            f"lesion {name!r}: {counted(wide, 'gap')} between contour planes wider than {GAP:g} plane distances "
            f"({usual:.3g} mm) {'was' if wide == 1 else 'were'} left empty"
        )
    return notes


def rasterise(planes: list[Plane], frame: np.ndarray, grid: Grid) -> np.ndarray:
    """Volume fraction of each voxel of ``grid`` inside the contours; float64 (nz, ny, nx).

    Parallel to a grid axis the result is direct; otherwise the contours are drawn on a fine grid of their
    own frame and averaged onto ``grid``.
    """
    cosines = np.asarray(grid.direction, float).reshape(3, 3)
    along = np.abs(frame[2] @ cosines)
    if abs(along[2] - 1.0) < 1e-6:
        return _rasterise_parallel(planes, frame, grid)
    points = np.concatenate([p for plane in planes for p in plane.polygons])
    fine = 0.5 * min(grid.spacing_mm)
    low = points.min(axis=0) - fine
    columns, rows = (int(n) for n in np.ceil((points.max(axis=0) + fine - low) / fine))
    thin = min(plane.thickness for plane in planes)
    step = min(fine, thin)
    bottom = min(plane.place - 0.5 * plane.thickness for plane in planes)
    top = max(plane.place + 0.5 * plane.thickness for plane in planes)
    layers = max(int(np.ceil((top - bottom) / step - 1e-6)), 1)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = frame[2] * step, frame[1] * fine, frame[0] * fine
    affine[:3, 3] = np.array([low[0] + 0.5 * fine, low[1] + 0.5 * fine, bottom + 0.5 * step]) @ frame
    drawn = np.zeros((layers, rows, columns))
    edges = bottom + step * np.arange(layers + 1)
    for plane in planes:
        polygons = [(p - low) / fine - 0.5 for p in plane.polygons]
        weight = _slab_weight(plane, edges)
        drawn += weight[:, None, None] * area_fractions(polygons, rows, columns)
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
        for polygon in plane.polygons:
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
        area = area_fractions([p - np.array([x0, y0]) for p in polygons], y1 - y0, x1 - x0)
        out[slices[0] : slices[-1] + 1, y0:y1, x0:x1] += weight[slices[0] : slices[-1] + 1, None, None] * area
    return np.clip(out, 0.0, 1.0)
