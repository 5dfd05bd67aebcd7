"""Finding DICOM files: headers, series, and the ``folder#SeriesInstanceUID`` form of a path.

A path in a case may name a volume file, one DICOM file, a folder that holds one image series, or, for a
folder with several, ``folder#SeriesInstanceUID``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...privacy import series_code
from ...series_path import SeriesPath
from ...text import counted

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: File name endings that SimpleITK reads as one volume.
VOLUME_ENDINGS = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
#: DICOM modalities that are stacks of slices.
IMAGE_MODALITIES = ("CT", "PT", "NM", "MR")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's remarks on harmless deviations (too long text values) out of the user's sight."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Header:
    """One DICOM file without its pixels.

    Parameters
    ----------
    path
        The file.
    dataset
        Its elements, as pydicom reads them.
    frame
        Index of the frame that the elements are of, where they were taken out of a multi-frame object.
    """

    path: Path
    dataset: Dataset
    frame: int | None = None

    @property
    def modality(self) -> str:
        return str(self.dataset.get("Modality", ""))

    @property
    def series(self) -> str:
        return str(self.dataset.get("SeriesInstanceUID", ""))

    @property
    def frame_of_reference(self) -> str | None:
        return str(self.dataset.get("FrameOfReferenceUID", "") or "") or None

    @property
    def description(self) -> str:
        return str(self.dataset.get("SeriesDescription", ""))


def split_path(path: str | Path) -> SeriesPath:
    """A path and the series UID after its ``#``, if it has one.

    Parameters
    ----------
    path
        File or folder, with or without ``#SeriesInstanceUID``.

    Returns
    -------
    SeriesPath
        The file or folder, and the series UID.
    """
    return SeriesPath.parse(path)


def exists(path: str | Path) -> bool:
    """Whether the file or folder of a case's path (with or without ``#SeriesInstanceUID``) exists.

    Parameters
    ----------
    path
        As for :func:`split_path`.

    Returns
    -------
    bool
        True when it exists.
    """
    return split_path(path)[0].exists()


def require(path: Path, what: str) -> None:
    """Raise InputError unless ``path`` exists."""
    if not path.exists():
        raise InputError(
            f"the {what} does not exist",
            why="nothing can be read from it",
            suggestion="check the path; paths in a case file are relative to the case file",
            file=path,
        )


def is_volume_file(path: Path) -> bool:
    """Whether the name is that of a NIfTI, MetaImage or NRRD file."""
    return path.name.lower().endswith(VOLUME_ENDINGS)


def is_dicom(path: Path) -> bool:
    """Whether a file starts like DICOM (PS3.10 preamble) or at least calls itself ``.dcm``."""
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    return head[128:132] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


def read_header(path: Path) -> Header:
    """One file's header, without its pixels.

    Parameters
    ----------
    path
        A DICOM file.

    Returns
    -------
    Header
        The file and its elements.

    Raises
    ------
    InputError
        A damaged file, or one without SOP class or series UID.
    """
    import pydicom

    try:
        with quiet():
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise InputError(
            "the DICOM file cannot be read",
            why=f"it is damaged or truncated ({error})",
            suggestion="copy it again from the archive, or remove it from the folder",
            file=path,
        ) from None
    if not dataset.get("SOPClassUID") or not dataset.get("SeriesInstanceUID"):
        raise InputError(
            "the DICOM file has no SOP class or series UID",
            why="its header is incomplete, probably truncated",
            suggestion="copy it again from the archive, or remove it from the folder",
            file=path,
        )
    return Header(path, dataset)


def files_below(folder: Path) -> list[Path]:
    """All ordinary files below a folder, sorted, without hidden ones and DICOMDIR."""
    files = (p for p in folder.rglob("*") if p.is_file())
    visible = [
        p
        for p in files
        if not any(part.startswith(".") for part in p.relative_to(folder).parts) and p.name != "DICOMDIR"
    ]
    return sorted(visible)


def series_headers(folder: Path, uid: str | None, read: Callable[[Path], Header] = read_header) -> list[Header]:
    """Headers of the DICOM files of a folder: its own files, else those below; of one series if ``uid`` says so.

    Parameters
    ----------
    folder
        Where to look.
    uid
        Series instance UID, or its code (:func:`hevesy.engine.privacy.series_code`); None for every file.
    read
        How one header is read.

    Returns
    -------
    list of Header
        In the order of the file names.

    Raises
    ------
    InputError
        A damaged file; no file of the series.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file() and is_dicom(p))
    if not files or uid is not None:
        files = [p for p in files_below(folder) if is_dicom(p)]
    headers = [read(p) for p in files]
    if uid is not None:
        headers = [h for h in headers if uid in (h.series, series_code(h.series))]
        if not headers:
            raise InputError(
                f"no DICOM file with series UID {uid}",
                why="the path names a series that the folder does not contain",
                suggestion="run `hevesy import` again on the folder",
                file=folder,
            )
    return headers


def one_series(headers: Sequence[Header], what: str, modality: str | None, source: Path) -> list[Header]:
    """The one image series among headers.

    Parameters
    ----------
    headers
        Of the files that a path names.
    what
        How the message calls it: ``"CT"``, ``"PET"``.
    modality
        The DICOM modality it must have (CT, PT); any for None.
    source
        The file or folder, for messages.

    Raises
    ------
    InputError
        When there is none, when several series share the folder, or when the modality is another.
    """
    images = [h for h in headers if h.modality in IMAGE_MODALITIES]
    if not images:
        kinds = ", ".join(sorted({h.modality for h in headers})) or "none"
        raise InputError(
            f"no {what} image series found",
            why=f"modalities found: {kinds}",
            suggestion="give the folder that holds the series' slices",
            file=source,
        )
    uids = sorted({h.series for h in images})
    if len(uids) > 1:
        parts = []
        for uid in uids:
            members = [h for h in images if h.series == uid]
            parts.append(f"{members[0].modality} {members[0].description!r} {counted(len(members), 'file')} {uid}")
        raise InputError(
            f"{len(uids)} image series are mixed in one folder: " + "; ".join(parts),
            why="only one of them can be the " + what,
            suggestion=f"separate them, or write '{source.name}#{uids[0]}' in the case",
            file=source,
        )
    if modality is not None and images[0].modality != modality:
        raise InputError(
            f"the series is {images[0].modality}, not {modality}",
            why=f"the {what} was expected here",
            suggestion="check that PET and CT are not swapped in the case",
            file=source,
        )
    return images
