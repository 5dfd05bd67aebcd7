"""Ctrl-C, SIGTERM, a closed terminal: a run ends with what it has, all else at once; both with exit code 3."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from .output import echo

#: SIGHUP: the terminal is closed, or the connection to it lost.
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))

#: Two signals of one kind within this time are one request [s]: `timeout` signals a process, then its group with it,
#: and a shell that ends does what its terminal has done. Ctrl-C is pressed by somebody, and counts each time.
TOGETHER_S = 0.05


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

    def peek(self) -> bool:
        """The same, at any moment: it does not count as asked."""
        return self.requested

    @property
    def nothing_done(self) -> bool:
        """Whether no batch can be complete: there is nothing to end with, so a run need not be waited for."""
        return self.times_asked <= self.before


def ignore_signals() -> None:
    """From now on no signal ends this process; for its last moments."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Raise `Interrupted` when a signal arrives; after the block, signals are ignored.

    For a process that has nothing more to do then: a second signal, in whichever moment, takes neither the last word of
    the command nor its exit code.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        _leave_terminal(number)
        raise Interrupted

    with _handled(handler, last=True):
        yield


def _leave_terminal(number: int) -> None:
    """After the end of a terminal nothing can be said there, and nothing may fail on it."""
    if number != getattr(signal, "SIGHUP", None):
        return
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError):
            if stream is not None and (stream.isatty() or not _takes(stream.fileno())):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def _takes(descriptor: int) -> bool:
    try:
        os.write(descriptor, b"")
    except OSError:
        return False
    return True


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
    asked: tuple[int, float] | None = None

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        _leave_terminal(number)
        if asked is not None and number == asked[0] != signal.SIGINT and time.monotonic() - asked[1] < TOGETHER_S:
            return
        asked = number, time.monotonic()
        if stop.requested:
            raise Interrupted  # which nobody on the way takes for the end of a transport
        stop.requested = True
        if stop.nothing_done:
            raise KeyboardInterrupt
        with suppress(OSError):  # nobody reads it any more
            echo("\nstopping; what is done is kept; press Ctrl-C again to end at once", err=True)

    with _handled(handler):
        try:
            yield stop
        except KeyboardInterrupt as error:
            raise Interrupted from error


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *, last: bool = False) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield
        return
    hangup = getattr(signal, "SIGHUP", None)
    # nohup: the terminal may go
    asked = [number for number in SIGNALS if number != hangup or signal.getsignal(number) != signal.SIG_IGN]
    former = {number: signal.signal(number, handler) for number in asked}
    try:
        yield
    finally:
        if last:
            ignore_signals()
        else:
            for number, old in former.items():
                signal.signal(number, old)


@contextmanager
def stop_on_warning(stop: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Yield ``stop``, extended by the signal with which a cluster warns of a time limit (SIGUSR1).

    However often that comes, it aborts nothing, and it does not make the next signal a second one.
    """
    number = getattr(signal, "SIGUSR1", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    warned = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal warned
        warned = True

    former = signal.signal(number, handler)
    try:
        yield lambda: stop() or warned
    finally:
        signal.signal(number, former)
