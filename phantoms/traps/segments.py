"""DICOM SEG and label maps."""

from __future__ import annotations

from .trap import Trap

TRAPS: tuple[Trap, ...] = ()
