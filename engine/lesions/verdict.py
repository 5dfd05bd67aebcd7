"""The verdict on a patient at one visit, and how it reads; :mod:`hevesy.engine.lesions.judge` makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..text import number, plain, stated_chance
from .bounds import ESTIMATE, Bounds

ELIGIBLE, BELOW, UNDETERMINED, NOT_TOLERABLE = "eligible", "below", "undetermined", "not tolerable"

#: Name of the maximum tolerable activity.
MAXIMUM = "MTA"
#: Most lesions that a sentence names; the others are counted.
MOST_NAMED = 4


@dataclass(frozen=True)
class Tolerance:
    """The largest activity that may be given.

    Parameters
    ----------
    activity_gbq
        That activity [GBq].
    rule
        What sets it, in words such as "2 Gy to the blood".
    """

    activity_gbq: float
    rule: str = ""


@dataclass(frozen=True)
class LesionVerdict:
    """One lesion at one activity.

    Attributes
    ----------
    lesion
        Name.
    dose_gy, low_gy, high_gy
        Mean dose and its interval of coverage factor 2 (lognormal) [Gy]; NaN where it has none.
    verdict
        ``"eligible"``, ``"below"`` or ``"undetermined"``.
    probability
        P(mean dose >= threshold); NaN for a bound and without an uncertainty budget.
    decided
        The interval lies on one side of the threshold, or a bound with its interval does.
    bounds
        Why the dose is only a bound.
    """

    lesion: str
    dose_gy: float
    low_gy: float
    high_gy: float
    verdict: str
    probability: float
    decided: bool
    bounds: Bounds = ESTIMATE


@dataclass(frozen=True)
class Verdict:
    """The patient at one visit and one activity.

    Attributes
    ----------
    patient, visit
        Whose it is.
    name, activity_gbq
        Which activity [GBq].
    threshold_gy
        Mean dose that at least one target lesion must reach [Gy].
    verdict
        ``"eligible"``, ``"below"``, ``"undetermined"`` or ``"not tolerable"``.
    certain
        The verdict is right with a probability of 97.7 % at least, by the uncertainty budgets.
    probability, probability_high
        P(at least one lesion reaches the threshold): smallest and largest value that the bounds allow. Equal where no
        dose is a bound; both NaN where no dose is an estimate.
    tolerable
        Whether the activity is at or below the maximum tolerable one; None when that is not known.
    tolerance
        That maximum.
    lesions
        The target lesions, highest dose first.
    """

    patient: str
    visit: str
    name: str
    activity_gbq: float
    threshold_gy: float
    verdict: str
    certain: bool
    probability: float
    probability_high: float
    tolerable: bool | None
    tolerance: Tolerance | None
    lesions: tuple[LesionVerdict, ...]

    @property
    def eligible(self) -> bool:
        """Whether the patient is eligible at this activity."""
        return self.verdict == ELIGIBLE

    @property
    def carried_by(self) -> tuple[LesionVerdict, ...]:
        """Lesions that reach the threshold beyond doubt, highest dose first."""
        return tuple(one for one in self.lesions if one.verdict == ELIGIBLE and one.decided)

    @property
    def undecided(self) -> tuple[LesionVerdict, ...]:
        """Lesions of which it is not known on which side of the threshold they lie, highest dose first."""
        return tuple(one for one in self.lesions if not one.decided)

    @property
    def reached(self) -> tuple[str, ...]:
        """Names of the lesions at or above the threshold, highest dose first."""
        return tuple(one.lesion for one in self.lesions if one.verdict == ELIGIBLE)

    @property
    def headline(self) -> str:
        """The verdict in two or three words."""
        return _headline(self)

    @property
    def sentence(self) -> str:
        """All of it in a few sentences, as a physician reads it."""
        return _sentence(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        record = {key: value for key, value in asdict(self).items() if key not in ("lesions", "tolerance")}
        record["lesions"] = [asdict(one) | {"bounds": one.bounds.to_dict()} for one in self.lesions]
        highest = self.lesions[0]
        record |= {
            "therapy_activity_gbq": self.activity_gbq,
            "maximum_gbq": None if self.tolerance is None else self.tolerance.activity_gbq,
            "limiting_rule": None if self.tolerance is None else self.tolerance.rule,
            "reached": self.reached,
            "carried_by": [one.lesion for one in self.carried_by],
            "undecided": [one.lesion for one in self.undecided],
            "borderline": [one.lesion for one in self.undecided],  # deprecated name of "undecided"
            "highest_lesion": highest.lesion,
            "highest_dose_gy": highest.dose_gy,
            "highest_low_gy": highest.low_gy,
            "highest_high_gy": highest.high_gy,
            "highest_sigma_gy": math.log(highest.high_gy / highest.dose_gy) / 2.0 * highest.dose_gy  # deprecated
            if highest.dose_gy > 0.0
            else None,
            "headline": self.headline,
            "sentence": self.sentence,
        }
        return {key: plain(value) for key, value in record.items()}


@dataclass(frozen=True)
class Judgement:
    """The verdicts on one visit: at the planned activity, the further ones, and the maximum tolerable one.

    Attributes
    ----------
    at
        One verdict per activity; the planned one first, the maximum tolerable one last.
    flips
        Lesions whose verdict changes with the activity: name to the activities at which it is eligible.
    needed_gbq
        Activity that takes each lesion to the threshold [GBq].
    """

    at: tuple[Verdict, ...]
    flips: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needed_gbq: Mapping[str, float] = field(default_factory=dict)

    @property
    def planned(self) -> Verdict:
        """The verdict at the planned activity."""
        return self.at[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for patient.json."""
        planned = self.planned
        record = {
            "threshold_gy": planned.threshold_gy,
            "maximum_gbq": None if planned.tolerance is None else planned.tolerance.activity_gbq,
            "at": [one.to_dict() for one in self.at],
            "flips": {name: list(where) for name, where in self.flips.items()},
            "needed_gbq": dict(self.needed_gbq),
            "sentences": [one.sentence for one in self.at],
        }
        return {key: plain(value) for key, value in record.items()}


def _headline(verdict: Verdict) -> str:
    words = {
        ELIGIBLE: "Eligible",
        BELOW: "Not eligible",
        UNDETERMINED: "Undetermined",
        NOT_TOLERABLE: "Not tolerable",
    }[verdict.verdict]
    return f"{words}, borderline" if not verdict.certain and verdict.verdict in (ELIGIBLE, BELOW) else words


def _sentence(verdict: Verdict) -> str:
    """Verdict, probability, the lesions that carry it, and those that are undecided."""
    parts = [_claim(verdict)]
    carrying = verdict.carried_by
    if not carrying and verdict.verdict == BELOW and verdict.lesions[0].decided:
        carrying = verdict.lesions[:1]
        parts.append(f"Highest: {_listed(carrying)}.")
    elif carrying:
        parts.append(f"Carried by {_listed(carrying)}.")
    if verdict.undecided:
        parts.append(f"Undecided: {_listed(verdict.undecided)}.")
    return " ".join([*parts, *_signs((*carrying, *verdict.undecided))])


def _signs(lesions: Sequence[LesionVerdict]) -> list[str]:
    """What the signs before the doses of these lesions mean, each once."""
    reasons: dict[str, dict[str, None]] = {}
    for one in lesions:
        if one.bounds:
            reasons.setdefault(one.bounds.sign.strip(), {}).update(dict.fromkeys(one.bounds.reasons))
    return [f"{sign}: {'; '.join(found)}." for sign, found in reasons.items()]


def _claim(verdict: Verdict) -> str:
    name = verdict.name if verdict.name != MAXIMUM else f"{verdict.name} ({verdict.activity_gbq:.3g} GBq)"
    at = f" at {name}" if name else ""
    reaching = f"at least one lesion reaches {verdict.threshold_gy:g} Gy"
    probability = probability_text(verdict)
    if verdict.verdict == NOT_TOLERABLE and verdict.tolerance is not None:
        rule = f", set by {verdict.tolerance.rule}" if verdict.tolerance.rule else ""
        limit = f"the maximum is {verdict.tolerance.activity_gbq:.3g} GBq{rule}"
        return f"Not tolerable{at}: {limit}." + (f" {probability} that {reaching}." if probability else "")
    if verdict.verdict == UNDETERMINED and all(one.verdict == BELOW for one in verdict.lesions):
        predicted = f"no lesion is predicted to reach {verdict.threshold_gy:g} Gy"
        return f"Undetermined{at}: {predicted}, yet {probability} that at least one does."
    if verdict.verdict == UNDETERMINED:
        return f"Undetermined{at}: the doses do not show whether {reaching}."
    words = verdict.headline
    if probability:
        return f"{words}: {probability} that {reaching}{at}."
    if verdict.verdict == ELIGIBLE:
        return f"{words}{at}: {reaching}."
    return f"{words}{at}: no lesion reaches {verdict.threshold_gy:g} Gy."


def probability_text(verdict: Verdict) -> str:
    """``P = 97 %``, ``P > 99.9 %``, ``P ≥ 97 %`` where bounds open it; empty where there is none to state.

    Below the threshold the largest value that the bounds allow is stated, else the smallest.
    """
    low, high = verdict.probability, verdict.probability_high
    if not math.isfinite(low):
        return ""
    if verdict.verdict == BELOW:
        return stated_chance(high, "≤" if high > low else "=")
    return stated_chance(low, "≥" if high > low else "=")


def named(lesion: LesionVerdict) -> str:
    """``right upper lobe 34 (21–53) Gy``; a bound with its sign instead of an interval."""
    interval = f" ({number(lesion.low_gy, 2)}–{number(lesion.high_gy, 2)})" if _has_interval(lesion) else ""
    return f"{lesion.lesion} {lesion.bounds.sign}{number(lesion.dose_gy, 2)}{interval} Gy"


def _has_interval(lesion: LesionVerdict) -> bool:
    """An estimate has one; a bound on its deciding side shows it where it is too wide to decide."""
    wide = lesion.verdict != UNDETERMINED and not lesion.decided
    return math.isfinite(lesion.low_gy) and (not lesion.bounds or wide) and lesion.dose_gy > 0.0


def _listed(lesions: Sequence[LesionVerdict]) -> str:
    """``A``, ``A and B``, ``A, B and C``; beyond `MOST_NAMED` the number of the others."""
    names = [named(one) for one in lesions[:MOST_NAMED]]
    if len(lesions) > MOST_NAMED:
        names.append(f"{len(lesions) - MOST_NAMED} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
