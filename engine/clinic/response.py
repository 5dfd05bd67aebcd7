"""Response between visits: RECIST 1.1 and its volume equivalents, paired ratios, and re-induction of uptake.

RECIST 1.1: Eisenhauer et al., Eur J Cancer 45 (2009) 228. Lesions are matched in
:mod:`hevesy.engine.clinic.matching`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from ..errors import InputError
from ..lesions.recovery import sphere_diameter_mm
from ..text import counted

PARTIAL_DECREASE = 0.30
PROGRESSIVE_INCREASE = 0.20
PROGRESSIVE_MM = 5.0
#: The same bounds for the volume of a sphere: 65.7 % decrease, 72.8 % increase.
PARTIAL_VOLUME_DECREASE = 1.0 - (1.0 - PARTIAL_DECREASE) ** 3
PROGRESSIVE_VOLUME_INCREASE = (1.0 + PROGRESSIVE_INCREASE) ** 3 - 1.0

#: Visit-to-visit scatter of ln(uptake) without any treatment effect (geometric standard deviation 1.3).
BIOLOGICAL_SIGMA = math.log(1.3)


@dataclass(frozen=True)
class TargetLesion:
    """A measured lesion.

    Parameters
    ----------
    name
        Its name.
    organ
        Organ that it is in; RECIST limits the targets per organ.
    long_axis_mm
        Longest axis [mm].
    short_axis_mm
        Short axis [mm], which counts for a lymph node; None when not measured.
    node
        Whether it is a lymph node.
    """

    name: str
    organ: str
    long_axis_mm: float
    short_axis_mm: float | None = None
    node: bool = False

    @property
    def recist_mm(self) -> float:
        """The diameter that counts: short axis for nodes, longest for everything else [mm]."""
        if not self.node:
            return self.long_axis_mm
        if self.short_axis_mm is None:
            raise InputError(
                f"lymph node {self.name!r} without a short axis",
                why="RECIST 1.1 measures nodes by their short axis",
                suggestion="give short_axis_mm",
                field="lesions",
            )
        return self.short_axis_mm

    @property
    def measurable(self) -> bool:
        """At least 10 mm, or 15 mm short axis for a node."""
        return self.recist_mm >= (15.0 if self.node else 10.0)


def select_targets(lesions: Sequence[TargetLesion]) -> list[TargetLesion]:
    """Target lesions at baseline: the largest measurable ones, at most two per organ and five in all."""
    chosen: list[TargetLesion] = []
    for lesion in sorted(lesions, key=lambda target: -target.recist_mm):
        same = sum(target.organ == lesion.organ for target in chosen)
        if lesion.measurable and same < 2 and len(chosen) < 5:
            chosen.append(lesion)
    return chosen


def recist_response(
    baseline_mm: float,
    current_mm: float,
    nadir_mm: float | None = None,
    *,
    new_lesions: bool = False,
    nodes_normal: bool = True,
) -> str:
    """Response of the sum of target diameters: ``"CR"``, ``"PR"``, ``"SD"`` or ``"PD"``.

    Parameters
    ----------
    baseline_mm, current_mm
        Sums of diameters [mm]. For a complete response the current sum counts non-nodal targets only.
    nadir_mm
        Smallest sum so far, baseline included [mm]; the baseline when not given.
    new_lesions
        Any new lesion is progression.
    nodes_normal
        Whether every target node is below 10 mm (needed for a complete response).

    Returns
    -------
    str
        ``"CR"`` (complete response), ``"PR"`` (partial), ``"SD"`` (stable disease) or ``"PD"`` (progressive
        disease).

    Raises
    ------
    InputError
        A baseline that is not positive, or a negative current sum.

    References
    ----------
    Eisenhauer et al., Eur J Cancer 2009;45:228 (RECIST 1.1).

    Examples
    --------
    >>> from hevesy.engine.clinic import recist_response
    >>> recist_response(50.0, 34.0), recist_response(50.0, 34.0, nadir_mm=28.0)
    ('PR', 'PD')
    """
    if not baseline_mm > 0.0 or current_mm < 0.0:
        raise InputError(
            f"sums of {baseline_mm:g} and {current_mm:g} mm",
            why="a baseline sum is positive",
            field="diameter",
        )
    nadir = baseline_mm if nadir_mm is None else min(nadir_mm, baseline_mm)
    growth = current_mm - nadir
    # the small allowance lets an exact 20 % or 30 % count in floating point
    if new_lesions or (growth >= PROGRESSIVE_MM - 1e-9 and growth >= PROGRESSIVE_INCREASE * nadir - 1e-9):
        return "PD"
    if current_mm == 0.0 and nodes_normal:
        return "CR"
    return "PR" if current_mm <= (1.0 - PARTIAL_DECREASE) * baseline_mm + 1e-9 else "SD"


def lesion_response(baseline_ml: float, current_ml: float) -> str:
    """Response of one lesion by its volume, through the sphere of that volume (RECIST bounds, 5 mm rule).

    Parameters
    ----------
    baseline_ml, current_ml
        Volumes of the lesion at the first visit and now [mL].

    Returns
    -------
    str
        As :func:`recist_response`.

    Raises
    ------
    InputError
        A baseline that is not positive, or a negative current volume.
    """
    if not baseline_ml > 0.0 or current_ml < 0.0:
        raise InputError(
            f"volumes of {baseline_ml:g} and {current_ml:g} mL",
            why="a baseline volume is positive",
            field="volume",
        )
    before, now = (float(sphere_diameter_mm(v)) for v in (baseline_ml, current_ml))
    return recist_response(before, now)


@dataclass(frozen=True)
class PairedRatio:
    """Geometric mean ratio between two visits over paired lesions (or patients).

    Attributes
    ----------
    ratio, low, high
        Geometric mean ratio and its confidence interval.
    n
        Pairs (or patients, when grouped) that entered.
    log_sd
        Standard deviation of the log ratios.
    p_two_sided
        P value of the paired t test on the log ratios (NaN below two pairs).
    left_out
        Pairs without a positive value at both visits (disappeared or new lesions).
    """

    ratio: float
    low: float
    high: float
    n: int
    log_sd: float
    p_two_sided: float
    left_out: int


def paired_ratio(
    before: object, after: object, groups: Sequence[object] | None = None, coverage: float = 0.95
) -> PairedRatio:
    """Paired comparison on the log scale.

    Parameters
    ----------
    before, after
        Values of the same lesions at two visits; NaN or 0 where the lesion is absent (left out, not counted
        as 0).
    groups
        Patient of each lesion: lesions of a patient are averaged first, so that they are not taken for
        independent observations.
    coverage
        Of the interval.

    Returns
    -------
    PairedRatio
        Geometric mean ratio after/before with its interval and p value; NaN where there are too few pairs.

    Raises
    ------
    InputError
        Different numbers of values before and after, or of groups.
    """
    a, b = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (before, after))
    if a.size != b.size or (groups is not None and len(groups) != a.size):
        raise InputError(f"{counted(a.size, 'value')} and {b.size}", why="a paired ratio needs pairs", field="paired")
    usable = (a > 0.0) & (b > 0.0) & np.isfinite(a) & np.isfinite(b)
    logs = np.log(b[usable] / a[usable])
    if groups is not None:
        labels = np.array([str(g) for g in groups])[usable]
        logs = np.array([logs[labels == name].mean() for name in np.unique(labels)])
    n, left_out = int(logs.size), int(np.count_nonzero(~usable))
    if n == 0:
        return PairedRatio(math.nan, math.nan, math.nan, 0, math.nan, math.nan, left_out)
    mean = float(logs.mean())
    if n == 1:
        return PairedRatio(math.exp(mean), math.nan, math.nan, 1, math.nan, math.nan, left_out)
    sd = float(logs.std(ddof=1))
    error = sd / math.sqrt(n)
    reach = float(stdtrit(n - 1, 0.5 + 0.5 * coverage)) * error
    p = 1.0 if error == 0.0 and mean == 0.0 else 0.0
    if error > 0.0:
        p = 2.0 * float(stdtr(n - 1, -abs(mean) / error))
    return PairedRatio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), n, sd, p, left_out)


@dataclass(frozen=True)
class VisitValues:
    """Values that decide about re-induction: one lesion at one visit.

    Attributes
    ----------
    lesion
        Its name, the same at both visits.
    uptake_percent, uptake_percent_per_g
        Total uptake [%] and concentration [%/g] of the administered activity, decay corrected, at the same time after
        administration.
    ldpa_gy_per_gbq
        Predicted absorbed dose per administered activity [Gy/GBq].
    uptake_relative, ldpa_relative
        Random relative standard uncertainties of uptake and LDpA (systematic parts cancel on one scanner).
    """

    lesion: str
    uptake_percent: float
    uptake_percent_per_g: float
    ldpa_gy_per_gbq: float
    uptake_relative: float = 0.15
    ldpa_relative: float = 0.15


@dataclass(frozen=True)
class Reinduction:
    """Verdict on one lesion: ratios with one-sided lower bounds, and what they mean together.

    Attributes
    ----------
    verdict
        ``"re-induced"``, ``"concentrated by shrinkage"``, ``"not re-induced"`` or ``"not assessable"``.
    ratio_per_g, ratio_ldpa, ratio_total
        Later over earlier visit.
    low_per_g, low_ldpa, low_total
        One-sided lower confidence bounds.
    """

    lesion: str
    verdict: str
    ratio_per_g: float = math.nan
    ratio_ldpa: float = math.nan
    ratio_total: float = math.nan
    low_per_g: float = math.nan
    low_ldpa: float = math.nan
    low_total: float = math.nan


def reinduction(
    before: Sequence[VisitValues],
    after: Sequence[VisitValues],
    *,
    alpha: float = 0.05,
    biological_sigma: float = BIOLOGICAL_SIGMA,
) -> list[Reinduction]:
    """Judge whether uptake was re-induced, lesion by lesion, at one error level for the whole patient.

    A lesion is re-induced only when %IA/g AND LDpA AND the total uptake rose beyond measurement and
    visit-to-visit scatter. At constant total uptake, shrinkage raises both %IA/g and LDpA (threefold at a
    partial response): that is reported as ``"concentrated by shrinkage"`` and never as re-induction.

    Parameters
    ----------
    before, after
        The lesions at two visits, matched by name; a lesion in one visit only is ``"not assessable"``.
    alpha
        Chance of a false re-induction in a patient without effect; shared out over the lesions (Bonferroni).
    biological_sigma
        Standard deviation of ln(uptake) between visits without effect, added to the measurement.
    """
    later = {values.lesion: values for values in after}
    earlier = {values.lesion: values for values in before}
    both = [name for name in earlier if name in later]
    z = -float(ndtri(alpha / max(len(both), 1)))
    verdicts = []
    for name in [*earlier, *(n for n in later if n not in earlier)]:
        if name not in earlier or name not in later:
            verdicts.append(Reinduction(name, "not assessable"))
            continue
        a, b = earlier[name], later[name]
        pairs = [
            (a.uptake_percent_per_g, b.uptake_percent_per_g),
            (a.ldpa_gy_per_gbq, b.ldpa_gy_per_gbq),
            (a.uptake_percent, b.uptake_percent),
        ]
        if any(not (x > 0.0 and y > 0.0) for x, y in pairs):
            verdicts.append(Reinduction(name, "not assessable"))
            continue
        uptake = math.hypot(math.hypot(a.uptake_relative, b.uptake_relative), biological_sigma)
        ldpa = math.hypot(math.hypot(a.ldpa_relative, b.ldpa_relative), biological_sigma)
        ratios = [y / x for x, y in pairs]
        lows = [r * math.exp(-z * s) for r, s in zip(ratios, (uptake, ldpa, uptake), strict=True)]
        if lows[0] > 1.0 and lows[1] > 1.0:
            verdict = "re-induced" if lows[2] > 1.0 else "concentrated by shrinkage"
        else:
            verdict = "not re-induced"
        verdicts.append(Reinduction(name, verdict, *ratios, *lows))
    return verdicts
