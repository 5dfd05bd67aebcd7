"""The report of a trial: one self-contained HTML file, from the content of trial.json alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_text
from ..text import NONE, count_of, number
from . import cohort_plots as plots
from .templates import markup, render

#: Quantities of the visit table: key, title, unit.
VISIT_QUANTITIES = (
    ("dose_gy", "Mean dose", "Gy"),
    ("ldpa_gy_per_gbq", "LDpA", "Gy/GBq"),
    ("uptake_percent", "Uptake 24 h", "%IA"),
    ("uptake_percent_per_g", "Uptake 24 h", "%IA/g"),
    ("volume_ml", "Volume", "mL"),
    ("effective_half_life_h", "T eff", "h"),
)


def write_trial_report(record: Mapping[str, Any], path: str | Path) -> Path:
    """Write the report of a trial from the content of trial.json.

    Parameters
    ----------
    record
        As for :func:`render_trial`.
    path
        File to write.

    Returns
    -------
    Path
        The file.
    """
    return write_text(Path(path), render_trial(record))


def render_trial(record: Mapping[str, Any]) -> str:
    """The trial's report as HTML text.

    Parameters
    ----------
    record
        Content of trial.json (docs/formats/cohort.md).

    Returns
    -------
    str
        One page; figures and styles are in it.
    """
    tables, data = record["tables"], record["figures"]
    arms = [row["arm"] for row in tables["arms"]]
    visits = tables["visit_names"]
    lesions = data["lesions"]
    figures = {
        "doses": plots.doses(lesions, visits, arms, data["threshold_gy"]),
        "waterfall": plots.waterfall(data["patients"], arms),
        "spider": plots.spider(
            data["patients"], visits, arms, "change_percent", "sum of target\ndiameters, change [%]"
        ),
        "ldpa": plots.spider(lesions, visits, arms, "ldpa_gy_per_gbq", "dose per activity\n[Gy/GBq]", log=True),
        "uptake": plots.spider(lesions, visits, arms, "uptake_percent_per_g", "uptake at 24 h\n[%IA/g]", log=True),
        "tolerance": plots.tolerance(tables["tolerance"], arms),
    }
    filters: dict[str, Callable[..., str]] = {
        "count_of": count_of,
        "num": number,
        "share": proportion,
        "spread": spread,
        "middle": middle,
        "interval": interval,
    }
    return render(
        "cohort.html.j2",
        filters,
        name=record["name"],
        version=record["version"],
        commit=record["commit"],
        cases=record["cases"],
        missing=[one for one in record["cases"] if one["state"] in ("failed", "stopped")],
        arms=tables["arms"],
        several=len(arms) > 1,
        tables=tables,
        quantities=VISIT_QUANTITIES,
        headlines=headlines(tables),
        threshold=data["threshold_gy"],
        activity=data["therapy_activity_gbq"],
        figures={name: markup(svg) for name, svg in figures.items()},
    )


def headlines(tables: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Tone, headline and sentence of each arm: eligibility over all visits and re-induction."""
    out = []
    for arm in (row["arm"] for row in tables["arms"]):
        rows = [row for row in tables["eligibility"] if row["arm"] == arm]
        first = rows[0]["activity"] if rows else ""
        planned = [row for row in rows if row["activity"] == first]
        counts = "; ".join(f"{row['visit']} {row['patients']['count']} of {row['patients']['of']}" for row in planned)
        reached = any(row["patients"]["count"] for row in planned)
        again = [row for row in tables["reinduction"] if row["arm"] == arm]
        names = list(dict.fromkeys(name for row in again for name in row["re_induced_patients"]))
        judged = max((row["patients"]["of"] for row in again), default=0)
        tone = "yes" if names else ("near" if reached else "no")
        text = f"Re-induction in {count_of(len(names), judged, 'patient')}" if judged else "One visit only"
        sentence = f"Patients with a lesion at the threshold at {first}: {counts}." if planned else ""
        if names:
            sentence += f" Re-induced: {', '.join(names)}."
        out.append((tone, f"{arm}: {text}", sentence))
    return out


def proportion(share: Mapping[str, Any]) -> str:
    """``3 / 9 (33 %; 7 to 70)``."""
    if not share["of"]:
        return NONE
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{share['count']} / {share['of']} ({100 * share['share']:.0f} %; {low:.0f} to {high:.0f})"


def spread(quartiles: Mapping[str, Any], digits: int = 2) -> str:
    """``0.25 (0.1 to 0.6)``: median and quartiles."""
    return f"{number(quartiles['median'], digits)} ({middle(quartiles, digits)})" if quartiles["n"] else NONE


def middle(quartiles: Mapping[str, Any], digits: int = 2) -> str:
    """``0.1 to 0.6``: the quartiles, between which half of the values lie."""
    return f"{number(quartiles['low'], digits)} to {number(quartiles['high'], digits)}" if quartiles["n"] else NONE


def interval(values: Sequence[float | None], digits: int = 3) -> str:
    """``0.8 to 1.3``; one number where both ends are the same."""
    low, high = values
    if low is None or high is None:
        return NONE
    return number(low, digits) if low == high else f"{number(low, digits)} to {number(high, digits)}"
