"""The files that belong to one image series: without copies, strays and what is no image, each with a remark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...errors import InputError
from ...folders import dicom_files, left_out, shown_file
from ...notes import CAUTION, NOTE, Note
from ...privacy import series_code
from ...text import counted
from . import elements
from .find import IMAGE_MODALITIES, Header, read_header
from .frames import frames_of
from .kinds import NO_ORIENTATION, SINGLE, main_orientation, no_slice, no_volume
from .pixels import same_pixels

#: What two files of one instance must agree in to be copies; other elements may be changed on export.
_DECIDING = (
    "SeriesInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "Rows", "Columns", "RescaleSlope", "RescaleIntercept", "Units", "DecayCorrection", "SeriesDate", "SeriesTime",
    "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "TimezoneOffsetFromUTC", "ActualFrameDuration",
    "NumberOfFrames",
)  # fmt: skip


class Headers(list[Header]):
    """Headers with remarks on what was left out beside them.

    Attributes
    ----------
    notes
        One sentence each.
    are_slices
        Whether each is one slice of one series: no copies, no strays, no multi-frame objects.
    """

    def __init__(self, headers: Iterable[Header] = (), notes: Iterable[str] = (), are_slices: bool = False) -> None:
        super().__init__(headers)
        self.notes = list(notes)
        self.are_slices = are_slices


def series_headers(folder: Path, uid: str | None, read: Callable[[Path], Header] = read_header) -> Headers:
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
    Headers
        In the order of the file names, with a remark on the files that were left out.

    Raises
    ------
    InputError
        A damaged file; no file of the series.
    """
    files, others = dicom_files(folder, deep=uid is not None)
    if uid is None:
        note = left_out(others)
        if any(path.suffix == file.suffix and why != "hidden" for path, why in others.items() for file in files[:1]):
            note = Note(note, weight=CAUTION)  # it has the name of a slice, and may have been one
        headers = [read(p) for p in files]
    else:
        # what else is in the whole tree says nothing about this series, but for what cannot be read
        headers, damaged = _readable(files, read)
        note = Note(left_out(damaged), weight=CAUTION)
        headers = [h for h in headers if uid in (h.series, series_code(h.series))]
        if not headers:
            raise InputError(
                f"no DICOM file with series UID {uid}",
                why="the path names a series that the folder does not contain",
                suggestion="run `hevesy import` again on the folder",
                file=folder,
            )
    return Headers(headers, [note] if note else [])


def _readable(files: Iterable[Path], read: Callable[[Path], Header]) -> tuple[list[Header], dict[Path, str]]:
    headers, damaged = [], {}
    for path in files:
        try:
            headers.append(read(path))
        except InputError:
            damaged[path] = "damaged"
    return headers, damaged


def one_series(headers: Sequence[Header], what: str, modality: str | None, source: Path) -> Headers:
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

    Returns
    -------
    Headers
        Its files, with the remarks on those left out.

    Raises
    ------
    InputError
        When there is none, when several series share the folder, or when the modality is another.
    """
    notes = headers.notes if isinstance(headers, Headers) else []
    images = [h for h in headers if h.modality in IMAGE_MODALITIES]
    if not images:
        kinds = ", ".join(sorted({h.modality or "none stated" for h in headers})) or "none"
        raise InputError(
            f"no {what} image series found",
            why=f"modalities found: {kinds}" + "".join(f"; {note}" for note in notes),
            suggestion="give the folder that holds the series' slices",
            file=source,
        )
    notes = list(notes)
    images = _without_pictures(images, notes)
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
    return Headers(images, notes)


def _without_pictures(images: list[Header], notes: list[str]) -> list[Header]:
    """The images without series that are no volume (a scout, a dose report), where another one is."""
    series: dict[str, list[Header]] = {}
    for header in images:
        series.setdefault(header.series, []).append(header)
    reasons = {uid: no_volume(members) for uid, members in series.items()} if len(series) > 1 else {}
    if not any(reasons.values()) or all(reasons.values()):
        return images
    for uid, reason in reasons.items():
        if reason:
            what = f"{series[uid][0].modality} series of {counted(len(series[uid]), 'image')}"
            notes.append(f"a further {what} in the folder was left out: {reason} ({shown_file(series[uid][0].path)})")
    return [header for header in images if not reasons[header.series]]


def slices_of(headers: Sequence[Header], what: str) -> Headers:
    """The slices of one series: frames of multi-frame objects laid out, copies and strays left out.

    Parameters
    ----------
    headers
        Of all its files.
    what
        How messages call it: ``"CT"``, ``"PET"``.

    Returns
    -------
    Headers
        One per slice, and a remark on each kind of file that was left out.

    Raises
    ------
    InputError
        Two different files of one instance; a series that is no volume.
    """
    if isinstance(headers, Headers) and headers.are_slices:
        return headers
    notes = list(headers.notes) if isinstance(headers, Headers) else []
    single = _without_copies(headers, notes)
    slices = [frame for header in single for frame in frames_of(header)]
    reason = no_volume(slices)
    if reason and reason not in (SINGLE, NO_ORIENTATION):
        raise InputError(
            f"the {what} series is no volume: {reason}",
            why="a volume is made of slices of the patient, with one number in each pixel",
            suggestion="give the original axial series",
            file=headers[0].path if len(single) == 1 else headers[0].path.parent,
            field="ImageType" if "locali" in reason or "projection" in reason else None,
        )
    slices = _without_strays(slices, notes)
    return Headers(slices, notes, are_slices=True)


def _without_copies(headers: Sequence[Header], notes: list[str]) -> list[Header]:
    """The first file of each instance.

    Raises
    ------
    InputError
        Two files of one instance that differ, or one that names no instance.
    """
    first: dict[str, Header] = {}
    copies: dict[Path, str] = {}
    for header in headers:
        if not header.instance:
            raise InputError(
                "the file has no SOPInstanceUID",
                why="its slices cannot be told apart",
                suggestion="export the series again",
                file=header.path,
                field="SOPInstanceUID (0008,0018)",
            )
        known = first.setdefault(header.instance, header)
        if known is header:
            continue
        if (difference := _difference(known, header)) and known.path != header.path:
            raise InputError(
                f"two files are the same instance and differ in {difference}: {known.place} and {header.place}",
                why="which of them belongs to the series is not known",
                suggestion="keep one of the two",
                file=header.path,
                field="SOPInstanceUID (0008,0018)",
            )
        copies[header.path] = "a copy"
    if copies:
        notes.append(left_out(copies))
    return list(first.values())


def _difference(one: Header, other: Header) -> str:
    """What two files of one instance differ in; empty where one is a copy of the other."""
    if one.path.stat().st_size == other.path.stat().st_size and one.path.read_bytes() == other.path.read_bytes():
        return ""
    for keyword in _DECIDING:
        if elements.texts(one.dataset, keyword) != elements.texts(other.dataset, keyword):
            return keyword
    return "" if same_pixels(one, other) else "their pixels"


def _without_strays(slices: list[Header], notes: list[str]) -> list[Header]:
    """The slices without localizers, screenshots and images of another orientation."""
    reasons = {id(header): reason for header in slices if (reason := no_slice(header))}
    strays = {header.path: reasons[id(header)] for header in slices if id(header) in reasons}
    if strays:
        # a slice that has lost its position looks like a scout, and leaves no gap at an end of the stack
        lost = any(reason.startswith("an image without") for reason in strays.values())
        notes.append(Note(_stray_note(strays), weight=CAUTION if lost else NOTE))
    main, others = main_orientation([header for header in slices if id(header) not in reasons])
    if not main:
        return others  # whose orientation is refused where it is read
    broken = [h for h in others if len(elements.numbers(h.dataset, "ImageOrientationPatient")) != 6]
    turned = [h for h in others if h not in broken]
    if turned:
        notes.append(Note(_stray_note({h.path: "another orientation" for h in turned}), weight=CAUTION))
    return [*main, *broken]


def _stray_note(strays: dict[Path, str]) -> str:
    names = ", ".join(f"{shown_file(path)} ({reason})" for path, reason in list(strays.items())[:3])
    more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
    return f"{counted(len(strays), 'image', ('is', 'are'))} no slice of the volume and left out: {names}{more}"
