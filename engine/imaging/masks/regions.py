"""Closed contours of one plane: which of them are stored twice, are holes, or cross, and the area that they enclose.

DICOM's CLOSED_PLANAR does not say how several contours in a plane are combined. What is done here:

- identical contours (from another start point, in the other sense, rounded otherwise) count once;
- a contour inside another is a hole, one inside the hole an island (the even-odd rule);
- contours that cross are united, and united contours nest as one;
- contours that run along each other, nowhere half a pixel apart, are two drawings of one lesion, and are united;
- contours that touch stay as they are; a contour that crosses itself is filled by the even-odd rule.

CLOSEDPLANAR_XOR means the even-odd rule for all contours of the plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...same import SAME_PLANE_MM

#: Lines through each pixel row.
LINES = 16
#: Rows that a plane is cut into where areas of contours are compared: 0.1 % of a round contour.
FINE_LINES = 512
#: One contour lies inside another where less than this share of it is outside, and two cross where more is common:
#: holes and neighbours are drawn by hand.
TOUCHING = 0.01
#: Less than this share of the smaller contour is rounding of the arithmetic: such contours lie apart.
NO_AREA = 1e-6
#: A corner of a contour is up to this many times as far from the contour moved inwards as its sides are.
CORNER = 1.5
#: Points that a contour is followed by at least, and points that are held against a contour at a time [memory].
DENSE, CHUNK = 200, 1000
#: A contour whose windings and even-odd areas differ by more than this crosses itself.
CROSSING = 0.01


@dataclass(frozen=True)
class Region:
    """Contours of one plane, combined.

    Parameters
    ----------
    polygons
        Contours (n, 2) [mm], each once.
    levels
        As for :func:`area_fractions`; None where the even-odd rule holds.
    parts
        Number of the connected part that each contour belongs to.
    repeated, crossing, twisted, second
        Number of contours that were stored before, that cross another, that cross themselves, and that are second
        drawings of another.
    """

    polygons: tuple[np.ndarray, ...]
    levels: tuple[int, ...] | None = None
    parts: tuple[int, ...] = ()
    repeated: int = 0
    crossing: int = 0
    twisted: int = 0
    second: int = 0

    @property
    def area_mm2(self) -> float:
        """Area inside; exact for a single contour that does not cross itself, by fine lines otherwise."""
        if len(self.polygons) == 1 and not self.twisted:
            return winding_area(self.polygons[0])
        return fine_area(self.polygons, self.levels)

    def only(self, parts: set[int]) -> Region:
        """The region of some of its parts."""
        keep = [k for k, part in enumerate(self.parts) if part in parts]
        levels = None if self.levels is None else tuple(self.levels[k] for k in keep)
        polygons, numbers = tuple(self.polygons[k] for k in keep), tuple(self.parts[k] for k in keep)
        return Region(polygons, levels, numbers, twisted=self.twisted)


def combined(polygons: Sequence[np.ndarray], xor: bool = False, pixel_mm: float = 0.0) -> Region:
    """The region of the contours of one plane.

    Parameters
    ----------
    polygons
        Contours (n, 2) [mm].
    xor
        Whether they are of type CLOSEDPLANAR_XOR: the even-odd rule for all, repeated ones counted but not left out.
    pixel_mm
        Of the image that they were drawn on [mm]; 0 where it is not known.
    """
    unwound = [_unwound(p) for p in polygons]
    repeated = sum(len(u) < len(p) for u, p in zip(unwound, polygons, strict=True))
    copies = _copies(unwound)
    repeated += len(copies)
    kept = [p for k, p in enumerate(unwound) if xor or k not in copies]
    twisted = sum(_twisted(p) for p in kept)
    relations, crossing, second = _relations(kept, pixel_mm)
    parts, levels = _nested(len(kept), relations)
    if xor or "cross" not in relations.values():
        return Region(tuple(kept), None, parts, repeated, 0, twisted)
    return Region(tuple(kept), levels, parts, repeated, len(crossing), twisted, len(second - crossing))


def winding_area(polygon: np.ndarray) -> float:
    """Area of a contour by its windings (the shoelace formula) [mm2]."""
    x, y = polygon.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def fine_area(polygons: Sequence[np.ndarray], levels: Sequence[int] | None = None) -> float:
    """Area of combined contours by fine lines [mm2]."""
    points = np.concatenate(list(polygons))
    return _area_within(polygons, points.min(axis=0), points.max(axis=0), levels, LINES)


def common_area(a: np.ndarray, b: np.ndarray) -> float:
    """Area that two contours share [mm2]: on each of the same lines, half of what both have more than either."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    if np.any(high <= low):
        return 0.0
    return max(0.5 * sum(f * _area_within(p, low, high) for f, p in ((1, [a]), (1, [b]), (-1, [a, b]))), 0.0)


def _area_within(
    polygons: Sequence[np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
    levels: Sequence[int] | None = None,
    lines: int = 1,
) -> float:
    """Area of combined contours inside a box, by fine lines [mm2]."""
    width, step = high[0] - low[0], (high[1] - low[1]) / FINE_LINES
    if step <= 0.0 or width <= 0.0:
        return 0.0
    scaled = [np.column_stack([(p[:, 0] - low[0]) / width, (p[:, 1] - low[1]) / step]) - 0.5 for p in polygons]
    return float(area_fractions(scaled, FINE_LINES, 1, lines, levels).sum()) * step * width


def _perimeter(polygon: np.ndarray) -> float:
    return float(np.linalg.norm(polygon - np.roll(polygon, 1, axis=0), axis=1).sum())


def _unwound(polygon: np.ndarray) -> np.ndarray:
    """A contour once, where its points go round twice."""
    half, odd = divmod(len(polygon), 2)
    if half < 3 or odd or np.abs(polygon[:half] - polygon[half:]).max() > SAME_PLANE_MM or is_speck(polygon):
        return polygon
    return polygon[:half]


def is_speck(polygon: np.ndarray) -> bool:
    """Whether a contour is no wider than rounded points are apart: a stray click encloses nothing."""
    return bool(np.ptp(polygon, axis=0).max() <= SAME_PLANE_MM)


def _copies(polygons: Sequence[np.ndarray]) -> set[int]:
    """Contours that enclose what one before them does."""
    if len(polygons) < 2:
        return set()
    boxes = np.array([[p.min(axis=0), p.max(axis=0)] for p in polygons])
    copies: set[int] = set()
    for k in range(1, len(polygons)):
        near = np.abs(boxes[:k] - boxes[k]).max(axis=(1, 2)) <= 2.0 * SAME_PLANE_MM
        if any(_identical(polygons[k], polygons[j]) for j in np.flatnonzero(near).tolist() if j not in copies):
            copies.add(k)
    return copies


def _identical(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two contours enclose the same area but for the rounding of their points."""
    different = fine_area([a, b])
    least = min(fine_area([a]), fine_area([b]))
    return different <= SAME_PLANE_MM * min(_perimeter(a), _perimeter(b)) and different < 0.5 * least


def _twisted(polygon: np.ndarray) -> bool:
    """Whether a contour crosses itself: the area by its windings is not that by the even-odd rule."""
    wound = winding_area(polygon)
    filled = _area_within([polygon], polygon.min(axis=0), polygon.max(axis=0))
    return bool(abs(filled - wound) > CROSSING * max(wound, 1e-9))


def _relations(
    polygons: Sequence[np.ndarray], pixel_mm: float
) -> tuple[dict[tuple[int, int], str], set[int], set[int]]:
    """How pairs of contours lie: ``"in"`` (the first inside the second) or ``"cross"``; apart where not in it.

    The sets hold the contours that cross another by more than rounding and a careful hand make, and those that are
    drawn a second time.
    """
    found: dict[tuple[int, int], str] = {}
    crossing: set[int] = set()
    second: set[int] = set()
    pairs = near_pairs(polygons, polygons)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    areas = {k: fine_area([polygons[k]]) for k in np.unique(pairs).tolist()}
    for a, b in pairs.tolist():
        small, large = (a, b) if areas[a] <= areas[b] else (b, a)
        both, least = common_area(polygons[a], polygons[b]), areas[small]
        if both <= NO_AREA * least:
            continue
        if _drawn_again(polygons[small], polygons[large], 0.5 * pixel_mm):
            found[small, large] = "cross"
            second.add(small)
        elif _inside(polygons[small], polygons[large], least - both, areas[large] - both, least):
            found[small, large] = "in"
        else:
            found[small, large] = "cross"
            if both > TOUCHING * least:
                crossing |= {a, b}
    return found, crossing, second


def near_pairs(first: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """Indices (n, 2) of the contours whose boxes overlap, of two lists."""
    if not first or not others:
        return np.empty((0, 2), np.int64)
    low, high = (np.array([f(p, axis=0) for p in first]) for f in (np.min, np.max))
    lows, highs = (np.array([f(p, axis=0) for p in others]) for f in (np.min, np.max))
    apart = np.zeros((len(first), len(others)), bool)
    for k in (0, 1):
        apart |= (low[:, None, k] >= highs[None, :, k]) | (lows[None, :, k] >= high[:, None, k])
    return np.argwhere(~apart)


def _inside(small: np.ndarray, large: np.ndarray, outside: float, rim: float, least: float) -> bool:
    """Whether a contour is a hole of another: what of it lies outside is rounding, or the touch of a careful hand.

    It is measured by the smaller of the hole and of what the hole leaves [mm2]: of two drawings of one lesion, a bit
    apart, as much lies outside as inside.
    """
    if outside <= TOUCHING * min(least, rim):
        return True
    if outside > 0.5 * min(least, rim):
        return False
    beyond = _distances(small, large)[_outside(small, large)]
    return not len(beyond) or bool(beyond.max() <= SAME_PLANE_MM)


def _drawn_again(small: np.ndarray, large: np.ndarray, least_rim: float) -> bool:
    """Whether two contours run along each other, nowhere farther apart than a rim must be wide to be seen [mm].

    No lesion has a rim that is thinner than the pixels all round; a corner is farther from a contour moved inwards.
    """
    if least_rim <= 0.0 or np.abs(np.ptp(small, axis=0) - np.ptp(large, axis=0)).max() > 2.0 * least_rim:
        return False
    if np.abs(small.min(axis=0) - large.min(axis=0)).max() > least_rim:
        return False
    return bool(_distances(small, large).max() < least_rim and _distances(large, small).max() < CORNER * least_rim)


def _dense(polygon: np.ndarray) -> np.ndarray:
    """Points along a contour, its own among them, some hundred more than it has."""
    ahead = np.roll(polygon, -1, axis=0) - polygon
    longest = _perimeter(polygon) / DENSE
    counts = np.ceil(np.linalg.norm(ahead, axis=1) / max(longest, 1e-9)).astype(int).clip(1, DENSE)
    edge = np.repeat(np.arange(len(polygon)), counts)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(polygon[edge] + ahead[edge] * (step / counts[edge])[:, None])


def _distances(polygon: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distance [mm] of the points along one contour from another contour."""
    points, start = _dense(polygon), other
    ahead = np.roll(other, -1, axis=0) - start
    length = np.maximum((ahead**2).sum(axis=1), 1e-12)
    out = np.empty(len(points))
    for first in range(0, len(points), CHUNK):
        away = points[first : first + CHUNK, None] - start[None]
        along = np.clip((away * ahead).sum(axis=2) / length, 0.0, 1.0)
        out[first : first + CHUNK] = np.sqrt(((away - along[:, :, None] * ahead) ** 2).sum(axis=2).min(axis=1))
    return out


def _outside(polygon: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which points along one contour lie outside another, by the even-odd rule."""
    points, x0, y0 = _dense(polygon), other[:, 0], other[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    out = np.empty(len(points), bool)
    for first in range(0, len(points), CHUNK):
        x, y = (points[first : first + CHUNK, k, None] for k in (0, 1))
        spans = (y0 > y) != (y1 > y)
        slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
        out[first : first + CHUNK] = (spans & (x < x0 + (y - y0) * slope)).sum(axis=1) % 2 == 0
    return out


def _nested(count: int, relations: dict[tuple[int, int], str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Part and level of each contour: united contours are one, and nest as one."""
    group = list(range(count))

    def top(k: int) -> int:
        while group[k] != k:
            k = group[k]
        return k

    holders: dict[int, set[int]] = {}
    for (a, b), relation in relations.items():
        if relation == "cross":
            old, new = sorted((top(a), top(b)), reverse=True)
            group[old] = new
        else:
            holders.setdefault(a, set()).add(b)
    group = [top(k) for k in range(count)]
    around: dict[int, set[int]] = {}
    for k, g in enumerate(group):
        held = {group[b] for b in holders.get(k, ())} - {g}
        around[g] = around[g] & held if g in around else held
    outermost = {g: min((h for h in around[g] if not around[h]), default=g) for g in around}
    return tuple(outermost[g] for g in group), tuple(len(around[g]) for g in group)


def area_fractions(
    polygons: Sequence[np.ndarray],
    rows: int,
    columns: int,
    lines: int = LINES,
    levels: Sequence[int] | None = None,
) -> np.ndarray:
    """Share of each pixel inside combined polygons.

    Parameters
    ----------
    polygons
        Vertices (n, 2) as (column, row) in pixel indices; pixel i covers i - 0.5 to i + 0.5.
    rows, columns
        Shape of the result.
    lines
        Horizontal lines per pixel row, each evaluated exactly.
    levels
        Level of each polygon: a point is inside where the highest level of the polygons around it is even, so that
        polygons of one level unite; None combines all by the even-odd rule.

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
    if levels is not None:
        owner = np.repeat(np.arange(len(polygons)), [len(p) for p in polygons])[edge][order]
        border = _borders(line, owner, levels)
        line, crossing = line[border], crossing[border]
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


def _borders(line: np.ndarray, owner: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    """Which crossings, sorted along each line, are borders of the region that the levels make.

    Crossings of one polygon on one line come in pairs, so that every polygon has been left where a line ends.
    """
    state = np.zeros(len(line), np.int64)  # behind each crossing: 0 outside, 1 + the highest level inside
    order = np.argsort(owner, kind="stable")  # along each line, of one polygon after the other
    turn = np.arange(len(line)) - np.searchsorted(owner[order], owner[order])
    sign = np.empty(len(line), np.int64)
    sign[order] = np.where(turn % 2 == 0, 1, -1)
    own = np.asarray(levels)[owner]
    for level in sorted(set(levels)):
        depth = np.cumsum(np.where(own == level, sign, 0))
        state[depth > 0] = level + 1
    inside = state % 2 == 1
    before = np.concatenate([[False], inside[:-1]])
    return np.asarray(inside != before)
