"""Contours of an RTSTRUCT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from .patient import BOX, LESION_BQ_ML, LESION_ML, Contour, box_contours, square, uid, write_patient
from .trap import Right, Trap

#: Planes of the lesion on the CT [mm], and the volume of one of them [mL].
PLANES = (33.0, 35.0, 37.0, 39.0, 41.0, 43.0, 45.0, 47.0)
PLANE_ML = 0.512
_Y, _Z = BOX[1], BOX[2]


def _drawn(contours: Sequence[Contour], on: str = "CT") -> Callable[[Path], Any]:
    """Makes the patient with one lesion of these contours."""
    return lambda folder: write_patient(folder, structures={"structures": [("L1", contours)], "on": on})


def _strip(z: float, low: float, high: float) -> list[list[float]]:
    """The contour of the box between two x [mm]."""
    return square(z, ((low, high), _Y, _Z))


def _inner(z: float, margin: float) -> list[list[float]]:
    """The box's contour moved inwards [mm]."""
    (x0, x1), (y0, y1), _ = BOX
    return square(z, ((x0 + margin, x1 - margin), (y0 + margin, y1 - margin), _Z))


def _right(volume_ml: float, *says: str, mean: bool = True, unsaid: tuple[str, ...] = ()) -> Right:
    lesion = {"volume_ml": volume_ml, **({"mean_bq_ml": LESION_BQ_ML} if mean else {})}
    return Right(lesions={"L1": lesion}, says=says, unsaid=unsaid)


def _turned(z: float) -> list[list[float]]:
    """The box's contour from another start, in the other sense, rounded otherwise."""
    points = square(z)
    return [[x + 0.03, y - 0.04, z] for x, y, _ in reversed(points[2:] + points[:2])]


def _keyhole(z: float) -> list[list[float]]:
    outer, inner = square(z), list(reversed(_inner(z, 4.0)))
    return [*outer, outer[0], *inner, inner[0]]


def _coronal() -> list[list[list[float]]]:
    (x0, x1), _, (z0, z1) = BOX
    return [[[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]] for y in range(-7, 8, 2)]


def _damaged(change: Callable[[Dataset], Any]) -> Callable[[Path], Any]:
    """Makes the patient with a change of its structure set."""
    return lambda folder: write_patient(folder, structures={"change": change})


def _first(data: Dataset) -> Dataset:
    """The first contour."""
    return data.ROIContourSequence[0].ContourSequence[0]


def _words(text: str) -> Callable[[Dataset], Any]:
    """Replaces the numbers of the first contour by a text, as a damaged file holds it."""

    def change(data: Dataset) -> None:
        del _first(data).ContourData
        _first(data).add_new(0x30060050, "LT", text)

    return change


def _number_of(sequence: str, keyword: str, value: str | None) -> Callable[[Dataset], Any]:
    """Sets or deletes a number in the first item of a sequence."""

    def change(data: Dataset) -> None:
        item = getattr(data, sequence)[0]
        if value is None:
            delattr(item, keyword)
        else:
            item.add_new(keyword, "LO", value)

    return change


def _on_another_image(folder: Path) -> None:
    """One plane, drawn on a CT of 5 mm slices that is not in the case; another structure shows their distance."""

    def change(data: Dataset) -> None:
        series = data.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        series.SeriesInstanceUID = uid("plan")
        images = list(series.ContourImageSequence)
        for drawn in data.ROIContourSequence:
            images += [image for contour in drawn.ContourSequence for image in contour.ContourImageSequence]
        for image in images:
            image.ReferencedSOPInstanceUID = uid("plan", 1)

    heart = [_strip(z, -24.0, -8.0) for z in (35.0, 40.0, 45.0)]
    write_patient(folder, structures={"structures": [("L1", [square(40.0)]), ("Heart", heart)], "change": change})


def _emptied(data: Dataset) -> None:
    data.ROIContourSequence = Items([])


_EIGHT = [[[8.0, -8.0, z], [24.0, 8.0, z], [24.0, -8.0, z], [8.0, 8.0, z]] for z in PLANES]
_CROSSING = [one for z in PLANES for one in (_strip(z, 8.0, 20.0), _strip(z, 12.0, 24.0))]
_XOR = [("CLOSEDPLANAR_XOR", one) for one in _CROSSING]

TRAPS: tuple[Trap, ...] = (
    Trap(
        "contour-stored-twice",
        "The same contour is stored twice on two of eight planes.",
        "Each counts once, which is said: 4.096 mL.",
        _drawn([one for z in PLANES for one in [square(z)] * (2 if z in (39.0, 41.0) else 1)]),
        _right(LESION_ML, "2 contours are stored twice and count once"),
        source="report",
    ),
    Trap(
        "every-contour-stored-twice",
        "Every contour of the lesion is stored twice.",
        "Each counts once, which is said: 4.096 mL.",
        _drawn([square(z) for z in PLANES for _ in range(2)]),
        _right(LESION_ML, "8 contours are stored twice"),
        source="report",
    ),
    Trap(
        "contour-stored-three-times",
        "The same contour is stored three times on one plane.",
        "It counts once, which is said: 4.096 mL.",
        _drawn([*box_contours(), square(39.0), square(39.0)]),
        _right(LESION_ML, "2 contours are stored twice"),
    ),
    Trap(
        "contour-stored-twice-from-another-start",
        "The second copy of each contour starts elsewhere, runs the other way, and is rounded otherwise.",
        "They are one contour, which is said: 4.096 mL.",
        _drawn([one for z in PLANES for one in (square(z), _turned(z))]),
        _right(LESION_ML, "8 contours are stored twice"),
    ),
    Trap(
        "contour-that-goes-round-twice",
        "The points of each contour run round it twice.",
        "It is filled once, which is said: 4.096 mL.",
        _drawn([square(z) * 2 for z in PLANES]),
        _right(LESION_ML, "8 contours are stored twice"),
    ),
    Trap(
        "contour-inside-another",
        "A contour lies inside another on every plane.",
        "It is a hole: 3.072 mL.",
        _drawn([one for z in PLANES for one in (square(z), _inner(z, 4.0))]),
        _right(3.072, unsaid=("stored twice", "united")),
    ),
    Trap(
        "keyhole-contour",
        "One contour runs round the outer edge, through a channel, and round the hole.",
        "The hole stays empty: 3.072 mL.",
        _drawn([_keyhole(z) for z in PLANES]),
        _right(3.072, unsaid=("crosses itself",)),
    ),
    Trap(
        "island-inside-a-hole",
        "Three contours lie inside each other on every plane.",
        "The innermost is an island in the hole: (256 - 144 + 16) mm2 x 16 mm = 2.048 mL.",
        _drawn([one for z in PLANES for one in (square(z), _inner(z, 2.0), _inner(z, 6.0))]),
        _right(2.048),
    ),
    Trap(
        "nearly-equal-contours-inside-each-other",
        "Two drawings of one lesion, one 1 mm inside the other, in one structure.",
        "By the rule a rim of 60 mm2; that the hole takes most of it is said: 0.96 mL.",
        _drawn([one for z in PLANES for one in (square(z), _inner(z, 1.0))]),
        _right(0.96, "holes take 77 %", mean=False),
    ),
    Trap(
        "contours-that-cross",
        "Two contours of type CLOSED_PLANAR overlap by half on every plane.",
        "Their union, which is said: 4.096 mL.",
        _drawn(_CROSSING),
        _right(LESION_ML, "16 contours cross another of their plane; they were united"),
    ),
    Trap(
        "contours-that-cross-with-xor",
        "Two contours of type CLOSEDPLANAR_XOR overlap by half on every plane.",
        "What one of them alone encloses, as the standard says: 2.048 mL.",
        _drawn(_XOR),
        _right(2.048, unsaid=("united",)),
    ),
    Trap(
        "identical-contours-with-xor",
        "The same contour of type CLOSEDPLANAR_XOR is stored twice.",
        "Refused: the standard lets them cancel each other, and nobody means that.",
        _drawn([("CLOSEDPLANAR_XOR", square(z)) for z in PLANES for _ in range(2)]),
        Right(refused=True, says=("CLOSEDPLANAR_XOR", "stored twice")),
    ),
    Trap(
        "contours-that-touch",
        "Two contours share an edge on every plane.",
        "Both count: 4.096 mL.",
        _drawn([one for z in PLANES for one in (_strip(z, 8.0, 16.0), _strip(z, 16.0, 24.0))]),
        _right(LESION_ML, unsaid=("united", "stored twice")),
    ),
    Trap(
        "contour-that-crosses-itself",
        "Each contour is a figure of eight.",
        "Both loops count, which is said: 128 mm2 x 16 mm = 2.048 mL.",
        _drawn(_EIGHT),
        _right(2.048, "8 contours cross themselves"),
    ),
    Trap(
        "islands-of-one-slice",
        "One structure has two islands of one slice each, 28 mm apart; slices are 2 mm.",
        "2 x 0.512 mL = 1.024 mL; the gap between them stays empty, which is said.",
        _drawn([square(33.0), square(61.0)]),
        _right(2 * PLANE_ML, "left empty", mean=False),
        source="report",
    ),
    Trap(
        "three-islands-at-even-distances",
        "Three islands of one slice each, 14 mm apart, as if drawn on every seventh slice.",
        "3 x 0.512 mL = 1.536 mL: so far apart they are islands, which is said.",
        _drawn([square(z) for z in (33.0, 47.0, 61.0)]),
        _right(3 * PLANE_ML, "2 gaps between its contour planes were left empty", mean=False),
    ),
    Trap(
        "slices-left-out",
        "Contours are drawn on six of eight slices, the two in the middle left for interpolation.",
        "The lesion is whole, which is said: 4.096 mL.",
        _drawn([square(z) for z in (33.0, 35.0, 37.0, 39.0, 45.0, 47.0)]),
        _right(LESION_ML, "extended to the middle"),
        source="report",
    ),
    Trap(
        "four-slices-left-out",
        "Contours are drawn on the outer slices alone, four in the middle left for interpolation.",
        "The lesion is whole, which is said: 4.096 mL.",
        _drawn([square(z) for z in (33.0, 35.0, 45.0, 47.0)]),
        _right(LESION_ML, "extended to the middle"),
    ),
    Trap(
        "slices-left-out-beside-an-island",
        "Two slices are left out of the lesion; another contour ends where they begin.",
        "The lesion (3.072 mL) is whole, the other (1.024 mL) ends: 4.096 mL.",
        _drawn([*(square(z) for z in (33.0, 35.0, 41.0, 43.0)), *(_strip(z, -24.0, -8.0) for z in (33.0, 35.0))]),
        _right(LESION_ML, "extended to the middle", mean=False),
    ),
    Trap(
        "gap-without-overlap",
        "Two slices lie between contours that do not overlap.",
        "Two islands of 1.024 mL; the gap stays empty, which is said.",
        _drawn([*(square(z) for z in (33.0, 35.0)), *(_strip(z, -24.0, -8.0) for z in (41.0, 43.0))]),
        _right(2.048, "left empty", mean=False),
    ),
    Trap(
        "every-second-slice",
        "Contours are drawn on every second slice throughout.",
        "Each plane counts as thick as the planes are apart, which is said: 4 x 1.024 mL.",
        _drawn([square(z) for z in (33.0, 37.0, 41.0, 45.0)]),
        _right(LESION_ML, "4 mm apart throughout, slices 2 mm", mean=False),
    ),
    Trap(
        "planes-of-the-pet",
        "Contours are drawn on the PET, whose slices are 4 mm; those of the CT are 2 mm.",
        "The lesion is whole: 4.096 mL.",
        _drawn([square(z) for z in (34.0, 38.0, 42.0, 46.0)], on="PET24"),
        _right(LESION_ML, unsaid=("throughout", "extended", "left empty")),
    ),
    Trap(
        "two-drawings-between-each-other",
        "A second drawing of the lesion lies 0.7 mm above the first, in the same structure.",
        "Slabs of slices that lie between each other: 256 mm2 x 16.7 mm = 4.275 mL.",
        _drawn([square(z + shift) for shift in (0.0, 0.7) for z in PLANES]),
        _right(4.275, mean=False),
    ),
    Trap(
        "one-plane-on-the-ct",
        "The structure has one contour, drawn on the CT.",
        "It is as thick as a slice of the CT: 0.512 mL.",
        _drawn([square(39.0)]),
        _right(PLANE_ML, "one contour plane; taken as 2 mm thick"),
    ),
    Trap(
        "one-plane-on-the-pet",
        "The structure has one contour, drawn on the PET.",
        "It is as thick as a slice of the PET: 1.024 mL.",
        _drawn([square(38.0)], on="PET24"),
        _right(2 * PLANE_ML, "one contour plane; taken as 4 mm thick"),
    ),
    Trap(
        "coronal-contours",
        "The contours lie in coronal planes.",
        "They are read as well: 4.096 mL.",
        _drawn(_coronal()),
        _right(LESION_ML),
    ),
    Trap(
        "open-contour-among-closed",
        "An open contour lies among the closed ones.",
        "It is left out, which is said: 4.096 mL.",
        _drawn([*box_contours(), ("OPEN_PLANAR", _strip(39.0, -24.0, -8.0))]),
        _right(LESION_ML, "1 point or open contour was left out"),
    ),
    Trap(
        "one-plane-on-an-image-that-is-not-there",
        "The structure has one contour, drawn on a CT of 5 mm slices that is not in the case.",
        "It is 5 mm thick, as the planes of another structure in the file are apart: 1.28 mL.",
        _on_another_image,
        _right(1.28, "one contour plane; taken as 5 mm thick", mean=False),
    ),
    Trap(
        "coordinates-that-are-no-triples",
        "A contour holds a number of coordinates that is no multiple of three.",
        "Refused, naming lesion and element.",
        _damaged(_words("8\\-8\\33\\24\\-8\\33\\24\\8\\33\\8\\8")),
        Right(refused=True, says=("ContourData", "'L1'", "11 numbers")),
        source="report",
    ),
    Trap(
        "coordinate-that-is-not-a-number",
        "A contour holds NaN.",
        "Refused, naming lesion and element.",
        _damaged(_words("8\\-8\\33\\24\\-8\\33\\nan\\8\\33\\8\\8\\33")),
        Right(refused=True, says=("ContourData", "not finite")),
        source="report",
    ),
    Trap(
        "coordinate-with-zero-bytes",
        "A coordinate is '16.0', two zero bytes and '0.43'.",
        "Refused, naming lesion, element and value.",
        _damaged(_words("8\\-8\\33\\24\\-8\\33\\16.0\0\0.43\\8\\33\\8\\8\\33")),
        Right(refused=True, says=("ContourData", "which is no number"), unsaid=("\0",)),
        source="report",
    ),
    Trap(
        "coordinate-beyond-any-scanner",
        "A coordinate is 1e30 mm.",
        "Refused, naming lesion, element and value.",
        _damaged(_words("8\\-8\\33\\24\\-8\\33\\1e30\\8\\33\\8\\8\\33")),
        Right(refused=True, says=("ContourData", "1e+30 mm")),
    ),
    Trap(
        "contour-cut-short",
        "A contour holds fewer points than it states.",
        "Refused: its shape is not known.",
        _damaged(lambda data: setattr(_first(data), "NumberOfContourPoints", 40)),
        Right(refused=True, says=("NumberOfContourPoints says 40",)),
    ),
    Trap(
        "structure-without-its-number",
        "A structure has no ROI Number.",
        "Refused, naming the element.",
        _damaged(_number_of("StructureSetROISequence", "ROINumber", None)),
        Right(refused=True, says=("no ROINumber",)),
        source="report",
    ),
    Trap(
        "contours-without-their-number",
        "Contours do not say which structure they belong to.",
        "Refused, naming the element.",
        _damaged(_number_of("ROIContourSequence", "ReferencedROINumber", None)),
        Right(refused=True, says=("no ReferencedROINumber",)),
        source="report",
    ),
    Trap(
        "contours-of-no-structure",
        "Contours belong to a structure that the file does not list.",
        "Refused: whose they are is not known.",
        _damaged(_number_of("ROIContourSequence", "ReferencedROINumber", "7")),
        Right(refused=True, says=("a structure number 7",)),
    ),
    Trap(
        "text-in-place-of-contours",
        "The sequence of contours is replaced by text.",
        "Refused: the file holds no lesion.",
        _damaged(lambda data: data.ROIContourSequence[0].add_new("ContourSequence", "LO", "rubbish")),
        Right(refused=True, says=("the file holds no lesion",)),
        source="report",
    ),
    Trap(
        "structure-set-without-contours",
        "The sequence of contours is empty.",
        "Refused: the file holds no lesion.",
        _damaged(_emptied),
        Right(refused=True, says=("the file holds no lesion", "L1")),
    ),
)
