"""Checks that CT, PET and lesions belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...grid import Volume
from ..resample import coverage
from .mask import Mask

#: A lesion with more than this share of its volume outside the CT has no known density there.
OUTSIDE_SHARE = 0.01
#: An overlap below this share of the PET is refused as a mistake.
LEAST_COVERAGE = 0.01


def check_overlap(ct: Volume, pet: Volume, masks: Sequence[Mask]) -> list[str]:
    """Refuse a CT, a PET and lesions that do not lie in one place.

    Parameters
    ----------
    ct, pet
        The images.
    masks
        Lesions on any one grid; those on another grid than the PET's are checked against the CT's and PET's
        extent.

    Returns
    -------
    list of str
        Remarks: how much of the PET the CT covers, when it is not all.

    Raises
    ------
    InputError
        Different frames of reference, no common region, a lesion outside the CT or the PET.
    """
    if ct.frame_of_reference and pet.frame_of_reference and ct.frame_of_reference != pet.frame_of_reference:
        raise InputError(
            f"PET and CT have different frames of reference ({_end(pet.frame_of_reference)} and "
            f"{_end(ct.frame_of_reference)})",
            why="their coordinates are not comparable",
            suggestion="give the CT of this PET/CT, or register it to the PET and export it again",
            file=ct.source or None,
        )
    share = coverage(ct.grid, pet.grid)
    covered = float(share.mean())
    if covered < LEAST_COVERAGE:
        raise InputError(
            f"the CT covers {100.0 * covered:.2g} % of the PET: they do not overlap",
            why=f"the CT lies at {_extent(ct)}, the PET at {_extent(pet)} mm (x, y, z, LPS)",
            suggestion="check that PET and CT belong together",
            file=ct.source or None,
        )
    for mask in masks:
        for image, name in ((ct, "CT"), (pet, "PET")):
            if mask.grid is None:
                continue
            inside = mask.fraction * coverage(image.grid, mask.grid)
            total = float(mask.fraction.sum(dtype=np.float64))
            lost = 1.0 - float(inside.sum(dtype=np.float64)) / total
            if lost > OUTSIDE_SHARE:
                raise InputError(
                    f"{100.0 * lost:.0f} % of lesion {mask.name!r} lies outside the {name}",
                    why="its dose cannot be computed there",
                    suggestion=f"give a {name} that covers the lesion, or leave the lesion out",
                    file=image.source or None,
                )
    if covered < 0.999:
        return [f"the CT covers {100.0 * covered:.3g} % of the PET; the rest is taken as air"]
    return []


def _end(uid: str) -> str:
    return uid if len(uid) <= 12 else "..." + uid[-8:]


def _extent(volume: Volume) -> str:
    corners = volume.grid.corners_xyz_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ", ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))
