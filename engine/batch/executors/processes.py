"""Jobs in processes of this machine, each of which takes one after the other: a fast device takes more of them.

A process that ends on its own, killed by a signal or by the system when memory ran out, takes no work with it: the
lock of its job ends with it, and another process takes the job up from its checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import HevesyError, InputError
from ...lock import locked
from ...progress import Progress, Stop
from ...text import counted
from ..job import LOCK_FILE
from ..status import read_status, write_status
from .devices import Device, backend_of_job, device_names, devices_for, devices_of, environment
from .worker import ENDED, JOB, LOG, PROGRESS, READY, REFUSED, STARVED, STOP, serve

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

log = logging.getLogger(__name__)

#: How often a job is begun that its process does not survive; and how often processes may end before they are ready.
ATTEMPTS = 3
#: How often the parent looks whether to stop [s].
LOOK_S = 0.1
#: How long jobs may take to save a checkpoint and end [s], and processes to end without a job.
STOPPING_S, ENDING_S = 30.0, 2.0


class Processes:
    """Runs jobs in processes of this machine.

    Parameters
    ----------
    workers
        How many, each with its share of the cores; by default one for every four cores, or one for each GPU where the
        jobs are for GPUs.
    devices
        Instead: one process for each of these (``"cuda:0,cuda:1,cpu"``, a list, or ``"all"``).

    Raises
    ------
    InputError
        Both, and they do not agree; a device that is not here.
    """

    waits = True

    def __init__(self, workers: int | None = None, devices: str | Sequence[str] | None = None) -> None:
        names = device_names(devices) if devices else ()
        if names and workers is not None and workers != len(names):
            raise InputError(
                f"{counted(workers, 'worker')} and {counted(len(names), 'device')}",
                why="each device has one worker",
                suggestion="leave --workers out; list cpu several times for several workers on the CPU",
                field="--workers",
            )
        self.devices, self.workers = devices_of(names), workers

    def run(
        self, out: Path, folders: Sequence[Path], *, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        """Run the jobs; see :class:`hevesy.engine.batch.executors.base.Executor`.

        Raises
        ------
        InputError
            No device here runs one of the jobs.
        HevesyError
            Processes end before they take a job.
        """
        backends = {folder: backend_of_job(folder) for folder in folders if read_status(folder).state != "done"}
        if not backends:
            return
        named = {folder.name: backend for folder, backend in backends.items()}
        devices = devices_for(named, self.devices, self.workers)
        _Run(backends, devices, len(folders), progress, stop).go()

    def check(self, out: Path, backends: Collection[str]) -> None:
        """Nothing to do: devices are looked for when this executor is made."""

    def cancel(self, out: Path, folders: Sequence[Path]) -> None:
        """Nothing to do: what runs here ends with its command, and a job asks its folder whether it is cancelled."""


@dataclass
class _Worker:
    """A process, and the job that it runs."""

    name: str
    device: Device
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    job: Path | None = None
    fraction: float = 0.0
    text: str = ""
    leaves: bool = False

    def say(self, word: str, what: str = "") -> None:
        """Tell the process something; one that is gone is noticed by its end."""
        with contextlib.suppress(OSError):
            self.connection.send((word, what))


class _Run:
    """Jobs of one call: handed out, listened to, handed out again where a process was lost."""

    def __init__(
        self,
        backends: dict[Path, str],
        devices: list[Device],
        total: int,
        progress: Progress | None,
        stop: Stop | None,
    ) -> None:
        self.backends, self.waiting = backends, deque(backends)
        self.total, self.ended = total, total - len(backends)
        self.progress, self.stop = progress, stop
        self.lost: Counter[Path] = Counter()
        self.started = self.unready = 0
        self.stopping: float | None = None
        self.free: list[Device] = list(devices)
        self.at_a_time = len(devices)
        self.workers: list[_Worker] = []

    def go(self) -> None:
        """Run them all, or until `stop` says so."""
        from multiprocessing.connection import wait

        try:
            while True:
                self._look()
                self._hand_out()
                if not self.workers:
                    return
                sources: list[Any] = [end for one in self.workers for end in (one.connection, one.process.sentinel)]
                awake = wait(sources, LOOK_S)
                for worker in list(self.workers):
                    if worker.connection in awake or worker.process.sentinel in awake:
                        self._listen(worker)
                self._tell()
        finally:
            self._end_all()

    def _look(self) -> None:
        """Whether to stop, and whether stopping takes too long."""
        if self.stopping is None and self.stop is not None and self.stop():
            self.stopping = time.monotonic()
            self.waiting.clear()
            for worker in self.workers:
                worker.say(STOP)
        if self.stopping is not None and time.monotonic() - self.stopping > STOPPING_S:
            log.warning("jobs did not end within %.0f s: they go on from their last checkpoint next time", STOPPING_S)
            self._end_all()

    def _hand_out(self) -> None:
        """Give waiting jobs to workers without one, and start workers while there are jobs and devices for them."""
        for worker in [one for one in self.workers if one.ready and one.job is None and not one.leaves]:
            job = None if self._busy() >= self.at_a_time else self._next(worker.device)
            if job is not None:
                worker.job, worker.fraction, worker.text = job, 0.0, ""
                worker.say(JOB, str(job))
            elif not any(worker.device.takes(self.backends[one]) for one in self.waiting):
                worker.leaves = True
                worker.say(STOP)
        coming = sum(not one.ready for one in self.workers)
        for device in list(self.free):
            fits = [job for job in self.waiting if device.takes(self.backends[job])]
            if len(fits) > coming and len(self.workers) < self.at_a_time:
                self.free.remove(device)
                self.workers.append(self._started(device))
                coming += 1

    def _busy(self) -> int:
        return sum(one.job is not None for one in self.workers)

    def _next(self, device: Device) -> Path | None:
        """The first waiting job that a device runs, taken from the queue."""
        job = next((one for one in self.waiting if device.takes(self.backends[one])), None)
        if job is not None:
            self.waiting.remove(job)
        return job

    def _started(self, device: Device) -> _Worker:
        import multiprocessing

        self.started += 1
        name = f"worker {self.started}" + (f" ({device.name})" if device.name else "")
        context = multiprocessing.get_context("spawn")
        ours, its = context.Pipe()
        process = context.Process(target=serve, args=(its, name, device.backend), daemon=True)
        with environment(device.environment()):
            process.start()
        its.close()  # so that the end of the process closes the connection
        return _Worker(name, device, process, ours)

    def _listen(self, worker: _Worker) -> None:
        """Take all that a worker has said; then whether it has ended."""
        try:
            while worker.connection.poll():
                self._heard(worker, *worker.connection.recv())
        except (EOFError, OSError):
            worker.process.join(ENDING_S)
        if worker.process.exitcode is not None:
            self._gone(worker)

    def _heard(self, worker: _Worker, word: str, *what: Any) -> None:
        job = worker.job
        if word == READY:
            worker.ready, self.unready = True, 0
        elif word == PROGRESS:
            worker.fraction, worker.text = what
        elif word == LOG:
            log.log(what[0], "%s%s", f"{job.name}: " if job else "", what[1])
        elif word == REFUSED and job is not None:
            log.warning("%s was not run: %s", job.name, what[0])
            self._over(worker)
        elif word == ENDED and job is not None:
            state, message = what
            if state == STARVED and self.stopping is None:
                worker.leaves, worker.job = True, None  # a fresh process has all of its memory
                worker.say(STOP)
                self._short_of_memory(job)
            elif state == "stopped" and not message and self.stopping is None:
                # somebody ended the process, and it had time to say so; with a message, a disk has no room for its work
                worker.job = None
                self._again(job, f"{worker.name} was asked to end")
            else:
                self._over(worker)

    def _over(self, worker: _Worker) -> None:
        worker.job = None
        self.ended += 1

    def _gone(self, worker: _Worker) -> None:
        """A worker has ended: its device is free, and so is its job."""
        self.workers.remove(worker)
        self.free.append(worker.device)
        worker.connection.close()
        how = _how(worker.process.exitcode)
        if worker.job is not None and self.stopping is None:
            self._again(worker.job, f"{worker.name} ended {how}")
        elif not worker.ready and self.stopping is None:
            self.unready += 1
            if self.unready >= ATTEMPTS:
                raise HevesyError(
                    f"the processes of the batch end before they take a job: {how}\n"
                    "  try: fewer --workers, or --executor here, whose message says more"
                )

    def _short_of_memory(self, job: Path) -> None:
        self.at_a_time = max(1, min(self.at_a_time, self._busy() + 1) - 1)
        self._again(job, f"memory ran out; {counted(self.at_a_time, 'job')} at a time from now on")

    def _again(self, job: Path, why: str) -> None:
        """Run a job again whose process was lost, unless that has happened too often."""
        self.lost[job] += 1
        if self.lost[job] < ATTEMPTS:
            log.warning(
                "%s: %s; it is run again from its last checkpoint (attempt %d of %d)",
                job.name, why, self.lost[job] + 1, ATTEMPTS,
            )  # fmt: skip
            self.waiting.appendleft(job)
            return
        log.warning("%s: %s; it is not run again", job.name, why)
        self.ended += 1
        with locked(job / LOCK_FILE, "notes that this job was lost"):
            message = f"its process was lost {counted(ATTEMPTS, 'time')}, at last: {why}. Is there too little memory?"
            write_status(job, read_status(job).model_copy(update={"state": "failed", "message": message}))

    def _tell(self) -> None:
        if self.progress is None:
            return
        at_work = [one for one in self.workers if one.job is not None]
        done = self.ended + sum(one.fraction for one in at_work)
        jobs = ", ".join(f"{one.job.name} {100 * one.fraction:.0f} %" for one in at_work[:4] if one.job is not None)
        text = f"{self.ended} of {counted(self.total, 'job')} ended" + (f"; {jobs}" if jobs else "")
        self.progress(min(done / self.total, 1.0), text)

    def _end_all(self) -> None:
        """End every process, by force where it does not end by itself; its job goes on from its last checkpoint."""
        for worker in self.workers:
            worker.say(STOP)
            worker.connection.close()
        end = time.monotonic() + ENDING_S
        for worker in self.workers:
            worker.process.join(max(end - time.monotonic(), 0.0))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join(ENDING_S)
        self.workers.clear()


def _how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        try:
            return f"by {signal.Signals(-code).name}"
        except ValueError:
            return f"by signal {-code}"
    return f"with exit status {code}"
