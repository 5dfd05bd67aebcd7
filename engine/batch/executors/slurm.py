"""Jobs as an array of Slurm: one script, one submission, one task per job; a dependent job merges.

What becomes of a job is in its ``status.json``, as everywhere. Slurm is asked in addition, because a job that it killed
cannot say so, one that waits in the queue has not said anything yet, and a lock need not be seen from another node.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from ...errors import InputError
from ...files import write_text
from ...lock import locked
from ...progress import Progress, Stop
from ...text import counted
from ..job import Name, Record, read_record, write_record
from ..manifest import MANIFEST_FILE, Manifest, job_folder, read_job, read_manifest
from ..status import JobStatus, read_status, write_status
from . import slurm_queue as queue
from .slurm_request import SlurmRequest, request_of
from .slurm_script import ARRAY_SCRIPT, LIST_FILE, MERGE_SCRIPT, array_script, merge_script

RECORD_FILE, SCRIPTS_FOLDER = "slurm.json", "slurm"


class Submission(Record):
    """Jobs that were handed to Slurm at once.

    Parameters
    ----------
    home
        Folder of its scripts and logs, relative to that of the batch.
    array, merge
        Numbers of the array and of the merge; ``merge`` is empty where Slurm refused it.
    tasks
        Tasks of the array: task ``i`` runs the jobs ``i``, ``i + tasks``, ...
    jobs
        Names of the jobs.
    submitted
        UTC, ISO 8601.
    """

    home: Annotated[str, StringConstraints(pattern=r"^slurm/[0-9]{3,9}-[0-9a-f]{8}$")]
    array: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")]
    merge: Annotated[str, StringConstraints(pattern=r"^([0-9]{1,12})?$")] = ""
    tasks: int = Field(ge=1)
    jobs: tuple[Name, ...]
    submitted: str


class SlurmRecord(Record):
    """What was submitted for a batch, in ``slurm.json``."""

    format: Literal["hevesy-slurm"] = "hevesy-slurm"
    format_version: Literal[1] = 1
    submissions: tuple[Submission, ...] = ()


class Slurm:
    """Submits jobs to Slurm.

    Parameters
    ----------
    dry_run
        Write and show the scripts, and submit nothing.
    options
        Those of :func:`hevesy.engine.batch.executors.slurm_request.request_of`.

    Attributes
    ----------
    messages
        What :meth:`run`, :meth:`states` and :meth:`cancel` have to say to the user, a line each; after a dry run the
        scripts.
    """

    waits = False

    def __init__(self, *, dry_run: bool = False, **options: Any) -> None:
        self.request, self.dry_run = request_of(**options), dry_run
        self.messages: list[str] = []

    def run(
        self, out: Path, folders: Sequence[Path], *, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        """Submit the jobs; see :class:`hevesy.engine.batch.executors.base.Executor`.

        Those that are done, in the queue or running are left out.
        """
        self.messages = []
        manifest = read_manifest(out)
        names = [folder.name for folder in folders]
        self._check_gpus(out, manifest, names)
        with locked(out / SCRIPTS_FOLDER / "lock", "submits jobs to Slurm"):
            record = _record(out)
            request = self.request
            if not request.command:
                request = request.model_copy(update={"command": _own_command(request)})
            now = _statuses(out, manifest, record, ask=not self.dry_run)
            todo = [name for name in names if not _occupied(*now[name])]
            if not todo:
                self.messages = ["nothing to submit: every job is done, in the queue, or running"]
                return
            home, tasks = _written(out, manifest, request, todo)
            if self.dry_run:
                self.messages = _shown(out, home)
                return
            self._submit(out, record, request, home, tasks, todo)

    def cancel(self, out: Path, folders: Sequence[Path]) -> None:
        """Have the tasks of these jobs end, running ones with a checkpoint, and with all of them the merge.

        Raises
        ------
        InputError
            Slurm cannot be asked.
        """
        manifest, record, names = read_manifest(out), _record(out), {folder.name for folder in folders}
        tasks = _tasks(manifest, record, _statuses(out, manifest, record, ask=False))
        states = queue.task_states(array for array, _ in tasks.values())
        active = {task for task, (state, _) in states.items() if state in queue.WAITING | queue.RUNNING}
        ending = {tasks[name] for name in names if tasks.get(name) in active}
        whole = ending == active  # nothing is left to merge
        merges = queue.active_jobs(one.merge for one in record.submissions if one.merge) if whole else []
        queue.cancel([*merges, *(f"{array}_{task}" for array, task in sorted(ending))])
        for name, task in tasks.items():
            if task in ending and (states[task][0] in queue.WAITING or name in names):
                _mark_cancelled(job_folder(out, name))
        self.messages = [f"cancelled {counted(len(ending), 'task')} of Slurm"] if ending else []

    def states(self, out: Path) -> dict[str, JobStatus]:
        """What became of every job, by its own word and by that of Slurm.

        Parameters
        ----------
        out
            Folder of the batch.

        Returns
        -------
        dict
            Job name to status. ``"waiting"``: in the queue, or not submitted. Where Slurm cannot be asked, what the
            jobs themselves say; :attr:`messages` then says why.

        Raises
        ------
        InputError
            Not the folder of a batch, or a file in it that is damaged.
        """
        self.messages = []
        manifest, record = read_manifest(out), _record(out)
        try:
            both = _statuses(out, manifest, record)
        except InputError as error:
            self.messages = [f"{error.problem}; shown is what the jobs themselves say"]
            both = _statuses(out, manifest, record, ask=False)
        return {name: status for name, (status, _) in both.items()}

    def _check_gpus(self, out: Path, manifest: Manifest, names: Sequence[str]) -> None:
        """Refuse GPUs for jobs that would not use them."""
        if not self.request.wants_gpu or not names:
            return
        backend = read_job(job_folder(out, names[0]), manifest.jobs.get(names[0])).backend
        if backend not in ("cuda", "auto"):
            raise InputError(
                f"GPUs are asked for, and the jobs are for the backend {backend!r}",
                why="a GPU would be occupied and not used",
                suggestion="make the batch with --backend cuda, or leave out --gres",
                field="--gres",
            )

    def _submit(
        self, out: Path, record: SlurmRecord, request: SlurmRequest, home: str, tasks: int, names: Sequence[str]
    ) -> None:
        """Submit the array, and the merge that depends on it and on all arrays that are still there."""
        former = queue.active_jobs(one.array for one in record.submissions)
        outdated = queue.active_jobs(one.merge for one in record.submissions if one.merge)
        array = queue.submit(f"{home}/{ARRAY_SCRIPT}", out, _log(request, f"{home}/%a.log"))
        done = Submission(home=home, array=array, tasks=tasks, jobs=tuple(names), submitted=_now())
        record = record.model_copy(update={"submissions": (*record.submissions, done)})
        write_record(out / RECORD_FILE, record)  # at once: these tasks are out now
        self.messages = [f"submitted {counted(len(done.jobs), 'job')} as array {array} of Slurm, "
                         f"{counted(done.tasks, 'task')}"]  # fmt: skip
        after = ":".join([array, *former])
        words = [f"--dependency=afterany:{after}", *_log(request, f"{home}/merge.log")]
        try:
            merge = queue.submit(f"{home}/{MERGE_SCRIPT}", out, words)
        except InputError as error:
            self.messages.append(f"the merge was refused ({error.problem}); when the jobs are done: hevesy merge")
            return
        done = done.model_copy(update={"merge": merge})
        write_record(out / RECORD_FILE, record.model_copy(update={"submissions": (*record.submissions[:-1], done)}))
        queue.cancel(outdated)
        self.messages.append(f"job {merge} merges when they have ended")


def _record(out: Path) -> SlurmRecord:
    if not (out / RECORD_FILE).exists():
        return SlurmRecord()
    record = read_record(out / RECORD_FILE, SlurmRecord)
    assert isinstance(record, SlurmRecord)
    return record


def _tasks(manifest: Manifest, record: SlurmRecord, own: dict[str, tuple[JobStatus, str]]) -> dict[str, queue.Task]:
    """The last task of Slurm that each job was given to: by us, or by who submitted a script by hand."""
    tasks: dict[str, queue.Task] = {}
    for one in record.submissions:
        tasks.update({name: (one.array, number % one.tasks) for number, name in enumerate(one.jobs)})
    for name in manifest.jobs:
        by_hand = queue.task_of(own[name][0].executor_id)
        if by_hand is not None and int(by_hand[0]) > int(tasks.get(name, ("0", 0))[0]):
            tasks[name] = by_hand
    return tasks


def _statuses(
    out: Path, manifest: Manifest, record: SlurmRecord, *, ask: bool = True
) -> dict[str, tuple[JobStatus, str]]:
    """Status of each job, and the state of its task in the words of Slurm, empty where that knows of none."""
    own = {name: (read_status(job_folder(out, name)), "") for name in manifest.jobs}
    tasks = _tasks(manifest, record, own) if ask else {}
    if not tasks:
        return own
    states = queue.task_states(array for array, _ in tasks.values())
    logs = {one.array: one.home for one in record.submissions}
    for name, task in tasks.items():
        log = f"{logs[task[0]]}/{task[1]}.log" if task[0] in logs else ""
        state = states.get(task)
        own[name] = (_both(own[name][0], task, state, log), state[0] if state else "")
    return own


def _occupied(status: JobStatus, state: str) -> bool:
    """Whether a job needs no task, or has one."""
    queued = status.state == "waiting" and state in queue.WAITING | queue.RUNNING
    return queued or status.state in ("done", "running")


def _both(status: JobStatus, task: queue.Task, slurm: tuple[str, str] | None, log: str) -> JobStatus:
    """What a job says of itself, and what Slurm says of its task, as one status."""
    if status.state == "done":
        return status
    array, number = task
    here = status.executor_id == f"{array}_{number}"  # else what it says is of an attempt before this task

    def now(state: str, message: str) -> JobStatus:
        return status.model_copy(update={"state": state, "message": message})

    if slurm is None:
        # a task that is cancelled before it begins leaves nothing in the queue, and accounting need not be there
        gone = f"task {array}_{number} is not in Slurm any more: cancelled while it waited, or forgotten"
        return now("lost", gone) if status.state == "waiting" else status
    state, reason = slurm
    if state in queue.WAITING:
        return now("waiting", f"task {array}_{number} in the queue of Slurm: {reason}")
    if state in queue.RUNNING:
        if not here:
            return now("waiting", f"task {array}_{number} of Slurm has not come to it yet")
        # the lock of a process on another node need not be seen from here
        elsewhere = status.state == "lost" and status.host != socket.gethostname()
        return now("running", "") if elsewhere else status
    if here and status.state == "failed":
        return status
    word = f"Slurm: {state.lower().replace('_', ' ')}" + (f", see {log}" if log else "")
    if state == "CANCELLED":
        return now("cancelled", word)
    if here and status.state == "stopped":
        return now("stopped", word)
    return now("lost", word)


def _written(out: Path, manifest: Manifest, request: SlurmRequest, names: Sequence[str]) -> tuple[str, int]:
    """Write the scripts of a submission: their folder, relative to that of the batch, and the tasks of the array."""
    most = min(queue.max_array_size(), request.max_tasks or len(names))
    tasks = min(most, len(names))
    # the name says which batch: a script that is started in another one finds nothing there
    token = hashlib.sha256((out / MANIFEST_FILE).read_bytes()).hexdigest()[:8]
    former = (re.match(r"(\d{3,8})-", path.name, re.A) for path in (out / SCRIPTS_FOLDER).iterdir())
    number = 1 + max((int(match[1]) for match in former if match), default=0)
    home = f"{SCRIPTS_FOLDER}/{number:03d}-{token}"
    (out / home).mkdir(parents=True)
    relative = [job_folder(Path(), name).as_posix() for name in names]
    texts = {
        LIST_FILE: "".join(f"{folder}\n" for folder in relative),
        ARRAY_SCRIPT: array_script(request, title=manifest.title, home=home, tasks=tasks),
        MERGE_SCRIPT: merge_script(request, title=manifest.title, home=home),
    }
    for name, text in texts.items():
        write_text(out / home / name, text)
    return home, tasks


def _shown(out: Path, home: str) -> list[str]:
    """What a dry run shows: the scripts, and how they are submitted by hand."""
    array, merge = f"{home}/{ARRAY_SCRIPT}", f"{home}/{MERGE_SCRIPT}"
    return [
        *(out / array).read_text(encoding="utf-8").splitlines(),
        "",
        f"# {merge}",
        *(out / merge).read_text(encoding="utf-8").splitlines(),
        "",
        "# nothing was submitted; in the folder of the batch:",
        f"#   array=$(sbatch --parsable {array})",
        f"#   sbatch --dependency=afterany:$array {merge}",
    ]


def _log(request: SlurmRequest, path: str) -> list[str]:
    """Where a task writes, unless the user says it."""
    given = any(option.startswith(("--ou", "-o ")) for option in request.extra)  # sbatch takes beginnings of names
    return [] if given else [f"--output={path}"]


def _own_command(request: SlurmRequest) -> tuple[str, ...]:
    """How this hevesy is called on a node: by its name where that is found, else by this interpreter."""
    if request.setup or request.image:  # these bring one
        return ("hevesy",)
    on_path = shutil.which("hevesy")
    same = on_path is not None and Path(on_path).absolute().parent == Path(sys.executable).absolute().parent
    return ("hevesy",) if same else (sys.executable, "-m", "hevesy")


def _mark_cancelled(folder: Path) -> None:
    """Say so of a job that no process runs; one that runs says itself how it ended."""
    status = read_status(folder)
    if status.state not in ("done", "running"):
        write_status(folder, status.model_copy(update={"state": "cancelled", "message": "cancelled"}))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
