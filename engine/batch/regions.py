"""The lesion weights of a shard as a file (``regions.npz``): the regions that its transport sums over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..archive import Archive
from ..files import parse_json, written_whole


def write_regions(path: Path, weights: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Write the weights of regions.

    Parameters
    ----------
    path
        The file.
    weights
        One uint8 array (nz, ny, nx) per region.
    names
        Their names.
    """
    with written_whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, weights=np.stack(weights).astype(np.uint8), names=json.dumps(list(names)))


def read_regions(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The weights of regions, uint8 (regions, nz, ny, nx), and their names.

    Parameters
    ----------
    path
        The file.
    shape
        Of the grid that they are on, (nz, ny, nx).

    Raises
    ------
    InputError
        A file that is damaged, is of another kind, or is on another grid.
    """
    archive = Archive(path, "a file of regions")
    for name in ("weights", "names"):
        if name not in archive.entries:
            raise archive.refusal(f"it lacks {name!r}")
    entry = archive.declared("weights")
    if entry.dtype != np.uint8 or len(entry.shape) != 4 or entry.shape[1:] != tuple(shape):
        raise archive.refusal(
            f"it declares {entry.dtype} of shape {entry.shape} on a grid of {tuple(shape)}", "weights"
        )
    archive.check_memory(("weights",))
    try:
        names = parse_json(archive.text("names"))
    except ValueError as error:
        raise archive.refusal(str(error), "names") from None
    if not isinstance(names, list) or len(names) != entry.shape[0] or not all(isinstance(name, str) for name in names):
        raise archive.refusal("it does not name each of its regions", "names")
    return archive.numbers("weights"), tuple(names)
