"""Comparison of a simulated dose with the reference dose inside a problem file.

Two checks share one error budget (probability :data:`ALPHA` of failing a correct code):

- the mean of every region differs by no more than the file's limit (``notes["bar_region_rel"]``, else 0.5 %) beyond
  statistics, both standard errors used;
- the voxels above 10 % of the largest reference dose scatter about the reference as their standard errors predict
  (chi-square per degree of freedom), when there are enough of them.

Regions are those of the file as far as the reference is known in them; where it names none, bands of the reference
dose. Voxels that share one reference value (averages over symmetries) are compared by their mean, as one value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from ..constants import JOULE_PER_MEV
from ..errors import InputError
from ..statistics import MINIMUM_BATCHES, region_mean_sigma
from ..text import counted
from .problem import Problem
from .two_sample import critical

ALPHA = 1e-4
DEFAULT_BAR = 0.005
#: voxels that chi-square is taken over: above this share of the largest dose, at least so many independent ones
HOT_SHARE, ENOUGH_VOXELS = 0.1, 30
#: a region's mean is judged when it is known to so many standard errors (a compound Poisson mean of 100 deposits)
ENOUGH = 10.0
#: bands of the reference dose, as shares of its maximum, for files without regions
BANDS = (("above 50 % of maximum", 0.5, np.inf), ("10-50 % of maximum", 0.1, 0.5), ("1-10 % of maximum", 0.01, 0.1))
BINS = np.arange(-4.0, 4.5, 0.5)


@dataclass(frozen=True)
class RegionComparison:
    """Mean dose of one region, ours against the reference; relative numbers are fractions of the reference.

    ``judged`` is False where our mean rests on too few particles to be compared.
    """

    region: str
    reference_gy: float
    simulated_gy: float
    difference: float
    sigma: float
    reference_sigma: float
    bar: float
    allowed: float
    passed: bool
    judged: bool = True

    @property
    def verdict(self) -> str:
        """``pass``, ``fail`` or ``too few``."""
        if not self.judged:
            return "too few"
        return "pass" if self.passed else "fail"


@dataclass(frozen=True)
class Comparison:
    """Result of :func:`compare`."""

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

    @property
    def unjudged(self) -> list[str]:
        """Regions that too few particles reached."""
        return [r.region for r in self.regions if not r.judged]

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
                    "verdict": r.verdict,
                }
                for r in self.regions
            ],
            "chi2_per_ndf": self.chi2_per_ndf,
            "ndf": self.ndf,
            "chi2_p_value": self.chi2_p_value,
            "chi2_judged": self.chi2_judged,
            "largest_z": self.largest_z,
            "alpha": ALPHA,
            "too_few_particles": self.unjudged,
            "z_histogram": {"edges": self.edges, "counts": self.counts, "expected": self.expected},
        }


def with_judged_regions(problem: Problem, path: object = None) -> Problem:
    """The problem with the regions that :func:`compare` judges, to be simulated: their sigma then comes from batches.

    Raises
    ------
    InputError
        When there is no reference, when it states no standard error, or when it is known nowhere.
    """

    def refuse(text: str, field: str | None, why: str, suggestion: str) -> NoReturn:
        raise InputError(text, why=why, suggestion=suggestion, file=path, field=field)

    if problem.reference_dose is None:
        refuse(
            "holds no reference dose",
            None,
            "there is nothing to compare with",
            "use `hevesy simulate`, or add 'dose_gy_per_decay' and 'sigma_gy_per_decay'",
        )
    if problem.reference_sigma is None:
        refuse(
            "the reference dose has no standard error",
            "sigma_gy_per_decay",
            "a difference can be judged only against the uncertainties of both sides",
            "add one standard error for every voxel, Gy per decay, in the shape of the dose (0 where it is exact)",
        )
    reference, sigma = (np.asarray(a, float) for a in (problem.reference_dose, problem.reference_sigma))
    known = np.isfinite(reference) & np.isfinite(sigma)
    if not known.any():
        refuse(
            "no voxel has both a dose and a standard error",
            "dose_gy_per_decay",
            "NaN marks voxels without a reference, and every voxel is marked",
            "give at least one voxel both numbers",
        )
    if (reference[known] < 0).any() or (sigma[known] < 0).any() or not (reference[known] > 0).any():
        lowest = min(float(reference[known].min()), float(sigma[known].min()))
        refuse(
            f"negative, or zero everywhere (lowest {lowest:g} Gy per decay)",
            "dose_gy_per_decay",
            "differences are judged relative to the reference",
            "write NaN where nothing is known",
        )
    labels = np.zeros(reference.shape, np.uint8)
    names: list[str] = []
    if problem.regions is not None:
        labelled = np.asarray(problem.regions)
        for index in range(1, max(int(labelled.max()), len(problem.region_names)) + 1):
            where = (labelled == index) & known
            if (reference[where] > 0).any():
                known_name = index <= len(problem.region_names)
                names.append(problem.region_names[index - 1] if known_name else f"region {index}")
                labels[where] = len(names)
    if not names:
        top = float(reference[known].max())
        for name, low, high in BANDS:
            where = known & (reference > low * top) & (reference <= high * top)
            if where.any():
                names.append(name)
                labels[where] = len(names)
    return replace(problem, regions=labels, region_names=tuple(names))


def compare(result: Any, problem: Problem) -> Comparison:
    """Compare a result of ``simulate`` with the reference in its problem.

    Parameters
    ----------
    result
        Result with ``dose_gy_per_decay``, ``sigma_gy_per_decay`` and its tally. Where the first regions of the run
        are those of :func:`with_judged_regions`, sigma of the region means comes from the batches of the run.
    problem
        The problem that was simulated, with a reference dose.

    Returns
    -------
    Comparison
        Passed when at least one region is judged, every judged one passes, and the scatter does.

    Raises
    ------
    InputError
        For a reference that cannot be judged, and for a run of fewer than 20 batches.
    """
    from scipy.stats import chi2, norm

    batches = int(result.tally.n_batches)
    if batches < MINIMUM_BATCHES:
        raise InputError(
            f"{counted(batches, 'batch')} of histories",
            why=f"no standard error is taken from fewer than {MINIMUM_BATCHES}, so no difference can be judged",
            suggestion="increase --decays, e.g. --decays 1e6",
            field="decays",
        )
    ran, problem = problem, with_judged_regions(problem)
    dose, sigma = np.asarray(result.dose_gy_per_decay), np.asarray(result.sigma_gy_per_decay)
    reference, reference_sigma = np.asarray(problem.reference_dose), np.asarray(problem.reference_sigma)
    known = np.isfinite(reference) & np.isfinite(reference_sigma)
    bar = float(problem.notes.get("bar_region_rel", DEFAULT_BAR))
    # Sidak: every check gets its share of ALPHA
    share = 1.0 - (1.0 - ALPHA) ** (1.0 / (len(problem.region_names) + 1))
    rows = [_region(i, problem, ran, result, dose, sigma, bar, share) for i in range(len(problem.region_names))]
    mean, error, target, target_error = _independent(dose, sigma, reference, reference_sigma, known)
    hot = (target > HOT_SHARE * target.max()) & (error > 0) & np.isfinite(error)
    nu = max(batches - 1, 3)
    # a sigma from nu degrees of freedom widens the distribution of (x - mean)/sigma by nu/(nu - 2)
    variance = error[hot] ** 2 * nu / (nu - 2) + target_error[hot] ** 2
    z = (mean[hot] - target[hot]) / np.sqrt(variance)
    ndf = int(z.size)
    total = float((z**2).sum())
    p = float(chi2.sf(total, ndf)) if ndf else 1.0
    scatter = ndf >= ENOUGH_VOXELS
    counts, _ = np.histogram(np.clip(z, BINS[0], BINS[-1]), BINS)
    tails = norm.cdf(BINS)
    tails[0], tails[-1] = 0.0, 1.0
    good = all(row.passed for row in rows if row.judged) and any(row.judged for row in rows)
    return Comparison(
        passed=good and (p >= share or not scatter),
        regions=rows,
        chi2_per_ndf=total / ndf if ndf else float("nan"),
        ndf=ndf,
        chi2_p_value=p,
        chi2_judged=scatter,
        largest_z=float(np.abs(z).max(initial=0.0)),
        edges=[float(e) for e in BINS],
        counts=[int(c) for c in counts],
        expected=[float(e) for e in ndf * np.diff(tails)],
    )


def _region(
    index: int,
    problem: Problem,
    ran: Problem,
    result: Any,
    dose: np.ndarray,
    sigma: np.ndarray,
    bar: float,
    share: float,
) -> RegionComparison:
    """Judge the mean of one region; ``ran`` is the problem as it was simulated."""
    name = problem.region_names[index]
    where = np.asarray(problem.regions) == index + 1
    density = np.asarray(problem.density_g_cm3, float)[where]
    weight = density / density.sum()
    reference = np.asarray(problem.reference_dose, float)[where]
    reference_sigma = np.asarray(problem.reference_sigma, float)[where]
    target = float((weight * reference).sum())
    simulated = float((weight * dose[where]).sum())
    independent = float(np.sqrt(((weight * sigma[where]) ** 2).sum()))
    error = _batch_error(name, where, float(density.sum()) * problem.voxel_volume_ml, ran, result)
    error = independent if error is None else error
    stated = (problem.notes.get("region_reference") or {}).get(name) or {}
    if "sigma_rel" in stated:
        target_sigma = float(stated["sigma_rel"])
    else:
        # voxels share histories, so their errors do not add in quadrature: by how much is seen in our own run. Voxels
        # that share one value (an average over symmetries) share its error altogether.
        _, group = np.unique(np.column_stack([reference, reference_sigma]), axis=0, return_inverse=True)
        coherent = np.bincount(group.ravel(), weight * reference_sigma)
        correlation = max(error / independent, 1.0) if independent > 0 else 1.0
        target_sigma = float(np.sqrt((coherent**2).sum())) * correlation / target
    error /= target
    difference = simulated / target - 1.0
    k = critical(share, error, target_sigma, result.tally.n_batches)
    allowed = bar + k * float(np.hypot(error, target_sigma))
    # an error of zero: deposits that are the same in every batch (alphas), or none at all
    enough = simulated >= ENOUGH * error * target and simulated > 0.0
    return RegionComparison(
        name, target, simulated, difference, error, target_sigma, bar, allowed, abs(difference) <= allowed, enough
    )


def _batch_error(name: str, where: np.ndarray, mass_g: float, ran: Problem, result: Any) -> float | None:
    """Standard error of a region's mean dose from its own batch sums, when the run has them; else None."""
    names = tuple(result.tally.region_names)
    if ran.regions is None or name not in names:
        return None
    column = names.index(name)
    if not np.array_equal(np.asarray(ran.regions) == column + 1, where):
        return None  # the region reaches beyond the reference: its sum is not the one that is judged
    _, spread = region_mean_sigma(result.tally.region_quanta, result.tally.batch_histories)
    return float(spread[column]) * JOULE_PER_MEV / (mass_g * 1e-3)


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
