"""What a terminal shows of a trial: its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..text import Table, significant

MEDIANS = ("ldpa_gy_per_gbq", "uptake_percent", "uptake_percent_per_g", "volume_ml")


def shown_tables(tables: Mapping[str, Any]) -> list[Table]:
    """Visits, changes against the first visit (when there are several), and eligibility (where it is judged).

    Parameters
    ----------
    tables
        ``tables`` of trial.json.

    Returns
    -------
    list of Table
        For the terminal: rows of text under headings.
    """
    shown = [_visits(tables)]
    if tables["changes"]:
        shown.append(_changes(tables))
    if tables["eligibility"]:
        shown.append(_eligibility(tables))
    return shown


def _visits(tables: Mapping[str, Any]) -> Table:
    rows = [
        [
            row["arm"],
            row["visit"],
            str(row["patients"]),
            str(row["lesions"]),
            *(significant(row[key]["median"], 3) for key in MEDIANS),
            significant(row["largest_dose_gy"], 3),
        ]
        for row in tables["visits"]
    ]
    columns = ["arm", "visit", "patients", "lesions", "Gy/GBq", "%IA", "%IA/g", "mL", "largest Gy"]
    return Table(columns, rows, "visits: medians over lesions", text_columns=2)


def _changes(tables: Mapping[str, Any]) -> Table:
    rows = [
        [
            row["arm"],
            row["visit"],
            row["title"],
            str(row["lesions"]),
            significant(row["ratio"], 3),
            significant(row["low"], 3),
            significant(row["high"], 3),
            significant(row["p_two_sided"], 2),
        ]
        for row in tables["changes"]
    ]
    columns = ["arm", "visit", "quantity", "lesions", "ratio", "low 95 %", "high 95 %", "p"]
    return Table(columns, rows, "changes against the first visit", text_columns=3)


def _eligibility(tables: Mapping[str, Any]) -> Table:
    rows = [
        [row["arm"], row["visit"], row["activity"], _of(row["patients"]), _of(row["lesions"])]
        for row in tables["eligibility"]
    ]
    columns = ["arm", "visit", "at", "patients eligible", "lesions at threshold"]
    return Table(columns, rows, "eligibility", text_columns=3)


def _of(share: Mapping[str, Any]) -> str:
    return f"{share['count']} of {share['of']}"
