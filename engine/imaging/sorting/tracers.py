"""The tracer of each PET of a pile: a case has one."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import InputError
from ...same import SAME_STATED
from ..pet.header import PetHeader, radionuclide_half_life_s
from .item import Item
from .wishes import Wishes

#: Scans of a tracer that a refusal names.
_NAMED = 3


def nuclide_of(header: PetHeader) -> str | None:
    """The nuclide that a header names, else that of its half-life; None where neither says."""
    return header.tracer or _by_half_life(header.half_life_s)


def _by_half_life(half_life_s: float | None) -> str | None:
    """The PET nuclide of a half-life, when a header gives nothing else."""
    if half_life_s is None:
        return None
    for name in ("F-18", "I-124", "Ga-68", "Cu-64", "Zr-89", "C-11", "Y-90", "I-131"):
        known = radionuclide_half_life_s(name)
        if known and abs(half_life_s / known - 1.0) < SAME_STATED:
            return name
    return None


def tracer_of(pet: Item) -> str | None:
    """The nuclide of a PET; None where nothing says."""
    return None if pet.header is None else nuclide_of(pet.header)


def leave_other_tracers(pets: Sequence[Item], wishes: Wishes) -> None:
    """Leave out the PETs of other tracers than the one asked for, where some are of it.

    Where none is, the word of the user stands for what the headers say, as it does where they are silent.
    """
    if wishes.tracer is None or all(tracer_of(pet) != wishes.tracer for pet in pets):
        return
    for pet in pets:
        if (found := tracer_of(pet)) not in (None, wishes.tracer):
            pet.skipped, pet.maybe_scan = f"a scan with {found}, and --tracer asks for {wishes.tracer}", False


def by_tracer(pets: Sequence[Item], wishes: Wishes) -> list[list[Item]]:
    """PETs of one tracer each; those that name none belong to the only one, else they are a group of their own."""
    names = list(dict.fromkeys(name for pet in pets if (name := tracer_of(pet)) is not None))
    if wishes.tracer is not None or len(names) < 2:
        return [list(pets)] if pets else []
    groups = [[pet for pet in pets if tracer_of(pet) == name] for name in (*names, None)]
    return [group for group in groups if group]


def several_tracers(pets: Sequence[Item]) -> InputError:
    """The refusal of scans with several tracers, which lists them and names the option."""
    found: dict[str, list[str]] = {}
    for pet in pets:
        found.setdefault(tracer_of(pet) or "not stated", []).append(pet.label)
    shown = [
        f"{name}: {', '.join(labels[:_NAMED])}{' ...' if len(labels) > _NAMED else ''}"
        for name, labels in sorted(found.items())
    ]
    options = " or ".join(f"--tracer {name}" for name in sorted(found) if name != "not stated")
    return InputError(
        f"different tracers in one case: {'; '.join(shown)}",
        why="a case has one tracer",
        suggestion=f"choose the scans of one by {options}",
        field="tracer.nuclide",
    )
