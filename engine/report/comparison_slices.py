"""Where the methods differ: the reference dose through a lesion, and each method's difference from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..lesions.recovery import sphere_diameter_mm
from ..text import dose_unit, shortened
from .comparison_input import VisitMaps
from .comparison_rows import Method, Region, Shown
from .figures import STYLE, data_uri, label, new_figure, to_png
from .slices import (
    FIELD_DIAMETERS,
    PLANES,
    background,
    centres_mm,
    direction_letters,
    extent_mm,
    field_box,
    nearest_inside,
    visibility,
)
from .units import DoseUnit

#: Lesions shown at most: the largest. Half-width of the field around one, at least [mm].
LESIONS, FIELD_MM = 3, 40.0
#: Ends of a scale of differences [%].
SCALES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def pictures(shown: Shown, maps: tuple[VisitMaps, ...]) -> list[tuple[Region, str]]:
    """The largest lesions that have a mask and maps, each as a PNG data URI."""
    by = {images.visit: images for images in maps}
    out: list[tuple[Region, str]] = []
    if not shown.others:
        return out
    for region in sorted(shown.lesions, key=lambda region: -region.volume_ml):
        images = by.get(region.visit)
        mask = None if images is None else _mask(images, region.name)
        if images is not None and mask is not None and shown.reference.name in images.doses and len(out) < LESIONS:
            out.append((region, _picture(shown, images, region, mask)))
    return out


def _mask(images: VisitMaps, name: str) -> np.ndarray | None:
    masks = images.result.lesion_masks
    if masks is None or name not in images.result.lesion_names:
        return None
    mask = np.asarray(masks[images.result.lesion_names.index(name)])
    return mask if mask.any() else None


def _picture(shown: Shown, images: VisitMaps, region: Region, mask: np.ndarray) -> str:
    """Axial and coronal plane: a column for the reference dose, one for each difference."""
    import matplotlib as mpl

    grid = images.result.grid
    methods = [method for method in shown.others if method.name in images.doses]
    centre = nearest_inside(grid, _centroid(mask), mask)
    field = max(FIELD_MM, FIELD_DIAMETERS * float(sphere_diameter_mm(region.volume_ml)))
    boxes = [field_box(grid, centre, axis, field) for axis in range(3)]
    dose = np.asarray(images.doses[shown.reference.name])
    inside = mask > 127 if (mask > 127).any() else mask > 0
    known = dose[inside][np.isfinite(dose[inside])]
    mean, top = (float(known.mean()) or 1.0, float(known.max()) or 1.0) if known.size else (1.0, 1.0)

    def difference(method: Method, place: tuple[Any, ...]) -> np.ndarray:
        return 100.0 * (np.asarray(images.doses[method.name][place], dtype=float) - dose[place]) / mean

    end = _scale([difference(method, tuple(boxes)) for method in methods])
    columns = 1 + len(methods)
    with mpl.rc_context({**STYLE, "axes.grid": False, "axes.spines.top": True, "axes.spines.right": True}):
        width = 8.4
        side = (width - 1.3) / max(columns, 3)
        figure, panels = new_figure(width, 2 * side + 0.55, nrows=2, ncols=max(columns, 3), squeeze=False)
        drawn: dict[str, Any] = {}
        for row, (name, cut, (v, h), words) in enumerate(PLANES[:2]):
            index: list[Any] = list(boxes)
            index[cut] = centre[cut]
            place = tuple(index)
            how = {"origin": "lower" if v == 0 else "upper", "extent": extent_mm(grid, boxes, v, h)}
            axes = panels[row][0]
            drawn["dose"] = _reference(axes, images, dose[place], place, top, how)
            position = f"{_position(images, centre, cut):.0f}".replace("-", "−")
            axes.set_ylabel(f"{name}, {'zyx'[cut]} = {position} mm", fontsize=8)
            direction_letters(axes, words)
            for axes, method in zip(panels[row][1:], methods, strict=False):
                values = np.ma.masked_invalid(difference(method, place))
                drawn["difference"] = axes.imshow(values, cmap=_diverging(), vmin=-end, vmax=end, **how)
            for axes in panels[row][:columns]:
                colour = "white" if axes is panels[row][0] else "black"
                _outline(axes, mask[place], centres_mm(grid, boxes[h], h), centres_mm(grid, boxes[v], v), colour)
                axes.set(xticks=[], yticks=[], xlim=how["extent"][:2], ylim=how["extent"][2:])
            for axes in panels[row][columns:]:
                axes.set_visible(False)
        _titles(panels[0], shown, methods)
        _bars(figure, panels, drawn, columns)
        return data_uri(to_png(figure, dpi=150))


def _centroid(mask: np.ndarray) -> np.ndarray:
    """Centre of mass of a mask in index coordinates (z, y, x)."""
    places = np.argwhere(mask)
    return np.average(places, axis=0, weights=mask[tuple(places.T)].astype(float))


def _position(images: VisitMaps, centre: tuple[int, int, int], cut: int) -> float:
    return float(images.result.grid.index_to_xyz(np.array(centre, dtype=float))[2 - cut])


def _reference(axes: Any, images: VisitMaps, values: np.ndarray, place: Any, top: float, how: dict[str, Any]) -> Any:
    """The reference dose over the CT or the mass density."""
    grey, window = background(images.result)
    axes.imshow(grey[place], cmap="gray", vmin=window[0], vmax=window[1], interpolation="bilinear", **how)
    values = np.nan_to_num(values)  # a foreign map without dose there hides nothing of the image
    alpha = visibility(values, top)
    return axes.imshow(values, cmap="inferno", vmin=0.0, vmax=top, alpha=alpha, interpolation="nearest", **how)


def _outline(axes: Any, mask: np.ndarray, horizontal: np.ndarray, vertical: np.ndarray, colour: str) -> None:
    """Boundary of the lesion."""
    if min(mask.shape) > 1 and mask.max() > 127 > mask.min():
        axes.contour(horizontal, vertical, mask, [127.5], colors=colour, linewidths=0.9)


def _scale(differences: list[np.ndarray]) -> float:
    """End of the symmetric scale [%]: a round number that all but the largest hundredth of the voxels stay within."""
    known = [np.abs(values[np.isfinite(values)]) for values in differences]
    largest = float(np.percentile(np.concatenate(known), 99.0)) if sum(v.size for v in known) else 0.0
    return next((end for end in SCALES if end >= largest), SCALES[-1])


def _diverging() -> Any:
    """Blue below, red above, white where equal; grey where a map has no value."""
    from matplotlib import colormaps

    return colormaps["RdBu_r"].with_extremes(bad="#b9bfc7")


def _titles(panels: Any, shown: Shown, methods: list[Method]) -> None:
    panels[0].set_title(label(shortened(shown.reference.label, 26)), fontsize=8.5)
    for axes, method in zip(panels[1:], methods, strict=False):
        axes.set_title(label(f"{shortened(method.name, 20)} − {shortened(shown.reference.name, 12)}"), fontsize=8.5)


def _bars(figure: Any, panels: Any, drawn: dict[str, Any], columns: int) -> None:
    """A scale under the reference dose and one under the differences."""
    unit = DoseUnit(*dose_unit(drawn["dose"].get_clim()[1]))
    shape: dict[str, Any] = {"orientation": "horizontal", "pad": 0.02, "aspect": 22}
    bar = figure.colorbar(drawn["dose"], ax=list(panels[:, 0]), extend="max", shrink=0.9, **shape)
    unit.axis(bar.ax.xaxis)
    bar.set_label(f"dose [{unit.name}]")
    bars = [bar]
    if "difference" in drawn:
        axes = [panel for row in panels for panel in row[1:columns]]
        share = min(0.9, 2.0 / max(columns - 1, 1))
        bars.append(figure.colorbar(drawn["difference"], ax=axes, extend="both", shrink=share, **shape))
        bars[1].set_label("difference [% of the lesion's mean dose]")
    for one in bars:
        one.outline.set_linewidth(0.5)
