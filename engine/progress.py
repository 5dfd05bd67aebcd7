"""How a long job reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Told while a run goes on: fraction done (0 to 1), and what is being done with the time left.
Tell = Callable[[float, str], None]
