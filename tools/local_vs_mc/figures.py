"""The study's figures, drawn from its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .design import BLURS_MM, MAIN_VOXEL_MM, MEDIA, NUCLIDES, SOFT, VOXELS_MM
from .table import Row

#: Colours (Okabe and Ito: told apart by everybody) and marks.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKS = "osD^vP"
#: Volumes at which voxel and blur are compared [mL].
COMPARED_ML = (1.0, 10.0)
METRICS = (("mean", "mean dose"), ("d95", "D95"))

Key = Callable[[Row], bool]


def nuclide_text(name: str) -> str:
    """``131I`` for ``I-131``, with the mass number raised."""
    element, mass = name.split("-")
    return f"$^{{{mass}}}${element}"


def draw(rows: list[Row], folder: Path) -> None:
    """All figures, as SVG."""
    by_diameter(rows, folder / "local-vs-mc-diameter.svg")
    by_voxel(rows, folder / "local-vs-mc-voxel.svg")
    by_blur(rows, folder / "local-vs-mc-blur.svg")
    by_medium(rows, folder / "local-vs-mc-media.svg")


def by_diameter(rows: list[Row], file: Path) -> None:
    """Bias of mean and D95 against the diameter, soft tissue, 3 mm, true activity."""
    chosen = [r for r in rows if _is(r, medium=SOFT, voxel_mm=MAIN_VOXEL_MM, blur_mm=0.0)]
    with figure(2, 2, file) as axes:
        for row, method in zip(axes, ("local", "local+photons"), strict=True):
            for one, (metric, title) in zip(row, METRICS, strict=True):
                for place, name in enumerate(NUCLIDES):
                    mine = [r for r in chosen if r["nuclide"] == name]
                    _line(one, mine, "diameter_mm", f"{method}_{metric}_bias", place, nuclide_text(name))
                _dress(one, f"{title}, {method}", "diameter of the sphere [mm]", logarithmic=True)
        _legend(axes[0][0])


def by_voxel(rows: list[Row], file: Path) -> None:
    """Bias of local deposition against the voxel, soft tissue, true activity."""
    with figure(2, 2, file) as axes:
        for row, volume in zip(axes, COMPARED_ML, strict=True):
            for one, (metric, title) in zip(row, METRICS, strict=True):
                for place, name in enumerate(NUCLIDES):
                    mine = [r for r in rows if _is(r, medium=SOFT, volume_ml=volume, blur_mm=0.0, nuclide=name)]
                    _line(one, mine, "voxel_mm", f"local_{metric}_bias", place, nuclide_text(name))
                _dress(one, f"{title}, local, {volume:g} mL", "voxel [mm]")
                one.set_xticks(VOXELS_MM)
        _legend(axes[0][0])


def by_blur(rows: list[Row], file: Path) -> None:
    """Bias of local deposition on the blurred map, and what blur itself takes from the dose."""
    with figure(2, 3, file) as axes:
        for row, volume in zip(axes, COMPARED_ML, strict=True):
            mine = [r for r in rows if _is(r, medium=SOFT, volume_ml=volume, voxel_mm=MAIN_VOXEL_MM)]
            for place, name in enumerate(NUCLIDES):
                own = [r for r in mine if r["nuclide"] == name]
                for one, (metric, _) in zip(row, METRICS, strict=False):
                    _line(one, own, "blur_mm", f"local_{metric}_bias", place, nuclide_text(name))
                _line(row[2], own, "blur_mm", "d95_loss_by_blur", place, nuclide_text(name))
            for one, title in zip(row, ("mean, local", "D95, local", "loss of D95 by blur"), strict=True):
                _dress(one, f"{title}, {volume:g} mL", "PET resolution, FWHM [mm]")
                one.set_xticks(BLURS_MM)
            row[2].set_ylabel("against the true activity [%]")
        _legend(axes[0][0])


def by_medium(rows: list[Row], file: Path) -> None:
    """Bias of the mean against the diameter in all media, by local deposition and by the kernel of soft tissue."""
    names, methods = ("I-131", "Y-90"), ("local", "kernel")
    with figure(2, 2, file) as axes:
        for row, method in zip(axes, methods, strict=True):
            for one, name in zip(row, names, strict=True):
                for place, medium in enumerate(MEDIA):
                    mine = [r for r in rows if _is(r, medium=medium, nuclide=name, voxel_mm=MAIN_VOXEL_MM, blur_mm=0.0)]
                    _line(one, mine, "diameter_mm", f"{method}_mean_bias", place, medium)
                _dress(one, f"{nuclide_text(name)}, mean, {method}", "diameter of the sphere [mm]", logarithmic=True)
        _legend(axes[0][0])


@contextmanager
def figure(rows: int, across: int, file: Path) -> Iterator[Any]:
    """Axes of a figure that is saved at the end, the same bytes for the same data."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "hevesy", "svg.fonttype": "none", "font.size": 8.0}):
        drawn = Figure(figsize=(3.6 * across, 2.9 * rows), layout="constrained")
        yield drawn.subplots(rows, across, squeeze=False)
        drawn.savefig(file, format="svg", metadata={"Date": None})


def _is(row: Row, **wanted: Any) -> bool:
    return all(row[name] == value for name, value in wanted.items())


def _line(axes: Any, rows: Iterable[Row], x: str, y: str, place: int, label: str) -> None:
    """A line with bars of one standard error; where there is no such column, without."""
    points = sorted(
        (r[x], r[f"{y}_percent"], r.get(f"{y}_error") or 0.0) for r in rows if r[f"{y}_percent"] is not None
    )
    if points:
        along, values, errors = zip(*points, strict=True)
        axes.errorbar(
            along, values, errors, label=label, color=COLOURS[place], marker=MARKS[place], markersize=3.0,
            linewidth=1.0, elinewidth=0.7,
        )  # fmt: skip


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)


def _dress(axes: Any, title: str, along: str, *, logarithmic: bool = False) -> None:
    axes.axhspan(-5.0, 5.0, color="0.92", zorder=0)
    axes.axhline(0.0, color="0.5", linewidth=0.7)
    axes.set(title=title, xlabel=along, ylabel="bias against Monte Carlo [%]")
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xticks([5, 10, 20, 50], ["5", "10", "20", "50"])
        axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
