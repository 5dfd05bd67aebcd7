"""Several visits of one patient: which lesion is which, what changed, and what the changes mean.

Every lesion is followed from the visit at which it first appears. Its place is that in the first visit's
coordinates; visits whose frame of reference differs are registered by their CTs first. A lesion that fell into
parts is their sum; one that grew together with another is followed under the other's name.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...case.model import Case
from ...clinic.matching import LesionPlace, Match, match_lesions
from ...clinic.response import VisitValues, lesion_response, reinduction
from ...grid import Volume
from ...imaging.alignment import Alignment
from ...imaging.registration import register
from ...lesions.quantities import QUANTITIES
from ...lesions.record import LesionDose
from ...lesions.recovery import sphere_diameter_mm
from ...lesions.uncertainty import log_ratio_relative
from ...results.result import Result
from ...text import plain
from .response import Track, recist_targets, target_sum, visit_summary

log = logging.getLogger(__name__)

#: Normal quantile of the two-sided 95 % intervals.
Z95 = 1.959964


@dataclass
class VisitLesions:
    """What the comparison needs of one visit.

    Parameters
    ----------
    name
        The visit.
    lesions
        Its lesion records.
    result
        For its CT on the dose grid.
    frame_of_reference
        Of its images, where known.
    """

    name: str
    lesions: Sequence[LesionDose]
    result: Result
    frame_of_reference: str | None = None


def follow_up(case: Case, visits: Sequence[VisitLesions]) -> dict[str, Any] | None:
    """Everything about changes between visits, as plain data; None with fewer than two visits.

    Parameters
    ----------
    case
        The case.
    visits
        Lesions and results of the visits, in order.

    Returns
    -------
    dict or None
        ``rows`` (one per lesion and visit), ``visits`` (sums, response, paired ratios, re-induction for each
        later visit), ``alignment``, ``notes``.
    """
    if len(visits) < 2:
        return None
    alignments, notes = _align(case, visits)
    tracks = _tracks(visits, alignments)
    targets = recist_targets(tracks)
    rows = [_row(track, k, visits) for track in tracks for k in range(len(visits)) if k >= track.first]
    later = []
    nadir = target_sum(tracks, targets, 0)
    for k in range(1, len(visits)):
        judged = _reinduction(tracks, k)
        later.append(visit_summary(visits[k].name, len(visits[k].lesions), tracks, targets, k, nadir, judged))
        nadir = min(nadir, target_sum(tracks, targets, k)) if targets else nadir
        for row in rows:
            if row["visit"] == visits[k].name:
                row["reinduction"] = judged.get(row["lesion"], {}).get("verdict")
    notes += [
        f"{row['visit']}: {row['lesion']} is {row['state']} against the visits before; please confirm."
        for row in rows
        if row["confirm"] and row["state"] != "first"
    ]
    return plain(
        {
            "first": visits[0].name,
            "targets": targets,
            "rows": rows,
            "visits": later,
            "alignment": [{"visit": v.name, **a.to_dict()} for v, a in zip(visits[1:], alignments[1:], strict=True)],
            "notes": notes,
        }
    )


def _align(case: Case, visits: Sequence[VisitLesions]) -> tuple[list[Alignment], list[str]]:
    """Each visit's CT on the dose grid to the first visit's: rigid where the frames differ, or as the case says."""
    found, notes = [Alignment()], []
    first = visits[0]
    for visit in visits[1:]:
        differ = bool(
            first.frame_of_reference
            and visit.frame_of_reference
            and first.frame_of_reference != visit.frame_of_reference
        )
        model = case.alignment.visits or ("rigid" if differ else "none")
        cts = [v.result.ct_hu for v in (first, visit)]
        if cts[0] is None or cts[1] is None:
            found.append(Alignment())
            continue
        still, moving = (
            Volume(v.result.grid, np.asarray(ct), "HU", source=v.name)
            for v, ct in zip((first, visit), cts, strict=True)
        )
        one = register(still, moving, model, metric=case.alignment.metric)
        notes += [f"{visit.name}: {text}." for text in (*one.notes, *one.warnings)]
        found.append(one)
    return found, notes


def _tracks(visits: Sequence[VisitLesions], alignments: Sequence[Alignment]) -> list[Track]:
    tracks: list[Track] = []
    for k, (visit, alignment) in enumerate(zip(visits, alignments, strict=True)):
        home = np.linalg.inv(alignment.matrix)
        by_name = {lesion.lesion: lesion for lesion in visit.lesions}
        places = {}
        for lesion in visit.lesions:
            z, y, x = lesion.centroid_mm
            x, y, z = (float(v) for v in (home @ np.array([x, y, z, 1.0]))[:3])
            places[lesion.lesion] = LesionPlace(lesion.lesion, (z, y, x), lesion.volume_ml, lesion.site)
        if k == 0:
            tracks = [_new_track(by_name[name], places[name], 0, False, tracks) for name in by_name]
            continue
        followed = [t for t in tracks if t.merged_into is None]
        names = {t.name: t for t in followed}
        known = [LesionPlace(t.name, t.place.centroid_mm, t.place.volume_ml, t.site) for t in followed]
        for match in match_lesions(known, list(places.values())):
            _apply(match, k, names, by_name, places, tracks)
    return tracks


def _apply(
    match: Match,
    k: int,
    names: Mapping[str, Track],
    lesions: Mapping[str, LesionDose],
    places: Mapping[str, LesionPlace],
    tracks: list[Track],
) -> None:
    """Write one match into the tracks it concerns."""
    if match.state == "new":
        (name,) = match.after
        tracks.append(_new_track(lesions[name], places[name], k, True, tracks))
        return
    main = names[match.before[0]]
    if match.state == "disappeared":
        main.states[k] = ("disappeared", math.nan, match.confirm)
        return
    main.values[k] = _values([lesions[name] for name in match.after])
    main.states[k] = (match.state, match.distance_mm, match.confirm)
    place = places[match.after[0]]
    main.place = LesionPlace(main.name, place.centroid_mm, main.values[k]["volume_ml"], main.site or place.site)
    for other in match.before[1:]:
        names[other].states[k] = (f"merged into {main.name}", math.nan, True)
        names[other].merged_into = main.name


def _new_track(lesion: LesionDose, place: LesionPlace, k: int, later: bool, tracks: Sequence[Track]) -> Track:
    taken = {track.name for track in tracks}
    name = lesion.lesion if lesion.lesion not in taken else f"{lesion.lesion} ({lesion.visit})"
    track = Track(name, lesion.site, k, place, {k: _values([lesion])})
    track.states[k] = ("new", math.nan, True) if later else ("first", math.nan, False)
    return track


def _values(parts: Sequence[LesionDose]) -> dict[str, Any]:
    """Values of a lesion at one visit; parts are added up, doses weighted with mass."""
    mass = np.array([p.mass_g for p in parts])
    uptake = [p.clinic.get("uptake_24h_percent") for p in parts]
    known = all(u is not None for u in uptake)
    total = float(sum(u for u in uptake if u is not None)) if known else math.nan
    axis = [float(p.clinic.get("long_axis_mm") or p.diameter_mm) for p in parts]
    short = [float(p.clinic.get("short_axis_mm") or p.diameter_mm) for p in parts]
    one = parts[0]
    volume = float(sum(p.volume_ml for p in parts))
    return {
        "names": [p.lesion for p in parts],
        "ldpa_gy_per_gbq": float(np.array([p.ldpa_gy_per_gbq for p in parts]) @ mass / mass.sum()),
        "dose_gy": float(np.array([p.dose_gy for p in parts]) @ mass / mass.sum()),
        "uptake_percent": total,
        "uptake_percent_per_g": total / float(mass.sum()),
        "volume_ml": volume,
        "diameter_mm": float(sphere_diameter_mm(volume)),
        "long_axis_mm": float(sum(axis)),
        "short_axis_mm": float(sum(short)),
        "effective_half_life_h": float(one.kinetics.get("effective_half_life_h") or math.nan)
        if len(parts) == 1
        else math.nan,
        "upper_bound": any(bool(p.bounds.upper) for p in parts),
        "lower_bound": any(bool(p.bounds.lower) for p in parts),
        "random": _largest(parts, "random"),
        "systematic": _largest(parts, "systematic"),
        "volume_random": _largest(parts, "volume"),
        "uptake_random": _largest(parts, "uptake_random"),
        "uptake_per_g_random": _largest(parts, "uptake_per_g_random"),
        "half_life_random": float(one.clinic.get("effective_half_life_relative") or math.nan),
    }


def _largest(parts: Sequence[LesionDose], key: str) -> float:
    relative: list[Mapping[str, Any]] = [p.uncertainty for p in parts]
    return max((float(r[key]) for r in relative if r.get(key) is not None), default=math.nan)


def _log_ratio(key: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """Standard uncertainty of ln(b / a): random parts of both; systematic parts cancel on one scanner."""
    names = {
        "ldpa_gy_per_gbq": "random", "uptake_percent": "uptake_random",
        "uptake_percent_per_g": "uptake_per_g_random", "volume_ml": "volume_random",
        "diameter_mm": "volume_random", "effective_half_life_h": "half_life_random",
    }  # fmt: skip
    systematic = (a["systematic"], b["systematic"]) if key == "ldpa_gy_per_gbq" else (0.0, 0.0)
    relative = log_ratio_relative((a[names[key]], b[names[key]]), systematic)
    return relative / 3.0 if key == "diameter_mm" else relative


def ratios(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Later over earlier value of every quantity with its 95 % interval; nan where one is missing."""
    found = {}
    for key, _, _ in QUANTITIES:
        a, b = float(before[key]), float(after[key])
        if not (a > 0 and b > 0 and math.isfinite(a) and math.isfinite(b)):
            found[key] = {"ratio": math.nan, "low": math.nan, "high": math.nan}
            continue
        reach = Z95 * _log_ratio(key, before, after)
        ratio = b / a
        found[key] = {"ratio": ratio, "low": ratio * math.exp(-reach), "high": ratio * math.exp(reach)}
    return found


def _row(track: Track, k: int, visits: Sequence[VisitLesions]) -> dict[str, Any]:
    state, distance, confirm = track.states.get(k, (f"merged into {track.merged_into}", math.nan, False))
    values = track.values.get(k)
    row: dict[str, Any] = {
        "lesion": track.name,
        "site": track.site,
        "visit": visits[k].name,
        "state": state,
        "names": values["names"] if values else [],
        "distance_mm": distance,
        "confirm": confirm,
        "values": values,
        "ratios": None,
        "response": None,
        "reinduction": None,
    }
    first = track.values[track.first]
    if k > track.first:
        if values is not None:
            row["ratios"] = ratios(first, values)
            row["response"] = lesion_response(first["volume_ml"], values["volume_ml"])
        elif state == "disappeared":
            row["response"] = lesion_response(first["volume_ml"], 0.0)
    return row


def _reinduction(tracks: Sequence[Track], k: int) -> dict[str, dict[str, Any]]:
    """Re-induction of each lesion at visit k against its first visit, at one error level for the patient."""

    def values(track: Track, j: int) -> VisitValues:
        v = track.values[j]
        return VisitValues(
            track.name,
            v["uptake_percent"],
            v["uptake_percent_per_g"],
            v["ldpa_gy_per_gbq"],
            _known(math.hypot(v["uptake_random"], 0.0)),
            _known(v["random"]),
        )

    followed = [t for t in tracks if t.first < k]
    found = reinduction([values(t, t.first) for t in followed], [values(t, k) for t in followed if k in t.values])
    out = {}
    for one in found:
        track = next(t for t in followed if t.name == one.lesion)
        record = dict(vars(one))
        if k in track.values and track.values[k]["upper_bound"] and record["verdict"] != "not re-induced":
            record["verdict"] = "not assessable"  # an upper bound now says nothing about a rise
        out[one.lesion] = record
    return out


def _known(value: float, default: float = 0.15) -> float:
    return value if math.isfinite(value) else default
