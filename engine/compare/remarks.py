"""What a comparison is of, and what limits it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..lesions.record import TARGET
from ..notes import NOTE, weight_of
from ..statistics import MINIMUM_BATCHES, NO_SIGMA
from .estimates import FEW_DECAYS
from .methods import COMPARED, FILE, VisitDose
from .regions import Region
from .rows import MethodRegion
from .runs import StoredTherapy, StoredVisit


@dataclass(frozen=True)
class Head:
    """What doses of a visit are of.

    Parameters
    ----------
    patient, nuclide
        Patient, and the nuclide of the therapy.
    activity_gbq
        Administered activity that doses are for [GBq].
    threshold_gy
        Threshold of the lesions [Gy]; None where nothing is judged.
    """

    patient: str
    nuclide: str
    activity_gbq: float
    threshold_gy: float | None


def head_of(visit: StoredVisit) -> Head:
    """What the doses of a visit are of.

    Parameters
    ----------
    visit
        The visit.
    """
    lesions, case = visit.result.lesions, visit.case
    judged = [lesion.threshold_gy for lesion in lesions if lesion.judged]
    nuclides = [str(lesion.kinetics["therapy"]) for lesion in lesions if lesion.kinetics.get("therapy")]
    activity = lesions[0].therapy_activity_gbq if lesions else math.nan
    if case is not None:
        nuclides.append(case.therapy.nuclide)
        activity = activity if math.isfinite(activity) else case.therapy.activity_mbq / 1e3
    patient = lesions[0].patient if lesions else (case.patient if case is not None else "")
    return Head(patient, nuclides[0] if nuclides else "", activity, judged[0] if judged else None)


def therapy_remarks(therapy: StoredTherapy) -> tuple[str, ...]:
    """What a therapy lacks.

    Parameters
    ----------
    therapy
        A therapy of a run.
    """
    if not therapy.missing:
        return ()
    return (
        f"Not compared, because the run has no result of {'it' if len(therapy.missing) == 1 else 'them'}: "
        f"{', '.join(therapy.missing)}.",
    )


def method_remarks(visit: StoredVisit, methods: Mapping[str, VisitDose]) -> tuple[str, ...]:
    """What a reader must know of the methods of a visit, foreign maps among them.

    Parameters
    ----------
    visit
        The visit.
    methods
        Their doses, by name.

    Returns
    -------
    tuple of str
        Their notes that are cautions.
    """
    return tuple(
        f"{visit.name}, {one.label}: {note.rstrip('.')}."
        for one in methods.values()
        for note in one.notes
        if weight_of(note) != NOTE
    )


def visit_remarks(
    visit: StoredVisit, reference: VisitDose, regions: Sequence[Region], values: Sequence[MethodRegion]
) -> tuple[str, ...]:
    """What limits the comparison of a visit.

    Parameters
    ----------
    visit
        The visit.
    reference
        The dose that the others are compared with.
    regions
        The regions.
    values
        Every region by the reference.

    Returns
    -------
    tuple of str
        One sentence each.
    """
    texts = []
    if not visit.result.complete:
        texts.append(f"the run was stopped early ({visit.result.stopped}); its noise is larger than was asked for.")
    tally = reference.dose.tally
    if not reference.exact and (tally is None or tally.n_batches < MINIMUM_BATCHES):
        few = "none are known" if tally is None else f"there are only {tally.n_batches}"
        texts.append(f"no interval can be stated, since {NO_SIGMA} and {few}.")
    if reference.name == "mc" and reference.origin == COMPARED:
        texts.append("the run has no Monte Carlo dose; it was simulated for this comparison.")
    if reference.origin == FILE or (reference.name != "mc" and reference.exact):
        texts.append(f"the reference is {reference.label}, whose own errors are not part of any interval.")
    if not reference.exact and reference.batches is not None and not _finite_body(reference, regions):
        texts.append("the body has no interval: the run did not score it batch by batch.")
    sparse = [region.name for region, one in zip(regions, values, strict=True) if region.role == TARGET and _few(one)]
    if sparse:
        texts.append(
            f"a batch of the simulation has fewer than {FEW_DECAYS:g} decays on average in {', '.join(sparse)}, "
            "too few for an interval; simulate more decays."
        )
    bounds = [region.name for region in regions if region.role == TARGET and region.record and region.record.bounds]
    judged = any(region.record and region.record.judged for region in regions)
    if bounds:
        side = ", and the side of the threshold is that of the bound" if judged else ""
        texts.append(f"the dose of {', '.join(bounds)} is only a bound (lesions.csv says why): the bias holds{side}.")
    if not judged:
        texts.append("nothing is judged in this run, so no lesion is held against a threshold.")
    return tuple(f"{visit.name}: {text}" for text in texts)


def _few(one: MethodRegion) -> bool:
    """Whether a mean rests on too few decays for an interval."""
    mean = one.mean
    return mean is not None and math.isfinite(mean.plain.standard_error) and math.isnan(mean.best.standard_error)


def _finite_body(reference: VisitDose, regions: Sequence[Region]) -> bool:
    assert reference.batches is not None
    return all(math.isfinite(float(reference.batches[:, i].sum())) for i in range(len(regions)))
