"""Units, scales and values that a header states."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
