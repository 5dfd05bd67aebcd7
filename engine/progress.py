"""How a long job reports its progress."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How the line of text of a transport begins that has simulated something; another step may be named before it.
TRANSPORT = "transport: "
#: An estimate of the time left is said when so much was done, in so many seconds, since the work itself began.
WORTH_SHARE, WORTH_S = 0.03, 3.0

#: Called while a job runs: fraction done (0 to 1), and a line of text on the current step.
Progress = Callable[[float, str], None]
#: Called between pieces of a job; True ends it with what it has so far.
Stop = Callable[[], bool]


def at_once(stop: Stop | None) -> Stop | None:
    """How to ask a stop in the middle of a piece of a job, whose result is then given up.

    Parameters
    ----------
    stop
        What is asked between the pieces. It may be asked at any moment, without consequence, where it has a function
        ``peek``.

    Returns
    -------
    callable or None
        That function; None where there is none.
    """
    peek: Stop | None = getattr(stop, "peek", None)
    return peek


class TimeLeft:
    """The time that a job still needs, from how fast it has come on since its work itself began.

    Reading images, building tables and compiling take time in which the fraction hardly moves; their pace says nothing
    of that of the decays. So the clock starts with the first report of a transport, or, as long as there is none, with
    the first that says more than the one before; there is no estimate until enough was done after it.

    Parameters
    ----------
    clock
        Says the time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: tuple[float, float] | None = None
        self._first: float | None = None
        self._of_transport = False

    def __call__(self, fraction: float, text: str = "") -> float | None:
        """Take note of a report of progress.

        Parameters
        ----------
        fraction, text
            As of :data:`Progress`.

        Returns
        -------
        float or None
            Time left [s]; None as long as none is worth saying.
        """
        moment, transport = self._clock(), TRANSPORT in text
        if self._first is None:
            self._first = fraction
        if (transport and not self._of_transport) or (self._begun is None and fraction > self._first):
            self._begun, self._of_transport = (moment, fraction), transport
            return None
        if self._begun is None:
            return None
        elapsed, done = moment - self._begun[0], fraction - self._begun[1]
        if elapsed < WORTH_S or done < WORTH_SHARE:
            return None
        return elapsed * max(1.0 - fraction, 0.0) / done
