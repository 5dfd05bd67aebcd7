"""Which files of a folder are read: one rule for import, check and run, and for what a result depends on.

Links to folders are followed. By name: hidden files (``._x.dcm`` of macOS among them), files of the system, and what is
no ordinary file (pipes, sockets, devices) are left out. By content: empty files, DICOMDIR under any name, and what is
not DICOM.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import InputError
from .privacy import telling_name
from .text import counted, escaped

#: SOP class of a DICOMDIR: a table of contents of a medium, whatever its file is called.
_DICOMDIR = b"1.2.840.10008.1.3.10"
#: Names that operating systems give to files of their own.
_SYSTEM = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "autorun.inf", "dicomdir", "icon\r"))
#: Endings by which a file calls itself DICOM.
_ENDINGS = (".dcm", ".dicom")
#: Bytes from the start of a file in which a data set without preamble has its SOP class, if it has one.
_HEAD = 2048
#: The element that states the SOP class, with one that is stored (images, structures, segmentations).
_SOP_CLASS = re.compile(rb"\x08\x00\x16\x00(?:UI..|..\x00\x00)1\.2\.840\.10008\.5\.1\.4\.", re.DOTALL)
#: Files that a remark names.
_NAMED = 3


def is_system_file(path: Path, folder: Path | None = None) -> bool:
    """Whether a file is hidden or the system's own, by its name or that of a folder between ``folder`` and it."""
    parts = (path.name,) if folder is None else path.relative_to(folder).parts
    return path.name.lower() in _SYSTEM or any(part.startswith(".") or part == "__MACOSX" for part in parts)


@dataclass
class Below:
    """What lies below a folder.

    Parameters
    ----------
    files
        Ordinary files that are read, sorted.
    hidden
        Hidden files and those of the system, sorted.
    unread
        Links to nothing, folders that may not be read, pipes, sockets and devices, sorted.
    """

    files: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)


def below(folder: Path) -> Below:
    """Everything below a folder, to any depth.

    Links to folders are followed, wherever they lead, since archives of images are made of them; each folder is read
    once, and none that holds the first one.

    Raises
    ------
    OSError
        The folder itself may not be read.
    """
    found, root = Below(), folder.resolve()
    places, links, seen = [folder], list[Path](), set[Path]()
    while places or links:
        here = places.pop() if places else links.pop()
        real = here.resolve()
        if real in seen or (here is not folder and root.is_relative_to(real)):
            continue
        seen.add(real)
        try:
            entries = list(here.iterdir())
        except OSError:
            if here is folder:
                raise
            found.unread.append(here)
            continue
        for path in entries:
            if path.is_dir():
                (links if path.is_symlink() else places).append(path)
            else:
                kind = found.hidden if is_system_file(path, folder) else found.files if path.is_file() else found.unread
                kind.append(path)
    return Below(sorted(found.files), sorted(found.hidden), sorted(found.unread))


def files_below(folder: Path) -> list[Path]:
    """All ordinary files below a folder, sorted, without hidden ones and those of the system."""
    return below(folder).files


def calls_itself_dicom(path: Path) -> bool:
    """Whether a file's name ends as that of a DICOM file."""
    return path.suffix.lower() in _ENDINGS


def is_dicom(path: Path) -> bool:
    """Whether a file's content is a DICOM object: with the preamble of PS3.10, or a bare data set of an old export.

    A DICOMDIR is none, whatever it is called; nor is anything but an ordinary file.
    """
    return not _why_not_dicom(path)


def _why_not_dicom(path: Path) -> str:
    """Why a file is no DICOM object; empty where it is one."""
    if not path.is_file():
        return "no ordinary file"
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return "cannot be opened"
    if not head:
        return "empty"
    if head[128:132] == b"DICM":
        meta = head[132:]
        at = meta.find(b"\x02\x00\x02\x00UI")
        return "a DICOMDIR" if at >= 0 and meta[at + 8 :].startswith((_DICOMDIR + b"\0", _DICOMDIR + b"\x02")) else ""
    return "" if _is_bare_data_set(head) else "not DICOM"


def is_dicom_head(head: bytes) -> bool:
    """Whether the first 2048 bytes of something are those of a DICOM object."""
    return head[128:132] == b"DICM" or _is_bare_data_set(head)


def _is_bare_data_set(head: bytes) -> bool:
    """Whether a file begins with the elements of a data set (little endian), with no preamble before them."""
    if len(head) < 64 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = re.fullmatch(rb"[A-Z]{2}", head[4:6]) is not None
    if not explicit and int.from_bytes(head[4:8], "little") > _HEAD:
        return False
    return _SOP_CLASS.search(head) is not None


def dicom_files(folder: Path, deep: bool = False) -> tuple[list[Path], dict[Path, str]]:
    """The DICOM files of a folder, and what else is there.

    Parameters
    ----------
    folder
        Where to look.
    deep
        Look below it too; otherwise only where the folder itself has no DICOM file.

    Returns
    -------
    (files, others)
        The files, sorted; and why each other file was left out, hidden ones included.

    Raises
    ------
    InputError
        A folder that may not be read.
    """
    try:
        if not deep:
            own = _sorted_out(sorted(folder.iterdir()), folder)
            if own[0]:
                return own
        found = below(folder)
        return _sorted_out(sorted([*found.files, *found.hidden, *found.unread]), folder)
    except OSError as error:
        raise InputError(
            "the folder cannot be read",
            why=str(error.strerror or "the system refuses it").lower(),
            suggestion="check who may read it",
            file=folder,
        ) from None


def _sorted_out(paths: Iterable[Path], folder: Path) -> tuple[list[Path], dict[Path, str]]:
    files: list[Path] = []
    others: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            continue
        why = "hidden" if is_system_file(path, folder) else _why_not_dicom(path)
        if why:
            others[path] = why
        else:
            files.append(path)
    return files, others


def left_out(others: Mapping[Path, str]) -> str:
    """One sentence on files that were left out, with some of their names; empty where there are none."""
    if not others:
        return ""
    named = [f"{shown_file(path)} ({why})" for path, why in list(others.items())[:_NAMED]]
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return f"{counted(len(others), 'file', ('was', 'were'))} left out: {', '.join(named)}{more}"


def shown_file(path: Path) -> str:
    """Name of a file with that of its folder where that only says what is in it; in characters that print."""
    return escaped(telling_name(path))


def require(path: Path, what: str) -> None:
    """Raise InputError unless ``path`` is a folder or an ordinary file."""
    if path.is_file() or path.is_dir():
        return
    if path.exists():
        raise InputError(
            f"the {what} is no ordinary file",
            why="a pipe, a socket or a device has no content that stays, and is not opened",
            suggestion="copy what it gives into a file, and name that",
            file=path,
        )
    raise InputError(
        f"the {what} does not exist",
        why="nothing can be read from it",
        suggestion="check the path; paths in a case file are relative to the case file",
        file=path,
    )
