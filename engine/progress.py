"""How a long job reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called while a job goes on: fraction done (0 to 1), and a line that says what is being done.
Progress = Callable[[float, str], None]
#: Asked between pieces of a job; True ends it with what it has so far.
Stop = Callable[[], bool]
