"""Images in NIfTI, NRRD and MetaImage: the same image in many forms, other numbers in the header, damaged bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ....engine.compare.foreign import read_dose_map
from ....engine.grid import Grid, Volume
from ....engine.imaging.volumes import read_file
from ....phantoms.traps.volume_files import nifti
from ..damage import WORDS, damaged
from ..sample import Kind, Reading, Sample

SHAPE = (3, 4, 5)
STEP = 4.0
FIRST = (-10.0, 20.0, 30.0)
VALUES = (np.arange(60).reshape(SHAPE) * 3 + 2).astype(np.float32)
#: NIfTI's codes of value types.
_CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "u2": 512, "i8": 1024}
_NRRD = {"u1": "uchar", "i2": "short", "i4": "int", "f4": "float", "f8": "double", "u2": "uint16", "i8": "int64"}
_META = {
    "u1": "MET_UCHAR", "i2": "MET_SHORT", "i4": "MET_INT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE", "u2": "MET_USHORT",
    "i8": "MET_LONG_LONG",
}  # fmt: skip


def points(step: float = STEP, first: tuple[float, ...] = FIRST, scale: float = 1.0, shift: float = 0.0) -> Any:
    """Centres (n, 3) [mm, LPS] and values (n,) of the image, by the definition of the formats."""
    k, j, i = np.indices(SHAPE).reshape(3, -1)
    places = np.column_stack([i, j, k]) * step + np.array(first)
    return places, VALUES.reshape(-1).astype(float) * scale + shift


def oriented(rng: Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same image stored along other axes: values, columns of steps (3, 3) [mm, LPS], place of the first voxel."""
    axes, signs = rng.sample(range(3), 3), [rng.choice((1, -1)) for _ in range(3)]
    stored = VALUES.transpose(axes)  # array axes z, y, x are 0, 1, 2
    steps, first = np.zeros((3, 3)), np.array(FIRST, float)
    for place, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        if sign < 0:
            stored = np.flip(stored, place)
            first[2 - axis] += STEP * (SHAPE[axis] - 1)
        steps[2 - axis, 2 - place] = sign * STEP  # the fastest stored axis is the first column
    return np.ascontiguousarray(stored), steps, first


# ------------------------------------------------------------------------------------------------------- NIfTI


def _nifti(rng: Random, values: np.ndarray, steps: np.ndarray, first: np.ndarray, **more: Any) -> bytes:
    """A NIfTI placed by its sform alone."""
    turn = np.diag([-1.0, -1.0, 1.0])  # NIfTI's axes lead right and anterior where DICOM's lead left and posterior
    affine = np.column_stack([turn @ steps, turn @ first])
    sizes = np.linalg.norm(steps, axis=0)
    fields = {
        "srow": tuple(affine.ravel()), "qform_code": 0, "sform_code": rng.choice((1, 2, 4)),
        "pixdim": (rng.choice((1.0, -1.0, 0.0)), *sizes, 0.0, 0.0, 0.0, 0.0),
        "datatype": _CODES[values.dtype.str[1:]], **more,
    }  # fmt: skip
    known = values if values.dtype.str[1:] in ("u1", "i2", "f4", "f8") else values.astype("i2")
    version, order = rng.choice((1, 2)), rng.choice("<>")
    fields.setdefault("bitpix", 8 * values.dtype.itemsize)
    content = nifti(known, STEP, version=version, order=order, **fields)
    head = content[: len(content) - known.nbytes]
    return head + values.astype(values.dtype.newbyteorder(order)).tobytes()


def _nifti_same(rng: Random) -> tuple[bytes, Any]:
    stored, steps, first = oriented(rng)
    kind = rng.choice(list(_CODES))
    if rng.randrange(3) == 0:
        slope, shift = rng.choice((0.5, 2.0, 0.25)), rng.choice((0.0, 1.0, 7.5))
        fields = {"scl_slope": slope, "scl_inter": shift}
        return _nifti(rng, stored.astype(kind), steps, first, **fields), points(scale=slope, shift=shift)
    unit = rng.choice((2, 2, 0, 3, 1))
    factor = {3: 1e3, 1: 1e-3}.get(unit, 1.0)
    content = _nifti(rng, stored.astype(kind), steps * factor, first * factor, xyzt_units=unit)
    return content, points()


def generate_nifti(rng: Random) -> Sample:
    """A NIfTI file."""
    kind, packed = rng.randrange(10), rng.randrange(2)
    name = "a.nii.gz" if packed else "a.nii"
    pack = (lambda data: gzip.compress(data, 1, mtime=0)) if packed else bytes
    if kind < 3:
        content, truth = _nifti_same(rng)
        return Sample("the same image", {name: pack(content)}, {"points": truth}, must="read")
    if kind == 3:
        step = rng.choice((0.5, 1.0, 2.5, 7.0, 0.001, 400.0, -4.0, 0.0, np.nan, np.inf, 1e30))
        first = tuple(float(rng.randrange(-500, 500)) for _ in range(3))
        with np.errstate(all="ignore"):
            content = nifti(VALUES, step, first)
            truth = points(step, first)
        return Sample("another place or size", {name: pack(content)}, {"points": truth})
    if kind == 4:
        return Sample(*_nifti_hostile(rng, name, pack), must="refuse")
    clean = nifti(VALUES, STEP, FIRST, version=rng.choice((1, 2)), order=rng.choice("<>"))
    if kind < 7:
        return Sample("bytes of the header", {name: pack(damaged(clean, rng, head=540))})
    if packed:  # gzip holds a checksum: whatever is read is what was written
        return Sample("packed bytes", {name: damaged(gzip.compress(clean, 6, mtime=0), rng)}, {"points": points()})
    return Sample("bytes", {name: damaged(clean, rng)})  # NIfTI holds none: other values may be read


def _nifti_hostile(rng: Random, name: str, pack: Any) -> tuple[str, dict[str, bytes]]:
    huge = rng.choice(((3, 32767, 32767, 32767, 1, 1, 1, 1), (4, 5, 4, 3, 2, 1, 1, 1), (3, 5, 4, -3, 1, 1, 1, 1)))
    changes: dict[str, dict[str, Any]] = {
        "huge or other sizes": {"dim": huge},
        "one slice more": {"dim": (3, 5, 4, 4, 1, 1, 1, 1)},
        "an offset far away": {"vox_offset": rng.choice((0.0, 1e9, -8.0, np.nan, np.inf, 352.5, 353.0 + 4 * 60))},
        "two places": {"qoffset": (99.0, 0.0, 0.0)},
        "two sizes": {"pixdim": (1.0, 4.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0), "qform_code": 0},
        "a shear": {"srow": (-4.0, 1.0, 0.0, 10.0, 0.0, -4.0, 0.0, -20.0, 0.0, 0.0, 4.0, 30.0), "qform_code": 0},
        "complex or colour": {"datatype": rng.choice((0, 1, 32, 128, 1792, 2304, 999)), "bitpix": 32},
        "other bits": {"bitpix": 64},
        "no intercept": {"scl_slope": 2.0, "scl_inter": np.nan},
    }
    change = rng.choice([*changes, "a bomb"])
    if change == "a bomb":
        head = nifti(VALUES, STEP, FIRST, dim=(3, 800, 800, 900, 1, 1, 1, 1))[:352]
        return change, {"a.nii.gz": gzip.compress(head + bytes(1 << 22), 9, mtime=0)}
    content = nifti(VALUES, STEP, FIRST, **changes[change])
    if change == "an offset far away":
        content = content[:348] + content[352:] if rng.randrange(2) else content
    return change, {name: pack(content)}


# -------------------------------------------------------------------------------------- NRRD and MetaImage


def _body(values: np.ndarray, order: str, packing: str) -> bytes:
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if packing == "gzip":
        return gzip.compress(raw, 1, mtime=0)
    if packing == "zlib":
        return zlib.compress(raw, 1)
    return " ".join(f"{v:g}" for v in values.ravel()).encode() if packing == "ascii" else raw


def _nrrd(rng: Random, values: np.ndarray, steps: np.ndarray, first: np.ndarray) -> tuple[list[str], bytes]:
    """Lines of a header, and the voxels."""
    order, packing = rng.choice("<>"), rng.choice(("raw", "gzip", "ascii"))
    ras = rng.randrange(2)
    turn = np.diag([-1.0, -1.0, 1.0]) if ras else np.eye(3)
    vectors = [f"({','.join(f'{v:g}' for v in column)})" for column in (turn @ steps).T]
    lines = [
        f"type: {_NRRD[values.dtype.str[1:]]}",
        "dimension: 3",
        f"sizes: {' '.join(map(str, values.shape[::-1]))}",
        f"endian: {'little' if order == '<' else 'big'}",
        f"encoding: {packing}",
        f"space: {'right-anterior-superior' if ras else rng.choice(('LPS', 'left-posterior-superior'))}",
        f"space directions: {' '.join(vectors)}",
        f"space origin: ({','.join(f'{v:g}' for v in turn @ first)})",
    ]
    return lines, _body(values, order, packing)


def _meta(rng: Random, values: np.ndarray, steps: np.ndarray, first: np.ndarray) -> tuple[list[str], bytes]:
    order, packing = rng.choice("<>"), rng.choice(("raw", "zlib"))
    matrix = (steps / STEP).T.ravel()  # rows are the directions of the axes
    lines = [
        "ObjectType = Image", "NDims = 3", "BinaryData = True", f"BinaryDataByteOrderMSB = {order == '>'}",
        f"CompressedData = {packing == 'zlib'}", f"TransformMatrix = {' '.join(f'{v:g}' for v in matrix)}",
        f"Offset = {' '.join(f'{v:g}' for v in first)}", f"ElementSpacing = {STEP:g} {STEP:g} {STEP:g}",
        f"DimSize = {' '.join(map(str, values.shape[::-1]))}", f"ElementType = {_META[values.dtype.str[1:]]}",
    ]  # fmt: skip
    return lines, _body(values, order, packing)


def _file(name: str, lines: list[str], body: bytes, more: str = "") -> dict[str, bytes]:
    head = "\n".join(lines).encode("utf-8", "surrogatepass")
    last = f"\nElementDataFile = {more or 'LOCAL'}\n" if name.endswith((".mha", ".mhd")) else "\n\n"
    first = b"" if name.endswith((".mha", ".mhd")) else b"NRRD0004\n"
    if more and not name.endswith((".mha", ".mhd")):
        last = f"\ndata file: {more}\n"
    return {name: first + head + last.encode("utf-8", "surrogatepass") + (b"" if more else body)}


def _text_header(rng: Random, name: str, make: Any, change: str) -> Sample:
    stored, steps, first = oriented(rng)
    lines, body = make(rng, stored.astype(rng.choice(list(_CODES))), steps, first)
    packed = any("gzip" in line or "CompressedData = True" in line for line in lines)
    truth: dict[str, Any] = {"points": points()}
    if change == "the same image":
        if rng.randrange(3) == 0:
            beside = "voxels.raw"
            return Sample(change, {**_file(name, lines, body, beside), beside: body}, truth, must="read")
        return Sample(change, _file(name, lines, body), truth, must="read")
    if change == "a way out":
        way = rng.choice(("../x.raw", "/etc/passwd", "/dev/zero", "s/../../x.raw", "%03d.raw 1 3 1", "LIST", "~/x.raw"))
        (header,) = _file(f"in/{name}", lines, body, way).items()
        return Sample(change, {header[0]: header[1], "x.raw": body}, must="refuse")
    if change == "packed bytes" and packed:
        return Sample(change, _file(name, lines, damaged(body, rng)), truth)
    if change == "a word":
        at = rng.randrange(len(lines))
        words = lines[at].split(" ")
        words[rng.randrange(1, len(words))] = rng.choice(WORDS)
        lines[at] = " ".join(words)
        return Sample(change, _file(name, lines, body))
    if change == "a line":
        at = rng.randrange(len(lines))
        if rng.randrange(2):
            del lines[at]
        else:
            lines.insert(rng.randrange(len(lines)), lines[at])
        return Sample(change, _file(name, lines, body))
    whole = next(iter(_file(name, lines, body).values()))
    return Sample("bytes", {name: damaged(whole, rng, head=400)})


_CHANGES = (
    "the same image", "the same image", "the same image", "a way out", "packed bytes", "packed bytes", "a word",
    "a word", "a line", "bytes",
)  # fmt: skip


def generate_nrrd(rng: Random) -> Sample:
    """A NRRD file."""
    return _text_header(rng, rng.choice(("a.nrrd", "a.nhdr")), _nrrd, rng.choice(_CHANGES))


def generate_metaimage(rng: Random) -> Sample:
    """A MetaImage file."""
    return _text_header(rng, rng.choice(("a.mha", "a.mhd")), _meta, rng.choice(_CHANGES))


def read_image(folder: Path) -> Reading:
    """The image; every value finite."""
    path = next(iter(sorted(folder.rglob("a.*"))))
    volume = read_file(path, "Bq/mL")
    assert np.isfinite(volume.values).all() and volume.values.shape == volume.grid.shape
    return {"points": volume}


def generate_dose_map(rng: Random) -> Sample:
    """A dose map of another program."""
    return rng.choice((generate_nifti, generate_nrrd, generate_metaimage))(rng)


def read_map(folder: Path) -> Reading:
    """The map on the grid of a run, which is that of the image."""
    path = next(iter(sorted(folder.rglob("a.*"))))
    grid = Grid(SHAPE, (STEP,) * 3, FIRST[::-1])
    dose = read_dose_map(path, grid, unit="Gy")
    assert not (dose.mean < 0).any() and dose.mean.shape == SHAPE
    return {"points": Volume(grid, dose.mean, "Gy")}


def _maps(rng: Random) -> Sample:
    sample = generate_dose_map(rng)
    moved = sample.change == "another place or size"
    return Sample(sample.change, sample.files, {} if moved else sample.truth, sample.must, sample.links)


KINDS = (
    Kind("nifti", generate_nifti, read_image, 16),
    Kind("nrrd", generate_nrrd, read_image, 14),
    Kind("metaimage", generate_metaimage, read_image, 14),
    Kind("dose-map", _maps, read_map, 8),
)
