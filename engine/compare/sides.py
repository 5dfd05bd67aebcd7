"""On which side of a dose a lesion is by each method, and at which activities two methods disagree."""

from __future__ import annotations

import math

from .bias import Estimate


def activity_at(threshold_gy: float, mean_gy: float, activity_gbq: float) -> float | None:
    """Activity at which a mean dose reaches a threshold.

    Parameters
    ----------
    threshold_gy, mean_gy
        The threshold, and the mean at ``activity_gbq`` [Gy].
    activity_gbq
        The therapy activity [GBq].

    Returns
    -------
    float or None
        [GBq]; None where no activity takes it there.
    """
    if not (mean_gy > 0.0 and activity_gbq > 0.0):
        return None
    return activity_gbq * threshold_gy / mean_gy


def changes_side(
    method: Estimate, reference: Estimate, stated_gy: tuple[float, float], threshold_gy: float
) -> bool | None:
    """Whether two methods put a mean dose on different sides of a threshold, beyond the noise of both.

    Parameters
    ----------
    method, reference
        The means with their statistics.
    stated_gy
        The means of the two as the lesion table has them [Gy]: where the noise of the decays was taken out of an
        estimate it may differ from these, and a side counts as known only where both agree.
    threshold_gy
        The threshold [Gy].

    Returns
    -------
    bool or None
        None where the noise leaves one of the sides open.
    """
    sides = [_side(one, mean, threshold_gy) for one, mean in zip((method, reference), stated_gy, strict=True)]
    return None if None in sides else sides[0] != sides[1]


def _side(estimate: Estimate, stated_gy: float, threshold_gy: float) -> bool | None:
    """Whether a mean reaches the threshold with its whole interval; None where it may or may not."""
    low, high = estimate.ends
    values = (stated_gy, estimate.value, low, high)
    if not all(math.isfinite(value) for value in values):
        return None
    sides = {value >= threshold_gy for value in values}
    return sides.pop() if len(sides) == 1 else None


def disagreement(one: float | None, other: float | None) -> tuple[float, float] | None:
    """Activities between which two methods disagree, from those at which each reaches the threshold.

    Parameters
    ----------
    one, other
        Activities at the threshold [GBq]; None: never.

    Returns
    -------
    tuple or None
        Ascending [GBq], the upper one infinite where one method never gets there; None where they always agree.
    """
    ends = sorted(math.inf if value is None else value for value in (one, other))
    return None if ends[0] == ends[1] else (ends[0], ends[1])
