"""Digests in a result file: that what is read is what was written.

Each dataset has the SHA-256 of its values in an attribute of its own; the root has one over all attributes and,
through them, over all datasets. They find damage, and numbers that were changed by hand. They are no
signature: who rewrites a file with its digests can write anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

#: Attribute of a dataset: SHA-256 of its values.
VALUES = "sha256"
#: Attributes of the root: SHA-256 of all attributes, and a short one of each, to name the one that differs.
ALL, EACH = "digest", "attribute_digests"
#: Hexadecimal digits of the short ones; they decide nothing.
SHORT = 12


def values_digest(values: Any) -> str:
    """SHA-256 of the values of a dataset.

    Parameters
    ----------
    values
        A text, an array of numbers of any shape, or a table (row,) of texts and numbers.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in _parts(values):
        digest.update(part)
    return digest.hexdigest()


def attribute_digests(file: h5py.File) -> dict[str, dict[str, str]]:
    """SHA-256 of each attribute of a file, by the place that has it and its name, without those of the digests.

    Parameters
    ----------
    file
        An open HDF5 file.

    Returns
    -------
    dict of dict
        In the order of the names; the root is ``""``. A place without attributes is there too.
    """
    places: dict[str, Any] = {"": file}
    file.visititems(lambda name, item: places.__setitem__(name, item))
    return {name: _attributes(places[name], name) for name in sorted(places)}


def whole_digest(each: dict[str, dict[str, str]]) -> str:
    """SHA-256 of all attributes of a file, from that of each."""
    return hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()


def sign(file: h5py.File) -> None:
    """Write the digests of the root; the last that is written to a file.

    Parameters
    ----------
    file
        A file whose datasets have their digests.
    """
    each = attribute_digests(file)
    short = {name: {key: text[:SHORT] for key, text in own.items()} for name, own in each.items()}
    file.attrs[EACH] = json.dumps(short, sort_keys=True)
    file.attrs[ALL] = whole_digest(each)


def differing(each: dict[str, dict[str, str]], stated: Any) -> str:
    """The first attribute that is not what was written, or that came or went; empty where none can be named.

    Parameters
    ----------
    each
        Digests as the file is now.
    stated
        What it says of them, from :data:`EACH`.
    """
    if not isinstance(stated, dict):
        return EACH
    for place in sorted({*each, *stated}):
        then, now = stated.get(place), each.get(place)
        if not isinstance(then, dict) or now is None:
            return place or EACH
        for key in sorted({*then, *now}):
            if then.get(key) != now.get(key, "")[:SHORT]:
                return f"{place}@{key}" if place and key else place or key
    return ""


def _attributes(item: Any, place: str) -> dict[str, str]:
    own = {key: values_digest(item.attrs[key]) for key in sorted(item.attrs) if place or key not in (ALL, EACH)}
    return own | {"": "group" if isinstance(item, h5py.Group) else "dataset"}


def _parts(values: Any) -> Iterator[bytes | memoryview]:
    """Bytes that stand for values, whatever they are, and for no others."""
    if isinstance(values, str | bytes):
        text = values.encode() if isinstance(values, str) else values
        yield f"text {len(text)}:".encode()
        yield text
        return
    array = np.asarray(values)
    if array.dtype.names is not None:
        yield f"table {array.shape} {len(array.dtype.names)}:".encode()
        for name in array.dtype.names:
            yield from _parts(name)
            yield from _parts(array[name])
    elif array.dtype.kind == "O":
        yield f"texts {array.shape}:".encode()
        for item in array.ravel():
            yield from _parts(item)
    else:
        yield f"{array.dtype.str} {array.shape}:".encode()
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
