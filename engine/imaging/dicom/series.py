"""One DICOM image series as a volume: sorted along the slice normal, complete, rescaled slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical_axes
from ...notes import CAUTION, Note
from ...text import counted
from . import elements
from .find import Header
from .members import slices_of
from .pixels import read_pixels
from .positions import check_alike, even_grid, plane_of
from .scale import lacks_intercept, rescale

#: Slices further apart than this many thicknesses leave out some of the body, or some of them are missing.
SPARSE = 1.5


@dataclass(frozen=True, eq=False)
class Stack:
    """A complete series of slices in order: what its headers say of the volume, before any pixel is read.

    Parameters
    ----------
    headers
        Its slices, sorted along their normal.
    affine
        (4, 4), float64: from (slice, row, column, 1) to patient position (x, y, z) [mm].
    shape
        Slices, rows, columns.
    notes
        Remarks on what was left out or assumed; those on the pixels come with :meth:`values`.
    """

    headers: tuple[Header, ...]
    affine: np.ndarray
    shape: tuple[int, int, int]
    notes: list[str] = field(default_factory=list)

    @property
    def frame_of_reference(self) -> str | None:
        """Frame of reference UID of all slices."""
        return self.headers[0].frame_of_reference

    @cached_property
    def grid(self) -> Grid:
        """The canonical grid of its voxels."""
        return canonical_axes(self.shape, self.affine, self.headers[0].path.parent)[2]

    def values(self, scale: Mapping[str, float] | None = None) -> np.ndarray:
        """The pixels of every slice on :attr:`grid`, float32 (nz, ny, nx); each file is read once.

        Parameters
        ----------
        scale
            Optional factor per SOP instance UID, applied after the slice's own rescale slope and intercept.

        Raises
        ------
        InputError
            Damaged pixels.
        """
        order, flipped, _ = canonical_axes(self.shape, self.affine, self.headers[0].path.parent)
        values = np.empty((0, 0, 0), np.float32)
        remarks: list[str] = []
        for i, (plane, padding) in enumerate(read_pixels(self.headers)):
            if not i:  # the size that the header states is believed once a slice has it
                values = self._room()
            values[i] = plane * (1.0 if scale is None else scale[self.headers[i].instance])
            remarks = padding.remarks()
        self.notes.extend(remark for remark in remarks if remark not in self.notes)
        return np.ascontiguousarray(np.flip(np.transpose(values, order), flipped))

    def _room(self) -> np.ndarray:
        """An array for the voxels."""
        try:
            return np.empty(self.shape, np.float32)
        except (MemoryError, ValueError):
            size = " x ".join(str(n) for n in self.shape)
            raise InputError(
                f"the series has {size} pixels",
                why="they do not fit into memory",
                suggestion="give a series of the usual matrix",
                file=self.headers[0].path.parent,
            ) from None


def stack(headers: Sequence[Header], what: str) -> Stack:
    """Sort the slices of a series along their normal.

    Parameters
    ----------
    headers
        Its files in any order.
    what
        How messages call it.

    Raises
    ------
    InputError
        Missing geometry or scale, slices of different size or orientation, duplicate or missing slices, uneven
        spacing.
    """
    _require_whole_concatenations(headers, what)
    slices = slices_of(headers, what)
    notes = list(slices.notes)
    planes = [plane_of(header) for header in slices]
    for header in slices:
        rescale(header)
    if any(lacks_intercept(header) for header in slices):
        notes.append("the PET states no rescale intercept; it is 0, as the standard has it for every PET")
    if any(elements.text(header.dataset, "LossyImageCompression") == "01" for header in slices):
        text = f"the {what} was compressed with loss: its values are not those that were reconstructed"
        notes.append(Note(text, weight=CAUTION))
    check_alike(slices, planes, what)
    if len(slices) < 2:
        raise InputError(
            f"the {what} series has one slice",
            why="a volume needs at least two" + "".join(f"; {note}" for note in notes),
            suggestion="give the folder with all slices",
            file=slices[0].path.parent,
        )
    order = np.argsort([plane.position @ planes[0].normal for plane in planes], kind="stable")
    sorted_headers, sorted_planes = [slices[i] for i in order], [planes[i] for i in order]
    affine, remarks = even_grid(sorted_headers, sorted_planes, what, "; ".join(slices.notes))
    step = float(np.linalg.norm(affine[:3, 0]))
    notes += [*remarks, *_too_few(sorted_headers, what), *_thinned(sorted_headers, step, what)]
    return Stack(tuple(sorted_headers), affine, (len(slices), *planes[0].shape), notes)


def _require_whole_concatenations(headers: Sequence[Header], what: str) -> None:
    """Refuse an object that was split into several files (a concatenation), of which one is missing."""
    parts: dict[str, set[int]] = {}
    total: dict[str, int] = {}
    for header in headers:
        uid = elements.text(header.dataset, "ConcatenationUID")
        number = elements.number(header.dataset, "InConcatenationNumber")
        if uid and number:
            parts.setdefault(uid, set()).add(int(number))
            stated = int(elements.number(header.dataset, "InConcatenationTotalNumber") or 0)
            total[uid] = max(total.get(uid, 0), stated, int(number))
    for uid, found in parts.items():
        missing = total[uid] - len(found)
        if missing <= 0:
            continue
        here = "1 of them is here" if len(found) == 1 else f"{len(found)} of them are here"
        raise InputError(
            f"the {what} was split into {counted(total[uid], 'file')}, and {here}",
            why="the slices of the others are missing",
            suggestion="copy the whole series again",
            file=headers[0].path.parent,
            field="InConcatenationNumber (0020,9162)",
        )


def _too_few(headers: Sequence[Header], what: str) -> list[str]:
    """A remark where the header states more slices than there are: those at an end leave no gap."""
    stated = max((int(elements.number(h.dataset, "NumberOfSlices") or 0) for h in headers), default=0)
    times = max(elements.number(headers[0].dataset, key) or 1 for key in ("NumberOfTimeSlices", "NumberOfTimeSlots"))
    if stated <= len(headers) or times > 1:
        return []
    text = (
        f"the header states {counted(stated, 'slice')} of the {what}, and {len(headers)} are here: some may be missing "
        "at its ends"
    )
    return [Note(text, weight=CAUTION)]


def _thinned(headers: Sequence[Header], step: float, what: str) -> list[str]:
    """A remark where the slices are thinner than their distance [mm].

    Raises
    ------
    InputError
        Where their numbers have gaps too: every second slice is missing, or more.
    """
    data = headers[0].dataset
    stated = [elements.number(data, keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
    thickness = next((abs(value) for value in stated if value), None)
    if thickness is None or step < SPARSE * thickness:
        return []
    numbers = [elements.number(header.dataset, "InstanceNumber") for header in headers]
    known = sorted(number for number in numbers if number is not None)
    apart = f"the {what} slices are {step:.4g} mm apart and {thickness:.4g} mm thick"
    if len(known) == len(headers) and float(np.diff(known).min()) >= 2.0:
        raise InputError(
            f"{apart}, and their numbers leave out others ({known[0]:.0f}, {known[1]:.0f}, ...)",
            why="most likely every second slice or more is missing, and the volume would be wrong there",
            suggestion="copy the whole series again",
            file=headers[0].path.parent,
            field="InstanceNumber (0020,0013)",
        )
    return [Note(f"{apart}: what lies between them was not imaged, and is taken as the slices show", weight=CAUTION)]
