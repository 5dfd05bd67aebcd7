"""Slices on an even grid: their order, what is missing, doubled or shifted, and the affine of the stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...grid import dicom_affine
from ...notes import CAUTION, Note
from ...same import EVEN_MM, EVEN_MOST, EVEN_SHARE, SAME_DIRECTION, SHIFTED_VOXELS
from ...text import counted
from . import elements
from .find import Header

#: Largest matrix of a slice that is believed: scanners reconstruct up to 2048 pixels, and a small compressed file may
#: state any size.
MOST_PIXELS = 8192
_WHY = "its place in the patient is unknown"


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one slice lies: position (3,) [mm], orientation (6,), pixel spacing (2,) [mm], rows and columns."""

    position: np.ndarray
    orientation: np.ndarray
    spacing: np.ndarray
    shape: tuple[int, int]

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.orientation[:3], self.orientation[3:])


def plane_of(header: Header) -> Plane:
    """Where a slice lies.

    Raises
    ------
    InputError
        An element that is missing, holds something else, or cannot be: naming file, element and value.
    """
    data, file = header.dataset, header.path

    def numbers(keyword: str, count: int) -> np.ndarray:
        return np.array(elements.required_numbers(data, keyword, count, file, _WHY))

    position, orientation = numbers("ImagePositionPatient", 3), numbers("ImageOrientationPatient", 6)
    spacing = numbers("PixelSpacing", 2)
    rows, columns = float(numbers("Rows", 1)[0]), float(numbers("Columns", 1)[0])
    row, column = orientation[:3], orientation[3:]
    off = max(abs(np.linalg.norm(row) - 1.0), abs(np.linalg.norm(column) - 1.0), abs(row @ column))
    for keyword, good in (
        ("ImageOrientationPatient", off <= SAME_DIRECTION),
        ("PixelSpacing", bool(np.all(spacing > 0.0))),
        ("Rows", 1.0 <= rows <= MOST_PIXELS and rows.is_integer()),
        ("Columns", 1.0 <= columns <= MOST_PIXELS and columns.is_integer()),
    ):
        if not good:
            what = {
                "ImageOrientationPatient": "two perpendicular directions of length 1",
                "PixelSpacing": "above zero",
            }.get(keyword, f"a number of pixels from 1 to {MOST_PIXELS}")
            raise InputError(
                f"{keyword} is '{elements.held(data, keyword)}', not {what}",
                why=_WHY,
                suggestion="export the original series again",
                file=file,
                field=keyword,
            )
    return Plane(position, orientation, spacing, (int(rows), int(columns)))


def check_alike(headers: Sequence[Header], planes: Sequence[Plane], what: str) -> None:
    """Refuse slices that differ in size, orientation or frame of reference."""
    first = planes[0]
    for header, plane in zip(headers, planes, strict=True):
        # the rims of the slices agree within a share of a pixel
        rim = 0.5 * max(plane.shape) * np.max(np.abs(plane.spacing / first.spacing - 1.0))
        if plane.shape != first.shape or rim > EVEN_SHARE:
            raise InputError(
                f"slices of different size in one {what} series: {_size(first)} and {_size(plane)} mm",
                why="they cannot form one volume",
                suggestion="remove localizers and reformatted images from the series",
                file=header.path,
            )
        if np.max(np.abs(plane.orientation - first.orientation)) > SAME_DIRECTION:
            raise InputError(
                f"slices of different orientation in one {what} series",
                why="they cannot form one volume",
                suggestion="remove localizers and reformatted images from the series",
                file=header.path,
                field="ImageOrientationPatient",
            )
    frames = {header.frame_of_reference for header in headers}
    if len(frames) > 2 and len(frames) >= len(headers) / 2:
        raise InputError(
            f"the {what} series has {len(frames)} frames of reference for {counted(len(headers), 'slice')}",
            why="whoever de-identified it gave each file its own, and which images share coordinates is lost",
            suggestion="de-identify the original series so that a UID becomes the same new UID everywhere",
            file=headers[0].path.parent,
            field="FrameOfReferenceUID",
        )
    if len(frames) > 1:
        raise InputError(
            f"the {what} series has {len(frames)} frames of reference",
            why="its slices are not in one coordinate system",
            suggestion="check that two examinations were not mixed",
            file=headers[0].path.parent,
            field="FrameOfReferenceUID",
        )


def _size(plane: Plane) -> str:
    rows, columns = plane.shape
    return f"{rows} x {columns} pixels of {' x '.join(f'{v:g}' for v in plane.spacing)}"


def even_grid(
    headers: Sequence[Header], planes: Sequence[Plane], what: str, remarks: str = ""
) -> tuple[np.ndarray, list[str]]:
    """The affine of slices in order, and remarks on how far they are off an even grid.

    Parameters
    ----------
    headers, planes
        The slices, sorted along their normal.
    what
        How messages call the series.
    remarks
        What was left out of the series, for the message on a missing slice.

    Returns
    -------
    (affine, notes)
        (4, 4), float64: from (slice, row, column, 1) to patient position (x, y, z) [mm].

    Raises
    ------
    InputError
        Slices missing, doubled, uneven, or shifted against each other.
    """
    first, source = planes[0], headers[0].path.parent
    places = np.array([plane.position @ first.normal for plane in planes])
    _refuse_doubled(headers, places, what, source)
    step = float((places[-1] - places[0]) / (len(places) - 1))
    # the grid that is used runs from the first slice to the last; what counts is how far each slice is off it
    off = places - (places[0] + step * np.arange(len(places)))
    worst = float(np.max(np.abs(off)))
    if worst > min(max(EVEN_SHARE * step, EVEN_MM), EVEN_MOST * step):
        raise _uneven(places, off, what, source, remarks)
    notes = []
    if worst > 1e-3:
        notes.append(
            f"the {what} slices are off an even grid of {step:.4g} mm by up to {worst:.2g} mm (rounded positions, or "
            "read from the table); the even grid is used"
        )
    across = np.array([plane.position - first.position - step * i * first.normal for i, plane in enumerate(planes)])
    across -= np.outer(across @ first.normal, first.normal)
    shift = float(np.max(np.linalg.norm(across, axis=1)))
    pixel = float(first.spacing.min())
    if shift > SHIFTED_VOXELS * pixel:
        raise _shifted(across, step, what, source)
    if shift > max(EVEN_SHARE * pixel, EVEN_MM):
        text = f"the {what} slices are shifted against each other by up to {shift:.2g} mm, less than half a pixel"
        notes.append(Note(text, weight=CAUTION))
    return dicom_affine(first.position, first.orientation, first.spacing, step * first.normal), notes


def _refuse_doubled(headers: Sequence[Header], places: np.ndarray, what: str, source: Path) -> None:
    gaps = np.diff(places)
    usual = float(np.median(gaps))
    doubled = gaps <= max(1e-3, EVEN_SHARE * usual)
    if doubled.any():
        i = int(np.argmax(doubled))
        number = counted(int(doubled.sum()), "such pair")
        raise InputError(
            f"two {what} slices are at the same position, {places[i]:.2f} mm along the slice normal "
            f"({headers[i].place} and {headers[i + 1].place}; {number})",
            why="duplicated files, a dynamic or gated series, or two reconstructions in one series",
            suggestion="leave one slice per position",
            file=source,
        )


def _uneven(places: np.ndarray, off: np.ndarray, what: str, source: Path, remarks: str) -> InputError:
    """The refusal of slices that lie on no even grid: where, and how many are missing."""
    gaps = np.diff(places)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    wide = gaps > 1.5 * usual
    lost = int(np.sum(np.round(gaps[wide] / usual) - 1))
    i = int(np.argmax(gaps)) if lost else min(int(np.argmax(np.abs(off))), len(gaps) - 1)
    guess = f"{counted(lost, 'slice')} missing" if lost else "uneven slice distances"
    number = int(wide.sum()) if lost else int(np.sum(np.abs(gaps - usual) > EVEN_SHARE * usual))
    worst = float(np.max(np.abs(off)))
    return InputError(
        f"{guess} in the {what} series between {places[i]:.2f} and {places[i + 1]:.2f} mm "
        f"({gaps[i]:.3g} mm apart, usually {usual:.3g} mm; {counted(number, 'such place')}; largest error against an "
        f"even grid {worst:.2g} mm)",
        why="the volume would be wrong there" + (f"; {remarks}" if remarks else ""),
        suggestion="copy the whole series again",
        file=source,
        field="ImagePositionPatient",
    )


def _shifted(across: np.ndarray, step: float, what: str, source: Path) -> InputError:
    """The refusal of slices that are shifted in their planes: evenly by a tilted gantry, or one of them."""
    count = len(across)
    drift = across[-1] / (count - 1)
    jumps = np.linalg.norm(across - np.outer(np.arange(count), drift), axis=1)
    each = float(np.linalg.norm(drift))
    if float(np.max(jumps)) <= each * (count - 1) * EVEN_SHARE:
        return InputError(
            f"the {what} slices are shifted against each other by {each:.3g} mm per slice (gantry tilt)",
            why="such a stack has no rectangular voxels",
            suggestion="use the scanner's tilt-corrected reconstruction",
            file=source,
            field="ImagePositionPatient",
        )
    i = int(np.argmax(jumps))
    return InputError(
        f"a slice of the {what} series is shifted in its plane by {jumps[i]:.3g} mm against the others (number {i + 1} "
        f"of {count}, slices {step:.3g} mm apart)",
        why="the volume would be wrong there",
        suggestion="leave the slices of one position of the table, or export the original series again",
        file=source,
        field="ImagePositionPatient",
    )
