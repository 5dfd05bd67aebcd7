"""Mean doses of regions with their statistics, freed of the noise of the decays where they are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..dose.map import relative_source
from ..transport.problem import Problem
from ..transport.same_decays import expected
from .bias import Estimate, paired_estimate, plain_estimate
from .methods import VisitDose
from .regions import WEIGHT_ONE, Region

#: Decays per batch in a region from which the noise of the decays is taken out of its mean: with fewer, the interval
#: covers less than it says (docs/methods/compare.md).
LEAST_DECAYS = 8.0
#: No interval is stated with fewer decays per batch than this, where the relative standard error is above the second
#: number: a lesion that others irradiate has a precise mean without decays of its own.
FEW_DECAYS, LARGE_ERROR = 0.5, 0.1


def controls(problem: Problem, one: VisitDose, regions: Sequence[Region]) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the decays of a simulation that vary with the energy it leaves in each region.

    They are the energy that the charged particles of its decays would leave there if they stayed where they are: what
    local deposition gives for these very decays.

    Parameters
    ----------
    problem
        The transport problem.
    one
        The simulated dose, with its tally.
    regions
        The regions.

    Returns
    -------
    sums
        Of each batch and region, float64 (batch, region), in an arbitrary unit.
    expectation
        Of each region, float64 (region,), in the same unit.
    """
    tally = one.dose.tally
    assert tally is not None
    fields = np.stack([region.weight.astype(np.float64) for region in regions])
    sums = expected(problem, tally, fields)
    share = relative_source(problem).reshape(-1)
    return sums, tally.batch_histories * (fields.reshape(len(regions), -1) @ share)


@dataclass(frozen=True)
class Mean:
    """The mean dose of a region by a method.

    Parameters
    ----------
    plain
        As simulated.
    best
        Without the noise that the decays alone explain, where that can be taken out: what everything that is said of
        the mean rests on. Else the same.
    decays_per_batch
        Decays that a batch has in the region on average; NaN where they are not known or do not matter.
    """

    plain: Estimate
    best: Estimate
    decays_per_batch: float = math.nan


def estimates(
    problem: Problem, one: VisitDose, regions: Sequence[Region], means_gy: Sequence[float | None]
) -> list[Mean | None]:
    """The means of a method with their statistics, region by region.

    Parameters
    ----------
    problem
        The transport problem.
    one
        The method's dose.
    regions
        The regions.
    means_gy
        Its mean in each [Gy]; None where it has none.

    Returns
    -------
    list of Mean or None
        The two estimates are the same for a method that does not simulate, whose decays are not known, or where a
        batch has fewer than :data:`LEAST_DECAYS` in the region. With fewer than :data:`FEW_DECAYS` the best one has no
        standard error.
    """
    plain = [
        None if mean is None else _plain(mean, one, i, region)
        for i, (mean, region) in enumerate(zip(means_gy, regions, strict=True))
    ]
    if one.name != "mc" or one.exact or one.batches is None:
        return [None if mean is None else Mean(mean, mean) for mean in plain]
    sums, expectation = controls(problem, one, regions)
    out: list[Mean | None] = []
    for i, mean in enumerate(plain):
        if mean is None:
            out.append(None)
            continue
        best, decays = mean, float(expectation[i]) / WEIGHT_ONE
        if decays < FEW_DECAYS and mean.standard_error > LARGE_ERROR * mean.value:
            best = Estimate(mean.value, math.nan, 1.0)
        elif decays >= LEAST_DECAYS and np.isfinite(one.batches[:, i]).all():
            best = paired_estimate(mean.value, one.batches[:, i], sums[:, i], float(expectation[i]))
        out.append(Mean(mean, best, decays))
    return out


def _plain(mean_gy: float, one: VisitDose, number: int, region: Region) -> Estimate:
    """The mean of a region with the scatter of the batches, which may be those of a part of the dose."""
    if one.exact:
        return Estimate(mean_gy)
    if one.batches is None:
        return Estimate(mean_gy, math.nan, 1.0)
    batches, whole = one.batches[:, number], region.energy_gy_g(one.dose)
    if not (np.isfinite(batches).all() and whole > 0.0):
        return Estimate(mean_gy, math.nan, 1.0)
    return plain_estimate(mean_gy, batches, one.simulated_gy_g(number) / whole)
