"""Curves of the report: histograms, mean doses against the threshold, kinetics, uncertainty budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..lesions.record import LesionDose
from ..text import number, or_nan
from .figures import COLOURS, FAINT, INK, STYLE, THRESHOLD, label, line_style, new_figure, to_svg
from .units import DoseUnit

#: Line of a histogram whose doses are those as imaged times the recovery factor.
GHOST: dict[str, Any] = {"linestyle": (0, (3, 2))}


def histogram(lesions: Sequence[LesionDose]) -> str:
    """Cumulative dose-volume histograms with the threshold, as SVG."""
    import matplotlib as mpl

    shown = [(i, lesion) for i, lesion in enumerate(lesions) if lesion.dvh is not None]
    if not shown:
        return ""
    with mpl.rc_context(STYLE):
        many = len(shown) > 14
        figure, axes = new_figure(8.4, 3.3 + (0.12 * len(shown) if many else 0.0))
        threshold = lesions[0].threshold_gy
        top = max(lesion.max_gy * (lesion.recovery_dose_factor if _ghost(lesion) else 1.0) for _, lesion in shown)
        for i, lesion in shown:
            assert lesion.dvh is not None
            thin = lesion.voxel_metrics != "shown"
            name = lesion.lesion + (" (mean only)" if thin else "")
            doses, volumes = _ending(lesion.dvh.dose_gy, lesion.dvh.volume_percent)
            clean = lesion.noise_corrected_dvh
            if clean:
                colour = line_style(i)["color"]
                axes.fill_between(
                    clean["dose_gy"], clean["low_percent"], clean["high_percent"], color=colour, alpha=0.16, linewidth=0
                )
                axes.plot(doses, volumes, color=colour, linewidth=0.6, alpha=0.7)
                doses, volumes = _ending(clean["dose_gy"], clean["volume_percent"])
            axes.plot(doses, volumes, label=label(name), linewidth=0.9 if thin else 1.7, **line_style(i))
            if _ghost(lesion):
                scaled = doses * lesion.recovery_dose_factor
                axes.plot(scaled, volumes, color=line_style(i)["color"], linewidth=0.9, alpha=0.55, **GHOST)
        if any(_ghost(lesion) for _, lesion in shown):
            axes.plot([], [], color=FAINT, linewidth=0.9, label="as imaged × recovery factor", **GHOST)
        right = 1.05 * (max(top, threshold) if _near(threshold, top) else top)
        _mark_threshold(axes, threshold, right, 101, va="bottom")
        unit = DoseUnit.of(lesions)
        unit.axis(axes.xaxis)
        axes.set(xlim=(0, right), ylim=(0, 100), xlabel=f"dose D [{unit.name}]", ylabel="volume with at least D [%]")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, ncols=2 if many else 1)
        return to_svg(figure)


def _ghost(lesion: LesionDose) -> bool:
    """Whether the histogram is drawn a second time, its doses times the recovery factor."""
    return lesion.voxel_metrics == "shown" and lesion.recovery_dose_factor != 1.0


def _ending(doses: Any, volumes: Any) -> tuple[np.ndarray, np.ndarray]:
    """The curve with its fall to zero at the highest dose."""
    dose, volume = np.asarray(doses, dtype=float), np.asarray(volumes, dtype=float)
    return np.append(dose, dose[-1]), np.append(volume, 0.0)


def means(lesions: Sequence[LesionDose]) -> str:
    """Mean dose of each lesion with one and two standard uncertainties, against the threshold, as SVG."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure, axes = new_figure(8.4, 0.8 + 0.28 * len(lesions))
        threshold = lesions[0].threshold_gy
        highest = max(_upper(lesion) for lesion in lesions)
        right = 1.12 * (max(threshold, highest) if _near(threshold, highest) else highest)
        for i, lesion in enumerate(lesions):
            sigma = lesion.stated_uncertainty_gy if math.isfinite(lesion.stated_uncertainty_gy) else 0.0
            low, high = lesion.dose_gy - sigma, lesion.dose_gy + sigma
            wide = lesion.uncertainty.get("interval_k2_gy") or [lesion.dose_gy - 2 * sigma, lesion.dose_gy + 2 * sigma]
            narrow = lesion.uncertainty.get("interval_k1_gy") or [low, high]
            axes.plot(wide, [i, i], color=FAINT, linewidth=1.2, solid_capstyle="butt")
            if wide[1] > right:  # a skewed interval would squeeze the other bars, so its end is drawn as an arrow
                axes.plot([right], [i], ">", color=FAINT, markersize=5, clip_on=False)
            axes.plot(narrow, [i, i], color=COLOURS[0], linewidth=4.0, solid_capstyle="butt", alpha=0.55)
            axes.plot([lesion.dose_gy], [i], "o", color=INK, markersize=4)
            if math.isfinite(lesion.dose_local_gy):
                local = lesion.dose_local_gy * lesion.recovery_dose_factor
                axes.plot([local], [i], "x", color=COLOURS[1], markersize=5)
        _mark_threshold(axes, threshold, right, -0.75)
        unit = DoseUnit.of(lesions)
        unit.axis(axes.xaxis)
        axes.set(ylim=(len(lesions) - 0.4, -0.6), xlabel=f"mean dose [{unit.name}]")
        axes.set_xlim(0, right)
        axes.set_yticks(range(len(lesions)), [label(lesion.lesion) for lesion in lesions])
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        return to_svg(figure)


def _near(threshold: float, highest: float) -> bool:
    """Whether doses can still be read on an axis that reaches to the threshold."""
    return threshold <= 8.0 * highest or highest <= 0.0


def _mark_threshold(axes: Any, threshold: float, right: float, y: float, **how: Any) -> None:
    """The threshold as a line, or as text at the end of an axis that does not reach it; nothing where there is none."""
    if math.isnan(threshold):
        return
    inside = threshold <= right
    if inside:
        axes.axvline(threshold, color=THRESHOLD, linewidth=1.0)
    axes.annotate(
        f"{threshold:g} Gy" if inside else f"{threshold:g} Gy is beyond this axis \u2192",
        (threshold if inside else right, y),
        color=THRESHOLD,
        ha="center" if inside else "right",
        fontsize=8,
        annotation_clip=False,
        **how,
    )


def kinetics(lesion: LesionDose, half_lives_h: Mapping[str, float]) -> str:
    """Time-activity points and curve of the therapy nuclide, as SVG; empty when there are none.

    Parameters
    ----------
    lesion
        With its kinetics.
    half_lives_h
        Physical half-life of the therapy nuclide [h], by its name.
    """
    import matplotlib as mpl

    record = lesion.kinetics
    times, retention = record.get("times_h"), record.get("retention_percent")
    hours, curve = record.get("curve_times_h"), record.get("curve_activity_percent")
    if not times or retention is None:
        return ""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.6, 2.35)
        t = np.asarray(times, dtype=float)
        activity = np.array([or_nan(v) for v in retention]) * _decay(record.get("therapy"), half_lives_h, t)
        if hours and curve is not None:
            h, c = np.asarray(hours, float), np.array([or_nan(v) for v in curve])
            axes.plot(h, c, color=COLOURS[0], linewidth=1.6)
            late = h >= t[-1]
            axes.fill_between(h[late], 0, c[late], color=COLOURS[0], alpha=0.14, linewidth=0)
            axes.set_xlim(0, h[-1])
        axes.plot(t, activity, "o", color=INK, markersize=4.5)
        axes.set_ylim(bottom=0)
        therapy = str(record.get("therapy") or "therapy nuclide")
        axes.set(xlabel="time after administration [h]", ylabel=f"{therapy} in lesion [% of administered]")
        return to_svg(figure)


def _upper(lesion: LesionDose) -> float:
    """Mean dose plus one standard uncertainty: what the axis must show at least."""
    sigma = lesion.stated_uncertainty_gy if math.isfinite(lesion.stated_uncertainty_gy) else 0.0
    return lesion.dose_gy + sigma


def _decay(nuclide: str | None, half_lives_h: Mapping[str, float], hours: np.ndarray) -> np.ndarray:
    """Physical decay of the therapy nuclide to each time; the retention is corrected for decay."""
    if not nuclide:
        return np.ones_like(hours)
    return np.exp(-math.log(2.0) / half_lives_h[nuclide] * hours)


def budget(lesion: LesionDose) -> str:
    """Contributions to the relative standard uncertainty of the dose, as SVG; empty when there are none."""
    import matplotlib as mpl

    parts = [part for part in lesion.uncertainty.get("contributions") or () if part.get("relative")]
    if not parts:
        return ""
    parts = sorted(parts, key=lambda part: -abs(part["relative"]))
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.6, 0.7 + 0.235 * len(parts))
        values = [100 * abs(float(part["relative"])) for part in parts]
        colours = [COLOURS[5] if part.get("kind") == "random" else COLOURS[0] for part in parts]
        axes.barh(range(len(parts)), values, color=colours, height=0.62)
        for i, value in enumerate(values):
            axes.annotate(
                number(value, 2), (value, i), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_yticks(range(len(parts)), [label(str(part["name"])) for part in parts])
        axes.set(ylim=(len(parts) - 0.4, -0.6), xlim=(0, 1.18 * max(values)), xlabel="u(D)/D [%]")
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        return to_svg(figure)
