"""Which structures of a lesion file are taken, and what each of them is, by what the case says of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..case.structures import Structures, matches
from ..errors import InputError
from ..imaging.masks.mask import MaskFile
from ..imaging.masks.names import listed, remarks_left_out
from ..text import did_you_mean
from .lesion import Lesion


def chosen(file: MaskFile, structures: Structures) -> tuple[list[str], list[str]]:
    """Names of the structures of a file that are taken.

    Parameters
    ----------
    file
        The file.
    structures
        What the case says of it. Without names, all lesions are taken, and with a role other than target the organs
        too; what is left out otherwise is taken where the case names it.

    Returns
    -------
    (names, notes)
        In the order of the file; remarks on what is left out.

    Raises
    ------
    InputError
        A name in the case that no structure of the file has; a file of which nothing is left.
    """
    contents = file.contents
    present = [one.name for one in contents]
    for key in structures.names:
        if not any(matches(key, name) for name in present):
            raise InputError(
                f"no structure is named '{key}'",
                why=f"{structures.file.name} holds {listed(present) or 'none'}",
                suggestion=did_you_mean(key, present, "write the name as the file has it; * stands for any characters"),
                file=structures.file,
                field="visits.lesions.names",
            )
    names, left = [], []
    for one in contents:
        named = any(matches(key, one.name) for key in structures.names)
        exact = one.name.casefold() in {key.casefold() for key in structures.names}
        if one.kind == "empty":
            taken = exact  # named by itself, it is refused where it is read
        elif structures.only:
            taken = named
        else:
            taken = named or one.kind == "lesion" or (one.kind == "organ" and structures.role != "target")
        if taken:
            names.append(one.name)
        elif not structures.only or one.kind == "empty" and named:
            left.append(one)
    if not names:
        raise file.without_lesion()
    return list(dict.fromkeys(names)), list(remarks_left_out(left))


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
    """
    out = []
    for lesion in lesions:
        what = structures.of(lesion.name)
        out.append(replace(lesion, mask=replace(lesion.mask, role=what.role, limit_gy=what.limit_gy)))
    return out
