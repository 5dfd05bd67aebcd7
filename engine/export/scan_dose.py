"""What a terminal shows of a run that judges no treatment: the dose of the scan, in the unit of its size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..lesions.record import LesionDose
from ..text import Table, dose_unit, significant

if TYPE_CHECKING:
    from ..pipeline.outcome import Outcome


def scan_table(outcome: Outcome) -> Table:
    """One row per lesion and visit, without threshold and verdict; the visit's name only when there are several."""
    unit, factor = dose_unit(max((lesion.dose_gy for lesion in outcome.lesions), default=math.nan))
    columns = [
        "visit", "lesion", "mL", "g", f"mean {unit}", "± k=1", "MC ±", "mGy/MBq", f"map {unit}", "local %",
        f"D95 {unit}",
    ]  # fmt: skip
    first = 0 if len(outcome.visits) > 1 else 1
    rows = [_row(lesion, factor)[first:] for lesion in outcome.lesions]
    return Table(columns[first:], rows, text_columns=2 - first)


def scan_lines(outcome: Outcome) -> list[str]:
    """What each visit's dose is of, one sentence per line."""
    records = [visit.clinic for visit in outcome.visits]
    return [f"{record['visit']}: {record['dose_of_scan']}" for record in records]


def _row(lesion: LesionDose, factor: float) -> list[str]:
    local = lesion.local_difference_percent
    return [
        lesion.visit,
        lesion.lesion,
        significant(lesion.volume_ml, 3),
        significant(lesion.mass_g, 3),
        significant(factor * lesion.dose_gy),
        significant(factor * lesion.dose_uncertainty_gy, 2),
        significant(factor * lesion.dose_mc_standard_error_gy, 2),
        significant(lesion.ldpa_gy_per_gbq, 3),  # Gy/GBq is mGy/MBq
        significant(factor * lesion.dose_map_gy),
        f"{local:+.1f}" if math.isfinite(local) else "-",
        significant(factor * lesion.d95_gy, 3),
    ]
