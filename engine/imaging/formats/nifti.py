"""Headers of NIfTI-1 and NIfTI-2 files, in either byte order, plain or gzipped.

Layout and meaning of the fields: R. W. Cox et al., the NIfTI-1 data format (nifti1.h, 2005), and nifti2.h (2011).
A header may place the image twice: by a rotation and an offset (qform) and by an affine (sform), each with a code that
is 0 where it says nothing. Programs disagree on which of the two goes first; so two that differ are refused.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...notes import CRITICAL, Note
from .header import VolumeHeader, apart_mm, checked_affine, checked_shape, same_pose
from .stream import CutShort, Data, Inflated

#: Position and struct code of the fields used, by size of the header.
_FIELDS: dict[int, dict[str, tuple[int, str]]] = {
    348: {
        "dim": (40, "8h"), "intent_code": (68, "h"), "datatype": (70, "h"), "bitpix": (72, "h"), "pixdim": (76, "8f"),
        "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "B"),
        "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern": (256, "3f"), "qoffset": (268, "3f"),
        "srow": (280, "12f"),
    },
    540: {
        "datatype": (12, "h"), "bitpix": (14, "h"), "dim": (16, "8q"), "pixdim": (104, "8d"), "vox_offset": (168, "q"),
        "scl_slope": (176, "d"), "scl_inter": (184, "d"), "qform_code": (344, "i"), "sform_code": (348, "i"),
        "quatern": (352, "3d"), "qoffset": (376, "3d"), "srow": (400, "12d"), "xyzt_units": (500, "i"),
        "intent_code": (504, "i"),
    },
}  # fmt: skip
#: Where the magic is and what it says in a file that holds header and voxels, and in one of a pair.
_MAGIC = {348: (344, b"n+1\0", b"ni1\0"), 540: (4, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")}
#: NumPy's name of each scalar value type.
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
#: Value types that are no scalar, or that NumPy has not everywhere.
_OTHER_TYPES = {
    0: "unknown", 1: "bits", 32: "complex", 128: "colour (RGB)", 1536: "128 bit float", 1792: "complex",
    2048: "complex", 2304: "colour (RGBA)",
}  # fmt: skip
#: Units of length [mm] by the lower three bits of xyzt_units.
_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}
#: A header's extensions are some kilobytes; voxels that start farther behind it are not there.
_FARTHEST_OFFSET = 1 << 28
#: Intents of images that show no intensities: statistics (2 to 24), labels and names of places.
_NO_INTENSITY = {**dict.fromkeys(range(2, 25), "a map of a statistic"), 1002: "a label map", 1003: "a label map"}
#: From NIfTI's axes (right, anterior, superior) to the patient's of DICOM (left, posterior, superior).
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class _Raw:
    """The fields of a header as they are stored."""

    file: Path
    size: int
    order: str
    deflated: bool
    fields: dict[str, Any]


def read_nifti(path: Path, quantity: str) -> VolumeHeader:
    """Header of a NIfTI file.

    Parameters
    ----------
    path
        A ``.nii`` or ``.nii.gz`` file; whether it is compressed follows from its first bytes.
    quantity
        What the values are to be: ``"HU"``, ``"Bq/mL"``, ``"label"``.

    Raises
    ------
    InputError
        Naming the field: not NIfTI, a pair of files, several volumes, sizes, types, units or places that are not
        possible or contradict each other.
    """
    raw = _raw(path)
    notes: list[str] = []
    shape = checked_shape(_sizes(raw), path, "dim")
    dtype = _dtype(raw)
    slope, intercept = _scaling(raw)
    affine, placed = _place(raw, shape, notes)
    intent = _NO_INTENSITY.get(raw.fields["intent_code"])
    if intent and quantity != "label":
        code = raw.fields["intent_code"]
        text = f"the file calls itself {intent} (intent_code {code}); its values are taken as {quantity}"
        notes.append(Note(text, weight=CRITICAL))
    data = Data(path, path, _offset(raw), "deflate" if raw.deflated else "raw", raw.deflated)
    return VolumeHeader(path, shape, affine, placed, dtype, data, slope, intercept, tuple(notes))


def _raw(path: Path) -> _Raw:
    try:
        with path.open("rb") as file:
            deflated = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            head = Inflated(file).read(540) if deflated else file.read(540)
    except (CutShort, zlib.error):
        raise _not_nifti(path, "its compressed header is cut short or damaged") from None
    for order in "<>":
        size = struct.unpack(f"{order}i", head[:4])[0] if len(head) >= 4 else 0
        if size in _FIELDS and len(head) >= size:
            break
    else:
        raise _not_nifti(path, "it does not start with a NIfTI header")
    at, single, pair = _MAGIC[size]
    magic = head[at : at + len(single)]
    if magic == pair:
        raise InputError(
            "the file is one of a pair (header and voxels apart)",
            why="volumes are read from one file",
            suggestion="convert the pair into one .nii.gz file",
            file=path,
            field="magic",
        )
    if magic != single:
        raise _not_nifti(path, "its header has no NIfTI magic (ANALYZE 7.5 does not say where the image lies)")
    fields = {}
    for name, (start, code) in _FIELDS[size].items():
        found = struct.unpack_from(f"{order}{code}", head, start)
        fields[name] = found if len(found) > 1 else found[0]
    return _Raw(path, size, order, deflated, fields)


def _not_nifti(path: Path, why: str) -> InputError:
    return InputError(
        "the image cannot be read: it is no NIfTI file",
        why=why,
        suggestion="open it in a viewer, and export it again",
        file=path,
    )


def _refused(raw: _Raw, field: str, problem: str, why: str, suggestion: str = "") -> InputError:
    help = suggestion or "repair the header, or export the image again"
    return InputError(problem, why=why, suggestion=help, file=raw.file, field=field)


def _sizes(raw: _Raw) -> tuple[int, ...]:
    rank = raw.fields["dim"][0]
    if not 1 <= rank <= 7:
        raise _refused(raw, "dim", f"the image has {rank} dimensions", "a NIfTI image has one to seven")
    return tuple(int(n) for n in raw.fields["dim"][1 : 1 + rank])


def _dtype(raw: _Raw) -> np.dtype:
    code = raw.fields["datatype"]
    if code not in _TYPES:
        name = f" ({_OTHER_TYPES[code]})" if code in _OTHER_TYPES else ""
        raise _refused(
            raw,
            "datatype",
            f"the image has values of type {code}{name}",
            "one number per voxel is needed",
            "export a scalar image of a type that the format has, such as float32; not colour or vectors",
        )
    dtype = np.dtype(raw.order + _TYPES[code])
    if raw.fields["bitpix"] not in (0, 8 * dtype.itemsize):
        raise _refused(
            raw,
            "bitpix",
            f"the image states {raw.fields['bitpix']} bits per voxel and values of type {code}, which have "
            f"{8 * dtype.itemsize}",
            "which of the two is right cannot be told",
        )
    return dtype


def _scaling(raw: _Raw) -> tuple[float, float]:
    """Slope and intercept; a slope of 0, or none, means no scaling by the standard."""
    slope, intercept = float(raw.fields["scl_slope"]), float(raw.fields["scl_inter"])
    if slope == 0.0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise _refused(raw, "scl_inter", f"the intercept of the values is {intercept:g}", "the values have no scale")
    return slope, intercept


def _offset(raw: _Raw) -> int:
    offset, least = raw.fields["vox_offset"], raw.size + 4
    if not math.isfinite(offset) or offset != int(offset) or not least <= offset <= _FARTHEST_OFFSET:
        raise _refused(
            raw,
            "vox_offset",
            f"the voxels start at byte {offset:g}",
            f"they follow the header, at byte {least} or soon after",
        )
    return int(offset)


def _place(raw: _Raw, shape: tuple[int, int, int], notes: list[str]) -> tuple[np.ndarray, bool]:
    """Affine to LPS [mm], and whether the file states a place."""
    unit = _UNITS.get(raw.fields["xyzt_units"] & 7)
    if unit is None or raw.fields["xyzt_units"] & 7 == 0:
        notes.append(f"the header states no unit of length (xyzt_units {raw.fields['xyzt_units']}); it is taken as mm")
    scale = np.diag([unit or 1.0] * 3 + [1.0])
    rotated = scale @ _TO_LPS @ _qform(raw) if raw.fields["qform_code"] > 0 else None
    sheared = scale @ _TO_LPS @ _sform(raw) if raw.fields["sform_code"] > 0 else None
    for affine, field in ((sheared, "srow"), (rotated, "pixdim")):
        if affine is not None:
            checked_affine(affine, shape, raw.file, field)
    if rotated is not None and sheared is not None and not same_pose(rotated, sheared, shape):
        raise _refused(
            raw,
            "sform_code",
            f"the header places the image twice, {apart_mm(rotated, sheared, shape):.3g} mm apart: by qform (code "
            f"{raw.fields['qform_code']}) with its first voxel at {_at(rotated)}, by sform (code "
            f"{raw.fields['sform_code']}) at {_at(sheared)} mm (x, y, z, LPS)",
            "programs disagree on which of the two to take, and a wrong one moves the image",
            "find out which is right, and write the header with that one alone (the other code 0)",
        )
    if sheared is not None:
        _check_sizes(raw, sheared, shape, unit or 1.0, notes)
        return sheared, True
    if rotated is not None:
        return rotated, True
    steps = _steps(raw) * (unit or 1.0)
    return checked_affine(np.diag([*steps, 1.0]), shape, raw.file, "pixdim"), False


def _steps(raw: _Raw) -> np.ndarray:
    """Voxel sizes (i, j, k) in the unit of the file."""
    steps = np.array(raw.fields["pixdim"][1:4], float)
    if not (np.all(np.isfinite(steps)) and np.all(steps > 0.0)):
        sizes = " x ".join(f"{v:g}" for v in steps)
        raise _refused(raw, "pixdim", f"the voxel size is {sizes}", "every voxel needs a positive size")
    return steps


def _qform(raw: _Raw) -> np.ndarray:
    """4x4 from the index to NIfTI's axes by rotation, offset and voxel sizes."""
    b, c, d = (float(v) for v in raw.fields["quatern"])
    length = b * b + c * c + d * d
    if not math.isfinite(length) or length > 1.001:
        raise _refused(raw, "quatern", f"the quaternion ({b:g}, {c:g}, {d:g}) is no rotation", "its length exceeds 1")
    a = math.sqrt(max(1.0 - length, 0.0))
    a, b, c, d = (v / math.sqrt(a * a + length) for v in (a, b, c, d))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn * _steps(raw)
    affine[:3, 2] *= -1.0 if raw.fields["pixdim"][0] < 0 else 1.0
    affine[:3, 3] = raw.fields["qoffset"]
    return affine


def _sform(raw: _Raw) -> np.ndarray:
    """4x4 from the index to NIfTI's axes as the header states it."""
    affine = np.eye(4)
    affine[:3] = np.array(raw.fields["srow"], float).reshape(3, 4)
    return affine


def _check_sizes(raw: _Raw, affine: np.ndarray, shape: tuple[int, int, int], unit: float, notes: list[str]) -> None:
    """Refuse voxel sizes of pixdim that contradict the sform: some programs measure volumes with the former."""
    own = np.linalg.norm(affine[:3, :3], axis=0)
    stated = np.abs(np.array(raw.fields["pixdim"][1:4], float)) * unit
    if not np.all(np.isfinite(stated)) or np.any(stated == 0.0):
        notes.append("the header states no voxel size (pixdim); that of its sform is taken")
        return
    if not same_pose(np.diag([*own, 1.0]), np.diag([*stated, 1.0]), shape):
        raise _refused(
            raw,
            "pixdim",
            f"the voxel size is {_sizes_text(stated)} mm by pixdim and {_sizes_text(own)} mm by the sform",
            "volumes and places follow from it, and programs disagree on which of the two to take",
        )


def _sizes_text(sizes: np.ndarray) -> str:
    return " x ".join(f"{v:.4g}" for v in sizes)


def _at(affine: np.ndarray) -> str:
    return ", ".join(f"{v:.1f}" for v in affine[:3, 3])
