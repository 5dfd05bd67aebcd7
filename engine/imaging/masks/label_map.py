"""Lesions of a label map: whole voxels in a NIfTI, MetaImage or NRRD file, with names in a file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...errors import InputError
from ...files import read_json, sidecar
from ...grid import Grid, Volume
from ..resample import average
from ..volumes import read_file
from .mask import DrawnOn, Mask, MaskFile, finished

Box = tuple[slice, slice, slice]

#: Names of the lesions of a map called ``lesions``.
LESION_NAMES = "lesions.json"


class LabelMap(MaskFile):
    """A label map: 0 for background, 1, 2, 3, ... for lesions."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @cached_property
    def _volume(self) -> Volume:
        """The labels; InputError for values that are not whole labels."""
        volume = read_file(self.file, "label", dtype=None)
        values = volume.values
        if not np.all(np.isfinite(values)) or np.any(values != np.rint(values)) or np.any(values < 0):
            raise InputError(
                f"the lesion map holds values from {values.min():g} to {values.max():g} that are not whole labels",
                why="a label map has 0 for background and 1, 2, 3, ... for lesions",
                suggestion="export it without interpolation (nearest neighbour)",
                file=self.file,
            )
        return volume

    @cached_property
    def _boxes(self) -> dict[int, Box]:
        """The smallest box of each label."""
        values = self._volume.values
        inside = values > 0
        used, number = np.unique(values[inside], return_inverse=True)
        compact = np.zeros(values.shape, np.int32)  # labels may be any whole numbers; boxes are returned in their order
        compact[inside] = number + 1
        return dict(zip((int(v) for v in used), ndimage.find_objects(compact), strict=True))

    @cached_property
    def _titles(self) -> dict[int, tuple[str, str]]:
        """Name and site of each label that the names list; InputError for a name without a voxel."""
        titles = _label_names(self.file)
        for label, (title, _) in titles.items():
            if label not in self._boxes:
                raise InputError(
                    f"lesion {title!r} (label {label}) has no volume",
                    why=f"{sidecar(self.file).name} names a label that no voxel of this map has",
                    suggestion="draw it, or remove it from the names",
                    file=self.file,
                    field=title,
                )
        return titles

    @property
    def notes(self) -> tuple[str, ...]:
        """A remark where names lie beside the map that are another map's."""
        own, others = sidecar(self.file), self.file.with_name(LESION_NAMES)
        if own.is_file() or not others.is_file():
            return ()
        return (
            f"the lesions of {self.file.name} are numbered: {LESION_NAMES} names those of a map called lesions, "
            f"{own.name} would name these",
        )

    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        own = self._volume.grid
        if _same_voxels(own, pet):
            return "pet"
        return "ct" if _same_voxels(own, ct) else None

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        boxes, titles, volume = self._boxes, self._titles, self._volume
        if not boxes:
            raise InputError(
                "the label map is empty",
                why="every voxel is background",
                suggestion="give a map with at least one lesion",
                file=self.file,
            )
        masks = []
        for label, box in boxes.items():
            name, site = titles.get(label, (f"lesion {label}", ""))
            if names is not None and name not in names:
                continue
            where = volume.values[box] == label
            fraction = average(where, volume.grid.cropped(box), grid)
            whole = float(np.count_nonzero(where)) * volume.grid.voxel_volume_ml
            mask = finished(name, np.clip(fraction, 0.0, 1.0), grid, whole, self.file)
            masks.append(replace(mask, site=site))
        return masks


#: What to do about a file of lesion names that cannot be read.
_NAMES_HELP = 'write {"1": "neck node", "2": "lung nodule"}, saved as UTF-8'


def _label_names(path: Path) -> dict[int, tuple[str, str]]:
    """Names and sites of labels from ``<name>.json`` beside the map ``<name>.nii.gz``, by label or by name."""
    file = sidecar(path)
    if not file.is_file():
        return {}
    try:
        pairs = dict(read_json(file, _NAMES_HELP))
        out: dict[int, tuple[str, str]] = {}
        for key, value in pairs.items():
            if isinstance(value, dict):  # {"1": {"name": "neck node", "site": "node"}}
                out[int(key)] = (str(value["name"]), str(value.get("site") or ""))
                continue
            label, title = (key, value) if str(key).strip().isdigit() else (value, key)
            out[int(label)] = (str(title), "")
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "the lesion names cannot be read",
            why=str(error),
            file=file,
            suggestion=_NAMES_HELP,
        ) from None
    return out


def _same_voxels(a: Grid, b: Grid) -> bool:
    """The same voxel size and lattice; one may be a crop of the other."""
    if not np.allclose(a.spacing_mm, b.spacing_mm, rtol=1e-3) or not a.is_parallel_to(b):
        return False
    offset = b.xyz_to_index(a.index_to_xyz(np.zeros(3)))
    return bool(np.allclose(offset, np.rint(offset), atol=0.01))
