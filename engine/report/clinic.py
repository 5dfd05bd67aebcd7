"""The clinical sections of the report, as text and figures: from the patient record and the lesion records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..grid import Grid
from ..lesions.quantities import QUANTITIES
from ..lesions.record import LesionDose
from ..lesions.verdict import Judgement, probability_text
from ..text import chance, counted, number, or_nan, percent, signed_percent
from .figures import COLOURS, FAINT, STYLE, new_figure, to_png, to_svg
from .input import ChecklistItem, ReportInput
from .units import DoseUnit


def sections(given: ReportInput) -> dict[str, Any]:
    """What the template ``clinic.html.j2`` shows; empty parts are left out by it."""
    record, lesions = given.clinic, given.lesions
    return {
        "eligibility": _eligibility(given.judgement),
        "blood": _blood(record.get("blood")),
        "uptake": [_uptake(lesion) for lesion in lesions if lesion.clinic],
        "uptake_known": any(lesion.clinic.get("uptake_24h_percent") is not None for lesion in lesions),
        "effect_known": any(lesion.clinic.get("bed_gy") is not None for lesion in lesions),
        "alpha_beta": given.case.alpha_beta_gy if given.case else None,
        "methods": _methods(lesions),
        "alignment": [_alignment(registration) for registration in record.get("alignment") or ()],
        "shifts": _shifts(lesions),
        "follow_up": _follow_up(given.follow_up),
        "checklist": _checklist(given.checklist),
        "missing": _missing(given.checklist),
    }


def _eligibility(judgement: Judgement | None) -> dict[str, Any]:
    if judgement is None:
        return {}
    at = judgement.at
    rows = []
    for lesion in judgement.planned.lesions:
        here = [next(one for one in verdict.lesions if one.lesion == lesion.lesion) for verdict in at]
        rows.append(
            {
                "name": lesion.lesion,
                "cells": [
                    {
                        "dose": one.bounds.sign + number(one.dose_gy),
                        "p": "a bound" if one.bounds else chance(one.probability),
                        "verdict": one.verdict,
                    }
                    for one in here
                ],
                "flips": lesion.lesion in judgement.flips,
                "needed": _other_way(lesion.bounds.sign) + number(judgement.needed_gbq[lesion.lesion]),
            }
        )
    columns = [
        {
            "name": _activity_name(verdict.name, verdict.activity_gbq),
            "verdict": verdict.verdict,
            "p": probability_text(verdict),
        }
        for verdict in at
    ]
    return {
        "columns": columns,
        "rows": rows,
        "threshold": judgement.planned.threshold_gy,
        "flips": judgement.flips,
        "maximum": judgement.planned.tolerance and judgement.planned.tolerance.activity_gbq,
    }


def _other_way(sign: str) -> str:
    """Sign of what falls as the dose rises."""
    return sign.translate(str.maketrans("≤≥", "≥≤"))


def _blood(blood: Mapping[str, Any] | None) -> dict[str, Any]:
    if not blood:
        return {}
    sigma = blood.get("dose_sigma_gy_per_gbq")
    facts = [
        ("Maximum tolerable activity", f"{number(blood['maximum_gbq'])} GBq, set by: {blood['limiting_rule']}"),
        *((f"… by {rule}", f"{number(gbq)} GBq") for rule, gbq in blood["by_rule_gbq"].items()),
        ("Blood dose per activity", f"{number(blood['dose_gy_per_gbq'])} Gy/GBq"
         + (f" ± {number(sigma, 2)}" if sigma is not None else "")),
        ("TIA coefficient, blood", f"{number(blood['tau_blood_h_per_ml'])} h/mL"),
        ("TIA coefficient, whole body", f"{number(blood['tau_body_h'])} h"),
        ("Whole body at 48 h", f"{number(blood['retention_48h_percent'])} %"),
        ("Method", blood["method"]),
    ]  # fmt: skip
    return {"facts": facts, "flags": blood["flags"], "figure": _washout(blood)}


def _washout(blood: Mapping[str, Any]) -> str:
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure, axes = new_figure(4.6, 2.5)
        for name, scale, unit, colour in (
            ("body", 100.0, "whole body [%]", COLOURS[0]),
            ("blood", 1e5, "blood [% per L]", COLOURS[1]),
        ):
            if blood.get(name):
                axes.plot(blood["curve_hours"], scale * np.asarray(blood[name]["activity"]), color=colour, label=unit)
        axes.set(xlabel="hours after administration", ylabel="therapy nuclide, of administered", yscale="log")
        axes.legend(fontsize=8)
        return to_svg(figure)


def _uptake(lesion: LesionDose) -> dict[str, Any]:
    c, k = lesion.clinic, lesion.kinetics
    bound = lesion.bounds.sign
    return {
        "name": lesion.lesion,
        "uptake": _bounded(bound, c.get("uptake_24h_percent")),
        "per_g": _bounded(bound, c.get("uptake_24h_percent_per_g")),
        "suv": number(c.get("suv_24h")),
        "t_eff": number(k.get("effective_half_life_h")),
        "tia_coefficient": _bounded(bound, k.get("tia_coefficient_h")),
        "late": percent(k.get("extrapolated_fraction")),
        "recovery": number(lesion.recovery.get("coefficient")),
        "bed": _bounded(bound, c.get("bed_gy")),
        "eqd2": _bounded(bound, c.get("eqd2_gy")),
        "eud": _bounded(bound, c.get("eud_gy")) if c.get("effect_basis") == "voxels" else "–",
    }


def _bounded(bound: str, value: float | None) -> str:
    """A value after the sign of its bound; a dash alone where there is none."""
    return number(value) if value is None else bound + number(value)


def _methods(lesions: Sequence[LesionDose]) -> list[dict[str, Any]]:
    """Dose of the run, of local deposition and of the sphere formula, largest lesion first."""
    rows, unit = [], DoseUnit.of(lesions)
    for lesion in sorted(lesions, key=lambda one: -one.volume_ml):
        sphere = lesion.clinic.get("sphere_dose_gy")
        rows.append(
            {
                "name": lesion.lesion,
                "site": lesion.site or "–",
                "volume": number(lesion.volume_ml),
                "dose": unit.value(lesion.dose_gy),
                "local": unit.value(lesion.dose_local_gy * lesion.recovery_dose_factor),
                "local_difference": signed_percent(lesion.local_difference_percent),
                "sphere": unit.value(sphere),
                "sphere_difference": signed_percent(or_nan(lesion.clinic.get("sphere_difference_percent"))),
                "outside": lesion.clinic.get("sphere_in_range") is False,
            }
        )
    return rows


def _activity_name(name: str, gbq: float) -> str:
    return name if name.endswith("Bq") else f"{name}, {number(gbq)} GBq"


def _alignment(registration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "scan": registration["scan"],
        "hours": number(registration["hours"]),
        "model": registration["model"],
        "shift": ", ".join(f"{v:.1f}" for v in registration["translation_mm"]),
        "rotation": f"{registration['rotation_deg']:.2f}",
        "deformation": number(registration.get("largest_deformation_mm")),
        "before": number(registration["correlation_before"]),
        "after": number(registration["correlation_after"]),
        "warnings": registration["warnings"],
    }


def _shifts(lesions: Sequence[LesionDose]) -> list[tuple[str, str]]:
    rows = []
    for lesion in lesions:
        shifts = [or_nan(v) for v in (lesion.clinic.get("centroid_shift_mm") or [])[1:]]
        if any(math.isfinite(v) for v in shifts):
            rows.append((lesion.lesion, ", ".join(number(v, 2) for v in shifts) + " mm"))
    return rows


def _follow_up(follow_up: Mapping[str, Any]) -> dict[str, Any]:
    if not follow_up:
        return {}
    rows = []
    for row in follow_up["rows"]:
        values, ratios = row.get("values") or {}, row.get("ratios") or {}
        cells = []
        for key, _, _ in QUANTITIES:
            ratio = ratios.get(key) or {}
            interval = ""
            if ratio.get("ratio") is not None:
                interval = f"×{number(ratio['ratio'], 2)}"
                if ratio.get("low") is not None:
                    interval += f" ({number(ratio['low'], 2)}–{number(ratio['high'], 2)})"
            cells.append({"value": number(or_nan(values.get(key))), "ratio": interval})
        rows.append({**row, "cells": cells, "confirm": row["confirm"] and row["state"] != "first"})
    return {
        "first": follow_up["first"],
        "rows": rows,
        "quantities": [q.symbol for q in QUANTITIES],
        "targets": follow_up["targets"],
        "visits": [_visit(visit) for visit in follow_up["visits"]],
        "notes": follow_up["notes"],
    }


def _visit(visit: Mapping[str, Any]) -> dict[str, Any]:
    recist = visit.get("recist") or {}
    facts = [("Lesions", ", ".join(f"{count} {state}" for state, count in visit["states"].items()))]
    if recist:
        facts += [
            (
                "Sum of target diameters",
                f"{number(recist['sum_first_mm'])} mm to {number(recist['sum_mm'])} mm "
                f"({signed_percent(recist['change_percent'])}): {recist['response']} by RECIST 1.1",
            ),
            (
                "Volume of the targets",
                f"{number(recist['volume_first_ml'])} mL to {number(recist['volume_ml'])} mL "
                f"({signed_percent(recist['volume_change_percent'])}): {recist['volume_response']} by volume",
            ),
            ("Targets one by one", ", ".join(f"{n} {name}" for name, n in visit["target_responses"].items() if n)),
        ]
    for key, _, name in QUANTITIES:
        pair = visit["paired"][key]
        if pair["ratio"] is not None:
            interval = f" ({number(pair['low'])}–{number(pair['high'])}, 95 %)" if pair["low"] is not None else ""
            facts.append((f"{name}, mean ratio", f"×{number(pair['ratio'])}{interval}, {counted(pair['n'], 'lesion')}"))
    again = visit["re_induced"]
    facts.append(("Re-induction of uptake", ", ".join(again) if again else "in no lesion"))
    return {"name": visit["visit"], "facts": facts}


def _checklist(items: Sequence[ChecklistItem]) -> list[dict[str, Any]]:
    grouped: dict[str, list[tuple[str, str]]] = {}
    for item in items:
        if item.value:
            grouped.setdefault(item.section, []).append((item.item, item.value))
    return [{"section": name, "facts": facts} for name, facts in grouped.items()]


def _missing(items: Sequence[ChecklistItem]) -> list[str]:
    """What was not stated, one phrase per section."""
    grouped: dict[str, list[str]] = {}
    for item in items:
        if not item.value:
            grouped.setdefault(item.section, []).append(item.item)
    return [f"{section}: {', '.join(items)}" for section, items in grouped.items()]


def overlay(grid: Grid, fixed_hu: np.ndarray, aligned: Mapping[str, np.ndarray]) -> bytes:
    """Picture of the registered CTs: the first in magenta, later ones in green, grey where they agree.

    Parameters
    ----------
    grid
        Dose grid.
    fixed_hu
        First CT on it (nz, ny, nx) [HU].
    aligned
        Later CTs after registration, by scan, same shape [HU].

    Returns
    -------
    bytes
        PNG file; empty when every CT is the first.
    """
    import matplotlib as mpl

    shown = {name: ct for name, ct in aligned.items() if not np.array_equal(ct, fixed_hu)}
    if not shown:
        return b""
    body = np.argwhere(fixed_hu > -400)
    middle = np.median(body, axis=0).astype(int) if len(body) else np.array(grid.shape) // 2
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = new_figure(8.4, 3.0 * len(shown), nrows=len(shown), ncols=3, squeeze=False)
        for line, (name, ct) in zip(axes, shown.items(), strict=True):
            for axis, panel in enumerate(line):
                a, b = (np.take(_grey(v), middle[axis], axis=axis) for v in (fixed_hu, ct))
                down, across = (i for i in range(3) if i != axis)
                panel.imshow(
                    np.stack([a, b, a], axis=-1),
                    origin="upper" if axis == 0 else "lower",
                    aspect=grid.spacing_mm[down] / grid.spacing_mm[across],
                    interpolation="nearest",
                )
                panel.set_axis_off()
            line[0].set_title(name, loc="left", fontsize=8, color=FAINT)
        return to_png(figure, dpi=110)


def _grey(hu: np.ndarray) -> np.ndarray:
    return np.clip((np.asarray(hu, np.float32) + 850.0) / 1300.0, 0.0, 1.0)
