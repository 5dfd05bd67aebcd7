"""One DICOM image series as a volume: sorted along the slice normal, complete, rescaled slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical_axes, dicom_affine
from ...text import counted
from .find import Header, quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Slice distances may differ from the usual one by this share of it, or by this many millimetres.
SPACING_TOLERANCE, SPACING_TOLERANCE_MM = 0.02, 0.05


@dataclass(frozen=True, eq=False)
class Stack:
    """A complete series of slices in order: what its headers say of the volume, before any pixel is read.

    Parameters
    ----------
    headers
        Its files, sorted along the slice normal.
    affine
        (4, 4), float64: from (slice, row, column, 1) to patient position (x, y, z) [mm].
    """

    headers: tuple[Header, ...]
    affine: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        first = self.headers[0].dataset
        return len(self.headers), int(first.Rows), int(first.Columns)

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
        values = np.empty(self.shape, np.float32)
        for i, header in enumerate(self.headers):
            values[i] = _slice(header) * (1.0 if scale is None else scale[str(header.dataset.SOPInstanceUID)])
        return np.ascontiguousarray(np.flip(np.transpose(values, order), flipped))


def stack(headers: Sequence[Header], what: str) -> Stack:
    """Sort the single-frame slices of a series along their normal.

    Parameters
    ----------
    headers
        Its files in any order.
    what
        How messages call it.

    Raises
    ------
    InputError
        Missing geometry, slices of different size or orientation, duplicate or missing slices, uneven spacing.
    """
    source = headers[0].path.parent
    _require_geometry(headers, what)
    _require_alike(headers, what)
    first = headers[0].dataset
    orientation = np.array(first.ImageOrientationPatient, float)
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.array([_position(h) @ normal for h in headers])
    order = np.argsort(places, kind="stable")
    headers, places = [headers[i] for i in order], places[order]
    if len(headers) < 2:
        raise InputError(
            f"the {what} series has one slice",
            why="a volume needs at least two",
            suggestion="give the folder with all slices",
            file=source,
        )
    step = _regular_step(headers, places, what, source)
    mean_step = (_position(headers[-1]) - _position(headers[0])) / (len(headers) - 1)
    shear = np.linalg.norm(mean_step - step * normal)
    if shear > SPACING_TOLERANCE * step + 1e-3:
        raise InputError(
            f"the {what} slices are shifted against each other by {shear:.3g} mm per slice (gantry tilt)",
            why="such a stack has no rectangular voxels",
            suggestion="use the scanner's tilt-corrected reconstruction",
            file=source,
        )
    affine = dicom_affine(_position(headers[0]), orientation, np.array(first.PixelSpacing, float), step * normal)
    return Stack(tuple(headers), affine)


def _require_geometry(headers: Sequence[Header], what: str) -> None:
    """Refuse multi-frame objects and slices without a position in the patient."""
    if any(int(h.dataset.get("NumberOfFrames", 1) or 1) > 1 for h in headers):
        raise InputError(
            f"the {what} is an enhanced multi-frame object",
            why="hevesy reads series of single slices",
            suggestion="convert it to a classic series or to NIfTI (for example with dcm2niix)",
            file=headers[0].path,
        )
    for header in headers:
        for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"):
            if header.dataset.get(tag) is None:
                raise InputError(
                    f"a slice has no {tag}",
                    why="its position in the patient is unknown",
                    suggestion="export the original axial series",
                    file=header.path,
                    field=tag,
                )


def _require_alike(headers: Sequence[Header], what: str) -> None:
    """Refuse slices that differ in size, orientation or frame of reference."""
    first = headers[0].dataset
    orientation = np.array(first.ImageOrientationPatient, float)
    for header in headers:
        data = header.dataset
        same_size = (data.Rows, data.Columns) == (first.Rows, first.Columns)
        same_pixels = np.allclose(np.array(data.PixelSpacing, float), np.array(first.PixelSpacing, float), rtol=1e-4)
        if not (same_size and same_pixels):
            raise InputError(
                f"slices of different size in one {what} series: {first.Rows} x {first.Columns} and "
                f"{data.Rows} x {data.Columns} pixels of {_spacing(first)} and {_spacing(data)} mm",
                why="they cannot form one volume",
                suggestion="remove localizers and reformatted images from the series",
                file=header.path,
            )
        if not np.allclose(np.array(data.ImageOrientationPatient, float), orientation, atol=1e-3):
            raise InputError(
                f"slices of different orientation in one {what} series",
                why="they cannot form one volume",
                suggestion="remove localizers and reformatted images from the series",
                file=header.path,
            )
    frames = {h.frame_of_reference for h in headers}
    if len(frames) > 1:
        raise InputError(
            f"the {what} series has {len(frames)} frames of reference",
            why="its slices are not in one coordinate system",
            suggestion="check that two examinations were not mixed",
            file=headers[0].path.parent,
        )


def _position(header: Header) -> np.ndarray:
    return np.array(header.dataset.ImagePositionPatient, float)


def _spacing(dataset: Dataset) -> str:
    return " x ".join(f"{float(v):g}" for v in dataset.PixelSpacing)


def _regular_step(headers: Sequence[Header], places: np.ndarray, what: str, source: Path) -> float:
    """The uniform slice distance [mm] along the normal; InputError where distances differ."""
    gaps = np.diff(places)
    if np.any(gaps < 1e-3):
        i = int(np.argmin(gaps))
        names = f"{headers[i].path.name} and {headers[i + 1].path.name}"
        raise InputError(
            f"two {what} slices are at the same position, {places[i]:.2f} mm along the slice normal ({names})",
            why="duplicated files, a dynamic series, or two reconstructions in one series",
            suggestion="leave one slice per position",
            file=source,
        )
    usual = float(np.median(gaps))
    off = np.abs(gaps - usual) > max(SPACING_TOLERANCE * usual, SPACING_TOLERANCE_MM)
    if np.any(off):
        i = int(np.argmax(off))
        lost = round(float(gaps[i]) / usual) - 1
        guess = f"{counted(lost, 'slice')} missing" if lost >= 1 else "uneven slice distances"
        raise InputError(
            f"{guess} in the {what} series between {places[i]:.2f} and {places[i + 1]:.2f} mm "
            f"({gaps[i]:.3g} mm apart, usually {usual:.3g} mm; {counted(int(off.sum()), 'such place')})",
            why="the volume would be wrong there",
            suggestion="copy the whole series again",
            file=source,
        )
    return float((places[-1] - places[0]) / (len(places) - 1))


def _slice(header: Header) -> np.ndarray:
    """One slice with its own rescale slope and intercept applied; float64 (rows, columns)."""
    import pydicom

    try:
        with quiet():
            dataset = pydicom.dcmread(header.path)
            stored = dataset.pixel_array
    except Exception as error:
        pixels = _slice_by_gdcm(header)
        if pixels is not None:
            return pixels
        raise InputError(
            "the pixels of a DICOM slice cannot be read",
            why=f"the file is truncated or its compression unknown ({error})",
            suggestion="copy it again from the archive, uncompressed if need be",
            file=header.path,
        ) from None
    slope = float(dataset.get("RescaleSlope", 1.0) or 1.0)
    intercept = float(dataset.get("RescaleIntercept", 0.0) or 0.0)
    return stored.astype(np.float64) * slope + intercept


def _slice_by_gdcm(header: Header) -> np.ndarray | None:
    """A compressed slice through SimpleITK's decoders (rescale applied there), or None when damaged."""
    meta = getattr(header.dataset, "file_meta", None)
    syntax = None if meta is None else meta.get("TransferSyntaxUID")
    if syntax is None or not syntax.is_compressed:
        return None
    import SimpleITK as sitk

    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(header.path), sitk.sitkFloat64))[0]
    except RuntimeError:
        return None
