"""A dose map of another program as a method of a comparison: read, checked, and placed on the run's grid.

Dose is a quantity per mass at a place: it is interpolated linearly between the centres of the map's voxels, and
nothing is conserved. Voxels of the run that lie outside the map have no dose (NaN) and are not compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..dose.map import DoseMap
from ..errors import InputError
from ..grid import OBLIQUE, Grid, Volume, canonical
from ..imaging.dicom.rtdose import read_rtdose
from ..imaging.formats.read import read_volume_header
from ..imaging.source import ImageSource
from ..imaging.volumes import UNPLACED
from ..notes import CAUTION, Note
from ..privacy import series_code
from ..text import count_of, percent
from .foreign_name import method_name
from .foreign_unit import gray_per_value, option
from .placing import placed, require_overlap, sampled
from .regions import WHOLE

#: Doses above or below those of the reference by this factor are in another unit: methods differ by less.
MOST_FACTOR = 30.0
#: Negative doses smaller than this share of the largest dose are rounding or interpolation, and are taken as zero.
NEGATIVE_SHARE = 0.01
#: A map is mirrored whose correlation with the reference is below the first number, and above the second once mirrored.
_UNLIKE, _LIKE = 0.5, 0.8
#: Voxels of the reference at or above this share of its largest dose are compared with the map, at most so many.
_HOT_SHARE, _MOST_COMPARED = 0.1, 20_000
#: A map that is so many times higher or lower than the reference deserves a caution, as does one of so few values.
_FAR, _LABELS = 3.0, 50


@dataclass(frozen=True)
class RunSide:
    """What of the run a foreign map is held against; nothing by default.

    Parameters
    ----------
    dose_gy
        Dose of the reference method (nz, ny, nx), float64 [Gy].
    frame_of_reference
        DICOM frame of reference UID of the run's images, or the code that stands for it
        (:func:`hevesy.engine.privacy.series_code`).
    regions
        Volume fractions (nz, ny, nx) in [0, 1], float32, by name of region.
    activity_gbq
        Therapy activity [GBq], which a dose per activity is multiplied by; NaN where it is not known.
    """

    dose_gy: np.ndarray | None = None
    frame_of_reference: str | None = None
    regions: Mapping[str, np.ndarray] | None = None
    activity_gbq: float = math.nan


def read_dose_map(
    path: str | Path, grid: Grid, *, name: str = "", unit: str = "", scale: float = 1.0, run: RunSide | None = None
) -> DoseMap:
    """A foreign dose map on the grid of a run.

    Parameters
    ----------
    path
        NIfTI, NRRD, MetaImage, or DICOM RTDOSE.
    grid
        The run's.
    name
        How the comparison calls it; by default what the file's name tells.
    unit
        Unit of the values, ``"Gy"``, ``"cGy"`` or ``"mGy"``, or a dose per therapy activity such as ``"mGy/MBq"``; by
        default the unit of dose that the header states, else Gy.
    scale
        Factor on the doses, for a map that is for something else than the therapy activity.
    run
        What the map is held against.

    Returns
    -------
    DoseMap
        Mean (nz, ny, nx) [Gy], NaN outside the map, without standard errors; its notes say what was done.

    Raises
    ------
    InputError
        A file that cannot be read or is no dose in Gy; infinite or negative doses; a map in another place, mirrored, or
        in another unit than stated.
    """
    file, run = Path(path), run or RunSide()
    method = method_name(name, file)
    volume = _read(file)
    factor, remark = gray_per_value(file, unit, scale, volume, run.activity_gbq)
    values, notes = _checked(np.asarray(volume.values, np.float64) * factor, file)
    notes = [*volume.notes, remark, *notes]
    known = volume.frame_of_reference and run.frame_of_reference
    if known and series_code(str(volume.frame_of_reference)) != series_code(str(run.frame_of_reference)):
        raise InputError(
            "the dose map has another frame of reference than the run's images",
            why="its coordinates are those of another examination, and what lies where is not known",
            suggestion="register it to the run's CT and give the result, for instance as NIfTI",
            file=file,
            field="FrameOfReferenceUID",
        )
    if volume.grid.same_as(grid):
        mean = values
    else:
        mean = placed(values, volume.grid, grid)
        notes.append("interpolated linearly to the run's grid; voxels outside the map are not compared")
    require_overlap(mean, volume.grid, grid, file)
    if run.dose_gy is not None:
        notes += _hold_against(mean, run.dose_gy, values, volume.grid, grid, file)
    notes += _left_out(mean, run.regions or {})
    return DoseMap(method, mean, None, "Gy", notes=tuple(notes))


def _read(file: Path) -> Volume:
    source = ImageSource.open(file)
    source.require("dose map")
    if source.is_dicom:
        if source.location.is_dir():
            raise InputError(
                "the dose map is a folder",
                why="one file holds a dose map, and which one is meant is not known",
                suggestion="name the RTDOSE file in it",
                file=file,
            )
        return read_rtdose(source.location)
    header = read_volume_header(source.location, "Gy")
    stored, _, _ = header.values(np.float64)
    values, grid = canonical(stored, header.steps, file)
    notes: list[str] = list(header.notes)
    if not header.placed:
        notes.append(Note(UNPLACED))
    if not grid.is_axis_aligned:
        notes.append(OBLIQUE)
    return Volume(grid, values, "Gy", source=str(file), notes=notes)


def _checked(values: np.ndarray, file: Path) -> tuple[np.ndarray, list[str]]:
    """Doses without impossible ones, NaN where there is none; and remarks.

    Raises
    ------
    InputError
        Infinite or negative doses; no dose at all.
    """
    undefined = int(np.count_nonzero(np.isnan(values)))
    infinite = int(np.count_nonzero(np.isinf(values)))
    if infinite:
        raise InputError(
            f"{count_of(infinite, values.size, 'voxel', ('is', 'are'))} infinite",
            why="no dose is",
            suggestion="write NaN where there is no dose, and give the map again",
            file=file,
        )
    largest = float(np.nanmax(values, initial=0.0))
    if undefined == values.size or largest <= 0.0:
        raise InputError(
            "the dose map has no voxel with a dose above zero",
            why="there is nothing to compare",
            suggestion="check what the file holds",
            file=file,
        )
    notes: list[str] = []
    negative = values < 0.0
    if negative.any():
        lowest, number = float(values[negative].min()), int(np.count_nonzero(negative))
        words = count_of(number, values.size, "voxel", ("has", "have"))
        if -lowest > NEGATIVE_SHARE * largest:
            raise InputError(
                f"{words} a negative dose, down to {lowest:.3g} Gy (largest dose {largest:.3g} Gy)",
                why="a difference of maps, a signed type read as unsigned, or another quantity",
                suggestion="give absorbed dose in Gy",
                file=file,
            )
        values = np.where(negative, 0.0, values)
        notes.append(f"{words} a negative dose, down to {lowest:.2g} Gy; taken as zero")
    if undefined:
        words = count_of(undefined, values.size, "voxel", ("is", "are"))
        notes.append(Note(f"{words} not a number; no dose is compared there", weight=CAUTION))
    return values, notes


def _hold_against(
    mean: np.ndarray, reference: np.ndarray, values: np.ndarray, source: Grid, grid: Grid, file: Path
) -> list[str]:
    """Refuse a map that is in another unit, or mirrored, by the doses of the reference; cautions on one unlike it.

    ``values`` and ``source`` are the map before it was placed.
    """
    dose = np.nan_to_num(reference)
    index = np.argwhere((dose >= _HOT_SHARE * dose.max(initial=0.0)) & (dose > 0.0))
    index = index[:: max(1, len(index) // _MOST_COMPARED)]
    ours, theirs = dose[tuple(index.T)], mean[tuple(index.T)]
    both = np.isfinite(theirs)
    if np.count_nonzero(both) < 8:
        return []
    alike = _correlation(ours, theirs)
    if alike < _UNLIKE:
        _refuse_mirrored(index, ours, mean, (values, source), grid, file)
    ratio = float(theirs[both].sum() / ours[both].sum())
    if 1.0 / MOST_FACTOR < ratio < MOST_FACTOR:
        return _unlike(alike, ratio, values)
    likely = {100.0: "cGy", 1e3: "mGy", 1e6: "µGy", 1e-3: "kGy"}
    nearest = min(likely, key=lambda factor: abs(np.log(max(ratio, 1e-300) / factor)))
    guess = abs(np.log(max(ratio, 1e-300) / nearest)) < np.log(3.0)
    why = f"methods differ by less than a factor of {MOST_FACTOR:g}"
    suggestion = f"name its unit, as in {option('cGy')}, or for a dose per therapy activity {option('mGy/MBq')}"
    if guess:
        why = f"most likely it is in {likely[nearest]}: {why}"
        suggestion = f"name its unit: {option(likely[nearest])}"
    elif ratio < 1.0:
        why = f"a dose per activity or per decay, or another place: {why}"
    raise InputError(
        f"the dose map is {ratio:.3g} times the reference where that is high",
        why=why,
        suggestion=suggestion,
        file=file,
        field="unit",
    )


def _unlike(alike: float, ratio: float, values: np.ndarray) -> list[str]:
    """Cautions on a map that may be something else than a dose: labels, standard errors, another patient."""
    notes: list[str] = []
    finite = values[np.isfinite(values)]
    if alike < _UNLIKE:
        text = f"the map does not look like the run's dose: their correlation where that is high is {alike:.2f}"
        notes.append(Note(text, weight=CAUTION))
    if not 1.0 / _FAR < ratio < _FAR:
        text = f"the map is {ratio:.2g} times the run's dose where that is high: it may be in another unit, or no dose"
        notes.append(Note(text, weight=CAUTION))
    if len(np.unique(finite[:: max(1, finite.size // _MOST_COMPARED)])) <= _LABELS and not np.any(finite % 1.0):
        notes.append(Note("the map holds a few whole numbers only, as a map of labels does", weight=CAUTION))
    return notes


def _refuse_mirrored(
    index: np.ndarray, ours: np.ndarray, mean: np.ndarray, original: tuple[np.ndarray, Grid], grid: Grid, file: Path
) -> None:
    """Refuse a map that is like the reference once its data or its coordinates are mirrored."""
    values, source = original
    places = grid.index_to_xyz(index)
    signs = {"x": (-1, 1, 1), "y": (1, -1, 1), "x and y": (-1, -1, 1), "z": (1, 1, -1)}
    for axes, sign in signs.items():
        flipped = mean[:: sign[2], :: sign[1], :: sign[0]][tuple(index.T)]
        moved = sampled(values, source, places * np.array(sign))
        if max(_correlation(ours, flipped), _correlation(ours, moved)) > _LIKE:
            raise InputError(
                f"the dose map is like the reference only when it is mirrored in {axes}",
                why="its header most likely states RAS coordinates or axes as LPS, or the reverse",
                suggestion="correct the orientation in the header, or export the map again",
                file=file,
            )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation where both are numbers; 0 for fewer than 8, or without variance."""
    both = np.isfinite(a) & np.isfinite(b)
    if np.count_nonzero(both) < 8 or np.ptp(a[both]) == 0.0 or np.ptp(b[both]) == 0.0:
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _left_out(mean: np.ndarray, regions: Mapping[str, np.ndarray]) -> list[str]:
    """Remarks on regions that do not lie within the map."""
    notes: list[str] = []
    covered = np.isfinite(mean)
    if not covered.all():
        outside = int(covered.size - np.count_nonzero(covered))
        words = count_of(outside, covered.size, "voxel", ("lies", "lie"))
        notes.append(f"{words} outside the map and {'is' if outside == 1 else 'are'} not compared")
    for name, fraction in regions.items():
        whole = float(fraction.sum())
        share = float(fraction[covered].sum()) / whole if whole > 0.0 else 1.0
        if share == 0.0:
            notes.append(Note(f"{name} lies outside the map", weight=CAUTION))
        elif share < WHOLE:
            text = f"{name} lies only partly within the map ({percent(share)} of its volume), and is not compared"
            notes.append(Note(text, weight=CAUTION))
    return notes
