"""Names of the labels of a map: a file beside it, a list of nnU-Net, the table in a header."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

from ...errors import InputError
from ...files import is_companion, read_json, sidecar
from ...notes import CAUTION, NOTE, Note
from .names import clean_name, is_lesion_word, is_organ, kind_of

#: Names of the labels that nnU-Net keeps beside the folders with its maps.
DATASET = "dataset.json"
#: What to do about a file of lesion names that cannot be read.
NAMES_HELP = 'write {"1": "neck node", "2": "lung nodule"}, saved as UTF-8'
#: Keys of the files that BIDS puts beside masks and segmentations: they describe the image, and name no label.
BIDS_KEYS = frozenset(
    ("Type", "RawSources", "Sources", "SpatialReference", "Manual", "Resolution", "Density", "Atlas", "GeneratedBy",
     "SkullStripped", "Space")
)  # fmt: skip
#: What programs call label 0 where they do not call it background.
NOTHING = frozenset(
    ("unknown", "none", "nothing", "empty", "void", "null", "air", "exterior", "outside", "other", "rest", "undefined",
     "unassigned", "no label", "no lesion", "???", "0", "label 0", "lesion 0", "clear")
)  # fmt: skip
#: Bytes of a header that are searched for a table of labels: that of a hundred organs has 15 kB.
HEADER_BYTES = 1_000_000
#: Names of organs in one file from which on it is a map of the anatomy.
ANATOMY_FROM = 3


@dataclass(frozen=True)
class Titles:
    """Names of labels.

    Parameters
    ----------
    names, sites
        By label, or by (layer, label) in a file with layers.
    source
        Where they are from; None where there are none.
    own
        Whether they were written for this program, so that each of them is a lesion.
    regions
        Names of structures that several labels make together, which are not read.
    notes
        Remarks on how they were read.
    """

    names: Mapping[tuple[int, int], str] = field(default_factory=dict)
    sites: Mapping[tuple[int, int], str] = field(default_factory=dict)
    source: str | None = None
    own: bool = False
    regions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def anatomy(self) -> bool:
        """Whether they are those of a map of the anatomy."""
        return not self.own and sum(is_organ(name) for name in self.names.values()) >= ANATOMY_FROM


def titles_of(path: Path) -> Titles:
    """Names of the labels of a map, from the first place that has some.

    Parameters
    ----------
    path
        The map. Its names are in ``<name>.json``, for NRRD in the fields of 3D Slicer, in ``dataset.json`` (nnU-Net)
        beside it or one folder above, or in a table of labels in the NIfTI header (TotalSegmentator).

    Raises
    ------
    InputError
        Names that cannot be read; two names of one label; a lesion called label 0.
    """
    own = sidecar(path)
    described: Titles | None = None
    if is_companion(own):
        described = _from_json(own, own=True)
        if described.source is not None:
            return described
    found = _elsewhere(path)
    return replace(found, notes=described.notes) if described is not None else found


def _elsewhere(path: Path) -> Titles:
    """Names of the labels of a map that no file of its own holds."""
    if path.name.lower().endswith((".nrrd", ".nhdr")) and (titles := _from_slicer(path)).names:
        return titles
    for folder in (path.parent, path.parent.parent):
        if is_companion(folder / DATASET):
            return _from_json(folder / DATASET, own=False)
    return _from_nifti(path) if path.name.lower().endswith((".nii", ".nii.gz")) else Titles()


def _from_json(file: Path, own: bool) -> Titles:
    content = read_json(file, NAMES_HELP)
    if isinstance(content, dict) and isinstance(content.get("labels"), dict):
        content = content["labels"]
    elif not own:
        return Titles()  # another program's dataset.json
    if not isinstance(content, dict):
        raise _unreadable(file, f"it holds a {type(content).__name__}, not names by label")
    names: dict[tuple[int, int], str] = {}
    sites: dict[tuple[int, int], str] = {}
    regions: list[str] = []
    if own and _of_another(content):
        text = f"{file.name} ties no name to a label ({', '.join(map(_shown, list(content)[:3]))}): it was left aside"
        return Titles(notes=(Note(text, weight=NOTE),))
    nothing: list[str] = []
    for key, value in content.items():
        label, title, site = _pair(str(key), value, file)
        if label is None:
            regions.append(clean_name(title, "region"))
            continue
        if label == 0:
            nothing.append(title)
            continue
        if (0, label) in names:
            raise _unreadable(file, f"label {label} has two names, {names[0, label]!r} and {title!r}")
        names[0, label] = title
        if site:
            sites[0, label] = site
    notes = [note for title in nothing for note in _background(title, list(names.values()), file)]
    return Titles(names, sites, file.name, own, tuple(regions), tuple(notes))


def _of_another(content: Mapping[str, object]) -> bool:
    """Whether an object describes an image, and names no label: no key is a label, nor a value beside a BIDS key."""
    if not content or any(_whole(key) is not None for key in content):
        return False
    labels = [value for value in content.values() if _whole(value[0] if _single(value) else value) is not None]
    return not (labels or any(isinstance(value, list | dict) for value in content.values())) or bool(
        BIDS_KEYS & set(content)
    )


def _single(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list) and len(value) == 1


def _shown(key: object) -> str:
    return clean_name(key, "")


def _pair(key: str, value: object, file: Path) -> tuple[int | None, str, str]:
    """Label, name and site of one entry; no label for a region of several."""
    if isinstance(value, dict):  # {"1": {"name": "neck node", "site": "node"}}
        label, title, site = _whole(key), value.get("name"), str(value.get("site") or "")
    elif _whole(key) is not None:
        label, title, site = _whole(key), value, ""
    else:
        if isinstance(value, list) and len(value) != 1:
            return None, key, ""  # nnU-Net's regions: several labels make one structure
        label, title, site = _whole(value[0] if isinstance(value, list) else value), key, ""
    if label is None or not isinstance(title, str | int | float):
        raise _unreadable(file, f"the entry {clean_name(key, '')!r} ties no name to a label")
    return label, clean_name(title, f"lesion {label}"), clean_name(site, "") if site else ""


def _whole(value: object) -> int | None:
    """A label: a whole number, or its digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()  # programs that keep labels as decimals write "1.0"
    return int(text.partition(".")[0]) if re.fullmatch(r"\d{1,9}(\.0*)?", text) else None


def _background(title: str, others: Sequence[str], file: Path) -> list[Note]:
    """A remark on the name of label 0; refused where it is a lesion's, so that the others may be one off."""
    if kind_of(title) == "background" or title.casefold() in NOTHING:
        return []
    shape = re.sub(r"\d+", "#", title.casefold())
    if is_lesion_word(title) or ("#" in shape and shape in {re.sub(r"\d+", "#", one.casefold()) for one in others}):
        raise InputError(
            f"label 0 is named {title!r}",
            why="label 0 is the background of a label map, and no lesion",
            suggestion="give the lesion another label, or correct the names",
            file=file,
            field="0",
        )
    return [Note(f"{file.name} names label 0 {title!r}: it is the background, and was left out", weight=CAUTION)]


def _unreadable(file: Path, why: str) -> InputError:
    return InputError("the lesion names cannot be read", why=why, suggestion=NAMES_HELP, file=file)


def slicer_fields(path: Path) -> dict[int, dict[str, str]]:
    """Fields ``SegmentN_...`` of a NRRD header by N; empty where 3D Slicer did not write it."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEADER_BYTES)
    except OSError:
        return {}
    head = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    found: dict[int, dict[str, str]] = {}
    for line in head.decode("utf-8", "replace").splitlines():
        match = re.match(r"Segment(\d{1,6})_(\w+):=(.*)", line)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = match[3].strip()
    return found


def _from_slicer(path: Path) -> Titles:
    """Names of the segments of 3D Slicer; without a label value each is a layer of its own, drawn with 1."""
    names: dict[tuple[int, int], str] = {}
    for number, (_, fields) in enumerate(sorted(slicer_fields(path).items())):
        value, layer = _whole(fields.get("LabelValue", "")), _whole(fields.get("Layer", ""))
        if value is None:
            value, layer = 1, number
        name = clean_name(fields.get("Name") or fields.get("ID") or "", f"segment {number + 1}")
        if (layer or 0, value) in names:
            raise InputError(
                f"two segments have the label {value} of layer {layer or 0}: {names[layer or 0, value]!r} and {name!r}",
                why="which voxels belong to which of them is not clear",
                suggestion="save the segmentation again in 3D Slicer",
                file=path,
                field=f"Segment{number}_LabelValue",
            )
        names[layer or 0, value] = name
    return Titles(names, {}, path.name) if names else Titles()


def _from_nifti(path: Path) -> Titles:
    """Names in the table of labels of a header's extension (Caret's, which TotalSegmentator writes)."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            head = stream.read(352)
            order = "<" if struct.unpack("<i", head[:4])[0] == 348 else ">"
            offset = struct.unpack(f"{order}f", head[108:112])[0]
            extension = stream.read(int(min(max(offset - 352.0, 0.0), HEADER_BYTES))) if offset > 352.0 else b""
    except (OSError, EOFError, struct.error, zlib.error, ValueError, OverflowError):
        return Titles()  # the reader of voxels says what is wrong with the file
    pattern = rb'<Label\s[^>]*?Key="(\d{1,9})"[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]*)'
    pairs = {(0, int(key)): clean_name(name.decode("utf-8", "replace"), f"lesion {int(key)}")
             for key, name in re.findall(pattern, extension)}  # fmt: skip
    pairs.pop((0, 0), None)
    return Titles(pairs, {}, path.name) if pairs else Titles()
