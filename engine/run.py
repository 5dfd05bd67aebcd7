"""The main job: a case in, dose, lesions and verdicts out."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from .case.changes import with_changes
from .case.model import Case, Visit
from .dose.methods import main_method
from .errors import InputError, StoppedEarly
from .export.clinic import patient_record
from .export.folder import check_output_folder, replace_folder, result_files, write_outcome
from .imaging.source import Sources
from .log_lines import LogFile, PlainFormatter
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
from .results.checkpoint import EVERY_S, CheckpointFile, RunCheckpoints, say_left
from .results.earlier import earlier_result, say_what_begins
from .results.identity import RunIdentity
from .results.provenance import code_commit, code_version
from .results.result import Result
from .text import counted
from .until import Until
from .work_folder import working
from .written import saved_elsewhere

log = logging.getLogger(__name__)

#: Results of transports by visit, of the case of one therapy.
Transported = Callable[[Case], Mapping[str, Result]]


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
    checkpoint_s: float | None = EVERY_S,
    transported: Transported | None = None,
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
        Resume from what a run of this case that ended early left: results in ``out``, checkpoints beside it, of each
        visit whichever is further. It gives bit-identical results to an uninterrupted run. Where there is nothing yet
        the run starts from the beginning.
    checkpoint_s
        Shortest time between two checkpoints of the transport [s], in the folder ``.NAME.work`` beside ``out``; None
        saves none.
    transported
        Called with the case of each therapy; returns what was simulated elsewhere, by visit, as ``resume`` takes it up:
        nothing is simulated here of a visit whose decays are all there, whatever device they were simulated on.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        Input that cannot be used, an output that another command works on; nothing is written then.
    SavedElsewhere
        The output folder did not take the results; they are in another one.
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
        return _run_therapies(case, progress, stop, transported=transported)

    target = Path(out)
    outcome: Outcome | None = None
    check_output_folder(target)
    try:
        with working(target, "runs a case into this folder") as work:
            checkpoints = RunCheckpoints(work, checkpoint_s, resume=resume)
            if not resume:
                say_left(checkpoints.left)
            with replace_folder(target) as part:
                if resume and (target / "log.txt").exists():
                    shutil.copyfile(target / "log.txt", part / "log.txt")
                with _log_file(part / "log.txt"):
                    outcome = _run_therapies(case, progress, stop, target if resume else None, checkpoints, transported)
                    if resume and outcome.incomplete:
                        _keep_what_was_not_reached(outcome, target, checkpoints)
                    if progress is not None:
                        progress(1.0, "writing results and report")
                    write_outcome(outcome, part, target)
                    log.info("done in %.1f s", outcome.wall_time_s)
                outcome.folder = target
            _remove_what_is_saved(outcome, checkpoints)
    except OSError as error:
        if outcome is None or isinstance(error, BrokenPipeError):
            raise
        raise saved_elsewhere(partial(_write_folder, outcome), target, error) from error
    return outcome


def _write_folder(outcome: Outcome, folder: Path) -> None:
    """Write a run into a folder that nobody else knows of yet."""
    folder.mkdir()
    write_outcome(outcome, folder, folder)


def _treatments(case: Case) -> list[Case]:
    """The case, and as which further cases its scans are used."""
    return [case, *(case.for_therapy(therapy) for therapy in case.further_therapies)]


def _result_files(case: Case, folder: Path, therapy: int) -> list[Path]:
    """Where the results of a treatment's visits are, in the folder of the whole run."""
    further = "" if therapy == 0 else case.therapy.nuclide
    return result_files(folder, [visit.name for visit in case.visits], further)


def _earlier(case: Case, folder: Path, therapy: int, checkpoints: RunCheckpoints | None) -> dict[str, Result]:
    """Results of a stopped run, by visit."""
    main, results = main_method(case.methods).name, {}
    for number, file in enumerate(_result_files(case, folder, therapy)):
        checkpoint = None if checkpoints is None else checkpoints.file(therapy, number, main)
        results[case.visits[number].name] = earlier_result(file, checkpoint)
    return {name: result for name, result in results.items() if result is not None}


def _parts(cases: list[Case], folder: Path, checkpoints: RunCheckpoints) -> dict[str, tuple[Path, CheckpointFile]]:
    """Where a run puts result and checkpoint of each visit, by its name and, of several, the therapy."""
    parts = {}
    for therapy, case in enumerate(cases):
        label, main = f"{case.therapy.nuclide}, " if len(cases) > 1 else "", main_method(case.methods).name
        for number, file in enumerate(_result_files(case, folder, therapy)):
            parts[label + case.visits[number].name] = file, checkpoints.file(therapy, number, main)
    return parts


def _remove_what_is_saved(outcome: Outcome, checkpoints: RunCheckpoints) -> None:
    """Remove the checkpoints whose sums are in results now: all, unless the run ended early."""
    if not outcome.incomplete:
        checkpoints.remove()
        return
    for therapy, treated in enumerate((outcome, *outcome.further)):
        for visit in range(len(treated.visits)):
            checkpoints.file(therapy, visit, main_method(treated.case.methods).name).remove()


def _keep_what_was_not_reached(outcome: Outcome, folder: Path, checkpoints: RunCheckpoints) -> None:
    """Keep, as checkpoints, what earlier results hold of visits that a resumed run has not come to."""
    reached = {
        (therapy, visit)
        for therapy, treated in enumerate((outcome, *outcome.further))
        for visit in range(len(treated.visits))
    }
    for therapy, case in enumerate(_treatments(outcome.case)):
        main = main_method(case.methods).name
        for visit, file in enumerate(_result_files(case, folder, therapy)):
            checkpoint = checkpoints.file(therapy, visit, main)
            if (therapy, visit) in reached or checkpoint.files or not file.exists():
                continue
            with contextlib.suppress(InputError, OSError):
                result = Result.load(file)
                if result.tally is not None:
                    checkpoint.save(RunIdentity.of(result.provenance), result.tally)


def _run_therapies(
    case: Case,
    progress: Progress | None,
    stop: Stop | None,
    earlier: Path | None = None,
    checkpoints: RunCheckpoints | None = None,
    transported: Transported | None = None,
) -> Outcome:
    """The case's therapy, then the further ones from the same scans; ``earlier`` is the folder of a stopped run."""
    if transported is None:
        check_backend_of(case)
    cases = _treatments(case)
    outcomes: list[Outcome] = []
    left = False
    if earlier is not None and checkpoints is not None:
        say_what_begins(_parts(cases, earlier, checkpoints))
    for number, treated in enumerate(cases):
        if outcomes and outcomes[-1].incomplete:
            outcomes[0].incomplete = True
            break

        def tell(fraction: float, text: str, number: int = number, name: str = treated.therapy.nuclide) -> None:
            if progress is not None:
                label = f"{name}, " if len(cases) > 1 else ""
                progress((number + fraction) / len(cases), label + text)

        if transported is not None:
            results: Mapping[str, Result] = transported(treated)
        else:
            results = {} if earlier is None else _earlier(treated, earlier, number, checkpoints)
        files = None if checkpoints is None else partial(checkpoints.file, number)
        outcomes.append(_run(treated, tell, stop, results, files))
        if earlier is not None:  # what was transported elsewhere is added up anew whenever it is asked for
            left |= not _all_was_there(outcomes[-1], results)
    if earlier is not None and not left:
        decays = min(visit.result.decays for outcome in outcomes for visit in outcome.visits)
        visit = "" if len(case.visits) == 1 else " a visit"
        log.warning("nothing was left to simulate: the earlier run has %s%s", counted(decays, "decay"), visit)
    first, *others = outcomes
    first.further = others
    first.incomplete |= any(other.incomplete for other in others)
    first.wall_time_s = sum(outcome.wall_time_s for outcome in outcomes)
    return first


def _all_was_there(outcome: Outcome, earlier: Mapping[str, Result]) -> bool:
    """Whether a run has added no decays and no method to the results that it resumed from."""
    pairs = [(visit.result, earlier.get(visit.name)) for visit in outcome.visits]
    return not outcome.incomplete and all(
        before is not None and before.tally is not None and result.tally is not None
        and result.decays == before.decays and result.doses.keys() == before.doses.keys()
        for result, before in pairs
    )  # fmt: skip


def _run(
    case: Case,
    progress: Progress | None,
    stop: Stop | None,
    earlier: Mapping[str, Result],
    checkpoints: Callable[[int, str], CheckpointFile] | None = None,
) -> Outcome:
    start = time.perf_counter()
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
        before = earlier.get(visit.name), None if checkpoints is None else partial(checkpoints, number)
        try:
            done = _run_visit(case, visit, sources[visit.name], tell, stop, before)
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
    case: Case,
    visit: Visit,
    sources: Sources,
    tell: Progress,
    stop: Stop | None,
    before: tuple[Result | None, Callable[[str], CheckpointFile] | None],
) -> VisitOutcome:
    tell(0.0, "reading images")
    blood, blood_notes = blood_of_visit(case, visit)
    images = read_visit(case, visit, sources)
    case = case.with_administered(images.tracer_activity_mbq)
    tell(0.02, "kinetics")
    activity = integrate(case, images)
    tell(0.04, "transport: preparing")
    result, mc_sigma = dose_of_visit(case, images, activity, lambda f, text: tell(0.05 + 0.9 * f, text), stop, *before)
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
    handler = LogFile(path)
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    remarks = LogFile(path)
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
