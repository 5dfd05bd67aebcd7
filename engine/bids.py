"""Metadata that a BIDS data set states once for many images: the inheritance principle, for sidecars in JSON.

A JSON file describes an image of its own folder or of a folder below where its suffix is the image's, and the image's
name has all of its entities (``sub-01``, ``ses-24h``). Of two that state the same key the nearer holds, and in one
folder that with more entities. Outside a data set nothing is inherited.
"""

from __future__ import annotations

from pathlib import Path

from .errors import InputError
from .files import is_companion, sidecar

#: What lies at the root of a data set.
DESCRIPTION = "dataset_description.json"


def _parts(stem: str) -> tuple[frozenset[str], str] | None:
    """Entities and suffix of a name without its ending; None where it is no name of BIDS."""
    *entities, suffix = stem.split("_")
    whole = all(key and value for key, _, value in (one.partition("-") for one in entities))
    return (frozenset(entities), suffix) if whole and suffix.isalnum() else None


def _root(image: Path, entities: frozenset[str]) -> Path | None:
    """Root of the data set that an image is in: the nearest folder that says so, or that of its subject's folder."""
    for folder in image.parents:
        if (folder / DESCRIPTION).is_file():
            return folder
    subject = next((folder for folder in image.parents if folder.name in entities and folder.name[:4] == "sub-"), None)
    return subject.parent if subject else None


def sidecars(image: Path) -> list[Path]:
    """The JSON files that describe an image, the farthest first.

    Parameters
    ----------
    image
        The image; its own sidecar has its name with the ending ``.json``.

    Returns
    -------
    list of Path
        Those that there are; at most its own outside a BIDS data set.

    Raises
    ------
    InputError
        A name at which there is no ordinary file; two in one folder of which neither is the nearer.
    """
    own = sidecar(image)
    image, found = image.absolute(), [own] if is_companion(own) else []
    parts = _parts(own.stem)
    root = _root(image, parts[0]) if parts and any(one.startswith("sub-") for one in parts[0]) else None
    if parts is None or root is None:
        return found
    for folder in image.parents:
        found[:0] = _applicable(folder, parts, own.name if folder == image.parent else "")
        if folder == root:
            break
    return found


def _applicable(folder: Path, parts: tuple[frozenset[str], str], own: str) -> list[Path]:
    """The files of one folder that describe an image, its own left out, those with fewer entities first."""
    entities, suffix = parts
    by_count: dict[int, Path] = {}
    for file in sorted(folder.glob("*.json")):
        theirs = _parts(file.stem) if file.name != own else None
        if theirs is None or theirs[1] != suffix or not theirs[0] <= entities or not is_companion(file):
            continue
        other = by_count.setdefault(len(theirs[0]), file)
        if other != file:
            raise InputError(
                f"{other.name} beside it describes the same image",
                why="both have as many entities of its name: which of the two holds for it is not known",
                suggestion="keep one of them, or write all keys into the sidecar of the image itself",
                file=file,
            )
    return [by_count[count] for count in sorted(by_count)]
