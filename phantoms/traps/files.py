"""Files and folders: what is seen, names, archives."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
