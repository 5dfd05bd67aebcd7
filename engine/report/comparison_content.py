"""The text of a comparison's page: headlines, rows and facts. No HTML and no figures here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ..text import NONE, activity_text, count_of, covered_text, interval_decimals, number, or_nan, signed
from .comparison_input import ComparisonPage
from .comparison_rows import DO_NOT_USE, UNDETERMINED, USE, Method, Region, Shown
from .units import DoseUnit

#: Lesions that a headline names at most.
NAMED = 4
#: Words and mark of what the rule says; the mark is read without colour.
MARKS = {USE: ("✓", "use"), DO_NOT_USE: ("✗", "do not use"), UNDETERMINED: ("?", "undetermined")}
#: Key of the mean that biases and sides are of, where it is not that of the lesion table.
BEST = "mean_without_decay_noise_gy"
#: A gamma rate of fewer voxels deserves a caution: one of them is more than 1 % of it.
FEW_VOXELS = 100
#: What marks a value that is corrected for Monte Carlo noise.
CORRECTED = "†"
ORIGINS = {"run": "the run", "compared": "this comparison", "file": "a file"}


def bias_text(bias: Mapping[str, Any] | None) -> tuple[str, str]:
    """A bias [%] and its interval: ``("+4.3", "+3.1 to +5.6")``; the interval is empty where there is none."""
    if not bias:
        return NONE, ""
    low, high = bias.get("low_percent"), bias.get("high_percent")
    decimals = interval_decimals(low, high)
    interval = "" if low is None or high is None else f"{signed(low, decimals)} to {signed(high, decimals)}"
    return signed(bias.get("percent"), decimals), interval


def headlines(shown: Shown) -> list[dict[str, Any]]:
    """For each method but the reference: tone, headline, and what a reader must know at once."""
    return [_headline(shown, method) for method in shown.others]


def _headline(shown: Shown, method: Method) -> dict[str, Any]:
    said: dict[str, list[Region]] = {word: [] for word in MARKS}
    for region in shown.lesions:
        word = region.doses.get(method.name, {}).get("use")
        if word in said:
            said[word].append(region)
    own = [region for region in shown.lesions if method.name in region.doses]
    uncovered = [region for region in own if region.doses[method.name].get("mean_gy") is None]
    of = sum(len(regions) for regions in said.values()) + len(uncovered)
    yes = len(said[USE])
    out: dict[str, Any] = {"method": method, "tone": "no", "text": "no lesion to judge by the rule"}
    if of:
        out["text"] = f"may be used in {count_of(yes, of, 'lesion')}"
        out["tone"] = "yes" if yes == of else ("near" if yes or not said[DO_NOT_USE] else "no")
    lines = [(word, said[key]) for word, key in (("Do not use", DO_NOT_USE), ("Undetermined", UNDETERMINED))]
    out["lines"] = [(f"{word} ({len(regions)})", _named(shown, method, regions)) for word, regions in lines if regions]
    if uncovered:
        out["lines"].append((f"Not covered ({len(uncovered)})", _listed([_name(shown, one) for one in uncovered])))
    if shown.judged:
        out["lines"] += _sides(shown, method)
    return out


def _named(shown: Shown, method: Method, regions: Sequence[Region]) -> str:
    """Lesions with their bias, the worst first; a number for those beyond the first few."""
    worst = sorted(regions, key=lambda region: -abs(or_nan((region.doses[method.name]["bias"] or {}).get("percent"))))
    texts = [f"{_name(shown, region)} ({_percent(region.doses[method.name]['bias'])})" for region in worst]
    return _listed(texts)


def _sides(shown: Shown, method: Method) -> list[tuple[str, str]]:
    """Which lesions change side of the threshold, and of which the noise leaves it open."""
    at = f"{shown.threshold_gy:g} Gy at {activity(shown.record['activity_gbq'])}"
    own = [region for region in shown.lesions if method.name in region.doses]
    changed = [region for region in own if region.doses[method.name].get("changes_side")]
    texts = []
    for region in changed:
        both = (region.doses[name] for name in (shown.reference.name, method.name))
        means = (one["mean_gy"] if (best := one.get(BEST)) is None else best for one in both)
        of_both = (shown.unit.value(mean) for mean in means)
        texts.append(f"{_name(shown, region)} ({' → '.join(of_both)} {shown.unit.name})")
    count = f" ({len(changed)})" if changed else ""
    lines = [(f"Change side of {at}{count}", _listed(texts) if texts else "no lesion")]
    unsettled = [_name(shown, region) for region in own if is_open(region.doses[method.name])]
    if unsettled:
        lines.append((f"Side not settled ({len(unsettled)})", _listed(unsettled)))
    return lines


def is_open(dose: Mapping[str, Any]) -> bool:
    """Whether the noise leaves it open on which side of the threshold a lesion is."""
    return bool(dose.get("bias")) and dose.get("above") is not None and dose.get("changes_side") is None


def _name(shown: Shown, region: Region) -> str:
    return f"{region.name}, {region.visit}" if len(shown.visits) > 1 else region.name


def _listed(texts: Sequence[str]) -> str:
    rest = len(texts) - NAMED
    return ", ".join([*texts[:NAMED], *([f"and {rest} more"] if rest > 0 else [])])


def _percent(bias: Mapping[str, Any] | None) -> str:
    text = bias_text(bias)[0]
    return text if text == NONE else f"{text}\u00a0%"


def activity(gbq: float | None) -> str:
    """An activity [GBq] in the unit of its size."""
    return activity_text(None if gbq is None else 1e3 * gbq, 3)


def cells(shown: Shown, region: Region) -> list[dict[str, Any]]:
    """What the page says of a region, by method in order; None where a method does not have it."""
    return [_cell(shown, method, region.doses.get(method.name)) for method in shown.methods]


def _cell(shown: Shown, method: Method, dose: Mapping[str, Any] | None) -> dict[str, Any]:
    """One region by one method, as text."""
    dose = dose or {}
    unit = shown.unit
    bias, interval = bias_text(dose.get("bias"))
    mark, word = MARKS.get(dose.get("use", ""), ("", ""))
    error = or_nan(dose.get("mean_standard_error_gy"))
    best = dose.get(BEST)
    above = dose.get("above")
    covered = or_nan(dose.get("covered_percent", 100.0))
    return {
        "method": method,
        "is_reference": method is shown.reference,
        "mean": unit.plus_minus(or_nan(dose.get("mean_gy")), error),
        "best": "" if best is None else _best(dose, unit),
        "uncovered": "" if not dose or dose.get("mean_gy") is not None or not covered < 100.0 else _covered(covered),
        "bias": bias,
        "interval": interval,
        "paired": bool((dose.get("bias") or {}).get("paired")),
        "d95": _corrected(dose, "d95", unit),
        "d95_bias": bias_text(dose.get("d95_bias")),
        "d50": _corrected(dose, "d50", unit),
        "d50_bias": bias_text(dose.get("d50_bias")),
        "v20": _corrected(dose, "v20gy", None),
        "v20_difference": signed(dose.get("v20gy_difference_percent")),
        "reached": NONE if above is None else ("yes" if above else "no"),
        "at": number(dose.get("activity_at_threshold_gbq"), 4),
        "between": _between(dose.get("changes_side_between_gbq")),
        "changes": "changes side" if dose.get("changes_side") else ("side not settled" if is_open(dose) else ""),
        "merit": number(dose.get("figure_of_merit_per_s")),
        "mark": mark,
        "word": word,
        "sentence": dose.get("sentence", ""),
    }


def _best(dose: Mapping[str, Any], unit: DoseUnit) -> str:
    """The mean without the noise of its decays; empty where it looks like that of the table."""
    error = or_nan(dose.get("mean_without_decay_noise_standard_error_gy"))
    text = unit.plus_minus(or_nan(dose[BEST]), error)
    table = unit.plus_minus(or_nan(dose.get("mean_gy")), or_nan(dose.get("mean_standard_error_gy")))
    return "" if text == table else text


def _covered(percent: float) -> str:
    return covered_text(percent).replace(" %", "\u00a0%")


def _corrected(dose: Mapping[str, Any], name: str, unit: DoseUnit | None) -> str:
    """A value of the histogram: corrected for noise and marked so where there is such a value, else of the voxels."""
    of = "percent" if unit is None else "gy"
    clean = dose.get(f"{name}_noise_corrected_{of}")
    value = dose.get(f"{name}_{of}") if clean is None else clean
    text = (number(value) if unit is None else unit.value(value)).replace("-", "−")
    return text if clean is None else f"{text} {CORRECTED}"


def _between(ends: Sequence[float | None] | None) -> str:
    """Activities [GBq] between which two methods disagree; no upper end where one never reaches the threshold."""
    if not ends or ends[0] is None:
        return NONE
    return f"above {number(ends[0], 4)}" if ends[1] is None else f"{number(ends[0], 4)} to {number(ends[1], 4)}"


def rows(shown: Shown, regions: Sequence[Region]) -> list[dict[str, Any]]:
    """Rows of the tables of these regions."""
    return [
        {
            "number": region.number,
            "name": region.name,
            "role": region.role,
            "volume": number(region.volume_ml),
            "mass": number(region.mass_g),
            "limit": NONE if region.is_lesion else shown.unit.value(region.threshold_gy),
            "cells": cells(shown, region),
        }
        for region in regions
    ]


def gamma_tables(shown: Shown) -> list[dict[str, Any]]:
    """Gamma indices, one table per visit: criteria by method, and by normalisation the share that passes."""
    tables = []
    for visit in shown.record["visits"]:
        groups = [(method, _gamma_rows(method, visit)) for method in shown.others]
        groups = [(method, lines) for method, lines in groups if lines]
        if groups:
            few = _fewest(shown, visit)
            tables.append({"visit": visit, "groups": groups, "floors": _floors(shown, visit), "few": few})
    return tables


def _fewest(shown: Shown, visit: str) -> int | None:
    """Voxels behind the rates of a visit where they are few; None where there are enough."""
    rates = (rate for method in shown.others for rate in method.facts.get("gamma") or () if rate["visit"] == visit)
    fewest = min((int(rate["voxels"]) for rate in rates), default=FEW_VOXELS)
    return fewest if fewest < FEW_VOXELS else None


def _floors(shown: Shown, visit: str) -> str:
    """Shares of the highest dose below which voxels are left out."""
    rates = (rate for method in shown.others for rate in method.facts.get("gamma") or () if rate["visit"] == visit)
    return " or ".join(f"{floor:g}" for floor in sorted({rate["floor_percent"] for rate in rates}))


def _gamma_rows(method: Method, visit: str) -> list[dict[str, Any]]:
    """One row per criterion, in the order of the record."""
    by: dict[tuple[float, float], dict[str, Any]] = {}
    for rate in method.facts.get("gamma") or ():
        if rate["visit"] == visit:
            row = by.setdefault((rate["dose_percent"], rate["distance_mm"]), {})
            row[rate["normalisation"]] = {
                "passes": number(rate["pass_percent"], 4),
                "control": number(rate.get("noise_pass_percent"), 4),
                "corrected": number(rate.get("corrected_pass_percent"), 4),
                "voxels": f"{rate['voxels']:,}".replace(",", " "),
            }
    return [{"criterion": f"{dose:g} % / {mm:g} mm", **row} for (dose, mm), row in by.items()]


def cost_rows(shown: Shown, page: ComparisonPage) -> list[dict[str, Any]]:
    """Where each method comes from, what it took, and its figure of merit."""
    slowest = or_nan(shown.reference.facts.get("wall_time_s"))
    out = []
    for method in shown.methods:
        seconds = or_nan(method.facts.get("wall_time_s"))
        merits = [or_nan(region.doses.get(method.name, {}).get("figure_of_merit_per_s")) for region in shown.lesions]
        known = sorted(value for value in merits if math.isfinite(value))
        faster = slowest / seconds if seconds > 0 else math.nan
        decays = sum(page.decays.values()) if method is shown.reference and method.name == "mc" else 0
        out.append(
            {
                "method": method,
                "origin": ORIGINS.get(method.facts.get("origin", ""), method.facts.get("origin") or NONE),
                "seconds": number(seconds),
                "faster": NONE if method is shown.reference else number(faster),
                "decays": f"{decays:,}".replace(",", " ") if decays else NONE,
                "merit": number(median(known) if known else math.nan),
                "merits": f"{number(known[0])} to {number(known[-1])}" if len(known) > 1 else "",
            }
        )
    return out


def files(shown: Shown) -> list[tuple[str, str, str, str]]:
    """Maps that the comparison wrote: method, visit, kind and file."""
    return [
        (method.label, visit, kind, name)
        for method in shown.others
        for visit, kinds in (method.facts.get("maps") or {}).items()
        for kind, name in kinds.items()
    ]


def provenance_facts(shown: Shown, page: ComparisonPage) -> list[tuple[str, str]]:
    """Of the comparison and of each visit's result: version, commit, seed, backend, input."""
    facts = [("Compared by", _code(page.version, page.commit))]
    for visit, source in page.provenance.items():
        of = f" ({visit})" if len(page.provenance) > 1 else ""
        facts += [
            (f"Run{of}", _code(source.version, source.commit)),
            (f"Run calculated{of}", source.created or NONE),
            (f"Backend{of}", f"{source.backend} ({source.device})" if source.backend else NONE),
            (f"Seed{of}", str(source.seed) if source.backend else NONE),
            (f"Decays simulated{of}", f"{page.decays.get(visit, 0):,}".replace(",", " ")),
            (f"Input SHA-256{of}", source.input_hash or NONE),
        ]
    return facts


def _code(version: str, commit: str) -> str:
    return f"hevesy {version or 'of unknown version'}{', commit ' + commit if commit else ''}"
