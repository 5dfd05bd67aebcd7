"""A lesion as volume fractions on a grid, and a lesion file opened once with all its structures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import InputError
from ...grid import Grid
from ..dicom.find import Header

#: A lesion that loses more than this share of its volume at the grid's edge does not lie on the grid.
LOST_SHARE = 0.01

CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")
PET_CLASSES = ("1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130")

#: The image that lesions were drawn on.
DrawnOn = Literal["ct", "pet"]


@dataclass
class Mask:
    """One lesion.

    Parameters
    ----------
    name
        As the file names it.
    fraction
        float32 (nz, ny, nx) in [0, 1]: share of each voxel inside.
    volume_ml
        Sum of fractions times voxel volume [mL].
    contour_volume_ml
        Volume of the contours themselves (area times plane distance) [mL]; None for other sources.
    grid
        The grid of ``fraction``.
    notes
        Remarks on how it was made.
    site
        Where it is (node, lung, bone...), when the file says so.
    role, limit_gy
        ``"target"``, ``"organ"`` or ``"reference"``, and the largest dose that an organ may get [Gy].
    """

    name: str
    fraction: np.ndarray
    volume_ml: float
    contour_volume_ml: float | None = None
    grid: Grid | None = None
    notes: list[str] = field(default_factory=list)
    site: str = ""
    role: str = "target"
    limit_gy: float | None = None


class MaskFile(ABC):
    """A label map, RTSTRUCT or SEG, opened once: any of its lesions on any grid, without reading it again.

    Attributes
    ----------
    file
        The file.
    frame_of_reference
        Frame of reference UID of its lesions; None where it states none.
    notes
        Remarks on how the file was read, one sentence each.
    """

    file: Path
    frame_of_reference: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @abstractmethod
    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        """Which of two images the lesions were drawn on; None where the file does not tell.

        A label map has the grid of that image; an RTSTRUCT or SEG refers to it.
        """

    @abstractmethod
    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]: ...

    def masks(
        self, grid: Grid, frame_of_reference: str | None = None, names: Sequence[str] | None = None
    ) -> list[Mask]:
        """Lesions of the file on ``grid``.

        Parameters
        ----------
        grid
            The grid wanted.
        frame_of_reference
            Of the image that the grid belongs to; contours and segments on another one are refused.
        names
            Only these lesions; all by default.

        Raises
        ------
        InputError
            Naming the lesion: no volume, outside the grid, another frame of reference, not in the file.
        """
        masks = self._lesions(grid, frame_of_reference, names)
        missing = [name for name in names or () if name not in {mask.name for mask in masks}]
        if missing:
            raise InputError(
                f"no lesion named {missing[0]!r}",
                why="the file does not contain it",
                suggestion="lesions in it: " + ", ".join(mask.name for mask in masks),
                file=self.file,
            )
        return masks


class DicomMaskFile(MaskFile):
    """Common part of RTSTRUCT and SEG: a header that refers to images and states a frame of reference."""

    def __init__(self, header: Header) -> None:
        self.file, self.header = header.path, header
        data = header.dataset
        own = str(data.get("FrameOfReferenceUID", "") or "")
        for roi in list(data.get("StructureSetROISequence") or [])[:1]:
            own = str(roi.get("ReferencedFrameOfReferenceUID", "") or "") or own
        self.frame_of_reference = own or None

    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        for item in self.header.dataset.iterall():
            if item.keyword == "ReferencedSOPClassUID":
                if str(item.value) in CT_CLASSES:
                    return "ct"
                if str(item.value) in PET_CLASSES:
                    return "pet"
        return None


def finished(name: str, fraction: np.ndarray, grid: Grid, whole_ml: float, file: Path) -> Mask:
    """The mask, after a check of its volume on the grid against its whole volume [mL]."""
    if whole_ml <= 0.0:
        raise InputError(
            f"lesion {name!r} has no volume",
            why="a lesion without volume has no dose",
            suggestion="draw it, or remove it from the file",
            file=file,
            field=name,
        )
    volume = float(fraction.sum(dtype=np.float64)) * grid.voxel_volume_ml
    if volume <= 0.0:
        raise InputError(
            f"lesion {name!r} lies outside the image",
            why="none of its volume is on the grid",
            suggestion="check that lesions and images belong together",
            file=file,
            field=name,
        )
    lost = 1.0 - volume / whole_ml
    if lost > LOST_SHARE:
        raise InputError(
            f"lesion {name!r} reaches outside the image: {100.0 * lost:.1f} % of its {whole_ml:.3g} mL are missing",
            why="its dose cannot be computed there",
            suggestion="give an image that covers it",
            file=file,
            field=name,
        )
    return Mask(name, fraction.astype(np.float32), volume, None, grid)


def check_frame(own: str | None, wanted: str | None, name: str, file: Path) -> None:
    if own and wanted and own != wanted:
        raise InputError(
            f"lesion {name!r} is drawn in another frame of reference than the image (...{own[-8:]}, "
            f"not ...{wanted[-8:]})",
            why="its coordinates are not comparable with those of the image",
            suggestion="draw it on this PET/CT, or register and export it again",
            file=file,
            field=name,
        )
