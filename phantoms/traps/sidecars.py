"""Sidecars of PET volumes."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
