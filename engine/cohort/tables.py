"""The trial's tables: visits, changes, response, eligibility, tolerance, re-induction, methods side by side.

Everything is computed from what each run left (lesions.json, patient.json), so the tables can be made again
without any transport. Lesions of one patient are not independent: ratios are tested on patients' means, and
proportions of lesions carry an exact binomial interval that leaves the clustering out, as stated beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from ..clinic.response import paired_ratio
from ..lesions.quantities import QUANTITIES
from ..lesions.record import TARGET, LesionDose
from ..text import or_nan

#: Size classes of the method comparison [mL].
SIZES_ML = ((0.0, 0.5, "below 0.5 mL"), (0.5, 2.0, "0.5 to 2 mL"), (2.0, math.inf, "2 mL and more"))
RESPONSES = ("CR", "PR", "SD", "PD")
REINDUCTION = ("re-induced", "concentrated by shrinkage", "not re-induced", "not assessable")


@dataclass(frozen=True)
class PatientRun:
    """What one case's run left.

    Parameters
    ----------
    name, arm
        Of the trial's case.
    lesions
        All of its lesion records, every visit.
    record
        Its patient record (patient.json).
    """

    name: str
    arm: str
    lesions: Sequence[LesionDose]
    record: Mapping[str, Any]

    @property
    def visits(self) -> list[Mapping[str, Any]]:
        """Visit records, in order."""
        return [v for v in self.record.get("visits") or () if v]

    @property
    def follow_up(self) -> Mapping[str, Any]:
        """Changes between visits; empty with one visit."""
        return self.record.get("follow_up") or {}


def trial_tables(runs: Sequence[PatientRun]) -> dict[str, Any]:
    """Every table of the trial as plain data; keys as in docs/formats/cohort.md.

    Parameters
    ----------
    runs
        Results of the patients, in order.

    Returns
    -------
    dict
        Lists of rows by table name, ready for JSON.
    """
    visits = list(dict.fromkeys(v["visit"] for run in runs for v in run.visits))
    arms = list(dict.fromkeys(run.arm for run in runs))
    tables: dict[str, Any] = {
        "arms": [
            {
                "arm": arm,
                "patients": sum(run.arm == arm for run in runs),
                "lesions_first_visit": sum(
                    len(_at(run, run.visits[0]["visit"])) for run in runs if run.arm == arm and run.visits
                ),
            }
            for arm in arms
        ],
        "visit_names": visits,
        "visits": [],
        "changes": [],
        "response": [],
        "eligibility": [],
        "tolerance": [row for run in runs for row in _tolerance(run)],
        "reinduction": [],
        "methods": _methods(runs),
    }
    for arm in arms:
        members = [run for run in runs if run.arm == arm]
        for visit in visits:
            tables["visits"].append({"arm": arm, **_visit(members, visit)})
            tables["eligibility"] += [{"arm": arm, **row} for row in _eligibility(members, visit)]
            if visit != visits[0]:
                tables["changes"] += [{"arm": arm, **row} for row in _changes(members, visit)]
                tables["response"].append({"arm": arm, **_response(members, visit)})
                tables["reinduction"].append({"arm": arm, **_reinduction(members, visit)})
    return tables


def share(count: int, total: int) -> dict[str, Any]:
    """A proportion with its exact 95 % interval (Clopper and Pearson, Biometrika 26:404, 1934)."""
    if total == 0:
        return {"count": 0, "of": 0, "share": None, "low": None, "high": None}
    interval = binomtest(count, total).proportion_ci(0.95, method="exact")
    return {"count": count, "of": total, "share": count / total, "low": interval.low, "high": interval.high}


def quartiles(values: Iterable[Any]) -> dict[str, Any]:
    """Median, lower and upper quartile and number of the values that are there."""
    known = np.array([float(v) for v in values if v is not None and math.isfinite(float(v))])
    if not known.size:
        return {"n": 0, "median": None, "low": None, "high": None}
    low, median, high = np.percentile(known, [25, 50, 75])
    return {"n": int(known.size), "median": float(median), "low": float(low), "high": float(high)}


def _at(run: PatientRun, visit: str) -> list[LesionDose]:
    return [lesion for lesion in run.lesions if lesion.visit == visit and lesion.role == TARGET]


def _rows(run: PatientRun, visit: str) -> list[Mapping[str, Any]]:
    return [row for row in run.follow_up.get("rows") or () if row["visit"] == visit]


def _summary(run: PatientRun, visit: str) -> Mapping[str, Any]:
    return next((v for v in run.follow_up.get("visits") or () if v["visit"] == visit), {})


def _visit(members: Sequence[PatientRun], visit: str) -> dict[str, Any]:
    lesions = [lesion for run in members for lesion in _at(run, visit)]
    return {
        "visit": visit,
        "patients": sum(any(v["visit"] == visit for v in run.visits) for run in members),
        "lesions": len(lesions),
        "dose_gy": quartiles(one.dose_gy for one in lesions),
        "ldpa_gy_per_gbq": quartiles(one.ldpa_gy_per_gbq for one in lesions),
        "uptake_percent": quartiles(one.clinic.get("uptake_24h_percent") for one in lesions),
        "uptake_percent_per_g": quartiles(one.clinic.get("uptake_24h_percent_per_g") for one in lesions),
        "volume_ml": quartiles(one.volume_ml for one in lesions),
        "effective_half_life_h": quartiles(one.kinetics.get("effective_half_life_h") for one in lesions),
        "largest_dose_gy": max((one.dose_gy for one in lesions), default=None),
        "upper_bounds": sum(bool(one.bounds.upper) for one in lesions),
        "lower_bounds": sum(bool(one.bounds.lower) for one in lesions),
    }


def _changes(members: Sequence[PatientRun], visit: str) -> list[dict[str, Any]]:
    """Paired ratios to each lesion's first visit: lesions paired, patients compared."""
    pairs: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = []
    for run in members:
        before: dict[str, Mapping[str, Any]] = {}
        for row in run.follow_up.get("rows") or ():
            if row["values"]:
                before.setdefault(row["lesion"], row["values"])
        pairs += [
            (run.name, before[row["lesion"]], row["values"])
            for row in _rows(run, visit)
            if row["values"] and row["state"] not in ("first", "new") and row["lesion"] in before
        ]
    out = []
    for key, title, _ in QUANTITIES:
        found = paired_ratio(
            [or_nan(a[key]) for _, a, _ in pairs],
            [or_nan(b[key]) for _, _, b in pairs],
            [name for name, _, _ in pairs],
        )
        out.append(
            {
                "visit": visit,
                "quantity": key,
                "title": title,
                "lesions": len(pairs) - found.left_out,
                "patients": found.n,
                "ratio": found.ratio,
                "low": found.low,
                "high": found.high,
                "p_two_sided": found.p_two_sided,
                "log_sd": found.log_sd,
                "left_out": found.left_out,
            }
        )
    return out


def _response(members: Sequence[PatientRun], visit: str) -> dict[str, Any]:
    """Lesions and RECIST targets with a partial response or better; patients by RECIST 1.1."""
    every = [row["response"] for run in members for row in _rows(run, visit) if row["response"]]
    targets = [
        row["response"]
        for run in members
        for row in _rows(run, visit)
        if row["response"] and row["lesion"] in (run.follow_up.get("targets") or ())
    ]
    patients = [r["response"] for run in members if (r := _summary(run, visit).get("recist"))]
    return {
        "visit": visit,
        "lesions": _counted(every),
        "targets": _counted(targets),
        "patients": _counted(patients),
        "patients_without_target": sum(
            bool(_summary(run, visit)) and not _summary(run, visit).get("recist") for run in members
        ),
    }


def _counted(responses: Sequence[str]) -> dict[str, Any]:
    counts = {name: responses.count(name) for name in RESPONSES}
    return {**counts, "responding": share(counts["CR"] + counts["PR"], len(responses))}


def _eligibility(members: Sequence[PatientRun], visit: str) -> list[dict[str, Any]]:
    """Patients by verdict at each activity, and lesions that reach the threshold."""
    by_activity: dict[str, list[Mapping[str, Any]]] = {}
    for run in members:
        for record in run.visits:
            if record["visit"] == visit:
                for verdict in record["eligibility"].get("at", ()):
                    by_activity.setdefault(verdict["name"], []).append(verdict)
    out = []
    for name, verdicts in by_activity.items():
        outcomes = [verdict["verdict"] for verdict in verdicts]
        lesions = [lesion["verdict"] for verdict in verdicts for lesion in verdict["lesions"]]
        amounts = [verdict["activity_gbq"] for verdict in verdicts]
        out.append(
            {
                "visit": visit,
                "activity": name,
                "activity_gbq": [min(amounts), max(amounts)],
                "patients": share(outcomes.count("eligible"), len(outcomes)),
                "undetermined": outcomes.count("undetermined"),
                "not_tolerable": outcomes.count("not tolerable"),
                "lesions": share(lesions.count("eligible"), len(lesions)),
                "expected_patients": sum(float(verdict["probability"] or 0.0) for verdict in verdicts),
            }
        )
    return out


def _tolerance(run: PatientRun) -> list[dict[str, Any]]:
    """Maximum tolerable against planned activity, one row per visit."""
    out = []
    for record in run.visits:
        blood = record.get("blood")
        if blood:
            out.append(
                {
                    "patient": run.name,
                    "arm": run.arm,
                    "visit": record["visit"],
                    "maximum_gbq": blood["maximum_gbq"],
                    "limiting_rule": blood["limiting_rule"],
                    "blood_dose_gy_per_gbq": blood["dose_gy_per_gbq"],
                    "retention_48h_percent": blood["retention_48h_percent"],
                    "therapy_activity_gbq": record["therapy_activity_gbq"],
                    "tolerable": record["therapy_activity_gbq"] <= blood["maximum_gbq"],
                }
            )
    return out


def _reinduction(members: Sequence[PatientRun], visit: str) -> dict[str, Any]:
    """Verdicts on lesions, and patients with at least one re-induced lesion."""
    judged = [s for run in members if (s := _summary(run, visit))]
    verdicts = [one["verdict"] for s in judged for one in s["reinduction"]]
    names = [run.name for run in members if _summary(run, visit).get("re_induced")]
    return {
        "visit": visit,
        "patients": share(len(names), len(judged)),
        "re_induced_patients": names,
        "lesions": {name: verdicts.count(name) for name in REINDUCTION},
    }


def _methods(runs: Sequence[PatientRun]) -> list[dict[str, Any]]:
    """Local deposition and the sphere formula against the main method, by site and by size."""
    lesions = [lesion for run in runs for lesion in run.lesions if lesion.role == TARGET]
    sites = list(dict.fromkeys(lesion.site for lesion in lesions))
    groups = [("site", site or "not stated", [o for o in lesions if o.site == site]) for site in sorted(sites)]
    groups += [("size", title, [o for o in lesions if low <= o.volume_ml < high]) for low, high, title in SIZES_ML]
    groups.append(("all", "all lesions", lesions))
    out = []
    for kind, title, members in groups:
        if members:
            out.append(
                {
                    "by": kind,
                    "group": title,
                    "lesions": len(members),
                    "method": members[0].method,
                    "local_percent": quartiles(o.local_difference_percent for o in members),
                    "sphere_percent": quartiles(o.clinic.get("sphere_difference_percent") for o in members),
                }
            )
    return out
