"""What a generated input is, and what a kind of input has to say about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

#: What was read, part by part.
Reading = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One input, and what is known of it.

    Parameters
    ----------
    change
        The mutation, for counts and reports.
    files
        Content by name in the folder of the input.
    truth
        What the reading must show where the input is accepted, by part; parts that are not listed are not known.
    must
        ``"read"`` where a refusal is wrong, ``"refuse"`` where acceptance is.
    links
        Symbolic links by name.
    """

    change: str
    files: Mapping[str, bytes]
    truth: Mapping[str, Any] = field(default_factory=dict)
    must: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the input into an empty folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Parameters
    ----------
    name
        For counts and options.
    generate
        A new input from a source of random choices.
    read
        Reads the input in a folder as a command of hevesy does, and says what was read.
    share
        Its part of all inputs, in proportion.
    words
        The command line that reads it, inside the folder; empty where no command reads it alone.
    weight_mb
        Memory that reading a small input of this kind may take [MB].
    """

    name: str
    generate: Callable[[Random], Sample]
    read: Callable[[Path], Reading]
    share: int
    words: tuple[str, ...] = ()
    weight_mb: int = 128


def difference(truth: Mapping[str, Any], reading: Reading) -> str:
    """What of a reading is not the truth; empty where all of it is."""
    for part, expected in truth.items():
        if part not in reading:
            return f"{part} was not read"
        problem = points_differ(expected, reading[part]) if part == "points" else _differs(expected, reading[part])
        if problem:
            return f"{part}: {problem}"
    return ""


def _differs(expected: Any, value: Any) -> str:
    if isinstance(expected, np.ndarray | float) and not isinstance(value, str | None):
        a, b = np.asarray(expected), np.asarray(value)
        if a.shape != b.shape:
            return f"shape {b.shape}, not {a.shape}"
        if a.dtype.kind in "fiub" and b.dtype.kind in "fiub":
            close = np.isclose(a.astype(float), b.astype(float), rtol=2e-6, atol=0.0, equal_nan=True)
            return "" if close.all() else f"{b[~close].flat[0]!r}, not {a[~close].flat[0]!r}"
    return "" if expected == value else f"{value!r:.200}, not {expected!r:.200}"


def points_differ(expected: tuple[np.ndarray, np.ndarray], volume: Any) -> str:
    """Whether an image has the values expected at their places in the patient, however it is stored.

    Parameters
    ----------
    expected
        Centres of voxels (n, 3) [mm, LPS], and their values (n,).
    volume
        What was read: a grid and values.
    """
    places, values = expected
    grid = volume.grid
    turn = np.asarray(grid.direction, float).reshape(3, 3)
    index = (places - np.asarray(grid.origin_mm)[::-1]) @ turn / np.asarray(grid.spacing_mm)[::-1]
    nearest = np.rint(index).astype(int)
    if np.abs(index - nearest).max() > 2e-2:
        return f"centres are {np.abs(index - nearest).max():.3g} voxels apart"
    if (nearest < 0).any() or (nearest >= np.array(grid.shape[::-1])).any():
        return "the image lies elsewhere"
    if len(values) != np.prod(grid.shape):
        return f"{np.prod(grid.shape)} voxels, not {len(values)}"
    read = np.asarray(volume.values)[nearest[:, 2], nearest[:, 1], nearest[:, 0]].astype(float)
    close = np.isclose(read, values, rtol=1e-5, atol=1e-6 * (np.abs(values).max() or 1.0))
    return "" if close.all() else f"{read[~close][0]!r} at a place with {values[~close][0]!r}"
