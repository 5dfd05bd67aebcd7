"""Convex and tubular shapes, and the fraction of each voxel that they fill.

Every shape gives a level in mm: negative inside, positive outside, changing by no more than 1 mm per mm
moved (1-Lipschitz). A voxel whose centre has a level beyond half its diagonal is wholly in or out; only the
rest are divided into sub-points. Triples are (z, y, x) [mm, LPS].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..engine.grid import Grid

Triple = tuple[float, float, float]


class Shape:
    """Anything with a level and a bounding box."""

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Level [mm] at points (broadcast arrays) [mm]."""
        raise NotImplementedError

    def bounds(self) -> tuple[Triple, Triple]:
        """Low and high corner (z, y, x) [mm] of a box that holds the shape."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ellipsoid(Shape):
    """Axis-aligned ellipsoid: centre and semi-axes (z, y, x) [mm]."""

    centre_mm: Triple
    semi_axes_mm: Triple

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        (cz, cy, cx), (az, ay, ax) = self.centre_mm, self.semi_axes_mm
        q = np.sqrt(((z - cz) / az) ** 2 + ((y - cy) / ay) ** 2 + ((x - cx) / ax) ** 2)
        return (q - 1.0) * min(self.semi_axes_mm)

    def bounds(self) -> tuple[Triple, Triple]:
        return _box(self.centre_mm, self.semi_axes_mm)

    @property
    def volume_ml(self) -> float:
        """Exact volume [mL]."""
        return 4.0 / 3.0 * math.pi * math.prod(self.semi_axes_mm) * 1e-3


def sphere(centre_mm: Triple, volume_ml: float, ratios: Triple = (1.0, 1.0, 1.0)) -> Ellipsoid:
    """Ellipsoid of exactly ``volume_ml`` whose semi-axes stand in the proportions ``ratios`` (z, y, x)."""
    radius = (3.0 * volume_ml * 1e3 / (4.0 * math.pi * math.prod(ratios))) ** (1.0 / 3.0)
    return Ellipsoid(centre_mm, (radius * ratios[0], radius * ratios[1], radius * ratios[2]))


@dataclass(frozen=True)
class Box(Shape):
    """Axis-aligned box: centre and half sides (z, y, x) [mm]."""

    centre_mm: Triple
    half_mm: Triple

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        (cz, cy, cx), (hz, hy, hx) = self.centre_mm, self.half_mm
        return np.maximum(np.maximum(abs(z - cz) - hz, abs(y - cy) - hy), abs(x - cx) - hx)

    def bounds(self) -> tuple[Triple, Triple]:
        return _box(self.centre_mm, self.half_mm)

    @property
    def volume_ml(self) -> float:
        """Exact volume [mL]."""
        return 8.0 * math.prod(self.half_mm) * 1e-3


@dataclass(frozen=True)
class Cylinder(Shape):
    """Elliptical cylinder along z: centre, half height, semi-axes (y, x) [mm]."""

    centre_mm: Triple
    half_height_mm: float
    semi_axes_yx_mm: tuple[float, float]

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        (cz, cy, cx), (ay, ax) = self.centre_mm, self.semi_axes_yx_mm
        q = np.sqrt(((y - cy) / ay) ** 2 + ((x - cx) / ax) ** 2)
        return np.maximum((q - 1.0) * min(ay, ax), abs(z - cz) - self.half_height_mm)

    def bounds(self) -> tuple[Triple, Triple]:
        return _box(self.centre_mm, (self.half_height_mm, *self.semi_axes_yx_mm))

    @property
    def volume_ml(self) -> float:
        """Exact volume [mL]."""
        return 2.0 * math.pi * self.half_height_mm * math.prod(self.semi_axes_yx_mm) * 1e-3


@dataclass(frozen=True)
class Capsule(Shape):
    """All points within a radius [mm] of the segment between two points (z, y, x) [mm]."""

    start_mm: Triple
    end_mm: Triple
    radius_mm: float

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        a, d = np.array(self.start_mm), np.array(self.end_mm) - np.array(self.start_mm)
        pz, py, px = z - a[0], y - a[1], x - a[2]
        t = np.clip((pz * d[0] + py * d[1] + px * d[2]) / float(d @ d), 0.0, 1.0)
        return np.sqrt((pz - t * d[0]) ** 2 + (py - t * d[1]) ** 2 + (px - t * d[2]) ** 2) - self.radius_mm

    def bounds(self) -> tuple[Triple, Triple]:
        low = np.minimum(self.start_mm, self.end_mm) - self.radius_mm
        high = np.maximum(self.start_mm, self.end_mm) + self.radius_mm
        return _triple(low), _triple(high)

    @property
    def volume_ml(self) -> float:
        """Exact volume [mL]."""
        length = math.dist(self.start_mm, self.end_mm)
        return math.pi * self.radius_mm**2 * (length + 4.0 / 3.0 * self.radius_mm) * 1e-3


@dataclass(frozen=True)
class Trunk(Shape):
    """Elliptical cross-sections that change linearly between heights: a body outline.

    ``knots_mm`` are rows (z, centre y, semi-axis y, semi-axis x) [mm] of rising z, centred at x = 0; the
    ends stay constant beyond the first and last knot.
    """

    knots_mm: tuple[tuple[float, float, float, float], ...]

    def shrunk(self, by_mm: float) -> Trunk:
        """The same outline with every semi-axis smaller by ``by_mm``."""
        return Trunk(tuple((z, cy, ay - by_mm, ax - by_mm) for z, cy, ay, ax in self.knots_mm))

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        heights, cy, ay, ax = np.array(self.knots_mm).T
        slope = max(float(np.abs(np.diff(column) / np.diff(heights)).max()) for column in (cy, ay, ax))
        cy, ay, ax = (np.interp(z, heights, column) for column in (cy, ay, ax))
        q = np.sqrt(((y - cy) / ay) ** 2 + (x / ax) ** 2)
        return (q - 1.0) * np.minimum(ay, ax) / math.sqrt(1.0 + 4.0 * slope**2)

    def bounds(self) -> tuple[Triple, Triple]:
        _, cy, ay, ax = np.array(self.knots_mm).T
        low = (-math.inf, float((cy - ay).min()), -float(ax.max()))
        return low, (math.inf, float((cy + ay).max()), float(ax.max()))


@dataclass(frozen=True)
class Rib(Shape):
    """A tube along an ellipse that slopes down towards the front (anterior is -y)."""

    centre_mm: Triple
    semi_axes_yx_mm: tuple[float, float]
    radius_mm: float
    drop_per_mm: float

    def level(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        (cz, cy, cx), (ay, ax) = self.centre_mm, self.semi_axes_yx_mm
        q = np.sqrt(((y - cy) / ay) ** 2 + ((x - cx) / ax) ** 2)
        off = z - cz - self.drop_per_mm * (y - cy)
        # Largest stretch of (distance across the ellipse, height off the sloping plane) per mm moved.
        d = self.drop_per_mm
        along = math.sqrt(0.5 * (2.0 + d * d + abs(d) * math.sqrt(d * d + 4.0)))
        return (np.sqrt(((q - 1.0) * min(ay, ax)) ** 2 + off**2) - self.radius_mm) / along

    def bounds(self) -> tuple[Triple, Triple]:
        ay, ax = self.semi_axes_yx_mm
        # The level grows as the smaller semi-axis, so the tube is thicker across the larger one.
        wide = 1.0 + self.radius_mm / min(ay, ax)
        return _box(self.centre_mm, (self.radius_mm + abs(self.drop_per_mm) * ay * wide, ay * wide, ax * wide))


def fraction(shape: Shape, grid: Grid, points: int = 6) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """The fraction of each voxel inside a shape.

    Parameters
    ----------
    shape
        The shape.
    grid
        An axis-aligned grid.
    points
        Sub-points along each axis of a voxel that the surface may cross.

    Returns
    -------
    box, fraction
        Slices of the voxels that can be touched, and their fractions in [0, 1], float64; empty where the
        shape lies outside the grid.
    """
    spacing, origin = np.array(grid.spacing_mm), np.array(grid.origin_mm)
    low, high = (np.array(corner) for corner in shape.bounds())
    first = np.clip(np.floor((low - origin) / spacing), 0, grid.shape)
    last = np.clip(np.ceil((high - origin) / spacing) + 1, 0, grid.shape)
    box = tuple(slice(int(a), int(max(a, b))) for a, b in zip(first, last, strict=True))
    axes = [origin[i] + spacing[i] * np.arange(box[i].start, box[i].stop) for i in range(3)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    level = np.broadcast_to(shape.level(z, y, x), [a.size for a in axes])
    out = (level < 0.0).astype(np.float64)
    edge = np.nonzero(np.abs(level) <= 0.5 * float(np.linalg.norm(spacing)))
    if edge[0].size:
        inside = np.zeros(edge[0].size)
        offsets = ((np.arange(points) + 0.5) / points - 0.5)[:, None] * spacing
        width = float(np.mean(spacing)) / points
        ez, ey, ex = (axes[i][edge[i]] for i in range(3))
        for dz in offsets[:, 0]:
            for dy in offsets[:, 1]:
                for dx in offsets[:, 2]:
                    # A sub-cell that the surface crosses counts by the share of its width that is inside.
                    inside += np.clip(0.5 - shape.level(ez + dz, ey + dy, ex + dx) / width, 0.0, 1.0)
        out[edge] = inside / points**3
    return (box[0], box[1], box[2]), out


def full_fraction(shape: Shape, grid: Grid, points: int = 6) -> np.ndarray:
    """:func:`fraction` on the whole grid, (nz, ny, nx)."""
    out = np.zeros(grid.shape)
    box, part = fraction(shape, grid, points)
    out[box] = part
    return out


def _box(centre: Triple, half: Triple) -> tuple[Triple, Triple]:
    return _triple(np.subtract(centre, half)), _triple(np.add(centre, half))


def _triple(values: np.ndarray) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])
