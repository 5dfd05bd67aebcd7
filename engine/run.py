"""The main job: a case in, dose, lesions and verdicts out."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from .case.changes import with_changes
from .case.model import Case, Visit
from .errors import StoppedEarly
from .export.clinic import patient_record
from .export.folder import check_output_folder, replace_folder, therapy_folder, visit_folder, write_outcome
from .imaging.source import Sources
from .log_lines import PlainFormatter
from .notes import NOTE, weight_of
from .pipeline.activity import integrate
from .pipeline.clinic.lesions import with_clinic
from .pipeline.clinic.therapy import blood_of_visit, judgement_of, visit_record
from .pipeline.dose import check_backend_of, dose_of_visit
from .pipeline.identity import open_sources
from .pipeline.lesion_records import lesion_records
from .pipeline.outcome import Outcome, VisitOutcome
from .pipeline.scans import read_visit
from .progress import Progress, Stop
from .results.earlier import earlier_result
from .results.provenance import code_commit, code_version
from .results.result import Result
from .until import Until

log = logging.getLogger(__name__)


def run(
    case: Case | str | os.PathLike[str],
    method: str | tuple[str, ...] | None = None,
    *,
    until: Until | str | None = None,
    decays: int | None = None,
    time_limit_s: float | None = None,
    seed: int | None = None,
    backend: str | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    resume: bool = False,
) -> Outcome:
    """Run a case.

    Parameters
    ----------
    case
        A case, or the path of a case file.
    method
        Names of dose methods (:data:`hevesy.engine.dose.methods.METHODS`: ``"mc"``, ``"local"``, ...), separated by
        commas or as a tuple; the case's own by default.
    until, decays, time_limit_s, seed, backend
        In place of the case's own transport values, the limit of time in seconds [s]; ``decays`` alone also lifts the
        case's ``until``.
    out
        Folder to write; nothing is written without one.
    progress
        Called with the fraction done (0 to 1) and a line of text.
    stop
        Asked after every batch of the transport; True ends the run with what it has, marked incomplete.
    resume
        Resume from the results that a stopped run of this case left in ``out``; it gives bit-identical results to
        an uninterrupted run. Where there are none yet the run starts from the beginning.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        Input that cannot be used; nothing is written then.
    StoppedEarly
        Stopped before there was anything to show; nothing is written then.
    """
    loaded = case if isinstance(case, Case) else Case.load(case)
    case = with_changes(
        loaded,
        method=method,
        until=until,
        decays=decays,
        time_limit_s=time_limit_s,
        seed=seed,
        backend=backend,
    )
    if out is None:
        return _run_therapies(case, progress, stop)

    target = Path(out)
    check_output_folder(target)
    with replace_folder(target) as part:
        if resume and (target / "log.txt").exists():
            shutil.copyfile(target / "log.txt", part / "log.txt")
        with _log_file(part / "log.txt"):
            outcome = _run_therapies(case, progress, stop, target if resume else None)
            if progress is not None:
                progress(1.0, "writing results and report")
            write_outcome(outcome, part, target)
            log.info("done in %.1f s", outcome.wall_time_s)
        outcome.folder = target
    return outcome


def _earlier(case: Case, out: Path) -> dict[str, Result]:
    """Results of a stopped run, by visit."""
    names = [visit.name for visit in case.visits]
    results = {name: earlier_result(visit_folder(out, names, name) / "result.h5") for name in names}
    return {name: result for name, result in results.items() if result is not None}


def _run_therapies(case: Case, progress: Progress | None, stop: Stop | None, earlier: Path | None = None) -> Outcome:
    """The case's therapy, then the further ones from the same scans; ``earlier`` is the folder of a stopped run."""
    cases = [case, *(case.for_therapy(therapy) for therapy in case.further_therapies)]
    outcomes: list[Outcome] = []
    for number, treated in enumerate(cases):
        if outcomes and outcomes[-1].incomplete:
            outcomes[0].incomplete = True
            break

        def tell(fraction: float, text: str, number: int = number, name: str = treated.therapy.nuclide) -> None:
            if progress is not None:
                label = f"{name}, " if len(cases) > 1 else ""
                progress((number + fraction) / len(cases), label + text)

        folder = earlier if earlier is None or number == 0 else earlier / therapy_folder(treated)
        outcomes.append(_run(treated, tell, stop, {} if folder is None else _earlier(treated, folder)))
    first, *others = outcomes
    first.further = others
    first.incomplete |= any(other.incomplete for other in others)
    first.wall_time_s = sum(outcome.wall_time_s for outcome in outcomes)
    return first


def _run(
    case: Case,
    progress: Progress | None,
    stop: Stop | None,
    earlier: dict[str, Result] | None = None,
) -> Outcome:
    start = time.perf_counter()
    check_backend_of(case)
    log.info("hevesy %s, commit %s", code_version(), code_commit() or "unknown")
    outcome = Outcome(case)
    sources = open_sources(case)
    for number, visit in enumerate(case.visits):
        first, share = number / len(case.visits), 1.0 / len(case.visits)

        def tell(fraction: float, text: str, first: float = first, share: float = share, name: str = visit.name):
            if progress is not None:
                label = f"{name}, " if len(case.visits) > 1 else ""
                progress(first + share * fraction, label + text)

        if stop is not None and stop():
            outcome.incomplete = True
            break
        try:
            done = _run_visit(case, visit, sources[visit.name], tell, stop, (earlier or {}).get(visit.name))
        except KeyboardInterrupt:
            outcome.incomplete = True
            break
        outcome.visits.append(done)
        outcome.incomplete |= not done.result.complete
    outcome.wall_time_s = time.perf_counter() - start
    if not outcome.visits:
        raise StoppedEarly("stopped; no batch of histories was complete, so there are no results")

    outcome.clinic = patient_record(case, outcome.visits)
    if outcome.incomplete and len(outcome.visits) < len(case.visits):
        log.warning("%d of %d visits were not run", len(case.visits) - len(outcome.visits), len(case.visits))
    return outcome


def _run_visit(
    case: Case, visit: Visit, sources: Sources, tell: Progress, stop: Stop | None, earlier: Result | None = None
) -> VisitOutcome:
    tell(0.0, "reading images")
    blood, blood_notes = blood_of_visit(case, visit)
    images = read_visit(case, visit, sources)
    case = case.with_administered(images.tracer_activity_mbq)
    tell(0.02, "kinetics")
    activity = integrate(case, images)
    tell(0.04, "transport: preparing")
    result, mc_sigma = dose_of_visit(case, images, activity, lambda f, text: tell(0.05 + 0.9 * f, text), stop, earlier)
    tell(0.97, "lesions")
    # what weighs more than an assumption is a warning, see `visit_record`
    assumptions = [text for text in (*images.assumptions, *activity.assumptions) if weight_of(text) == NOTE]
    result.assumptions = tuple(dict.fromkeys(assumptions))
    notes = [note for dose in result.doses.values() for note in dose.notes]
    result.assumptions += tuple(note for note in dict.fromkeys(notes) if note not in result.assumptions)
    result.assumptions += tuple(blood_notes)
    records = lesion_records(case, images, activity, result, mc_sigma)
    records = with_clinic(case, images, activity, result, records)
    judgement = judgement_of(case, records, blood)
    clinic = visit_record(case, images, activity, records, blood, judgement)
    result.critical = tuple(clinic["critical"])
    result.warnings = tuple(dict.fromkeys((*clinic["warnings"], *result.warnings)))
    result.lesions = records
    result.case_yaml = case.to_yaml(names_only=True)
    for text in result.warnings:
        log.info("%s: %s", weight_of(text), text)
    for text in result.assumptions:
        log.info("assumption: %s", text)
    for lesion in records:
        log.info("%s, %s: %.4g +- %.2g Gy", lesion.visit, lesion.lesion, lesion.dose_gy, lesion.dose_uncertainty_gy)
        for flag in lesion.flags:
            log.info("%s, %s: %s", lesion.visit, lesion.lesion, flag)
    if result.tally is not None:
        balance = result.balance
        log.info(
            "%d decays on %s (%s): emitted %.9g, deposited %.9g, escaped %.9g MeV per decay; residual %d",
            result.decays,
            result.backend,
            result.provenance.device,
            balance.emitted,
            balance.deposited,
            balance.escaped,
            balance.residual_quanta,
        )
    for text in clinic["eligibility"].get("sentences", ()) if case.judged else (clinic["dose_of_scan"],):
        log.info(text)
    overlays = {scan.name: scan.ct_hu for scan in images.scans[1:]}
    return VisitOutcome(visit.name, result, records, judgement, clinic, images.frame_of_reference, overlays)


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Log the messages of this run to a file: hevesy's own, and pydicom's remarks on the images."""
    logger = logging.getLogger(__package__.split(".")[0])
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    remarks = logging.FileHandler(path, encoding="utf-8")
    remarks.setFormatter(_WithoutValues("%(asctime)s %(levelname)s pydicom: %(message)s"))
    former = logger.level
    logger.addHandler(handler)
    reader = logging.getLogger("pydicom")
    reader.addHandler(remarks)
    logger.setLevel(min(former or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        reader.removeHandler(remarks)
        logger.setLevel(former)
        handler.close()
        remarks.close()


class _WithoutValues(PlainFormatter):
    """Removes quoted text: another library's message may quote a patient's name."""

    def format(self, record: logging.LogRecord) -> str:
        return re.sub(r"(['\"]).*\1", "'...'", super().format(record).splitlines()[0])
