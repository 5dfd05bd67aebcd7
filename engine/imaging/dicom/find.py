"""Finding DICOM files and reading their headers; the ``folder#SeriesInstanceUID`` form of a path.

A path in a case may name a volume file, one DICOM file, a folder that holds one image series, or, for a
folder with several, ``folder#SeriesInstanceUID``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...folders import files_below as files_below
from ...folders import is_dicom as is_dicom
from ...folders import require as require
from ...series_path import SeriesPath
from . import elements

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

#: File name endings that SimpleITK reads as one volume.
VOLUME_ENDINGS = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
#: DICOM modalities that are stacks of slices.
IMAGE_MODALITIES = ("CT", "PT", "NM", "MR")
#: Sequences of an image's header that are kept: its tracer, its scale, its frames, and what it was made from.
KEPT_SEQUENCES = frozenset(
    (
        "RadiopharmaceuticalInformationSequence", "ModalityLUTSequence", "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence", "RealWorldValueMappingSequence", "PatientGantryRelationshipCodeSequence",
        "GatedInformationSequence", "ReferencedSeriesSequence",
    )
)  # fmt: skip
#: Longest element [bytes] of an image's header that is kept unless it is one of those sequences, and the longest
#: private one: vendors store whole protocols there, and times and factors in a few bytes.
_LONGEST, _LONGEST_PRIVATE = 512, 128
#: Elements longer than this [bytes] are not read at first.
_DEFERRED = 16384
#: SOP classes of RTSTRUCT and SEG, and the bytes at the start of a file in which its class stands.
_STRUCTURE, _HEAD = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(?:481\.3|66\.\d)[\x00\x02\x08]"), 1024
#: Elements that many headers have in common, held once; emptied when there are more. By what says how the bytes are
#: read (tag, representation, byte order) and the bytes: equal ones of another representation are another value.
_SHARED: dict[tuple[object, ...], DataElement | RawDataElement] = {}
_MOST_SHARED = 200_000


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
        Its elements, as pydicom reads them; of an image without long and private ones (:meth:`full` has all).
    frame
        Index of the frame that the elements are of, where they were taken out of a multi-frame object.
    """

    path: Path
    dataset: Dataset
    frame: int | None = None

    @property
    def modality(self) -> str:
        return elements.text(self.dataset, "Modality")

    @property
    def series(self) -> str:
        return elements.text(self.dataset, "SeriesInstanceUID")

    @property
    def instance(self) -> str:
        return elements.text(self.dataset, "SOPInstanceUID")

    @property
    def frame_of_reference(self) -> str | None:
        return elements.text(self.dataset, "FrameOfReferenceUID") or None

    @property
    def description(self) -> str:
        return elements.text(self.dataset, "SeriesDescription")

    @property
    def place(self) -> str:
        """Folder and file, and the frame, as messages name it."""
        name = f"{self.path.parent.name}/{self.path.name}"
        return name if self.frame is None else f"{name}, frame {self.frame + 1}"

    def full(self) -> Dataset:
        """All elements of the file, read again, without its pixels."""
        return _read(self.path)


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


def is_volume_file(path: Path) -> bool:
    """Whether the name is that of a NIfTI, MetaImage or NRRD file."""
    return path.name.lower().endswith(VOLUME_ENDINGS)


def read_header(path: Path) -> Header:
    """One file's header, without its pixels.

    Of an image the short elements are kept, and those that its slices have in common are held once: a pile of 20,000
    files fits in memory. Structures and segmentations are kept whole.

    Parameters
    ----------
    path
        A DICOM file, with or without the preamble of PS3.10.

    Returns
    -------
    Header
        The file and its elements.

    Raises
    ------
    InputError
        A damaged file, or one without SOP class or series UID.
    """
    require(path, "DICOM file")
    data = _read(path, None if _is_structure(path) else _DEFERRED)
    modality = elements.text(data, "Modality")
    if modality in IMAGE_MODALITIES:
        data = _kept(data, path, _LONGEST_PRIVATE if modality == "PT" else 0)
    elif any(_is_deferred(element) for element in _elements(data)):
        data = _read(path)
    for keyword in ("SOPClassUID", "SeriesInstanceUID"):
        if not elements.text(data, keyword):
            raise InputError(
                "the DICOM file has no SOP class or series UID",
                why="its header is incomplete, probably truncated",
                suggestion="copy it again from the archive, or remove it from the folder",
                file=path,
                field=keyword,
            )
    return Header(path, data)


def _read(path: Path, deferred: int | None = None) -> Dataset:
    """A file's elements without its pixels, those longer than ``deferred`` [bytes] without their values."""
    import pydicom

    try:
        with quiet():
            # force: exports of old systems begin with the data set, without a preamble
            return pydicom.dcmread(path, stop_before_pixels=True, defer_size=deferred, force=is_dicom(path))
    except Exception:  # pydicom raises many kinds for damaged files
        raise InputError(
            "the DICOM file cannot be read",
            why="it is damaged, truncated, or no DICOM",
            suggestion="copy it again from the archive, or remove it from the folder",
            file=path,
        ) from None


def _is_structure(path: Path) -> bool:
    """Whether a file begins like a structure set or a segmentation, which are kept whole."""
    try:
        with path.open("rb") as stream:
            return _STRUCTURE.search(stream.read(_HEAD)) is not None
    except OSError:
        return False


def _elements(data: Dataset) -> Iterator[DataElement | RawDataElement]:
    """The elements of a file as they were read: not converted, and without the values that were left in the file."""
    return (data.get_item(tag, keep_deferred=True) for tag in tuple(data.keys()))


def _is_deferred(element: DataElement | RawDataElement) -> bool:
    """Whether an element's value was left in the file."""
    return getattr(element, "value", 0) is None and bool(getattr(element, "length", 0))


def _kept(data: Dataset, path: Path, longest_private: int) -> Dataset:
    """The elements of an image that are needed, those that it has in common with others held once."""
    from pydicom.dataset import Dataset as NewDataset

    if len(_SHARED) > _MOST_SHARED:
        _SHARED.clear()
    kept = {}
    for element in _elements(data):
        tag, value = element.tag, element.value
        if tag in _kept_tags():
            if _is_deferred(element):
                return _kept(_read(path), path, longest_private)
            kept[tag] = element
        elif element.VR == "SQ" or _is_deferred(element):
            continue
        elif not isinstance(value, bytes):
            kept[tag] = element
        elif len(value) <= (longest_private if tag.is_private else _LONGEST):
            order = getattr(element, "is_little_endian", None)
            kept[tag] = _SHARED.setdefault((tag, element.VR, order, value), element)
    lean = NewDataset(kept)
    implicit, little = data.original_encoding
    lean.set_original_encoding(implicit, little, data.original_character_set)
    return lean


@cache
def _kept_tags() -> frozenset[int]:
    from pydicom.datadict import tag_for_keyword

    return frozenset(tag for keyword in KEPT_SEQUENCES if (tag := tag_for_keyword(keyword)) is not None)
