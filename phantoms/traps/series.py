"""Slices of a series: positions, copies, padding."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .patient import (
    Change,
    centres,
    ct_truth,
    pet_truth,
    uid,
    write_case,
    write_ct,
    write_patient,
)
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5, "mass_g": 4.17}}
_PLAIN = {"hours": (24.0, 96.0), "lesions": _LESION, "grid": (20, 30, 30)}
_REST = {"lesions": _LESION, "within": 0.01}


def _at(z: Any) -> Change:
    """CT slices at other places along z [mm], given by their number."""

    def change(data: Dataset, number: int) -> None:
        data.ImagePositionPatient = [-63.0, -63.0, f"{float(z(number)):.6g}"]

    return change


def _left_out(*numbers: int) -> Change:
    return lambda data, number: number not in numbers


# Padding ------------------------------------------------------------------------------------------------------------


def _padded_ct(padding: int, radius: float = 60.0) -> np.ndarray:
    """HU that give the stored number ``padding`` outside a round field of view."""
    _, y, x = centres(2.0)
    return np.where(x**2 + y**2 > radius**2, padding - 1024, ct_truth().astype(int))


def _padding(value: int, limit: int | None = None) -> Change:
    def change(data: Dataset, number: int) -> None:
        data.PixelPaddingValue = value
        if limit is not None:
            data.PixelPaddingRangeLimit = limit

    return change


def _padded_pet(folder: Path) -> None:
    """A PET whose padding is the largest stored number, outside a round field of view."""
    _, y, x = centres(4.0)
    outside = x**2 + y**2 > 60.0**2

    def change(data: Dataset, number: int) -> None:
        stored = np.frombuffer(data.PixelData, "<u2").reshape(32, 32).copy()
        stored[outside[number]] = 65535
        data.PixelData, data.PixelPaddingValue = stored.tobytes(), 65535

    write_patient(folder, pet24={"change": change})


# Copies, strays -----------------------------------------------------------------------------------------------------


def _copied(folder: Path) -> None:
    """The CT exported twice, into two folders below one."""
    write_patient(folder, case={"ct": "CT"})
    (folder / "CT").rename(folder / "A")
    shutil.copytree(folder / "A", folder / "CT" / "B")
    (folder / "A").rename(folder / "CT" / "A")


def _other_pixels(folder: Path) -> None:
    """A second file of one instance with the pixels of another slice."""
    write_patient(folder)
    data = pydicom.dcmread(folder / "CT" / "CT020.dcm")
    data.PixelData = bytes(len(data.PixelData))
    data.save_as(folder / "CT" / "CT020b.dcm")


def _stray(**elements: Any) -> Any:
    """The patient with one more image in the CT's folder and series, that sorts first."""

    def make(folder: Path) -> None:
        write_patient(folder)

        def change(data: Dataset, number: int) -> None:
            data.SOPInstanceUID = uid("stray")
            for keyword, value in elements.items():
                if value is None:
                    delattr(data, keyword)
                else:
                    setattr(data, keyword, value)

        write_ct(folder / "CT", ct_truth()[:1], change=change, prefix="00_IMG")

    return make


def _rounded(folder: Path, missing: tuple[int, ...] = ()) -> None:
    """CT slices 0.625 mm apart whose positions are written with one decimal."""

    def change(data: Dataset, number: int) -> bool:
        data.ImagePositionPatient = [-63.0, -63.0, round(0.3 + 0.625 * number, 1)]
        data.SliceThickness = 0.625
        return number not in missing

    write_patient(folder, ct={"values": np.repeat(ct_truth()[:1], 128, 0), "change": change})


def _shifted(data: Dataset, number: int) -> None:
    if number == 20:
        data.ImagePositionPatient = [-53.0, -63.0, 1.0 + 2.0 * number]


def _tilted(data: Dataset, number: int) -> None:
    data.ImagePositionPatient = [-63.0, -63.0 + 0.038 * number, 1.0 + 2.0 * number]


def _own_frame(data: Dataset, number: int) -> None:
    data.FrameOfReferenceUID = uid("frame", number)


def _short(folder: Path) -> None:
    """A PET whose last four slices were lost: nothing is between the others."""
    write_patient(folder, pet24={"values": pet_truth(), "change": _left_out(16, 17, 18, 19)})


def _two_slices(folder: Path) -> None:
    """The patient with two CT slices only, far apart."""
    write_patient(folder, ct={"change": lambda data, number: number in (0, 10, 39)})
    write_case(folder)


def _gaps_of_a_table(number: int) -> float:
    """2 mm apart but for one gap of 1.95 mm and five of 2.01 mm."""
    return 1.0 + 2.0 * number - 0.05 * (number > 12) + 0.01 * min(max(number - 12, 0), 5)


def _patient(**parts: Any) -> Any:
    return lambda folder: write_patient(folder, **parts)


_PADDING = (
    Trap(
        "ct-padding-outside-the-field",
        "PixelPaddingValue 32767 outside a round field of view of the CT.",
        "Padding is air, and said.",
        _patient(ct={"values": _padded_ct(32767), "change": _padding(32767)}),
        Right(**_PLAIN, says=("padding value", "are taken as air")),
        source="report",
    ),
    Trap(
        "ct-padding-of-the-value-of-water",
        "PixelPaddingValue 1024, which is 0 HU, outside the field of view; the body has 0 HU too.",
        "Padding outside the field of view is air; the body stays water, and that is said.",
        _patient(ct={"values": _padded_ct(1024), "change": _padding(1024)}),
        Right(**_PLAIN, says=("inside the body kept that value",)),
        source="report",
    ),
    Trap(
        "ct-padding-range",
        "Padding is a range: PixelPaddingValue 30000, PixelPaddingRangeLimit 32767.",
        "All of the range is air.",
        _patient(ct={"values": _padded_ct(31000), "change": _padding(30000, 32767)}),
        Right(**_PLAIN, says=("are taken as air",)),
    ),
    Trap(
        "pet-padding-outside-the-field",
        "PixelPaddingValue 65535 outside a round field of view of the PET.",
        "Padding is no activity, and said.",
        _padded_pet,
        Right(**_PLAIN, says=("are taken as no activity",), unsaid=("more than",)),
    ),
    Trap(
        "pet-padding-of-the-value-of-the-lesion",
        "PixelPaddingValue of the PET is the stored number of its hottest voxels.",
        "The lesion keeps its activity, and the remark says that the padding value is measured too.",
        _patient(pet24={"change": _padding(32000)}),
        Right(**_PLAIN, says=("inside the body kept that value",)),
    ),
)

_POSITIONS = (
    Trap(
        "positions-rounded",
        "CT slices 0.625 mm apart, positions written with one decimal (gaps of 0.6 and 0.7 mm).",
        "Read on the even grid, and said.",
        _rounded,
        Right(**_PLAIN, says=("off an even grid",)),
        source="report",
    ),
    Trap(
        "positions-read-from-the-table",
        "One gap of 1.95 mm and five of 2.01 mm among slices 2 mm apart, as at the overlap of beds.",
        "Read on the even grid, with the largest error said.",
        _patient(ct={"change": _at(_gaps_of_a_table)}),
        Right(**_PLAIN, says=("off an even grid of 2 mm by up to 0.04 mm",)),
        source="report",
    ),
    Trap(
        "slice-missing",
        "One CT slice is missing.",
        "Refusal: where, and how many.",
        _patient(ct={"change": _left_out(20)}),
        Right(refused=True, says=("1 slice missing in the CT series between 39.00 and 43.00 mm",), **_REST),
    ),
    Trap(
        "slices-missing-of-rounded-positions",
        "Two neighbouring CT slices are missing where positions are rounded to a tenth.",
        "Refusal: where, and how many.",
        lambda folder: _rounded(folder, (100, 101)),
        Right(refused=True, says=("2 slices missing in the CT series",), **_REST),
    ),
    Trap(
        "slices-missing-of-three",
        "Three CT slices are left, the second not in the middle.",
        "Refusal: uneven.",
        _two_slices,
        Right(refused=True, says=("the CT series between",), **_REST),
    ),
    Trap(
        "every-second-slice-missing",
        "Every second CT slice is missing: those left lie on an even grid, twice as wide.",
        "Refusal: thickness and numbers of the slices tell.",
        _patient(ct={"change": _left_out(*range(1, 40, 2))}),
        Right(refused=True, says=("4 mm apart", "2 mm thick"), **_REST),
    ),
    Trap(
        "slice-shifted-in-its-plane",
        "One CT slice lies 10 mm to the left of the others.",
        "Refusal: which one, and by how much.",
        _patient(ct={"change": _shifted}),
        Right(refused=True, says=("shifted in its plane by 10 mm",), **_REST),
    ),
    Trap(
        "gantry-tilt-of-one-degree",
        "The gantry is tilted by 1.1 degrees: the last CT slice is 1.5 mm off.",
        "Refusal: no rectangular voxels.",
        _patient(ct={"change": _tilted}),
        Right(refused=True, says=("gantry tilt",), **_REST),
    ),
    Trap(
        "slices-missing-at-the-end",
        "The last four of 20 PET slices were lost; NumberOfSlices says 20.",
        "The remark says that some are missing.",
        _short,
        Right(
            lesions={"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}},
            says=("states 20 slices of the PET, and 16 are here",),
            refusal_allowed=True,
        ),
    ),
    Trap(
        "frame-of-reference-of-each-slice",
        "A de-identifier gave each CT slice a frame of reference of its own.",
        "Refusal that names the reason.",
        _patient(ct={"change": _own_frame}),
        Right(refused=True, says=("40 frames of reference for 40 slices", "de-identified"), **_REST),
        source="report",
    ),
)

_STRAYS = (
    Trap(
        "series-copied-twice",
        "The CT was exported twice, into two folders below the one that the case names.",
        "The copies are left out, and said.",
        _copied,
        Right(**_PLAIN, says=("40 files were left out", "a copy")),
        source="report",
    ),
    Trap(
        "same-instance-other-pixels",
        "Two files state one instance UID and have different pixels.",
        "Refusal that names both.",
        _other_pixels,
        Right(refused=True, says=("differ in their pixels: CT/CT020.dcm and CT/CT020b.dcm",), **_REST),
    ),
    Trap(
        "localizer-among-the-slices",
        "The CT localizer has the series UID of the axial slices and sorts first.",
        "The localizer is left out, and said.",
        _stray(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        Right(**_PLAIN, says=("00_IMG000.dcm (a localizer)",)),
        source="report",
    ),
    Trap(
        "scout-series-in-the-folder",
        "The folder of the CT holds the scout too, one image of a series of its own.",
        "The scout is left out, and said.",
        _stray(SeriesInstanceUID=uid("scout"), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        Right(**_PLAIN, says=("a localizer (CT/00_IMG000.dcm)",)),
    ),
    Trap(
        "coronal-slice-in-the-series",
        "One coronal reformat has the series UID of the axial slices.",
        "It is left out, and said.",
        _stray(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        Right(**_PLAIN, says=("00_IMG000.dcm (another orientation)",)),
    ),
    Trap(
        "screenshot-in-the-series",
        "A screenshot of modality CT has the series UID of the axial slices.",
        "It is left out, and said.",
        _stray(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ImagePositionPatient=None, ImageOrientationPatient=None),
        Right(**_PLAIN, says=("Secondary Capture",)),
    ),
    Trap(
        "scout-without-a-position",
        "A scout without position has the series UID of the axial slices.",
        "It is left out, and said.",
        _stray(ImagePositionPatient=None),
        Right(**_PLAIN, says=("without a position in the patient",)),
    ),
)

TRAPS: tuple[Trap, ...] = (*_PADDING, *_POSITIONS, *_STRAYS)
