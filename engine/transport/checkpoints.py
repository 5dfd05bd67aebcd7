"""When a run saves its sums on the way, so that little is lost whatever ends it, at little cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import HevesyError
from .tally import Tally

log = logging.getLogger(__name__)

#: The next checkpoint is due after at least so many times what the last one took: the cost stays under 2 %.
STRETCH = 50.0
#: Speed that is expected of the first one [bytes/s], which no other has been measured for.
EXPECTED_BYTES_PER_S = 200e6


class Checkpoints:
    """When the sums of a run are saved.

    Only clocks that never jump decide.

    Parameters
    ----------
    save
        Saves whole batches, durably.
    every_s
        Shortest time between two of them [s].
    finished
        Whether sums that are complete are saved too: where more work follows before they are in a result.
    """

    def __init__(self, save: Callable[[Tally], None], every_s: float, *, finished: bool = False) -> None:
        self.save_tally, self.every_s, self.finished = save, every_s, finished
        self.saved, self.spent_s = 0, 0.0

    def begin(self, nbytes: int) -> None:
        """Start the clocks; ``nbytes`` is the size of the sums."""
        self._start, self._start_cpu = time.perf_counter(), time.process_time()
        self._wait(nbytes / EXPECTED_BYTES_PER_S)

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.perf_counter() >= self._due

    def save(self, tally: Tally, settle: Callable[[], None] | None = None) -> None:
        """Save the sums with the time that they have taken so far.

        A disk that refuses costs the checkpoint and not the run, which the log says.

        Parameters
        ----------
        tally
            Whole batches.
        settle
            Brings the sums up to date before.
        """
        before = time.perf_counter()
        if settle is not None:
            settle()
        wall, cpu = before - self._start, time.process_time() - self._start_cpu
        try:
            self.save_tally(replace(tally, wall_time_s=tally.wall_time_s + wall, cpu_time_s=tally.cpu_time_s + cpu))
            self.saved += 1
        except (OSError, HevesyError) as error:
            log.warning("no checkpoint was saved (the run goes on): %s", error)
        took = time.perf_counter() - before
        self.spent_s += took
        self._wait(took)

    def _wait(self, took_s: float) -> None:
        self._due = time.perf_counter() + max(self.every_s, STRETCH * took_s)
