"""All traps, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...engine.errors import InputError
from ...engine.text import nearest
from . import (
    archives,
    choice,
    companions,
    contours,
    dates,
    decay,
    drawings,
    files,
    geometry,
    hostile,
    identity,
    label_maps,
    objects,
    overlooked,
    piles,
    scales,
    segments,
    series,
    sidecars,
    structures,
    tables,
    times,
    units,
    values,
    zones,
)
from .trap import Trap

_KINDS = (
    times,
    dates,
    zones,
    decay,
    units,
    scales,
    series,
    objects,
    overlooked,
    files,
    archives,
    choice,
    piles,
    contours,
    drawings,
    structures,
    segments,
    label_maps,
    geometry,
    sidecars,
    companions,
    tables,
    values,
    identity,
    hostile,
)


def kinds() -> Mapping[str, tuple[str, tuple[Trap, ...]]]:
    """Title and traps of each kind, by its name."""
    return {
        module.__name__.rpartition(".")[2]: ((module.__doc__ or "").partition(".")[0], module.TRAPS)
        for module in _KINDS
    }


def traps() -> tuple[Trap, ...]:
    """Every trap, in the order of the page docs/formats/traps.md."""
    return tuple(trap for _, members in kinds().values() for trap in members)


def chosen(names: Sequence[str]) -> list[tuple[str, Trap]]:
    """Kind and trap of everything that is named; all for no name.

    Parameters
    ----------
    names
        Of kinds or traps.

    Raises
    ------
    InputError
        A name that is neither.
    """
    known = kinds()
    everything = [(kind, trap) for kind, (_, members) in known.items() for trap in members]
    if not names:
        return everything
    listed = {*known, *(trap.name for _, trap in everything)}
    for name in names:
        if name not in listed:
            near = nearest(name, sorted(listed))
            raise InputError(
                f"there is no trap or kind of traps named {name!r}",
                why="the corpus does not hold it",
                suggestion=f"did you mean {near[0]!r}?" if near else "`hevesy traps` lists them",
            )
    return [(kind, trap) for kind, trap in everything if kind in names or trap.name in names]
