"""Structures that are lesions, and others."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
