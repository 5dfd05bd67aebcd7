"""A DICOM RT dose as a canonical volume in Gy.

What PS3.3 C.8.8.3 says of its numbers and its places is followed to the letter, or refused: dose = scaling x stored
number, the frames lie at the offsets of Grid Frame Offset Vector, which are distances along the normal from the first
frame (first offset zero) or patient coordinates (first offset that of the first frame, axial frames only).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...folders import is_dicom
from ...grid import OBLIQUE, Volume, canonical, dicom_affine
from ...notes import CAUTION, Note
from ...same import EVEN_MM, EVEN_MOST, EVEN_SHARE, SAME_DIRECTION
from ...text import counted
from . import elements
from .bits import used_bits
from .find import Header, quiet, require
from .positions import Plane, plane_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: SOP class of RT Dose Storage.
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
#: Values of Dose Summation Type that stand for a whole course, and for a part of one.
_WHOLE, _PART = (
    ("PLAN", "MULTI_PLAN", "PLAN_OVERVIEW", "RECORD"),
    ("FRACTION", "BEAM", "BRACHY", "FRACTION_SESSION", "BEAM_SESSION", "BRACHY_SESSION", "CONTROL_POINT"),
)
_AGAIN = "export the dose again, or give it as a NIfTI volume in Gy"


def read_rtdose(path: Path) -> Volume:
    """An RT dose file as a volume.

    Parameters
    ----------
    path
        A DICOM file of RT Dose Storage.

    Returns
    -------
    Volume
        Dose (nz, ny, nx), float64 [Gy], with its frame of reference; notes name nothing that identifies a patient.

    Raises
    ------
    InputError
        Another object, relative dose, missing or contradicting elements, frames off an even grid, truncated pixels.
    """
    require(path, "dose map")
    data = _read(path)
    header = Header(path, data)
    if elements.text(data, "SOPClassUID") != RT_DOSE and header.modality != "RTDOSE":
        raise InputError(
            f"the DICOM file is no RT dose but {header.modality or 'an object without a modality'}",
            why="a dose map is needed",
            suggestion="give an RTDOSE file, or the dose as a NIfTI, NRRD or MetaImage volume in Gy",
            file=path,
            field="Modality",
        )
    notes = _meaning(data, path)
    plane = plane_of(header)
    step = _step(data, plane, path)
    (scaling,) = elements.required_numbers(
        data, "DoseGridScaling", 1, path, "without it the stored numbers are no dose"
    )
    if scaling <= 0.0:
        raise InputError(
            f"DoseGridScaling is {scaling:g}, not above zero",
            why="dose is this factor times the stored number",
            suggestion=_AGAIN,
            file=path,
            field="DoseGridScaling (3004,000E)",
        )
    stored = _stored(data, header, plane)
    affine = dicom_affine(plane.position, plane.orientation, plane.spacing, step)
    values, grid = canonical(stored.astype(np.float64) * scaling, affine, path)
    if not grid.is_axis_aligned:
        notes.append(OBLIQUE)
    return Volume(grid, values, "Gy", header.frame_of_reference, str(path), notes)


def _read(path: Path) -> Dataset:
    import pydicom

    try:
        with quiet():
            return pydicom.dcmread(path, force=is_dicom(path))
    except Exception:  # pydicom raises many kinds for damaged files
        raise InputError(
            "the DICOM file cannot be read",
            why="it is damaged, truncated, or no DICOM",
            suggestion="copy it again, or export the dose again",
            file=path,
        ) from None


def _meaning(data: Dataset, path: Path) -> list[str]:
    """What the numbers are, as notes.

    Raises
    ------
    InputError
        Where they are not absorbed dose in Gy.
    """
    units, kind = (elements.text(data, keyword).upper() for keyword in ("DoseUnits", "DoseType"))
    if units != "GY":
        given = f"DoseUnits is {elements.held(data, 'DoseUnits')}" if units else "the file has no DoseUnits"
        raise InputError(
            f"{given}, not GY",
            why="a relative dose has no absolute value to compare" if units == "RELATIVE" else "its unit is not known",
            suggestion="export the dose in Gy",
            file=path,
            field="DoseUnits (3004,0002)",
        )
    if kind in ("EFFECTIVE", "ERROR"):
        why = {"EFFECTIVE": "it is weighted for biological effect", "ERROR": "it is a difference of two doses"}[kind]
        raise InputError(
            f"DoseType is {kind}, not PHYSICAL",
            why=f"{why}, and is compared with absorbed dose",
            suggestion="export the physical dose",
            file=path,
            field="DoseType (3004,0004)",
        )
    notes: list[str] = []
    if kind != "PHYSICAL":
        notes.append("the RT dose does not state its dose type; it is taken as physical dose")
    summation = elements.text(data, "DoseSummationType").upper()
    if summation in _WHOLE:
        notes.append(f"the RT dose sums {summation} (DoseSummationType)")
    elif summation in _PART:
        text = (
            f"the RT dose sums {summation} (DoseSummationType), a part of a treatment, and is compared with all of it"
        )
        notes.append(Note(text, weight=CAUTION))
    else:
        notes.append("the RT dose does not say what it sums (DoseSummationType); it is taken as all of the treatment")
    return notes


def _step(data: Dataset, plane: Plane, path: Path) -> np.ndarray:
    """From one frame to the next (3,) [mm]."""
    field = "GridFrameOffsetVector (3004,000C)"
    frames = int(elements.number(data, "NumberOfFrames") or 1)
    if frames < 2:
        raise InputError(
            "the RT dose has one plane",
            why="a volume needs at least two",
            suggestion="export the dose as one file with all planes",
            file=path,
            field="NumberOfFrames",
        )
    why = "the place of its planes in the patient is unknown"
    offsets = np.array(elements.required_numbers(data, "GridFrameOffsetVector", frames, path, why))
    along = plane.normal
    if offsets[0] != 0.0:
        axial = bool(abs(abs(plane.normal[2]) - 1.0) <= SAME_DIRECTION)
        if not axial or abs(offsets[0] - plane.position[2]) > EVEN_MM:
            problem = f"the first offset of the planes is {offsets[0]:g} mm"
            place = f"that of the first plane ({plane.position[2]:g} mm, axial planes only)"
            raise InputError(
                f"{problem}, neither zero nor {place}",
                why="it is a distance from the first plane or a patient coordinate (PS3.3 C.8.8.3.2)",
                suggestion=_AGAIN,
                file=path,
                field=field,
            )
        along = np.array([0.0, 0.0, 1.0])
    step = float(offsets[-1] - offsets[0]) / (frames - 1)
    off = float(np.max(np.abs(offsets - offsets[0] - step * np.arange(frames))))
    if step == 0.0 or off > min(max(EVEN_SHARE * abs(step), EVEN_MM), EVEN_MOST * abs(step)):
        raise InputError(
            f"the planes of the RT dose are unevenly spaced (off by up to {off:.3g} mm at a distance of {step:.3g} mm)",
            why="voxels of one size are needed, and a plane may be missing or doubled",
            suggestion=_AGAIN,
            file=path,
            field=field,
        )
    return step * along


def _stored(data: Dataset, header: Header, plane: Plane) -> np.ndarray:
    """Stored numbers (frames, rows, columns)."""
    frames = int(elements.number(data, "NumberOfFrames") or 1)
    bits, samples = elements.number(data, "BitsAllocated"), elements.number(data, "SamplesPerPixel") or 1
    if "PixelData" not in data:
        raise _unreadable(header, "the file holds none: it is truncated, or has a histogram only", "PixelData")
    if bits not in (16, 32) or samples != 1:
        given = elements.held(data, "BitsAllocated") or "nothing"
        raise _unreadable(header, f"BitsAllocated is {given}, and an RT dose has 16 or 32", "BitsAllocated")
    shape = (frames, *plane.shape)
    if elements.compressed(data):
        return _decoded(data, header, shape)
    content = data.PixelData or b""  # an element may be there without a value
    size = int(np.prod(shape)) * int(bits) // 8
    if len(content) < size:
        raise _unreadable(header, f"it holds {len(content)} of {size} bytes: it is truncated", "PixelData")
    if len(content) > size + 1:
        text = f"it holds {counted(len(content), 'byte')}, and {frames} x {plane.shape[0]} x {plane.shape[1]} numbers"
        raise _unreadable(header, f"{text} of {int(bits)} bits take {size}", "PixelData")
    kind = "i" if elements.number(data, "PixelRepresentation") == 1 else "u"
    order = "<" if data.original_encoding[1] is not False else ">"
    numbers = np.frombuffer(content[:size], f"{order}{kind}{int(bits) // 8}").reshape(shape)
    return used_bits(numbers.astype(numbers.dtype.newbyteorder("=")), header)


def _decoded(data: Dataset, header: Header, shape: tuple[int, ...]) -> np.ndarray:
    from pydicom.pixels import pixel_array

    try:
        with quiet():
            stored = pixel_array(data, correct_unused_bits=False)
    except Exception:  # decoders raise many kinds
        raise _unreadable(header, "it is truncated or damaged, or its compression unknown", "PixelData") from None
    if stored.shape != shape:
        raise _unreadable(header, f"it holds {stored.shape} numbers, the header says {shape}", "PixelData")
    return used_bits(stored, header)


def _unreadable(header: Header, why: str, field: str) -> InputError:
    return InputError(
        "the dose grid of the RT dose cannot be read",
        why=why,
        suggestion="export the dose again, uncompressed",
        file=header.path,
        field=field,
    )
