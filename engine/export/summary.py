"""What a terminal shows of a run: the lesion table and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..lesions.record import LesionDose
from ..lesions.verdict import UNDETERMINED
from ..text import Table, significant
from .clinic import clinic_lines
from .scan_dose import scan_lines, scan_table

if TYPE_CHECKING:
    from ..pipeline.outcome import Outcome


def lesion_table(outcome: Outcome) -> Table:
    """One row per lesion and visit; the visit's name only when there are several."""
    if not outcome.case.judged:
        return scan_table(outcome)
    columns = [
        "visit", "lesion", "mL", "g", "mean Gy", "± k=1", "MC ±", "Gy/GBq", f"P >= {outcome.case.threshold_gy:g} Gy",
        "map Gy", "local %", "D95 Gy", "V20Gy %", "verdict",
    ]  # fmt: skip
    first = 0 if len(outcome.visits) > 1 else 1
    rows = [_row(lesion)[first:] for lesion in outcome.lesions]
    return Table(columns[first:], rows, text_columns=2 - first)


def run_lines(outcome: Outcome) -> list[str]:
    """Verdicts, clinical record and how to read the table, one sentence per line.

    Parameters
    ----------
    outcome
        What a run gave.

    Returns
    -------
    list of str
        Sentences for the terminal.
    """
    lines = [f"{verdict.visit}: {verdict.sentence}" for verdict in outcome.verdicts]
    if not outcome.case.judged:
        lines += scan_lines(outcome)
    lines += clinic_lines(outcome.clinic)
    if outcome.case.judged and any(lesion.recovery_dose_factor != 1.0 for lesion in outcome.lesions):
        lines.append(
            "mean: corrected for PET recovery. map, D95, V20Gy: from the dose map, not corrected. "
            "local %: local deposition relative to that map. ?: its interval (k = 2) holds the threshold."
        )
    return lines


def warning_lines(outcome: Outcome) -> list[str]:
    """The warnings of every visit.

    Parameters
    ----------
    outcome
        What a run gave.

    Returns
    -------
    list of str
        Sentences, each after the name of its visit.
    """
    return [f"{visit.name}: {text}" for visit in outcome.visits for text in visit.result.warnings]


def _row(lesion: LesionDose) -> list[str]:
    local = lesion.local_difference_percent
    return [
        lesion.visit,
        lesion.lesion,
        significant(lesion.volume_ml, 3),
        significant(lesion.mass_g, 3),
        significant(lesion.dose_gy),
        significant(lesion.dose_uncertainty_gy, 2),
        significant(lesion.dose_mc_standard_error_gy, 2),
        significant(lesion.ldpa_gy_per_gbq, 3),
        f"{lesion.probability:.2f}" if math.isfinite(lesion.probability) else "-",
        significant(lesion.dose_map_gy),
        f"{local:+.1f}" if math.isfinite(local) else "-",
        significant(lesion.d95_gy, 3),
        significant(lesion.v20gy_percent, 3),
        lesion.verdict + (" ?" if lesion.undecided and lesion.verdict != UNDETERMINED else ""),
    ]
