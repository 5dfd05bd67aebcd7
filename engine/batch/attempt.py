"""One attempt of a job: where it runs, whether it is to end, and saying how far it is."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..disk_errors import disk_error
from ..progress import Progress, Stop, TimeLeft
from .control import is_cancelled
from .job import BatchJob, check_still_there
from .status import LONGEST_S, JobStatus, write_status

log = logging.getLogger(__name__)

#: A job that runs says how far it is no more often than this [s].
TELL_EVERY_S = 3.0


class Ends:
    """Whether a job is to end: as its executor says, or as its folder does.

    Parameters
    ----------
    folder
        Of the job.
    stop
        Of the executor. Where it has a function ``peek``, that is asked in the middle of a piece.
    """

    def __init__(self, folder: Path, stop: Stop | None) -> None:
        self._folder, self._stop = folder, stop
        self._peek: Stop | None = getattr(stop, "peek", None)

    def __call__(self) -> bool:
        return (self._stop is not None and self._stop()) or is_cancelled(self._folder)

    def peek(self) -> bool:
        """The same, without consequence for whoever counts how often it is asked."""
        return (self._peek is not None and self._peek()) or is_cancelled(self._folder)


@dataclass
class Attempt:
    """One attempt of a job.

    Parameters
    ----------
    folder, job, status
        The job, and its status since it runs.
    threads, device
        CPU threads; backend of a job that was planned for several.
    progress, stop
        Of whoever runs it.
    """

    folder: Path
    job: BatchJob
    status: JobStatus
    threads: int | None = None
    device: str = "auto"
    progress: Progress | None = None
    stop: Stop | None = None
    _said: float = field(default_factory=time.monotonic)
    _left: TimeLeft = field(default_factory=TimeLeft)

    def tell(self, fraction: float, text: str) -> None:
        """Pass progress on, and now and then write it into the status.

        Raises
        ------
        InputError
            The folder of the job is gone: what it does has no place.
        """
        if self.progress is not None:
            self.progress(fraction, text)
        moment, left_s = time.monotonic(), self._left(fraction, text)
        if moment - self._said >= TELL_EVERY_S:
            self._said = moment
            done = min(max(fraction, 0.0), 1.0)
            decays = max(round(done * self.job.decays), self.status.decays)
            left_s = None if left_s is None else min(left_s, LONGEST_S)
            changes = {"fraction": done, "decays": decays, "left_s": left_s, "updated": now()}
            check_still_there(self.folder)
            try:
                write_status(self.folder, self.status.model_copy(update=changes))
            except OSError as error:  # it costs the note, not the run
                log.warning("how far the job is could not be noted (it goes on): %s", disk_error(error).render())

    @property
    def ends(self) -> Ends:
        """What the work asks between its pieces, and may ask at any moment."""
        return Ends(self.folder, self.stop)

    def stopped(self, **fields: Any) -> dict[str, Any]:
        """Fields of the status of a job that was stopped, and by whom."""
        return {"state": "cancelled" if is_cancelled(self.folder) else "stopped", **fields}


def now() -> str:
    """UTC, as a status says it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
