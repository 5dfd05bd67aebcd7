"""Text tables and lists of names."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
