"""The study's data: one row per case in a CSV file, and the comparisons with published figures in a JSON file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...engine.version import __version__
from .design import Case
from .methods import COMPARED
from .spheres import COMPOSITIONS

CASES, PUBLISHED_FILE = "local-vs-mc.csv", "local-vs-mc-published.json"
#: Columns before those of the methods.
ABOUT = (
    "nuclide", "medium", "volume_ml", "diameter_mm", "voxel_mm", "blur_mm", "sub_voxel", "decays",
    "mc_mean_gy_per_decay", "mc_mean_error_percent", "mc_d95_gy_per_decay", "mc_d95_error_percent",
    "mc_d95_noise_shift_percent", "mean_loss_by_blur_percent", "d95_loss_by_blur_percent",
)  # fmt: skip
#: Columns of each method after its name.
OF_METHOD = ("mean_bias_percent", "mean_bias_error", "d95_bias_percent", "d95_bias_error")
TEXT = ("nuclide", "medium")

Row = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """All numbers of the page: rows of the table, and comparisons by name."""

    rows: list[Row]
    published: dict[str, Any] = field(default_factory=dict)


def columns() -> list[str]:
    """Columns of the table, in order."""
    return [*ABOUT, *(f"{method}_{what}" for method in COMPARED for what in OF_METHOD)]


def rows_of(cases: Iterable[Case], scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Row]:
    """Rows of the cases whose Monte Carlo dose there is.

    Parameters
    ----------
    cases
        The cases, in the order of the design.
    scores
        By method and name of the case, what :class:`~.score.Score` holds.
    """
    mc = scores["mc"]
    rows = [_row(case, mc[case.name], mc.get(case.unblurred().name), scores) for case in cases if case.name in mc]
    return sorted(rows, key=_place)


def _row(
    case: Case,
    mc: Mapping[str, Any],
    truth: Mapping[str, Any] | None,
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Row:
    row: Row = dict.fromkeys(columns())
    row |= {
        "nuclide": case.nuclide, "medium": case.medium, "volume_ml": case.volume_ml,
        "diameter_mm": case.diameter_mm, "voxel_mm": case.voxel_mm, "blur_mm": case.blur_mm,
        "sub_voxel": int(case.sub_voxel), "decays": case.decays,
        "mc_mean_gy_per_decay": mc["mean_gy"],
        "mc_mean_error_percent": 100.0 * mc["mean_error_gy"] / mc["mean_gy"],
        "mc_d95_gy_per_decay": mc["d95_gy"],
        "mc_d95_error_percent": 100.0 * mc["d95_error_gy"] / mc["d95_gy"],
        "mc_d95_noise_shift_percent": 100.0 * mc["d95_shift_gy"] / mc["d95_gy"],
    }  # fmt: skip
    if case.blur_mm and truth is not None:
        row["mean_loss_by_blur_percent"] = 100.0 * (mc["mean_gy"] / truth["mean_gy"] - 1.0)
        row["d95_loss_by_blur_percent"] = 100.0 * (mc["d95_gy"] / truth["d95_gy"] - 1.0)
    for method in COMPARED:
        other = scores.get(method, {}).get(case.name)
        for metric in ("mean", "d95") if other is not None else ():
            ratio = other[f"{metric}_gy"] / mc[f"{metric}_gy"]
            row[f"{method}_{metric}_bias_percent"] = 100.0 * (ratio - 1.0)
            relative = (mc[f"{metric}_error_gy"] / mc[f"{metric}_gy"]) ** 2
            if other[f"{metric}_gy"] > 0:
                relative += (other[f"{metric}_error_gy"] / other[f"{metric}_gy"]) ** 2
            row[f"{method}_{metric}_bias_error"] = 100.0 * ratio * relative**0.5
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _place(row: Row) -> tuple[Any, ...]:
    """Rows by medium, nuclide, voxel, blur and volume."""
    from .design import MEDIA, NUCLIDES

    return (
        MEDIA.index(row["medium"]), NUCLIDES.index(row["nuclide"]), row["voxel_mm"], row["blur_mm"], row["volume_ml"],
    )  # fmt: skip


def write(data: Data, folder: Path) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _cell(value) for name, value in row.items()} for row in data.rows])
    (folder / CASES).write_text(text.getvalue(), encoding="utf-8")
    record = {
        "version": __version__,
        "densities_g_cm3": {name: density for name, (_, density) in COMPOSITIONS.items()},
        "published": data.published,
    }
    (folder / PUBLISHED_FILE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(folder: Path) -> Data:
    """Read both files."""
    with (folder / CASES).open(encoding="utf-8", newline="") as file:
        rows = [{name: _value(name, cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    record = json.loads((folder / PUBLISHED_FILE).read_text(encoding="utf-8"))
    return Data(rows, record["published"])


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _value(name: str, cell: str) -> Any:
    if name in TEXT:
        return cell
    if name in ("sub_voxel", "decays"):
        return int(cell)
    return float(cell) if cell else None
