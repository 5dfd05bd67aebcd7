"""Dose over CT: three planes through each lesion, and the whole body in projection.

Images follow the radiological convention: the patient's right is on the left, anterior on top, head up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..grid import Grid
from ..lesions.record import LesionDose
from ..results.result import Result
from ..text import dose_unit
from .figures import STYLE, data_uri, new_figure, to_png
from .units import DoseUnit

#: Half-width of the field shown around a lesion: at least this [mm], and so many of its diameters.
FIELD_MM, FIELD_DIAMETERS = 60.0, 2.0
#: Grey window of the CT [HU]: from lung to bone, so that nodules and spine both show.
WINDOW_HU = (-850.0, 450.0)
WINDOW_DENSITY = (0.0, 1.6)

PLANES = (
    # name, sliced axis, (vertical axis, horizontal axis), labels left, right, top, bottom
    ("axial", 0, (1, 2), ("R", "L", "A", "P")),
    ("coronal", 1, (0, 2), ("R", "L", "S", "I")),
    ("sagittal", 2, (0, 1), ("A", "P", "S", "I")),
)


def background(result: Result) -> tuple[np.ndarray, tuple[float, float]]:
    """What the dose is drawn over, and its grey window: the CT, or the mass density where there is none."""
    if result.ct_hu is not None:
        # whole numbers, as the result file holds them: a report from the file is the same, byte for byte
        return np.rint(np.asarray(result.ct_hu, dtype=np.float32)), WINDOW_HU
    return np.asarray(result.density_g_cm3), WINDOW_DENSITY


def planes(result: Result, lesion: LesionDose, mask: np.ndarray | None, method: str) -> str:
    """Axial, coronal and sagittal plane through the hottest part of a lesion, as a PNG data URI.

    Parameters
    ----------
    result
        With the dose of `method`.
    lesion
        Record of the lesion, for its name, centre and threshold.
    mask
        Volume share in 1/255 (nz, ny, nx) uint8, for its boundary.
    method
        Method whose dose is drawn.
    """
    import matplotlib as mpl

    dose = result.doses[method].mean
    grey, window = background(result)
    centre = centre_index(result.grid, lesion, mask)
    field = max(FIELD_MM, FIELD_DIAMETERS * lesion.diameter_mm)
    boxes = [field_box(result.grid, centre, axis, field) for axis in range(3)]
    inside = dose if mask is None else dose[mask > 127]
    top = float(inside.max(initial=0.0)) or float(dose.max()) or 1.0
    shown = {**STYLE, "axes.grid": False, "axes.spines.top": True, "axes.spines.right": True}
    with mpl.rc_context(shown):
        figure, panels = new_figure(7.4, 2.65, ncols=3)
        drawn: Any = None
        for axes, (name, cut, (v, h), words) in zip(panels, PLANES, strict=True):
            index: list[Any] = list(boxes)
            index[cut] = centre[cut]
            place = tuple(index)
            extent = extent_mm(result.grid, boxes, v, h)
            how: dict[str, Any] = {"origin": "lower" if v == 0 else "upper", "extent": extent}
            axes.imshow(grey[place], cmap="gray", vmin=window[0], vmax=window[1], interpolation="bilinear", **how)
            values = dose[place]
            alpha = visibility(values, top)
            drawn = axes.imshow(values, cmap="inferno", vmin=0.0, vmax=top, alpha=alpha, interpolation="nearest", **how)
            vertical, horizontal = centres_mm(result.grid, boxes[v], v), centres_mm(result.grid, boxes[h], h)
            if min(values.shape) > 1:
                if values.max() >= lesion.threshold_gy > values.min():
                    axes.contour(horizontal, vertical, values, [lesion.threshold_gy], colors="#35e0ff", linewidths=1.1)
                if mask is not None and mask[place].max() > 127 > mask[place].min():
                    axes.contour(
                        horizontal, vertical, mask[place], [127.5], colors="white", linewidths=0.8, linestyles="--"
                    )
            axes.set(xticks=[], yticks=[], xlim=extent[:2], ylim=extent[2:])
            position = result.grid.index_to_xyz(np.array(centre, dtype=float))[2 - cut]
            axes.set_title(f"{name}, {'zyx'[cut]} = {position:.0f} mm", fontsize=8.5)
            direction_letters(axes, words)
        bar = _colour_bar(figure, drawn, panels)
        if lesion.threshold_gy < top:
            bar.ax.axhline(lesion.threshold_gy, color="#35e0ff", linewidth=1.4)
        return data_uri(to_png(figure))


def overview(result: Result, lesions: Sequence[LesionDose], method: str) -> str:
    """Coronal and sagittal maximum projections of the dose over the mean CT, lesions numbered, as PNG."""
    import matplotlib as mpl

    dose = result.doses[method].mean
    grey, window = background(result)
    doses = [lesion.max_gy for lesion in lesions] or [float(dose.max())]
    top = max(max(doses), 1e-12)
    grid = result.grid
    whole = [slice(0, n) for n in grid.shape]
    sizes = [n * step for n, step in zip(grid.shape, grid.spacing_mm, strict=True)]
    height = min(max(3.7 * sizes[0] / max(sizes[1] + sizes[2], 1.0) * 1.6, 2.2), 5.2)
    with mpl.rc_context({**STYLE, "axes.grid": False, "axes.spines.top": True, "axes.spines.right": True}):
        figure, panels = new_figure(7.4, height, ncols=2, width_ratios=[sizes[2], sizes[1]])
        drawn: Any = None
        for axes, (name, cut, (v, h), words) in zip(panels, PLANES[1:], strict=True):
            extent = extent_mm(grid, whole, v, h)
            how: dict[str, Any] = {"origin": "lower", "extent": extent}
            body = np.clip(grey, *window).mean(axis=cut, dtype=np.float64)
            axes.imshow(body, cmap="gray", interpolation="bilinear", **how)
            projected = dose.max(axis=cut)
            alpha = visibility(projected, top)
            drawn = axes.imshow(projected, cmap="inferno", vmin=0, vmax=top, alpha=alpha, **how)
            for i, lesion in enumerate(lesions, 1):
                x, y = _along(grid, lesion, h), _along(grid, lesion, v)
                axes.plot(
                    [x], [y], "o", markersize=9, markerfacecolor="none", markeredgecolor="#35e0ff", markeredgewidth=1.0
                )
                axes.annotate(
                    str(i),
                    (x, y),
                    xytext=(6, 4),
                    textcoords="offset points",
                    color="#35e0ff",
                    fontsize=8.5,
                    fontweight="bold",
                )
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{name} maximum projection", fontsize=8.5)
            direction_letters(axes, words)
        _colour_bar(figure, drawn, panels)
        return data_uri(to_png(figure, dpi=150))


def visibility(dose: np.ndarray, top: float) -> np.ndarray:
    """Opacity of the dose over the CT: none below 5 % of the top of the scale, full from 25 % on."""
    return np.clip((dose / top - 0.05) / 0.20, 0.0, 1.0) * 0.65


def centre_index(grid: Grid, lesion: LesionDose, mask: np.ndarray | None) -> tuple[int, int, int]:
    """The voxel the planes go through: the lesion's centroid, moved into the mask when that is hollow."""
    z, y, x = lesion.centroid_mm
    return nearest_inside(grid, grid.xyz_to_index(np.array([x, y, z])), mask)


def nearest_inside(grid: Grid, place_index: np.ndarray, mask: np.ndarray | None) -> tuple[int, int, int]:
    """The voxel at a place in index coordinates (z, y, x), moved into the mask when that is hollow there."""
    index = np.clip(np.rint(place_index).astype(int), 0, np.array(grid.shape) - 1)
    place = (int(index[0]), int(index[1]), int(index[2]))
    if mask is not None and mask[place] == 0 and mask.any():
        voxels = np.argwhere(mask == mask.max())
        nearest = voxels[np.argmin((((voxels - index) * np.array(grid.spacing_mm)) ** 2).sum(axis=1))]
        place = (int(nearest[0]), int(nearest[1]), int(nearest[2]))
    return place


def field_box(grid: Grid, centre: tuple[int, int, int], axis: int, field_mm: float) -> slice:
    """Voxels along an axis within a distance [mm] of the centre."""
    half = max(int(round(field_mm / grid.spacing_mm[axis])), 1)
    return slice(max(centre[axis] - half, 0), min(centre[axis] + half + 1, grid.shape[axis]))


def centres_mm(grid: Grid, box: slice, axis: int) -> np.ndarray:
    """Centres of the voxels of a box along an axis [mm], as `Grid.edges_mm` counts them."""
    edges = grid.edges_mm(axis)
    return 0.5 * (edges[:-1] + edges[1:])[box]


def _along(grid: Grid, lesion: LesionDose, axis: int) -> float:
    """Place of a lesion's centroid along a grid axis [mm], as `Grid.edges_mm` counts it."""
    z, y, x = lesion.centroid_mm
    index = grid.xyz_to_index(np.array([x, y, z]))[axis]
    return float(grid.edges_mm(axis)[0] + (index + 0.5) * grid.spacing_mm[axis])


def extent_mm(grid: Grid, boxes: list[slice], v: int, h: int) -> tuple[float, float, float, float]:
    """Left, right, bottom, top [mm]; the y axis points down the page."""
    horizontal, vertical = grid.edges_mm(h), grid.edges_mm(v)
    low, high = vertical[boxes[v].start], vertical[boxes[v].stop]
    bottom, top = (low, high) if v == 0 else (high, low)
    return float(horizontal[boxes[h].start]), float(horizontal[boxes[h].stop]), float(bottom), float(top)


def _colour_bar(figure: Any, drawn: Any, panels: Any) -> Any:
    bar = figure.colorbar(drawn, ax=list(panels), fraction=0.022, pad=0.012, shrink=0.82, aspect=24, extend="max")
    unit = DoseUnit(*dose_unit(drawn.get_clim()[1]))
    unit.axis(bar.ax.yaxis)
    bar.set_label(f"dose [{unit.name}]")
    bar.outline.set_linewidth(0.5)
    return bar


def direction_letters(axes: Any, words: tuple[str, str, str, str], colour: str = "#ffd84d") -> None:
    """Letters of the patient's directions at the left, right, top and bottom of a picture."""
    places = (
        (0.02, 0.5, "left", "center"),
        (0.98, 0.5, "right", "center"),
        (0.5, 0.98, "center", "top"),
        (0.5, 0.02, "center", "bottom"),
    )
    for word, (x, y, ha, va) in zip(words, places, strict=True):
        axes.text(x, y, word, transform=axes.transAxes, ha=ha, va=va, color=colour, fontsize=7.5)
