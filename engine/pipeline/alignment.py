"""Serial scans of one visit in one place: which are aligned, how well, and lesions and PET carried along."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import imaging
from ..case.model import Case, Visit
from ..errors import InputError
from ..grid import Grid, Volume
from ..imaging.alignment import Alignment
from ..imaging.masks.drawn import frame_of
from ..imaging.registration import register

log = logging.getLogger(__name__)

#: A lesion with more than this share of its volume outside a scan cannot be read there.
OUTSIDE_SHARE = 0.01


def wanted_model(case: Case, fixed: str | None, moving: str | None) -> str:
    """The case's model; without one, rigid where two known frames of reference differ, else none."""
    if case.alignment.model is not None:
        return case.alignment.model
    return "rigid" if fixed and moving and fixed != moving else "none"


def align_scans(case: Case, cts: Sequence[Volume], names: Sequence[str]) -> tuple[list[Alignment], list[str]]:
    """Align each CT to the first.

    Returns
    -------
    alignments
        One a scan; the first does not move.
    notes
        One sentence a later scan.
    """
    found, notes = [Alignment()], []
    for ct, name in zip(cts[1:], names[1:], strict=True):
        model = wanted_model(case, cts[0].frame_of_reference, ct.frame_of_reference)
        if model == "none" and ct.source and ct.source == cts[0].source:
            found.append(Alignment())  # one CT for both PETs
            continue
        one = register(cts[0], ct, model, metric=case.alignment.metric)
        if model == "none":
            notes.append(
                f"{name} is taken as aligned in patient coordinates: no registration was done; the CTs "
                f"correlate with {one.correlation_after:.3f} in the body."
            )
        else:
            notes += [f"{name}: {text}." for text in one.notes]
        for text in one.warnings:
            log.warning("%s: %s", name, text)
        found.append(one)
    return found, notes


#: Where a lesion's outline is to be found again: file, name in it, frame of reference.
Origin = tuple[Path, str, "str | None"]


def read_lesions(
    visit: Visit, grid: Grid, pets: Sequence[Volume], alignments: Sequence[Alignment]
) -> tuple[list[Any], list[Origin | None]]:
    """All lesions of the visit on the dose grid, those drawn on a later scan carried to the first.

    Returns
    -------
    masks
        The lesions.
    origins
        Where each stands; None for one that was carried.
    """
    masks: list[Any] = []
    origins: list[Origin | None] = []
    for file in visit.lesion_files:
        frame = pets[0].frame_of_reference
        own = frame_of(file)
        later = [k for k, pet in enumerate(pets) if own and own != frame and pet.frame_of_reference == own]
        if not later or not alignments[later[0]].moves:
            said = own if later else frame
            read = imaging.read_masks(file, grid, frame_of_reference=said)
            masks += read
            origins += [(file, mask.name, said) for mask in read]
            continue
        k = later[0]
        for mask in imaging.read_masks(file, pets[k].grid, frame_of_reference=own):
            masks.append(_carried_back(mask, pets[k].grid, alignments[k], grid, file))
            origins.append(None)
    return masks, origins


#: Voxel size on which a lesion's outline is kept to be carried to another scan [mm].
FINE_MM = 1.0


def fine_outlines(
    masks: Sequence[Any], origins: Sequence[Origin | None], grid: Grid
) -> tuple[tuple[np.ndarray, Grid] | None, ...]:
    """Each lesion's outline on small voxels of its own, from its file: fractions (nz, ny, nx) and their grid.

    An outline that has been averaged over dose voxels would be averaged a second time when it is carried to
    another scan, and the lesion be taken for blunter than it is. None where the file gives no such outline.
    """
    found: list[tuple[np.ndarray, Grid] | None] = []
    for mask, origin in zip(masks, origins, strict=True):
        if origin is None:
            found.append(None)
            continue
        file, name, frame = origin
        room = [
            slice(max(cut.start - 1, 0), min(cut.stop + 1, n))
            for cut, n in zip(_box(np.asarray(mask.fraction)), grid.shape, strict=True)
        ]
        step = [s / math.ceil(s / FINE_MM) for s in grid.spacing_mm]
        near = grid.cropped((room[0], room[1], room[2])).with_spacing((step[0], step[1], step[2]))
        fine = imaging.read_masks(file, near, frame_of_reference=frame, names=[name])
        found.append((fine[0].fraction, near) if len(fine) == 1 else None)
    return tuple(found)


def _carried_back(mask: Any, grid: Grid, alignment: Alignment, wanted: Grid, file: Path) -> Any:
    """A lesion drawn on a later scan, on the dose grid, its volume unchanged."""
    centre = grid.index_to_xyz(_centre(mask.fraction))
    home = np.linalg.inv(alignment.matrix) @ np.array([*centre, 1.0])
    placed = alignment.place(grid, home[:3])
    box = _box(mask.fraction)
    fraction = imaging.resample_fraction(mask.fraction[box], placed.cropped(box), wanted)
    volume = float(fraction.sum(dtype=np.float64)) * wanted.voxel_volume_ml
    if volume < (1.0 - OUTSIDE_SHARE) * mask.volume_ml:
        raise InputError(
            f"lesion {mask.name!r}, drawn on a later scan, does not lie on the first one",
            why=f"{100 * (1 - volume / mask.volume_ml):.0f} % of it is outside after the alignment",
            suggestion="look at the alignment, or draw the lesion on the first scan",
            file=file,
        )
    return replace(mask, fraction=fraction, volume_ml=volume, grid=wanted)


def check_carried(masks: Sequence[Any], grid: Grid, images: Sequence[Volume], alignment: Alignment) -> None:
    """Refuse lesions that lie outside an aligned scan's CT or PET.

    Raises
    ------
    InputError
        Naming the lesion, the image and the share outside.
    """
    for mask in masks:
        index = np.argwhere(mask.fraction > 0)
        weight = mask.fraction[tuple(index.T)].astype(np.float64)
        points = alignment.to_moving(grid.index_to_xyz(index))
        for image, name in zip(images, ("CT", "PET"), strict=True):
            there = image.grid.xyz_to_index(points)
            inside = np.all((there >= -0.5) & (there <= np.array(image.grid.shape) - 0.5), axis=1)
            lost = 1.0 - float(weight[inside].sum() / weight.sum())
            if lost > OUTSIDE_SHARE:
                raise InputError(
                    f"{100 * lost:.0f} % of lesion {mask.name!r} lies outside the {name} after the alignment",
                    why="its uptake cannot be read there",
                    suggestion="look at the alignment, or leave out this scan or lesion",
                    file=image.source or None,
                )


def carried(volume: Volume, alignment: Alignment, grid: Grid) -> np.ndarray:
    """A scan's concentration on the dose grid, activity conserved, float32 (nz, ny, nx)."""
    return np.asarray(alignment.carry(volume, grid).values, dtype=np.float32)


def _centre(fraction: np.ndarray) -> np.ndarray:
    index = np.nonzero(fraction > 0)
    weight = fraction[index].astype(np.float64)
    return np.array([float(axis @ weight) for axis in index]) / weight.sum()


def _box(fraction: np.ndarray) -> tuple[slice, slice, slice]:
    cuts = [slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(fraction > 0)]
    return cuts[0], cuts[1], cuts[2]
