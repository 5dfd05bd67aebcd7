"""How a long job reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called while a job runs: fraction done (0 to 1), and a line of text on the current step.
Progress = Callable[[float, str], None]
#: Called between pieces of a job; True ends it with what it has so far.
Stop = Callable[[], bool]
