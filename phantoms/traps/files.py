"""Files and folders: what is seen, names, archives."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset

from .patient import write_case, write_patient
from .trap import IMPORT, Right, Trap

_LESION = {"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5, "mass_g": 4.17}}
_PLAIN = {"hours": (24.0, 96.0), "lesions": _LESION, "grid": (20, 30, 30)}
#: What macOS stores of a file on a disk that is not its own.
_APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(100)


def _beside(**contents: bytes) -> Callable[[Path], None]:
    """The patient with further files in the folders CT and PET24."""

    def make(folder: Path) -> None:
        write_patient(folder)
        for series in ("CT", "PET24"):
            for name, content in contents.items():
                (folder / series / name).write_bytes(content)

    return make


def _dicomdir(folder: Path) -> None:
    """A DICOMDIR under another name in each series folder."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    meta.TransferSyntaxUID, meta.ImplementationClassUID = "1.2.840.10008.1.2.1", "1.2.3"
    data = pydicom.Dataset()
    data.FileSetID, data.file_meta = "CD", meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    _beside(DIRFILE=buffer.getvalue())(folder)


def _bare(implicit: bool) -> Callable[[Path], None]:
    """All images without the preamble of 128 bytes and without meta information."""

    def make(folder: Path) -> None:
        write_patient(folder)
        for path in (p for name in ("CT", "PET24", "PET96") for p in (folder / name).iterdir()):
            data, buffer = pydicom.dcmread(path), io.BytesIO()
            del data.file_meta
            stream = DicomFileLike(buffer)
            stream.is_little_endian, stream.is_implicit_VR = True, implicit
            write_dataset(stream, data)
            path.write_bytes(buffer.getvalue())

    return make


def _renamed(**names: str) -> Callable[[Path], None]:
    """The patient with folders of other names."""

    def make(folder: Path) -> None:
        write_patient(folder)
        for old, new in names.items():
            (folder / old).rename(folder / new)
        write_case(folder, [names.get("PET24", "PET24"), "PET96"], names.get("CT", "CT"))

    return make


def _imported(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """The same without a case file."""

    def without_case(folder: Path) -> None:
        make(folder)
        (folder / "case.yaml").unlink()

    return without_case


def _not_unicode(folder: Path) -> None:
    """CT slices whose names are not UTF-8."""
    write_patient(folder)
    for path in sorted((folder / "CT").iterdir()):
        path.rename(path.with_name(os.fsdecode(b"Sch\xe4del_" + os.fsencode(path.name))))


TRAPS: tuple[Trap, ...] = (
    Trap(
        "apple-double-files",
        "Hidden files of macOS (._CT001.dcm) beside the slices.",
        "Left out, and said.",
        _beside(**{"._CT001.dcm": _APPLE_DOUBLE, ".DS_Store": b"Bud1"}),
        Right(**_PLAIN, says=("._CT001.dcm (hidden)",)),
        source="report",
    ),
    Trap(
        "dicomdir-under-another-name",
        "A table of contents (DICOMDIR) called DIRFILE in each series folder.",
        "Left out, and said.",
        _dicomdir,
        Right(**_PLAIN, says=("DIRFILE (a DICOMDIR)",)),
        source="report",
    ),
    Trap(
        "text-beside-the-slices",
        "A note and a picture index in the series folders.",
        "Left out, and said.",
        _beside(**{"readme.txt": b"exported on Monday\n", "Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(600)}),
        Right(**_PLAIN, says=("readme.txt (not DICOM)",)),
    ),
    Trap(
        "empty-file-among-the-slices",
        "A further file of no bytes, called like a slice.",
        "Left out, and said: it may have been a slice.",
        _beside(**{"IM999.dcm": b""}),
        Right(**_PLAIN, says=("IM999.dcm (empty)",)),
    ),
    Trap(
        "text-named-dcm",
        "A web page that is called like a slice.",
        "Left out, and said.",
        _beside(**{"IM999.dcm": b"<html>session expired</html>" * 20}),
        Right(**_PLAIN, says=("IM999.dcm (not DICOM)",)),
    ),
    Trap(
        "no-preamble",
        "Old exports without the preamble of 128 bytes (implicit VR).",
        "Read.",
        _bare(implicit=True),
        Right(**_PLAIN),
        source="report",
    ),
    Trap(
        "no-preamble-explicit",
        "Old exports without the preamble of 128 bytes (explicit VR).",
        "Read.",
        _bare(implicit=False),
        Right(**_PLAIN),
    ),
    Trap(
        "no-preamble-imported",
        "Old exports without the preamble of 128 bytes, sorted by import.",
        "Read by import and check alike.",
        _imported(_bare(implicit=True)),
        Right(**_PLAIN),
        IMPORT,
    ),
    Trap(
        "folders-named-with-hash",
        "Folders CT#1 and PET#24.5.",
        "Read: a folder of that name exists.",
        _imported(_renamed(CT="CT#1", PET24="PET#24.5")),
        Right(**_PLAIN),
        IMPORT,
        source="report",
    ),
    Trap(
        "folder-called-like-a-path-with-a-series",
        "A folder is called a#1.2.3, as a path with a series UID is written.",
        "Read: a folder of that name exists.",
        _renamed(CT="a#1.2.3"),
        Right(**_PLAIN),
    ),
    Trap(
        "names-that-are-not-unicode",
        "Slices whose file names are not UTF-8.",
        "Read.",
        _not_unicode,
        Right(**_PLAIN),
    ),
)
