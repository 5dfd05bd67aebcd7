"""Which lesion of one visit is which of the next: persistent, disappeared, new, split, merged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..lesions.recovery import sphere_diameter_mm

#: Lesions further apart than this and than their own diameter are never matched [mm].
GATE_MM = 10.0
#: Registration error allowed when testing whether a centroid lies inside another lesion [mm].
REGISTRATION_MM = 3.0


@dataclass(frozen=True)
class LesionPlace:
    """A lesion's place after registration to a common frame.

    Parameters
    ----------
    name
        Unique within its visit.
    centroid_mm
        Centroid (z, y, x) in the common frame [mm], LPS.
    volume_ml
        Volume [mL].
    site
        Where it is in the body; empty when not stated.
    """

    name: str
    centroid_mm: tuple[float, float, float]
    volume_ml: float
    site: str = ""

    @property
    def diameter_mm(self) -> float:
        """Diameter of the sphere of its volume [mm]."""
        return float(sphere_diameter_mm(self.volume_ml))


@dataclass(frozen=True)
class Match:
    """One state of the lesions between two visits.

    Attributes
    ----------
    state
        ``"persistent"``, ``"disappeared"``, ``"new"``, ``"split"`` or ``"merged"``.
    before, after
        Names at the earlier and later visit.
    distance_mm
        Between the centroids (the main part, for split and merged); NaN where there is one side only.
    confirm
        Whether a person should confirm it.
    """

    state: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    distance_mm: float = math.nan
    confirm: bool = False


def match_lesions(
    before: Sequence[LesionPlace],
    after: Sequence[LesionPlace],
    *,
    gate_mm: float = GATE_MM,
    registration_mm: float = REGISTRATION_MM,
) -> list[Match]:
    """Match lesions by centroid and site (Hungarian assignment), then look for parts and unions.

    Pairs of different site, or further apart than ``max(gate, diameter)``, are forbidden. A later lesion
    without a partner whose centroid lies inside an earlier, matched lesion is a part of it (split); an
    earlier one whose centroid lies inside a later, matched lesion became part of that (merged).

    Parameters
    ----------
    before, after
        Lesions of the two visits in one frame.
    gate_mm
        Smallest gate [mm].
    registration_mm
        Tolerance for "inside" [mm].

    Returns
    -------
    list of Match
        Every lesion appears exactly once.

    Raises
    ------
    InputError
        Two lesions of one visit share a name.
    """
    for visit in (before, after):
        names = [one.name for one in visit]
        if len(set(names)) != len(names):
            raise InputError("two lesions of one visit share a name", field="lesions")
    near = np.array([[_distance(a, b) for b in after] for a in before]).reshape(len(before), len(after))
    pairs: dict[int, int] = {}
    if near.size:
        gate = np.array([[max(gate_mm, a.diameter_mm, b.diameter_mm) for b in after] for a in before])
        allowed = (near <= gate) & np.array([[_same_site(a, b) for b in after] for a in before])
        # a forbidden pair costs more than every allowed one together, so that it is never preferred
        cost = np.where(allowed, near, 1.0 + near[allowed].sum() if allowed.any() else 1.0)
        cost = np.where(allowed, cost, cost.max() * (1 + min(near.shape)))
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
        pairs = {int(i): int(j) for i, j in zip(rows, columns, strict=True) if allowed[i, j]}
    matched_after = {j: i for i, j in pairs.items()}
    parts: dict[int, list[int]] = {}
    unions: dict[int, list[int]] = {}
    new, gone = [], []
    for j in range(len(after)):
        if j in matched_after:
            continue
        hosts = [i for i in pairs if _inside(after[j], before[i], registration_mm)]
        if hosts:
            parts.setdefault(min(hosts, key=lambda i: near[i, j]), []).append(j)
        else:
            new.append(j)
    for i in range(len(before)):
        if i in pairs:
            continue
        hosts = [j for j in matched_after if _inside(before[i], after[j], registration_mm)]
        if hosts:
            unions.setdefault(min(hosts, key=lambda j: near[i, j]), []).append(i)
        else:
            gone.append(i)
    matches = []
    for i, j in sorted(pairs.items()):
        olds = (before[i].name, *(before[k].name for k in unions.get(j, [])))
        news = (after[j].name, *(after[k].name for k in parts.get(i, [])))
        if len(olds) > 1:
            matches.append(Match("merged", olds, news, float(near[i, j]), True))
        elif len(news) > 1:
            matches.append(Match("split", olds, news, float(near[i, j]), True))
        else:
            far = bool(near[i, j] > 0.5 * max(before[i].diameter_mm, after[j].diameter_mm) + registration_mm)
            matches.append(Match("persistent", olds, news, float(near[i, j]), far))
    matches += [Match("disappeared", (before[i].name,), (), confirm=True) for i in gone]
    matches += [Match("new", (), (after[j].name,), confirm=True) for j in new]
    return matches


def _distance(a: LesionPlace, b: LesionPlace) -> float:
    return math.dist(a.centroid_mm, b.centroid_mm)


def _same_site(a: LesionPlace, b: LesionPlace) -> bool:
    """Sites agree when they are equal or one is not given."""
    return not a.site or not b.site or a.site.strip().lower() == b.site.strip().lower()


def _inside(part: LesionPlace, host: LesionPlace, tolerance: float) -> bool:
    """The part's centroid lies within the host's sphere (plus registration) and the sites agree."""
    return _same_site(part, host) and _distance(part, host) <= 0.5 * host.diameter_mm + tolerance
