"""The images that a structure file refers to, held against those of the case.

An RTSTRUCT says in four places which coordinates it is drawn in, and exporters leave some of them as they were in the
set that they copied. The instances that the contours refer to are the strongest evidence, then the series, then the
frames of reference that agree among themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...grid import Grid, Volume
from ..dicom.elements import items, text
from ..source import ImageSource

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: The image that lesions were drawn on.
DrawnOn = Literal["ct", "pet"]

#: SOP classes of CT and PET images: classic, enhanced, legacy converted.
CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
PET_CLASSES = ("1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128.1")
#: Cosine between a contour's normal and an axis of an image above which the contour lies in a plane of that image.
PARALLEL = 0.99


@dataclass(frozen=True, eq=False)
class CaseImage:
    """A CT or PET of the case, as far as structures can refer to it.

    Parameters
    ----------
    kind
        ``"ct"`` or ``"pet"``.
    grid
        Its voxels.
    frame_of_reference
        Its frame of reference UID, where known.
    series, instances
        UIDs of its series and slices; empty for a volume file.
    """

    kind: DrawnOn
    grid: Grid
    frame_of_reference: str | None = None
    series: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kind: DrawnOn, source: ImageSource, volume: Volume) -> CaseImage:
        """The image that was read from a source."""
        headers = source.series("CT" if kind == "ct" else "PET") if source.is_dicom else []
        return cls(
            kind,
            volume.grid,
            volume.frame_of_reference,
            frozenset(uid for h in headers if (uid := text(h.dataset, "SeriesInstanceUID"))),
            frozenset(uid for h in headers if (uid := text(h.dataset, "SOPInstanceUID"))),
        )

    def slice_mm(self, normal: np.ndarray) -> float | None:
        """Distance [mm] of its planes along a normal (x, y, z); None where they are oblique to it."""
        cosines = np.abs(np.asarray(self.grid.direction, float).reshape(3, 3).T @ normal)  # of the x, y, z axes
        axis = int(np.argmax(cosines))
        return float(self.grid.spacing_mm[2 - axis]) if cosines[axis] > PARALLEL else None

    def pixel_mm(self, normal: np.ndarray) -> float:
        """Size [mm] of the smaller side of its voxels across a normal (x, y, z)."""
        cosines = np.abs(np.asarray(self.grid.direction, float).reshape(3, 3).T @ normal)
        return min(float(self.grid.spacing_mm[2 - k]) for k in range(3) if k != int(np.argmax(cosines)))


@dataclass(frozen=True)
class Referenced:
    """What a structure file refers to.

    Parameters
    ----------
    frames, series, instances
        UIDs of frames of reference, image series and images; a structure's own frame is not among the frames.
    kinds
        ``"ct"`` and ``"pet"`` in the order of the references.
    """

    frames: frozenset[str]
    series: frozenset[str]
    instances: frozenset[str]
    kinds: tuple[DrawnOn, ...] = ()


def referenced(data: Dataset) -> Referenced:
    """Frames of reference, series and images that the header of an RTSTRUCT or SEG refers to.

    Parameters
    ----------
    data
        The file's elements.

    Returns
    -------
    Referenced
        Frames of reference, series, images and their kinds; what the header does not state is empty.
    """
    frames, series = {text(data, "FrameOfReferenceUID")}, set()
    images: list[Dataset] = []
    for frame in items(data, "ReferencedFrameOfReferenceSequence"):
        frames.add(text(frame, "FrameOfReferenceUID"))
        for study in items(frame, "RTReferencedStudySequence"):
            for one in items(study, "RTReferencedSeriesSequence"):
                series.add(text(one, "SeriesInstanceUID"))
                images += items(one, "ContourImageSequence")
    for one in items(data, "ReferencedSeriesSequence"):
        series.add(text(one, "SeriesInstanceUID"))
        images += items(one, "ReferencedInstanceSequence")
    images += items(data, "SourceImageSequence")
    instances, kinds = _images(images)
    return Referenced(frozenset(frames - {""}), frozenset(series - {""}), instances, kinds)


def contour_images(contours: Iterable[Dataset]) -> tuple[frozenset[str], tuple[DrawnOn, ...]]:
    """UIDs and kinds of the images that contours refer to."""
    return _images([image for contour in contours for image in items(contour, "ContourImageSequence")])


def images_named(images: Iterable[Dataset]) -> frozenset[str]:
    """UIDs of the instances that items refer to."""
    return _images(list(images))[0]


def _images(images: Sequence[Dataset]) -> tuple[frozenset[str], tuple[DrawnOn, ...]]:
    kinds: list[DrawnOn] = []
    for image in images:
        uid = text(image, "ReferencedSOPClassUID")
        kinds += ["ct"] if uid in CT_CLASSES else ["pet"] if uid in PET_CLASSES else []
    return frozenset(text(image, "ReferencedSOPInstanceUID") for image in images) - {""}, tuple(dict.fromkeys(kinds))


def image_of(images: Sequence[CaseImage], refers: Referenced, instances: frozenset[str]) -> CaseImage | None:
    """The image of the case that a structure's contours, else its file's series, refer to; None where they name none.

    Parameters
    ----------
    images
        Of the case.
    refers
        What the file refers to.
    instances
        What the structure's own contours refer to.
    """
    for found in (instances, refers.instances):
        counts = Counter({k: len(image.instances & found) for k, image in enumerate(images)})
        if counts and (best := counts.most_common(1)[0])[1]:
            return images[best[0]]
    return next((image for image in images if image.series & refers.series), None)


def frame_of(
    own: str, images: Sequence[CaseImage], refers: Referenced, instances: frozenset[str]
) -> tuple[str | None, bool]:
    """The frame of reference that a structure is drawn in, and whether it had to be settled against its own words.

    Parameters
    ----------
    own
        What the structure itself states; empty where it states none.
    images, refers, instances
        As for :func:`image_of`.

    Returns
    -------
    (frame, settled)
        The UID, None where none is known; whether it differs from the one that the structure states.
    """
    series = image_of(images, refers, instances)
    known = {image.frame_of_reference for image in images} - {None}
    drawn = image_of(images, Referenced(frozenset(), frozenset(), frozenset()), instances)
    if drawn is not None and drawn.frame_of_reference:
        frame: str | None = drawn.frame_of_reference
    elif not images or own in known or (own in refers.frames and (series is None or len(refers.frames) > 1)):
        frame = own or next(iter(sorted(refers.frames)), None)
    else:
        shared = sorted(f for f in known & refers.frames if f)
        frame = (series.frame_of_reference if series is not None else None) or next(iter(shared), None)
        frame = frame or own or next(iter(sorted(refers.frames)), None)
    return frame, bool(own and frame != own)
