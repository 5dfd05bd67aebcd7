"""The verdict for one patient at one visit: does at least one lesion reach the threshold dose?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..text import count_of, plain, plus_minus

if TYPE_CHECKING:
    from .record import LesionDose

ELIGIBLE, BELOW = "eligible", "below"


@dataclass(frozen=True)
class Verdict:
    """The verdict for a patient at one visit: eligible when at least one lesion's mean reaches the threshold.

    Parameters
    ----------
    patient, visit, verdict
        Whose it is, and ``"eligible"`` or ``"below"``.
    threshold_gy, therapy_activity_gbq
        Dose that a mean must reach [Gy], and activity that the doses are stated for [GBq].
    reached
        Lesions at or above the threshold, highest dose first.
    borderline
        Lesions within one standard uncertainty of it.
    highest_lesion, highest_dose_gy, highest_sigma_gy
        The lesion with the highest mean, that mean and its standard uncertainty [Gy].
    certain
        The verdict stays the same when every lesion's dose moves by one standard uncertainty.
    sentence
        All of it in one line.
    """

    patient: str
    visit: str
    verdict: str
    threshold_gy: float
    therapy_activity_gbq: float
    reached: tuple[str, ...]
    borderline: tuple[str, ...]
    highest_lesion: str
    highest_dose_gy: float
    highest_sigma_gy: float
    certain: bool
    sentence: str

    @property
    def eligible(self) -> bool:
        """Whether at least one lesion reaches the threshold."""
        return self.verdict == ELIGIBLE

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {key: plain(value) for key, value in asdict(self).items()}


def verdict(lesions: Iterable[LesionDose]) -> Verdict:
    """The verdict over the lesions of one patient at one visit."""
    ranked = sorted(lesions, key=lambda lesion: -lesion.dose_gy)
    if not ranked:
        raise InputError(
            "no lesions were given",
            why="the verdict is about the mean dose of at least one target lesion",
            suggestion="give lesions as a label map, RTSTRUCT or DICOM SEG",
            field="lesions",
        )
    groups = {(lesion.patient, lesion.visit, lesion.threshold_gy) for lesion in ranked}
    if len(groups) > 1:
        raise ValueError(f"one verdict is for one patient, visit and threshold, not {sorted(groups)}")
    best = ranked[0]
    reached = tuple(lesion.lesion for lesion in ranked if lesion.verdict == ELIGIBLE)
    sigmas = [lesion.dose_uncertainty_gy if math.isfinite(lesion.dose_uncertainty_gy) else 0.0 for lesion in ranked]
    known = all(math.isfinite(lesion.dose_uncertainty_gy) for lesion in ranked)
    threshold = best.threshold_gy
    if reached:
        certain = any(a.dose_gy - s >= threshold for a, s in zip(ranked, sigmas, strict=True))
    else:
        certain = all(a.dose_gy + s < threshold for a, s in zip(ranked, sigmas, strict=True))
    amount = f" at {best.therapy_activity_gbq:.3g} GBq" if best.therapy_activity_gbq > 0 else ""
    count = count_of(len(reached), len(ranked), "lesion", ("reaches", "reach"))
    sentence = (
        f"{'Eligible' if reached else 'Not eligible'}{amount}: {count} "
        f"a mean dose of {threshold:g} Gy; highest {best.lesion} with "
        f"{plus_minus(best.dose_gy, best.dose_uncertainty_gy)} Gy."
    )
    if not certain:
        sentence += " Within one standard uncertainty of the threshold."
    return Verdict(
        patient=best.patient,
        visit=best.visit,
        verdict=ELIGIBLE if reached else BELOW,
        threshold_gy=threshold,
        therapy_activity_gbq=best.therapy_activity_gbq,
        reached=reached,
        borderline=tuple(lesion.lesion for lesion in ranked if lesion.borderline),
        highest_lesion=best.lesion,
        highest_dose_gy=best.dose_gy,
        highest_sigma_gy=best.dose_uncertainty_gy,
        certain=certain and known,
        sentence=sentence,
    )


def verdicts(lesions: Iterable[LesionDose]) -> list[Verdict]:
    """One verdict for each patient and visit, in the order in which they first appear.

    Parameters
    ----------
    lesions
        Lesions of any patients and visits.

    Returns
    -------
    list of Verdict
        In that order.
    """
    groups: dict[tuple[str, str], list[LesionDose]] = {}
    for lesion in lesions:
        groups.setdefault((lesion.patient, lesion.visit), []).append(lesion)
    return [verdict(group) for group in groups.values()]
