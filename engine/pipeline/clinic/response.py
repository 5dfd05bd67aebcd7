"""Response of a patient between two visits: RECIST 1.1 sums and their volume equivalents, paired ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...clinic.matching import LesionPlace
from ...clinic.response import (
    PARTIAL_VOLUME_DECREASE,
    PROGRESSIVE_VOLUME_INCREASE,
    PairedRatio,
    TargetLesion,
    lesion_response,
    paired_ratio,
    recist_response,
    select_targets,
)
from ...lesions.quantities import QUANTITIES


@dataclass
class Track:
    """One lesion through the visits: its name and values at each, and how it was found again."""

    name: str
    site: str
    first: int
    place: LesionPlace
    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    states: dict[int, tuple[str, float, bool]] = field(default_factory=dict)
    merged_into: str | None = None


def recist_targets(tracks: Sequence[Track]) -> list[str]:
    """RECIST targets among the first visit's lesions; without a site a lesion counts as an organ of its own."""
    found = []
    for track in tracks:
        if track.first == 0:
            values = track.values[0]
            found.append(
                TargetLesion(
                    track.name,
                    track.site or track.name,
                    values["long_axis_mm"],
                    values["short_axis_mm"],
                    is_node(track.site),
                )
            )
    return [target.name for target in select_targets(found)]


def is_node(site: str) -> bool:
    """Whether a site is a lymph node's: measured across."""
    return any(word in site.casefold() for word in ("node", "lymph"))


def _axis(track: Track, k: int) -> float:
    values = track.values.get(k)
    if values is None:
        return 0.0
    return float(values["short_axis_mm" if is_node(track.site) else "long_axis_mm"])


def target_sum(tracks: Sequence[Track], targets: Sequence[str], k: int) -> float:
    return sum(_axis(track, k) for track in tracks if track.name in targets)


def visit_summary(
    name: str,
    lesions: int,
    tracks: Sequence[Track],
    targets: Sequence[str],
    k: int,
    nadir_mm: float,
    judged: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """One later visit against the first."""
    pairs = [(t.values[0], t.values[k]) for t in tracks if t.first == 0 and k in t.values]
    paired: dict[str, PairedRatio] = {
        key: paired_ratio([a[key] for a, _ in pairs], [b[key] for _, b in pairs]) for key, _, _ in QUANTITIES
    }
    states = [t.states[k][0] for t in tracks if k in t.states]
    new = [t.name for t in tracks if t.first == k]
    chosen = [t for t in tracks if t.name in targets]
    summary: dict[str, Any] = {
        "visit": name,
        "lesions": lesions,
        "states": {state: states.count(state) for state in dict.fromkeys(states)},
        "new": new,
        "paired": {key: vars(value) for key, value in paired.items()},
        "reinduction": list(judged.values()),
        "re_induced": [name for name, one in judged.items() if one["verdict"] == "re-induced"],
        "recist": None,
    }
    responses = [
        lesion_response(t.values[0]["volume_ml"], t.values[k]["volume_ml"] if k in t.values else 0.0)
        for t in chosen
        if k in t.values or t.states.get(k, ("",))[0] == "disappeared"
    ]
    summary["target_responses"] = {name: responses.count(name) for name in ("CR", "PR", "SD", "PD")}
    if chosen:
        before, now = target_sum(tracks, targets, 0), target_sum(tracks, targets, k)
        nodes = [t for t in chosen if is_node(t.site)]
        others = sum(_axis(t, k) for t in chosen if not is_node(t.site))
        normal = all(_axis(t, k) < 10.0 for t in nodes)
        complete = others == 0.0 and normal
        volumes = [sum(t.values[j]["volume_ml"] for t in chosen if j in t.values) for j in (0, k)]
        change = volumes[1] / volumes[0] - 1.0
        summary["recist"] = {
            "sum_first_mm": before,
            "nadir_mm": nadir_mm,
            "sum_mm": now,
            "change_percent": 100.0 * (now / before - 1.0),
            "response": recist_response(
                before, 0.0 if complete else now, nadir_mm, new_lesions=bool(new), nodes_normal=normal
            ),
            "volume_first_ml": volumes[0],
            "volume_ml": volumes[1],
            "volume_change_percent": 100.0 * change,
            "volume_response": "PD" if new or change >= PROGRESSIVE_VOLUME_INCREASE
            else "CR" if volumes[1] == 0.0 else "PR" if change <= -PARTIAL_VOLUME_DECREASE else "SD",
        }  # fmt: skip
    return summary
