"""Contours drawn twice, holes, and slices left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .contours import PLANE_ML, PLANES
from .patient import BOX, LESION_BQ_ML, LESION_ML, Contour, box_contours, square, write_patient
from .trap import Right, Trap

#: A hole in the middle of the lesion (x, y): 64 of 256 mm2.
HOLE = ((12.0, 20.0), (-4.0, 4.0), BOX[2])


def _drawn(*contours: Contour, on: str = "CT") -> Callable[[Path], Any]:
    """Makes the patient with one lesion of these contours."""
    return lambda folder: write_patient(folder, structures={"structures": [("L1", list(contours))], "on": on})


def _pairs(second: Callable[[float], Contour]) -> list[Contour]:
    """The contour of every plane, and another beside it."""
    return [one for z in PLANES for one in (square(z), second(z))]


def _shifted(z: float, by: float) -> list[list[float]]:
    return square(z, ((8.0 + by, 24.0 + by), BOX[1], BOX[2]))


def _nested(z: float, by: float) -> list[list[float]]:
    return square(z, ((8.0 + by, 24.0 - by), (-8.0 + by, 8.0 - by), BOX[2]))


def _round(z: float, radius: float, x: float = 16.0) -> list[list[float]]:
    turns = [2.0 * math.pi * k / 90 for k in range(90)]
    return [[x + radius * math.cos(a), radius * math.sin(a), z] for a in turns]


def _planes(*places: float, on: str = "CT") -> Callable[[Path], Any]:
    """Makes the patient with the lesion drawn on these planes alone."""
    return _drawn(*(square(z) for z in places), on=on)


def _right(volume_ml: float, *says: str, unsaid: tuple[str, ...] = (), mean: bool = True) -> Right:
    lesion = {"volume_ml": volume_ml, **({"mean_bq_ml": LESION_BQ_ML} if mean else {})}
    return Right(lesions={"L1": lesion}, says=says, unsaid=unsaid)


_SECOND = "8 contours run less than half a pixel beside another"
#: Areas of rings and discs that polygons of ninety corners enclose, relative to the circle's.
_NINETY = 90.0 / (2.0 * math.pi) * math.sin(2.0 * math.pi / 90.0)


def _crowd(count: int) -> Sequence[Contour]:
    """Small squares beside each other on the planes of the lesion, count by count: half of its area."""
    side = 16.0 / count
    return [
        square(
            z, ((8.0 + side * (i + 0.1), 8.0 + side * (i + 0.9)), (-8.0 + side * j, -8.0 + side * (j + 0.625)), (0, 0))
        )
        for z in PLANES
        for i in range(count)
        for j in range(count)
    ]


TRAPS: tuple[Trap, ...] = (
    *(
        Trap(
            f"second-drawing-{text}-aside",
            f"Every contour is drawn twice, the second time {by:g} mm aside; pixels are 2 mm.",
            f"Two drawings of one lesion, their union, which is said: (16 + {by:g}) x 16 mm2 x 16 mm.",
            _drawn(*_pairs(lambda z, by=by: _shifted(z, by))),  # type: ignore[misc]
            _right((16.0 + by) * 16.0 * 16.0e-3, _SECOND, mean=False),
        )
        for text, by in (("a-third-of-a-millimetre", 0.3), ("two-fifths-of-a-millimetre", 0.4))
    ),
    Trap(
        "second-drawing-a-pixel-aside",
        "Every contour is drawn twice, the second time 2 mm aside.",
        "They cross: their union, which is said: 18 x 16 mm2 x 16 mm = 4.608 mL.",
        _drawn(*_pairs(lambda z: _shifted(z, 2.0))),
        _right(4.608, "16 contours cross another", mean=False),
    ),
    *(
        Trap(
            f"second-drawing-{text}-inside",
            f"Every contour is drawn twice, the second time {by:g} mm inside the first all round; pixels are 2 mm.",
            "No lesion has so thin a rim: two drawings, the outer counts, which is said: 4.096 mL.",
            _drawn(*_pairs(lambda z, by=by: _nested(z, by))),  # type: ignore[misc]
            _right(LESION_ML, _SECOND, unsaid=("holes take", "outside the image")),
        )
        for text, by in (
            ("a-fifth-of-a-millimetre", 0.2),
            ("a-third-of-a-millimetre", 0.3),
            ("half-a-millimetre", 0.5),
        )
    ),
    Trap(
        "round-contour-drawn-twice",
        "A round contour of 12 mm radius is drawn twice, the second time 0.3 mm aside.",
        "Their union, which is said: (pi 144 + 24 x 0.3) mm2 x 16 mm = 7.353 mL.",
        _drawn(*(one for z in PLANES for one in (_round(z, 12.0, 0.0), _round(z, 12.0, 0.3)))),
        _right((math.pi * 144.0 * _NINETY + 7.2) * 16e-3, _SECOND, mean=False),
    ),
    Trap(
        "rim-of-a-pixel-and-a-half",
        "A hole leaves a rim of 3 mm all round.",
        "A hole: (256 - 100) mm2 x 16 mm = 2.496 mL.",
        _drawn(*_pairs(lambda z: _nested(z, 3.0))),
        _right(2.496, unsaid=("second drawing", "united")),
    ),
    Trap(
        "hole-beside-an-edge",
        "A hole shares a part of the lesion's edge.",
        "A hole: (256 - 32) mm2 x 16 mm = 3.584 mL.",
        _drawn(*_pairs(lambda z: square(z, ((8.0, 12.0), (-4.0, 4.0), BOX[2])))),
        _right(3.584, unsaid=("second drawing", "united")),
    ),
    Trap(
        "hole-over-an-edge-by-rounding",
        "The same hole reaches 0.05 mm over the lesion's edge.",
        "Rounding: a hole as well, 3.584 mL.",
        _drawn(*_pairs(lambda z: square(z, ((7.95, 12.0), (-4.0, 4.0), BOX[2])))),
        _right(3.584, unsaid=("second drawing", "united")),
    ),
    Trap(
        "hole-off-its-plane",
        "The hole of every slice is drawn 0.15 mm above its outer contour; slices are 2 mm.",
        "They are of one slice: (256 - 64) mm2 x 16 mm = 3.072 mL.",
        _drawn(*_pairs(lambda z: square(z + 0.15, HOLE))),
        _right(3.072),
    ),
    Trap(
        "second-drawing-off-its-plane",
        "Every contour is drawn twice, the second time 0.3 mm above the first; slices are 2 mm.",
        "They are of one slice, and count once, which is said: 4.096 mL.",
        _drawn(*_pairs(lambda z: square(z + 0.3))),
        _right(LESION_ML, "8 contours are stored twice"),
    ),
    Trap(
        "stray-click",
        "A contour of eight points is 0.02 mm wide.",
        "It encloses nothing and is left out, which is said: 4.096 mL.",
        _drawn(*box_contours(), _round(41.0, 0.01, -20.0)[::11]),
        _right(LESION_ML, "1 contour is no wider than 0.1 mm", unsaid=("stored twice",)),
    ),
    Trap(
        "one-of-four-slices-left-out",
        "The lesion has four slices, the third is left for interpolation.",
        "It is filled, which is said: 4 x 0.512 mL.",
        _planes(33.0, 35.0, 39.0),
        _right(4 * PLANE_ML, "extended to the middle"),
    ),
    Trap(
        "first-of-the-gaps-wide",
        "The lesion has four slices, the second is left for interpolation.",
        "It is filled, which is said: 4 x 0.512 mL.",
        _planes(33.0, 37.0, 39.0),
        _right(4 * PLANE_ML, "extended to the middle"),
    ),
    Trap(
        "two-of-seven-slices-left-out",
        "The lesion has seven slices, the fourth and the sixth are left for interpolation.",
        "They are filled, which is said: 7 x 0.512 mL.",
        _planes(33.0, 35.0, 37.0, 41.0, 45.0),
        _right(7 * PLANE_ML, "2 gaps of its slices have no contour"),
    ),
    Trap(
        "slice-of-the-pet-left-out",
        "The lesion has four slices of the PET (4 mm), the second is left for interpolation.",
        "It is filled, which is said: 4.096 mL.",
        _planes(34.0, 42.0, 46.0, on="PET24"),
        _right(LESION_ML, "extended to the middle"),
    ),
    Trap(
        "many-islands",
        "The lesion is drawn as 144 small squares on each of eight planes.",
        "Each counts: half of 4.096 mL, in seconds.",
        _drawn(*_crowd(12)),
        _right(0.5 * LESION_ML),
    ),
)
