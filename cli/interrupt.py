"""Ctrl-C and SIGTERM: a run ends with what it has, everything else ends at once; both with exit code 3."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from .output import echo

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal asked the command to end.

    Not a KeyboardInterrupt, which the command-line library would turn into an exit code of its own; and no Exception,
    so that nothing on the way takes it for an error.
    """


class _StopRequest:
    """Whether a signal has asked a run to stop; a run asks before its images, and after every batch.

    Parameters
    ----------
    before
        How often the command asks before a batch can be complete.
    """

    def __init__(self, before: int) -> None:
        self.before, self.times_asked = before, 0
        self.requested = False

    def __call__(self) -> bool:
        self.times_asked += 1
        return self.requested

    @property
    def nothing_done(self) -> bool:
        """Whether no batch can be complete: there is nothing to end with, so a run need not be waited for."""
        return self.times_asked <= self.before


def ignore_signals() -> None:
    """From now on no signal ends this process; for its last moments."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Raise `Interrupted` when a signal arrives; the former handlers are restored afterwards."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    with _handled(handler):
        yield


@contextmanager
def stop_on_interrupt(before: int = 1) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether to stop; the former handlers are restored afterwards.

    The first signal asks the run to end with what it has; before its first batch is complete, and at the second
    signal, the run ends at once.

    Parameters
    ----------
    before
        How often the command asks before a batch can be complete; -1: it is always waited for.

    Raises
    ------
    Interrupted
        The run ended without results.
    """
    stop = _StopRequest(before)

    def handler(number: int, frame: FrameType | None) -> None:
        if stop.requested or stop.nothing_done:
            stop.requested = True
            raise KeyboardInterrupt
        stop.requested = True
        echo("\nfinishing the current batches; press Ctrl-C again to abort", err=True)

    with _handled(handler):
        try:
            yield stop
        except KeyboardInterrupt as error:
            raise Interrupted from error


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield
        return
    former = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in former.items():
            signal.signal(number, old)
