"""What a worker's process does: one job after the other, with tables and compiled code that stay warm between them.

It listens to its parent all the time. When the parent asks it to stop, or is gone, the job that runs saves a checkpoint
and ends.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import HevesyError
from ..work import run_job

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: Longest time that a job may take to end when the parent is gone [s]: tables that are built, kernels that compile.
ORPHAN_S = 20.0
#: Shortest time between two messages on how far a job is [s].
TELL_EVERY_S = 0.2
#: What a process asks for, to see whether a job failed because there is no memory [bytes].
PROBE_BYTES = 64 << 20
#: State of a job that failed for that reason, as the worker tells it.
STARVED = "starved"
#: Words of the parent, and of the worker.
JOB, STOP = "job", "stop"
READY, PROGRESS, ENDED, REFUSED, LOG = "ready", "progress", "ended", "refused", "log"


class StopFlag:
    """Whether a job is to end; may be asked at any moment, by any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.peek = self._event.is_set
        self.set = self._event.set

    def __call__(self) -> bool:
        return self._event.is_set()


def serve(connection: Connection, name: str, backend: str) -> None:
    """Run the jobs that come through a connection, until it closes.

    Parameters
    ----------
    connection
        To the parent.
    name
        Of this worker, for the status of its jobs.
    backend
        Of jobs that any device may run.
    """
    stop = StopFlag()
    _take_signals(stop)
    jobs: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs, stop), daemon=True).start()
    told = _Told(connection)
    logging.getLogger(__name__.split(".")[0]).addHandler(_Forward(told))
    told.say(READY)
    while (folder := jobs.get()) is not None and not stop():
        try:
            ended = run_job(folder, executor_id=name, device=backend, progress=told.progress, stop=stop)
        except (HevesyError, OSError) as error:  # no folder of a job, another process runs it, a disk that fails
            told.say(REFUSED, str(error))
        else:
            starved = ended.state == "failed" and ("MemoryError" in ended.message or not _memory_left())
            told.say(ENDED, STARVED if starved else ended.state, ended.message)


def _memory_left() -> bool:
    """Whether this process gets memory: where it does not, libraries fail with errors of every kind."""
    try:
        return len(bytearray(PROBE_BYTES)) > 0
    except MemoryError:
        return False


def _take_signals(stop: StopFlag) -> None:
    """The parent decides what Ctrl-C and a closed terminal mean, which reach all of its processes."""
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())


def _listen(connection: Connection, jobs: queue.SimpleQueue[Path | None], stop: StopFlag) -> None:
    """Take what the parent says; its end closes the connection, however it ended."""
    try:
        while True:
            word, what = connection.recv()
            if word == STOP:
                stop.set()
                jobs.put(None)
            else:
                jobs.put(Path(what))
    except (EOFError, OSError):
        stop.set()
        jobs.put(None)
        time.sleep(ORPHAN_S)  # the process ends before, unless something holds it
    finally:  # also when memory ran out in this thread: a process that does not listen would be waited for
        signal.raise_signal(getattr(signal, "SIGKILL", signal.SIGTERM))


class _Told:
    """What is said to the parent; a parent that is gone is noticed elsewhere."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock, self._last = connection, threading.Lock(), 0.0

    def say(self, *words: Any) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(words)

    def progress(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= TELL_EVERY_S:
            self._last = now
            self.say(PROGRESS, float(fraction), text)


class _Forward(logging.Handler):
    """Passes warnings on to the parent, which shows them."""

    def __init__(self, told: _Told) -> None:
        super().__init__(logging.WARNING)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.say(LOG, record.levelno, record.getMessage())
