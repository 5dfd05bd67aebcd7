"""What Slurm is asked and told, by its own commands, and what it answers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import InputError

#: Longest wait for an answer [s]; a controller that is away is tried again by the commands themselves.
PATIENCE_S = 120.0
#: States of Slurm before a task has begun, and while it is there; any other is an end.
WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
#: Default of Slurm for MaxArraySize, where it cannot be asked.
MAX_ARRAY_SIZE = 1001

#: A task: the number of its array, and its own in that.
Task = tuple[str, int]


def call(words: Sequence[str], cwd: Path | None = None) -> str:
    """Run a command of Slurm.

    Parameters
    ----------
    words
        The command.
    cwd
        Where.

    Returns
    -------
    str
        What it prints.

    Raises
    ------
    InputError
        It is not there, does not answer, or refuses: with its own words.
    """
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
        )
    except FileNotFoundError:
        raise InputError(
            f"there is no {words[0]} here",
            why="Slurm is not installed on this machine, or not on PATH",
            suggestion="submit from a login node, or write the script with --dry-run and submit it there",
            field="--executor",
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{words[0]} does not answer",
            why=f"there was no answer in {PATIENCE_S:.0f} s",
            suggestion="try again with `hevesy retry` when Slurm is up; the job folders are as they were",
            field="--executor",
        ) from None
    if done.returncode != 0:
        raise InputError(
            f"{words[0]} of Slurm: {_words_of(done.stderr or done.stdout) or f'ended with code {done.returncode}'}",
            why="these are its own words; nothing was changed",
            suggestion="correct the option or wait for Slurm, then `hevesy retry`: the job folders are as they were",
            field="--executor",
        )
    return done.stdout


def submit(script: str, out: Path, options: Sequence[str] = ()) -> str:
    """Submit a script, named relative to the folder of the batch: the number of the job.

    Raises
    ------
    InputError
        Slurm refused it.
    """
    answer = call(["sbatch", "--parsable", *options, script], out).strip()
    number = answer.splitlines()[-1].partition(";")[0] if answer else ""  # 12, or 12;cluster
    if not number.isdigit():
        raise InputError(f"sbatch answered {answer!r}", why="this is no number of a job", field="--executor")
    return number


def cancel(jobs: Iterable[str]) -> None:
    """Have jobs end: arrays (``12``) or tasks of them (``12_3``); one that has ended is no error.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    wanted = list(jobs)
    for first in range(0, len(wanted), 500):
        call(["scancel", "--quiet", *wanted[first : first + 500]])


def task_states(arrays: Iterable[str]) -> dict[Task, tuple[str, str]]:
    """State and reason of each task of these arrays, in the words of Slurm; of those that it remembers.

    The queue forgets a task some minutes after its end (``MinJobAge``); then accounting is asked, where there is one.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    wanted = sorted(set(arrays), key=int)
    if not wanted:
        return {}
    states = _accounted(wanted)
    states.update(_queued(wanted))
    return states


def active_jobs(jobs: Iterable[str]) -> list[str]:
    """Those of these jobs and arrays that have not ended.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    wanted = sorted(set(jobs), key=int)
    lines = _squeue(["--format=%F|%T"], wanted) if wanted else []
    active = {line.partition("|")[0] for line in lines if line.partition("|")[2] in WAITING | RUNNING}
    return [job for job in wanted if job in active]


def folders_of_others(jobs: Iterable[str], out: Path) -> dict[str, str]:
    """Those of these jobs and arrays that are not of a batch, with the folder in which each works.

    The numbers stand in the folder of a batch, which may be a copy, and another Slurm counts anew.

    Parameters
    ----------
    jobs
        Numbers.
    out
        Folder of the batch: a job of it works there, or runs one of its scripts.

    Returns
    -------
    dict
        Number to folder; without those that the queue does not know any more.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    wanted = sorted(set(jobs), key=int)
    works_in = _of_each("%Z", wanted)
    strange = {job: where for job, where in works_in.items() if not _same(Path(where), out)}
    scripts = _of_each("%o", [*strange])  # that was submitted by hand, from anywhere
    return {job: where for job, where in strange.items() if not _same(_batch_of(scripts.get(job, "")), out)}


def max_array_size() -> int:
    """How many tasks an array may have; the default of Slurm where it cannot be asked."""
    try:
        answer = call(["scontrol", "show", "config"])
    except InputError:
        return MAX_ARRAY_SIZE
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer, re.M)
    return max(1, int(match.group(1))) if match else MAX_ARRAY_SIZE


def own_task() -> str:
    """The array and the task of Slurm that this process runs in, ``12_3``; empty elsewhere."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    return f"{array}_{task}" if array.isdigit() and task.isdigit() else ""


def task_of(executor_id: str) -> Task | None:
    """The array and the task in the word that :func:`own_task` gives."""
    match = re.fullmatch(r"(\d+)_(\d+)", executor_id)
    return (match.group(1), int(match.group(2))) if match else None


def _queued(arrays: list[str]) -> dict[Task, tuple[str, str]]:
    states: dict[Task, tuple[str, str]] = {}
    for line in _squeue(["--array", "--format=%F|%K|%T|%r"], arrays):
        array, task, state, reason = line.split("|", 3)
        if task.isdigit():
            states[array, int(task)] = (state, reason)
    return states


def _of_each(field: str, jobs: list[str]) -> dict[str, str]:
    """What the queue says of each job in a field of its format."""
    lines = _squeue([f"--format=%F|{field}"], jobs) if jobs else []
    return {job: value for job, _, value in (line.partition("|") for line in lines)}


def _batch_of(script: str) -> Path:
    """The folder of the batch to which a script belongs, ``OUT/slurm/NNN-.../array.sh``."""
    parents = Path(script).parents
    return parents[2] if len(parents) > 2 else Path(script)


def _same(folder: Path, out: Path) -> bool:
    try:
        return folder.is_absolute() and folder.samefile(out)
    except OSError:  # it is gone, or not to be seen from here
        return folder == out.absolute()


def _squeue(options: list[str], jobs: list[str]) -> list[str]:
    try:
        return call(["squeue", "--noheader", "--states=all", f"--jobs={','.join(jobs)}", *options]).splitlines()
    except InputError as error:
        if "Invalid job id" in error.problem:  # it has forgotten all of them
            return []
        raise


def _accounted(arrays: list[str]) -> dict[Task, tuple[str, str]]:
    """What accounting remembers; nothing where there is none."""
    words = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=JobID,State", "--starttime=1970-01-01"]
    try:
        answer = call([*words, f"--jobs={','.join(arrays)}"])
    except InputError:
        return {}
    states: dict[Task, tuple[str, str]] = {}
    for line in answer.splitlines():
        name, _, state = line.partition("|")
        task = task_of(name)
        if task is not None and state:
            states[task] = (state.split()[0], "")  # CANCELLED by 1000
    return states


def _words_of(text: str) -> str:
    """What a command of Slurm says, in one line, without its name before each."""
    lines = (re.sub(r"^(sbatch|squeue|scancel|scontrol|sacct): (error: )?", "", line) for line in text.splitlines())
    return "; ".join(line.strip() for line in lines if line.strip())
