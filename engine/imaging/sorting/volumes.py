"""Volume files of a pile, told apart by the words of their names; what a PET's sidecar states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...same import SAME_SCAN_S
from ..masks.label_names import ANATOMY_FROM
from ..masks.names import is_organ, listed
from ..pet.file import header_of_file
from ..pet.header import nuclide_name
from .item import Item

_ENDING = re.compile(r"(\.seg)?\.(nii(\.gz)?|mha|mhd|nrrd|nhdr)$")
_KINDS = (
    ("lesions", r"lesion|label|mask|seg|roi|gtv|voi|tumou?r|segmentation|metastas[ie]s|node"),
    ("PET", r"pet|pt|suv|suvbw|bqml|trc"),
    ("CT", r"ct|hu|ldct|ctac"),
)
#: Folders of organs that a program outlined by itself: 104 and more files, none of them a lesion.
_ORGANS = re.compile(r"total[-_ ]?segmentator|segmentations?|organs?")
#: More volumes than this in a folder of that name are organs: nobody outlines as many lesions in a file each.
_MANY = 20
#: Words of volumes that are no scan: results of a dosimetry, and images of other kinds.
_NO_SCAN = re.compile(r"dose|density|uncertainty|sigma|sd|mri?|t[12]w?|flair|dwi|adc|atlas|template|warp|field")
_SUBJECT, _SESSION = re.compile(r"^sub-[A-Za-z0-9]+"), re.compile(r"(?:^|_)(ses-[A-Za-z0-9]+)")
_HOURS = re.compile(r"(\d+(?:\.\d+)?)[-_ ]?(?:h|hr|hours)(?![a-z])")


def volume_items(paths: Sequence[Path]) -> list[Item]:
    """One record per volume file; one that is not recognised says so.

    Parameters
    ----------
    paths
        The files.
    """
    organs = {
        folder
        for folder in {path.parent for path in paths}
        if _ORGANS.search(folder.name.lower()) and sum(path.parent == folder for path in paths) > _MANY
    }
    items = [_organ(path) if path.parent in organs else _item(path) for path in paths]
    items = _outlines(items)
    with_ct = {item.frame for item in items if item.kind == "CT"}
    if not any(item.kind == "PET" and item.frame in with_ct for item in items):
        for item in items:  # PET, CT and lesions have folders of their own, as in BIDS: they belong together
            item.frame = "volumes"
    return items


def _outlines(items: list[Item]) -> list[Item]:
    """The records with one in place of those of a folder that holds a map of each structure, called after it."""
    folders: dict[Path, list[Item]] = {}
    for item in items:
        folders.setdefault(Path(item.spec).parent, []).append(item)
    for folder, own in folders.items():
        words = re.split(r"[^a-z0-9]+", folder.name.lower())
        named = _kind(words) == "lesions" or _ORGANS.search(folder.name.lower())
        kinds = {item.kind for item in own}
        if named and "volume" in kinds and kinds <= {"volume", "lesions"} and all(item.hours is None for item in own):
            items = [item for item in items if item not in own] + [_map_folder(folder, own)]
    return items


def _map_folder(folder: Path, maps: Sequence[Item]) -> Item:
    """The record of a folder with a map of each structure; one of organs is left out as such."""
    names = tuple(_ENDING.sub("", Path(item.spec).name) for item in maps)
    found = Item("lesions", str(folder), len(maps), frame=f"folder {folder.parent}", uid=str(folder), structures=names)
    if sum(is_organ(name) for name in names) >= ANATOMY_FROM:
        found.structures, found.weak = (), True
        found.skipped = f"outlines of organs ({listed(names)}): no lesion unless --take names it"
    return found


def subjects(paths: Sequence[Path]) -> list[str]:
    """Subjects that paths name as BIDS does (``sub-01``), sorted."""
    return sorted({name for path in paths for part in path.parts for name in _SUBJECT.findall(part)})


def _organ(path: Path) -> Item:
    item = Item("lesions", str(path), 1, frame=f"folder {path.parent}", uid=str(path))
    item.skipped = "one of many outlines in a folder of organs: no lesion unless --take names it"
    item.weak = True
    return item


def _words(path: Path) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _ENDING.sub("", path.name.lower())) if word]


def _kind(words: Sequence[str]) -> str:
    return next(
        (k for k, pattern in _KINDS if any(re.fullmatch(rf"({pattern})s?\d*", word) for word in words)), "volume"
    )


def _item(path: Path) -> Item:
    """The record of one volume."""
    words = _words(path)
    named_seg = path.name.lower().endswith((".seg.nrrd", ".seg.nhdr"))
    kind = "lesions" if named_seg else _kind(words)
    item = Item(kind, str(path), 1, frame=f"folder {path.parent}", uid=str(path))
    if session := _SESSION.search(path.name):
        item.study = session[1]
    if hours := _HOURS.search(_ENDING.sub("", path.name.lower())):
        item.after_h = float(hours.group(1))
    if kind == "volume":
        item.maybe_scan = not any(_NO_SCAN.fullmatch(word) for word in words)
        item.skipped = "its name indicates neither PET, CT nor lesions: rename it, as pet_24h, ct_24h, lesions"
    elif kind == "PET":
        _read_pet(item, path, words)
    return item


def _read_pet(item: Item, path: Path, words: Sequence[str]) -> None:
    """What the sidecar of a PET states, and the nuclide in its name."""
    item.maybe_scan = True
    try:
        header = header_of_file(path)
    except InputError as error:
        where = f"{Path(error.file).name}: " if error.file and Path(error.file).name != path.name else ""
        item.skipped = f"{where}{error.problem}; {error.suggestion}"
        return
    header.tracer = header.tracer or _nuclide_in(words)
    item.header, item.when = header, header.scan_start
    if header.after_h is not None and item.after_h is not None:
        if abs(header.after_h - item.after_h) > SAME_SCAN_S / 3600.0:
            item.notes.append(f"{item.label}: its sidecar says {header.after_h:.4g} h, its name {item.after_h:g} h")
        item.after_h = None


def _nuclide_in(words: Sequence[str]) -> str | None:
    """A nuclide in the words of a file name, where case says nothing (``i124``, ``18f``)."""
    cased = (re.sub(r"(?<=\d)([a-z])", lambda m: m.group(1).upper(), word.capitalize()) for word in words)
    return next((name for word in cased if (name := nuclide_name(word))), None)
