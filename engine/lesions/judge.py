"""The judge: does at least one target lesion reach the threshold dose, at which activity, and how sure is that?

Every surface (terminal, JSON, CSV, HDF5, report, cohort, Python) shows what `judge` says, and nothing else decides.
The rules, and what they cost when the truth is known, are in docs/methods/verdict.md:

- A lesion is *eligible* when its mean dose reaches the threshold, *below* when it does not. A dose that is only a
  bound decides where the bound itself lies on the deciding side, else the lesion is *undetermined*.
- A patient is eligible when one target lesion is, below when all are, else undetermined; above the tolerable activity
  a patient who is not below is *not tolerable*.
- Probabilities come from the uncertainty budgets of the lesions whose dose is an estimate. A bound has none: it only
  opens the probability of the patient on its side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from ..errors import InputError
from ..text import activity_text
from .bounds import ESTIMATE, Bounds
from .uncertainty import VOLUME, probability_at_least
from .verdict import (
    BELOW,
    ELIGIBLE,
    MAXIMUM,
    NOT_TOLERABLE,
    UNDETERMINED,
    Judgement,
    LesionVerdict,
    Tolerance,
    Verdict,
)

if TYPE_CHECKING:
    from .record import LesionDose

#: Coverage factor of the intervals that the verdict names.
COVERAGE_FACTOR = 2.0
#: A verdict is certain when it is right with this probability at least (97.7 %): that of one lesion whose interval lies
#: on one side of the threshold.
CERTAIN = float(ndtr(COVERAGE_FACTOR))


@dataclass(frozen=True)
class Target:
    """What the judge knows of one target lesion.

    Parameters
    ----------
    lesion
        Name.
    dose_gy
        Mean absorbed dose for `activity_gbq` [Gy].
    relative_random, relative_systematic
        Parts of its relative standard uncertainty; the systematic one is shared by the lesions of a patient, and
        takes in their outlines, which one reader draws.
    bounds
        Why the dose is only a bound.
    budget
        Whether an uncertainty budget stands behind the two parts; without one there is no probability.
    activity_gbq
        Activity that the dose is for [GBq]; by default the dose is one per GBq.
    """

    lesion: str
    dose_gy: float
    relative_random: float = 0.0
    relative_systematic: float = 0.0
    bounds: Bounds = ESTIMATE
    budget: bool = True
    activity_gbq: float = 1.0

    @property
    def relative(self) -> float:
        """Combined relative standard uncertainty."""
        return math.hypot(self.relative_random, self.relative_systematic)

    @property
    def estimated(self) -> bool:
        """Whether the dose has a probability distribution: an estimate with a budget, or no dose at all."""
        return not self.bounds and (self.budget or self.dose_gy == 0.0)

    def dose_at(self, activity_gbq: float) -> float:
        """Mean dose at another activity [Gy]."""
        return self.dose_gy * (activity_gbq / self.activity_gbq)

    @classmethod
    def of(cls, record: LesionDose) -> Target:
        """From the record of a lesion."""
        budget = record.uncertainty
        lines = {str(line["name"]): float(line["relative"]) for line in budget.get("contributions", ())}
        drawn = lines.get(VOLUME, 0.0)  # one reader draws all lesions of a patient
        random = float(budget.get("random") or 0.0)
        known = math.isfinite(record.interval_low_gy)
        total = record.dose_uncertainty_gy / record.dose_gy if known and record.dose_gy > 0.0 else 0.0
        return cls(
            record.lesion,
            record.dose_gy,
            math.sqrt(max(random**2 - drawn**2, 0.0)) if "random" in budget else total,
            math.hypot(float(budget.get("systematic") or 0.0), drawn),
            record.bounds,
            known or "random" in budget,
            record.therapy_activity_gbq if record.therapy_activity_gbq > 0.0 else 1.0,
        )


def judge(
    targets: Sequence[Target],
    activities_gbq: Mapping[str, float],
    threshold_gy: float,
    tolerance: Tolerance | None = None,
    *,
    patient: str = "",
    visit: str = "",
) -> Judgement:
    """Judge the target lesions of one visit at each activity and at the maximum tolerable one.

    Parameters
    ----------
    targets
        Target lesions, one at least.
    activities_gbq
        Activities by name [GBq], the planned one first.
    threshold_gy
        Mean dose that at least one of them must reach [Gy].
    tolerance
        Maximum tolerable activity, judged as ``"MTA"`` too; None when it is not known.
    patient, visit
        Whose lesions they are.

    Returns
    -------
    Judgement
        The verdict at each activity.

    Raises
    ------
    InputError
        No target lesion; a threshold or an activity that is not positive; a dose that is negative or not finite.
    """
    if not targets:
        raise InputError(
            "no target lesions were given",
            why="the verdict is about the mean dose of at least one target lesion",
            suggestion="give lesions as a label map, RTSTRUCT or DICOM SEG",
            field="lesions",
        )
    if not threshold_gy > 0.0:
        raise InputError(f"threshold {threshold_gy!r} Gy", why="a dose threshold is positive", field="threshold")
    chosen = dict(activities_gbq)
    if tolerance is not None:
        chosen[MAXIMUM] = tolerance.activity_gbq
    for name, value in chosen.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"activity {name}: {value!r} GBq", why="an activity is positive", field="activity")
    for target in targets:
        if not (math.isfinite(target.dose_gy) and target.dose_gy >= 0.0):
            raise InputError(
                f"lesion {target.lesion!r}: {target.dose_gy!r} Gy",
                why="a mean dose is a number, not negative",
                suggestion="leave out lesions that have disappeared",
                field="lesions",
            )
    at = []
    for name, gbq in chosen.items():
        rows = tuple(sorted((_lesion_at(one, gbq, threshold_gy) for one in targets), key=lambda row: -row.dose_gy))
        at.append(_verdict(patient, visit, name, gbq, threshold_gy, tolerance, rows, targets))
    flips = {}
    for target in targets:
        where = tuple(one.name for one in at if target.lesion in one.reached)
        if 0 < len(where) < len(at):
            flips[target.lesion] = where
    needed = {
        target.lesion: threshold_gy / target.dose_at(1.0) if target.dose_gy > 0.0 else math.inf for target in targets
    }
    return Judgement(tuple(at), flips, needed)


def lesion_verdict(
    dose_gy: float, relative: float, threshold_gy: float, bounds: Bounds = ESTIMATE, *, budget: bool = True
) -> LesionVerdict:
    """Verdict on one lesion for its own activity, with its interval and probability.

    Parameters
    ----------
    dose_gy
        Mean dose, or the bound [Gy].
    relative
        Relative standard uncertainty.
    threshold_gy
        Dose that the mean must reach [Gy].
    bounds
        Why the dose is only a bound.
    budget
        Whether the uncertainty is known.
    """
    return _lesion_at(Target("", dose_gy, relative, bounds=bounds, budget=budget), 1.0, threshold_gy)


def _lesion_at(target: Target, activity_gbq: float, threshold_gy: float) -> LesionVerdict:
    dose, bounds = target.dose_at(activity_gbq), target.bounds
    reaches = dose >= threshold_gy
    if bounds.open or (reaches and bounds.upper) or (not reaches and bounds.lower):
        verdict = UNDETERMINED
    else:
        verdict = ELIGIBLE if reaches else BELOW
    low = high = math.nan
    if target.budget:
        spread = math.exp(COVERAGE_FACTOR * target.relative)
        low, high = dose / spread, dose * spread
    clear = low >= threshold_gy if reaches else high < threshold_gy
    known = target.estimated
    return LesionVerdict(
        target.lesion,
        dose,
        low,
        high,
        verdict,
        probability_at_least(dose, target.relative, threshold_gy) if known else math.nan,
        decided=verdict != UNDETERMINED and (clear or dose == 0.0),
        bounds=bounds,
    )


def _verdict(
    patient: str,
    visit: str,
    name: str,
    activity_gbq: float,
    threshold_gy: float,
    tolerance: Tolerance | None,
    rows: tuple[LesionVerdict, ...],
    targets: Sequence[Target],
) -> Verdict:
    low, high = patient_probability(targets, activity_gbq, threshold_gy)
    tolerable = None if tolerance is None else bool(activity_gbq <= tolerance.activity_gbq * (1.0 + 1e-9))
    found = {row.verdict for row in rows}
    if ELIGIBLE in found:
        verdict = ELIGIBLE
        certain = low >= CERTAIN or any(row.decided and row.verdict == ELIGIBLE and row.bounds for row in rows)
    elif UNDETERMINED in found or low > 0.5:  # no lesion is predicted to reach it, yet more likely than not one does
        verdict, certain = UNDETERMINED, False
    else:
        verdict, certain = BELOW, high <= 1.0 - CERTAIN if math.isfinite(high) else all(row.decided for row in rows)
    if verdict != BELOW and tolerable is False:
        verdict, certain = NOT_TOLERABLE, True
    return Verdict(
        patient, visit, name, activity_gbq, threshold_gy, verdict, certain, low, high, tolerable, tolerance, rows
    )


def patient_probability(targets: Sequence[Target], activity_gbq: float, threshold_gy: float) -> tuple[float, float]:
    """Smallest and largest P(at least one lesion reaches the threshold) that the bounds allow.

    A lower bound reaches it at least as probably as if it were an estimate, an upper bound at most so; a dose of which
    nothing is known may reach it or not. NaN and NaN where no dose is an estimate.
    """
    if not any(target.estimated for target in targets):
        return math.nan, math.nan
    sure = [target for target in targets if target.estimated or (target.bounds.at_least and target.budget)]
    low = probability_any(sure, activity_gbq, threshold_gy)
    limited = [target for target in targets if target.estimated or (target.bounds.at_most and target.budget)]
    if len(limited) < len(targets):
        return low, 1.0
    return low, low if len(sure) == len(targets) else probability_any(limited, activity_gbq, threshold_gy)


def probability_any(targets: Sequence[Target], activity_gbq: float, threshold_gy: float) -> float:
    """P(at least one lesion reaches the threshold) with the systematic error common to all lesions.

    Given the common standard normal error z the lesions are independent, so
    ``P = 1 - E_z[prod_i P(D_i < threshold | z)]``, integrated over z in [-8, 8].
    """
    usable = [target for target in targets if target.dose_gy > 0.0]
    if not usable:
        return 0.0
    z, density = _standard_normal()
    none = np.ones_like(z)
    for target in usable:
        short = math.log(threshold_gy / target.dose_at(activity_gbq)) - target.relative_systematic * z
        if target.relative_random > 0.0:
            none *= ndtr(short / target.relative_random)
        else:
            none *= short > 0.0
    return float(np.clip(1.0 - np.sum(density * none), 0.0, 1.0))


@cache
def _standard_normal() -> tuple[np.ndarray, np.ndarray]:
    """Nodes of a Gauss-Legendre rule on [-8, 8], and its weights times the standard normal density, (200,) each."""
    nodes, weights = np.polynomial.legendre.leggauss(200)  # some 40 ms
    z = 8.0 * nodes
    return z, 8.0 * weights * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)


def judge_lesions(
    lesions: Iterable[LesionDose], further_gbq: Mapping[str, float] | None = None, tolerance: Tolerance | None = None
) -> Judgement | None:
    """Judge the lesions of one patient and visit at their planned activity and the further ones.

    Parameters
    ----------
    lesions
        Records of one patient, visit and threshold.
    further_gbq
        Further activities by name [GBq].
    tolerance
        Maximum tolerable activity.

    Returns
    -------
    Judgement or None
        None where no lesion is a target with a threshold.

    Raises
    ------
    ValueError
        Records of several patients, visits or thresholds.
    """
    judged = [lesion for lesion in lesions if lesion.judged]
    if not judged:
        return None
    groups = {(lesion.patient, lesion.visit, lesion.threshold_gy) for lesion in judged}
    if len(groups) > 1:
        raise ValueError(f"one verdict is for one patient, visit and threshold, not {sorted(groups)}")
    first = judged[0]
    planned = first.therapy_activity_gbq
    name, planned = (activity_text(planned * 1e3), planned) if planned > 0.0 else ("", 1.0)
    activities = {name: planned, **(further_gbq or {})}
    targets = [Target.of(lesion) for lesion in judged]
    return judge(targets, activities, first.threshold_gy, tolerance, patient=first.patient, visit=first.visit)


def judge_visits(lesions: Iterable[LesionDose]) -> list[Judgement]:
    """One judgement for each patient and visit with a target, in the order in which they first appear.

    Parameters
    ----------
    lesions
        Records of any patients and visits.
    """
    groups: dict[tuple[str, str], list[LesionDose]] = {}
    for lesion in lesions:
        groups.setdefault((lesion.patient, lesion.visit), []).append(lesion)
    judged = (judge_lesions(group) for group in groups.values())
    return [judgement for judgement in judged if judgement is not None]
