"""How a long job reports its progress."""

from __future__ import annotations

from collections.abc import Callable

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
