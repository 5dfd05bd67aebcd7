"""Lesions of a DICOM segmentation (binary, fractional or label map), read by highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical
from ...notes import CAUTION, NOTE, Note
from ..dicom.elements import items, number, text
from ..dicom.find import Header, quiet
from .frames import check_elements, set_slice_distance
from .mask import DicomMaskFile, Mask, check_frame, finished
from .names import Content, clean_name, kind_of
from .onto import onto
from .references import CaseImage, frame_of

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from pydicom.dataset import Dataset


#: Stands for the frame of reference that a segmentation does not state, while it is decoded.
NO_FRAME = "2.25.0"


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment: fractions (nz, ny, nx) in its smallest box, their grid, and its whole volume [mL].

    Fractions and grid are None for a segment without a voxel.
    """

    fraction: np.ndarray | None
    grid: Grid | None
    volume_ml: float


class SegmentationFile(DicomMaskFile):
    """All segments of a SEG.

    Parameters
    ----------
    header
        Of the file.
    images
        The images of the case.
    probability
        Least probability of a voxel of a lesion; needed for fractional segments whose values are probabilities.
    """

    def __init__(self, header: Header, images: Sequence[CaseImage] = (), probability: float | None = None) -> None:
        super().__init__(header, images)
        self._known: dict[int, Segment] = {}
        self._distance: list[Note] = []
        self._threshold = probability
        own = self.frame_of_reference or ""
        self.frame_of_reference, self._settled = frame_of(own, images, self.referenced, self.referenced.instances)
        if probability is not None and self._meaning != "PROBABILITY":
            raise InputError(
                f"the segmentation holds no probabilities: it is {text(header.dataset, 'SegmentationType') or 'binary'}"
                + (f", {self._meaning}" if self._meaning else ""),
                why="the case gives a least probability for it",
                suggestion="leave out 'probability'",
                file=self.file,
                field="probability",
            )

    @property
    def _meaning(self) -> str:
        """What fractional values are: OCCUPANCY is a share of the voxel; anything else is taken as a probability."""
        if text(self.header.dataset, "SegmentationType").upper() != "FRACTIONAL":
            return ""
        stated = text(self.header.dataset, "SegmentationFractionalType").upper()
        return stated if stated == "OCCUPANCY" else "PROBABILITY"

    @property
    def notes(self) -> tuple[str, ...]:
        notes = list(self._distance) if self._content is not None else []
        if self._settled:
            told = "the segmentation states another frame of reference than the images that it refers to"
            notes.append(Note(f"{told}; the images were believed", weight=CAUTION))
        if self.frame_of_reference is None and any(image.frame_of_reference for image in self.images):
            told = "the segmentation states no frame of reference and refers to none of the images"
            notes.append(
                Note(f"{told}; it was taken to lie in the patient coordinates of the first scan", weight=CAUTION)
            )
        if self._threshold is not None:
            told = f"a voxel belongs to a lesion from {self._threshold:g} on, as the case says"
            notes.append(Note(f"the segmentation holds probabilities: {told}", weight=NOTE))
        return tuple(notes)

    @cached_property
    def _segments(self) -> dict[int, Content]:
        """Name and kind of each segment by its number, from the header alone."""
        found = segments_of(self.header.dataset)
        numbers = [n for n, _ in found]
        for n in numbers:
            if n is None or numbers.count(n) > 1:
                names = ", ".join(c.name for k, c in found if k == n)
                raise InputError(
                    f"the segments {names} have " + ("no SegmentNumber" if n is None else f"the same number {n}"),
                    why="which voxels belong to which of them is not clear",
                    suggestion="export the segmentation again",
                    file=self.file,
                    field="SegmentNumber",
                )
        return {n: content for n, content in found if n is not None}

    @cached_property
    def contents(self) -> list[Content]:
        return [
            Content(one.name, "empty") if one.kind != "background" and self._segment(n).volume_ml <= 0.0 else one
            for n, one in self._segments.items()
        ]

    @cached_property
    def _content(self) -> Segmentation:
        """The segmentation; InputError when it cannot be read."""
        import highdicom
        import pydicom

        try:
            with quiet():
                data = _mended(pydicom.dcmread(self.file))
                check_elements(data, self.file)
                self._distance = set_slice_distance(data, self.images, self.referenced, self.file)
                return highdicom.seg.Segmentation.from_dataset(data, copy=False)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                "the DICOM segmentation cannot be read",
                why=f"it is damaged or not standard ({_reason(error)})",
                suggestion="export it again, or as a label map (NIfTI)",
                file=self.file,
            ) from None

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        masks = []
        for n, content in zip(self._segments, self.contents, strict=True):
            name = content.name
            if content.kind != "lesion" if names is None else name not in names:
                continue
            check_frame(self.frame_of_reference, frame_of_reference, name, self.file)
            segment = self._segment(n)
            if segment.fraction is None or segment.grid is None:
                fraction = np.zeros(grid.shape)
            else:
                fraction = onto(segment.fraction, segment.grid, grid)
            masks.append(finished(name, np.clip(fraction, 0.0, 1.0), grid, segment.volume_ml, self.file))
        return masks

    def _segment(self, n: int) -> Segment:
        """One segment, decoded once."""
        if n not in self._known:
            values, grid = self._decoded(n)
            if self._meaning == "PROBABILITY":
                values = self._thresholded(values, self._segments[n].name)
            whole = float(values.sum(dtype=np.float64)) * grid.voxel_volume_ml
            if whole <= 0.0:
                self._known[n] = Segment(None, None, 0.0)
            else:
                box = Grid.bounding_box(values)
                self._known[n] = Segment(np.ascontiguousarray(values[box]), grid.cropped(box), whole)
        return self._known[n]

    def _thresholded(self, values: np.ndarray, name: str) -> np.ndarray:
        if self._threshold is not None:
            return np.asarray(values >= self._threshold, np.float32)
        if not np.any((values > 0.0) & (values < 1.0)):
            return values
        stated = text(self.header.dataset, "SegmentationFractionalType")
        raise InputError(
            f"the values of segment {name!r} are probabilities"
            if stated
            else f"what the values of segment {name!r} mean is not said (SegmentationFractionalType)",
            why="a probability is no share of a voxel: their sum is not the volume of the lesion",
            suggestion="state the least one of a lesion's voxel: lesions: {file: ..., probability: 0.5}",
            file=self.file,
            field="SegmentationFractionalType",
        )

    def _decoded(self, n: int) -> tuple[np.ndarray, Grid]:
        """One segment as fractions on its own canonical grid; zeros where no frame shows it."""
        seg = self._content
        name = self._segments[n].name
        try:
            with quiet():
                if n not in [int(k) for k in seg.segment_numbers]:
                    return np.zeros((1, 1, 1), np.float32), Grid((1, 1, 1), (1.0, 1.0, 1.0))
                volume = seg.get_volume(
                    segment_numbers=[n],
                    combine_segments=False,
                    rescale_fractional=True,
                    allow_missing_positions=True,
                )
            values = np.asarray(volume.array, np.float32)
            if values.ndim == 4:
                values = values[..., 0]
            return canonical(values, np.asarray(volume.affine), self.file)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"segment {name!r} does not form a volume",
                why=f"its frames do not lie evenly in parallel planes, or its pixels are damaged ({_reason(error)})",
                suggestion="export the segmentation on all slices of its image, or as a label map (NIfTI)",
                file=self.file,
                field=name,
            ) from None


def segments_of(data: Dataset) -> list[tuple[int | None, Content]]:
    """Number, name and kind of each segment in the header of a SEG.

    Parameters
    ----------
    data
        The file's elements.
    """
    labelmap = text(data, "SegmentationType").upper() == "LABELMAP"
    found: list[tuple[int | None, Content]] = []
    for position, item in enumerate(items(data, "SegmentSequence"), 1):
        stated = number(item, "SegmentNumber")
        n = int(stated) if stated is not None and stated == int(stated) else None
        name = clean_name(text(item, "SegmentLabel"), f"segment {position if n is None else n}")
        kind = "background" if labelmap and n == 0 else kind_of(name)
        found.append((n, Content(name, kind)))
    return found


def _mended(data: Dataset) -> Dataset:
    """A segmentation with what highdicom asks for where the standard lets it stand elsewhere, or it is missing.

    The segment of a frame may be said once for all frames; a segment may lack its label.
    """
    if not text(data, "FrameOfReferenceUID"):
        data.FrameOfReferenceUID = NO_FRAME
    for position, item in enumerate(items(data, "SegmentSequence"), 1):
        if not text(item, "SegmentLabel"):
            item.SegmentLabel = f"segment {position}"
        if not text(item, "SegmentAlgorithmType"):
            item.SegmentAlgorithmType = "MANUAL"
    for shared in items(data, "SharedFunctionalGroupsSequence")[:1]:
        identification = items(shared, "SegmentIdentificationSequence")
        if identification:
            for frame in items(data, "PerFrameFunctionalGroupsSequence"):
                if not items(frame, "SegmentIdentificationSequence"):
                    frame.SegmentIdentificationSequence = list(identification)
            del shared.SegmentIdentificationSequence
    return data


def _reason(error: Exception) -> str:
    """What a library says went wrong, without its own words: the kind alone."""
    kinds = {KeyError: "an element is missing", AttributeError: "an element is missing", MemoryError: "it is too large"}
    return next(
        (text_ for kind, text_ in kinds.items() if isinstance(error, kind)), "an element holds what it must not"
    )
