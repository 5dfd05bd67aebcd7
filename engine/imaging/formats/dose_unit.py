"""The unit of dose that a volume file states in its free text."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

#: A unit of dose, and what follows it where it is a dose per something.
_UNIT = re.compile(r"(?<![A-Za-z])([cmkuµ]?Gy|rads?)(?![A-Za-z])\s*((?:/|\bper\b)\s*[A-Za-z]+|[*·]?\s*[A-Za-z]+\^?-1)?")
#: Bytes of a header in which units are looked for.
_HEAD = 65536
#: Free text of NIfTI-1 and NIfTI-2 by the size that the header states: first byte and length.
_NIFTI_TEXTS = {348: ((148, 80), (328, 16)), 540: ((240, 80), (508, 16))}
#: Lines of a text header that name files.
_FILES = re.compile(r"^\s*(?:data ?file|ElementDataFile)\b", re.IGNORECASE)


def stated_dose_units(path: Path) -> list[str]:
    """Units of dose that the header of a NIfTI, NRRD or MetaImage file names, each once.

    Parameters
    ----------
    path
        The file; its header has been read without error.

    Returns
    -------
    list of str
        As written: ``"Gy"``, ``"cGy"``, ``"mGy/MBq"``; empty where none is named.
    """
    found = [unit + "".join(per.split()) for text in _texts(path) for unit, per in _UNIT.findall(text)]
    return list(dict.fromkeys(found))


def _texts(path: Path) -> list[str]:
    name = path.name.lower()
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
            head = stream.read(1024 if ".nii" in name else _HEAD)
    except (OSError, EOFError, zlib.error):
        return []
    if ".nii" in name:
        sizes = [int.from_bytes(head[:4], order) for order in ("little", "big")]
        places = next((_NIFTI_TEXTS[size] for size in sizes if size in _NIFTI_TEXTS), ())
        return [head[at : at + length].split(b"\0")[0].decode("latin-1") for at, length in places]
    lines = []
    for line in head.decode("utf-8", "replace").splitlines():
        if not line.strip() or line.lstrip().lower().startswith("elementdatafile"):
            break
        if not _FILES.match(line):
            lines.append(line)
    return lines
