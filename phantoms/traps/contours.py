"""Contours of an RTSTRUCT."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
