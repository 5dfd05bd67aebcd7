"""Which files hevesy wrote: known by what is in them, so that no output ever replaces a file of somebody else's."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

#: What is read of a text, or of a compressed image, to see what it is [bytes].
_HEAD = 16 << 20


def kind_of(path: Path) -> str | None:
    """What a file is of what hevesy writes.

    Parameters
    ----------
    path
        An ordinary file.

    Returns
    -------
    str or None
        ``"result"``, ``"kernel"``, ``"schema"`` or ``"case"``; None for a file that hevesy may not have written, one
        that is damaged, and one that cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    if head.startswith(b"\x89HDF"):
        return _of_hdf5(path)
    if head.startswith(b"PK"):
        return _of_archive(path)
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 352)
        except zlib.error:
            return None
    if head[344:348] in (b"n+1\0", b"ni1\0"):  # NIfTI, with its description
        return "kernel" if b"voxel S" in head[148:228] else None
    return _of_text(path, head.decode("utf-8", errors="replace"))


def _of_hdf5(path: Path) -> str | None:
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:  # a file system may have no locks
            name = file.attrs.get("format")
    except (OSError, RuntimeError, ValueError, KeyError):
        return None
    return _of_format(name.decode(errors="replace") if isinstance(name, bytes) else name)


def _of_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("facts.npy") as facts:
            text = facts.read(_HEAD)
    except (OSError, KeyError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    # an array of one text, 4 bytes a character
    return "kernel" if "hevesy-voxel-s-kernel".encode("utf-32-le") in text else None


def _of_text(path: Path, text: str) -> str | None:
    if text.startswith("# voxel S values; i, j, k count voxels from the source"):
        return "kernel"
    if text.lstrip().startswith("{"):
        try:
            content: Any = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if {"$defs", "properties"} <= set(content):
            return "schema" if {"therapy", "visits"} <= set(content["properties"]) else None
        return _of_format(content.get("format"))
    lines = {line.partition(":")[0] for line in text.splitlines() if not line.startswith((" ", "#", "-"))}
    return "case" if path.suffix in (".yaml", ".yml") and {"patient", "visits"} <= lines else None


def _of_format(name: object) -> str | None:
    return {"hevesy-result": "result", "hevesy-voxel-s-kernel": "kernel"}.get(str(name))
