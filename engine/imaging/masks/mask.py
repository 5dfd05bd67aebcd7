"""A lesion as volume fractions on a grid, and a lesion file opened once with all its structures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...grid import Grid
from ...same import LEAST_SHARE
from ..dicom.find import Header
from .names import Content, listed, why_left_out
from .references import CaseImage, DrawnOn, image_of, referenced

#: A lesion that loses more than this share of its volume at the grid's edge does not lie on the grid.
LOST_SHARE = 0.01


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
    volume_files
        Files of label maps that it consists of.
    """

    file: Path
    frame_of_reference: str | None = None
    volume_files: tuple[Path, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    @abstractmethod
    def contents(self) -> list[Content]:
        """What the file holds, in its order: lesions, and structures that are none unless the case names them."""

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
            Only these structures; all that are lesions by default.

        Raises
        ------
        InputError
            Naming the lesion: no volume, outside the grid, another frame of reference, not in the file.
        """
        masks = self._lesions(grid, frame_of_reference, names)
        if not masks and names is None:
            raise self.without_lesion()
        missing = [name for name in names or () if name not in {mask.name for mask in masks}]
        if missing:
            raise InputError(
                f"no lesion named {missing[0]!r}",
                why="the file does not contain it",
                suggestion="structures in it: " + (listed([one.name for one in self.contents]) or "none"),
                file=self.file,
            )
        return masks

    def without_lesion(self) -> InputError:
        """The refusal of a file whose structures are all something else."""
        held = [f"{one.name} ({why_left_out(one.kind)})" for one in self.contents]
        return InputError(
            "the file holds no lesion",
            why=f"its structures are {listed(held)}" if held else "it holds no structure",
            suggestion="to take some of them as lesions, name them: lesions: {file: ..., names: [...]}",
            file=self.file,
        )


class DicomMaskFile(MaskFile):
    """Common part of RTSTRUCT and SEG: a header that refers to images and states a frame of reference."""

    def __init__(self, header: Header, images: Sequence[CaseImage] = ()) -> None:
        self.file, self.header, self.images = header.path, header, tuple(images)
        self.referenced = referenced(header.dataset)
        self.frame_of_reference = header.frame_of_reference

    def drawn_on(self, ct: Grid, pet: Grid) -> DrawnOn | None:
        image = image_of(self.images, self.referenced, frozenset())
        return image.kind if image is not None else next(iter(self.referenced.kinds), None)


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
    return Mask(name, members(fraction), volume, None, grid)


def members(fraction: np.ndarray) -> np.ndarray:
    """Shares of the voxels that belong to a lesion, float32; below :data:`~hevesy.engine.same.LEAST_SHARE` none does.

    Every count of voxels, extreme and histogram takes the voxels with a share above zero, which are then the lesion's.
    """
    shares = np.asarray(fraction, np.float32)
    return np.where(shares < LEAST_SHARE, np.float32(0.0), shares)


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
