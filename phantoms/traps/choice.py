"""Which series is taken, and which is left out."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
