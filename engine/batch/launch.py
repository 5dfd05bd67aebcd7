"""Handing the jobs of a batch to an executor, and putting their results together when they have ended."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lock import locked
from ..progress import Progress, Stop
from .collect import Collected, collect
from .control import allow_jobs
from .executors.base import FORMER, executor_of
from .executors.options import ONCE, flag, is_kept, names_text
from .job import LOCK_FILE, RESULT_FILE
from .manifest import Manifest, Option, Whole, case_folder, job_folder, read_manifest, write_manifest
from .marks import is_complete, shards_key
from .status import read_status, write_status
from .work import stands

log = logging.getLogger(__name__)

#: How often a command that waits for another looks whether that has ended [s].
_LOOK_S = 0.2
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
    """

    out: Path
    manifest: Manifest
    submitted: bool = False
    dry_run: bool = False
    messages: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    collected: Collected = field(default_factory=Collected)


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
    manifest = manifest.model_copy(update={"executor": executor, **_to_keep(executor, options)})
    write_manifest(out, manifest)
    kept = frozenset(name for name in manifest.jobs if is_done(out, manifest, name))
    names = [name for name in manifest.jobs if name in only] if only is not None else [*manifest.jobs]
    if only is None:
        names = [name for name in names if name not in kept]
    folders = [job_folder(out, name) for name in names]
    _take_back_damaged(folders)
    allow_jobs(folders)
    share = _MERGE if any(whole.sharded for whole in manifest.wholes) else 0.0
    if folders:
        runner.run(out, folders, progress=_part(progress, 0.0, 1.0 - share), stop=stop)
    messages = tuple(getattr(runner, "messages", ()))
    if not runner.waits and folders:
        dry_run = getattr(runner, "dry_run", False)
        return Ended(out, manifest, not dry_run, dry_run, messages, kept)
    merged = collect(out, manifest, progress=_part(progress, 1.0 - share, 1.0), stop=stop)
    return Ended(out, manifest, messages=messages, kept=kept, collected=merged)


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
            log.warning("the results of %s are damaged: it is run again", folder.name)
            write_status(folder, status.model_copy(update={"state": "waiting", "result_sha256": ""}))


def is_done(out: Path, manifest: Manifest, name: str) -> bool:
    """Whether a job is done, and its results are there as it left them."""
    status = read_status(job_folder(out, name))
    return status.state == "done" and stands(job_folder(out, name), status)


def has_results(out: Path, manifest: Manifest, whole: Whole) -> bool:
    """Whether the results of a whole whose jobs are done have been put together."""
    if not whole.case:
        return (out / RESULT_FILE).is_file()
    key = shards_key(manifest, whole.case) if whole.sharded else manifest.jobs[whole.jobs[0]]
    return is_complete(case_folder(out, whole.case), key)


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
