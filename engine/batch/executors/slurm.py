"""Jobs as an array of Slurm: one script, one submission, one task per job; a dependent job merges.

What becomes of a job is in its ``status.json``, as everywhere. Slurm is asked in addition, because a job that it killed
cannot say so, one that waits in the queue has not said anything yet, and a lock need not be seen from another node.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import write_text
from ...lock import locked
from ...progress import Progress, Stop
from ...text import counted
from ..job import write_record
from ..manifest import MANIFEST_FILE, Manifest, job_folder, read_job, read_manifest
from ..status import JobStatus, read_status, write_status
from . import slurm_queue as queue
from .slurm_record import RECORD_FILE, SlurmRecord, Submission, last_tasks, read_submissions
from .slurm_request import SlurmRequest, request_of
from .slurm_script import ARRAY_SCRIPT, LIST_FILE, MERGE_SCRIPT, array_script, merge_script
from .slurm_states import both_words, held_sentence, is_occupied

SCRIPTS_FOLDER = "slurm"


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
    held
        Jobs that :meth:`run` has left out because they have a task already, with their state: ``"waiting"`` or
        ``"running"``.
    submitted
        Whether :meth:`run` has handed jobs over.
    """

    waits = False

    def __init__(self, *, dry_run: bool = False, **options: Any) -> None:
        self.request, self.dry_run = request_of(**options), dry_run
        self.messages: list[str] = []
        self.held: dict[str, str] = {}
        self.submitted = False

    def run(
        self, out: Path, folders: Sequence[Path], *, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        """Submit the jobs; see :class:`hevesy.engine.batch.executors.base.Executor`.

        Those that are done, in the queue or running are left out.
        """
        self.messages, self.held, self.submitted = [], {}, False
        manifest = read_manifest(out)
        names = [folder.name for folder in folders]
        self._check_gpus(out, manifest, names)
        with locked(out / SCRIPTS_FOLDER / "lock", "submits jobs to Slurm"):
            record = read_submissions(out)
            request = self.request
            if not request.command:
                request = request.model_copy(update={"command": _own_command(request)})
            now = self._statuses(out, manifest, record, ask=not self.dry_run)
            todo = [name for name in names if not is_occupied(*now[name])]
            self.held = {name: now[name][0].state for name in names if name not in todo}
            self.held = {name: state for name, state in self.held.items() if state != "done"}
            if not todo:
                self.messages.append(f"nothing to submit: {held_sentence(self.held) or 'every job is done'}")
                return
            if self.held:
                self.messages.append(f"{held_sentence(self.held)}: not submitted again")
            home, tasks = _written(out, manifest, request, todo)
            if self.dry_run:
                self.messages = _shown(out, home)
                return
            self._submit(out, record, request, home, tasks, todo)
            self.submitted = True

    def occupied(self, out: Path) -> dict[str, str]:
        """Jobs that wait in the queue or run, with that word; for whoever would run them elsewhere.

        Parameters
        ----------
        out
            Folder of the batch.

        Returns
        -------
        dict
            Job name to ``"waiting"`` or ``"running"``.

        Raises
        ------
        InputError
            Slurm cannot be asked.
        """
        self.messages = []
        both = self._statuses(out, read_manifest(out), read_submissions(out))
        there = {name: status.state for name, (status, state) in both.items() if state in queue.WAITING | queue.RUNNING}
        return {name: state for name, state in there.items() if state in ("waiting", "running")}

    def cancel(self, out: Path, folders: Sequence[Path]) -> None:
        """Have the tasks of these jobs end, running ones with a checkpoint, and with all of them the merge.

        Raises
        ------
        InputError
            Slurm cannot be asked.
        """
        self.messages = []
        manifest, record, names = read_manifest(out), read_submissions(out), {folder.name for folder in folders}
        own = _own(out, manifest)
        tasks = last_tasks(manifest, record, own)
        states, _ = self._task_states(out, tasks.values(), "not cancelled")
        active = {task for task, (state, _) in states.items() if state in queue.WAITING | queue.RUNNING}
        ending = {tasks[name] for name in names if tasks.get(name) in active}
        goes_on = {name for name, task in tasks.items() if task in active - ending and own[name].state != "done"}
        merges = [] if goes_on else self._active(out, [one.merge for one in record.submissions if one.merge])
        queue.cancel([*merges, *(f"{array}_{task}" for array, task in sorted(ending))])
        for name, task in tasks.items():
            if task in ending and (states[task][0] in queue.WAITING or name in names):
                _mark_cancelled(job_folder(out, name))
        if ending:
            self.messages.append(f"cancelled {counted(len(ending), 'task')} of Slurm")

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
        manifest, record = read_manifest(out), read_submissions(out)
        try:
            both = self._statuses(out, manifest, record)
        except InputError as error:
            self.messages = [f"{error.problem}; shown is what the jobs themselves say"]
            both = self._statuses(out, manifest, record, ask=False)
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
        former = self._active(out, [one.array for one in record.submissions])
        outdated = self._active(out, [one.merge for one in record.submissions if one.merge])
        array = queue.submit(f"{home}/{ARRAY_SCRIPT}", out, _log(request, f"{home}/%a.log"))
        done = Submission(home=home, array=array, tasks=tasks, jobs=tuple(names), submitted=_now())
        record = record.model_copy(update={"submissions": (*record.submissions, done)})
        write_record(out / RECORD_FILE, record)  # at once: these tasks are out now
        told = f"submitted {counted(len(done.jobs), 'job')} as array {array} of Slurm, {counted(done.tasks, 'task')}"
        self.messages.append(told)
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

    def _active(self, out: Path, jobs: list[str]) -> list[str]:
        """Those of these jobs of Slurm that have not ended and are of this batch."""
        active = queue.active_jobs(jobs)
        strange = queue.folders_of_others(active, out)
        return [job for job in active if job not in strange]

    def _task_states(
        self, out: Path, tasks: Iterable[queue.Task], so: str = "left out"
    ) -> tuple[dict[queue.Task, tuple[str, str]], set[str]]:
        """State and reason of tasks of this batch; and the arrays that are not of it: that is said."""
        states = queue.task_states(array for array, _ in tasks)
        strange = queue.folders_of_others({array for array, _ in states}, out)
        self.messages += [
            f"array {array} of Slurm is not of this batch: it works in {where}, and was {so} (if the batch was moved "
            f"from there: scancel {array})"
            for array, where in strange.items()
        ]
        return {task: state for task, state in states.items() if task[0] not in strange}, set(strange)

    def _statuses(
        self, out: Path, manifest: Manifest, record: SlurmRecord, *, ask: bool = True
    ) -> dict[str, tuple[JobStatus, str]]:
        """Status of each job, and the state of its task in the words of Slurm, empty where that knows of none."""
        own = _own(out, manifest)
        told = {name: (status, "") for name, status in own.items()}
        tasks = last_tasks(manifest, record, own) if ask else {}
        if not tasks:
            return told
        states, strange = self._task_states(out, tasks.values())
        logs = {one.array: one.home for one in record.submissions}
        for name, task in tasks.items():
            if task[0] in strange:
                continue
            log = f"{logs[task[0]]}/{task[1]}.log" if task[0] in logs else ""
            state = states.get(task)
            told[name] = (both_words(own[name], task, state, log), state[0] if state else "")
        return told


def _own(out: Path, manifest: Manifest) -> dict[str, JobStatus]:
    """What the jobs themselves say."""
    return {name: read_status(job_folder(out, name)) for name in manifest.jobs}


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
