"""What a result file holds, part by part: each looked at before it is read.

A file of unknown origin may declare any size, point into other files, or hold something else under a name. Links that
leave the file, data outside of it, sizes that its bytes cannot hold, and other types than expected are refused.
"""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from ..files import parse_json
from ..text import shortened
from .digest import ALL, EACH, VALUES, attribute_digests, differing, values_digest, whole_digest

#: Bytes that one stored byte can unfold to: gzip's best on zeros is 1032.
MOST_UNFOLDED = 1100
#: Kinds of numbers: truth values, integers, floats.
NUMBERS = "buif"
#: All that a dataset can hold: numbers, texts, tables of both.
ANYTHING = NUMBERS + "OSUV"


class Stored:
    """Typed access to an open result file; where it states digests, what is read is compared with them.

    Parameters
    ----------
    file
        The open file.
    """

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        #: Whether the file states digests.
        self.signed = ALL in file.attrs
        self._same: set[str] = set()  # datasets that were read and compared

    def refusal(self, name: str, why: str) -> InputError:
        """An error about one part of the file."""
        return InputError(
            "is not what a result holds",
            why=why,
            suggestion="copy the result again from where it was made, or run again",
            file=self.file.filename,
            field=name,
        )

    def check_attributes(self) -> None:
        """Compare all attributes with their digest, before one of them is used.

        Raises
        ------
        InputError
            Naming the first that differs.
        """
        each = attribute_digests(self.file)
        if whole_digest(each) == self.file.attrs[ALL]:
            return
        try:
            stated = parse_json(as_text(self.file.attrs[EACH]))
        except (KeyError, ValueError, AttributeError):
            stated = None
        raise self._damaged(differing(each, stated) or ALL)

    def check_rest(self) -> None:
        """Compare the datasets that nothing has been read from: no part of a damaged file is trusted.

        Raises
        ------
        InputError
            Naming the first that differs.
        """
        names: list[str] = []
        self.file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            if name not in self._same:
                self._compare(name, self.dataset(name, ANYTHING)[()])

    def _compare(self, name: str, values: Any) -> None:
        if not self.signed or name in self._same:
            return
        if self.file[name].attrs.get(VALUES) != values_digest(values):
            raise self._damaged(name)
        self._same.add(name)

    def _damaged(self, name: str) -> InputError:
        return InputError(
            "is not what was written",
            why="its SHA-256 is not the one that was stored with it: the file is damaged, or was changed",
            suggestion="copy the result again from where it was made, or run again",
            file=self.file.filename,
            field=name,
        )

    def has(self, name: str) -> bool:
        """Whether there is something of this name, in this file.

        Raises
        ------
        InputError
            It is in another file.
        """
        group: Any = self.file
        parts = name.split("/")
        for i, part in enumerate(parts):
            if not isinstance(group, h5py.Group):
                return False
            link = group.get(part, getlink=True)
            if link is None:
                return False
            if not isinstance(link, h5py.HardLink):
                raise self.refusal(name, "it points to another place")
            group = group.get(part) if i + 1 < len(parts) else None
        return True

    def names(self, name: str) -> list[str]:
        """Names in a group, none where there is no such group."""
        if not self.has(name):
            return []
        group = self.file[name]
        if not isinstance(group, h5py.Group):
            raise self.refusal(name, "it is no group")
        return list(group)

    def dataset(self, name: str, kinds: str = NUMBERS) -> h5py.Dataset:
        """A dataset of numbers, or of other kinds, that may be read.

        Raises
        ------
        KeyError
            There is none.
        InputError
            Something else; a size that its bytes cannot hold; data that are not in this file.
        """
        if not self.has(name):
            raise KeyError(f"'{name}'")
        found = self.file[name]
        if not isinstance(found, h5py.Dataset):
            raise self.refusal(name, "it is no dataset")
        if found.external or found.is_virtual:
            raise self.refusal(name, "its values are in another file")
        if found.shape is None or found.dtype.kind not in kinds:
            raise self.refusal(name, f"it holds {shortened(found.dtype, 40)}, not {_kind_names(kinds)}")
        size, held = math.prod(found.shape) * found.dtype.itemsize, found.id.get_storage_size()
        if size > MOST_UNFOLDED * held:
            raise self.refusal(name, f"it declares {size:.6g} bytes of values, and holds {held}")
        return found

    def numbers(self, name: str, shape: tuple[int | None, ...], kinds: str = NUMBERS) -> np.ndarray:
        """An array of numbers; None stands for any length.

        Raises
        ------
        KeyError, InputError
            As :meth:`dataset`; another shape.
        """
        found = self.dataset(name, kinds)
        own = found.shape
        if len(own) != len(shape) or any(n is not None and n != m for n, m in zip(shape, own, strict=True)):
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise self.refusal(name, f"it has the shape {own}, not ({wanted})")
        values = np.asarray(found[()])
        self._compare(name, values)
        return values

    def text(self, name: str) -> str:
        """A dataset of one text; empty where there is none."""
        if not self.has(name):
            return ""
        found = self.dataset(name, "OSU")
        if found.shape != () or not (h5py.check_string_dtype(found.dtype) or found.dtype.kind in "SU"):
            raise self.refusal(name, "it is not one text")
        value = found[()]
        self._compare(name, value)
        return as_text(value)

    def attribute(self, where: str, key: str, default: Any = None) -> Any:
        """An attribute of the file (``""``) or of one of its parts: a text, a number, or an array of numbers.

        Raises
        ------
        KeyError
            There is none, and no default.
        InputError
            Something else.
        """
        holder: Any = self.file if not where else (self.file[where] if self.has(where) else None)
        if holder is None or key not in holder.attrs:
            if default is not None:
                return default
            raise KeyError(f"the attribute '{key}'{f' of {where}' if where else ''}")
        value = holder.attrs[key]
        if isinstance(value, bytes | str):
            return as_text(value)
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in NUMBERS:
            return value
        raise self.refusal(f"{where}@{key}" if where else key, f"it holds {shortened(type(value).__name__, 40)}")

    def json(self, where: str, key: str, kind: type, default: str | None = None) -> Any:
        """An attribute that holds JSON of one kind: a list or an object."""
        value = parse_json(str(self.attribute(where, key, default)))
        if not isinstance(value, kind):
            raise self.refusal(f"{where}@{key}" if where else key, f"it is no JSON {kind.__name__}")
        return value

    def number(self, where: str, key: str) -> Any:
        """An attribute that is one finite number."""
        value = self.attribute(where, key)
        if isinstance(value, str) or np.ndim(value) or not np.isfinite(value):
            raise self.refusal(f"{where}@{key}" if where else key, f"it is {shortened(value, 40)}, not a number")
        return value


def as_text(value: Any) -> str:
    """A stored text, whichever type it comes as."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _kind_names(kinds: str) -> str:
    return "numbers" if kinds == NUMBERS else "whole numbers" if set(kinds) <= set("ui") else "text"
