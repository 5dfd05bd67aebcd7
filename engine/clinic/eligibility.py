"""Who can be treated: predicted lesion doses at several activities against the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ..errors import InputError
from ..lesions.uncertainty import probability_at_least
from ..lesions.verdict import BELOW, ELIGIBLE

UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class LesionPrediction:
    """Predicted dose per activity of one target lesion.

    Parameters
    ----------
    lesion
        Name.
    ldpa_gy_per_gbq
        Predicted mean absorbed dose per administered activity [Gy/GBq].
    relative_random, relative_systematic
        Parts of its relative standard uncertainty; the systematic one is shared by the lesions of a patient.
    lower_bound, upper_bound
        The prediction is only a bound: the lesion is too small for its volume to be known (at least this), or
        its activity is below detection (at most this).
    """

    lesion: str
    ldpa_gy_per_gbq: float
    relative_random: float = 0.0
    relative_systematic: float = 0.0
    lower_bound: bool = False
    upper_bound: bool = False

    @property
    def relative(self) -> float:
        """Combined relative standard uncertainty."""
        return math.hypot(self.relative_random, self.relative_systematic)


@dataclass(frozen=True)
class LesionAtActivity:
    """One lesion at one activity: dose, verdict and P(mean dose >= threshold) (NaN for a bound)."""

    lesion: str
    dose_gy: float
    verdict: str
    probability: float


@dataclass(frozen=True)
class ActivityVerdict:
    """The patient at one activity.

    Attributes
    ----------
    name, activity_gbq
        Which activity.
    lesions
        Verdicts of the lesions.
    verdict
        ``"eligible"`` when at least one lesion is and the activity is tolerable, ``"below"`` when none can
        be, ``"undetermined"`` when a bound prevents a verdict, ``"not tolerable"`` above the maximum
        activity.
    probability
        P(at least one lesion reaches the threshold), lesions that are bounds left out; the systematic error
        is common to all of them.
    tolerable
        Activity at or below the maximum tolerable one; None when that is not known.
    """

    name: str
    activity_gbq: float
    lesions: tuple[LesionAtActivity, ...]
    verdict: str
    probability: float
    tolerable: bool | None


@dataclass(frozen=True)
class Eligibility:
    """Verdicts at every activity.

    Attributes
    ----------
    threshold_gy
        The threshold.
    at
        One verdict per activity, in the order given (the maximum tolerable activity last).
    flips
        Lesions whose verdict changes with the activity: name to the activities (by name) at which it is
        eligible.
    needed_gbq
        Activity that takes each lesion to the threshold [GBq].
    """

    threshold_gy: float
    at: tuple[ActivityVerdict, ...]
    flips: dict[str, tuple[str, ...]]
    needed_gbq: dict[str, float]


def assess(
    lesions: Sequence[LesionPrediction],
    *,
    threshold_gy: float,
    activities_gbq: Mapping[str, float] | None = None,
    maximum_gbq: float | None = None,
) -> Eligibility:
    """Verdict on a patient's lesions at each activity and at the maximum tolerable one.

    Parameters
    ----------
    lesions
        Target lesions.
    threshold_gy
        Mean dose that at least one lesion must reach [Gy].
    activities_gbq
        Activities by name [GBq]; 7.4 and 11.1 when not given.
    maximum_gbq
        Maximum tolerable activity [GBq], added as ``"MTA"``; None when blood dosimetry is missing.

    Returns
    -------
    Eligibility
        The verdict at each activity, the lesions whose verdict depends on it, and the activity that each lesion
        needs.

    Raises
    ------
    InputError
        A threshold or an activity that is not positive, or a predicted dose that is negative or not finite.
    """
    if not threshold_gy > 0.0:
        raise InputError(f"threshold {threshold_gy!r} Gy", why="a dose threshold is positive", field="threshold")
    chosen = dict(activities_gbq) if activities_gbq is not None else {"7.4 GBq": 7.4, "11.1 GBq": 11.1}
    if maximum_gbq is not None:
        chosen["MTA"] = maximum_gbq
    for name, value in chosen.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"activity {name}: {value!r} GBq", why="an activity is positive", field="activity")
    for lesion in lesions:
        if not (math.isfinite(lesion.ldpa_gy_per_gbq) and lesion.ldpa_gy_per_gbq >= 0.0):
            raise InputError(
                f"lesion {lesion.lesion!r}: {lesion.ldpa_gy_per_gbq!r} Gy/GBq",
                why="a predicted dose per activity is a number, not negative",
                suggestion="leave out lesions that have disappeared",
                field="lesions",
            )
    at = tuple(_at(lesions, name, value, threshold_gy, maximum_gbq) for name, value in chosen.items())
    flips = {}
    for k, lesion in enumerate(lesions):
        eligible = tuple(v.name for v in at if v.lesions[k].verdict == ELIGIBLE)
        if 0 < len(eligible) < len(at):
            flips[lesion.lesion] = eligible
    needed = {
        lesion.lesion: threshold_gy / lesion.ldpa_gy_per_gbq if lesion.ldpa_gy_per_gbq > 0.0 else math.inf
        for lesion in lesions
    }
    return Eligibility(threshold_gy, at, flips, needed)


def _at(
    lesions: Sequence[LesionPrediction], name: str, activity: float, threshold: float, maximum: float | None
) -> ActivityVerdict:
    rows = []
    for lesion in lesions:
        dose = lesion.ldpa_gy_per_gbq * activity
        if dose >= threshold:
            verdict = UNDETERMINED if lesion.upper_bound else ELIGIBLE
        else:
            verdict = UNDETERMINED if lesion.lower_bound else BELOW
        bound = lesion.lower_bound or lesion.upper_bound
        p = math.nan if bound else probability_at_least(dose, lesion.relative, threshold)
        rows.append(LesionAtActivity(lesion.lesion, dose, verdict, p))
    tolerable = None if maximum is None else activity <= maximum * (1.0 + 1e-9)
    verdicts = {row.verdict for row in rows}
    if ELIGIBLE in verdicts:
        verdict = "not tolerable" if tolerable is False else ELIGIBLE
    else:
        verdict = UNDETERMINED if UNDETERMINED in verdicts else BELOW
    measured = [lesion for lesion in lesions if not (lesion.lower_bound or lesion.upper_bound)]
    chance = probability_any(measured, activity, threshold)
    return ActivityVerdict(name, activity, tuple(rows), verdict, chance, tolerable)


def probability_any(lesions: Sequence[LesionPrediction], activity_gbq: float, threshold_gy: float) -> float:
    """P(at least one lesion reaches the threshold) with the systematic error common to all lesions.

    Given the common standard normal error z the lesions are independent, so
    ``P = 1 - E_z[prod_i P(D_i < threshold | z)]``, integrated over z in [-8, 8].
    """
    usable = [lesion for lesion in lesions if lesion.ldpa_gy_per_gbq > 0.0]
    if not usable:
        return 0.0
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = 8.0 * nodes
    density = 8.0 * weights * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    none = np.ones_like(z)
    for lesion in usable:
        short = math.log(threshold_gy / (lesion.ldpa_gy_per_gbq * activity_gbq)) - lesion.relative_systematic * z
        if lesion.relative_random > 0.0:
            none *= ndtr(short / lesion.relative_random)
        else:
            none *= short > 0.0
    return float(np.clip(1.0 - np.sum(density * none), 0.0, 1.0))
