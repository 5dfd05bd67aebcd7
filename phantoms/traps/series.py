"""Slices of a series: positions, copies, padding."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
