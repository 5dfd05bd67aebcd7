"""What the headers of an image series say of how it was made: the grounds on which one is taken before another."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...same import SAME_PLANE_MM
from ..dicom.elements import number, numbers, text, texts
from ..dicom.find import Header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Words of a description that say that attenuation was not corrected; weak evidence, since nobody has to write them.
_NOT_CORRECTED = re.compile(
    r"(?<![a-z])(nac|no[-_ ]?ac|non[-_ ]?ac|un[-_ ]?corr(ected)?|no ?att?n?|wo[-_ ]?ac|without ac)(?![a-z])"
)
#: Words of a CT's description or kernel, and Siemens' numbers from B50 on, that say that edges were enhanced: CT
#: numbers overshoot there, so that such a reconstruction is taken last.
_SHARP = re.compile(r"(?<![a-z])(lung|bone|edge|sharp|detail|y-sharp|[bhij][a-z]?[5-9]\d[a-z]?)(?![a-z])")
#: How a finding that rests on the description begins.
_BY_WORDS = "its description"


@dataclass(frozen=True)
class Box:
    """Extent of an image along the patient's axes [mm]: lowest and highest x, y, z."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def share_of(self, other: Box, axes: Sequence[int] = (0, 1, 2)) -> float:
        """How much of another extent lies within this one, from 0 to 1."""
        share = 1.0
        for axis in axes:
            length = other.high[axis] - other.low[axis]
            common = min(self.high[axis], other.high[axis]) - max(self.low[axis], other.low[axis])
            share *= max(common, 0.0) / length if length > 0.0 else 1.0
        return min(share, 1.0)

    @property
    def volume(self) -> float:
        """Its content [mm3]."""
        return math.prod(b - a for a, b in zip(self.low, self.high, strict=True))


@dataclass(frozen=True)
class Evidence:
    """What one series says of itself; None where it is silent.

    Parameters
    ----------
    corrected
        Whether attenuation was corrected.
    correction
        What says so, for a reader.
    by_words
        Whether that is the description alone.
    original
        Whether ImageType begins with ORIGINAL.
    sharp
        Whether edges were enhanced (CT).
    box
        Extent.
    voxel_mm3
        Volume of a voxel.
    method
        Reconstruction method and kernel, as the header states them.
    """

    corrected: bool | None = None
    correction: str = ""
    by_words: bool = False
    original: bool = True
    sharp: bool = False
    box: Box | None = None
    voxel_mm3: float | None = None
    method: str = ""


def evidence_of(members: Sequence[Header]) -> Evidence:
    """What the headers of one image series say.

    Parameters
    ----------
    members
        Headers of its slices; one at least.
    """
    data = members[0].dataset
    corrected, correction = attenuation(data)
    method = (text(data, "ReconstructionMethod"), text(data, "ConvolutionKernel"))
    described = f"{text(data, 'SeriesDescription')} {method[1]}".casefold()
    box, voxel = _extent(members)
    kinds = [word.upper() for word in texts(data, "ImageType")]
    return Evidence(
        corrected,
        correction,
        correction.startswith(_BY_WORDS),
        not kinds or kinds[0] == "ORIGINAL",
        bool(_SHARP.search(described)),
        box,
        voxel,
        ", ".join(word for word in method if word),
    )


def attenuation(data: Dataset) -> tuple[bool | None, str]:
    """Whether a PET was corrected for attenuation, and what says so; None where nothing does.

    The elements that are made for it come before the words of the description, which count only where it says that
    nothing was corrected, and only where the elements are silent.
    """
    listed = [word.upper() for word in texts(data, "CorrectedImage")]
    method = text(data, "AttenuationCorrectionMethod")
    none = method.casefold().startswith(("none", "no ", "off")) or method.casefold() == "no"
    if none:
        return False, f"AttenuationCorrectionMethod is {method}"
    if listed:
        return "ATTN" in listed, f"CorrectedImage {'lists' if 'ATTN' in listed else 'does not list'} ATTN"
    if method:
        return True, f"AttenuationCorrectionMethod is {method}"
    described = text(data, "SeriesDescription")
    if says_uncorrected(described):
        return False, f"{_BY_WORDS} {described!r} says so, and no element states a correction"
    return None, ""


def says_uncorrected(description: str) -> bool:
    """Whether the words of a description say that attenuation was not corrected."""
    return bool(_NOT_CORRECTED.search(description.casefold()))


def moments_at_a_place(members: Sequence[Header]) -> int:
    """How many slices of a series lie at one position: more than one for a dynamic or gated series."""
    places: Counter[tuple[int, ...]] = Counter()
    for header in members:
        position = numbers(header.dataset, "ImagePositionPatient")
        if len(position) == 3:
            places[tuple(round(value / SAME_PLANE_MM) for value in position)] += 1
    if not places:
        return 1
    return Counter(places.values()).most_common(1)[0][0]


def _extent(members: Sequence[Header]) -> tuple[Box | None, float | None]:
    """Extent of a series of slices and volume of a voxel [mm3]; None where the headers do not say."""
    data = members[0].dataset
    spacing, direction = numbers(data, "PixelSpacing"), numbers(data, "ImageOrientationPatient")
    rows, columns = number(data, "Rows"), number(data, "Columns")
    places = [p for h in members if len(p := numbers(h.dataset, "ImagePositionPatient")) == 3]
    if len(spacing) != 2 or len(direction) != 6 or not rows or not columns or not places:
        return None, None
    row, column = np.array(direction[:3]), np.array(direction[3:])
    along = np.cross(row, column)
    heights = np.sort(np.array(places) @ along)
    gaps = np.diff(heights)
    gap = float(np.median(gaps[gaps > SAME_PLANE_MM])) if np.any(gaps > SAME_PLANE_MM) else 0.0
    step = gap or number(data, "SliceThickness") or 1.0
    across = row * columns * spacing[1] + column * rows * spacing[0]
    half = 0.5 * (row * spacing[1] + column * spacing[0])
    first = np.array(places) - half
    corners = np.concatenate([first + 0.5 * s * step * along + a * across for s in (-1, 1) for a in (0, 1)])
    low, high = corners.min(0), corners.max(0)
    return Box(tuple(map(float, low)), tuple(map(float, high))), float(spacing[0] * spacing[1] * step)  # type: ignore[arg-type]
