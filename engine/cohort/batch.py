"""Running the cases of a trial on this machine: a failure does not stop the others, complete cases are not rerun."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...kernels.backends.machine import usable_cores
from ..case.changes import with_changes
from ..case.model import Case
from ..errors import HevesyError, InputError, StoppedEarly
from ..files import check_writable, read_json, write_json
from ..privacy import without_folders
from ..progress import Progress, Stop
from ..results.provenance import code_version
from ..run import run
from ..text import counted
from .cohort_file import CohortCase, Trial, folder_name

log = logging.getLogger(__name__)

#: Written into a case's folder when it is complete: a digest of its input. Without it the case is run again.
DONE_FILE = "batch.json"
DONE_FORMAT = "hevesy-batch-case"
DONE_VERSION = 1

#: How a case ended.
DONE, KEPT, FAILED, STOPPED = "done", "kept", "failed", "stopped"
EXECUTORS = ("local", "slurm", "dask")


@dataclass(frozen=True)
class CaseStatus:
    """How one case ended.

    Parameters
    ----------
    name, arm
        The case.
    folder
        Where its results are.
    state
        ``"done"``, ``"kept"`` (complete from an earlier batch), ``"failed"`` or ``"stopped"``.
    message, told
        Why it failed, for the terminal; and for files that leave this machine, without folders.
    wall_time_s
        Of this run, or of the one that was kept [s].
    """

    name: str
    arm: str
    folder: Path
    state: str
    message: str = ""
    wall_time_s: float = 0.0
    told: str = ""


@dataclass
class Batch:
    """What a batch did.

    Parameters
    ----------
    out
        Folder of the batch.
    cases
        How each case ended, in the trial's order.
    """

    out: Path
    cases: list[CaseStatus] = field(default_factory=list)

    def of(self, *states: str) -> list[CaseStatus]:
        """The cases that ended so."""
        return [status for status in self.cases if status.state in states]

    @property
    def complete(self) -> list[CaseStatus]:
        """Cases with results."""
        return self.of(DONE, KEPT)


def check_executor(name: str) -> None:
    """Refuse an executor that is not there.

    Parameters
    ----------
    name
        As given on the command line.

    Raises
    ------
    InputError
        Always for anything but ``"local"``.
    """
    if name == "local":
        return
    if name in EXECUTORS:
        raise InputError(
            f"the executor '{name}' is not available yet",
            why="this version runs batches on this machine only; clusters follow in a later one",
            suggestion="--executor local; or one `hevesy run` per job, and then `hevesy batch --executor local` with "
            "the same --out, which skips complete cases",
            field="--executor",
        )
    raise InputError(
        f"unknown executor '{name}'",
        why="known executors are " + ", ".join(EXECUTORS),
        suggestion="--executor local",
        field="--executor",
    )


def run_batch(
    trial: Trial,
    out: Path,
    *,
    changes: dict[str, Any] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Batch:
    """Run every case that is not complete yet.

    Parameters
    ----------
    trial
        The cases.
    out
        Folder of the batch; each case gets one in it.
    changes
        Methods and transport values in place of the cases' own, as for :func:`hevesy.engine.case.changes.with_changes`.
    workers
        Cases at a time, each in a process of its own with its share of the cores; 1 runs them one after
        another here, each on all cores.
    progress
        Called with the fraction done and a line of text.
    stop
        Asked between cases, and between the batches of a transport with one worker; True ends the batch.

    Returns
    -------
    Batch
        One status per case. A case that fails is recorded with its message, and the others are still run.

    Raises
    ------
    InputError
        Fewer than one worker, or a file where the folder should be.
    """
    if workers < 1:
        raise InputError(
            counted(workers, "worker"), why="at least one is needed", suggestion="--workers 1", field="--workers"
        )
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError("is a file", why="results go to a folder", suggestion="give another --out", file=out)
    check_writable(out)
    out.mkdir(parents=True, exist_ok=True)
    wanted = changes or {}
    ended: dict[str, CaseStatus] = {}
    todo: list[CohortCase] = []
    for case in trial.cases:
        kept = _kept(case, out, wanted)
        if kept is None:
            todo.append(case)
        else:
            ended[case.name] = kept
    total = len(trial.cases)
    if ended:
        log.info("%d of %d cases are already complete and were not run again", len(ended), total)
    runner = _here if workers == 1 or len(todo) < 2 else _in_processes
    for status in runner(todo, out, wanted, min(workers, max(len(todo), 1)), total, len(ended), progress, stop):
        ended[status.name] = status
        if progress is not None:
            progress(len(ended) / total, f"{status.name}: {status.state}")
    for case in trial.cases:
        if case.name not in ended:
            ended[case.name] = CaseStatus(case.name, case.arm, out / folder_name(case.name), STOPPED)
    return Batch(out, [ended[case.name] for case in trial.cases])


def run_one(
    one: CohortCase,
    out: Path,
    changes: dict[str, Any],
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> CaseStatus:
    """Run one case into its folder; every failure becomes a status."""
    folder = out / folder_name(one.name)
    start = time.monotonic()
    try:
        case = _case(one, changes)
        key = case_key(case)
        # results that are about to be replaced must not look complete if this run ends half-way
        (folder / DONE_FILE).unlink(missing_ok=True)
        outcome = run(case, out=folder, progress=progress, stop=stop)
    except StoppedEarly:
        return CaseStatus(one.name, one.arm, folder, STOPPED)
    except HevesyError as error:
        return _failed(one, folder, str(error), time.monotonic() - start)
    except Exception as error:  # the others go on, whatever went wrong with this one
        log.exception("%s failed", one.name)
        text = f"{type(error).__name__}: {error}"
        return _failed(one, folder, text, time.monotonic() - start)
    spent = time.monotonic() - start
    if outcome.incomplete:
        return CaseStatus(one.name, one.arm, folder, STOPPED, "", spent)
    record = {"format": DONE_FORMAT, "format_version": DONE_VERSION, "key": key, "wall_time_s": spent}
    write_json(folder / DONE_FILE, record)
    return CaseStatus(one.name, one.arm, folder, DONE, "", spent)


def _failed(one: CohortCase, folder: Path, message: str, wall_time_s: float = 0.0) -> CaseStatus:
    """The status of a case that failed."""
    named = (one.file.absolute(), one.file, folder.absolute(), folder)
    told = without_folders(message, *dict.fromkeys(parent for path in named for parent in path.parents))
    return CaseStatus(one.name, one.arm, folder, FAILED, message, wall_time_s, told)


def case_key(case: Case) -> str:
    """Digest that identifies a complete case: the resolved case, its files' sizes and times, and the version.

    It is a digest so that no path of the input appears in the output.
    """
    text = json.dumps([code_version(), case.to_yaml(), [_stamp(file) for file in case.input_files()]])
    return hashlib.sha256(text.encode()).hexdigest()


def _stamp(file: Path) -> list[Any]:
    try:
        about = file.stat()
    except OSError:
        return [str(file), -1, -1]  # not there
    return [str(file), about.st_size, about.st_mtime_ns]


def _case(one: CohortCase, changes: dict[str, Any]) -> Case:
    return with_changes(Case.load(one.file), **changes)


def _kept(one: CohortCase, out: Path, changes: dict[str, Any]) -> CaseStatus | None:
    """The status of a case that is complete and whose input and settings are still the same."""
    folder = out / folder_name(one.name)
    try:
        record = read_json(folder / DONE_FILE)
        if record["format_version"] != DONE_VERSION or record["key"] != case_key(_case(one, changes)):
            return None
        return CaseStatus(one.name, one.arm, folder, KEPT, "", float(record["wall_time_s"]))
    except (OSError, ValueError, KeyError, TypeError, HevesyError):
        return None  # a case that can no longer be read is run, and its run reports why


def _here(
    todo: list[CohortCase],
    out: Path,
    changes: dict[str, Any],
    workers: int,
    total: int,
    before: int,
    progress: Progress | None,
    stop: Stop | None,
) -> Iterator[CaseStatus]:
    for number, one in enumerate(todo, before):
        if stop is not None and stop():
            return

        def tell(fraction: float, text: str, number: int = number, name: str = one.name) -> None:
            if progress is not None:
                progress((number + fraction) / total, f"{name} ({number + 1} of {total}), {text}")

        yield run_one(one, out, changes, tell, stop)


def _in_processes(
    todo: list[CohortCase],
    out: Path,
    changes: dict[str, Any],
    workers: int,
    total: int,
    before: int,
    progress: Progress | None,
    stop: Stop | None,
) -> Iterator[CaseStatus]:
    import multiprocessing

    share = max(usable_cores() // workers, 1)
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_use_threads, initargs=(share,)
    ) as pool:
        futures: dict[Future[CaseStatus], CohortCase] = {pool.submit(run_one, one, out, changes): one for one in todo}
        if progress is not None:
            progress(before / total, f"{counted(len(todo), 'case')}, {workers} at a time")
        for future in as_completed(futures):
            one = futures[future]
            if future.cancelled():
                continue
            try:
                yield future.result()
            except Exception as error:  # the process itself died (memory, a signal)
                text = f"its process ended: {type(error).__name__}: {error}"
                yield _failed(one, out / folder_name(one.name), text)
            if stop is not None and stop():
                for other in futures:
                    other.cancel()


def _use_threads(count: int) -> None:
    """Each worker keeps to its share of the cores."""
    os.environ["HEVESY_THREADS"] = str(count)


def statuses(batch: Batch) -> list[dict[str, Any]]:
    """Plain data for files: folders by name, and messages without the folders that they name."""
    return [{**asdict(one), "folder": one.folder.name, "message": one.told} for one in batch.cases]
