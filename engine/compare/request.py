"""What a user asks a comparison for, from text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..dose.methods import METHODS
from ..errors import InputError
from ..units import FRACTION, parse
from .files import ForeignMap
from .foreign_name import UNNAMED_NAME, method_name
from .foreign_unit import option
from .job import DEFAULT_METHODS, REFERENCE, CompareOptions
from .record import Comparison


def options_of(
    *,
    methods: str | None = None,
    files: Iterable[str] = (),
    tolerance: str = "5 %",
    reference: str = REFERENCE,
    visit: str | None = None,
) -> CompareOptions:
    """The options of a comparison from the words of a command line.

    Parameters
    ----------
    methods
        Registered methods, separated by commas; the usual ones without any.
    files
        Foreign dose maps as ``FILE``, ``FILE=NAME`` or ``FILE=NAME:UNIT``; without a name the method is called by the
        file's name without its ending, if that is made of plain words, and else ``map``.
    tolerance
        Largest bias with its unit, such as ``"5 %"``.
    reference, visit
        As of :class:`~hevesy.engine.compare.job.CompareOptions`.

    Raises
    ------
    InputError
        A tolerance without a unit, an unknown method, a file that is not there, a name that is used twice or taken.
    """
    names: tuple[str, ...] = DEFAULT_METHODS
    if methods is not None:
        names = tuple(name.strip() for name in methods.split(",") if name.strip())
        if not names:
            raise InputError(
                "no method is named",
                why="the methods are " + ", ".join(METHODS),
                suggestion="name some, separated by commas",
                field="methods",
            )
    foreign: dict[str, ForeignMap] = {}
    for text in files:
        name, one = _named_file(text)
        if not one.named and name in foreign:  # its file's name does not tell it from another
            name = next(text for n in range(2, len(foreign) + 3) if (text := f"{name}-{n}") not in foreign)
        if name in foreign:
            raise InputError(
                f"two dose maps are called {name!r}",
                why="a comparison holds each method under its name",
                suggestion="give them names: --with FILE=planned --with FILE=delivered",
                field="with",
            )
        foreign[name] = one
    if reference not in (*METHODS, *foreign):
        raise InputError(
            f"unknown reference method {reference!r}",
            why="the methods are " + ", ".join((*METHODS, *foreign)),
            suggestion="give one of them",
            field="reference",
        )
    percent = 100.0 * parse(tolerance, FRACTION, field="tolerance")
    return CompareOptions(names, foreign, percent, reference, visit)


def _named_file(text: str) -> tuple[str, ForeignMap]:
    """Name of a foreign dose map, and the map."""
    path, given, unit = Path(text), "", ""
    before, colon, after = text.rpartition(":")
    if colon and "=" not in text and not path.exists() and Path(before).exists():
        raise InputError(
            f"a unit, {after!r}, without a name",
            why="the unit of a dose map follows its name",
            suggestion=f"write {option(after or 'cGy')}",
            field="with",
        )
    if not path.exists() and "=" in text:
        before, _, after = text.rpartition("=")
        path, (given, colon, unit) = Path(before), after.partition(":")
        if colon and not unit.strip():
            raise InputError(
                f"no unit follows the colon in {after!r}",
                why="the values of a map are in a unit of dose",
                suggestion=f"write {option('cGy')}, or leave the colon out",
                field="with",
            )
    name = method_name(given.strip(), path)
    if name in METHODS or name in _KEYS:
        if not given.strip():
            return UNNAMED_NAME, ForeignMap(path, unit.strip(), named=False)
        raise InputError(
            f"a dose map cannot be called {name!r}",
            why="this is the name of a method, or of another part of compare.json",
            suggestion="give it a name, as in --with FILE=planned",
            field="with",
        )
    return name, ForeignMap(path, unit.strip(), named=bool(given.strip()) or name != UNNAMED_NAME)


#: Keys of compare.json beside the methods.
_KEYS = frozenset(Comparison("", "", 0.0, None, "", 0.0, "", (), {}, ()).to_dict()) | {"further_therapies"}
