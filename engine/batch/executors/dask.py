"""Jobs on Dask: processes of this machine, the workers of any scheduler, or jobs of PBS, LSF, SGE, HTCondor, Slurm.

A worker is told the folder of a job and nothing else. One that is killed takes no work with it: the job's lock ends
with its process, and another worker resumes the job from its checkpoint.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...progress import Progress, Stop
from ..status import read_status
from .dask_run import DaskRun, unseen_folder
from .dask_workers import (
    CORE,
    GPU,
    batch_system_cluster,
    check_submits,
    imported,
    job_script,
    local_cluster,
    scheduler_address,
    submit_workers,
)
from .devices import CPU, CUDA, Device, backend_of_job, device_names, devices_for, devices_of
from .options import flag

#: How long a scheduler may take to answer [s].
CONNECT_S = 10.0
#: How long workers of this machine may all be gone [s]: they are started again, in some seconds.
WITHOUT_WORKER_S = 60.0


class Dask:
    """Runs jobs on the workers of Dask.

    Parameters
    ----------
    scheduler
        Address (``tcp://host:port``) or scheduler file of a Dask that runs; by default one is started here, with
        processes of this machine for workers.
    workers
        Number of workers to start: processes, or jobs of the batch system. By default one process for four cores, or
        one job for each job of the batch.
    threads
        CPU threads of each job; by default the cores of the machine divided by its workers.
    cluster
        Batch system whose jobs are the workers: pbs, lsf, sge, htcondor, slurm, oar or moab.
    devices
        Devices of this machine (``cuda:0``, ``cuda:1``, ``cpu``), one for each worker.
    options
        ``folder_on_workers``: the batch's folder as the workers see it. ``attempts``: how many workers a job may take
        with it (5). ``lock_patience_s``: how long a job waits for its own lock [s] (60). ``connect_s``: how long the
        scheduler may take to answer [s] (10). ``dashboard``: show Dask's page. ``dry_run``: with ``cluster``, leave
        the job script of a worker in ``messages`` and run nothing. With ``cluster``, all others are those
        of dask-jobqueue: ``cores``, ``memory``, ``walltime``, ``queue``, ``job_extra_directives``, ...

    Raises
    ------
    InputError
        Options that do not go together, or that the batch system does not take; no such scheduler file or device; the
        extra `dask` is not installed.
    """

    def __init__(
        self,
        /,
        scheduler: str | None = None,
        workers: int | None = None,
        threads: int | None = None,
        cluster: str | None = None,
        devices: Sequence[str] | str | None = None,
        **options: Any,
    ) -> None:
        self._refuse_contradictions(scheduler, cluster, devices)
        self.scheduler = None if scheduler is None else scheduler_address(scheduler)
        self.cluster, self.workers, self.threads = cluster, workers, threads
        self.devices = devices_of(device_names(devices)) if devices else []
        self.folder_on_workers = options.pop("folder_on_workers", None)
        self.attempts = options.pop("attempts", 5)
        self.lock_patience_s = options.pop("lock_patience_s", 60.0)
        self.connect_s = options.pop("connect_s", CONNECT_S)
        self.dashboard = options.pop("dashboard", False)
        self.dry_run = options.pop("dry_run", False)
        self.waits = not self.dry_run
        #: What a user should read after a run.
        self.messages: list[str] = []
        self.options = options
        if self.dry_run and cluster is None:
            raise InputError(
                "there is no script to show",
                why="no batch system is asked for",
                suggestion="give --cluster, or leave out --dry-run",
                field="--dry-run",
            )
        if options and cluster is None:
            first = next(iter(options))
            raise InputError(
                f"{first} is of a batch system", why="none is asked for", suggestion="give --cluster", field=flag(first)
            )
        imported("distributed")
        if cluster is not None:
            self.script()  # which says what is missing

    @staticmethod
    def _refuse_contradictions(*given: Any) -> None:
        both = [name for name, value in zip(("--scheduler", "--cluster", "--devices"), given, strict=True) if value]
        if len(both) > 1:
            raise InputError(
                f"{' and '.join(both)} do not go together",
                why="a scheduler has its workers, a batch system gives each job its devices, and devices are of this "
                "machine",
                suggestion="give one of them",
                field=both[-1],
            )

    def check(self, out: Path, backends: Collection[str]) -> None:
        """Refuse a scheduler that does not answer, workers that do not see the folder, a batch system that is not here.

        See :class:`hevesy.engine.batch.executors.base.Executor`.
        """
        folder = self.folder_on_workers or str(out.resolve())
        if self.scheduler is not None:
            with self._connected(self.scheduler) as client:
                seen = client.run(os.path.isdir, folder, on_error="return")
                unseen = [worker for worker, there in seen.items() if there is False]
            if unseen:
                raise unseen_folder(folder, unseen[0])
        elif self.cluster is not None:
            if not self.dry_run:
                check_submits(self.cluster)
        elif not Path(folder).is_dir() or not out.samefile(folder):
            raise InputError(
                f"{folder!r} is not the folder of the batch",
                why="the workers run on this machine, where that folder has its own name",
                suggestion="leave it out, or give --scheduler or --cluster with it",
                field=flag("folder_on_workers"),
            )

    def run(
        self, out: Path, folders: Sequence[Path], *, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        """Run the jobs; see :class:`hevesy.engine.batch.executors.base.Executor`.

        Raises
        ------
        InputError
            Nothing answers at the scheduler's address; the batch system refuses the workers; workers without hevesy,
            or that do not see the folder of the batch.
        StoppedEarly
            The scheduler was lost: what is done stays done.
        """
        left = [folder for folder in folders if read_status(folder).state != "done"]
        backends = {folder.relative_to(out).as_posix(): backend_of_job(folder) for folder in left}
        if not backends:
            return
        if self.dry_run:
            self.messages = [self.script()]
            return
        here = self.scheduler is None and self.cluster is None
        devices = devices_for(backends, self.devices, self.workers) if here else []
        needs = _needs(backends, devices)
        with self._client(len(backends), devices) as client:
            DaskRun(
                client=client,
                out=out,
                batch=self.folder_on_workers or str(out.resolve()),
                name=f"hevesy-{uuid.uuid4().hex[:12]}",
                needs=needs,
                threads=self.threads or self._threads_of_a_batch_job(),
                lock_patience_s=self.lock_patience_s,
                attempts=self.attempts,
                without_worker_s=WITHOUT_WORKER_S if here else None,
            ).run(list(backends), progress, stop)

    def _threads_of_a_batch_job(self) -> int | None:
        """Cores that a job of the batch system asks for; its machine may have more."""
        if self.cluster is None or "cores" not in self.options:
            return None
        return max(1, int(self.options["cores"] // self.options.get("processes", 1)))

    def cancel(self, out: Path, folders: Sequence[Path]) -> None:
        """Nothing to do on Dask: a job asks its own folder whether it is cancelled, on whichever worker it runs."""

    def script(self) -> str:
        """The job script by which a batch system starts one worker, as dask-jobqueue writes it."""
        if self.cluster is None:
            raise InputError("there is no script", why="no batch system is asked for", suggestion="give --cluster")
        return job_script(self.cluster, self.options)

    @contextmanager
    def _client(self, jobs: int, devices: Sequence[Device]) -> Iterator[Any]:
        """A client of Dask, with the workers that were asked for on their way."""
        distributed = imported("distributed")
        with distributed.utils.silence_logging_cmgr("CRITICAL"):
            if self.scheduler is not None:
                with self._connected(self.scheduler) as client:
                    yield client
            elif self.cluster is not None:
                with batch_system_cluster(self.cluster, self.options) as cluster:
                    submit_workers(cluster, self.cluster, min(self.workers or jobs, jobs))
                    with distributed.Client(cluster, set_as_default=False) as client:
                        yield client
            else:
                with (
                    local_cluster(devices, dashboard=self.dashboard) as cluster,
                    distributed.Client(cluster, set_as_default=False) as client,
                ):
                    yield client

    @contextmanager
    def _connected(self, address: str) -> Iterator[Any]:
        distributed = imported("distributed")
        try:
            client = distributed.Client(address, timeout=self.connect_s, set_as_default=False)
        except (OSError, ValueError) as error:  # no answer, an address that is none
            raise InputError(
                f"no Dask scheduler answers at {address}",
                why=f"within {self.connect_s:g} s: {error}",
                suggestion="start one with `dask scheduler`, or leave --scheduler out: workers start on this machine",
                field="--scheduler",
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=self.connect_s)


def _needs(backends: Mapping[str, str], devices: Sequence[Device]) -> dict[str, dict[str, int]]:
    """What a worker must offer to run each job, where workers differ."""
    if not any(device.name for device in devices):
        return {}
    offers = {CUDA: {GPU: 1}, CPU: {CORE: 1}, "python": {CORE: 1}}
    return {name: offers[backend] for name, backend in backends.items() if backend in offers}
