"""Lesions of a DICOM segmentation (binary or fractional), read by highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...grid import Grid, canonical
from ..dicom.find import Header, quiet
from ..resample import average
from .mask import DicomMaskFile, Mask, check_frame, finished

if TYPE_CHECKING:
    from highdicom.seg import Segmentation


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment: fractions (nz, ny, nx) in its smallest box, their grid, and its whole volume [mL]."""

    fraction: np.ndarray
    grid: Grid
    volume_ml: float


class SegmentationFile(DicomMaskFile):
    """All segments of a SEG."""

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self._known: dict[int, Segment] = {}

    @cached_property
    def _content(self) -> tuple[Segmentation, list[int]]:
        """The segmentation and its segment numbers; InputError when it cannot be read."""
        import highdicom

        try:
            with quiet():
                seg = highdicom.seg.segread(self.file)
                return seg, [int(n) for n in seg.segment_numbers]
        except Exception as error:
            raise InputError(
                "the DICOM segmentation cannot be read",
                why=f"it is damaged or not standard ({error})",
                suggestion="export it again, or as a label map",
                file=self.file,
            ) from None

    def _lesions(self, grid: Grid, frame_of_reference: str | None, names: Sequence[str] | None) -> list[Mask]:
        seg, numbers = self._content
        masks = []
        for number in numbers:
            name = str(seg.get_segment_description(number).segment_label) or f"segment {number}"
            if names is not None and name not in names:
                continue
            check_frame(self.frame_of_reference, frame_of_reference, name, self.file)
            segment = self._segment(number, name)
            fraction = average(segment.fraction, segment.grid, grid)
            masks.append(finished(name, np.clip(fraction, 0.0, 1.0), grid, segment.volume_ml, self.file))
        return masks

    def _segment(self, number: int, name: str) -> Segment:
        """One segment, decoded once."""
        if number not in self._known:
            values, grid = self._decoded(number, name)
            whole = float(values.sum(dtype=np.float64)) * grid.voxel_volume_ml
            if whole <= 0.0:
                finished(name, values, grid, 0.0, self.file)  # refuses it
            box = Grid.bounding_box(values)
            self._known[number] = Segment(np.ascontiguousarray(values[box]), grid.cropped(box), whole)
        return self._known[number]

    def _decoded(self, number: int, name: str) -> tuple[np.ndarray, Grid]:
        """One segment as fractions on its own canonical grid."""
        seg, _ = self._content
        try:
            with quiet():
                volume = seg.get_volume(
                    segment_numbers=[number],
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
                why=str(error),
                suggestion="export the segmentation on all slices of its image, or as a label map",
                file=self.file,
                field=name,
            ) from None
