"""Times, time zones and dates."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
