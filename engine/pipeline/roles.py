"""The lesion files of a visit: which structures are taken, and what each of them is, by what the case says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..case.model import Visit
from ..case.structures import Structures, matches
from ..errors import InputError
from ..grid import Grid
from ..imaging.masks.checks import check_places
from ..imaging.masks.mask import MaskFile
from ..imaging.masks.names import listed, remarks_left_out
from ..imaging.masks.read import open_masks
from ..imaging.masks.references import CaseImage, DrawnOn
from ..imaging.source import Sources
from ..notes import CAUTION, Note
from ..text import did_you_mean
from .alignment import AlignedPet, read_lesions
from .lesion import Lesion


@dataclass(frozen=True, eq=False)
class LesionFiles:
    """The lesion files of a visit, opened.

    Parameters
    ----------
    visit
        The visit of the case.
    files
        One per entry of its ``lesions``, in the same order.
    names
        Structures that are taken of each.
    notes
        Remarks on how they were read and on what is left out.
    """

    visit: Visit
    files: tuple[MaskFile, ...]
    names: tuple[list[str], ...]
    notes: tuple[str, ...]

    @classmethod
    def open(cls, visit: Visit, sources: Sources, images: Sequence[CaseImage]) -> LesionFiles:
        """Open the lesion files and choose their structures; ``images`` are those that they can refer to.

        Raises
        ------
        InputError
            An unusable file, one whose place is not known, a name that it does not hold, a file of which nothing is
            left.
        """
        files = tuple(open_masks(sources.open(one.file), images, one.probability) for one in visit.lesions)
        check_places(
            [sources.open(path) for scan in visit.scans for path in (scan.pet, scan.ct)],
            files,
            [image.grid for image in images],
        )
        choices = [chosen(file, structures) for file, structures in zip(files, visit.lesions, strict=True)]
        notes = [note for file, (_, left) in zip(files, choices, strict=True) for note in (*file.notes, *left)]
        notes += _alike(files, [names for names, _ in choices])
        return cls(visit, files, tuple(names for names, _ in choices), tuple(notes))

    def lesions(self, grid: Grid, scans: Sequence[AlignedPet], *, fine: bool) -> list[Lesion]:
        """All lesions on the dose grid with their roles, those of the same name numbered.

        Parameters
        ----------
        grid, scans, fine
            As for :func:`~hevesy.engine.pipeline.alignment.read_lesions`.
        """
        lesions: list[Lesion] = []
        for structures, file, names in zip(self.visit.lesions, self.files, self.names, strict=True):
            lesions += with_roles(read_lesions(file, grid, scans, names, fine=fine), structures)
        return _named_apart(lesions)

    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        """Image the lesions were drawn on: what the case says, or what all of their files say."""
        if self.visit.drawn_on is not None:
            return self.visit.drawn_on
        found = {file.drawn_on(ct, pet) for file in self.files}
        return found.pop() if len(found) == 1 else None


def _alike(files: Sequence[MaskFile], names: Sequence[Sequence[str]]) -> list[Note]:
    """Remarks on structures of one name, which are numbered."""
    taken = Counter(
        one.name
        for file, chosen in zip(files, names, strict=True)
        for one in file.contents
        if one.name in chosen and one.kind != "empty"
    )
    return [
        Note(f"{n} structures are named {name!r}: they are numbered, '{name} (2)' being the second", weight=CAUTION)
        for name, n in taken.items()
        if n > 1
    ]


def _named_apart(lesions: Sequence[Lesion]) -> list[Lesion]:
    """The lesions, those of the same name numbered, so that no two names are alike."""
    taken = {lesion.name for lesion in lesions}
    seen: set[str] = set()
    out = []
    for lesion in lesions:
        name, number = lesion.name, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{lesion.name} ({number})"
        seen.add(name)
        out.append(lesion if number == 1 else replace(lesion, mask=replace(lesion.mask, name=name)))
    return out


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
