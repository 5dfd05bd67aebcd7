"""Figures of the study."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .analysis import balance, ours, ratio, theirs
from .plan import PARTS
from .published import PublishedTable
from .record import Record

COLOURS = {"beta": "#0072B2", "lines": "#D55E00", "photons": "#009E73"}
NAMES = {"beta": "betas", "lines": "conversion and Auger electrons", "photons": "gamma and X rays"}
ALL, WITHOUT = tuple(PARTS), ("beta", "photons")


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})
    return plt


def ratios(record: Record, tables: list[PublishedTable], path: Path) -> None:
    """Published over ours against distance, with and without conversion and Auger electrons."""
    plt = _pyplot()
    figure, axes = plt.subplots(2, 4, figsize=(9.6, 4.6), sharex=True, sharey=True)
    for axis, table in zip(axes.flat, tables, strict=False):
        for components, marker, colour in ((ALL, "o", COLOURS["beta"]), (WITHOUT, "D", COLOURS["lines"])):
            points = [
                (math.hypot(*n), r.value, r.error)
                for n in table.s
                if (r := ratio(record, table, components, n)).error < 0.02
            ]
            x, y, error = zip(*points, strict=True)
            face = colour if components == ALL else "none"
            axis.errorbar(x, y, error, fmt=marker, ms=3, lw=0.7, color=colour, mfc=face)
        axis.axhline(1.0, color="black", lw=0.6)
        axis.set_title(table.nuclide, fontsize=9)
        axis.set_ylim(0.78, 1.12)
    last = axes.flat[len(tables)]
    last.axis("off")
    last.plot([], [], "o", color=COLOURS["beta"], label="ours: whole decay")
    last.plot([], [], "D", color=COLOURS["lines"], mfc="none", label="ours: without conversion\nand Auger electrons")
    last.legend(loc="center")
    figure.supxlabel("distance of the voxels' centres [voxels of 3 mm]")
    figure.supylabel("published / ours")
    _save(plt, figure, path)


def parts(record: Record, tables: list[PublishedTable], path: Path) -> None:
    """Parts of the self value, and of the energy in the table, each as a share of the whole."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), sharey=True)
    for place, table in enumerate(tables):
        whole = ours(record, table, ALL, (0, 0, 0)).value
        shares = [ours(record, table, (part,), (0, 0, 0)).value / whole for part in PARTS]
        found = theirs(table, (0, 0, 0))
        _stack(left, place, shares, found.value / whole, found.error / whole)
        energy = balance(record, table)
        inside = [energy.beta.value, energy.lines.value, energy.photons.value]
        total = sum(inside)
        _stack(right, place, [e / total for e in inside], energy.table.value / total, energy.table.error / total)
    for axis, title in ((left, "self value"), (right, "energy in all voxels of the table")):
        axis.set_xticks(range(len(tables)), [table.nuclide for table in tables])
        axis.set_title(title, fontsize=9)
        axis.set_ylim(0.6, 1.05)
    left.set_ylabel("share of our whole (axis begins at 0.6)")
    for part in PARTS:
        right.bar(0, 0, color=COLOURS[part], label=NAMES[part])
    right.errorbar([], [], [], fmt="_", color="black", ms=12, label="published")
    figure.legend(*right.get_legend_handles_labels(), loc="lower center", ncols=4, fontsize=8)
    _save(plt, figure, path, (0.0, 0.08, 1.0, 1.0))


def _stack(axis: Any, place: int, shares: list[float], found: float, error: float) -> None:
    below = 0.0
    for part, share in zip(PARTS, shares, strict=True):
        axis.bar(place, share, 0.7, bottom=below, color=COLOURS[part])
        below += share
    axis.errorbar([place], [found], [error], fmt="_", color="black", ms=16, mew=1.6, lw=1)


def _save(plt: Any, figure: Any, path: Path, box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)) -> None:
    figure.tight_layout(rect=box)
    figure.savefig(path, dpi=110, pil_kwargs={"optimize": True})
    plt.close(figure)
