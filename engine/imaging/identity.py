"""Whether images are of one patient: PatientID, name and date of birth compared in memory, and never written anywhere.

Two objects are of one patient unless what both state differs. What is empty says nothing. The PatientID comes first:
two of them are two patients, whatever the names say; under one ID a name may be spelled in several ways (``Müller`` and
``MUELLER`` everywhere, misspelled or in another script too), but names that have no word in common are two patients
unless both objects state the same date of birth: hospitals count their patients alike. Without an ID on one side, other
names, or other dates of birth, are two patients.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..text import counted
from .dicom.elements import text
from .dicom.find import Header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: What de-identification and test equipment write for nobody in particular: no evidence for or against a patient.
_NOBODY = frozenset(
    ("anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "na", "n a", "removed", "deidentified", "x")
)


#: Letters with a second spelling, and those that have no accent to leave out.
_TRANSLITERATIONS = (("ø", "o"), ("æ", "ae"), ("œ", "oe"), ("ł", "l"), ("đ", "d"), ("ð", "d"), ("ı", "i"), ("ß", "ss"),
                     ("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"))  # fmt: skip
_LATIN = re.compile(r"[a-z]")
#: Words of this length differ by a slip where this share of their letters agrees in order (Schmidt and Schmitt: 0.86).
_LONG, _SLIP = 4, 0.8


@dataclass(frozen=True, repr=False)
class Person:
    """Whom an object says it is of; not shown by ``repr``, so that no log and no message reveals it.

    Parameters
    ----------
    number
        PatientID without case, blanks and leading zeros; empty where none is stated.
    names
        The words of PatientName without case and accents, in one transliteration; empty where none is stated.
    born
        Date of birth, digits alone; empty where none is stated.
    """

    number: str = ""
    names: frozenset[str] = frozenset()
    born: str = ""

    @classmethod
    def of(cls, data: Dataset) -> Person:
        """Whom the header of an object names."""
        number = " ".join(_plain(text(data, "PatientID")).split())
        words = frozenset(re.split(r"[^\w]+", _spelled(_plain(text(data, "PatientName"))))) - {""}
        born = re.sub(r"\D", "", text(data, "PatientBirthDate"))
        return cls(
            "" if number in _NOBODY else number.lstrip("0") or number,
            frozenset() if " ".join(sorted(words)) in _NOBODY else words,
            born if born.strip("0") and not born.startswith("19000101") else "",
        )

    @property
    def known(self) -> bool:
        """Whether anything is stated."""
        return bool(self.number or self.names or self.born)

    def differences(self, other: Person) -> list[str]:
        """Names of the elements by which this is another patient; none where it may be the same."""
        if self.number and other.number and self.number != other.number:
            return ["PatientID"]
        born = bool(self.born and other.born)
        dates = ["PatientBirthDate"] if born and self.born != other.born else []
        names = ["PatientName"] if self.names and other.names and not self._alike(other) else []
        if self.number and other.number:  # the same: another name needs more than a spelling, a date more than a slip
            return names + dates if names and (dates or not born) else []
        return names + dates

    def _alike(self, other: Person) -> bool:
        """Whether the names can be two spellings of one: a word in common, where both have an ID; else all of one."""
        common = self.names & other.names
        if self.number and other.number:
            return bool(common) or _similar(self.names, other.names)
        return common in (self.names, other.names)


def _plain(word: str) -> str:
    folded = unicodedata.normalize("NFKD", word).casefold()
    return "".join(letter for letter in folded if not unicodedata.combining(letter)).strip()


def _spelled(name: str) -> str:
    """A name without accents, in one of the spellings of letters that not every system has: ``ae`` as ``a``."""
    for letters, letter in _TRANSLITERATIONS:
        name = name.replace(letters, letter)
    return name


def _similar(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether words of two names differ by a slip alone, or are of scripts that cannot be compared."""
    one, two = " ".join(sorted(some)), " ".join(sorted(others))
    if bool(_LATIN.search(one)) != bool(_LATIN.search(two)):
        return True
    return any(
        min(len(a), len(b)) >= _LONG and SequenceMatcher(None, a, b).ratio() >= _SLIP
        for a in one.split()
        for b in two.split()
    )


@dataclass
class Patient:
    """What belongs to one patient.

    Parameters
    ----------
    persons
        Ways in which the objects name the patient.
    files
        The files.
    """

    persons: list[Person] = field(default_factory=list, repr=False)
    files: list[Path] = field(default_factory=list)

    def differences(self, other: Patient) -> list[str]:
        """Names of the elements by which this is another patient."""
        found = [tag for a in self.persons for b in other.persons for tag in a.differences(b)]
        return sorted(set(found))


def patients_of(headers: Iterable[Header]) -> list[Patient]:
    """The patients that objects are of; an object that states nobody belongs to the first.

    Parameters
    ----------
    headers
        Headers of all objects of a case or a pile.

    Returns
    -------
    list of Patient
        One for one patient, that with most files first; empty for no headers.
    """
    files: dict[Person, list[Path]] = {}
    for header in headers:
        files.setdefault(Person.of(header.dataset), []).append(header.path)
    nobody = [path for person, paths in files.items() if not person.known for path in paths]
    groups: list[Patient] = []
    # with an ID first: what states less joins those that state more
    for person in sorted((p for p in files if p.known), key=lambda p: (not p.number, not p.names, -len(files[p]))):
        group = next((g for g in groups if not any(person.differences(other) for other in g.persons)), None)
        if group is None:
            group = Patient()
            groups.append(group)
        group.persons.append(person)
        group.files += files[person]
    groups.sort(key=lambda g: -len(g.files))
    if nobody:
        groups = groups or [Patient()]
        groups[0].files += nobody
    return groups


def require_one_patient(
    headers: Iterable[Header], root: Path | None = None, suggestion: str = "name the files of one patient"
) -> None:
    """Refuse objects of several patients; the message counts their files and names folders, never a person.

    Parameters
    ----------
    headers
        Headers of all objects.
    root
        Folder that the files are named relative to; None: by name and folder.
    suggestion
        What to do.

    Raises
    ------
    InputError
        They are of more than one patient.
    """
    groups = patients_of(headers)
    if len(groups) < 2:
        return
    tags = sorted({tag for other in groups[1:] for tag in groups[0].differences(other)}) or ["PatientID"]
    shown = [f"{_letter(i)}: {_where(group.files, root)}" for i, group in enumerate(groups[:6])]
    more = f"; and {counted(len(groups) - 6, 'more patient')}" if len(groups) > 6 else ""
    raise InputError(
        f"the files are of {len(groups)} patients by {' and '.join(tags)}: patient {'; patient '.join(shown)}{more}",
        why="a case describes one patient; images of several must not be mixed",
        suggestion=suggestion,
        file=root,
    )


def _letter(index: int) -> str:
    return "ABCDEF"[index]


def _where(files: Sequence[Path], root: Path | None) -> str:
    """Count of files and the folders they lie in, three at most; a single file by its name."""
    count = counted(len(files), "file")
    if len(files) == 1:
        return f"{count} ({_relative(files[0], root)})"
    folders = list(dict.fromkeys(_relative(path.parent, root) for path in files))
    more = f" and {len(folders) - 3} more folders" if len(folders) > 3 else ""
    return f"{count} in {', '.join(folders[:3])}{more}"


def _relative(path: Path, root: Path | None) -> str:
    if root is not None and path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve()).as_posix()
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name
