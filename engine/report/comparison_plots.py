"""Figures of a comparison's page: the bias of every lesion, and histograms by method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..text import or_nan, printable, shortened
from .comparison_input import DoseCurve
from .comparison_rows import Method, Region, Shown
from .figures import FAINT, INK, STYLE, THRESHOLD, label, new_figure, to_svg

#: Lesions in one figure of biases, and panels in one figure of histograms: what a printed page holds.
ROWS, PANELS = 20, 12
#: Points of a histogram's curve at most: what its panel can show.
POINTS = 120


def bias_figures(shown: Shown) -> list[str]:
    """Bias of the mean dose, and of D95 where known, of every lesion by method with its 95 % interval, as SVG."""
    known = [region for region in shown.lesions if any(_has(region, method, "bias") for method in shown.others)]
    limits = {key: _limits(shown, known, key) for key in ("bias", "d95_bias")}
    return [_bias_figure(shown, part, limits) for part in _parts(known, ROWS)]


def _parts(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """The items in as few parts of nearly equal length as needed."""
    n = math.ceil(len(items) / most)
    cuts = [round(i * len(items) / n) for i in range(n + 1)] if n else []
    return [items[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]


def _has(region: Region, method: Method, key: str) -> bool:
    return math.isfinite(_value(region, method, key))


def _value(region: Region, method: Method, key: str, name: str = "percent") -> float:
    return or_nan((region.doses.get(method.name, {}).get(key) or {}).get(name))


def _limits(shown: Shown, regions: Sequence[Region], key: str) -> tuple[float, float] | None:
    """Axis of a kind of bias [%]: all values, the tolerance, and intervals unless they dwarf the values."""
    pairs = [(region, method) for region in regions for method in shown.others if _has(region, method, key)]
    if not pairs:
        return None
    tolerance = or_nan(shown.record["tolerance_percent"])
    values = [_value(*pair, key) for pair in pairs]
    low, high = min(*values, -1.3 * tolerance), max(*values, 1.3 * tolerance)
    room = high - low
    ends = [_value(*pair, key, name) for pair in pairs for name in ("low_percent", "high_percent")]
    ends = [end for end in ends if math.isfinite(end)]
    low, high = max(min([low, *ends]), low - 0.5 * room), min(max([high, *ends]), high + 0.5 * room)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _bias_figure(shown: Shown, regions: Sequence[Region], limits: Mapping[str, tuple[float, float] | None]) -> str:
    """One figure: a row per lesion, a panel per kind of bias."""
    import matplotlib as mpl

    kinds = [(key, of) for key, of in (("bias", "mean dose"), ("d95_bias", "D95")) if limits[key]]
    step = 0.095 * len(shown.others) + 0.13
    with mpl.rc_context(STYLE):
        widths = [1.5, 1.0][: len(kinds)]
        figure, panels = new_figure(
            8.4, 1.0 + step * len(regions), ncols=len(kinds), sharey=True, squeeze=False, width_ratios=widths
        )
        for axes, (key, of) in zip(panels[0], kinds, strict=True):
            span = limits[key]
            assert span is not None
            tolerance = or_nan(shown.record["tolerance_percent"])
            axes.axvspan(-tolerance, tolerance, color="#dfe8f1", linewidth=0, zorder=0)
            axes.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
            for row in range(1, len(regions)):
                axes.axhline(row - 0.5, color="#e4e7eb", linewidth=0.6, zorder=0.5)
            for place, method in enumerate(shown.others):
                offset = 0.72 * ((place + 0.5) / len(shown.others) - 0.5)
                for row, region in enumerate(regions):
                    _interval(axes, row + offset, method, region, key, span)
            axes.set(xlim=span, ylim=(len(regions) - 0.5, -0.5), xlabel=f"bias of {of} [%]")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", labeltop=len(regions) > 12)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
        panels[0][0].set_yticks(range(len(regions)), [label(_short(shown.name_of(region))) for region in regions])
        _legend(figure, panels[0][0], shown.others, lines=False)
        return to_svg(figure)


def _interval(axes: Any, y: float, method: Method, region: Region, key: str, span: tuple[float, float]) -> None:
    """One value with its interval; an arrow where the interval leaves the axis, a hollow marker where there is none."""
    value = _value(region, method, key)
    if not math.isfinite(value):
        return
    low, high = _value(region, method, key, "low_percent"), _value(region, method, key, "high_percent")
    known = math.isfinite(low) and math.isfinite(high)
    if known:
        ends = (max(low, span[0]), min(high, span[1]))
        axes.plot(ends, [y, y], color=method.colour, linewidth=1.5, solid_capstyle="butt")
        for end, beyond, arrow in ((span[0], low < span[0], "<"), (span[1], high > span[1], ">")):
            if beyond:
                axes.plot([end], [y], arrow, color=method.colour, markersize=4.5, clip_on=False)
    face = method.colour if known else "white"
    axes.plot([value], [y], method.marker, color=method.colour, markersize=4.5, markerfacecolor=face, zorder=3)


def _short(name: str) -> str:
    """A name that leaves a figure its room."""
    return shortened(printable(name), 30)


def _legend(figure: Any, axes: Any, methods: Sequence[Method], *, lines: bool) -> None:
    """The methods above a figure."""
    for method in methods:
        how: dict[str, Any] = {"linestyle": method.dash, "linewidth": 1.5} if lines else {"marker": method.marker}
        if not lines:
            how |= {"linestyle": "", "markersize": 4.5}
        axes.plot([], [], color=method.colour, label=label(shortened(method.label, 62)), **how)
    one_line = sum(len(method.label) + 10 for method in methods) < 140
    figure.legend(loc="outside upper left", ncols=len(methods) if one_line else 2, fontsize=8, borderpad=0.1)


def histogram_figures(shown: Shown, regions: Sequence[Region], curves: Sequence[DoseCurve]) -> list[str]:
    """Cumulative dose-volume histograms of these regions, a panel each with every method, as SVG."""
    by: dict[tuple[str, str], dict[str, DoseCurve]] = {}
    for curve in curves:
        by.setdefault((curve.visit, curve.region), {})[curve.method] = curve
    with_curves = [(region, by[region.visit, region.name]) for region in regions if (region.visit, region.name) in by]
    parts = [with_curves[i : i + PANELS] for i in range(0, len(with_curves), PANELS)]
    return [_histograms(shown, part) for part in parts]


def _histograms(shown: Shown, items: Sequence[tuple[Region, Mapping[str, DoseCurve]]]) -> str:
    """One figure of a few panels."""
    import matplotlib as mpl

    columns = 3 if len(items) > 2 else 2
    lines = math.ceil(len(items) / columns)
    height = 1.95 if columns == 3 else 2.5
    with mpl.rc_context({**STYLE, "font.size": 8.0}):
        figure, panels = new_figure(8.4, 0.45 + height * lines, nrows=lines, ncols=columns, squeeze=False, sharey=True)
        flat = list(panels.flat)
        for place, (axes, (region, curves)) in enumerate(zip(flat, items, strict=False)):
            _histogram(axes, shown, curves, shown.threshold_gy if region.is_lesion else math.nan)
            axes.set_title(label(_short(shown.name_of(region))), fontsize=8.5, loc="left")
            if place % columns == 0:
                axes.set_ylabel("volume with\nat least D [%]")
            if place + columns >= len(items):
                axes.set_xlabel(f"dose D [{shown.unit.name}]")
        for axes in flat[len(items) :]:
            axes.set_visible(False)
        drawn = {name for _, curves in items for name in curves}
        _legend(figure, flat[0], [method for method in shown.methods if method.name in drawn], lines=True)
        return to_svg(figure)


def _histogram(axes: Any, shown: Shown, curves: Mapping[str, DoseCurve], threshold_gy: float) -> None:
    """The histograms of one region, with bands, and the threshold [Gy] where there is one."""
    right = max((_end(curve) for curve in curves.values()), default=0.0)
    if right < threshold_gy <= 1.5 * right:
        right = threshold_gy
    right = 1.05 * right or 1.0
    for method in shown.methods:
        curve = curves.get(method.name)
        if curve is None:
            continue
        if curve.low_percent is not None and curve.high_percent is not None:
            doses, low, high = _thinned(curve.dose_gy, curve.low_percent, curve.high_percent, right)
            axes.fill_between(doses, low, high, color=method.colour, alpha=0.25, linewidth=0)
        doses, volume, _ = _thinned(curve.dose_gy, curve.volume_percent, curve.volume_percent, right)
        axes.plot(doses, volume, color=method.colour, linestyle=method.dash, linewidth=1.3)
    if threshold_gy <= right:
        axes.axvline(threshold_gy, color=THRESHOLD, linewidth=0.9)
    elif math.isfinite(threshold_gy):
        words = f"{threshold_gy:g} Gy →"
        axes.text(0.99, 0.97, words, transform=axes.transAxes, color=THRESHOLD, ha="right", va="top", fontsize=7.5)
    shown.unit.axis(axes.xaxis)
    axes.set(xlim=(0, right), ylim=(0, 102))
    axes.spines["left"].set_color(FAINT)


def _end(curve: DoseCurve) -> float:
    """Highest dose that a visible share of the volume reaches [Gy]."""
    doses, volume = np.asarray(curve.dose_gy, dtype=float), np.asarray(curve.volume_percent, dtype=float)
    visible = doses[(volume >= 0.3) & np.isfinite(doses)]
    return float(visible.max(initial=0.0))


def _thinned(dose_gy: Any, low: Any, high: Any, right: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curves with no more points than a panel shows; as they are where they have few."""
    doses, a, b = (np.asarray(values, dtype=float) for values in (dose_gy, low, high))
    if doses.size > POINTS:
        places = np.linspace(0.0, min(right, float(doses[-1])), POINTS)
        return places, np.interp(places, doses, a), np.interp(places, doses, b)
    # the fall to zero at the highest dose
    return np.append(doses, doses[-1:]), np.append(a, np.zeros(min(doses.size, 1))), np.append(b, b[-1:] * 0.0)
