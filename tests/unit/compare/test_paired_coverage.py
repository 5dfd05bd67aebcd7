"""The intervals of a mean, plain and without the noise of decays, cover as often as they say where they are used."""

from __future__ import annotations

import numpy as np
from hevesy.engine.compare.estimates import FEW_DECAYS, LEAST_DECAYS
from hevesy.tests.conftest import SUITE_ALPHA
from hevesy.tools.paired_coverage import coverage, intervals, measured
from scipy import stats

SEEDS = 120


def test_intervals_of_real_transport_cover_from_the_bounds_on():
    """120 simulations of 50 batches: of each cube the truth, the mean over all seeds, lies in 95 % of the intervals.

    The plain interval is held to that from half a decay per batch on, the paired one from eight on. The measured
    coverage of the worst of them is 94 % (docs/methods/compare.md): the count of hits is held to its binomial limit at
    93.5 %, and each of the ten comparisons has a false-alarm probability of at most SUITE_ALPHA/1000. With a quarter
    of a decay per batch pairing covers about 80 %, far outside these limits: the bound is needed.
    """
    sums = measured(range(5001, 5001 + SEEDS))
    lowest = 100.0 * stats.binom.ppf(SUITE_ALPHA / 1000, SEEDS, 0.935) / SEEDS
    checked = 0
    for cube, decays in enumerate(sums.expectation):
        ends = intervals(sums, cube)
        for kind, bound in (("plain", FEW_DECAYS), ("paired", LEAST_DECAYS)):
            if decays >= bound * (1.0 - 1e-6):
                assert coverage(ends[kind]) >= lowest, (kind, decays)
                checked += 1
    assert checked == 10
    assert coverage(intervals(sums, 0)["paired"]) < 90.0
    width = [np.ptp(intervals(sums, 5)[kind], axis=1).mean() for kind in ("paired", "plain")]
    assert width[0] < 0.7 * width[1]
