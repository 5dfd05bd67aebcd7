"""What lies in the folders given to an import: headers of DICOM files, volumes, archives, indexes, and the rest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...folders import below, calls_itself_dicom, files_below, is_dicom, require
from ...progress import Progress
from ...text import counted, printable
from ..dicom.elements import items, texts
from ..dicom.find import Header, is_volume_file, quiet, read_header
from .archives import holds_images, is_zip, unpack
from .foreign import not_read
from .hidden import hidden_items, unread_items
from .item import Item

#: Names of the index of a medium; it describes files that are found anyway.
_INDEXES = ("DICOMDIR", "DIRFILE")
#: No progress is shown for fewer files: they take less than a second.
QUIET_FILES = 1000
#: SOP class of the index of a medium (DICOM PS3.10 8.6).
_INDEX_CLASS = b"1.2.840.10008.1.3.10"
#: Bytes in which the meta information of a file states its class.
_META_BYTES = 1024


@dataclass
class Pile:
    """Everything that was found.

    Parameters
    ----------
    roots
        The folders and files that the user named.
    headers
        Of every DICOM file that can be read.
    volumes
        Volume files.
    left
        Files that could not be read, and archives that were not unpacked.
    notes
        What was done, one sentence each.
    others
        Files of other kinds.
    hidden
        Hidden files and those of the system.
    """

    roots: list[Path]
    headers: list[Header] = field(default_factory=list)
    volumes: list[Path] = field(default_factory=list)
    left: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: int = 0
    hidden: list[Path] = field(default_factory=list)

    @property
    def root(self) -> Path | None:
        """What a message about the whole pile names."""
        return self.roots[0] if self.roots else None


def pile_of(folders: Sequence[str | Path], beside: Path | None = None, progress: Progress | None = None) -> Pile:
    """Read the headers of all files below some folders.

    Parameters
    ----------
    folders
        Folders, searched to any depth, single files, ZIP files, or the DICOMDIR of a medium.
    beside
        Folder in which ZIP files are unpacked; None: they are left out.
    progress
        Called while headers are read.

    Raises
    ------
    InputError
        Something named does not exist; a ZIP file that was named cannot be unpacked.
    """
    pile = Pile([Path(folder) for folder in folders])
    files: dict[Path, None] = {}
    for root in pile.roots:
        require(root, "folder")
        place = root.resolve()
        if place.is_file() and is_zip(place) and beside is not None:
            files.update(dict.fromkeys(_from_zip(place, beside, pile)))
        elif place.is_file() and place.name.upper() in _INDEXES:
            pile.notes.append(f"{printable(root.name)} is the index of a medium: its folder is imported")
            files.update(dict.fromkeys(_below(place.parent, beside, pile)))
        else:
            files.update(dict.fromkeys([place] if place.is_file() else _below(place, beside, pile)))
    _sort_out(sorted(files, key=str), pile, progress)
    pile.left += hidden_items(pile.hidden, pile.headers, pile.volumes)
    return pile


def _below(folder: Path, beside: Path | None, pile: Pile) -> list[Path]:
    """Files below a folder; those of its ZIP files in place of these."""
    files = []
    try:
        found = below(folder)
    except OSError as error:
        raise InputError(
            "the folder cannot be read",
            why=str(error.strerror or "the system refuses it").lower(),
            suggestion="check who may read it",
            file=folder,
        ) from None
    pile.hidden += found.hidden
    pile.left += unread_items(found.unread)
    for path in found.files:
        if is_zip(path) and beside is not None:
            try:
                if holds_images(path):
                    files += _from_zip(path, beside, pile)
                elif path.suffix.lower() == ".zip":
                    pile.left.append(Item("archive", str(path), 1, skipped="it holds no images"))
                else:  # documents of offices are ZIP files
                    pile.others += 1
            except InputError as error:
                # one archive in a folder of others: said, and the rest is still looked at
                reason = f"{error.problem}: {error.why}; {error.suggestion}"
                pile.left.append(Item("archive", str(path), 1, skipped=reason, maybe_scan=True))
        else:
            files.append(path)
    _check_index(folder, pile)
    return files


def _from_zip(path: Path, beside: Path, pile: Pile) -> list[Path]:
    unpacked = unpack(path, beside)
    pile.notes.append(unpacked.note)
    _check_index(unpacked.folder, pile)
    return files_below(unpacked.folder)


def _sort_out(files: Sequence[Path], pile: Pile, progress: Progress | None) -> None:
    """Headers, volumes, archives and the rest of the files."""
    for number, path in enumerate(files):
        if progress is not None and number % 100 == 0 and len(files) > QUIET_FILES:
            progress(number / len(files), f"headers: {number} of {len(files)} files")
        if not _is_text(path):
            reason = "its name is not valid UTF-8 and cannot be written into a case: rename it"
            pile.left.append(Item("unnamed", str(path), 1, skipped=reason, maybe_scan=True))
        elif is_volume_file(path):
            pile.volumes.append(path)
        elif is_dicom(path):
            _read(path, pile)
        elif not _is_index(path):
            kind, reason = not_read(path)
            if not kind and calls_itself_dicom(path):
                kind, reason = "damaged", "it is named as a DICOM file and holds none: it is empty or damaged"
            if kind:
                pile.left.append(Item(kind, str(path), 1, skipped=reason, maybe_scan=True))
            else:
                pile.others += 1
        else:
            pile.others += 1


def _is_index(path: Path) -> bool:
    """Whether a file is the index of a medium under another name."""
    try:
        with path.open("rb") as stream:
            return _INDEX_CLASS in stream.read(_META_BYTES)
    except OSError:
        return False


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Path, pile: Pile) -> None:
    try:
        header = read_header(path)
    except InputError as error:
        if path.name.upper() in _INDEXES:
            return
        reason = f"{error.problem}: {error.why}" if error.why else error.problem
        pile.left.append(Item("damaged", str(path), 1, skipped=reason, maybe_scan=True))
        return
    pile.headers.append(header)


def _check_index(folder: Path, pile: Pile) -> None:
    """Name the files that the index of a medium lists and that are not there."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.upper() in _INDEXES:
                _compare(Path(place) / name, pile)


def _compare(index: Path, pile: Pile) -> None:
    import pydicom

    try:
        with quiet():
            data = pydicom.dcmread(index)
        records = items(data, "DirectoryRecordSequence")
        listed = [texts(record, "ReferencedFileID") for record in records]
    except Exception:  # an index is not needed: its files are found without it
        pile.notes.append(f"{printable(index.name)}: an index, cannot be read; the files are found without it")
        return
    files = [path.relative_to(index.parent) for path in index.parent.rglob("*") if path.is_file()]
    # copies of a medium get an ending that the index does not know
    present = {name.as_posix().casefold() for path in files for name in (path, path.with_suffix(""))}
    missing = [place for parts in listed if parts and (place := "/".join(parts)).casefold() not in present]
    if missing:
        reason = (
            f"it lists {counted(len([p for p in listed if p]), 'file')}, of which {len(missing)} are not there, "
            f"as {printable(missing[0])}: copy the whole medium"
        )
        pile.left.append(Item("index", str(index), 1, skipped=reason, maybe_scan=True))
    else:
        pile.notes.append(f"{printable(index.name)} is the index of a medium; the files that it lists are all there")
