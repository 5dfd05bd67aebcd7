"""What a foreign dose map is called: by its user, or by a file name that tells what it is and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

#: Name of a map whose file's name does not tell what it is.
UNNAMED_NAME = "map"
#: Words of file names that tell what a map is, and such as may stand beside them; any other may be a patient's name.
_TELLING = re.compile(
    r"mc|monte|carlo|local|kernel|voxel|svalue|vsv|dvk|hybrid|photons|tps|planning|planned|plan|other|equal|reference"
    r"|gate|geant|geant4|mcnp|egs|fluka|penelope|therapy|baseline|follow|up|[iy]|lu",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"doses?|maps?|absorbed|total|sum|mean|[cm]?gy|file|of|by|the|v|rd|rtdose|result|\d{1,3}", re.IGNORECASE
)
_ENDINGS = re.compile(r"(?:\.nii)?\.(?:gz|nii|nrrd|nhdr|mha|mhd|dcm)$", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


def method_name(name: str, file: Path) -> str:
    """Name of the method that a foreign map is.

    Parameters
    ----------
    name
        As the user gave it; empty without.
    file
        The file. Its name is taken where it is made of words that say what a map is, and of small numbers; any other
        may be a patient's.

    Raises
    ------
    InputError
        A name that files and columns cannot be called after.
    """
    if not name:
        words = re.findall(r"[A-Za-z]+|\d+|[^\W\d_]+", _ENDINGS.sub("", file.name))
        plain = all(_GENERIC.fullmatch(word) or _TELLING.fullmatch(word) for word in words)
        if not plain or not any(_TELLING.fullmatch(word) for word in words):
            return UNNAMED_NAME
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", _ENDINGS.sub("", file.name)).strip("-._+")[:40]
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a method",
            why="files and columns are called after it: up to 40 letters, digits, and . _ + -",
            suggestion="write for example --with FILE=planning",
            file=file,
            field="--with",
        )
    return name
