"""Runs that differ in the photon cut-off alone, compared batch by batch."""

from __future__ import annotations

import dataclasses

import numpy as np
from hevesy.benchmarks.gpu_goals import GHZ
from hevesy.benchmarks.photon_cut_offs import differences, shares
from hevesy.tools import cuda_offline


def test_batches_are_compared_in_pairs():
    problem = cuda_offline.tiny_problem()
    regions = np.zeros(problem.material.shape, np.uint8)
    regions[1:3, 1:3, 1:3] = 1
    problem = dataclasses.replace(problem, regions=regions, region_names=("source",))
    found = differences(problem, (0.001, 0.001001, 0.5), batches=6, per_batch=300)
    # nothing lies between the first two; photons of 364 keV that are deposited where they are born change much
    assert np.array_equal(found[0.001][0], [0.0])
    assert abs(found[0.001001][0][0]) < 1e-4
    change, error = found[0.5]
    assert change[0] > 0.05
    assert 0 < error[0] < 0.2 * change[0]


def test_one_long_decay_takes_its_share_of_a_batch():
    """At a steady rate of 1e8 per second a batch of 2e6 takes 20 ms; a decay of 20 000 turns takes at least as long."""
    usual, alone_s = np.full(10_000, 10), 1e-6
    modelled = {"decays": 1e8, "steady": 1.0, "turn_alone": alone_s * 1e9 * GHZ}
    assert all(share > 0.95 for share in shares(usual, modelled))
    long = usual.copy()
    long[0] = 20_000
    small, large = shares(long, modelled)
    assert small < 0.6
    assert small < large
