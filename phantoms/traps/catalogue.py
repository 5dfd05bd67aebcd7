"""All traps, by kind."""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    choice,
    contours,
    files,
    geometry,
    hostile,
    objects,
    scales,
    segments,
    series,
    sidecars,
    structures,
    tables,
    times,
    values,
)
from .trap import Trap

_KINDS = (
    times, scales, series, objects, files, choice, contours, structures, segments, geometry, sidecars, tables, values,
    hostile,
)  # fmt: skip


def kinds() -> Mapping[str, tuple[str, tuple[Trap, ...]]]:
    """Title and traps of each kind, by its name."""
    return {
        module.__name__.rpartition(".")[2]: ((module.__doc__ or "").split(".")[0], module.TRAPS) for module in _KINDS
    }


def traps() -> tuple[Trap, ...]:
    """Every trap, in the order of the page docs/formats/traps.md."""
    return tuple(trap for _, members in kinds().values() for trap in members)
