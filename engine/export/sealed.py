"""JSON files of a run with the SHA-256 of their content: a digit that changed on a disk is no number of a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

#: Key of the digest.
KEY = "sha256"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with the digest of all the rest of it.

    Parameters
    ----------
    content
        What a JSON file is to hold.

    Returns
    -------
    dict
        The same, and the digest as the last key.
    """
    return {**content, KEY: _digest(content)}


def check_seal(content: Mapping[str, Any], file: Path) -> None:
    """Refuse content that is not what was written; one without a digest, as older versions wrote it, passes.

    Parameters
    ----------
    content
        What was read.
    file
        For the message.

    Raises
    ------
    InputError
        The digest is not that of the rest.
    """
    if KEY in content and content[KEY] != _digest(content):
        raise InputError(
            "is not what was written",
            why="its SHA-256 is not the one that it states: the file is damaged, or was changed",
            suggestion=f"copy it again, or run again; without the key {KEY!r} it is read as it is",
            file=file,
        )


def _digest(content: Mapping[str, Any]) -> str:
    try:
        plain = json.loads(json.dumps({key: value for key, value in content.items() if key != KEY}))
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    except (ValueError, RecursionError):  # nested without end, which no run writes
        return ""
