"""One run of jobs on the workers of Dask: hand them out, listen, take up again what was lost, stop when asked."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError, StoppedEarly
from ...progress import Progress, Stop
from ...text import count_of
from ..status import read_status
from .dask_task import ask_to_stop, run_on_worker

log = logging.getLogger(__name__)

#: How often jobs are looked at [s], and how often workers are counted or told to stop.
_LOOK_S, _WORKERS_S = 0.1, 1.0
#: How long jobs may take to stop with a checkpoint [s]: a batch takes a second or two, the tables before it some more.
_DRAIN_S = 120.0


@dataclass
class DaskRun:
    """Jobs of one call on the workers of a client.

    Parameters
    ----------
    client
        Of Dask.
    out, batch
        Folder of the batch here, and as the workers see it.
    name
        Of this run, among all that the scheduler knows.
    needs
        Resources of a worker that jobs need, by job.
    threads
        CPU threads of each job; None: the cores of its worker's machine, divided by the jobs that run there.
    lock_patience_s
        How long a job waits for its own lock [s].
    attempts
        How often a job is begun whose worker is lost, and handed out that comes back no further than before.
    without_worker_s
        How long to go on without a worker [s]; None: for ever, as a batch system may start some tomorrow.
    """

    client: Any
    out: Path
    batch: str
    name: str
    needs: dict[str, dict[str, int]]
    threads: int | None
    lock_patience_s: float
    attempts: int
    without_worker_s: float | None = None
    _pending: dict[Any, str] = field(default_factory=dict, init=False)
    _ended: set[str] = field(default_factory=set, init=False)
    _fractions: dict[str, float] = field(default_factory=dict, init=False)
    _text: str = field(default="", init=False)
    _tries: Counter[str] = field(default_factory=Counter, init=False)
    _before: dict[str, int] = field(default_factory=dict, init=False)
    _decays: dict[str, int] = field(default_factory=dict, init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)
    _refused: dict[str, str] = field(default_factory=dict, init=False)
    _jobs: int = field(default=0, init=False)
    _at_a_time: int = field(default=1, init=False)
    _seen: float = field(default=0.0, init=False)
    _looked: float = field(default=0.0, init=False)

    def run(self, names: Sequence[str], progress: Progress | None, stop: Stop | None) -> None:
        """Run these jobs until all have ended, or `stop` says so."""
        self._jobs, self._at_a_time = len(names), self._most_at_a_time()
        self._seen = time.monotonic()
        self._before = {name: read_status(self.out / name).attempts for name in names}
        self.client.subscribe_topic(self.name, self._hear)
        for number, name in enumerate(names):
            self._submit(name, -number)
        try:
            while self._pending:
                if stop is not None and stop():
                    return self._stop(progress)
                self._collect(again=True)
                self._tell(progress, "")
                time.sleep(_LOOK_S)
        except InputError:
            self._stop(progress)
            raise
        if self._refused:
            name, message = next(iter(self._refused.items()))
            raise InputError(
                f"{count_of(len(self._refused), self._jobs, 'job', ('was', 'were'))} not run: {name}: {message}",
                why="the files of the job, or its worker, do not allow it",
                suggestion="see `hevesy status`, then `hevesy retry`",
                file=self.batch,
            )
        return None

    def _submit(self, name: str, priority: int = 0) -> None:
        self._tries[name] += 1
        future = self.client.submit(
            run_on_worker, self.batch, name, self.name, self.threads, self._at_a_time, self.lock_patience_s,
            key=f"{self.name}-{name.replace('/', '-')}-{next(self._numbers)}", priority=priority, pure=False,
            resources=self.needs.get(name),
        )  # fmt: skip
        self._pending[future] = name

    def _most_at_a_time(self) -> int:
        """Jobs that run on one machine at a time, as far as its workers are known."""
        per_host: Counter[str] = Counter()
        for worker in self._workers():
            per_host[worker["host"]] += worker["nthreads"]
        return max(per_host.values(), default=1)

    def _workers(self) -> list[dict[str, Any]]:
        return list(self.client.scheduler_info(n_workers=-1)["workers"].values())

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Called by Dask, on a thread of its own, with what a worker says."""
        said = event[1]
        self._fractions[said["job"]] = said["fraction"]
        self._text = f"{PurePosixPath(said['job']).name}: {said['text']}"

    def _tell(self, progress: Progress | None, first: str) -> None:
        now = time.monotonic()
        if now - self._looked >= _WORKERS_S and self.client.status == "running":
            self._looked = now
            if self._workers():
                self._seen = now
            else:
                self._text = "waits for a worker"
            if self.without_worker_s is not None and now - self._seen > self.without_worker_s:
                raise self._lost("all workers were lost", "none has come back, as where memory runs out")
        if progress is None:
            return
        under_way = sum(self._fractions.get(name, 0.0) for name in self._pending.values())
        done = f"{count_of(len(self._ended), self._jobs, 'job')} ended"
        text = ", ".join(filter(None, (first, done, self._text)))
        progress((len(self._ended) + under_way) / self._jobs, text)

    def _collect(self, *, again: bool) -> None:
        """Take note of jobs that have come back; hand out again those that did not end, where that may help."""
        for future, name in [item for item in self._pending.items() if item[0].done()]:
            if self.client.status != "running" or future.cancelled():
                raise self._scheduler_lost()
            del self._pending[future]
            told = self._told(future, name)
            self._fractions.pop(name, None)
            if told["state"] == "unseen":
                raise unseen_folder(self.batch, told["message"])
            if again and told["state"] in ("stopped", "held", "lost", "running", "broken"):
                self._again(name, told)
            elif told["state"] == "refused":
                self._refused[name] = told["message"]
                self._ended.add(name)
            else:
                self._ended.add(name)
        if self.client.status != "running" and self._pending:
            raise self._scheduler_lost()

    def _told(self, future: Any, name: str) -> dict[str, Any]:
        """What a worker says of a job, or what it means that it says nothing."""
        if future.status == "finished":
            told: dict[str, Any] = future.result()
            return told
        error = future.exception()
        if isinstance(error, (ModuleNotFoundError, AttributeError)) and "hevesy" in str(error):
            raise InputError(
                "the workers have no hevesy, or another version of it",
                why=str(error),
                suggestion="install this version where the workers run",
                field="--scheduler",
            ) from None
        if type(error).__name__ == "KilledWorker":
            return self._after_a_loss(name)
        return {"state": "broken", "decays": 0, "message": f"{type(error).__name__}: {error}"}

    def _after_a_loss(self, name: str) -> dict[str, Any]:
        """What it means that a worker was lost: the job ran there, or it only waited, or was done already."""
        status = read_status(self.out / name)
        begun = status.attempts - self._before[name]
        if status.state == "done":
            return {"state": "done", "decays": status.decays, "message": ""}
        if begun >= self.attempts:
            log.warning("%s is given up: the %d workers that ran it were lost", name, begun)
            return {"state": "given up", "decays": 0, "message": ""}  # its status is "lost"
        if begun:
            log.warning("%s: its worker was lost; another resumes it", name)
        self._tries[name] = min(self._tries[name], begun)
        return {"state": "lost", "decays": status.decays, "message": ""}

    def _again(self, name: str, told: dict[str, Any]) -> None:
        """Hand a job out again; one that got further since last time may come back as often as it likes."""
        if told["decays"] > self._decays.get(name, 0):
            self._decays[name] = told["decays"]
        elif self._tries[name] >= self.attempts:
            self._refused[name] = told["message"] or told["state"]
            return
        log.info("%s comes back as %s: it is handed out again", name, told["state"])
        self._submit(name)

    def _scheduler_lost(self) -> StoppedEarly:
        return self._lost("the Dask scheduler was lost", "its connection closed")

    def _lost(self, what: str, why: str) -> StoppedEarly:
        done = count_of(len(self._ended), self._jobs, "job", ("has", "have"))
        return StoppedEarly(
            f"{what}; {done} ended\n  why: {why}\n"
            "  try: nothing that was done is lost: see `hevesy status`, then `hevesy retry`"
        )

    def _stop(self, progress: Progress | None) -> None:
        """Have jobs that run stop with a checkpoint, and those that wait not begin."""
        until, asked = time.monotonic() + _DRAIN_S, -_WORKERS_S
        while self._pending and self.client.status == "running" and time.monotonic() < until:
            if time.monotonic() - asked >= _WORKERS_S:  # again and again: workers may join
                asked = time.monotonic()
                if not self._workers():
                    break
                self.client.run(ask_to_stop, self.name, wait=False)
            self._collect(again=False)
            self._tell(progress, "stopping")
            time.sleep(_LOOK_S)
        if self.client.status == "running":
            self.client.cancel(list(self._pending), force=True)


def unseen_folder(batch: str, where: str) -> InputError:
    """That workers do not see the folder of a batch, whose name on them this is; and where such a worker runs."""
    return InputError(
        "the workers do not see the folder of the batch",
        why=f"there is no such folder on {where}",
        suggestion="put it where all machines have it, and say where that is: --option folder_on_workers=/...",
        file=batch,
    )
