"""Handing the jobs of a batch to an executor, and putting their results together when they have ended."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lock import locked
from ..progress import Progress, Stop
from ..text import counted
from .collect import Collected, collect
from .control import allow_jobs, is_cancelled
from .executors.base import FORMER, executor_of
from .executors.options import ONCE, flag, is_kept, names_text
from .executors.slurm import Slurm
from .executors.slurm_found import may_be_in_slurm
from .executors.slurm_states import held_sentence
from .folders import check_result_place
from .job import LOCK_FILE, RESULT_FILE
from .manifest import MANIFEST_FILE, Manifest, Option, Whole, case_folder, job_folder, read_manifest, write_manifest
from .marks import is_complete, key_of
from .status import read_status, write_status
from .work import stands

log = logging.getLogger(__name__)

#: How often a command that waits for another looks whether that has ended [s].
_LOOK_S = 0.2
#: How long jobs may take to save a checkpoint and end, when they were cancelled and are to run again [s].
ENDING_S = 30.0
#: Share of the merge in the progress of a batch.
_MERGE = 0.03


@contextmanager
def held(out: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the folder of a batch while a command plans, hands over or merges: a second one is refused.

    Parameters
    ----------
    out
        Folder of the batch; made where it is not there, and removed again where nothing came into it.
    patience_s
        How long to wait for another command to end [s].

    Raises
    ------
    InputError
        Another command holds it.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    until = time.monotonic() + patience_s
    try:
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locked(out / LOCK_FILE, "runs this batch"))
                    break
                except InputError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(_LOOK_S)
            yield
    finally:  # a command that was refused leaves no empty folder
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()


@dataclass
class Ended:
    """How a batch ended.

    Parameters
    ----------
    out
        Its folder.
    manifest
        Of which jobs it consists, and what they were handed to.
    submitted
        Whether its jobs were only handed over: they run somewhere, and a job of theirs merges.
    dry_run
        Whether only the scripts were written and shown: nothing runs.
    messages
        What the executor had to say.
    kept
        Names of jobs that were done before.
    collected
        What of the divided ones could be put together, and what not.
    elsewhere
        Jobs that were left out because Slurm has them already: ``"waiting"`` or ``"running"``, by name.
    """

    out: Path
    manifest: Manifest
    submitted: bool = False
    dry_run: bool = False
    messages: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    collected: Collected = field(default_factory=Collected)
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def hand_over(
    out: Path,
    executor: str,
    options: Mapping[str, Option],
    *,
    only: Sequence[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Ended:
    """Have an executor run the jobs of a batch that are not done, then put the results together.

    Jobs that wait or run in Slurm are left to it, whatever the executor. Jobs that still end because they were
    cancelled are waited for.

    Parameters
    ----------
    out
        Folder of the batch, planned.
    executor, options
        As for :func:`hevesy.engine.batch.executors.base.executor_of`. The manifest gets them; of those that can run
        commands only their names.
    only
        Names of the jobs to run, also such as claim to be done; all that are not done by default.
    progress
        Called with the fraction done and a line of text.
    stop
        True ends the batch.

    Returns
    -------
    Ended
        What became of it; states of jobs are in their folders.

    Raises
    ------
    InputError
        The executor cannot be used, or not with these options.
    """
    manifest, executor = read_manifest(out), FORMER.get(executor, executor)
    runner = executor_of(executor, **options)
    if any(not whole.case for whole in manifest.wholes):
        check_result_place(out)
    kept = frozenset(name for name in manifest.jobs if is_done(out, name))
    names = [name for name in manifest.jobs if (name not in kept if only is None else name in only)]
    held = {} if executor == "slurm" else _in_slurm(out, names)  # the executor itself asks
    names, messages = _free(out, names, held, stop)
    if names or not held:
        manifest = manifest.model_copy(update={"executor": executor, **_to_keep(executor, options)})
        write_manifest(out, manifest)
    folders = [job_folder(out, name) for name in names]
    _take_back_damaged(folders)
    allow_jobs(folders)
    share = _MERGE if any(whole.sharded for whole in manifest.wholes) else 0.0
    if folders:
        runner.run(out, folders, progress=_part(progress, 0.0, 1.0 - share), stop=stop)
    messages += getattr(runner, "messages", ())
    held |= getattr(runner, "held", {})
    ended = Ended(out, manifest, messages=tuple(messages), kept=kept, elsewhere=held)
    if not runner.waits and folders:
        ended.dry_run = getattr(runner, "dry_run", False)
        ended.submitted = getattr(runner, "submitted", False) or bool(held)
        if ended.dry_run or ended.submitted:
            return ended
    ended.collected = collect(out, manifest, progress=_part(progress, 1.0 - share, 1.0), stop=stop)
    return ended


def check_executor(out: Path, executor: str, options: Mapping[str, Option], backends: Collection[str]) -> None:
    """Refuse an executor that could not take the jobs of a batch, before that is planned; one that is there may go on.

    Parameters
    ----------
    out
        Folder that the batch will have, held.
    executor, options
        As for :func:`hand_over`.
    backends
        Backends that its jobs will be planned for, as far as they are known.

    Raises
    ------
    InputError
        The executor cannot be used here, or not with these options, or not for these jobs.
    """
    if not (out / MANIFEST_FILE).exists():
        executor_of(executor, **options).check(out, backends)


def _in_slurm(out: Path, names: Sequence[str]) -> dict[str, str]:
    """Jobs that wait or run in Slurm, to which a former command has handed them; where it cannot be asked, none."""
    if not names or not may_be_in_slurm(out):
        return {}
    try:
        slurm = Slurm()
        held = slurm.occupied(out)
        for text in slurm.messages:
            log.warning(text)
        return held
    except InputError as error:
        log.warning("Slurm could not be asked whether it has jobs of this batch: %s", error.problem)
        return {}


def _free(out: Path, names: Sequence[str], held: Mapping[str, str], stop: Stop | None) -> tuple[list[str], list[str]]:
    """Jobs that nobody else has, and what is said of the others.

    Jobs that run although they were cancelled are waited for; those that do not end in time are left out.
    """
    messages = [f"{held_sentence(held)}; `hevesy cancel` takes them from there"] if held else []
    free, until = [name for name in names if name not in held], time.monotonic() + ENDING_S
    while True:
        ending = [name for name in free if _still_ends(job_folder(out, name))]
        if not ending or time.monotonic() > until or (stop is not None and stop()):
            break
        time.sleep(_LOOK_S)
    if ending:
        messages.append(f"{counted(len(ending), 'job')} not ended yet since `hevesy cancel`")
    return [name for name in free if name not in ending], messages


def _still_ends(folder: Path) -> bool:
    return is_cancelled(folder) and read_status(folder).state == "running"


def _part(progress: Progress | None, first: float, last: float) -> Progress | None:
    """Progress of a part of a command."""
    if progress is None:
        return None
    return lambda fraction, text: progress(first + (last - first) * min(max(fraction, 0.0), 1.0), text)


def _take_back_damaged(folders: Sequence[Path]) -> None:
    """Have jobs wait again that say they are done, and whose results are not as they left them."""
    for folder in folders:
        status = read_status(folder)
        if status.state == "done" and not stands(folder, status):
            unnamed = not status.result_sha256 and (folder / RESULT_FILE).is_file()
            what = "not named by its status: they are checked" if unnamed else "damaged: it is run again"
            log.warning("the results of %s are %s", folder.name, what)
            write_status(folder, status.model_copy(update={"state": "waiting", "result_sha256": ""}))


def is_done(out: Path, name: str) -> bool:
    """Whether a job is done, and its results are there as it left them."""
    status = read_status(job_folder(out, name))
    return status.state == "done" and stands(job_folder(out, name), status)


def has_results(out: Path, manifest: Manifest, whole: Whole) -> bool:
    """Whether the results of a whole whose jobs are done have been put together."""
    if not whole.case:
        return (out / RESULT_FILE).is_file()
    return is_complete(case_folder(out, whole.case), key_of(manifest, whole))


def options_again(manifest: Manifest, given: Mapping[str, Option]) -> dict[str, Option]:
    """The options with which a batch was last handed over, with those that are given now.

    The folder may be from anywhere: of what it says, only options that run no command are taken, and the executor
    checks them as it does those of a command line.

    Parameters
    ----------
    manifest
        Of the batch.
    given
        Options of this command.

    Returns
    -------
    dict
        For :func:`hand_over`.

    Raises
    ------
    InputError
        One that is not taken from the folder is not given.
    """
    executor = manifest.executor
    kept = {name: value for name, value in manifest.options.items() if is_kept(executor, name)}
    asked = dict.fromkeys((*manifest.withheld, *manifest.options))
    missing = [flag(name) for name in asked if name not in kept and name not in given]
    if missing:
        shown = " (they are in the last script, slurm/*/array.sh)" if executor == "slurm" else ""
        raise InputError(
            f"{names_text(missing)} of the last time must be given again",
            why="the folder of a batch may be from anywhere, so what can run a command is not taken from it",
            suggestion=f"repeat the options as they were{shown}, or give them empty to do without: {missing[0]}=",
        )
    return {**kept, **given}


def _to_keep(executor: str, options: Mapping[str, Option]) -> dict[str, Any]:
    """What a manifest says of the options of an executor."""
    given = {name: value for name, value in options.items() if value not in (None, "", [])}
    withheld = [name for name in given if not is_kept(executor, name) and name not in ONCE]
    kept = {name: value for name, value in given.items() if is_kept(executor, name)}
    return {"options": kept, "withheld": withheld}
