"""Enhanced, legacy converted and vendor objects."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
