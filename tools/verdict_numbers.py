"""What the judge's trial counts: claims and how often they are wrong, calibration, abstention, risk and coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hevesy.engine.lesions.verdict import BELOW, ELIGIBLE, UNDETERMINED
from scipy.stats import beta

from .cohort_page import judgement

#: A claim is a probability above or below these, and at most this share of either may be wrong.
CLAIM_HIGH, CLAIM_LOW, MOST_WRONG = 0.95, 0.05, 0.05
THRESHOLD_GY = 20.0
#: Edges of the table of calibration.
BINS = (0.0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 1.0)
#: Shares of all verdicts at which a risk-coverage curve is tabulated.
COVERAGES = (0.25, 0.5, 0.75, 0.9, 1.0)
KINDS = ("lesion, P > 0.95", "lesion, P < 0.05", "patient, P > 0.95", "patient, P < 0.05", "certain verdict")

Rows = Sequence[dict[str, Any]]


def exact_interval(wrong: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share after Clopper and Pearson; (0, 1) of nothing."""
    tail = 0.5 * (1.0 - level)
    low = float(beta.ppf(tail, wrong, of - wrong + 1)) if wrong else 0.0
    high = float(beta.ppf(1.0 - tail, wrong + 1, of - wrong)) if wrong < of else 1.0
    return low, high


def share(wrong: Sequence[bool]) -> dict[str, Any]:
    """How many of how many, the share, and its exact interval."""
    count, of = sum(wrong), len(wrong)
    low, high = exact_interval(count, of)
    return {"count": count, "of": of, "share": count / of if of else None, "low": low, "high": high}


def reaches(row: dict[str, Any], activity_gbq: float) -> bool:
    """Whether the true dose (the highest of a patient) reaches the threshold at an activity."""
    planned = row["at"][0][0]
    return bool(row["true_gy"] * activity_gbq / planned >= THRESHOLD_GY)


def claims(lesions: Rows, patients: Rows, *, planned_only: bool = False) -> dict[str, dict[str, Any]]:
    """Claims of each kind at every activity: how many, how many wrong, and what the share may be."""
    wrong: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for row in lesions:
        for gbq, _, _, p in row["at"][: 1 if planned_only else None]:
            if p is not None and p > CLAIM_HIGH:
                wrong[KINDS[0]].append(not reaches(row, gbq))
            if p is not None and p < CLAIM_LOW:
                wrong[KINDS[1]].append(reaches(row, gbq))
    for row in patients:
        for gbq, verdict, certain, low, high in row["at"][: 1 if planned_only else None]:
            if low is not None and low > CLAIM_HIGH:
                wrong[KINDS[2]].append(not reaches(row, gbq))
            if high is not None and high < CLAIM_LOW:
                wrong[KINDS[3]].append(reaches(row, gbq))
            if certain and verdict in (ELIGIBLE, BELOW):
                wrong[KINDS[4]].append(reaches(row, gbq) != (verdict == ELIGIBLE))
    return {kind: share(found) for kind, found in wrong.items()}


def accuracy(lesions: Rows) -> dict[str, Any]:
    """Bias and coverage of the estimates (each once, at the planned activity), and how many bounds hold."""
    known = [r for r in lesions if not r["sign"] and r["relative"] and r["dose_gy"] > 0.0]
    ratios = np.array([math.log(r["dose_gy"] / r["true_gy"]) for r in known])
    spread = np.array([r["relative"] for r in known])
    scaled = np.abs(ratios) / spread if known else ratios
    found: dict[str, Any] = {
        "doses": len(lesions),
        "estimates": len(known),
        "bias": float(np.expm1(np.median(ratios))) if known else None,
        "coverage_k1": float(np.mean(scaled <= 1.0)) if known else None,
        "coverage_k2": float(np.mean(scaled <= 2.0)) if known else None,
        "spread": float(np.sqrt(np.mean(scaled**2))) if known else None,
        "median_relative": float(np.median(spread)) if known else None,
        "open": sum(r["sign"] == "~" for r in lesions),
    }
    for sign, name, side in (("≥", "lower", 1.0), ("≤", "upper", -1.0)):
        bounds = [r for r in lesions if r["sign"] == sign]
        beyond = [side * math.log(r["dose_gy"] / r["true_gy"]) if r["dose_gy"] > 0.0 else -side for r in bounds]
        found[f"{name}_bounds"] = len(bounds)
        found[f"{name}_violated"] = sum(one > 0.0 for one in beyond)
        # by more than the interval (k = 2) allows for
        found[f"{name}_violated_k2"] = sum(
            one > 2.0 * (r["relative"] or 0.0) for one, r in zip(beyond, bounds, strict=True)
        )
    return found


def decisions(patients: Rows) -> dict[str, Any]:
    """Verdicts on patients at every activity: right, wrong, abstained."""
    pairs = [(reaches(row, at[0]), at[1]) for row in patients for at in row["at"]]
    count = {
        (true, verdict): sum(pair == (true, verdict) for pair in pairs)
        for true in (True, False)
        for verdict in (ELIGIBLE, BELOW, UNDETERMINED)
    }
    decided_true = count[True, ELIGIBLE] + count[True, BELOW]
    decided_false = count[False, ELIGIBLE] + count[False, BELOW]
    undetermined = count[True, UNDETERMINED] + count[False, UNDETERMINED]
    return {
        "verdicts": len(pairs),
        "undetermined": undetermined,
        "abstention": undetermined / len(pairs) if pairs else None,
        "sensitivity": count[True, ELIGIBLE] / decided_true if decided_true else None,
        "specificity": count[False, BELOW] / decided_false if decided_false else None,
        "true_positive": count[True, ELIGIBLE],
        "false_negative": count[True, BELOW],
        "true_negative": count[False, BELOW],
        "false_positive": count[False, ELIGIBLE],
    }


def confidences(rows: Rows, *, of_patients: bool) -> list[tuple[float, bool]]:
    """(confidence, wrong) of every verdict that decides; confidence is max(P, 1 - P).

    A verdict that a bound decides has no P: 1 where its interval decides too, else 0.5.
    """
    found = []
    for row in rows:
        for at in row["at"]:
            gbq, verdict = at[:2]
            if verdict not in (ELIGIBLE, BELOW):
                continue
            p = at[3] if not of_patients or verdict == ELIGIBLE else at[4]
            by_bound = 1.0 if at[2] else 0.5
            confidence = by_bound if p is None else p if verdict == ELIGIBLE else 1.0 - p
            found.append((confidence, reaches(row, gbq) != (verdict == ELIGIBLE)))
    return found


def risk_coverage(decided: Sequence[tuple[float, bool]], total: int) -> list[tuple[float, float]]:
    """(coverage, risk) after each of the verdicts in falling order of confidence; equal confidences go together.

    Parameters
    ----------
    decided
        Confidence and wrongness of each verdict that decides.
    total
        All verdicts, those that abstain included.
    """
    if not decided:
        return []
    order = sorted(decided, key=lambda one: -one[0])
    wrong = np.cumsum([one[1] for one in order])
    last = [k for k in range(len(order)) if k + 1 == len(order) or order[k + 1][0] < order[k][0]]
    return [((k + 1) / total, float(wrong[k]) / (k + 1)) for k in last]


def risks(curve: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """Share of wrong verdicts among the most confident ones, at some coverages; None beyond what was decided."""
    out: dict[str, float | None] = {}
    for coverage in COVERAGES:
        reached = [risk for at, risk in curve if at >= coverage - 1e-9]
        out[f"{coverage:g}"] = reached[0] if reached else None
    return out


def area(curve: Sequence[tuple[float, float]]) -> float | None:
    """Mean risk over the coverages that were reached."""
    if not curve:
        return None
    at, risk = np.array(curve).T
    return float(np.sum(risk * np.diff(at, prepend=0.0)) / at[-1])


def calibration(rows: Rows, *, of_patients: bool) -> list[dict[str, Any]]:
    """How often the threshold is truly reached, by stated P; of a patient only where bounds do not open it."""
    pairs = []
    for row in rows:
        for at in row["at"]:
            p = at[3]
            if p is not None and not (of_patients and at[4] != p):
                pairs.append((p, reaches(row, at[0])))
    table = []
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = [(p, t) for p, t in pairs if low <= p < high or (high == 1.0 and p == 1.0)]
        mean = float(np.mean([p for p, _ in inside])) if inside else None
        table.append({"from": low, "to": high, "mean": mean} | share([t for _, t in inside]))
    return table


def cell_summary(name: str, lesions: Rows, patients: Rows) -> dict[str, Any]:
    """All numbers of one cell."""
    curves = {
        "patients": risk_coverage(confidences(patients, of_patients=True), sum(len(r["at"]) for r in patients)),
        "lesions": risk_coverage(confidences(lesions, of_patients=False), sum(len(r["at"]) for r in lesions)),
    }
    return {
        "cell": name,
        "patients": len({r["patient"] for r in patients}),
        "repetitions": len(patients),
        "accuracy": accuracy(lesions),
        "decisions": decisions(patients),
        "claims": claims(lesions, patients),
        "claims_planned": claims(lesions, patients, planned_only=True),
        "risk": {kind: risks(curve) for kind, curve in curves.items()},
        "mean_risk": {kind: area(curve) for kind, curve in curves.items()},
        "curves": {kind: thinned(curve) for kind, curve in curves.items()},
    }


def thinned(curve: Sequence[tuple[float, float]], most: int = 60) -> list[list[float]]:
    """At most this many points of a curve, for drawing."""
    chosen = sorted({round(k) for k in np.linspace(0, len(curve) - 1, most)}) if curve else []
    return [[round(v, 5) for v in curve[k]] for k in chosen]


def summary(names: Sequence[str], lesions: Rows, patients: Rows, about: dict[str, Any]) -> dict[str, Any]:
    """Every cell, all of them together, and whether what must hold does."""

    def of(rows: Rows, name: str) -> Rows:
        return [row for row in rows if row["cell"] == name]

    cells = [cell_summary(name, of(lesions, name), of(patients, name)) for name in names]
    return {
        "about": about,
        "cells": cells,
        "pooled": cell_summary("all cells", lesions, patients),
        "calibration": {
            "lesions": calibration(lesions, of_patients=False),
            "patients": calibration(patients, of_patients=True),
        },
        "judgements": [one for cell in cells for one in must_hold(cell)],
    }


def must_hold(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for each kind of claim: at most 5 % are wrong."""
    lines = []
    for kind, found in cell["claims"].items():
        holds = None if found["share"] is None else found["share"] <= MOST_WRONG
        lines.append(judgement(f"{cell['cell']}: {kind}", found["share"], f"at most {100 * MOST_WRONG:g} %", holds))
    return lines
