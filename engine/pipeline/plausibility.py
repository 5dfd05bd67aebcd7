"""What the images of a visit cannot show: lesions of impossible density, grids that no memory holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

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
#: Density [g/cm3] below which a voxel is air, beside the patient or in a cavity: emphysema has 0.1. A lesion with more
#: than this share of its volume in air is not where it was seen, or not what it seems.
AIR, IN_AIR = 0.05, 0.25
#: A lesion with less than this share of the body's mean concentration lies where there is no activity: cold lesions
#: have some tenths of it.
LEAST_UPTAKE = 0.01
#: What lies within this [mm] of a target is around it: two widths of the blur of a PET. A target stands out from the
#: median there by more than this factor, which noise of some per cent in both does not reach.
AROUND_MM, HOTTER = 12.0, 1.05
#: Fewer voxels around a lesion than this tell nothing: it fills its surroundings, or others do.
LEAST_AROUND = 30
#: Lesions that share more than this part of the smaller one overlap; from the other on they are the same.
OVERLAP, SAME = 0.01, 0.98
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
        in_air = float(weight[density_g_cm3[inside] < AIR].sum() / weight.sum())
        if mean < AIR or in_air > IN_AIR:
            text = (
                f"lesion {lesion.name!r} lies in air: {100.0 * in_air:.0f} % of it has a density below {AIR:g} g/cm3, "
                f"its mean is {mean:.3g} g/cm3; is it drawn on this CT?"
            )
            notes.append(Note(text, weight=CAUTION))
        elif not LEAST_USUAL <= mean <= MOST_USUAL:
            text = (
                f"lesion {lesion.name!r} has a density of {mean:.3g} g/cm3, which is unusual "
                f"({LEAST_USUAL:g} to {MOST_USUAL:g}): its dose is as doubtful as that"
            )
            notes.append(Note(text, weight=CAUTION))
    return notes


def check_uptake(
    lesions: Sequence[Lesion],
    concentration: np.ndarray,
    density_g_cm3: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> list[str]:
    """Remarks on lesions where the first scan shows no activity, and on targets no hotter than what is around them.

    Parameters
    ----------
    lesions
        The lesions on the dose grid.
    concentration
        Of the first scan (nz, ny, nx) [Bq/mL].
    density_g_cm3
        Mass density (nz, ny, nx) [g/cm3].
    spacing_mm
        Voxel size (z, y, x) [mm].

    Returns
    -------
    list of str
        Notes of weight "caution", one per lesion at most.
    """
    body = density_g_cm3 > LEAST_USUAL
    usual = float(concentration[body].mean(dtype=np.float64)) if body.any() else 0.0
    drawn = np.zeros(body.shape, bool)
    for lesion in lesions:
        drawn |= lesion.fraction > 0.0
    notes: list[str] = []
    for lesion in lesions:
        inside = lesion.fraction > 0.0
        mean = float(np.average(concentration[inside], weights=lesion.fraction[inside])) if inside.any() else 0.0
        if mean < LEAST_UPTAKE * usual:
            text = (
                f"lesion {lesion.name!r} lies where the first scan shows no activity: {mean:.3g} Bq/mL, where the body "
                f"has {usual:.3g} Bq/mL in the mean; is it drawn on these images?"
            )
            notes.append(Note(text, weight=CAUTION))
        elif lesion.mask.role == "target":
            around = _around(inside, concentration, body & ~drawn, spacing_mm)
            if around is not None and mean <= HOTTER * around:
                text = (
                    f"lesion {lesion.name!r} is no hotter than its surroundings in the first scan: {mean:.3g} Bq/mL, "
                    f"around it {around:.3g} Bq/mL; is it drawn on these images?"
                )
                notes.append(Note(text, weight=CAUTION))
    return notes


def _around(
    inside: np.ndarray, concentration: np.ndarray, counts: np.ndarray, spacing_mm: tuple[float, float, float]
) -> float | None:
    """Median concentration [Bq/mL] of the voxels around a lesion that count; None where too few do."""
    if not inside.any():
        return None
    box = Grid.bounding_box(inside)
    wide = [int(np.ceil(AROUND_MM / step)) for step in spacing_mm]
    here = tuple(slice(max(s.start - n, 0), s.stop + n) for s, n in zip(box, wide, strict=True))
    near = ndimage.distance_transform_edt(~inside[here], sampling=spacing_mm) <= AROUND_MM
    values = concentration[here][near & counts[here]]
    return float(np.median(values)) if len(values) >= LEAST_AROUND else None


def check_shared(lesions: Sequence[Lesion], voxel_ml: float) -> list[str]:
    """Remarks on targets that overlap or are the same.

    The common volume of a voxel is at least what both shares have above one: neighbours that part a voxel share none.

    Parameters
    ----------
    lesions
        The lesions on the dose grid.
    voxel_ml
        Volume of its voxels [mL].

    Returns
    -------
    list of str
        Notes of weight "caution", one per pair.
    """
    targets = [(lesion, Grid.bounding_box(lesion.fraction)) for lesion in lesions if lesion.mask.role == "target"]
    notes: list[str] = []
    for k, (a, box) in enumerate(targets):
        for b, other in targets[k + 1 :]:
            cut = [(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(box, other, strict=True)]
            if any(low >= high for low, high in cut):
                continue
            here = (slice(*cut[0]), slice(*cut[1]), slice(*cut[2]))
            both = float(np.maximum(a.fraction[here] + b.fraction[here] - 1.0, 0.0).sum(dtype=np.float64)) * voxel_ml
            if both > SAME * max(a.mask.volume_ml, b.mask.volume_ml):
                text = f"lesions {a.name!r} and {b.name!r} are the same: one lesion counts twice; leave one out"
            elif both > OVERLAP * min(a.mask.volume_ml, b.mask.volume_ml):
                text = (
                    f"lesions {a.name!r} and {b.name!r} share {both:.3g} mL of their {a.mask.volume_ml:.3g} and "
                    f"{b.mask.volume_ml:.3g} mL, which counts in both"
                )
            else:
                continue
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
