"""Lesions of a label map: whole voxels in a NIfTI, MetaImage or NRRD file, of one layer or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...errors import InputError
from ...files import is_companion, sidecar
from ...grid import OBLIQUE, Grid, Volume, canonical
from ...notes import CAUTION, NOTE, Note, about
from ...same import WHOLE_LABEL
from ...text import counted
from ..dicom.find import VOLUME_ENDINGS
from ..formats.nrrd import read_nrrd_layers
from ..volumes import read_file
from .label_names import ANATOMY_FROM, Titles, slicer_fields, titles_of
from .mask import Mask, MaskFile, finished
from .names import Content, Kind, clean_name, is_organ, kind_of, listed
from .onto import lattice_offset, onto
from .references import DrawnOn

Box = tuple[slice, slice, slice]

#: Names of the lesions of a map called ``lesions``.
LESION_NAMES = "lesions.json"
#: A map of the whole anatomy has some hundred labels; an image that is given as a map has thousands.
MOST_LABELS = 500
#: Layers of overlapping segments that are read at most.
MOST_LAYERS = 64


@dataclass(frozen=True)
class Label:
    """One label of a map: its layer, value and smallest box, and what it is."""

    layer: int
    value: int
    box: Box
    content: Content
    site: str = ""


class LabelMap(MaskFile):
    """A label map: 0 for background, 1, 2, 3, ... for lesions; with a threshold, a map of one lesion's probability.

    Parameters
    ----------
    file
        The map.
    probability
        Least value of a voxel of the lesion, for a map of probabilities.
    alone
        Name of the only label where nothing names it.
    """

    def __init__(self, file: Path, probability: float | None = None, alone: str | None = None) -> None:
        self.file, self._probability, self._alone = file, probability, alone
        self.volume_files = (file,)

    @cached_property
    def _layers(self) -> list[Volume]:
        """The labels of each layer; InputError for values that are not whole labels."""
        volumes = read_layers(self.file) if slicer_fields(self.file) else [read_file(self.file, "label", dtype=None)]
        return [replace(volume, values=self._labels(volume.values)) for volume in volumes]

    def _labels(self, values: np.ndarray) -> np.ndarray:
        labels = np.rint(values) if np.issubdtype(values.dtype, np.floating) else values
        whole = np.all(np.isfinite(values)) and np.abs(values - labels).max(initial=0.0) <= WHOLE_LABEL
        share = bool(np.all((values >= 0) & (values <= 1)))
        if self._probability is not None:
            if not share:
                raise InputError(
                    f"the lesion map holds values from {values.min():g} to {values.max():g}, not probabilities",
                    why="the case gives a least probability for it",
                    suggestion="leave out 'probability', or give a map of values from 0 to 1",
                    file=self.file,
                    field="probability",
                )
            return np.asarray(values >= self._probability, np.uint8)
        if whole and not np.any(labels < 0):
            return labels
        advice = "export it without interpolation (nearest neighbour)"
        if share:
            advice = (
                "for a map of probabilities, state the least one of the lesion: lesions: {file: ..., probability: 0.5}"
            )
        raise InputError(
            f"the lesion map holds values from {values.min():g} to {values.max():g} that are not whole labels",
            why="a label map has 0 for background and 1, 2, 3, ... for lesions",
            suggestion=advice,
            file=self.file,
        )

    @cached_property
    def _titles(self) -> Titles:
        return titles_of(self.file)

    @cached_property
    def _found(self) -> list[Label]:
        """Labels that have voxels, in the order of their values."""
        found = [(layer, *one) for layer, volume in enumerate(self._layers) for one in self._boxes(volume.values)]
        anatomy = self._titles.anatomy
        labels = []
        for layer, value, box in found:
            title = self._titles.names.get((layer, value))
            kind: Kind = "lesion"
            if title is not None:
                kind = kind_of(title, anatomy=anatomy)
                if self._titles.own and kind != "background":
                    kind = "lesion"
            elif self._alone is not None and len(found) == 1:
                title, kind = self._alone, kind_of(self._alone)
            site = self._titles.sites.get((layer, value), "")
            labels.append(Label(layer, value, box, Content(title or f"lesion {value}", kind), site))
        return labels

    def _boxes(self, values: np.ndarray) -> list[tuple[int, Box]]:
        """Each label and its smallest box."""
        inside = values > 0
        used, number = np.unique(values[inside], return_inverse=True)
        if len(used) > MOST_LABELS:
            raise InputError(
                f"the lesion map holds {len(used)} different labels, {used[0]:g} to {used[-1]:g}",
                why=f"it is an image rather than a map: more than {MOST_LABELS} lesions are not read",
                suggestion="give the label map of this image",
                file=self.file,
            )
        compact = np.zeros(values.shape, np.int32)  # labels may be any whole numbers; boxes are returned in their order
        compact[inside] = number + 1
        return list(zip((int(v) for v in used), ndimage.find_objects(compact), strict=True))

    @cached_property
    def contents(self) -> list[Content]:
        seen = {(label.layer, label.value) for label in self._found}
        missing = {key: name for key, name in self._titles.names.items() if key not in seen}
        if missing and seen and not seen & set(self._titles.names):
            name = next(iter(missing.values()))
            raise InputError(
                f"none of the labels that {self._titles.source} names has a voxel in this map, {name!r} for one",
                why=f"the map has {listed([label.content.name for label in self._found])}",
                suggestion="correct the names, or give the map that they belong to",
                file=self.file,
                field=name,
            )
        return [label.content for label in self._found] + [Content(name, "empty") for name in missing.values()]

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the header and the names: names of another map, organs among lesions, labels without one."""
        headers = dict.fromkeys(note for layer in self._layers for note in layer.notes)
        notes = [about(self.file.name, note) for note in headers if note != OBLIQUE]  # which the images say
        own, others = sidecar(self.file), self.file.with_name(LESION_NAMES)
        if self._titles.source is None and self._alone is None and own != others and is_companion(others):
            notes.append(
                f"the lesions of {self.file.name} are numbered: {LESION_NAMES} names those of a map called lesions, "
                f"{own.name} would name these"
            )
        notes += self._titles.notes
        names = [label.content.name for label in self._found if (label.layer, label.value) in self._titles.names]
        organs = [name for name in names if self._titles.own and is_organ(name)]
        if organs:
            text = f"{listed(organs)}: named like an organ and taken as a lesion"
            notes.append(Note(f"{text}, since {self._titles.source} names lesions", weight=CAUTION))
        if self._titles.regions:
            text = f"{self._titles.source} names structures that several labels make together"
            text += f" ({listed(self._titles.regions)}): they were not read, and each label is a lesion of its own"
            notes.append(Note(text, weight=CAUTION))
        nameless = len(self._found) - len(names)
        if self._titles.names and nameless:
            text = counted(nameless, "label", ("has", "have"))
            notes.append(Note(f"{text} no name in {self._titles.source}: numbered lesions", weight=NOTE))
        if self._probability is not None:
            notes.append(Note(_thresholded(self.file.name, self._probability), weight=NOTE))
        return tuple(notes)

    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        own = self._layers[0].grid
        if lattice_offset(own, pet) is not None:
            return "pet"
        return "ct" if lattice_offset(own, ct) is not None else None

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        if not self.contents and names is None:
            raise InputError(
                "the label map is empty",
                why="every voxel is background",
                suggestion="give a map with at least one lesion",
                file=self.file,
            )
        masks = []
        for label in self._found:
            name = label.content.name
            if label.content.kind != "lesion" if names is None else name not in names:
                continue
            volume = self._layers[label.layer]
            where = volume.values[label.box] == label.value
            fraction = onto(where, volume.grid.cropped(label.box), grid)
            whole = float(np.count_nonzero(where)) * volume.grid.voxel_volume_ml
            mask = finished(name, np.clip(fraction, 0.0, 1.0), grid, whole, self.file)
            masks.append(replace(mask, site=label.site))
        return masks


class MapFolder(MaskFile):
    """A folder with one map per structure, each called after its file unless names lie beside it."""

    def __init__(self, folder: Path, files: Sequence[Path], probability: float | None = None) -> None:
        self.file = folder
        self._maps = [LabelMap(file, probability, clean_name(_stem(file), file.name)) for file in files]
        self.volume_files = tuple(files)

    @cached_property
    def contents(self) -> list[Content]:
        names = [_stem(one.file) for one in self._maps]
        anatomy = sum(is_organ(name) for name in names) >= ANATOMY_FROM
        contents: list[Content] = []
        for one, name in zip(self._maps, names, strict=True):
            found = one.contents or [Content(clean_name(name, one.file.name), "empty")]
            contents += [
                Content(c.name, kind_of(c.name, anatomy=anatomy)) if anatomy and c.kind == "lesion" else c
                for c in found
            ]
        return contents

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(note for one in self._maps for note in one.notes)

    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        found = {one.drawn_on(ct, pet) for one in self._maps}
        return found.pop() if len(found) == 1 else None

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        wanted = names if names is not None else [one.name for one in self.contents if one.kind == "lesion"]
        return [mask for one in self._maps for mask in one._lesions(grid, frame_of_reference, wanted)]


def maps_below(folder: Path) -> list[Path]:
    """The volume files of a folder, hidden ones apart."""
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in files if p.name.lower().endswith(VOLUME_ENDINGS))


def read_layers(path: Path) -> list[Volume]:
    """Layers of a NRRD segmentation: one for plain labels, several where segments overlap (a vector per voxel).

    Parameters
    ----------
    path
        A file of 3D Slicer.

    Raises
    ------
    InputError
        A file that cannot be read.
    """
    layers = read_nrrd_layers(path, MOST_LAYERS)
    if len(layers) == 1:
        return [read_file(path, "label", dtype=None)]
    volumes = []
    for header, values in layers:
        canonical_values, grid = canonical(values, header.steps, path)
        volumes.append(Volume(grid, canonical_values, "label", source=str(path), notes=list(header.notes)))
    return volumes


def _thresholded(name: str, probability: float) -> str:
    return f"{name} holds probabilities: a voxel belongs to the lesion from {probability:g} on, as the case says"


def _stem(path: Path) -> str:
    lower = path.name.lower()
    return next(path.name[: -len(end)] for end in sorted(VOLUME_ENDINGS, key=len, reverse=True) if lower.endswith(end))
