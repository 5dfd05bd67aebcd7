"""What a report shows, put together: from a run that has just ended, or from the folder that a run left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..case.file import parse_yaml
from ..case.model import Case, Visit
from ..dose.methods import METHODS
from ..errors import InputError
from ..lesions.judge import judge_lesions
from ..lesions.record import LesionDose
from ..lesions.verdict import MAXIMUM, Tolerance
from ..nuclides.decay import nuclide
from ..pipeline.emission import decay_of
from ..report.input import CaseSummary, ChecklistItem, ReportInput, ScanNames
from ..results.result import Result
from .clinic import read_alignment_picture, read_patient
from .tables import read_lesions_json

if TYPE_CHECKING:
    from ..pipeline.outcome import Outcome, VisitOutcome

log = logging.getLogger(__name__)


def from_outcome(outcome: Outcome, visit: VisitOutcome, alignment_png: bytes = b"") -> ReportInput:
    """The report of one visit of a run, with the numbers as its files hold them.

    Parameters
    ----------
    outcome
        The run, for its case and patient record.
    visit
        One of its visits.
    alignment_png
        Picture of the registered CTs.
    """
    case = outcome.case
    lesions = [LesionDose.from_dict(lesion.to_dict()) for lesion in visit.lesions]
    names = case.to_dict(names_only=True)
    return report_input(visit.result, lesions, outcome.clinic, case=case, names=names, alignment_png=alignment_png)


def from_folder(folder: Path) -> ReportInput:
    """The report of one visit, from its result file, lesion records, patient record and picture.

    Raises
    ------
    InputError
        One of these files is missing or cannot be read.
    """
    result = Result.load(folder / "result.h5")
    case, names = _stored_case(result.case_yaml, folder / "result.h5")
    return report_input(
        result,
        read_lesions_json(folder / "lesions.json"),
        read_patient(folder),
        case=case,
        names=names,
        alignment_png=read_alignment_picture(folder),
    )


def report_input(
    result: Result,
    lesions: Sequence[LesionDose],
    patient: Mapping[str, Any],
    *,
    case: Case | None = None,
    names: Mapping[str, Any] | None = None,
    alignment_png: bytes = b"",
) -> ReportInput:
    """The input of a report from its parts.

    Parameters
    ----------
    result
        Of the visit.
    lesions
        Its records, as read from or written to lesions.json.
    patient
        Content of patient.json; may be empty.
    case
        The case, when it is known.
    names
        The same as `Case.to_dict` with names instead of paths.
    alignment_png
        Picture of the registered CTs, a PNG file.
    """
    visit = lesions[0].visit if lesions else ""
    record: Mapping[str, Any] = next((v for v in patient.get("visits") or () if v and v.get("visit") == visit), {})
    therapies = {str(lesion.kinetics["therapy"]) for lesion in lesions if lesion.kinetics.get("therapy")}
    return ReportInput(
        result=result,
        lesions=tuple(lesions),
        judgement=judge_lesions(lesions, *_asked(record)),
        patient=lesions[0].patient if lesions else (case.patient if case else ""),
        visit=visit,
        case=None if case is None else case_summary(case, visit, names or case.to_dict(names_only=True)),
        case_text=result.case_yaml,
        method_labels={name: method.label for name, method in METHODS.items()},
        half_lives_h={name: nuclide(name).half_life_h for name in sorted(therapies)},
        threshold_gy=next((lesion.threshold_gy for lesion in lesions if lesion.judged), None),
        clinic=record,
        follow_up=patient.get("follow_up") or {},
        checklist=tuple(
            ChecklistItem(row["section"], row["item"], row["value"]) for row in record.get("reporting") or ()
        ),
        alignment_png=alignment_png,
    )


def _asked(record: Mapping[str, Any]) -> tuple[dict[str, float], Tolerance | None]:
    """Further activities by name [GBq], and the maximum tolerable one, that the run was judged at."""
    eligibility = record.get("eligibility") or {}
    at = eligibility.get("at") or [{}]
    further = {one["name"]: one["activity_gbq"] for one in at[1:] if one["name"] != MAXIMUM}
    maximum = eligibility.get("maximum_gbq")
    rule = at[0].get("limiting_rule") or (record.get("blood") or {}).get("limiting_rule") or ""
    return further, None if maximum is None else Tolerance(maximum, rule)


def case_summary(case: Case, visit: str, names: Mapping[str, Any]) -> CaseSummary:
    """The main inputs of a case for one visit.

    Parameters
    ----------
    case
        The case; its paths are not used.
    visit
        Name of the visit; the images of every visit are listed without one.
    names
        The same as `Case.to_dict` with names instead of paths.
    """
    chosen = [(one, named) for one, named in zip(case.visits, names["visits"], strict=True) if visit in ("", one.name)]
    own: Visit | None = chosen[0][0] if len(chosen) == 1 else None
    recovery, stated = case.recovery, names.get("recovery") or {}
    return CaseSummary(
        therapy_nuclide=case.therapy.nuclide,
        therapy_planned=case.judged,
        progeny=decay_of(case).fact,
        therapy_activity_mbq=case.therapy.activity_mbq,
        tracer_nuclide=case.tracer.nuclide,
        tracer_activity_mbq=(own and own.activity_mbq) or case.tracer.activity_mbq,
        administered=(own and own.administered) or case.tracer.administered,
        threshold_gy=case.threshold_gy,
        weight_kg=(own and own.weight_kg) or case.weight_kg,
        height_cm=case.height_cm,
        sex=case.sex,
        alpha_beta_gy=case.radiobiology.alpha_beta_gy,
        kinetic_model=case.kinetics.model,
        recovery_fwhm_mm=recovery.fwhm_mm if recovery else None,
        recovery_fwhm_uncertainty_mm=recovery.fwhm_sigma_mm if recovery else None,
        recovery_curve=stated.get("curve"),
        uncertainties={name: value for name, value in case.uncertainty if value is not None},
        tissue_calibration=(names.get("tissue") or {}).get("calibration"),
        grid=case.transport.grid,
        electron_cutoff_mev=case.transport.electron_cutoff_mev,
        photon_cutoff_mev=case.transport.photon_cutoff_mev,
        until=None if case.transport.until is None else str(case.transport.until),
        scans=tuple(
            ScanNames(scan.after_h, named["pet"], named["ct"])
            for one, listed in chosen
            for scan, named in zip(one.scans, listed["scans"], strict=True)
        ),
        lesion_files=tuple(name for _, listed in chosen for name in _several(listed["lesions"])),
    )


def _several(names: Any) -> tuple[str, ...]:
    """Names of the lesion files: a file, a block with one, or a list of either."""
    listed = names if isinstance(names, list) else [names]
    return tuple(one["file"] if isinstance(one, dict) else one for one in listed)


def _stored_case(text: str, file: Path) -> tuple[Case | None, dict[str, Any]]:
    """The case that a result holds, and the same as plain data; None where there is none that can be read."""
    if not text:
        return None, {}
    names: dict[str, Any] = {}
    try:
        names, _ = parse_yaml(text, file)
        return Case.from_dict(names, check_files=False, file=file), names
    except InputError as error:
        log.warning("the report leaves out the main inputs: the case in %s is of another version (%s)", file, error)
        return None, names
