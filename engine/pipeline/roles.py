"""What each structure of a lesion file is, by what the case says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..case.structures import Structures, matches
from ..errors import InputError
from ..text import did_you_mean
from .lesion import Lesion


def with_roles(lesions: Sequence[Lesion], structures: Structures) -> list[Lesion]:
    """The lesions of one file with their roles and limits.

    Parameters
    ----------
    lesions
        As read from the file, under their names there.
    structures
        What the case says of that file.

    Returns
    -------
    list of Lesion
        In the same order.

    Raises
    ------
    InputError
        A name in the case that no structure of the file has.
    """
    found = [lesion.name for lesion in lesions]
    for key in structures.names:
        if not any(matches(key, name) for name in found):
            raise InputError(
                f"no structure is named '{key}'",
                why=f"{structures.file.name} holds {', '.join(found) or 'none'}",
                suggestion=did_you_mean(key, found, "write the name as the file has it; * stands for any characters"),
                file=structures.file,
                field="visits.lesions.names",
            )
    out = []
    for lesion in lesions:
        what = structures.of(lesion.name)
        out.append(replace(lesion, mask=replace(lesion.mask, role=what.role, limit_gy=what.limit_gy)))
    return out
