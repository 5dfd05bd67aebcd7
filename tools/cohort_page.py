"""The numbers of the cohort check, judged, and the page that shows them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

#: Requirements: bias of the dose, coverage of the 68 % intervals, error probability of a re-induction.
BIAS, COVERAGE, ALPHA = 0.03, (0.60, 0.76), 0.05
THRESHOLD_GY = 20.0
CLASSES = ((0.0, 1.0), (1.0, 2.0), (2.0, math.inf))


def summary(rows: Sequence[dict[str, Any]], judged: Sequence[dict[str, Any]], about: dict[str, Any]) -> dict[str, Any]:
    """Bias, coverage, eligibility and re-induction, with whether each that must hold does."""
    classes = []
    for low, high in CLASSES:
        members = [r for r in rows if low < r["resolutions"] <= high]
        classes.append({"low": low, "high": None if math.isinf(high) else high, **accuracy(members)})
    large = classes[-1]
    eligible = eligibility(rows)
    control = [j for j in judged if j["arm"] == "control"]
    main = [j for j in judged if j["arm"] != "control"]
    false_main = rate(main, True)
    false_control = rate([j for j in control if not j["responder"]], True)
    detected = rate([j for j in control if j["responder"]], True)
    arms = [{"arm": name, **arm_found(members)} for name, members in (("main", main), ("control", control))]
    seen = arms[1]["share_of_seeds"]
    judgements = [
        judgement(
            # the stated dose is the median of its distribution, so that is what must agree with the truth
            "bias of the dose above two resolutions, median", large["log_bias"], f"within {100 * BIAS:g} %",
            None if large["log_bias"] is None else abs(large["log_bias"]) <= BIAS, large["bias_error"],
        ),
        judgement(
            "the same for the mean, which errors of 22 % alone raise by exp(0.22² / 2) - 1 = 2.4 %", large["bias"],
            "reported", None, large["bias_error"],
        ),
        judgement(
            "the same without the drawn errors' first-order effect (control variate)", large["own_bias"], "reported",
            None, large["own_error"],
        ),
        judgement(
            "coverage of the 68 % intervals above two resolutions", large["coverage"], "60 to 76 %",
            None if large["coverage"] is None else COVERAGE[0] <= large["coverage"] <= COVERAGE[1],
            large["coverage_error"],
        ),
        judgement(
            "false re-induction, main arm (patient visits)", false_main["rate"], f"at most {100 * ALPHA:g} %",
            None if false_main["rate"] is None else false_main["rate"] <= ALPHA,
        ),
        judgement(
            "noise seeds in which the control arm is found", seen, f"at least {100 * (1 - ALPHA):g} %",
            None if seen is None else seen >= 1.0 - ALPHA,
        ),
        judgement("responders of the control arm found (patient visits)", detected["rate"], "reported", None),
        judgement("eligibility, sensitivity (patient visits)", eligible["patients"]["sensitivity"], "reported", None),
        judgement("eligibility, specificity (patient visits)", eligible["patients"]["specificity"], "reported", None),
    ]  # fmt: skip
    return {
        "about": about,
        "classes": classes,
        "eligibility": eligible,
        "false_main": false_main,
        "false_control": false_control,
        "detected": detected,
        "arms": arms,
        "lesions": per_lesion(rows),
        "judgements": judgements,
    }


def judgement(
    what: str, value: float | None, must: str, holds: bool | None, error: float | None = None
) -> dict[str, Any]:
    """One line of the verdict; ``holds`` None where there is nothing to judge."""
    return {"what": what, "value": value, "must": must, "holds": holds, "error": error}


def accuracy(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Bias over lesions (each lesion's mean over its seeds), its standard error, and coverage.

    ``log_bias`` is the same of ln(dose / true): the reported dose is the median of its distribution, and errors
    that are symmetric in the logarithm raise the mean of the ratio by half their variance. ``spread`` is the root
    mean square of ln(dose / true) over the stated u(D)/D: 1 for a right budget, below 1 for one that is too wide.
    ``own_bias`` is the mean of ln(dose / true) after the first-order effect of the drawn errors, whose expectation is
    zero, has been taken off (a control variate): what is left is the method's own, known better.
    Lesions that are bounds, or without a dose, are counted and left out.
    """
    solid = [r for r in rows if not (r["upper_bound"] or r["lower_bound"]) and r["deviation"] is not None]
    names = sorted({key(r) for r in solid})
    if not names:
        keys = (
            "bias",
            "bias_error",
            "log_bias",
            "own_bias",
            "own_error",
            "scatter",
            "coverage",
            "coverage_error",
            "spread",
        )
        return {"lesions": 0, "doses": 0, "bounds": len(rows), **dict.fromkeys(keys)}
    by_lesion = [[r for r in solid if key(r) == name] for name in names]
    ratios = np.array([np.mean([r["dose_gy"] / r["true_gy"] for r in one]) for one in by_lesion])
    logs = [np.mean([math.log(r["dose_gy"] / r["true_gy"]) for r in one]) for one in by_lesion]
    own = [np.mean([math.log(r["dose_gy"] / r["true_gy"]) - r["drawn_effect"] for r in one]) for one in by_lesion]
    inside = np.array([np.mean([r["low_gy"] <= r["true_gy"] <= r["high_gy"] for r in one]) for one in by_lesion])
    spread = [np.std([r["dose_gy"] / r["true_gy"] for r in one], ddof=1) for one in by_lesion if len(one) > 1]
    n = len(names)
    return {
        "lesions": n,
        "doses": len(solid),
        "bounds": len(rows) - len(solid),
        "bias": float(ratios.mean() - 1.0),
        "bias_error": math.hypot(float(ratios.std(ddof=1) / math.sqrt(n)), common_error(solid)) if n > 1 else None,
        "log_bias": float(np.mean(logs)),
        "own_bias": float(np.mean(own)),
        "own_error": float(np.std(own, ddof=1) / math.sqrt(n)) if n > 1 else None,
        "spread": float(np.sqrt(np.mean([r["deviation"] ** 2 for r in solid]))),
        "scatter": float(np.sqrt(np.mean(np.square(spread)))) if spread else None,
        "coverage": float(inside.mean()),
        "coverage_error": float(inside.std(ddof=1) / math.sqrt(n)) if n > 1 else None,
    }


def common_error(rows: Sequence[dict[str, Any]]) -> float:
    """Standard error of the mean ratio from what all lesions of a patient share in one noise seed."""
    shared: dict[tuple[str, int], list[float]] = {}
    for r in rows:
        shared.setdefault((r["patient"], r["noise_seed"]), []).append(r["dose_gy"] / r["true_gy"])
    means = np.array([np.mean(v) for v in shared.values()])
    return float(means.std(ddof=1) / math.sqrt(means.size)) if means.size > 1 else 0.0


def key(r: dict[str, Any]) -> tuple[str, str, str]:
    """A lesion at a visit."""
    return r["patient"], r["visit"], r["lesion"]


def eligibility(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sensitivity and specificity of 20 Gy at the therapy activity: lesions, and patients at a visit.

    Found is what the run calls eligible: a lesion known only as an upper bound never is.
    """
    lesions = [(r["true_gy"] >= THRESHOLD_GY, r["verdict"] == "eligible") for r in rows]
    visits: dict[tuple[Any, ...], list[tuple[bool, bool]]] = {}
    for r, pair in zip(rows, lesions, strict=True):
        visits.setdefault((r["patient"], r["visit"], r["noise_seed"]), []).append(pair)
    patients = [(any(t for t, _ in pairs), any(f for _, f in pairs)) for pairs in visits.values()]
    return {"lesions": table(lesions), "patients": table(patients)}


def table(pairs: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """Fourfold table of (true, found)."""
    tp, fn = (sum(t and f == want for t, f in pairs) for want in (True, False))
    fp, tn = (sum(not t and f == want for t, f in pairs) for want in (True, False))
    return {
        "true_positive": tp,
        "false_negative": fn,
        "false_positive": fp,
        "true_negative": tn,
        "sensitivity": tp / (tp + fn) if tp + fn else None,
        "specificity": tn / (tn + fp) if tn + fp else None,
    }


def rate(judged: Sequence[dict[str, Any]], found: bool) -> dict[str, Any]:
    """Share of patient visits with at least one lesion judged re-induced."""
    hits = sum((j["re_induced"] > 0) == found for j in judged)
    return {
        "count": hits,
        "of": len(judged),
        "patients": len({j["patient"] for j in judged}),
        "rate": hits / len(judged) if judged else None,
    }


def arm_found(judged: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Noise seeds in which an arm has more re-induced patient visits than chance gives at the 5 % level.

    Each patient visit without re-induction is judged re-induced with at most 5 %: k of n are too many for chance
    when the binomial probability of k or more is below 5 %.
    """
    seeds = sorted({j["noise_seed"] for j in judged})
    counts = []
    found = 0
    for seed in seeds:
        mine = [j for j in judged if j["noise_seed"] == seed]
        counts.append(sum(j["re_induced"] > 0 for j in mine))
        found += counts[-1] > 0 and float(binom.sf(counts[-1] - 1, len(mine), ALPHA)) < ALPHA
    return {
        "noise_seeds": len(seeds),
        "found": found,
        "share_of_seeds": found / len(seeds) if seeds else None,
        "mean_count": float(np.mean(counts)) if counts else None,
        "patient_visits": len(judged) // len(seeds) if seeds else 0,
        "concentrated": sum(j["concentrated"] for j in judged),
    }


def per_lesion(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over seeds of each lesion at each visit."""
    out = []
    for name in dict.fromkeys(key(r) for r in rows):
        members = [r for r in rows if key(r) == name]
        first = members[0]
        out.append(
            {
                **{k: first[k] for k in ("patient", "visit", "lesion", "site", "volume_ml", "resolutions", "true_gy")},
                "dose_gy": float(np.mean([r["dose_gy"] for r in members])),
                "eligible": float(np.mean([r["verdict"] == "eligible" for r in members])),
                "covered": float(np.mean([r["low_gy"] <= r["true_gy"] <= r["high_gy"] for r in members])),
                "relative_half_width": float(
                    np.mean([(r["high_gy"] - r["low_gy"]) / 2.0 / r["dose_gy"] for r in members])
                ),
                "bounds": sum(r["upper_bound"] or r["lower_bound"] for r in members),
            }
        )
    return out


def page(record: dict[str, Any]) -> str:
    """docs/validation/cohort.md."""
    about = record["about"]
    seeds, names = about["noise_seeds"], about["patients"]
    complete = seeds >= 20 and len(names) == about["patients_in_trial"]
    lines = [
        "# The synthetic trial against its truth",
        "",
        *wrapped(
            "Generated by `python -m hevesy.tools.cohort_check` (`make cohort-check` is the full check: 20 noise "
            "seeds, all patients). Method: [the trial](../methods/cohort.md)."
        ),
        "",
        *wrapped(
            f"This run: **{seeds} noise seeds, {len(names)} of {about['patients_in_trial']} patients** "
            f"({', '.join(names)}), trial seed {about['trial_seed']}; CPU time {about['cpu_time_s']:.0f} s, wall time "
            f"{about['wall_time_s']:.0f} s with {about['jobs']} patients at a time (stored patients take no time)."
        ),
    ]
    if not complete:
        lines += ["", "**This is not the full check.** With so few seeds or patients, numbers are only indicative."]
    lines += ["", "| quantity | found | required | met |", "|---|---|---|---|"]
    for row in record["judgements"]:
        holds = {True: "yes", False: "**no**", None: "-"}[row["holds"]]
        lines.append(f"| {row['what']} | {plus(row['value'], row['error'], False)} | {row['must']} | {holds} |")
    lines += [
        "",
        "## Lesion dose by size",
        "",
        *wrapped(
            "Size: true diameter divided by the FWHM of the PET. Bias: mean over lesions of each lesion's mean ratio "
            "to the true dose, minus one; its standard error includes the scatter over lesions and the errors that the "
            "lesions of a patient share in a seed; median: the same for the logarithm. Scatter: between noise seeds. "
            "Spread: root mean square of ln(dose/true) over the stated u(D)/D (1: correct budget; above 1: too narrow; "
            "below 1: too wide). Bounds are excluded."
        ),
        "",
        "| size | lesions | doses | bounds | bias | median | scatter | coverage of 68 % | spread |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in record["classes"]:
        size = f"{one['low']:g} to {one['high']:g}" if one["high"] else f"above {one['low']:g}"
        bias, covered = plus(one["bias"], one["bias_error"]), plus(one["coverage"], one["coverage_error"], False)
        lines.append(
            f"| {size} | {one['lesions']} | {one['doses']} | {one['bounds']} | {bias} | "
            f"{percent(one['log_bias'])} | {percent(one['scatter'])} | {covered} | "
            f"{'-' if one['spread'] is None else format(one['spread'], '.2f')} |"
        )
    lines += [
        "",
        "## Eligibility at 20 Gy and 7.4 GBq",
        "",
        "| of | true positive | false negative | false positive | true negative | sensitivity | specificity |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in record["eligibility"].items():
        counts = ("true_positive", "false_negative", "false_positive", "true_negative")
        cells = [name, *(str(one[k]) for k in counts), percent(one["sensitivity"]), percent(one["specificity"])]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Re-induction",
        "",
        "| arm | patient visits judged re-induced | of | patients |",
        "|---|---|---|---|",
    ]
    for title, name in (
        ("main", "false_main"),
        ("control, not responding", "false_control"),
        ("control, responders", "detected"),
    ):
        one = record[name]
        lines.append(f"| {title} | {one['count']} | {one['of']} | {one['patients']} |")
    lines += [
        "",
        *wrapped(
            "An arm is detected in a noise seed when significantly more of its patient visits are judged re-induced "
            "than a rate of 5 % would give (binomial, 5 % level)."
        ),
        "",
        "| arm | patient visits per seed | judged re-induced, mean | noise seeds in which the arm is detected |",
        "|---|---|---|---|",
    ]
    for one in record["arms"]:
        mean = "-" if one["mean_count"] is None else f"{one['mean_count']:.1f}"
        lines.append(f"| {one['arm']} | {one['patient_visits']} | {mean} | {one['found']} of {one['noise_seeds']} |")
    lines += [
        "",
        "## Every lesion",
        "",
        "Means over the noise seeds; u: half width of the 68 % interval over the dose; covered, eligible: share "
        "of seeds.",
        "",
        "| patient | visit | lesion | mL | size | true Gy | found Gy | ratio | u | covered | eligible | bounds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in record["lesions"]:
        lines.append(
            f"| {one['patient']} | {one['visit']} | {one['lesion']} | {one['volume_ml']:.3g} | "
            f"{one['resolutions']:.2f} | {one['true_gy']:.3g} | {one['dose_gy']:.3g} | "
            f"{one['dose_gy'] / one['true_gy']:.3f} | {percent(one['relative_half_width'])} | "
            f"{percent(one['covered'])} | {percent(one['eligible'])} | {one['bounds']} |"
        )
    return "\n".join(lines) + "\n"


def wrapped(text: str) -> list[str]:
    """A paragraph in lines of at most 110 characters."""
    return textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)


def percent(value: float | None) -> str:
    """A fraction as per cent."""
    return "-" if value is None else f"{100 * value:.1f} %"


def plus(value: float | None, error: float | None, signed: bool = True) -> str:
    """A fraction in per cent with its standard error."""
    if value is None:
        return "-"
    text = f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    return f"{text} %" if error is None else f"{text} ± {100 * error:.1f} %"
