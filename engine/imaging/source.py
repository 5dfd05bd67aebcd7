"""An image or lesion file as a case names it, opened once: its headers, its geometry, and later its voxels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path

from ..folders import calls_itself_dicom, is_dicom, require
from .dicom.find import IMAGE_MODALITIES, Header, is_volume_file, read_header, split_path
from .dicom.frames import holds_a_volume
from .dicom.members import Headers, one_series, series_headers, slices_of
from .dicom.series import Stack, stack

#: What a caller may name an image by: a path, ``folder#SeriesInstanceUID``, or the files of a DICOM series.
ImagePath = str | Path | Sequence[Path]


class ImageSource:
    """One file, folder or series on disk. Each DICOM header is read when it is first asked for, and once.

    Attributes
    ----------
    name
        The path as it was given (with ``#SeriesInstanceUID``); the folder for a list of files.
    location
        The file or folder itself.
    series_uid
        The series that the path names in its folder; None where it names none.
    is_dicom
        Whether it is read as DICOM, and not as one volume file.
    path
        File, folder, ``folder#SeriesInstanceUID``, or the files of a DICOM series.
    read
        How one header is read; by default each file once.
    """

    def __init__(self, path: ImagePath, read: Callable[[Path], Header] | None = None) -> None:
        self._read = read or cache(read_header)
        self._files: list[Path] | None = None
        self.series_uid: str | None = None
        if isinstance(path, str | Path):
            self.name = str(path)
            self.location, self.series_uid = split_path(path)
            self.is_dicom = (
                self.series_uid is not None
                or self.location.is_dir()
                or (not is_volume_file(self.location) and _is_dicom(self.location))
            )
        else:
            self._files = [Path(p) for p in path]
            self.location = self._files[0].parent
            self.name, self.is_dicom = str(self.location), True

    @classmethod
    def open(cls, path: ImagePath | ImageSource) -> ImageSource:
        """The source that a path names; a source is its own."""
        return path if isinstance(path, ImageSource) else cls(path)

    def require(self, what: str) -> None:
        """Raise InputError, which calls it ``what``, unless the file or folder exists."""
        require(self.location, what)

    @cached_property
    def headers(self) -> Headers:
        """Headers of all DICOM files that the path names, with a remark on what else is there.

        Raises
        ------
        InputError
            A damaged file; no file or folder; no file of the series.
        """
        if self._files is not None:
            return Headers(self._read(p) for p in self._files)
        self.require("file or folder")
        if self.location.is_file():
            return Headers([self._read(self.location)])
        return series_headers(self.location, self.series_uid, self._read)

    def series(self, what: str, modality: str | None = None) -> Headers:
        """Headers of the slices of the one image series that the path names; of a file's whole series for a file.

        Frames of multi-frame objects are slices like others; copies and strays are left out, with a remark.

        Parameters
        ----------
        what
            How the message calls it: ``"CT"``, ``"PET"``.
        modality
            The DICOM modality it must have (CT, PT).

        Raises
        ------
        InputError
            When there is none, when several series share the folder, when the modality is another, or when the
            series is no volume.
        """
        if self._files is None:
            self.require(what)
        headers = self.headers
        if self._files is None and self.location.is_file():
            first = headers[0]
            if first.modality in IMAGE_MODALITIES and not holds_a_volume(first):
                siblings = series_headers(first.path.parent, None, self._read)
                headers = Headers((h for h in siblings if h.series == first.series), siblings.notes)
        return slices_of(one_series(headers, what, modality, self.location), what)

    def stack(self, what: str, modality: str | None = None) -> Stack:
        """The series in order: its frame of reference and grid, and on request its voxels.

        Arguments as for :meth:`series`; raises InputError for mixed or incomplete series too.
        """
        return stack(self.series(what, modality), what)


def _is_dicom(path: Path) -> bool:
    """Whether a file that a path names is to be read as DICOM, by its content or its name."""
    return is_dicom(path) or (path.is_file() and calls_itself_dicom(path))


class Sources:
    """The images and lesion files of one visit: each path is opened once, and no DICOM header is read twice."""

    def __init__(self) -> None:
        self._read = cache(read_header)
        self._open: dict[str, ImageSource] = {}

    def open(self, path: str | Path) -> ImageSource:
        """The source that a path names, the same each time."""
        return self._open.setdefault(str(path), ImageSource(path, self._read))
