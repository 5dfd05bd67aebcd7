"""What a worker of Dask does: run the job in a folder, say how far it is, and stop when it is asked to.

A worker is told names and folders, nothing else: it finds everything in the files of the job.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ....kernels.backends.machine import usable_cores
from ...errors import InputError
from ...lock import is_locked
from ...progress import Progress, Stop
from ..job import LOCK_FILE
from ..status import read_status
from ..work import run_job
from .devices import THREADS

#: Runs that this process has been asked to stop.
_ASKED_TO_STOP: set[str] = set()
#: Words on progress are sent no more often than this [s].
_EVERY_S = 0.5
#: How often a lock that another process holds is looked at [s], and how often a refusal is tried again.
_LOOK_S, _TRIES = 0.2, 3


def dask_setup(worker: Any) -> None:
    """Leave signals to the command that started this worker; Dask calls it in each worker of a local cluster.

    Ctrl-C reaches every process of a terminal: a worker that ended by itself could write no checkpoint.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


async def ask_to_stop(run: str) -> None:
    """Have the jobs of a run in this worker stop with a checkpoint, and no further one of it start."""
    _ASKED_TO_STOP.add(run)


def run_on_worker(
    batch: str, job: str, run: str, threads: int | None, at_a_time: int, lock_patience_s: float
) -> dict[str, Any]:
    """Run one job on a worker of Dask.

    Parameters
    ----------
    batch
        Folder of the batch as this worker sees it.
    job
        Folder of the job in it, relative.
    run
        What the executor calls this run: what is asked to stop, and the topic of its progress.
    threads
        CPU threads; None: the cores that this worker may use, divided by `at_a_time`.
    at_a_time
        Jobs that run on this machine at a time.
    lock_patience_s
        How long to wait for a job that another process still holds [s].

    Returns
    -------
    dict
        ``state`` (that of the job, or ``"held"``, ``"unseen"``, ``"refused"``), ``decays``, ``message``.
    """
    from distributed import get_worker

    worker = get_worker()
    folder = Path(batch, job)
    if not folder.is_dir():
        return {"state": "unseen", "decays": 0, "message": socket.gethostname()}

    def stop() -> bool:
        return run in _ASKED_TO_STOP or str(worker.status.name).startswith("clos")

    if threads is None and THREADS not in os.environ:  # a worker of a device has its share there
        threads = max(1, usable_cores() // max(1, at_a_time, worker.state.nthreads))
    offers = worker.state.total_resources
    return run_when_free(
        folder,
        threads=threads,
        executor_id=f"{run} {worker.name}",
        device="cuda" if "GPU" in offers else "cpu" if "CPU" in offers else "auto",
        progress=_sender(worker, run, job),
        stop=stop,
        patience_s=lock_patience_s,
    )


def run_when_free(folder: Path, *, progress: Progress, stop: Stop, patience_s: float, **options: Any) -> dict[str, Any]:
    """Run a job once no other process holds it: one that was killed a moment ago may hold its lock for a while yet.

    Parameters
    ----------
    folder, progress, stop, options
        As in :func:`hevesy.engine.batch.work.run_job`.
    patience_s
        How long to wait [s].

    Returns
    -------
    dict
        As :func:`run_on_worker`.
    """
    until, refusals = time.monotonic() + patience_s, 0
    while True:
        if stop():
            return _told(folder)
        if is_locked(folder / LOCK_FILE):
            progress(0.0, "waits for the process that runs it")
            if time.monotonic() > until:
                return {"state": "held", "decays": 0, "message": "another process runs it"}
            time.sleep(_LOOK_S)
            continue
        try:
            run_job(folder, progress=progress, stop=stop, **options)
            return _told(folder)
        except InputError as error:  # taken a moment ago by another one, or a folder that cannot be used
            refusals += 1
            if refusals >= _TRIES and not is_locked(folder / LOCK_FILE):
                return {"state": "refused", "decays": 0, "message": error.problem}
            time.sleep(_LOOK_S)


def _told(folder: Path) -> dict[str, Any]:
    status = read_status(folder)
    return {"state": status.state, "decays": status.decays, "message": status.message}


def _sender(worker: Any, run: str, job: str) -> Callable[[float, str], None]:
    """Sends the progress of a job to whoever listens to its run."""
    last = 0.0

    def tell(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY_S:
            last = now
            worker.log_event(run, {"job": job, "fraction": float(fraction), "text": text})

    return tell
