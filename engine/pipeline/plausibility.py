"""What the images of a visit cannot show: lesions of impossible density, grids that no memory holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..errors import InputError
from ..grid import Grid
from ..memory import memory_bytes
from ..notes import CAUTION, CRITICAL, Note
from .lesion import Lesion

#: Mean densities of a lesion [g/cm3] that are unusual: below lung (0.26 in the mean, 0.1 in emphysema), above
#: cortical bone (1.92, ICRU Report 44).
LEAST_USUAL, MOST_USUAL = 0.1, 2.0
#: Mean density of a lesion [g/cm3] that no tissue has: tooth enamel, the densest, has 2.9 in whole crystals only.
IMPOSSIBLE = 2.5
#: Shares of a PET's activity that lie in air by the CT: noise around the body and spill over the skin reach some per
#: cent, a tenth in images of few counts. Above the first a reader looks; above the second CT and PET show other places.
MUCH_IN_AIR, MOST_IN_AIR = 0.15, 0.35
#: Bytes per voxel of a dose grid before it is cropped to the body: density and its weight in double precision, the
#: share inside the CT, density and material as they stay, one mask.
BYTES_PER_VOXEL = 40


def check_densities(lesions: Sequence[Lesion], density_g_cm3: np.ndarray) -> list[str]:
    """Remarks on lesions of unusual density.

    Parameters
    ----------
    lesions
        The lesions on the dose grid.
    density_g_cm3
        Mass density on the dose grid (nz, ny, nx) [g/cm3].

    Returns
    -------
    list of str
        Notes of weight "caution", one per lesion.

    Raises
    ------
    InputError
        A lesion denser than any tissue: the CT is not one, or the lesion is metal.
    """
    notes: list[str] = []
    for lesion in lesions:
        inside = lesion.fraction > 0.0
        weight = lesion.fraction[inside].astype(np.float64)
        mean = float((weight * density_g_cm3[inside]).sum() / weight.sum())
        if mean > IMPOSSIBLE:
            raise InputError(
                f"lesion {lesion.name!r} has a density of {mean:.3g} g/cm3",
                why=f"no tissue has more than {IMPOSSIBLE:g} g/cm3 (cortical bone 1.9): its CT numbers are those of "
                "metal, or not Hounsfield units",
                suggestion="check the CT of the scan and its rescale slope; leave out a lesion within an implant",
                field="ct",
            )
        if not LEAST_USUAL <= mean <= MOST_USUAL:
            text = (
                f"lesion {lesion.name!r} has a density of {mean:.3g} g/cm3, which is unusual "
                f"({LEAST_USUAL:g} to {MOST_USUAL:g}): its dose is as doubtful as that"
            )
            notes.append(Note(text, weight=CAUTION))
    return notes


def check_memory(grid: Grid) -> None:
    """Refuse a dose grid that does not fit the memory of this machine.

    Raises
    ------
    InputError
        With the memory that it needs and that there is.
    """
    needed, present = grid.size * BYTES_PER_VOXEL, memory_bytes()
    if present is not None and needed > present:
        shape = " x ".join(str(n) for n in grid.shape)
        raise InputError(
            f"a dose grid of {shape} voxels needs {needed / 1e9:.3g} GB of memory or more",
            why=f"this machine has {present / 1e9:.3g} GB",
            suggestion='choose larger voxels, for example "2 mm", or "pet"',
            field="transport.grid",
        )


def check_air(concentration: np.ndarray, density_g_cm3: np.ndarray, name: str) -> list[str]:
    """Remark on a PET whose activity lies in air by its CT: one of the two is displaced, mirrored, or another body's.

    Parameters
    ----------
    concentration
        Activity concentration on the dose grid (nz, ny, nx) [Bq/mL].
    density_g_cm3
        Mass density on it (nz, ny, nx) [g/cm3].
    name
        What the scan is called.

    Returns
    -------
    list of str
        A note of weight "caution" or "critical"; empty where little lies in air.
    """
    total = float(concentration.sum(dtype=np.float64))
    if not total > 0.0:
        return []
    share = float(concentration[density_g_cm3 < NO_DOSE_BELOW_G_CM3].sum(dtype=np.float64)) / total
    if share <= MUCH_IN_AIR:
        return []
    text = (
        f"{name}: {100.0 * share:.0f} % of the activity lies in air by the CT, and is left out: check that PET and CT "
        "lie in the same place (position, side, patient)"
    )
    return [Note(text, weight=CRITICAL if share > MOST_IN_AIR else CAUTION)]
