"""Jobs as an array of Slurm: one script, one submission, one task per job; a dependent job merges.

What becomes of a job is in its ``status.json``, as everywhere. Slurm is asked in addition, because a job that it killed
cannot say so, one that waits in the queue has not said anything yet, and a lock need not be seen from another node.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...lock import locked
from ...progress import Progress, Stop
from ...text import command_text, counted
from ..job import write_record
from ..manifest import Manifest, job_folder, read_job, read_manifest
from ..status import JobStatus, read_status, write_status
from . import slurm_queue as queue
from .slurm_files import SCRIPTS_FOLDER, own_command, shown, written
from .slurm_found import with_found
from .slurm_record import RECORD_FILE, SlurmRecord, Submission, last_tasks, read_submissions
from .slurm_request import SlurmRequest, request_of
from .slurm_script import ARRAY_SCRIPT, MERGE_SCRIPT
from .slurm_states import both_words, held_sentence, is_occupied


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

    def check(self, out: Path, backends: Collection[str]) -> None:
        """Refuse GPUs for jobs that would not use them, and a machine that cannot submit.

        See :class:`hevesy.engine.batch.executors.base.Executor`.
        """
        for backend in backends:
            self._refuse_gpus_for(backend)
        if not self.dry_run and shutil.which("sbatch") is None:
            raise queue.not_here("sbatch")

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
            record = read_submissions(out) if self.dry_run else self._with_found(out, manifest, note=True)
            request = self.request
            if not request.command:
                request = request.model_copy(update={"command": own_command(request)})
            now = self._statuses(out, manifest, record, ask=not self.dry_run)
            todo = [name for name in names if not is_occupied(*now[name])]
            self.held = {name: now[name][0].state for name in names if name not in todo}
            self.held = {name: state for name, state in self.held.items() if state != "done"}
            if not todo:
                self.messages.append(f"nothing to submit: {held_sentence(self.held) or 'every job is done'}")
                if self.held and not self.dry_run:
                    self._merge_what_has_none(out, record)
                return
            if self.held:
                self.messages.append(f"{held_sentence(self.held)}: not submitted again")
            home, tasks = written(out, manifest, request, todo)
            if self.dry_run:
                self.messages = shown(out, home)
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
        manifest = read_manifest(out)
        both = self._statuses(out, manifest, self._with_found(out, manifest))
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
        manifest, names = read_manifest(out), {folder.name for folder in folders}
        record = self._with_found(out, manifest, note=True)
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
            both = self._statuses(out, manifest, self._with_found(out, manifest))
        except InputError as error:
            self.messages = [f"{error.problem}; shown is what the jobs themselves say"]
            both = self._statuses(out, manifest, record, ask=False)
        return {name: status for name, (status, _) in both.items()}

    def _check_gpus(self, out: Path, manifest: Manifest, names: Sequence[str]) -> None:
        """Refuse GPUs for jobs that would not use them."""
        if not self.request.wants_gpu or not names:
            return
        self._refuse_gpus_for(read_job(job_folder(out, names[0]), manifest.jobs.get(names[0])).backend)

    def _refuse_gpus_for(self, backend: str) -> None:
        if self.request.wants_gpu and backend not in ("cuda", "auto"):
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
        array = queue.submit(f"{home}/{ARRAY_SCRIPT}", out, [f"--output={home}/%a.log"])
        done = Submission(home=home, array=array, tasks=tasks, jobs=tuple(names), submitted=_now())
        record = record.model_copy(update={"submissions": (*record.submissions, done)})
        write_record(out / RECORD_FILE, record)  # at once: these tasks are out now
        told = f"submitted {counted(len(done.jobs), 'job')} as array {array} of Slurm, {counted(done.tasks, 'task')}"
        self.messages.append(told)
        if self._submit_merge(out, record, [array, *former]):
            queue.cancel(outdated)

    def _submit_merge(self, out: Path, record: SlurmRecord, after: Sequence[str]) -> bool:
        """Submit the merge of the last submission, to wait for these arrays, and note it; False where it is refused."""
        *former, last = record.submissions
        words = [f"--dependency=afterany:{':'.join(after)}", f"--output={last.home}/merge.log"]
        try:
            merge = queue.submit(f"{last.home}/{MERGE_SCRIPT}", out, words)
        except InputError as error:
            by_hand = command_text("merge", out)
            self.messages.append(
                f"warning: the merge was not submitted ({error.problem}); when the jobs are done: {by_hand}"
            )
            return False
        done = last.model_copy(update={"merge": merge})
        write_record(out / RECORD_FILE, record.model_copy(update={"submissions": (*former, done)}))
        self.messages.append(f"job {merge} merges when they have ended")
        return True

    def _merge_what_has_none(self, out: Path, record: SlurmRecord) -> None:
        """Submit the merge of jobs that Slurm has, where none waits for them: it was refused, or never submitted."""
        arrays = self._active(out, [one.array for one in record.submissions])
        merges = self._active(out, [one.merge for one in record.submissions if one.merge])
        last = record.submissions[-1:]
        if arrays and not merges and last and (out / last[0].home / MERGE_SCRIPT).is_file():
            self._submit_merge(out, record, arrays)

    def _with_found(self, out: Path, manifest: Manifest, *, note: bool = False) -> SlurmRecord:
        """What was submitted, also by hand; what was found of it is noted, and said, where that is asked for."""
        former = read_submissions(out)
        record, said = with_found(out, manifest, former)
        if note and record != former:
            self.messages += said
            write_record(out / RECORD_FILE, record)
        return record

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
        logs = {one.array: one.home for one in record.submissions if not one.found}
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


def _mark_cancelled(folder: Path) -> None:
    """Say so of a job that no process runs; one that runs says itself how it ended."""
    status = read_status(folder)
    if status.state not in ("done", "running"):
        write_status(folder, status.model_copy(update={"state": "cancelled", "message": "cancelled"}))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
