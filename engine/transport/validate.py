"""Comparison of a simulated dose with the reference dose inside a problem file.

Two judgements share one error budget (probability :data:`ALPHA` of failing a correct code):

- the mean of every region differs by no more than the file's bar (``notes["bar_region_rel"]``, else 0.5 %) beyond
  statistics, both standard errors used;
- the voxels above 10 % of the largest reference dose scatter about the reference as their standard errors say
  (chi-square per degree of freedom), when there are enough of them to tell.

Voxels that share one reference value (averages over symmetries) are compared by their mean, as one value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..statistics import MEV_IN_JOULE, region_mean_sigma
from .problem import Problem

ALPHA = 1e-4
DEFAULT_BAR = 0.005
#: voxels that chi-square is taken over: above this share of the largest dose, at least so many independent ones
HOT_SHARE, ENOUGH_VOXELS = 0.1, 30
BINS = np.arange(-4.0, 4.5, 0.5)


@dataclass(frozen=True)
class RegionComparison:
    """Mean dose of one region, ours against the reference; relative numbers are fractions of the reference."""

    region: str
    reference_gy: float
    simulated_gy: float
    difference: float
    sigma: float
    reference_sigma: float
    bar: float
    allowed: float
    passed: bool


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found."""

    passed: bool
    regions: list[RegionComparison]
    chi2_per_ndf: float
    ndf: int
    chi2_p_value: float
    chi2_judged: bool
    largest_z: float
    edges: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for printing and JSON; differences in per cent."""

        def percent(value: float) -> float:
            return round(100 * value, 4)

        return {
            "passed": self.passed,
            "regions": [
                {
                    "region": r.region,
                    "reference [Gy/decay]": r.reference_gy,
                    "simulated [Gy/decay]": r.simulated_gy,
                    "difference [%]": percent(r.difference),
                    "sigma [%]": percent(r.sigma),
                    "reference sigma [%]": percent(r.reference_sigma),
                    "allowed [%]": percent(r.allowed),
                    "verdict": "pass" if r.passed else "fail",
                }
                for r in self.regions
            ],
            "chi2_per_ndf": self.chi2_per_ndf,
            "ndf": self.ndf,
            "chi2_p_value": self.chi2_p_value,
            "chi2_judged": self.chi2_judged,
            "largest_z": self.largest_z,
            "alpha": ALPHA,
            "z_histogram": {"edges": self.edges, "counts": self.counts, "expected": self.expected},
        }


def compare(result: Any, problem: Problem) -> Comparison:
    """Compare a result of ``simulate`` with the reference in its problem.

    Parameters
    ----------
    result
        Result with ``dose_gy_per_decay``, ``sigma_gy_per_decay`` and its tally.
    problem
        The problem, with a reference dose.

    Returns
    -------
    Comparison
    """
    from scipy.stats import chi2, norm

    assert problem.reference_dose is not None and problem.reference_sigma is not None
    dose, sigma = np.asarray(result.dose_gy_per_decay), np.asarray(result.sigma_gy_per_decay)
    reference, reference_sigma = np.asarray(problem.reference_dose), np.asarray(problem.reference_sigma)
    known = np.isfinite(reference) & np.isfinite(reference_sigma)
    regions = _regions(problem, known)
    bar = float(problem.notes.get("bar_region_rel", DEFAULT_BAR))
    # Sidak: every judgement gets its share of ALPHA
    share = 1.0 - (1.0 - ALPHA) ** (1.0 / (len(regions) + 1))
    k = float(norm.isf(share / 2))
    stated = problem.notes.get("region_reference", {})
    rows = []
    for index, (name, where) in enumerate(regions):
        rows.append(_region(name, where, index, stated.get(name), problem, result, dose, sigma, bar, k))
    mean, error, target, target_error = _independent(dose, sigma, reference, reference_sigma, known)
    hot = (target > HOT_SHARE * target.max()) & (error > 0) & np.isfinite(error)
    nu = max(int(result.tally.n_batches) - 1, 3)
    # a sigma from nu degrees of freedom widens the distribution of (x - mean)/sigma by nu/(nu - 2)
    variance = error[hot] ** 2 * nu / (nu - 2) + target_error[hot] ** 2
    z = (mean[hot] - target[hot]) / np.sqrt(variance)
    ndf = int(z.size)
    total = float((z**2).sum())
    p = float(chi2.sf(total, ndf)) if ndf else 1.0
    judged = ndf >= ENOUGH_VOXELS
    counts, _ = np.histogram(np.clip(z, BINS[0], BINS[-1]), BINS)
    tails = norm.cdf(BINS)
    tails[0], tails[-1] = 0.0, 1.0
    return Comparison(
        passed=all(row.passed for row in rows) and (p >= share or not judged),
        regions=rows,
        chi2_per_ndf=total / ndf if ndf else float("nan"),
        ndf=ndf,
        chi2_p_value=p,
        chi2_judged=judged,
        largest_z=float(np.abs(z).max(initial=0.0)),
        edges=[float(e) for e in BINS],
        counts=[int(c) for c in counts],
        expected=[float(e) for e in ndf * np.diff(tails)],
    )


def _regions(problem: Problem, known: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The problem's regions, or bands of the reference dose where it names none."""
    if problem.regions is not None:
        flat = np.asarray(problem.regions)
        count = max(int(flat.max()), len(problem.region_names))
        return [
            (
                problem.region_names[i - 1] if i <= len(problem.region_names) else f"region {i}",
                (flat == i) & known,
            )
            for i in range(1, count + 1)
            if ((flat == i) & known).any()
        ]
    reference = np.where(known, np.asarray(problem.reference_dose), 0.0)
    top = reference.max()
    bands = [("above 50 % of maximum", 0.5, np.inf), ("10-50 %", 0.1, 0.5), ("1-10 %", 0.01, 0.1)]
    found = [(name, known & (reference > a * top) & (reference <= b * top)) for name, a, b in bands]
    return [(name, where) for name, where in found if where.any()]


def _region(
    name: str,
    where: np.ndarray,
    index: int,
    stated: dict[str, Any] | None,
    problem: Problem,
    result: Any,
    dose: np.ndarray,
    sigma: np.ndarray,
    bar: float,
    k: float,
) -> RegionComparison:
    density = np.asarray(problem.density_g_cm3, float)
    weight = density[where] / density[where].sum()
    target = float((weight * np.asarray(problem.reference_dose)[where]).sum())
    # reference voxels are correlated: a stated region sigma is right, their quadrature sum only a lower bound
    target_sigma = float(np.sqrt(((weight * np.asarray(problem.reference_sigma)[where]) ** 2).sum())) / target
    if stated:
        target_sigma = float(stated.get("sigma_rel", target_sigma))
    simulated = float((weight * dose[where]).sum())
    error = float(np.sqrt(((weight * sigma[where]) ** 2).sum())) / target
    if problem.regions is not None and result.tally.region_quanta.shape[1] > index:
        mass = float(density[np.asarray(problem.regions) == index + 1].sum()) * problem.voxel_volume_ml
        _, spread = region_mean_sigma(result.tally.region_quanta, result.tally.batch_histories)
        scale = MEV_IN_JOULE / (mass * 1e-3)
        if np.isfinite(spread[index]):
            error = float(spread[index] * scale) / target
    difference = simulated / target - 1.0
    allowed = bar + k * float(np.hypot(error, target_sigma))
    return RegionComparison(
        name, target, simulated, difference, error, target_sigma, bar, allowed, abs(difference) <= allowed
    )


def _independent(
    dose: np.ndarray, sigma: np.ndarray, reference: np.ndarray, reference_sigma: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Our mean and sigma, and the reference's, for every group of voxels that share one reference value."""
    pairs = np.column_stack([reference[known], reference_sigma[known]])
    unique, group = np.unique(pairs, axis=0, return_inverse=True)
    group = group.ravel()
    count = np.bincount(group)
    mean = np.bincount(group, dose[known]) / count
    error = np.sqrt(np.bincount(group, sigma[known] ** 2)) / count
    return mean, error, unique[:, 0], unique[:, 1]
