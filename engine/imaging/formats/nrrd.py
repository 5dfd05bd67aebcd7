"""Headers of NRRD files, with the voxels attached (.nrrd) or in a file beside (.nhdr).

Fields and their meaning: G. Kindlmann, definition of NRRD file format (teem.sourceforge.net/nrrd/format.html).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .header import VolumeHeader, checked_affine, checked_shape
from .stream import Data, length_unit
from .text_header import LONGEST_HEADER, beside, numbers, refused, sizes

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
_ENCODINGS = {
    **dict.fromkeys(("raw",), "raw"),
    **dict.fromkeys(("gzip", "gz"), "deflate"),
    **dict.fromkeys(("ascii", "text", "txt"), "text"),
}
#: Signs that bring the axes of a space to LPS; other spaces do not say how the patient lies in them.
_SPACES = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
_UNPLACED = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
_VECTOR = re.compile(r"none|\([^()]*\)", re.IGNORECASE)


@dataclass(frozen=True)
class NrrdFields:
    """The text of a NRRD header.

    Parameters
    ----------
    file
        The file.
    fields
        Its fields by name in lower case (``field: text``).
    keys
        Its keys (``key:=text``): 3D Slicer stores names of segments there.
    end
        Byte behind the header.
    """

    file: Path
    fields: dict[str, str]
    keys: dict[str, str]
    end: int

    def need(self, field: str) -> str:
        """The text of a field that has to be there."""
        text = self.fields.get(field, "").strip()
        if not text:
            raise refused(self.file, field, f"the header has no {field}", "the voxels cannot be understood without it")
        return text


def nrrd_fields(path: Path) -> NrrdFields:
    """Fields and keys of a NRRD header, uninterpreted.

    Raises
    ------
    InputError
        A file that is no NRRD, a header without end, a field that is there twice.
    """
    with path.open("rb") as stream:
        head = stream.read(LONGEST_HEADER)
    if not re.match(rb"NRRD000[1-5]\r?\n", head):
        raise refused(path, "magic", "the image cannot be read: it is no NRRD file", "it does not start with NRRD000")
    blank = re.search(rb"\r?\n\r?\n", head)
    if blank is None and path.suffix.lower() != ".nhdr" and b"\ndata" not in head:
        raise refused(path, "header", "the image cannot be read: its header has no end", "the file is cut short")
    end = blank.end() if blank else len(head)
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    for line in head[:end].decode("utf-8", "replace").splitlines()[1:]:
        if line.startswith("#") or not line.strip():
            continue
        where, name, text = (keys, *line.split(":=", 1)) if ":=" in line else (fields, *line.partition(":")[::2])
        name = name.strip() if where is keys else re.sub(r"\s+", " ", name.strip().lower())
        name = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip"}.get(name, name)
        if where is fields and name in fields:
            raise refused(path, name, f"{name} is stated twice", "which of the two is right cannot be told")
        where[name] = text.strip()
    return NrrdFields(path, fields, keys, end)


def read_nrrd(path: Path, quantity: str) -> VolumeHeader:
    """Header of a NRRD file.

    Parameters
    ----------
    path
        A ``.nrrd`` or ``.nhdr`` file.
    quantity
        What the values are to be (not used: a NRRD does not say what its values are).

    Raises
    ------
    InputError
        Naming the field: missing, not understood, several values per voxel, sizes and places that are not possible.
    """
    text = nrrd_fields(path)
    notes: list[str] = []
    (rank,) = sizes(path, "dimension", text.need("dimension"), 1)
    if not 1 <= rank <= 16:
        raise refused(path, "dimension", f"the image has {rank} dimensions", "a NRRD image has one to sixteen")
    stored = sizes(path, "sizes", text.need("sizes"), rank)
    axes = _spatial_axes(text, stored)
    shape = checked_shape(tuple(stored[a] for a in axes), path, "sizes")
    affine, placed = _place(text, axes, rank, notes)
    checked_affine(affine, shape, path, "space directions")
    for field in ("old min", "old max", "oldmin", "oldmax"):
        if field in text.fields:
            raise refused(path, field, "the values are steps of a range that was cut up", "programs read them unscaled")
    return VolumeHeader(path, shape, affine, placed, _dtype(text), _data(text), notes=tuple(notes))


def read_nrrd_layers(path: Path, most: int) -> list[tuple[VolumeHeader, np.ndarray]]:
    """Header and voxels (nk, nj, ni) of each layer of a segmentation, whose fastest axis runs over the layers.

    Parameters
    ----------
    path
        A ``.nrrd`` or ``.nhdr`` file with one value per voxel, or several.
    most
        More layers are refused.

    Raises
    ------
    InputError
        As :func:`read_nrrd`; more layers than ``most``; layers along another axis than the first; damaged voxels.
    """
    header, count = layer_header(path, most)
    if count is None:
        return [(header, header.values(None)[0])]
    ni, nj, nk = header.shape
    flat = replace(header, shape=(count * ni, nj, nk)).values(None)[0]
    together = flat.reshape(nk, nj, ni, count)
    return [(header, np.ascontiguousarray(together[..., k])) for k in range(count)]


def layer_header(path: Path, most: int) -> tuple[VolumeHeader, int | None]:
    """Header of every layer of a segmentation, and their number; None where the file has no axis of layers.

    Arguments and errors as for :func:`read_nrrd_layers`; no voxel is read.
    """
    text = nrrd_fields(path)
    (rank,) = sizes(path, "dimension", text.need("dimension"), 1)
    stored = sizes(path, "sizes", text.need("sizes"), rank)
    if rank != 4 or not _is_layer_axis(text, rank):
        return read_nrrd(path, "label"), None
    count = stored[0]
    if count > most:
        raise refused(path, "sizes", f"the segmentation has {count} layers", f"at most {most} are read", "export fewer")
    notes: list[str] = []
    shape = checked_shape(stored[1:], path, "sizes")
    checked_shape((count * stored[1], *stored[2:]), path, "sizes")
    affine, placed = _place(text, [1, 2, 3], rank, notes)
    checked_affine(affine, shape, path, "space directions")
    return VolumeHeader(path, shape, affine, placed, _dtype(text), _data(text), notes=tuple(notes)), count


def _is_layer_axis(text: NrrdFields, rank: int) -> bool:
    """Whether the first axis runs over the values of a voxel."""
    if "space directions" in text.fields:
        return _vectors(text, "space directions", rank)[0] is None
    return text.fields.get("kinds", "").lower().split()[:1] in (["list"], ["vector"])


def _spatial_axes(text: NrrdFields, stored: tuple[int, ...]) -> list[int]:
    """The stored axes that lie in space, and behind them those that do not; InputError where these hold several."""
    spatial = [i for i, v in enumerate(_vectors(text, "space directions", len(stored))) if v is not None]
    if "space directions" not in text.fields:
        kinds = text.fields.get("kinds", "").lower().split()
        apart = ("list", "vector", "rgb-color", "rgba-color", "complex", "time")
        spatial = [i for i in range(len(stored)) if i >= len(kinds) or kinds[i] not in apart]
    others = [i for i in range(len(stored)) if i not in spatial]
    if len(spatial) > 3:
        spatial, others = spatial[:3], spatial[3:] + others
    if any(stored[i] != 1 for i in others):
        size = " x ".join(str(stored[i]) for i in others)
        raise refused(
            text.file,
            "sizes",
            f"the image has {size} values per voxel",
            "one number per voxel is needed",
            "export a scalar image of one time, not colour or vectors",
        )
    return spatial


def _vectors(text: NrrdFields, field: str, count: int) -> list[list[float] | None]:
    """Vectors of a field, None for those that say none."""
    stated = text.fields.get(field, "")
    if not stated:
        return [None] * count
    found = _VECTOR.findall(stated)
    if len(found) != count or _VECTOR.sub("", stated).strip():
        raise refused(text.file, field, f"{field} is {stated[:80]!r}", f"it holds {count} vectors like (1,0,0)")
    return [None if v.lower() == "none" else numbers(text.file, field, v[1:-1].replace(",", " "), 3) for v in found]


def _place(text: NrrdFields, axes: list[int], rank: int, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Affine to LPS [mm], and whether the file states a place."""
    file, fields = text.file, text.fields
    space = fields.get("space", "").lower()
    signs = _SPACES.get(space)
    if space and signs is None and space not in _UNPLACED:
        raise refused(
            file,
            "space",
            f"the image lies in the space {fields['space'][:40]!r}",
            "its axes are needed in the patient",
            "write it as left-posterior-superior",
        )
    if "measurement frame" in fields and space in _UNPLACED:
        notes.append(f"{file.name} states a measurement frame; it was not used")
    affine = np.eye(4)
    if "space directions" in fields:
        vectors = _vectors(text, "space directions", rank)
        steps = np.array([vectors[a] for a in axes[:3]], float).T * _unit(text, "space units", 3, notes)[:, None]
    elif "spacings" in fields:
        found = [float(v) if _is_number(v) else math.nan for v in fields["spacings"].split()]
        if len(found) != rank:
            raise refused(file, "spacings", f"spacings is {fields['spacings'][:80]!r}", f"it holds {rank} numbers")
        spacings = np.array([found[a] for a in axes[:3]])
        if not (np.all(np.isfinite(spacings)) and np.all(spacings > 0.0)):
            raise refused(file, "spacings", f"spacings is {fields['spacings'][:80]!r}", "voxels need a positive size")
        steps = np.diag(spacings * _unit(text, "units", rank, notes)[axes[:3]])
    else:
        raise refused(file, "space directions", "the header states no voxel size", "volumes follow from it")
    origin = _vectors(text, "space origin", 1)[0]
    placed = signs is not None and origin is not None and "space directions" in fields
    affine[:3, :3] = steps
    if origin is not None:
        affine[:3, 3] = np.array(origin) * (_unit(text, "space units", 3, []) if "space units" in fields else 1.0)
    return np.diag([*(signs or (1.0, 1.0, 1.0)), 1.0]) @ affine, placed


def _unit(text: NrrdFields, field: str, count: int, notes: list[str]) -> np.ndarray:
    """Millimetres per unit along each of ``count`` axes."""
    stated = text.fields.get(field, "")
    words = re.findall(r'"([^"]*)"', stated) or stated.split()
    if not stated or all(not w.strip() for w in words):
        notes.append(f"{text.file.name} states no unit of length ({field}); it is taken as mm")
        return np.ones(count)
    units = np.array([length_unit(w) for w in words])
    if len(words) != count or not np.all(np.isfinite(units) | (np.array(words) == "") | (field == "units")):
        raise refused(
            text.file, field, f"{field} is {stated[:80]!r}", "a length is needed along each axis (mm, cm, m, um)"
        )
    return units


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _dtype(text: NrrdFields) -> np.dtype:
    stated = re.sub(r"\s+", " ", text.need("type").lower())
    if stated not in _TYPES:
        raise refused(text.file, "type", f"the image has values of type {stated[:40]!r}", "numbers are needed")
    dtype = np.dtype(_TYPES[stated])
    if dtype.itemsize == 1 or _encoding(text) == "text":
        return dtype
    order = text.need("endian").lower()
    if order not in ("little", "big"):
        raise refused(text.file, "endian", f"endian is {order[:40]!r}", "it is little or big")
    return dtype.newbyteorder("<" if order == "little" else ">")


def _encoding(text: NrrdFields) -> str:
    stated = text.need("encoding").lower()
    if stated not in _ENCODINGS:
        raise refused(
            text.file,
            "encoding",
            f"the voxels are encoded as {stated[:40]!r}",
            f"hevesy reads {', '.join(sorted(set(_ENCODINGS)))}",
            "save the image with gzip",
        )
    return _ENCODINGS[stated]


def _data(text: NrrdFields) -> Data:
    file, encoding = text.file, _encoding(text)
    name = text.fields.get("data file")
    path, start = (file, text.end) if name is None else (beside(file, "data file", name), 0)
    (lines,) = sizes(file, "line skip", text.fields.get("line skip", "0"), 1)
    (skipped,) = sizes(file, "byte skip", text.fields.get("byte skip", "0"), 1)
    if lines or skipped:
        if lines < 0 or skipped < 0 or encoding == "deflate":
            raise refused(
                file,
                "byte skip" if skipped else "line skip",
                f"the voxels start {lines} lines and {skipped} bytes on",
                "that is not read from the end, nor within compressed bytes",
                "save the image as one .nrrd file",
            )
        with path.open("rb") as stream:
            stream.seek(start)
            for _ in range(min(lines, LONGEST_HEADER)):
                if not stream.readline(LONGEST_HEADER):
                    break
            start = stream.tell() + skipped
    return Data(file, path, start, encoding)
