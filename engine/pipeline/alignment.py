"""Registration of the serial scans of a visit: which are registered, how well, and their lesions and PETs."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..case.model import Case
from ..errors import InputError
from ..grid import Grid, Volume
from ..imaging.alignment import Alignment
from ..imaging.masks.mask import Mask, MaskFile, members
from ..imaging.registration import register
from ..imaging.resample import resample_fraction
from ..notes import Note
from .lesion import FineMask, Lesion

log = logging.getLogger(__name__)

#: A lesion with more than this share of its volume outside a scan cannot be read there.
OUTSIDE_SHARE = 0.01
#: Voxel size of a lesion's fine mask [mm].
FINE_MM = 1.0


@dataclass(frozen=True, eq=False)
class AlignedPet:
    """A scan's PET [Bq/mL] on its own voxels, and its registration to the first scan."""

    pet: Volume
    alignment: Alignment = Alignment()


def wanted_model(case: Case, fixed: str | None, moving: str | None) -> str:
    """The case's model; without one, rigid where two known frames of reference differ, else none."""
    if case.alignment.model is not None:
        return case.alignment.model
    return "rigid" if fixed and moving and fixed != moving else "none"


def align_scans(case: Case, cts: Sequence[Volume], names: Sequence[str]) -> tuple[list[Alignment], list[str]]:
    """Register each CT to the first.

    Returns
    -------
    alignments
        One per scan; the first does not move.
    notes
        One sentence per later scan; doubts about a registration are notes of weight "caution".
    """
    alignments, notes = [Alignment()], []
    for ct, name in zip(cts[1:], names[1:], strict=True):
        model = wanted_model(case, cts[0].frame_of_reference, ct.frame_of_reference)
        if model == "none" and ct.source and ct.source == cts[0].source:
            alignments.append(Alignment())  # one CT for both PETs
            continue
        alignment = register(cts[0], ct, model, metric=case.alignment.metric)
        if model == "none":
            notes.append(
                f"{name} is taken as aligned in patient coordinates: no registration was done; the CTs "
                f"correlate with {alignment.correlation_after:.3f} in the body."
            )
        notes += [f"{name}: {text}." for text in alignment.notes]
        notes += [Note(f"{name}: {text}.") for text in alignment.warnings]
        alignments.append(alignment)
    return alignments, notes


def read_lesions(
    file: MaskFile, grid: Grid, scans: Sequence[AlignedPet], names: Sequence[str] | None = None, *, fine: bool = True
) -> list[Lesion]:
    """The lesions of a file on the dose grid, those drawn on a later scan resampled to the first.

    Parameters
    ----------
    file
        One of the visit's lesion files.
    grid
        The dose grid, in the coordinates of the first scan.
    scans
        Its scans, the first one first.
    names
        Structures that are taken; all lesions of the file by default.
    fine
        Whether each lesion gets its :class:`~hevesy.engine.pipeline.lesion.FineMask`.

    Raises
    ------
    InputError
        Naming the lesion: no volume, outside the image, another frame of reference.
    """
    first = scans[0].pet.frame_of_reference
    own = file.frame_of_reference
    later = [k for k, one in enumerate(scans) if own and own != first and one.pet.frame_of_reference == own]
    if not later or not scans[later[0]].alignment.moves:
        frame, scan = (own, later[0]) if later else (first, 0)
        return [
            Lesion(mask, _fine_mask(file, mask, grid, frame) if fine else None, scan)
            for mask in file.masks(grid, frame, names)
        ]
    there = scans[later[0]]
    lesions = []
    for mask in file.masks(there.pet.grid, own, names):
        lesions.append(Lesion(_to_first_scan(mask, there, grid, file.file), None, later[0]))
        log.info("%s was drawn on scan %d and resampled to the first", mask.name, later[0] + 1)
    return lesions


def _fine_mask(file: MaskFile, mask: Mask, grid: Grid, frame: str | None) -> FineMask | None:
    """The lesion on small voxels, from its file; None where the file has several lesions of its name.

    A mask that has been averaged over dose voxels would be averaged a second time when it is resampled to
    another scan, and the lesion would appear more blurred than it is.
    """
    room = Grid.bounding_box(mask.fraction, 1)
    step = [s / math.ceil(s / FINE_MM) for s in grid.spacing_mm]
    near = grid.cropped(room).with_spacing((step[0], step[1], step[2]))
    found = file.masks(near, frame, [mask.name])
    return FineMask(found[0].fraction, near) if len(found) == 1 else None


def _to_first_scan(mask: Mask, scan: AlignedPet, wanted: Grid, file: Path) -> Mask:
    """A lesion drawn on a later scan, on the dose grid, its volume unchanged."""
    grid, alignment = scan.pet.grid, scan.alignment
    centre = grid.index_to_xyz(_centre(mask.fraction))
    home = np.linalg.inv(alignment.matrix) @ np.array([*centre, 1.0])
    placed = alignment.place(grid, home[:3])
    box = Grid.bounding_box(mask.fraction)
    fraction = members(resample_fraction(mask.fraction[box], placed.cropped(box), wanted))
    volume = float(fraction.sum(dtype=np.float64)) * wanted.voxel_volume_ml
    if volume < (1.0 - OUTSIDE_SHARE) * mask.volume_ml:
        raise InputError(
            f"lesion {mask.name!r}, drawn on a later scan, does not lie on the first one",
            why=f"{100 * (1 - volume / mask.volume_ml):.0f} % of it is outside after registration",
            suggestion="check the registration, or draw the lesion on the first scan",
            file=file,
        )
    return replace(mask, fraction=fraction, volume_ml=volume, grid=wanted)


def check_inside(masks: Sequence[Mask], grid: Grid, ct: Volume, scan: AlignedPet) -> None:
    """Refuse lesions that lie outside a registered scan's CT or PET.

    Parameters
    ----------
    masks, grid
        The lesions and their grid.
    ct, scan
        The scan's images.

    Raises
    ------
    InputError
        Naming the lesion, the image and the share outside.
    """
    for mask in masks:
        index = np.argwhere(mask.fraction > 0)
        weight = mask.fraction[tuple(index.T)].astype(np.float64)
        points = scan.alignment.to_moving(grid.index_to_xyz(index))
        for image, name in ((ct, "CT"), (scan.pet, "PET")):
            there = image.grid.xyz_to_index(points)
            inside = np.all((there >= -0.5) & (there <= np.array(image.grid.shape) - 0.5), axis=1)
            lost = 1.0 - float(weight[inside].sum() / weight.sum())
            if lost > OUTSIDE_SHARE:
                raise InputError(
                    f"{100 * lost:.0f} % of lesion {mask.name!r} lies outside the {name} after registration",
                    why="its uptake cannot be read there",
                    suggestion="check the registration, or leave out this scan or lesion",
                    file=image.source or None,
                )


def _centre(fraction: np.ndarray) -> np.ndarray:
    index = np.nonzero(fraction > 0)
    weight = fraction[index].astype(np.float64)
    return np.array([float(axis @ weight) for axis in index]) / weight.sum()
