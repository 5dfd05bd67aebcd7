"""ZIP files in a pile: unpacked into a folder beside the case file, with guards against what an archive can do.

Nothing in an archive is written outside that folder, nothing is overwritten, and what it would take on the disk is
known before the first byte is written.
"""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...archive import stated_entries
from ...errors import InputError
from ...text import counted, printable
from ..dicom.find import is_volume_file
from .foreign import may_hold_scan

#: What a ZIP file begins with.
_MARK = b"PK\x03\x04"
#: Most files in an archive: a study of ten whole-body scans has some 10,000 slices.
MOST_FILES = 200_000
#: Images are compressed to a tenth at best; a share of the disk beyond that is the sign of a decompression bomb. Small
#: archives may be of empty images, and are let pass.
MOST_RATIO, SMALL_BYTES = 100, 1 << 30
#: What must stay free on the disk [bytes].
SPARE_BYTES = 1 << 30
_CHUNK = 1 << 20
#: Endings of DICOM files.
_IMAGES = (".dcm", ".dicom", ".ima")
#: Parts of a ZIP file, which are none by themselves.
_PART = re.compile(r"\.(z\d{2}|\d{3})$")
#: Folders and files that systems add to archives by themselves.
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Unpacked:
    """An archive that was unpacked.

    Parameters
    ----------
    folder
        Where its files are.
    note
        What was done, for the account.
    """

    folder: Path
    note: str


def is_zip(path: Path) -> bool:
    """Whether a file is a ZIP by its name or, unless it is named as an image, by its content."""
    name = path.name.lower()
    if name.endswith(".zip"):
        return True
    if is_volume_file(path) or name.endswith(_IMAGES) or _PART.search(name):
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(len(_MARK)) == _MARK
    except OSError:
        return False


def holds_images(path: Path) -> bool:
    """Whether a ZIP file holds DICOM files or volumes; raises InputError as :func:`unpack`."""
    with _opened(path) as archive:
        for name, entry in _entries(archive, path):
            if is_volume_file(Path(name.name)) or name.suffix.lower() in _IMAGES or may_hold_scan(name.name):
                return True
            with _reading(path, name), archive.open(entry) as stream:
                if stream.read(132)[128:] == b"DICM":
                    return True
    return False


def unpack(path: Path, beside: Path) -> Unpacked:
    """Unpack a ZIP file into a folder of its name.

    Parameters
    ----------
    path
        The archive.
    beside
        Folder that gets the new folder. One of this name that holds the same files already is used as it is.

    Returns
    -------
    Unpacked
        The folder, and what was done.

    Raises
    ------
    InputError
        An archive that is damaged, encrypted, too large, of an unknown method, or whose entries lead outside its folder
        or are links; a folder of this name with other files.
    """
    own = path.name[: -len(".zip")] if path.name.lower().endswith(".zip") else f"{path.name}-files"
    folder = beside / (own or "archive")
    with _opened(path) as archive:
        entries = dict(_entries(archive, path))
        if not entries:
            why = "there is nothing to import in it"
            raise _refusal(path, "the ZIP file holds no file", why, "give the archive that holds the images")
        _check_size(path, list(entries.values()), beside)
        if folder.exists():
            _require_same(path, folder, entries)
            return Unpacked(folder, f"{printable(path.name)} was unpacked into {printable(folder.name)}/ before")
        part = beside / f".{folder.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            for name, entry in entries.items():
                _write(path, archive, name, entry, part / name)
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    count = counted(len(entries), "file")
    return Unpacked(folder, f"{printable(path.name)} was unpacked into {printable(folder.name)}/ ({count})")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError, ValueError, OverflowError, struct.error):
        raise _refusal(
            path, "the ZIP file cannot be read", "it is damaged or truncated, or no ZIP file", "copy it again"
        ) from None
    with archive:
        if len(archive.infolist()) != stated_entries(path):
            why = "its list of entries is damaged, and files would be missing"
            raise _refusal(path, "the ZIP file cannot be read", why, "copy it again")
        yield archive


def _entries(archive: zipfile.ZipFile, path: Path) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """Files of an archive by their places in it, checked one by one."""
    entries = archive.infolist()
    advice = "unpack it yourself after you have made sure where it comes from, and name the folder"
    if len(entries) > MOST_FILES:
        problem = f"the ZIP file lists {len(entries)} entries"
        raise _refusal(path, problem, f"more than {MOST_FILES} are no export of one patient", advice)
    seen: set[PurePosixPath] = set()
    for entry in entries:
        if not entry.filename or "\0" in entry.orig_filename:
            raise _refusal(
                path, "an entry of the ZIP file has no name", "its list of entries is damaged", "copy it again"
            )
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        shown = printable(entry.filename[:100])
        if name.is_absolute() or ".." in name.parts or ":" in entry.filename[:2]:
            why = "nothing in an archive may be written outside its own folder"
            raise _refusal(path, f"the entry {shown!r} leads outside the archive", why, advice)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _refusal(path, f"the entry {shown!r} is a link", "a link may lead anywhere on this machine", advice)
        if entry.is_dir() or entry.filename.endswith("\\") or not name.name or _is_litter(name):
            if not entry.flag_bits & 0x1:
                with _reading(path, name):  # a damaged name may look like that of a folder
                    archive.open(entry).close()
            continue
        if entry.flag_bits & 0x1:
            why = f"the entry {shown!r} needs a password"
            raise _refusal(path, "the ZIP file is encrypted", why, "unpack it, and name the folder")
        if name in seen:
            why = "one would replace the other"
            raise _refusal(path, f"the entry {shown!r} is there twice", why, "unpack it, and name the folder")
        seen.add(name)
        yield name, entry


def _is_litter(name: PurePosixPath) -> bool:
    return any(part in _LITTER or part.startswith("._") for part in name.parts)


def _check_size(path: Path, entries: list[zipfile.ZipInfo], beside: Path) -> None:
    """Refuse what is larger than an archive of images can be, or than the disk."""
    size, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if size > SMALL_BYTES and size > MOST_RATIO * packed:
        raise _refusal(
            path,
            f"the ZIP file of {_megabytes(packed)} states a content of {_megabytes(size)}",
            f"images are not compressed more than {MOST_RATIO} times: the archive is made to fill the disk",
            "ask for the files in another form",
        )
    free = shutil.disk_usage(beside).free
    if size > free - SPARE_BYTES:
        raise _refusal(
            path,
            f"its content is {_megabytes(size)}, and {_megabytes(free)} are free on the disk of the case file",
            "the images are unpacked beside the case file",
            "write the case file (-o) on a larger disk",
        )


def _write(path: Path, archive: zipfile.ZipFile, name: PurePosixPath, entry: zipfile.ZipInfo, file: Path) -> None:
    """Write one entry, never more than it states."""
    with _reading(path, name):
        file.parent.mkdir(parents=True, exist_ok=True)
        left = entry.file_size
        with archive.open(entry) as stream, file.open("xb") as out:
            while block := stream.read(_CHUNK):
                left -= len(block)
                if left < 0:
                    raise zipfile.BadZipFile("longer than stated")
                out.write(block)
        if left:
            raise zipfile.BadZipFile("shorter than stated")


@contextmanager
def _reading(path: Path, name: PurePosixPath) -> Iterator[None]:
    """Make what goes wrong with an entry an InputError that names it."""
    shown = printable(str(name)[:100])
    try:
        yield
    except NotImplementedError:
        why = f"the entry {shown!r} is compressed by a method that is not known here"
        raise _refusal(path, "the ZIP file cannot be unpacked", why, "unpack it, and name the folder") from None
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, OverflowError, MemoryError,
        struct.error, KeyError, IndexError,
    ):  # fmt: skip
        why = f"the entry {shown!r} is damaged or truncated"
        raise _refusal(path, "the ZIP file cannot be unpacked", why, "copy it again") from None
    except FileExistsError:
        why = f"the entry {shown!r} is there as a file and as a folder, or twice"
        raise _refusal(path, "the ZIP file cannot be unpacked", why, "unpack it, and name the folder") from None
    except OSError as error:
        why = f"the entry {shown!r} cannot be written: {error.strerror}"
        if error.errno is None:  # no error of the disk: bzip2 says so of bytes that are not its own
            raise _refusal(
                path, "the ZIP file cannot be unpacked", f"the entry {shown!r} is damaged or truncated", "copy it again"
            ) from None
        raise _refusal(path, "the ZIP file cannot be unpacked", why, "unpack it, and name the folder") from None


def _require_same(path: Path, folder: Path, entries: dict[PurePosixPath, zipfile.ZipInfo]) -> None:
    """Refuse a folder that is there unless it holds the files of the archive, byte for byte."""
    for name, entry in entries.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != entry.file_size or _crc(file) != entry.CRC:
            lacking = printable(str(name)[:100])
            raise _refusal(
                path,
                f"the folder {printable(folder.name)}/ is there, without the file {lacking!r} as in the ZIP file",
                "it would be overwritten",
                "rename that folder, or name it in place of the ZIP file",
            )


def _crc(file: Path) -> int:
    crc = 0
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK):
            crc = zlib.crc32(block, crc)
    return crc


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB" if size < 1e9 else f"{size / 1e9:.3g} GB"


def _refusal(path: Path, problem: str, why: str, suggestion: str) -> InputError:
    return InputError(problem, why=why, suggestion=suggestion, file=path)
