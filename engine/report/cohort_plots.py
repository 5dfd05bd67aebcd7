"""Figures of the trial's report: waterfall and spider plots, dose against the threshold, tolerable activity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .figures import COLOURS, FAINT, INK, STYLE, THRESHOLD, label, new_figure, to_svg

#: RECIST 1.1 bounds of the change of the sum of diameters [%].
PARTIAL, PROGRESSIVE = -30.0, 20.0


def _colours(arms: Sequence[str]) -> dict[str, str]:
    return {arm: COLOURS[i % len(COLOURS)] for i, arm in enumerate(arms)}


def _recist_lines(axes: Any) -> None:
    for level in (PARTIAL, PROGRESSIVE):
        axes.axhline(level, color=FAINT, linewidth=0.9, linestyle="--")
    axes.axhline(0.0, color=INK, linewidth=0.8)


def _arm_legend(axes: Any, colours: Mapping[str, str]) -> None:
    if len(colours) < 2:
        return
    for arm, colour in colours.items():
        axes.plot([], [], color=colour, linewidth=4, label=label(arm))
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(colours))


def _log_axis(axes: Any) -> None:
    """A logarithmic dose or uptake axis in plain numbers, at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    for part in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        part(FuncFormatter(lambda value, _: f"{value:g}"))


def waterfall(patients: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> str:
    """Best change of each patient's sum of target diameters, worst first, as SVG."""
    import matplotlib as mpl

    if not patients:
        return ""
    best = [(min(s["change_percent"] for s in p["steps"][1:]), p) for p in patients]
    best.sort(key=lambda item: -item[0])
    colours = _colours(arms)
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(8.4, 3.2)
        axes.bar(range(len(best)), [v for v, _ in best], color=[colours[p["arm"]] for _, p in best], width=0.8)
        _recist_lines(axes)
        axes.set_xticks(range(len(best)), [label(p["patient"]) for _, p in best], rotation=90)
        axes.set(ylabel="best change of the sum\nof target diameters [%]", xlim=(-0.6, len(best) - 0.4))
        axes.grid(axis="x", visible=False)
        _arm_legend(axes, colours)
        return to_svg(figure)


def spider(
    tracks: Sequence[Mapping[str, Any]],
    visits: Sequence[str],
    arms: Sequence[str],
    key: str,
    what: str,
    *,
    log: bool = False,
) -> str:
    """One line per patient or lesion over the visits, one panel per arm, as SVG."""
    import matplotlib as mpl

    known = [t for t in tracks if len(t["steps"]) > 1]
    if not known:
        return ""
    colours = _colours(arms)
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(8.4, 3.2, ncols=len(arms), sharey=True, squeeze=False)
        for panel, arm in zip(axes[0], arms, strict=True):
            for track in known:
                if track["arm"] != arm:
                    continue
                points = [
                    (visits.index(s["visit"]), float(s[key]))
                    for s in track["steps"]
                    if s[key] is not None and (not log or s[key] > 0)
                ]
                panel.plot(
                    [x for x, _ in points],
                    [y for _, y in points],
                    marker="o",
                    markersize=3,
                    linewidth=1.1,
                    color=colours[arm],
                    alpha=0.65,
                )
                again = [
                    (visits.index(s["visit"]), float(s[key]))
                    for s in track["steps"]
                    if s.get("verdict") == "re-induced" and s[key] is not None
                ]
                panel.plot([x for x, _ in again], [y for _, y in again], "o", color=THRESHOLD, markersize=5)
            if log:
                _log_axis(panel)
            else:
                _recist_lines(panel)
            panel.set_title(label(arm), fontsize=9)
            panel.set_xticks(range(len(visits)), [label(v) for v in visits])
            panel.set_xlim(-0.2, len(visits) - 0.8)
        axes[0][0].set_ylabel(what)
        return to_svg(figure)


def doses(
    tracks: Sequence[Mapping[str, Any]], visits: Sequence[str], arms: Sequence[str], threshold: float | None
) -> str:
    """Predicted mean dose of every lesion at every visit against the threshold, as SVG."""
    import matplotlib as mpl

    steps = [(t, s) for t in tracks for s in t["steps"] if s["dose_gy"] and s["dose_gy"] > 0]
    if not steps:
        return ""
    colours = _colours(arms)
    slots = [(arm, visit) for visit in visits for arm in arms]
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(8.4, 3.2)
        counts: dict[tuple[str, str], int] = {}
        for track, step in steps:
            slot = (track["arm"], step["visit"])
            n = counts[slot] = counts.get(slot, 0) + 1
            # spread the points of a slot evenly, always the same way: a golden-ratio sequence
            offset = 0.6 * (math.fmod(n * 0.618034, 1.0) - 0.5)
            axes.plot(
                [slots.index(slot) + offset],
                [step["dose_gy"]],
                "o",
                color=colours[track["arm"]],
                markersize=4,
                alpha=0.75,
                markeredgewidth=0,
            )
        if threshold:
            axes.axhline(threshold, color=THRESHOLD, linewidth=1.0)
            axes.annotate(
                f"{threshold:g} Gy", (len(slots) - 0.5, threshold), color=THRESHOLD, fontsize=8, ha="right", va="bottom"
            )
        names = [f"{visit}\n{arm}" if len(arms) > 1 else visit for arm, visit in slots]
        axes.set_xticks(range(len(slots)), [label(n) for n in names])
        _log_axis(axes)
        axes.set(ylabel="predicted mean dose [Gy]", xlim=(-0.5, len(slots) - 0.5))
        axes.grid(axis="x", visible=False)
        return to_svg(figure)


def tolerance(rows: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> str:
    """Maximum tolerable activity of every patient and visit against the planned one, as SVG."""
    import matplotlib as mpl

    if not rows:
        return ""
    colours = _colours(arms)
    names = list(dict.fromkeys(row["patient"] for row in rows))
    visits = list(dict.fromkeys(row["visit"] for row in rows))
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(8.4, 2.8)
        for row in rows:
            shift = 0.18 * (visits.index(row["visit"]) - 0.5 * (len(visits) - 1))
            axes.plot(
                [names.index(row["patient"]) + shift],
                [row["maximum_gbq"]],
                "o",
                color=colours[row["arm"]],
                markersize=4,
            )
        for amount in dict.fromkeys(row["therapy_activity_gbq"] for row in rows):
            axes.axhline(amount, color=THRESHOLD, linewidth=1.0)
            axes.annotate(
                f"{amount:g} GBq", (len(names) - 0.5, amount), color=THRESHOLD, fontsize=8, ha="right", va="bottom"
            )
        axes.set_xticks(range(len(names)), [label(n) for n in names], rotation=90)
        axes.set(ylabel="maximum tolerable\nactivity [GBq]", xlim=(-0.6, len(names) - 0.4))
        axes.set_ylim(bottom=0)
        axes.grid(axis="x", visible=False)
        _arm_legend(axes, colours)
        return to_svg(figure)
