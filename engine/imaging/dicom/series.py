"""One DICOM image series as a volume: sorted along the slice normal, complete, rescaled slice by slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical, dicom_affine
from .find import Header, quiet

#: Slice distances may differ from the usual one by this share of it, or by this many millimetres.
SPACING_TOLERANCE, SPACING_TOLERANCE_MM = 0.02, 0.05


def stack(
    headers: list[Header], what: str, scale: dict[str, float] | None = None
) -> tuple[np.ndarray, Grid, list[Header]]:
    """Read a series of single-frame slices.

    Parameters
    ----------
    headers
        Its files in any order.
    what
        How messages call it.
    scale
        Optional factor per SOP instance UID, applied after the slice's own rescale slope and intercept.

    Returns
    -------
    (values, grid, headers)
        float32 (nz, ny, nx) in canonical orientation, its grid, and the headers sorted along the slice
        normal.

    Raises
    ------
    InputError
        Missing geometry, slices of different size or orientation, doubled or missing slices, uneven spacing,
        damaged pixels.
    """
    source = headers[0].path.parent
    first = headers[0].dataset
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
                    why="its place in the patient is unknown",
                    suggestion="export the original axial series",
                    file=header.path,
                    field=tag,
                )
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
            file=source,
        )
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.array([np.array(h.dataset.ImagePositionPatient, float) @ normal for h in headers])
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
    affine_step = _position(headers[-1]) - _position(headers[0])
    affine = dicom_affine(
        _position(headers[0]),
        orientation,
        np.array(first.PixelSpacing, float),
        affine_step / (len(headers) - 1),
    )
    shear = np.linalg.norm(affine_step / (len(headers) - 1) - step * normal)
    if shear > SPACING_TOLERANCE * step + 1e-3:
        raise InputError(
            f"the {what} slices are shifted against each other by {shear:.3g} mm a slice (gantry tilt)",
            why="such a stack has no rectangular voxels",
            suggestion="use the scanner's tilt-corrected reconstruction",
            file=source,
        )
    affine[:3, 0] = step * normal
    values = np.empty((len(headers), int(first.Rows), int(first.Columns)), np.float32)
    for i, header in enumerate(headers):
        values[i] = _slice(header) * (1.0 if scale is None else scale[str(header.dataset.SOPInstanceUID)])
    values, grid = canonical(values, affine, source)
    return values, grid, headers


def _position(header: Header) -> np.ndarray:
    return np.array(header.dataset.ImagePositionPatient, float)


def _spacing(dataset: object) -> str:
    return " x ".join(f"{float(v):g}" for v in dataset.PixelSpacing)  # type: ignore[attr-defined]


def _regular_step(headers: list[Header], places: np.ndarray, what: str, source: Path) -> float:
    """The slice distance [mm] along the normal; InputError when it is not one."""
    gaps = np.diff(places)
    if np.any(gaps < 1e-3):
        i = int(np.argmin(gaps))
        names = f"{headers[i].path.name} and {headers[i + 1].path.name}"
        raise InputError(
            f"two {what} slices lie at the same place, {places[i]:.2f} mm along the slice normal ({names})",
            why="duplicated files, a dynamic series, or two reconstructions in one series",
            suggestion="keep one slice for each position",
            file=source,
        )
    usual = float(np.median(gaps))
    off = np.abs(gaps - usual) > max(SPACING_TOLERANCE * usual, SPACING_TOLERANCE_MM)
    if np.any(off):
        i = int(np.argmax(off))
        lost = round(float(gaps[i]) / usual) - 1
        guess = f"{lost} slice(s) missing" if lost >= 1 else "uneven slice distances"
        raise InputError(
            f"{guess} in the {what} series between {places[i]:.2f} and {places[i + 1]:.2f} mm "
            f"({gaps[i]:.3g} mm apart, usually {usual:.3g} mm; {int(off.sum())} such place(s))",
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
            why=f"the file is cut short or its compression unknown ({error})",
            suggestion="copy it again from the archive, uncompressed if need be",
            file=header.path,
        ) from None
    slope = float(dataset.get("RescaleSlope", 1.0) or 1.0)
    intercept = float(dataset.get("RescaleIntercept", 0.0) or 0.0)
    return stored.astype(np.float64) * slope + intercept


def _slice_by_gdcm(header: Header) -> np.ndarray | None:
    """A compressed slice through SimpleITK's decoders (rescale applied there), or None when damaged."""
    import pydicom

    with quiet():
        try:
            syntax = pydicom.dcmread(header.path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        except Exception:
            return None
    if not syntax.is_compressed:
        return None
    import SimpleITK as sitk

    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(header.path), sitk.sitkFloat64))[0]
    except RuntimeError:
        return None
