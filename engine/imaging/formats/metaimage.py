"""Headers of MetaImage files, with the voxels attached (.mha) or in a file beside (.mhd).

Fields and their meaning: ITK's documentation of MetaIO (https://docs.itk.org, "MetaIO documentation").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...notes import CAUTION, Note
from .header import VolumeHeader, checked_affine, checked_shape
from .stream import Data
from .text_header import LONGEST_HEADER, beside, numbers, refused, sizes

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
#: Other names of a field, the usual one first.
_NAMES = {
    "TransformMatrix": ("TransformMatrix", "Rotation", "Orientation"),
    "Offset": ("Offset", "Position", "Origin"),
    "ElementSpacing": ("ElementSpacing", "ElementSize"),
    "ElementByteOrderMSB": ("ElementByteOrderMSB", "BinaryDataByteOrderMSB"),
}
#: Letters of an axis by the patient axis along which it runs, and its sense there: from and to.
_LETTERS = (("RL", "LR"), ("AP", "PA"), ("IS", "SI"))


@dataclass(frozen=True)
class _Fields:
    """The text of a header: fields by name, and the byte behind it."""

    file: Path
    fields: dict[str, str]
    end: int

    def get(self, field: str, default: str = "") -> str:
        names = _NAMES.get(field, (field,))
        return next((self.fields[name] for name in names if name in self.fields), default)

    def need(self, field: str) -> str:
        text = self.get(field)
        if not text:
            raise refused(self.file, field, f"the header has no {field}", "the image cannot be understood without it")
        return text

    def true(self, field: str, default: bool = False) -> bool:
        text = self.get(field)
        if not text:
            return default
        if text.lower() not in ("true", "false", "1", "0"):
            raise refused(self.file, field, f"{field} is {text[:40]!r}", "it is True or False")
        return text.lower() in ("true", "1")


def read_metaimage(path: Path, quantity: str) -> VolumeHeader:
    """Header of a MetaImage file.

    Parameters
    ----------
    path
        A ``.mha`` or ``.mhd`` file.
    quantity
        What the values are to be (not used: a MetaImage does not say what its values are).

    Raises
    ------
    InputError
        Naming the field: missing, not understood, several values per voxel, sizes and places that are not possible,
        voxels in several files or outside the folder.
    """
    text = _fields(path)
    notes: list[str] = []
    kind = text.get("ObjectType", "Image")
    if kind.lower() != "image":
        raise refused(path, "ObjectType", f"the file holds an object of type {kind[:40]!r}", "an image is needed")
    (rank,) = sizes(path, "NDims", text.need("NDims"), 1)
    if not 1 <= rank <= 10:
        raise refused(path, "NDims", f"the image has {rank} dimensions", "a MetaImage has one to ten")
    shape = checked_shape(sizes(path, "DimSize", text.need("DimSize"), rank), path, "DimSize")
    channels = text.get("ElementNumberOfChannels", "1")
    if numbers(path, "ElementNumberOfChannels", channels, 1) != [1.0]:
        raise refused(
            path,
            "ElementNumberOfChannels",
            f"the image has {channels} values per voxel",
            "one number per voxel is needed",
            "export a scalar image, not colour or vectors",
        )
    for field, neutral in (("ElementToIntensityFunctionSlope", 1.0), ("ElementToIntensityFunctionOffset", 0.0)):
        if numbers(path, field, text.get(field, str(neutral)), 1) != [neutral]:
            raise refused(path, field, f"{field} is {text.get(field)}", "programs read the values without this scale")
    affine, placed = _place(text, rank, notes)
    checked_affine(affine, shape, path, "ElementSpacing")
    return VolumeHeader(path, shape, affine, placed, _dtype(text), _data(text), notes=tuple(notes))


def _fields(path: Path) -> _Fields:
    with path.open("rb") as stream:
        head = stream.read(LONGEST_HEADER)
    last = re.search(rb"(?:^|\n)[ \t]*ElementDataFile[ \t]*[=:][^\n]*(?:\n|$)", head)
    if last is None:
        raise InputError(
            "the image cannot be read: it is no MetaImage file",
            why="its header has no ElementDataFile, which ends it",
            suggestion="open it in a viewer, and export it again",
            file=path,
        )
    fields: dict[str, str] = {}
    for line in head[: last.end()].decode("utf-8", "replace").splitlines():
        name, sign, value = line.partition("=") if "=" in line else line.partition(":")
        if not sign:
            continue
        if name.strip() in fields:
            raise refused(path, name.strip()[:40], "the field is stated twice", "which is right cannot be told")
        fields[name.strip()] = value.strip()
    for names in _NAMES.values():
        stated = [name for name in names if name in fields]
        if len({fields[name] for name in stated}) > 1 and "ElementSize" not in stated:
            raise refused(path, stated[1], f"{stated[0]} and {stated[1]} differ", "they state the same thing")
    return _Fields(path, fields, last.end())


def _place(text: _Fields, rank: int, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Affine to LPS [mm], and whether the file states a place."""
    file = text.file
    spacing = np.array(numbers(file, "ElementSpacing", text.need("ElementSpacing"), rank))[:3]
    if np.any(spacing <= 0.0):
        raise refused(
            file,
            "ElementSpacing",
            f"the voxel size is {text.get('ElementSpacing')}",
            "every voxel needs a positive size",
        )
    matrix, offset = text.get("TransformMatrix"), text.get("Offset")
    affine = np.eye(4)
    if matrix:
        whole = np.array(numbers(file, "TransformMatrix", matrix, rank * rank)).reshape(rank, rank)
        affine[:3, :3] = whole[:3, :3].T  # each row is the direction of one stored axis
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if np.any(np.abs(lengths - 1.0) > 1e-3):
            raise refused(
                file,
                "TransformMatrix",
                f"the axes have the lengths {', '.join(f'{v:.4g}' for v in lengths)}",
                "directions have the length 1; the voxel size stands in ElementSpacing",
            )
        affine[:3, :3] /= lengths
    _compare_letters(text, affine[:3, :3], notes)
    affine[:3, :3] *= spacing
    if offset:
        affine[:3, 3] = numbers(file, "Offset", offset, rank)[:3]
    return affine, bool(offset and matrix)


def _compare_letters(text: _Fields, cosines: np.ndarray, notes: list[str]) -> None:
    """Say where AnatomicalOrientation names other axes than the matrix, by which all programs place the image."""
    stated = text.get("AnatomicalOrientation").upper()
    if not stated or "?" in stated or len(stated) != 3:
        return
    runs = []
    for column in cosines.T:
        axis = int(np.argmax(np.abs(column)))
        runs.append(_LETTERS[axis][0 if column[axis] > 0 else 1])
    if stated not in ("".join(r[0] for r in runs), "".join(r[1] for r in runs)):
        here = "".join(r[0] for r in runs)
        text_ = f"AnatomicalOrientation {stated} contradicts TransformMatrix ({here}), which is used"
        notes.append(Note(text_, weight=CAUTION))


def _dtype(text: _Fields) -> np.dtype:
    stated = text.need("ElementType").upper()
    if stated not in _TYPES:
        raise refused(text.file, "ElementType", f"the image has values of type {stated[:40]!r}", "numbers are needed")
    return np.dtype((">" if text.true("ElementByteOrderMSB") else "<") + _TYPES[stated])


def _data(text: _Fields) -> Data:
    file, name = text.file, text.need("ElementDataFile")
    encoding = "raw" if text.true("BinaryData", True) else "text"
    if text.true("CompressedData"):
        encoding = "deflate"
    path, start = (file, text.end) if name.upper() == "LOCAL" else (beside(file, "ElementDataFile", name), 0)
    (skipped,) = sizes(file, "HeaderSize", text.get("HeaderSize", "0"), 1)
    if skipped < 0 or (skipped and (path == file or encoding != "raw")):
        raise refused(
            file,
            "HeaderSize",
            f"the voxels start {skipped} bytes on",
            "that is read for whole bytes before plain voxels alone",
            "save the image as one .mha file",
        )
    return Data(file, path, start + skipped, encoding)
