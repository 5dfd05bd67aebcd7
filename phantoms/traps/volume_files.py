"""Volume files byte by byte: NIfTI, NRRD and MetaImage whose headers say what a trap needs."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

#: Position and struct code of the fields of NIfTI-1 and NIfTI-2 that are written.
_FIELDS: dict[int, dict[str, tuple[int, str]]] = {
    1: {
        "sizeof_hdr": (0, "i"), "dim": (40, "8h"), "intent_code": (68, "h"), "datatype": (70, "h"), "bitpix": (72, "h"),
        "pixdim": (76, "8f"), "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"),
        "xyzt_units": (123, "B"), "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern": (256, "3f"),
        "qoffset": (268, "3f"), "srow": (280, "12f"), "magic": (344, "4s"),
    },
    2: {
        "sizeof_hdr": (0, "i"), "magic": (4, "8s"), "datatype": (12, "h"), "bitpix": (14, "h"), "dim": (16, "8q"),
        "pixdim": (104, "8d"), "vox_offset": (168, "q"), "scl_slope": (176, "d"), "scl_inter": (184, "d"),
        "qform_code": (344, "i"), "sform_code": (348, "i"), "quatern": (352, "3d"), "qoffset": (376, "3d"),
        "srow": (400, "12d"), "xyzt_units": (500, "i"), "intent_code": (504, "i"),
    },
}  # fmt: skip
_CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64}


def first_centre(step: float) -> tuple[float, float, float]:
    """Centre (x, y, z) [mm, LPS] of the first voxel of the patient's images with voxels of ``step`` [mm]."""
    return (-64.0 + 0.5 * step, -64.0 + 0.5 * step, 0.5 * step)


def nifti(
    values: np.ndarray,
    step: float,
    first: Sequence[float] | None = None,
    version: int = 1,
    order: str = "<",
    **fields: object,
) -> bytes:
    """A NIfTI file.

    Parameters
    ----------
    values
        Voxels (nz, ny, nx) along the patient's axes.
    step
        Voxel size [mm].
    first
        Centre (x, y, z) [mm, LPS] of the first voxel; by default the patient's.
    version, order
        1 or 2; ``"<"`` or ``">"``.
    fields
        Fields of the header that differ.
    """
    x, y, z = first if first is not None else first_centre(step)
    nz, ny, nx = values.shape
    kind = values.dtype.str[1:]
    header: dict[str, object] = {
        "sizeof_hdr": 348 if version == 1 else 540,
        "magic": b"n+1\0" if version == 1 else b"n+2\0\r\n\x1a\n",
        "dim": (3, nx, ny, nz, 1, 1, 1, 1),
        "datatype": _CODES[kind],
        "bitpix": 8 * values.dtype.itemsize,
        "pixdim": (1.0, step, step, step, 0.0, 0.0, 0.0, 0.0),
        "vox_offset": 352 if version == 1 else 544,
        "xyzt_units": 2,
        "qform_code": 1,
        "sform_code": 1,
        "quatern": (0.0, 0.0, 1.0),  # half a turn about z: from right and anterior to left and posterior
        "qoffset": (-x, -y, z),
        "srow": (-step, 0.0, 0.0, -x, 0.0, -step, 0.0, -y, 0.0, 0.0, step, z),
        **fields,
    }
    out = bytearray(352 if version == 1 else 544)
    for name, value in header.items():
        at, code = _FIELDS[version][name]
        struct.pack_into(order + code, out, at, *(value if isinstance(value, tuple) else (value,)))
    return bytes(out) + values.astype(order + kind).tobytes()


def write_nifti(path: Path, content: bytes) -> None:
    """Write a NIfTI file, compressed where its name says so."""
    path.write_bytes(gzip.compress(content, 6, mtime=0) if path.name.endswith(".gz") else content)


def write_nrrd(path: Path, values: np.ndarray, fields: Mapping[str, str]) -> None:
    """Write a NRRD file with raw voxels (nz, ny, nx) in float32 and the given fields of the header."""
    nz, ny, nx = values.shape
    lines = ["NRRD0004", "type: float", "dimension: 3", f"sizes: {nx} {ny} {nz}", "endian: little", "encoding: raw"]
    lines += [f"{name}: {text}" for name, text in fields.items()]
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + values.astype("<f4").tobytes())


def write_metaimage(path: Path, values: np.ndarray, step: float, data: str = "LOCAL", **fields: str) -> None:
    """Write a MetaImage header, with voxels (nz, ny, nx) in float32 behind it where ``data`` is LOCAL."""
    nz, ny, nx = values.shape
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": " ".join(f"{v:g}" for v in first_centre(step)),
        "ElementSpacing": f"{step:g} {step:g} {step:g}",
        "DimSize": f"{nx} {ny} {nz}",
        "ElementType": "MET_FLOAT",
        **fields,
        "ElementDataFile": data,
    }
    text = "".join(f"{name} = {value}\n" for name, value in header.items()).encode()
    path.write_bytes(text + (values.astype("<f4").tobytes() if data == "LOCAL" else b""))
