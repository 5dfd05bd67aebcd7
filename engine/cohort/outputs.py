"""What a batch leaves beside its cases: trial.json, trial.html, and lesions_all, visits_all and methods as CSV."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..export.clinic import VISITS_FILE, read_patient
from ..export.tables import read_lesions_json
from ..files import csv_text, write_json, write_text
from ..lesions.columns import header
from ..report.cohort import write_trial_report
from ..results.provenance import code_commit, code_version
from ..tables import read_csv
from ..text import plain
from .batch import Batch, statuses
from .tables import PatientRun, trial_tables

log = logging.getLogger(__name__)

TRIAL_FORMAT = "hevesy-trial"
TRIAL_VERSION = 1
TRIAL_FILE, REPORT_FILE = "trial.json", "trial.html"
LESIONS_FILE, ALL_VISITS_FILE, METHODS_FILE = "lesions_all.csv", "visits_all.csv", "methods.csv"


def read_runs(batch: Batch) -> list[PatientRun]:
    """The runs of the complete cases, from their folders."""
    return [
        PatientRun(one.name, one.arm, read_lesions_json(one.folder / "lesions.json"), read_patient(one.folder))
        for one in batch.complete
    ]


def write_trial(name: str, batch: Batch) -> dict[str, Any]:
    """Write the trial's tables and report from the complete cases.

    Parameters
    ----------
    name
        Title of the trial.
    batch
        How its cases ended; those that failed are named in the report and are in no table.

    Returns
    -------
    dict
        The content of trial.json.

    Raises
    ------
    InputError
        No case is complete.
    """
    if not batch.complete:
        raise InputError(
            "no case is complete: there is nothing to tabulate",
            why="every case failed or was stopped",
            suggestion="look at the messages above",
            file=batch.out,
        )
    runs = read_runs(batch)
    record: dict[str, Any] = plain(
        {
            "format": TRIAL_FORMAT,
            "format_version": TRIAL_VERSION,
            "name": name,
            "version": code_version(),
            "commit": code_commit(),
            "cases": statuses(batch),
            "tables": trial_tables(runs),
            "figures": figure_data(runs),
        }
    )
    write_text(batch.out / LESIONS_FILE, _lesions_csv(runs))
    write_text(batch.out / ALL_VISITS_FILE, _visits_csv(batch))
    write_text(batch.out / METHODS_FILE, _methods_csv(record["tables"]["methods"]))
    write_json(batch.out / TRIAL_FILE, record)

    write_trial_report(record, batch.out / REPORT_FILE)
    return record


def figure_data(runs: Sequence[PatientRun]) -> dict[str, Any]:
    """Values behind the figures: change of each patient and of each lesion over the visits."""
    patients, lesions = [], []
    for run in runs:
        follow = run.follow_up
        if not follow:
            continue
        steps = [{"visit": follow["first"], "change_percent": 0.0, "response": None}]
        for later in follow["visits"]:
            recist = later.get("recist")
            if recist:
                steps.append(
                    {
                        "visit": later["visit"],
                        "change_percent": recist["change_percent"],
                        "response": recist["response"],
                    }
                )
        if len(steps) > 1:
            patients.append({"patient": run.name, "arm": run.arm, "steps": steps})
        for name in dict.fromkeys(row["lesion"] for row in follow["rows"]):
            rows = [row for row in follow["rows"] if row["lesion"] == name and row["values"]]
            first = rows[0]["values"]
            lesions.append(
                {
                    "patient": run.name,
                    "arm": run.arm,
                    "lesion": name,
                    "steps": [
                        {
                            "visit": row["visit"],
                            "diameter_change_percent": 100.0
                            * (row["values"]["diameter_mm"] / first["diameter_mm"] - 1.0),
                            "ldpa_gy_per_gbq": row["values"]["ldpa_gy_per_gbq"],
                            "dose_gy": row["values"]["dose_gy"],
                            "uptake_percent_per_g": row["values"]["uptake_percent_per_g"],
                            "verdict": row["reinduction"],
                        }
                        for row in rows
                    ],
                }
            )
    thresholds = {v["threshold_gy"] for run in runs for v in run.visits}
    activities = {v["therapy_activity_gbq"] for run in runs for v in run.visits}
    return {
        "patients": patients,
        "lesions": lesions,
        "threshold_gy": thresholds.pop() if len(thresholds) == 1 else None,
        "therapy_activity_gbq": activities.pop() if len(activities) == 1 else None,
    }


def _lesions_csv(runs: Sequence[PatientRun]) -> str:
    """All lesion rows as in lesions.csv, with the arm; ``patient`` is the trial's name of the case."""
    rows = [{**lesion.to_row(), "patient": run.name, "arm": run.arm} for run in runs for lesion in run.lesions]
    return csv_text(["arm", *header()], rows)


def _visits_csv(batch: Batch) -> str:
    """All rows of the cases' visits.csv, with the arm; cases of one visit have none."""
    columns: tuple[str, ...] = ()
    rows: list[dict[str, str]] = []
    for case in batch.complete:
        file = case.folder / VISITS_FILE
        if file.is_file():
            table = read_csv(file, "run the case again", comments=False)
            columns = columns or table.rows[0].cells
            rows += [{**row, "arm": case.arm, "patient": case.name} for row in table.records()]
    return csv_text(["arm", *columns], rows) if columns else ""


def _methods_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Local deposition and sphere formula against the main method, per cent, by site and size."""
    parts = ("n", "median", "low", "high")
    names = [f"{method}_{part}" for method in ("local_percent", "sphere_percent") for part in parts]
    lines = []
    for row in rows:
        values = [row[method][part] for method in ("local_percent", "sphere_percent") for part in parts]
        lines.append([row["by"], row["group"], row["method"], row["lesions"], *values])
    return csv_text(["by", "group", "method", "lesions", *names], lines)
