"""The validation's own judgements: rules, error budget, spheres of voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.nuclides.emission import Emission
from hevesy.tools.validation import published, spheres
from hevesy.tools.validation.radial import WATER
from hevesy.tools.validation.record import ALPHA, Record, budget, relative
from scipy.stats import norm, t


def record(difference: float, sigma: float, bar: float, rule: str) -> Record:
    return Record("g", "q", "", 1.0, 1.0 + difference, difference, sigma, bar, rule)


@pytest.mark.parametrize(
    ("rule", "difference", "verdict"),
    [
        ("plus", 0.0249, "pass"), ("plus", -0.0251, "FAIL"), ("larger", 0.0199, "pass"), ("larger", 0.0201, "FAIL"),
        ("information", 9.0, "-"), ("plus", math.nan, "FAIL"),
    ],
)  # fmt: skip
def test_rules(rule, difference, verdict):
    assert record(difference, 0.005, 0.005, rule).verdict(2 * norm.sf(4.0)) == verdict


def test_no_standard_error_is_no_pass():
    assert record(0.0, math.nan, 0.005, "plus").verdict(1e-6) == "FAIL"


def test_budget_is_shared_by_all_judgements():
    records = [record(0, 0, 0, "plus")] * 3 + [record(0, 0, 0, "information")]
    records.append(Record("g", "q", "", 1, 1, 0, 0, 0, judgements=50))
    k, share, count = budget(records)
    assert count == 53
    assert 1 - (1 - share) ** count == pytest.approx(ALPHA)
    assert math.erfc(k / math.sqrt(2)) == pytest.approx(share)


def test_relative_uses_both_uncertainties():
    r = relative("g", "q", "", (2.0, 0.03), (2.1, 0.04), 0.01)
    assert r.difference == pytest.approx(0.05)
    assert r.sigma == pytest.approx(0.025)


def test_few_batches_widen_the_limit_by_students_law():
    share = 1e-3
    k = t.isf(share / 2, 19)
    for factor, verdict in ((0.98, "pass"), (1.02, "FAIL")):
        given = relative("g", "q", "", (1.0, 0.0), (1.0 + factor * k * 1e-4, 1e-4), 0.0, batches=20)
        assert given.verdict(share) == verdict


def test_a_low_mean_of_few_deposits_does_not_bring_its_low_error():
    """100 deposits expected, 62 seen: 38/sqrt(62) = 4.8 standard errors of what was seen, 4.25 of square roots."""
    seen = relative("g", "q", "", (100.0, 0.0), (62.0, math.sqrt(62.0)), 0.02, "larger")
    assert seen.z == pytest.approx(2 * (math.sqrt(62) - 10), rel=1e-12)
    assert seen.verdict(2 * norm.sf(4.3)) == "pass" and seen.verdict(2 * norm.sf(4.2)) == "FAIL"


def test_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="none of"):
        record(0, 0, 0, "lenient")


def test_sphere_of_voxels_has_the_mass_of_the_sphere():
    problem, voxel = spheres.voxel_sphere(0.288, 41, 0.65, WATER, Emission(electron_lines=np.array([[0.1, 1.0]])))
    assert problem.source.sum() * voxel**3 == pytest.approx(4 / 3 * math.pi * 0.288**3, rel=1e-12)
    np.testing.assert_array_equal(problem.source > 0, problem.regions == 1)
    for axis in range(3):
        np.testing.assert_array_equal(problem.source, np.flip(problem.source, axis))


def test_tables_and_energies_meet_the_published_numbers(reference_dir):
    records = published.tables(reference_dir) + published.icrp107(reference_dir)
    assert len([r for r in records if r.rule == "plus"]) > 30
    for r in records:
        assert r.verdict(1e-6) != "FAIL", r


def test_steps_of_a_voxel_sphere_cost_what_its_surface_says():
    """Electrons of no great range leave in proportion to the surface: 1.5 times the sphere's for whole voxels.

    A body with surface S and volume V keeps g(r) = 1 - r S / 4V for small r; S/V is 3/R of a ball and 4.5/R of voxels
    along the axes, whose faces project to the same cross section on each axis as the ball (6 pi R^2).
    """
    radius = 0.3
    emission = Emission(electron_lines=np.array([[0.1, 1.0]]))
    problem, voxel = spheres.voxel_sphere(radius, 61, 0.4, WATER, emission)
    r = 0.2 * voxel
    kernel = spheres.Kernel(np.array([r]), np.array([1.0]))
    expected = r / 4 * (4.5 - 3.0) / radius
    # six binomial standard errors of the sampled pairs, and 3 % for edges where two faces meet (r is 0.2 voxels)
    error = math.sqrt(r / 4 * 4.5 / radius / spheres.PAIRS)
    assert abs(spheres.step_correction(problem, radius, voxel, kernel) - expected) < 6 * error + 0.03 * expected
    assert 6 * error < 0.5 * expected


def test_far_inside_a_sphere_of_voxels_the_steps_do_not_matter():
    """At distances of many voxels the voxel body is a ball: its autocorrelation is the ball's."""
    problem, voxel = spheres.voxel_sphere(0.3, 61, 0.4, WATER, Emission(electron_lines=np.array([[0.1, 1.0]])))
    kernel = spheres.Kernel(np.array([0.3]), np.array([1.0]))
    # g = 0.3125 there: five binomial standard errors are 0.0042
    assert abs(spheres.step_correction(problem, 0.3, voxel, kernel)) < 5 * math.sqrt(0.3125 * 0.6875 / spheres.PAIRS)
