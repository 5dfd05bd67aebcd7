"""Files that are not read and may hold a scan: compressed ones, archives, parts of them, and volumes of other formats.

By content where the format has a mark, else by the ending: a pile has such files because somebody exported them, and a
scan must not be left out without a word.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from ...folders import calls_itself_dicom, is_dicom_head

#: Endings of archives; of these a ZIP is unpacked by an import.
_ARCHIVE = re.compile(
    r"\.(zipx?|7z|rar|tar|t?gz|tbz2?|bz2|txz|xz|zst|iso|lzma|lz4|cab|dmg)$"
    r"|\.(zip|7z|rar|tar|gz|tgz|dcm)\.(\d{3}|part\d+)$|\.(z\d{2}|r\d{2}|part\d+\.rar|0\d\d)$"
)
#: Endings of parts of one archive.
_PART = re.compile(r"\.(z\d{2}|r\d{2}|\d{3}|part\d+(\.rar)?)$")
#: Marks at the start of archives.
_ARCHIVE_MARKS = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd", b"MSCF", b"PK\x03\x04", b"PK\x07\x08")
_TAR_AT, _TAR_MARK = 257, b"ustar"


def _gzip(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path))


def _bzip2(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", bz2.open(path))


def _xz(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", lzma.open(path))


#: What a compressed file begins with, and how its start is read.
_COMPRESSED: tuple[tuple[bytes, Callable[[Path], IO[bytes]]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\x00", _xz),
)
#: Endings of volumes that are not read, and their format: ECAT, Analyze or Interfile, MINC, FreeSurfer, MATLAB, TIFF,
#: NumPy, Philips PAR/REC, VTK, bare numbers.
_VOLUMES = {
    **dict.fromkeys(("v", "ecat", "i"), "ECAT"),
    **dict.fromkeys(("hdr", "img"), "Analyze, Interfile or a NIfTI pair"),
    **dict.fromkeys(("h33", "i33", "hv", "s", "hs"), "Interfile"),
    **dict.fromkeys(("mnc", "mnc2", "minc"), "MINC"),
    **dict.fromkeys(("mgz", "mgh"), "FreeSurfer"),
    "mat": "MATLAB",
    **dict.fromkeys(("tif", "tiff"), "TIFF"),
    **dict.fromkeys(("npy", "npz"), "NumPy"),
    **dict.fromkeys(("par", "rec"), "Philips PAR/REC"),
    **dict.fromkeys(("vti", "vtk"), "VTK"),
    **dict.fromkeys(("h5", "hdf5", "hdf"), "HDF5"),
    **dict.fromkeys(("raw", "zraw", "bin", "flt"), "numbers without a header"),
}
#: Marks of volumes, whatever their files are called: where, which, what.
_VOLUME_MARKS = (
    (0, b"MATRIX7", "ECAT"),
    (0, b"!INTERFILE", "Interfile"),
    (344, b"n+1\0", "NIfTI under another name"),
    (344, b"ni1\0", "a NIfTI pair"),
    (4, b"n+2\0", "NIfTI under another name"),
    (0, b"NRRD0", "NRRD under another name"),
    (0, b"ObjectType = Image", "MetaImage under another name"),
)
#: Headers of volumes that are read, whose numbers lie in a file beside them.
_HEADERS = (".mhd", ".nhdr")
#: Endings of headers that are listed for both files of a volume.
_PAIRS = {".img": (".hdr",), ".i33": (".h33",), ".rec": (".par",), ".v": (".hv",), ".s": (".hs",)}
_HEAD = 2048


def not_read(path: Path) -> tuple[str, str]:
    """What a file is that is not read and may hold a scan, and why it is not.

    Parameters
    ----------
    path
        A file that is no DICOM object and no volume.

    Returns
    -------
    (kind, reason)
        The kind for the account; both empty where nothing speaks for a scan.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return "damaged", "it cannot be opened: check who may read it"
    inner, name = _uncompressed(path, head), path.name.lower()
    if inner and inner[_TAR_AT : _TAR_AT + len(_TAR_MARK)] != _TAR_MARK:
        stem = Path(name).stem
        if is_dicom_head(inner) or calls_itself_dicom(Path(stem)):
            return "archive", "a compressed DICOM file: uncompress it, and import the folder"
        what = _marked(inner) or _volume_ending(stem) or _volume_ending(name)
        return ("volume", _export(f"compressed, {what}")) if what else ("", "")
    if is_archive_name(name) or _is_marked_archive(head) or inner:
        reason = "a part of an archive: join the parts, unpack them" if _PART.search(name) else "an archive: unpack it"
        return "archive", f"{reason}, and import the folder"
    if what := _marked(head):
        return "volume", _export(what)
    if head and (what := _volume_ending(name)) and not _is_second_file(path):
        return "volume", _export(what)
    return "", ""


def is_archive_name(name: str) -> bool:
    """Whether a name is that of an archive, of a part of one, or of a compressed file that is no volume."""
    return _ARCHIVE.search(name.lower()) is not None


def may_hold_scan(name: str) -> bool:
    """Whether a file inside an archive may hold a scan by its name, though it is not read."""
    return is_archive_name(name) or bool(_volume_ending(name.lower()))


def _export(what: str) -> str:
    return f"not read ({what}): export it as DICOM or NIfTI"


def _volume_ending(name: str) -> str:
    return _VOLUMES.get(Path(name).suffix.lower().removeprefix("."), "")


def _marked(head: bytes) -> str:
    """The format of a volume by its mark."""
    return next((what for at, mark, what in _VOLUME_MARKS if head[at : at + len(mark)] == mark), "")


def _is_marked_archive(head: bytes) -> bool:
    return head.startswith(_ARCHIVE_MARKS) or head[_TAR_AT : _TAR_AT + len(_TAR_MARK)] == _TAR_MARK


def _uncompressed(path: Path, head: bytes) -> bytes:
    """The start of what a compressed file holds, one zero where it is damaged; empty where the file is none."""
    for mark, opened in _COMPRESSED:
        if head.startswith(mark):
            try:
                with opened(path) as content:
                    return content.read(_HEAD) or b"\0"
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return b"\0"
    return b""


def _is_second_file(path: Path) -> bool:
    """Whether a file holds the numbers of a header beside it that is read, or listed for both."""
    endings = (*_HEADERS, *_PAIRS.get(path.suffix.lower(), ()))
    stems = (path.with_suffix(""), path.with_suffix("").with_suffix(""))
    return any(stem.with_suffix(ending).exists() for stem in stems for ending in endings)
