"""Names of images in what leaves this machine: telling, and nobody's name, number or folder."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

CODE = r"[0-9a-f]{12}"
_UID = re.compile(r"\d+(?:\.\d+){3,}")
#: Folder names that say what is in them; any other may be a patient's, and long numbers are.
_PLAIN = re.compile(
    r"(?:pet|pt|ct|mri?|nm|seg|rtss|rtstruct|masks?|images?|lesions?|dicom|nifti|scans?|visits?|baseline|follow|up"
    r"|days?|weeks?|after|pre|post|[dhwtv]|(?<!\d)\d{1,3}(?!\d)|[-_ .]"
    # whole words only: in pieces they would make up names
    r"|(?<![a-z])(?:hn|wb|head[-_ ]?(?:and[-_ ]?)?neck|thorax|abdomen|pelvis|whole[-_ ]?body|n?ac|ctac|ld|low[-_ ]?dose"
    r"|diag|diagnostic|static|bed|p(?=\d))(?![a-z]))+",
    re.IGNORECASE,
)
#: Names of DICOM files that say what is in them; any other may be made of a patient's name or number, as exports do.
_PLAIN_DICOM = re.compile(
    rf"(?:{_PLAIN.pattern}|rs|rd|rp|structures?|structset|struct|set|dose|plan|slices?|i|im|img|uid|file|dicomdir|dirfile"
    r"|(?<!\d)0*\d{1,4}(?!\d))*",
    re.IGNORECASE,
)
#: The same of tables and texts, which are called after what they hold or after what they were measured with.
_PLAIN_TABLE = re.compile(
    rf"(?:{_PLAIN.pattern}|rc|recovery|curves?|calibration|calib|cal|density|hu|phantom|nema|iec|spheres?|scanner|blood"
    r"|samples?|retention|whole|body|table|readme|notes|i124|f18|ga68|cu64|zr89|y90|lu177|i131)*",
    re.IGNORECASE,
)
_TABLES = (".csv", ".tsv", ".txt", ".dat")
#: Absolute paths in a sentence, on POSIX systems and on Windows; a blank in a folder's name ends one.
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:,;'\"()]+)+[/\\]?")


def series_code(uid: str) -> str:
    """Twelve hexadecimal digits that stand for a series UID: they identify it without revealing it."""
    return uid if re.fullmatch(CODE, uid) else hashlib.sha256(uid.encode()).hexdigest()[:12]


def telling_name(path: Path, uid: str | None = None) -> str:
    """Name of a file, or of a folder of images, for results and reports.

    The folder above is added where it only says what is in it (``PET/image``, ``24h/CT``), any other folder
    name and every UID is left out.

    Parameters
    ----------
    path
        File or folder.
    uid
        UID (or code) of a series in the folder.
    """
    file = path.is_file() or (bool(path.suffix) and not path.is_dir())
    name = _UID.sub("UID", path.name) if file or _PLAIN.fullmatch(path.name) else "folder"
    if file and path.suffix.lower() in ("", ".dcm", ".ima") and not _PLAIN_DICOM.fullmatch(Path(name).stem):
        name = f"file{path.suffix}"
    if file and path.suffix.lower() in _TABLES and not _PLAIN_TABLE.fullmatch(Path(name).stem):
        name = f"table{path.suffix}"
    if _PLAIN.fullmatch(path.parent.name) and name != "folder":
        name = f"{path.parent.name}/{name}"
    return name if uid is None else f"{name}#{series_code(uid)[:6]}"


def without_folders(text: str, *folders: Path) -> str:
    """A sentence without the folders in it: of each absolute path the last part is left.

    Parameters
    ----------
    text
        For instance a message about a file.
    folders
        Folders that the sentence may name, blanks and all.
    """
    for folder in sorted(folders, key=lambda one: len(str(one)), reverse=True):
        if len(folder.parts) > 1:
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), telling_name(folder))
    return _PATH.sub(lambda found: found[0].rstrip("/\\").replace("\\", "/").rpartition("/")[2], text)
