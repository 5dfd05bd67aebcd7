"""The study's page: tables between marks in docs/studies/local-vs-mc.md, and the figures beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ...engine.errors import InputError
from ..cohort_page import wrapped
from ..signs import with_sign
from .design import (
    BLURS_MM,
    MAIN_VOXEL_MM,
    MEDIA,
    NUCLIDES,
    SOFT,
    VOLUMES_ML,
    VOXELS_MM,
    design,
    first_pass,
)
from .figures import draw
from .page_published import BLOCKS as PUBLISHED_BLOCKS
from .table import Data, Row

PAGE = "local-vs-mc.md"
#: Stated goals of the standard errors [%].
MEAN_GOAL, D95_GOAL = 0.3, 1.0
#: A method is called good enough where its bias stays within this [%].
GOOD = 5.0

Lines = list[str]


def write_page(data: Data, folder: Path) -> None:
    """Put the tables into the page on disk, and draw the figures beside it."""
    draw(data.rows, folder)
    file = folder / PAGE
    if file.is_file():
        file.write_text(filled(file.read_text(encoding="utf-8"), data, file), encoding="utf-8")


def filled(page: str, data: Data, file: Path) -> str:
    """The text of the page with the tables of this data.

    Raises
    ------
    InputError
        The page has lost the marks around a table.
    """
    for name, block in {**BLOCKS, **PUBLISHED_BLOCKS}.items():
        begin, end = f"<!-- {name}: written by `make study` -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(page)) != 1:
            raise InputError(
                f"the page has no place for {name}",
                why=f"it belongs between {begin} and {end}",
                suggestion="put both lines back",
                file=file,
            )
        text = "\n".join([begin, "", *block(data), "", end])
        page = pattern.sub(lambda _, text=text: text, page)
    return page


def state(data: Data) -> Lines:
    """How many cases there are, and how precise."""
    whole, sparse = {case.name for case in design()}, {case.name for case in first_pass()}
    rows, worst = data.rows, max((r["mc_mean_error_percent"] for r in data.rows), default=math.nan)
    kernels = sum(r["kernel_mean_bias_percent"] is not None for r in rows)
    within = sum(r["mc_mean_error_percent"] <= MEAN_GOAL for r in rows)
    tails = sorted(r["mc_d95_error_percent"] for r in rows)
    shifts = sorted(abs(r["mc_d95_noise_shift_percent"]) for r in rows)
    text = (
        f"The page rests on {len(rows)} of the {len(whole)} cases of the design, whose first, sparse pass has "
        f"{len(sparse)}; {kernels} of them have the kernel as well. Standard error of the Monte Carlo mean: at most "
        f"{worst:.2f} %, and within the goal of {MEAN_GOAL:g} % in {within} cases. Standard error of D95: median "
        f"{_quantile(tails, 0.5):.2f} %, 95th percentile {_quantile(tails, 0.95):.2f} %, at most {tails[-1]:.2f} % "
        f"(goal: {D95_GOAL:g} %). What the correction for noise took off D95: median "
        f"{_quantile(shifts, 0.5):.2f} %, at most {shifts[-1]:.2f} %. Decays simulated: "
        f"{sum(r['decays'] for r in rows) / 1e6:.0f} million."
    )
    return wrapped(text)


def by_volume(data: Data) -> Lines:
    """Bias by nuclide and volume."""
    chosen = _pick(data, medium=SOFT, voxel_mm=MAIN_VOXEL_MM, blur_mm=0.0)
    methods = ("local", "local+photons", "kernel")
    head = ["nuclide", "mL", "diameter, mm"]
    head += [f"{metric}, {method}" for metric in ("mean", "D95") for method in methods]
    lines = _head(head)
    for name in NUCLIDES:
        for row in (r for r in chosen if r["nuclide"] == name):
            cells = [_name(name), f"{row['volume_ml']:g}{_mark(row)}", f"{row['diameter_mm']:.1f}"]
            cells += [bias(row, method, metric) for metric in ("mean", "d95") for method in methods]
            lines.append(_line(cells))
    return lines


def by_voxel(data: Data) -> Lines:
    """Bias of local deposition by voxel."""
    lines = _head(["nuclide", "mL", *(f"mean, {v:g} mm" for v in VOXELS_MM), *(f"D95, {v:g} mm" for v in VOXELS_MM)])
    for name in NUCLIDES:
        for volume in VOLUMES_ML:
            rows = {r["voxel_mm"]: r for r in _pick(data, medium=SOFT, nuclide=name, volume_ml=volume, blur_mm=0.0)}
            if len(rows) > 1:
                cells = [bias(rows.get(v), "local", metric) for metric in ("mean", "d95") for v in VOXELS_MM]
                lines.append(_line([_name(name), f"{volume:g}", *cells]))
    return lines


def by_blur(data: Data) -> Lines:
    """Bias of local deposition on the same blurred map."""

    def cell(row: Row | None, metric: str) -> str:
        return bias(row, "local", metric)

    return _blur_table(data, cell, BLURS_MM)


def loss(data: Data) -> Lines:
    """What blur takes from the dose, by Monte Carlo."""

    def cell(row: Row | None, metric: str) -> str:
        value = None if row is None else row[f"{metric}_loss_by_blur_percent"]
        return "-" if value is None else with_sign(value, 0)

    return _blur_table(data, cell, BLURS_MM[1:])


def _blur_table(data: Data, cell: Callable[[Row | None, str], str], blurs: Iterable[float]) -> Lines:
    blurs = tuple(blurs)
    titles = [f"{metric}, {'none' if b == 0 else f'{b:g} mm'}" for metric in ("mean", "D95") for b in blurs]
    lines = _head(["nuclide", "mL", *titles])
    for name in NUCLIDES:
        for volume in VOLUMES_ML:
            rows = _pick(data, medium=SOFT, nuclide=name, volume_ml=volume, voxel_mm=MAIN_VOXEL_MM)
            found = {r["blur_mm"]: r for r in rows}
            if len(found) > 1:
                cells = [cell(found.get(b), metric) for metric in ("mean", "d95") for b in blurs]
                lines.append(_line([_name(name), f"{volume:g}", *cells]))
    return lines


def by_medium(data: Data) -> Lines:
    """Bias of the mean in all media."""
    methods = ("local", "kernel", "kernel-unscaled")
    lines = _head(["medium", "nuclide", "mL", *(f"{m} {x}" for x in ("mean", "D95") for m in methods)])
    for medium in MEDIA:
        for name in NUCLIDES:
            rows = _pick(data, medium=medium, nuclide=name, voxel_mm=MAIN_VOXEL_MM, blur_mm=0.0)
            for row in (r for r in rows if r["volume_ml"] in (0.1, 1.0, 10.0, 100.0)):
                cells = [bias(row, method, metric) for metric in ("mean", "d95") for method in methods]
                lines.append(_line([medium, _name(name), f"{row['volume_ml']:g}{_mark(row)}", *cells]))
    return lines


def rule(data: Data) -> Lines:
    """Where each cheap method stays within the limit: diameters and voxels of soft tissue."""
    methods = ("local", "local+photons", "kernel")
    kinds: list[tuple[str, Callable[[Row], bool]]] = [
        ("true activity", lambda r: r["blur_mm"] == 0.0),
        ("blurred, 6 to 12 mm", lambda r: r["blur_mm"] > 0.0),
    ]
    lines = _head(["nuclide", "activity", *(f"{metric}, {method}" for metric in ("mean", "D95") for method in methods)])
    for name in NUCLIDES:
        for title, kind in kinds:
            rows = [r for r in _pick(data, medium=SOFT, nuclide=name) if kind(r)]
            cells = [_good(rows, method, metric) for metric in ("mean", "d95") for method in methods]
            lines.append(_line([_name(name), title, *cells]))
    return lines


def ranges(data: Data) -> Lines:
    """Smallest and largest bias at the main voxel in soft tissue."""
    methods = ("local", "local+photons", "kernel")
    lines = _head(["nuclide", "activity", *(f"{metric}, {method}" for metric in ("mean", "D95") for method in methods)])
    for name in NUCLIDES:
        for title, blurred in (("true activity", False), ("blurred, 6 to 12 mm", True)):
            rows = _pick(data, medium=SOFT, nuclide=name, voxel_mm=MAIN_VOXEL_MM)
            rows = [r for r in rows if (r["blur_mm"] > 0.0) == blurred]
            cells = [_range(rows, method, metric) for metric in ("mean", "d95") for method in methods]
            lines.append(_line([_name(name), title, *cells]))
    return lines


def _range(rows: list[Row], method: str, metric: str) -> str:
    known = [r for r in rows if r[f"{method}_{metric}_bias_percent"] is not None]
    if not known:
        return "-"
    low, high = (f(known, key=lambda r: r[f"{method}_{metric}_bias_percent"]) for f in (min, max))
    return " to ".join(f"{bias(r, method, metric)} at {r['volume_ml']:g} mL" for r in (low, high))


def _good(rows: list[Row], method: str, metric: str) -> str:
    """Volumes within the limit at every voxel and blur that was calculated, and the share of cases."""
    column = f"{method}_{metric}_bias_percent"
    known = [r for r in rows if r[column] is not None]
    if not known:
        return "-"
    good = [v for v in VOLUMES_ML if (own := [r for r in known if r["volume_ml"] == v]) and _all_within(own, column)]
    share = f"{sum(abs(r[column]) <= GOOD for r in known)} of {len(known)}"
    return f"{_listed(good, [v for v in VOLUMES_ML if any(r['volume_ml'] == v for r in known)])} ({share})"


def _all_within(rows: list[Row], column: str) -> bool:
    return all(abs(r[column]) <= GOOD for r in rows)


def _listed(good: list[float], known: list[float]) -> str:
    if not good:
        return "none"
    if good == known:
        return "all"
    places = [known.index(v) for v in good]
    if places == list(range(places[0], places[-1] + 1)) and len(good) > 1:
        return f"{good[0]:g} to {good[-1]:g} mL"
    return ", ".join(f"{v:g}" for v in good) + " mL"


def bias(row: Row | None, method: str, metric: str) -> str:
    """``+12.3`` in per cent, with the standard error in brackets where it is 0.1 or more."""
    value = None if row is None else row[f"{method}_{metric}_bias_percent"]
    if row is None or value is None:
        return "-"
    error = row[f"{method}_{metric}_bias_error"]
    text = with_sign(value, 1) if abs(value) < 99.95 else with_sign(value, 0)
    return text if error < 0.095 else f"{text} ({error:.1f})"


def _pick(data: Data, **wanted: object) -> list[Row]:
    found = [r for r in data.rows if all(r[name] == value for name, value in wanted.items())]
    return sorted(found, key=lambda r: (r["volume_ml"], r["voxel_mm"], r["blur_mm"]))


def _name(nuclide: str) -> str:
    element, mass = nuclide.split("-")
    return mass + element


def _mark(row: Row) -> str:
    return " *" if row["sub_voxel"] else ""


def _head(titles: list[str]) -> Lines:
    return [_line(titles), "|---" * len(titles) + "|"]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else math.nan


#: What is written into the page, by the name of its place.
BLOCKS: dict[str, Callable[[Data], Lines]] = {
    "state": state,
    "rule": rule,
    "ranges": ranges,
    "bias by volume": by_volume,
    "bias by voxel": by_voxel,
    "bias by blur": by_blur,
    "loss by blur": loss,
    "bias by medium": by_medium,
}
