"""Values of a case that cannot be right."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
