"""What headers written as text have in common (NRRD, MetaImage): numbers, and the file that holds the voxels."""

from __future__ import annotations

import math
from pathlib import Path

from ...errors import InputError

#: Bytes that a header may have: a segmentation with hundreds of segments has some 100 kB.
LONGEST_HEADER = 4_000_000


def refused(file: Path, field: str, problem: str, why: str, suggestion: str = "") -> InputError:
    """The error of one field of a header."""
    help = suggestion or "repair the header, or export the image again"
    return InputError(problem, why=why, suggestion=help, file=file, field=field)


def numbers(file: Path, field: str, text: str, count: int) -> list[float]:
    """The ``count`` finite numbers of a field, separated by blanks.

    Raises
    ------
    InputError
        Other words, another number of them, numbers that are not finite.
    """
    words = text.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(math.isfinite(v) for v in values):
        raise refused(file, field, f"{field} is {text[:80]!r}", f"it holds {count} finite numbers")
    return values


def sizes(file: Path, field: str, text: str, rank: int) -> tuple[int, ...]:
    """Whole numbers of voxels along the axes."""
    values = numbers(file, field, text, rank)
    if any(v != int(v) or abs(v) > 1e15 for v in values):
        raise refused(file, field, f"{field} is {text[:80]!r}", "numbers of voxels are whole")
    return tuple(int(v) for v in values)


def beside(file: Path, field: str, name: str) -> Path:
    """The file of voxels that a header names, in the header's own folder.

    Raises
    ------
    InputError
        A path that leads elsewhere, a list or pattern of files, no such file.
    """
    if any(part in name for part in ("/", "\\", ":", "\0")) or name in ("", ".", ".."):
        raise refused(
            file,
            field,
            f"the voxels are to come from {name[:80]!r}",
            "a header may name a file in its own folder alone",
            "save the image as one file (.mha, .nrrd, .nii.gz)",
        )
    path = file.parent / name
    if not path.is_file():
        listed = name.upper().startswith("LIST") or "%" in name
        raise refused(
            file,
            field,
            f"the file of voxels {name[:80]!r} is not there",
            "a list of files is not read" if listed else "the header names it",
            "copy both files into one folder, or save the image as one file (.mha, .nrrd, .nii.gz)",
        )
    return path
