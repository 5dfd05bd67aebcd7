"""One record for each series, structure file and volume of a pile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from ...privacy import series_code
from ...text import counted, printable
from ..pet.header import PetHeader
from .evidence import Evidence

#: Kinds that hold the outlines of lesions.
LESION_KINDS = ("RTSTRUCT", "SEG", "lesions")
#: Kinds that are not read, and may be a scan or a part of one.
LEFT_KINDS = ("NM", "damaged", "archive", "index", "unnamed", "hidden", "volume")


@dataclass
class Item:
    """One series, structure file or volume that was found.

    Parameters
    ----------
    kind
        PET, CT, RTSTRUCT, SEG, lesions (a label map), another modality, ``damaged`` or ``archive``.
    spec
        The path for the case: ``folder#UID`` where a folder holds several image series.
    files
        How many files it has.
    when, after_h
        When it was made, or how long after the administration [h], as far as that is known.
    frame, uid, study, description
        Frame of reference, series UID, study UID and description.
    frames
        Frames of reference that a structure file names; they contradict each other at times.
    skipped
        Why it is left out; empty where it is used.
    weak
        Whether that rests on weak grounds, which the word of the user outweighs.
    maybe_scan
        Whether what is left out may be a scan that the kinetics lack.
    picture
        Whether it is a picture of a scan (a projection, a screenshot), which has the time at which it was made.
    visit
        Name of the visit that uses it.
    references, instances
        Series, and single images, that a structure file says it was drawn on.
    structures
        Names of its structures.
    lost
        Names of those that nothing which is used holds, where the file is left out.
    names
        Those that are lesions, where not all are; None: all.
    header
        What a PET's header says.
    evidence
        What an image's headers say of how it was made.
    """

    kind: str
    spec: str
    files: int
    when: datetime | None = None
    frame: str | None = None
    uid: str = ""
    study: str = ""
    frames: frozenset[str] = frozenset()
    description: str = ""
    skipped: str = ""
    weak: bool = False
    maybe_scan: bool = False
    picture: bool = False
    visit: str = ""
    after_h: float | None = None
    references: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    structures: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    header: PetHeader | None = None
    evidence: Evidence | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def hours(self) -> float | None:
        """Time after the administration [h], as stated by the user, a name, or a sidecar."""
        if self.after_h is None and self.header is not None:
            return self.header.after_h
        return self.after_h

    @property
    def label(self) -> str:
        """What a message calls it: folder or file, with the first digits of the series' code."""
        path, mark, uid = self.spec.rpartition("#")
        return printable(
            f"{Path(path).name}#{series_code(uid)[:6]}" if mark and uid == self.uid else Path(self.spec).name
        )

    @property
    def time_text(self) -> str:
        """When it was made, for a reader."""
        if self.when is not None:
            return f"{self.when:%Y-%m-%d %H:%M}"
        return "no date" if self.hours is None else f"{self.hours:g} h"

    def line(self) -> str:
        """One line of the account: what it is, and what became of it."""
        names = f" ({', '.join(map(printable, self.structures))})" if self.structures else ""
        described = f" {printable(self.description)!r}" if self.description else ""
        count = counted(self.files, "file")
        head = f"{self.kind:8s} {self.time_text:16s} {count:10s} {printable(self.spec)}{described}{names}"
        return f"skipped {head}: {self.skipped}" if self.skipped else f"used    {head} -> {self.visit}"

    def is_named_by(self, pattern: str) -> bool:
        """Whether a word of the user means this item: UID or code, folder or file, description; with ``*`` for any."""
        wanted = pattern.strip().casefold()
        if self.uid and wanted in (self.uid, series_code(self.uid), series_code(self.uid)[:6]):
            return True
        path = self.spec.removesuffix(f"#{self.uid}")
        texts = {text.casefold() for text in (self.spec, path, Path(path).name, self.description, self.label) if text}
        if "/" in wanted and fnmatchcase(Path(path).as_posix().casefold(), f"*/{wanted}"):
            return True
        return wanted in texts or any(fnmatchcase(text, wanted) for text in texts)

    def to_dict(self) -> dict[str, object]:
        """The record as plain data, without UIDs and descriptions."""
        return {
            "kind": self.kind,
            "path": self.spec,
            "files": self.files,
            "when": None if self.when is None else self.when.isoformat(sep=" "),
            "used": not self.skipped,
            "visit": self.visit,
            "reason": self.skipped,
        }


def word_for(item: Item, others: Iterable[Item]) -> str:
    """The word by which ``--take`` means this item and none of the others: name, code, or as much of the path."""
    path = Path(item.spec)
    code = series_code(item.uid)[:6] if item.uid and "/" not in item.uid else item.label
    rest = [other for other in others if other is not item]
    words = (code, item.label) if item.kind in ("PET", "CT") else (item.label, code)
    for word in (*words, f"{path.parent.name}/{path.name}"):
        if not any(other.is_named_by(word) for other in rest):
            return word
    return item.spec


@dataclass
class Pair:
    """A PET with its CT."""

    pet: Item
    ct: Item


@dataclass
class SortedVisit:
    """The scans of one administration, in order of time, and the lesion files."""

    name: str
    scans: list[Pair]
    lesions: list[Item] = field(default_factory=list)
