"""Images that a pile holds out of sight: hidden files and folders, links to nothing, folders that may not be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import InputError
from ...folders import is_dicom
from ..dicom.find import Header, is_volume_file, read_header
from .item import Item

#: Hidden folders of programs that keep versions: what is in them is in sight as well, or older.
_VERSIONS = (".git", ".svn", ".hg", ".bzr")
#: What a hidden file of macOS begins with: properties of the file of that name without the dot.
_APPLE_DOUBLE = b"\0\5\x16\7"
#: Modalities of images without which a case lacks neither a scan nor a lesion.
_NEEDLESS = ("MR", "SR", "PR", "KO", "OT", "SC")


def hidden_items(hidden: Iterable[Path], headers: Sequence[Header], volumes: Iterable[Path]) -> list[Item]:
    """One record for the hidden images of each folder that are nowhere in sight.

    Parameters
    ----------
    hidden
        Hidden files, and those of the system.
    headers, volumes
        What is in sight.
    """
    groups: dict[tuple[Path, str, bool], list[Path]] = {}
    known = {header.instance for header in headers}
    paths = {path.resolve() for path in (*volumes, *(header.path for header in headers))}
    for path in hidden:
        if any(part in _VERSIONS or part == "__MACOSX" for part in path.parts) or _is_apple_double(path):
            continue
        if path.resolve() in paths:
            continue
        if is_volume_file(path):
            groups.setdefault((path.parent, "a volume", True), []).append(path)
        elif is_dicom(path):
            try:
                header = read_header(path)
            except InputError:
                groups.setdefault((path.parent, "a damaged DICOM file", True), []).append(path)
                continue
            if header.instance not in known:
                modality = header.modality or "unknown"
                key = path.parent, f"DICOM of modality {modality}", modality not in _NEEDLESS
                groups.setdefault(key, []).append(path)
    items = []
    for (folder, what, maybe), files in groups.items():
        place = files[0] if len(files) == 1 else folder
        reason = f"{what}, hidden by a name that begins with a dot: rename it, or delete it"
        items.append(Item("hidden", str(place), len(files), skipped=reason, maybe_scan=maybe))
    return items


def unread_items(unread: Iterable[Path]) -> list[Item]:
    """One record for each link to nothing, and for each folder that may not be read."""
    items = []
    for path in unread:
        if path.is_dir():
            reason = "the folder cannot be opened: check who may read it"
        elif path.is_symlink():
            reason = "a link to something that is not there: fetch what it links to, or delete it"
        else:
            reason = "no ordinary file"
        items.append(Item("damaged", str(path), 1, skipped=reason, maybe_scan=reason != "no ordinary file"))
    return items


def _is_apple_double(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_APPLE_DOUBLE)) == _APPLE_DOUBLE
    except OSError:
        return True
