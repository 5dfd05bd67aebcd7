"""The rows of a comparison: every region of a visit by every method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..lesions.record import ORGAN, TARGET
from ..pipeline.lesion_histogram import noise_corrected_dvh
from ..statistics import MINIMUM_BATCHES
from .bias import Estimate, bias_of, metric_bias
from .estimates import Mean, estimates
from .methods import FILE, RUN, VisitDose
from .record import MethodDose, RegionComparison
from .regions import WEIGHT_ONE, Region
from .rule import Question, judge, not_covered, side_sentence
from .runs import StoredVisit
from .sides import activity_at, changes_side, disagreement

Ends = tuple[float, float, float]


@dataclass(frozen=True)
class Asked:
    """What a comparison is asked for.

    Parameters
    ----------
    reference
        Name of the reference method.
    tolerance_percent
        Largest bias that the rule accepts [%].
    activity_gbq
        The therapy activity [GBq].
    """

    reference: str
    tolerance_percent: float
    activity_gbq: float


@dataclass(frozen=True)
class MethodRegion:
    """One region by one method, before it is compared.

    Parameters
    ----------
    covered
        Share of its volume that has a dose, from 0 to 1.
    mean
        The mean with its statistics; None where the method does not cover the region.
    d95_gy, d50_gy, v20gy_percent
        Of the dose map [Gy], [%]; None where they may not be stated.
    corrected
        ``"D95"``, ``"D50"`` [Gy] and ``"V20"`` [%] corrected for noise: value, low and high end. Empty without.
    histogram
        The noise-corrected histogram with its bands, as plain data; empty without.
    """

    covered: float
    mean: Mean | None
    d95_gy: float | None
    d50_gy: float | None
    v20gy_percent: float | None
    corrected: Mapping[str, Ends] = field(default_factory=dict)
    histogram: Mapping[str, Any] = field(default_factory=dict)

    def metric(self, name: str, plain: float | None, exact: bool) -> Ends | None:
        """A metric with its interval, corrected for noise where that is known; None where it may not be stated.

        Parameters
        ----------
        name
            ``"D95"``, ``"D50"`` or ``"V20"``.
        plain
            The value of the map.
        exact
            Whether the method has no noise.
        """
        if plain is None:
            return None
        if name in self.corrected:
            return self.corrected[name]
        return (plain, plain, plain) if exact else (plain, math.nan, math.nan)


def method_regions(visit: StoredVisit, regions: Sequence[Region], one: VisitDose) -> list[MethodRegion]:
    """Every region of a visit by one method.

    Parameters
    ----------
    visit
        The visit.
    regions
        Its regions.
    one
        The dose of the method.

    Returns
    -------
    list of MethodRegion
        In the order of the regions.
    """
    means = [region.mean_gy(one.name, one.dose, of_run=one.origin == RUN) for region in regions]
    out = []
    for region, mean in zip(regions, estimates(visit.problem, one, regions, means), strict=True):
        metrics = region.metrics(one.dose)
        # not of the body, whose voxels of next to no dose are all noise
        noisy = not one.exact and metrics[0] is not None
        histogram = _corrected(region, one, mean.plain) if noisy and mean is not None else {}
        ends = {name: tuple(values) for name, values in histogram.get("metrics", {}).items()}
        if metrics[2] is None:
            ends.pop("V20", None)
        out.append(MethodRegion(region.covered(one.dose), mean, *metrics, ends, histogram))
    return out


def as_copies(
    copies: Sequence[MethodRegion], originals: Sequence[MethodRegion], copied: Sequence[bool]
) -> list[MethodRegion]:
    """Regions by a foreign map: where it is the very map of a method, it has the method's own means.

    Parameters
    ----------
    copies, originals
        Every region by the map, and by the method.
    copied
        In which regions the two maps are the same.
    """
    out = []
    for copy, original, same in zip(copies, originals, copied, strict=True):
        if same and copy.mean is not None and original.mean is not None:
            best = replace(original.mean.best, standard_error=0.0, degrees=math.inf)
            copy = replace(copy, mean=replace(copy.mean, best=best))
        out.append(copy)
    return out


def _corrected(region: Region, one: VisitDose, mean: Estimate) -> dict[str, Any]:
    """The noise-corrected histogram of a region: the record's own where it is of this map."""
    record, tally = region.record, one.dose.tally
    if record is not None and one.origin == RUN and record.method == one.name and record.noise_corrected_dvh:
        return dict(record.noise_corrected_dvh)
    if tally is None or tally.n_batches < MINIMUM_BATCHES:
        return {}
    fraction = region.weight.astype(np.float64) / WEIGHT_ONE
    recovery = 1.0 if record is None else record.recovery_dose_factor
    return dict(noise_corrected_dvh(one.dose, fraction, tally.n_batches, mean.standard_error / recovery, 20.0))


def region_rows(
    visit: StoredVisit,
    regions: Sequence[Region],
    doses: Mapping[str, VisitDose],
    values: Mapping[str, Sequence[MethodRegion]],
    asked: Asked,
) -> list[RegionComparison]:
    """The rows of a visit.

    Parameters
    ----------
    visit
        The visit.
    regions
        Its regions.
    doses, values
        By method: the dose, and every region by it.
    asked
        Reference, tolerance and activity.

    Returns
    -------
    list of RegionComparison
        In the order of the regions.
    """
    rows = []
    for number, region in enumerate(regions):
        reference = values[asked.reference][number]
        by_method = {
            name: _method_dose(region, one, values[name][number], doses[asked.reference], reference, asked)
            for name, one in doses.items()
        }
        rows.append(
            RegionComparison(
                visit.name, region.name, region.role, region.volume_ml, region.mass_g, by_method, region.threshold_gy
            )
        )
    return rows


def _method_dose(
    region: Region, one: VisitDose, mine: MethodRegion, other: VisitDose, reference: MethodRegion, asked: Asked
) -> MethodDose:
    """One region by one method, against the reference."""
    if mine.mean is None:
        text = not_covered(one.label, mine.covered, region.role) if region.role in (TARGET, ORGAN) else ""
        return MethodDose(None, covered_percent=100.0 * mine.covered, sentence=text)
    best, threshold = mine.mean.best, region.threshold_gy
    activity = None if threshold is None else activity_at(threshold, best.value, asked.activity_gbq)
    corrected = [mine.corrected.get(name, (None,))[0] for name in ("D95", "D50", "V20")]
    dose: dict[str, Any] = {
        "mean_gy": mine.mean.plain.value,
        "mean_standard_error_gy": _standard_error(region, one, mine.mean.plain),
        "d95_gy": mine.d95_gy,
        "d50_gy": mine.d50_gy,
        "v20gy_percent": mine.v20gy_percent,
        "d95_noise_corrected_gy": corrected[0],
        "d50_noise_corrected_gy": corrected[1],
        "v20gy_noise_corrected_percent": corrected[2],
        "activity_at_threshold_gbq": activity,
        "above": None if threshold is None else best.value >= threshold,
        "figure_of_merit_per_s": _merit(best, one),
        "covered_percent": 100.0 * mine.covered,
    }
    if best.paired:
        dose["mean_without_decay_noise_gy"] = best.value
        dose["mean_without_decay_noise_standard_error_gy"] = None if one.exact else best.standard_error
    if one.name == other.name:
        return MethodDose(**dose)
    if reference.mean is None:
        text = not_covered(other.label, reference.covered, region.role) if region.role in (TARGET, ORGAN) else ""
        return MethodDose(**dose, sentence=text)
    return MethodDose(**dose, **_against(region, (one, mine.mean), (other, reference.mean), asked, activity),
                      **_metrics(one, mine, other, reference))  # fmt: skip


def _against(
    region: Region, method: tuple[VisitDose, Mean], reference: tuple[VisitDose, Mean], asked: Asked,
    activity: float | None,
) -> dict[str, Any]:  # fmt: skip
    """What is said of a method's mean against that of the reference."""
    (one, mine), (other, theirs) = method, reference
    threshold = region.threshold_gy
    dose: dict[str, Any] = {"bias": bias_of(mine.best, theirs.best)}
    if threshold is not None:
        of_reference = activity_at(threshold, theirs.best.value, asked.activity_gbq)
        stated = (mine.plain.value, theirs.plain.value)
        dose["changes_side"] = changes_side(mine.best, theirs.best, stated, threshold)
        dose["changes_side_between_gbq"] = disagreement(activity, of_reference)
    question = Question(
        label=one.label,
        reference_label=other.label,
        bias=dose["bias"],
        method=mine.best,
        reference=theirs.best,
        changes_side=dose.get("changes_side"),
        above=None if threshold is None else mine.best.value >= threshold,
        threshold_gy=threshold,
        tolerance_percent=asked.tolerance_percent,
        decays=max(one.decays, other.decays),
    )
    if region.role == TARGET:
        answer = judge(question)
        dose |= {"use": answer.use, "sentence": answer.sentence, "decays_needed": answer.decays_needed}
    elif region.role == ORGAN and threshold is not None:
        dose["sentence"] = side_sentence(question, region.name)
    return dose


def _metrics(one: VisitDose, mine: MethodRegion, other: VisitDose, reference: MethodRegion) -> dict[str, Any]:
    """Biases of D95 and D50, and the difference of V20Gy.

    The noise of a foreign map is not known: it is compared with the reference's map as it is, noise and all.
    """
    if FILE in (one.origin, other.origin):
        mine, reference = replace(mine, corrected={}), replace(reference, corrected={})
    out: dict[str, Any] = {}
    for key, name, value, of in (
        ("d95_bias", "D95", mine.d95_gy, reference.d95_gy),
        ("d50_bias", "D50", mine.d50_gy, reference.d50_gy),
    ):
        pair = mine.metric(name, value, one.exact), reference.metric(name, of, other.exact)
        if pair[0] is not None and pair[1] is not None:
            out[key] = metric_bias(pair[0], pair[1])
    volumes = (
        mine.metric("V20", mine.v20gy_percent, one.exact),
        reference.metric("V20", reference.v20gy_percent, other.exact),
    )
    if volumes[0] is not None and volumes[1] is not None:
        out["v20gy_difference_percent"] = volumes[0][0] - volumes[1][0]
    return out


def _standard_error(region: Region, one: VisitDose, mean: Estimate) -> float | None:
    """Statistical standard error of the stated mean [Gy]: the record's own where it is of this map."""
    if one.exact:
        return None
    record = region.record
    if record is not None and one.origin == RUN and record.method == one.name:
        error = record.dose_mc_standard_error_gy
    else:
        error = mean.standard_error
    return error if math.isfinite(error) else None


def _merit(mean: Estimate, one: VisitDose) -> float | None:
    """1/(relative variance of the mean times seconds) [1/s]."""
    if one.exact or not one.seconds or not mean.standard_error > 0.0 or not mean.value > 0.0:
        return None
    return (mean.value / mean.standard_error) ** 2 / one.seconds
