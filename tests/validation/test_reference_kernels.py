"""Point kernels against the reference code, short; and the radial analysis against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.tests.conftest import SUITE_ALPHA
from hevesy.tools.validation import kernels, radial
from scipy.stats import norm

#: judgements in this file: two a kernel and all radii of each
JUDGEMENTS = 300
SHARE = -math.expm1(math.log1p(-SUITE_ALPHA) / JUDGEMENTS)
K = float(norm.isf(SHARE / 2))
SHORT = [("electron_200_keV", 40_000), ("electron_1000_keV", 20_000), ("positron_800_keV", 20_000),
         ("photon_364p5_keV", 150_000)]  # fmt: skip


@pytest.mark.parametrize(("name", "histories"), SHORT)
def test_energy_within_every_radius(name, histories, reference_dir):
    run = kernels.run_kernel(name, kernels.load(reference_dir)[name], histories, 101, seed=9)
    assert np.all(run.sigma < 0.004), "too few histories for the bar of 1 %"
    allowed = kernels.SHELL_BAR + K * run.sigma
    worst = np.abs(run.ours - run.reference) - allowed
    at = int(worst.argmax())
    assert worst[at] <= 0.0, (name, run.radii_cm[at], run.ours[at], run.reference[at])
    for record in run.records[1:]:
        assert abs(record.difference) <= record.bar + K * record.sigma, record


def test_cumulative_share_is_the_volume_of_a_ball():
    """Even energy density: the energy within a radius grows as its cube."""
    n, voxel = 21, 0.1
    radii = np.array([0.31, 0.55, 0.8, 0.95])
    share = radial.cumulative_share(np.ones((n, n, n)), voxel, radii, split=16)
    np.testing.assert_allclose(share, 4 / 3 * np.pi * radii**3 / voxel**3, rtol=2e-3)


def test_cumulative_share_adds_octants_without_symmetry():
    """Folding octants is exact for energy that is not symmetric at all."""
    energy = np.random.Generator(np.random.Philox(2)).random((9, 9, 9)) ** 3
    radii = np.linspace(0.05, 1.2, 9)
    split = 4
    axis = (((np.arange(9) - 4)[:, None] + (np.arange(split) + 0.5) / split - 0.5) * 0.1).ravel()
    r = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    fine = energy.repeat(split, 0).repeat(split, 1).repeat(split, 2) / split**3
    expected = [fine[r <= x].sum() for x in radii]
    np.testing.assert_allclose(radial.cumulative_share(energy, 0.1, radii, split), expected, rtol=1e-12)


def test_kernel_seen_through_small_voxels_is_itself():
    radii = np.linspace(0.1, 2.0, 20)
    shells = np.exp(-radii)
    seen = radial.seen_through_voxels(shells, radii, voxel_cm=1e-4, samples=400_000)
    np.testing.assert_allclose(seen, np.cumsum(shells), rtol=1e-3)


def test_kernel_seen_through_voxels_is_wider():
    """A point of energy at the source fills the voxel; half the voxel's edge holds pi/6 of it."""
    radii = np.array([1e-6, 0.5, 1.0])
    seen = radial.seen_through_voxels(np.array([1.0, 0.0, 0.0]), radii, voxel_cm=1.0, split=40, samples=600_000)
    assert seen[0] < 1e-3
    assert seen[1] == pytest.approx(math.pi / 6, abs=0.005)
    assert seen[2] == pytest.approx(1.0)


def test_shells_by_centre_hold_the_same_voxels():
    labels = radial.shell_labels(21, 0.1, np.array([0.05, 0.5, 1.0]))
    assert labels[10, 10, 10] == 1 and int((labels == 1).sum()) == 1
    assert labels[10, 10, 13] == 2 and labels[10, 10, 0] == 3 and labels[0, 0, 0] == 0


def test_radii_of_a_linear_kernel():
    radii = np.linspace(0.01, 1.0, 100)
    assert radial.mean_radius(radii, radii) == pytest.approx(0.5)
    assert radial.radius_within(radii, radii, 0.9) == pytest.approx(0.9)
