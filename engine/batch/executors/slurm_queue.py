"""What Slurm is asked and told, by its own commands, and what it answers."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import InputError

log = logging.getLogger(__name__)

#: Longest wait for an answer [s]; a controller that is away is tried again by the commands themselves.
PATIENCE_S = 120.0
#: The same for accounting, which can be done without.
ACCOUNTING_S = 30.0
#: After how long it is said that there is no answer yet [s].
WORD_S = 8.0
#: States of Slurm before a task has begun, and while it is there; any other is an end.
WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
#: Default of Slurm for MaxArraySize, where it cannot be asked.
MAX_ARRAY_SIZE = 1001

#: A task: the number of its array, and its own in that.
Task = tuple[str, int]


class NoAnswer(InputError):
    """Slurm did not answer in time: whoever asks it something else waits as long again."""


def call(words: Sequence[str], cwd: Path | None = None, patience_s: float | None = None) -> str:
    """Run a command of Slurm.

    Parameters
    ----------
    words
        The command.
    cwd
        Where.
    patience_s
        Longest wait for its answer [s]; :data:`PATIENCE_S` by default.

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
        done = _answered(words, cwd, patience_s or PATIENCE_S)
    except FileNotFoundError:
        raise not_here(words[0]) from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(
            f"{words[0]} of Slurm does not answer",
            why=f"there was no answer in {patience_s or PATIENCE_S:.0f} s"
            + ("; it may have taken the jobs all the same" if words[0] == "sbatch" else ""),
            suggestion="look with `squeue --me`, then `hevesy retry`: it submits nothing again that is in the queue"
            if words[0] == "sbatch"
            else "try again when Slurm is up; the job folders are as they were",
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


def _answered(words: Sequence[str], cwd: Path | None, patience_s: float) -> subprocess.CompletedProcess[str]:
    """Run a command; where it takes its time, that is said."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace"
    ) as process:
        try:
            try:
                out, err = process.communicate(timeout=min(WORD_S, patience_s))
            except subprocess.TimeoutExpired:
                log.warning(
                    "%s of Slurm has not answered for %.0f s; hevesy waits up to %.0f s", words[0], WORD_S, patience_s
                )
                out, err = process.communicate(timeout=max(patience_s - WORD_S, 0.0))
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def not_here(name: str) -> InputError:
    """That a command of Slurm is not on this machine."""
    return InputError(
        f"there is no {name} here",
        why="Slurm is not installed on this machine, or not on PATH",
        suggestion="submit from a login node, or write the script with --dry-run and submit it there",
        field="--executor",
    )


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
    queued = _queued(wanted)  # which says first whether Slurm answers at all
    return {**_accounted(wanted), **queued}


def active_jobs(jobs: Iterable[str]) -> list[str]:
    """Those of these jobs and arrays that have not ended.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    wanted = sorted(set(jobs), key=int)
    lines = _squeue([*_of(wanted), "--format=%F|%T"]) if wanted else []
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
    strange = {job: where for job, where in works_in.items() if not is_same(Path(where), out)}
    scripts = _of_each("%o", [*strange])  # that was submitted by hand, from anywhere
    return {job: where for job, where in strange.items() if not is_same(batch_of(Path(scripts.get(job, ""))), out)}


def batch_of(script: Path) -> Path:
    """The folder of the batch to which a script belongs, ``OUT/slurm/NNN-.../array.sh``."""
    return script.parents[2] if len(script.parents) > 2 else script


def is_same(folder: Path, out: Path) -> bool:
    """Whether a folder in the words of Slurm is that of a batch."""
    try:
        return folder.is_absolute() and folder.samefile(out)
    except OSError:  # it is gone, or not to be seen from here
        return folder == out.absolute()


def own_scripts() -> list[tuple[str, Path]]:
    """Jobs and arrays of this user that have not ended, by number, with the script that each runs.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    told = _squeue([f"--user={os.getuid()}", "--format=%F|%T|%o"])
    lines = (line.split("|", 2) for line in told if line.count("|") >= 2)
    found = {number: script for number, state, script in lines if state in WAITING | RUNNING and number.isdigit()}
    return [(number, Path(found[number])) for number in sorted(found, key=int)]


def max_array_size() -> int:
    """How many tasks an array may have; the default of Slurm where it does not say it.

    Raises
    ------
    NoAnswer
        It does not answer at all.
    """
    try:
        answer = call(["scontrol", "show", "config"])
    except NoAnswer:
        raise
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
    for line in _squeue([*_of(arrays), "--array", "--format=%F|%K|%T|%r"]):
        array, task, state, reason = line.split("|", 3)
        if task.isdigit():
            states[array, int(task)] = (state, reason)
    return states


def _of_each(field: str, jobs: list[str]) -> dict[str, str]:
    """What the queue says of each job in a field of its format."""
    lines = _squeue([*_of(jobs), f"--format=%F|{field}"]) if jobs else []
    return {job: value for job, _, value in (line.partition("|") for line in lines)}


def _of(jobs: list[str]) -> list[str]:
    """Options that ask for these jobs, also where they have ended."""
    return ["--states=all", f"--jobs={','.join(jobs)}"]


def _squeue(options: list[str]) -> list[str]:
    try:
        return call(["squeue", "--noheader", *options]).splitlines()
    except InputError as error:
        if "Invalid job id" in error.problem:  # it has forgotten all of them
            return []
        raise


def _accounted(arrays: list[str]) -> dict[Task, tuple[str, str]]:
    """What accounting remembers; nothing where there is none."""
    words = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=JobID,State", "--starttime=1970-01-01"]
    try:
        answer = call([*words, f"--jobs={','.join(arrays)}"], patience_s=min(ACCOUNTING_S, PATIENCE_S))
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
