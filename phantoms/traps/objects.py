"""Enhanced, legacy converted and vendor objects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from .patient import ADMINISTERED, DOSE_BQ, at, pet_truth, save, uid, write_patient
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5, "mass_g": 4.17}}
_PLAIN = {"hours": (24.0, 96.0), "lesions": _LESION, "grid": (20, 30, 30)}
ENHANCED_PET_CLASS = "1.2.840.10008.5.1.4.1.1.130"


def _legacy(*folders: str, kind: str) -> Callable[[Path], None]:
    """The patient with some series converted into one multi-frame file each."""

    def make(folder: Path) -> None:
        import highdicom

        write_patient(folder)
        for name in folders:
            slices = [pydicom.dcmread(path) for path in sorted((folder / name).iterdir())]
            whole = getattr(highdicom.legacy, kind)(slices, uid(name, "legacy"), 3, uid(name, "legacy", 1), 1)
            for path in (folder / name).iterdir():
                path.unlink()
            whole.save_as(folder / name / "whole.dcm")

    return make


def _code(value: str, scheme: str, meaning: str) -> Items:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return Items([code])


def _group(keyword: str, **elements: Any) -> tuple[str, Items]:
    item = Dataset()
    for key, value in elements.items():
        setattr(item, key, value)
    return keyword, Items([item])


def enhanced_pet(
    unit: str = "Bq/ml",
    values: np.ndarray | None = None,
    change: Callable[[Dataset], Any] | None = None,
) -> Callable[[Path], None]:
    """The patient with the first PET as an Enhanced PET: no classic Units, times or decay correction in it.

    Parameters
    ----------
    unit
        UCUM unit of the real world values.
    values
        What those are to be (20, 32, 32).
    change
        Called with the data set.
    """

    def make(folder: Path) -> None:
        write_patient(folder)
        for path in (folder / "PET24").iterdir():
            path.unlink()
        data = _enhanced(unit, pet_truth() if values is None else values)
        if change is not None:
            change(data)
        save(data, folder / "PET24" / "enhanced.dcm")

    return make


def _enhanced(unit: str, values: np.ndarray) -> Dataset:
    start = at(24.0).strftime("%Y%m%d%H%M%S")
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = ENHANCED_PET_CLASS, uid("enhanced")
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.2", uid("enhanced", "series")
    data.FrameOfReferenceUID, data.Modality = "1.2.826.0.1.3680043.8.498.1", "PT"
    data.PatientID, data.PatientName, data.PatientBirthDate, data.PatientSex = "X1", "Test^X", "", "O"
    data.PatientWeight, data.StudyDate, data.StudyTime = 70.0, start[:8], start[8:]
    data.SeriesDate, data.SeriesTime, data.AcquisitionDateTime = start[:8], start[8:], start
    data.ImageType, data.CountsSource = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "EMISSION"
    data.DecayCorrected, data.DecayCorrectionDateTime = "YES", start
    data.AttenuationCorrected = data.ScatterCorrected = data.RandomsCorrected = "YES"
    drug = Dataset()
    drug.RadiopharmaceuticalStartDateTime = ADMINISTERED.strftime("%Y%m%d%H%M%S")
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = DOSE_BQ / 1e6, 360806.4  # MBq in this class
    drug.RadionuclideCodeSequence = _code("C-145A2", "SRT", "^124^Iodine")
    data.RadiopharmaceuticalInformationSequence = Items([drug])
    slope = float(f"{values.max() / 32000.0:.10g}")
    frames = []
    for number in range(len(values)):
        frame = Dataset()
        for keyword, items in (
            _group("PlanePositionSequence", ImagePositionPatient=[-62.0, -62.0, 2.0 + 4.0 * number]),
            _group("FrameContentSequence", FrameAcquisitionDateTime=start, FrameAcquisitionDuration=120_000.0),
        ):
            setattr(frame, keyword, items)
        frames.append(frame)
    shared = Dataset()
    for keyword, items in (
        _group("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        _group("PixelMeasuresSequence", PixelSpacing=[4.0, 4.0], SliceThickness=4.0),
        _group("PixelValueTransformationSequence", RescaleSlope=1, RescaleIntercept=0, RescaleType="US"),
        _group(
            "RealWorldValueMappingSequence",
            RealWorldValueSlope=slope,
            RealWorldValueIntercept=0.0,
            MeasurementUnitsCodeSequence=_code(unit, "UCUM", unit),
        ),
    ):
        setattr(shared, keyword, items)
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = Items([shared]), Items(frames)
    data.NumberOfFrames, data.Rows, data.Columns = len(values), 32, 32
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = np.rint(values / slope).astype("<u2").tobytes()
    return data


def _suv() -> np.ndarray:
    """The first PET as SUV by body weight: activity per gram over the activity left per gram of body."""
    left = DOSE_BQ * 2.0 ** (-24.0 / (360806.4 / 3600.0))
    return np.asarray(pet_truth() * 70e3 / left)


def _no_units(data: Dataset) -> None:
    del data.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence


def _other_reference(data: Dataset) -> None:
    data.DecayCorrectionDateTime = at(20.0).strftime("%Y%m%d%H%M%S")


def _to_administration(data: Dataset) -> None:
    data.DecayCorrectionDateTime = ADMINISTERED.strftime("%Y%m%d%H%M%S")


def _two_times(data: Dataset) -> None:
    """Two time frames in one object: each position twice."""
    frames = list(data.PerFrameFunctionalGroupsSequence)
    later = [pydicom.Dataset.from_json(frame.to_json()) for frame in frames]
    for frame in later:
        frame.FrameContentSequence[0].FrameAcquisitionDateTime = (at(24.0) + timedelta(minutes=10)).strftime(
            "%Y%m%d%H%M%S"
        )
    data.PerFrameFunctionalGroupsSequence = Items([*frames, *later])
    data.NumberOfFrames, data.PixelData = 2 * len(frames), data.PixelData * 2


def _first_half(data: Dataset) -> None:
    """The first of two files that the object was split into."""
    data.ConcatenationUID, data.InConcatenationNumber, data.InConcatenationTotalNumber = uid("split"), 1, 2
    frames = list(data.PerFrameFunctionalGroupsSequence)[:16]
    data.PerFrameFunctionalGroupsSequence, data.NumberOfFrames = Items(frames), len(frames)
    data.PixelData = data.PixelData[: len(frames) * 32 * 32 * 2]


def _colour(data: Dataset, number: int) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelData = 7, bytes(64 * 64 * 3)


def _screenshot(data: Dataset, number: int) -> None:
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.ImageType = ["DERIVED", "SECONDARY", "REF_SURVIEW"]


def _transmission(data: Dataset, number: int) -> None:
    data.CountsSource = "TRANSMISSION"


def _projections(data: Dataset, number: int) -> None:
    angle = np.radians(9.0 * number)
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.ImageOrientationPatient = [f"{np.cos(angle):.6f}", f"{np.sin(angle):.6f}", 0, 0, 0, -1]


TRAPS: tuple[Trap, ...] = (
    Trap(
        "legacy-converted-pet",
        "The first PET is a Legacy Converted Enhanced PET: one file with all slices.",
        "Read as the classic series.",
        _legacy("PET24", kind="LegacyConvertedEnhancedPETImage"),
        Right(**_PLAIN),
        source="report",
    ),
    Trap(
        "legacy-converted-ct",
        "The CT is a Legacy Converted Enhanced CT.",
        "Read as the classic series.",
        _legacy("CT", kind="LegacyConvertedEnhancedCTImage"),
        Right(**_PLAIN),
        source="report",
    ),
    Trap(
        "enhanced-pet",
        "An Enhanced PET: unit in the real world values, decay correction by its moment, activity in MBq.",
        "Read as the classic series.",
        enhanced_pet(),
        Right(**_PLAIN),
    ),
    Trap(
        "enhanced-pet-in-suv",
        "An Enhanced PET whose real world values are SUV by body weight.",
        "Turned back into Bq/mL.",
        enhanced_pet("{SUVbw}g/ml", _suv()),
        Right(**_PLAIN),
    ),
    Trap(
        "enhanced-pet-corrected-to-administration",
        "An Enhanced PET whose decay correction refers to the administration.",
        "Decayed to the scan: 84706 Bq/mL.",
        enhanced_pet(change=_to_administration),
        Right(hours=(24.0, 96.0), lesions={"L1": {"volume_ml": 4.096, "mean_bq_ml": 84706.0}}),
    ),
    Trap(
        "enhanced-pet-corrected-to-another-moment",
        "An Enhanced PET whose decay correction refers to a moment four hours before the scan.",
        "Refusal that names the moment.",
        enhanced_pet(change=_other_reference),
        Right(refused=True, says=("DecayCorrectionDateTime", "20260106050000")),
    ),
    Trap(
        "enhanced-pet-without-units",
        "An Enhanced PET that says nowhere what its values are.",
        "Refusal.",
        enhanced_pet(change=_no_units),
        Right(refused=True, says=("units are not given",)),
    ),
    Trap(
        "enhanced-pet-in-kilobecquerels",
        "An Enhanced PET whose real world values are in kBq/ml.",
        "The plain patient: 100000 Bq/mL.",
        enhanced_pet("kBq/ml", pet_truth(1e-3)),
        Right(**_PLAIN),
        source="report",
    ),
    Trap(
        "half-of-a-concatenation",
        "An Enhanced PET that was split into two files, of which the second is missing.",
        "Refusal: slices are missing.",
        enhanced_pet(change=_first_half),
        Right(refused=True, says=("was split into 2 files, and 1 of them is here",)),
        source="report",
    ),
    Trap(
        "enhanced-pet-of-two-times",
        "An Enhanced PET with two time frames.",
        "Refusal: each position twice.",
        enhanced_pet(change=_two_times),
        Right(refused=True, says=("at the same position", "frame 1")),
    ),
    Trap(
        "colour-ct",
        "CT slices with three samples per pixel.",
        "Refusal: a colour image.",
        lambda folder: write_patient(folder, ct={"change": _colour}),
        Right(refused=True, says=("a colour image",)),
        source="report",
    ),
    Trap(
        "screenshots-as-ct",
        "The series of modality CT is made of screenshots (Secondary Capture).",
        "Refusal.",
        lambda folder: write_patient(folder, ct={"change": _screenshot}),
        Right(refused=True, says=("Secondary Capture",)),
        source="report",
    ),
    Trap(
        "transmission-scan-as-pet",
        "The series of modality PT is a transmission scan.",
        "Refusal.",
        lambda folder: write_patient(folder, pet24={"change": _transmission}),
        Right(refused=True, says=("a transmission image",)),
    ),
    Trap(
        "projections-as-pet",
        "The series of modality PT holds views that turn about the patient, not named MIP.",
        "Refusal.",
        lambda folder: write_patient(folder, pet24={"change": _projections}),
        Right(refused=True, says=("views that turn about the patient",)),
    ),
)
