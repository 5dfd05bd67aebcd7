"""Which series is taken, and which is left out."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from .patient import at, ct_truth, pet_truth, uid, write_ct, write_patient, write_pet
from .trap import IMPORT, Right, Trap

_LESION = {"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}
BOTH = Right(hours=(24.0, 96.0), lesions=_LESION, tracer="I-124")
_ONE = Right(hours=(24.0,), lesions=_LESION)
ONLY_IMPORT = ("import . -o case.yaml",)
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


def bare_patient(folder: Path, *, late: bool = True, **parts: Any) -> Path:
    """The patient without a case, and perhaps without the second scan."""
    write_patient(folder, **parts)
    (folder / "case.yaml").unlink()
    if not late:
        for path in (folder / "PET96").iterdir():
            path.unlink()
        (folder / "PET96").rmdir()
    return folder


def _silent(data: Dataset, number: int) -> None:
    """Takes away what says which corrections were made."""
    del data.CorrectedImage


def _beside(folder: Path, name: str, share: float = 0.3, hours: float = 24.0, late: bool = True, **more: Any) -> None:
    """The patient with a second PET beside that of 24 h."""
    bare_patient(folder, late=late)
    write_pet(folder / name, pet_truth(share), at(hours), **more)


def _uncorrected(folder: Path) -> None:
    bare_patient(folder, pet24={"change": _silent, "AttenuationCorrectionMethod": "CTAC"})
    more = {"SeriesDescription": "PET NAC", "AttenuationCorrectionMethod": "NONE"}
    write_pet(folder / "A_NAC", pet_truth(0.3), change=_silent, **more)


def _uncorrected_by_words(folder: Path) -> None:
    bare_patient(folder)
    write_pet(folder / "A_FIRST", pet_truth(0.3), change=_silent, SeriesDescription="WB uncorrected")


def _silent_twins(folder: Path) -> None:
    """Two of one scan, of which one is not corrected, and nothing says which."""
    bare_patient(folder, pet24={"change": _silent})
    write_pet(folder / "A_FIRST", pet_truth(0.3), change=_silent)


def _projection(folder: Path) -> None:
    def turn(data: Dataset, number: int) -> None:
        angle = math.radians(5 * number)
        data.ImageType = ["DERIVED", "SECONDARY", "MIP"]
        data.ImageOrientationPatient = [math.cos(angle), math.sin(angle), 0, 0, 0, -1]
        data.ImagePositionPatient = [0, 0, 80]

    bare_patient(folder)
    write_pet(folder / "A_MIP", np.repeat(pet_truth().max(1)[None], 72, 0), change=turn)


def _turning_views(folder: Path) -> None:
    """As a projection, whose type says nothing."""

    def turn(data: Dataset, number: int) -> None:
        angle = math.radians(5 * number)
        data.ImageOrientationPatient = [math.cos(angle), math.sin(angle), 0, 0, 0, -1]
        data.ImagePositionPatient = [0, 0, 80]

    bare_patient(folder)
    write_pet(folder / "A_VIEWS", np.repeat(pet_truth().max(1)[None], 24, 0), change=turn)


def _localizer(data: Dataset, number: int) -> None:
    data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    data.ImageOrientationPatient, data.SOPInstanceUID = [1, 0, 0, 0, 0, -1], uid("localizer")


def _localizer_in_the_series(folder: Path) -> None:
    bare_patient(folder)
    write_ct(folder / "CT", ct_truth()[:1], change=_localizer, prefix="A_LOC")


def _screenshots(folder: Path) -> None:
    """Six pictures of modality CT at the PET's own time, and the CT an hour before."""

    def picture(data: Dataset, number: int) -> None:
        data.SOPClassUID, data.ImageType = _SECONDARY, ["DERIVED", "SECONDARY"]
        if number == 2:
            del data.ImagePositionPatient

    bare_patient(folder, ct={"when": at(23.0)})
    write_ct(folder / "A_SHOTS", ct_truth()[:6], at(24.0), picture)


def _smaller_ct(folder: Path) -> None:
    """A CT of eight slices at the PET's own time beside the whole one."""
    bare_patient(folder, ct={"when": at(23.5)})
    write_ct(folder / "A_NECK", ct_truth()[:8], at(24.0))


def _derived_ct(folder: Path) -> None:
    """Coronal images of another program, of wrong numbers."""
    bare_patient(folder)
    write_ct(folder / "A_MPR", ct_truth() + 300, ImageType=["DERIVED", "SECONDARY", "MPR"])


def _sharp_ct(folder: Path) -> None:
    bare_patient(folder)
    write_ct(folder / "A_LUNG", ct_truth() + 300, SeriesDescription="Lung 2.0 B70f", ConvolutionKernel="B70f")


def _quarter_second(data: Dataset, number: int) -> None:
    data.AcquisitionTime, data.SeriesTime = "090000.25", "090000.50"


def _reconstructions(folder: Path) -> None:
    _beside(folder, "PET24b", 0.97, late=False, change=_quarter_second)


def _seconds_over_midnight(folder: Path) -> None:
    """Two reconstructions stamped 0.5 s before and after midnight (39 h after the administration at 9 h)."""

    def before(data: Dataset, number: int) -> None:
        data.AcquisitionDate = data.SeriesDate = "20260106"
        data.AcquisitionTime = data.SeriesTime = "235959.50"

    bare_patient(folder, late=False, pet24={"start": at(39.0)})
    write_pet(folder / "PET24b", pet_truth(0.97), at(39.0), change=before)


def _finer(folder: Path) -> None:
    """A reconstruction of thicker slices and another description."""
    coarse = pet_truth()[::2]

    def thick(data: Dataset, number: int) -> None:
        data.ImagePositionPatient, data.SliceThickness = [-62.0, -62.0, 4.0 + 8.0 * number], 8.0

    bare_patient(folder)
    write_pet(folder / "A_THICK", coarse, change=thick, SeriesDescription="PET AC 8 mm")


def _suv(folder: Path) -> None:
    _beside(folder, "A_SUV", 1e-3, Units="GML", SUVType="BW")


def _two_days(folder: Path) -> None:
    bare_patient(folder)
    write_ct(folder / "A_CT", ct_truth() + 300, at(168.0))


def _another_frame(folder: Path) -> None:
    """A reconstruction in a frame of reference and study of its own, without a CT there."""
    _beside(folder, "A_OTHER", 0.97, FrameOfReferenceUID="1.2.3.4", StudyInstanceUID="1.2.3.5")


def _parts(folder: Path) -> None:
    """One scan in two series: the upper and the lower half."""
    halves = pet_truth()
    bare_patient(folder, late=False, pet24={"values": halves[:10]})

    def upper(data: Dataset, number: int) -> None:
        data.ImagePositionPatient = [-62.0, -62.0, 42.0 + 4.0 * number]

    write_pet(folder / "PET24_UPPER", halves[10:], change=upper)


def _reprojection(folder: Path) -> None:
    _beside(folder, "A_PROJ", 5.0, SeriesType=["WHOLE BODY", "REPROJECTION"])


def _copied(folder: Path) -> None:
    bare_patient(folder)
    shutil.copytree(folder / "PET24", folder / "backup" / "PET24")
    shutil.copytree(folder / "CT", folder / "backup" / "CT")


def _tie(folder: Path) -> None:
    _beside(folder, "A_TOF", 0.9, late=False, SeriesDescription="PET TOF", ReconstructionMethod="OSEM+TOF")


def _bed_of_the_neck(folder: Path, hours: float = 24.4, late: bool = False, **more: Any) -> None:
    """A further scan of 14 slices, which shows 5 % more than the whole one."""
    _beside(folder, "A_HN", hours=hours, late=late, **more)
    shutil.rmtree(folder / "A_HN")
    write_pet(folder / "A_HN", pet_truth(1.05)[4:18], at(hours), change=_from_slice_four, SeriesDescription="PET HN")


def _from_slice_four(data: Dataset, number: int) -> None:
    data.ImagePositionPatient = [-62.0, -62.0, 18.0 + 4.0 * number]


def _early(folder: Path) -> None:
    """Scans at 1 h and 2 h that follow the uptake."""
    bare_patient(folder, pet24={"start": at(1.0)}, pet96={"start": at(2.0), "values": pet_truth(1.2)})


def trap(name: str, situation: str, right: str, make: Callable[[Path], Any], expected: Right, **more: Any) -> Trap:
    return Trap(name, situation, right, make, expected, **{"commands": IMPORT, **more})


TRAPS: tuple[Trap, ...] = (
    trap(
        "two-reconstructions-a-quarter-second-apart",
        "Two reconstructions of one scan have times 0.25 s apart, and no other scan is there.",
        "One of them is taken, the other is left out: one scan.",
        _reconstructions, _ONE, source="report",
    ),
    trap(
        "reconstructions-over-midnight",
        "Two reconstructions of one scan are stamped half a second before and at midnight.",
        "One of them is taken: one scan, 39 h after the administration.",
        _seconds_over_midnight, Right(hours=(38.99986,), within=1e-4),
    ),
    trap(
        "uncorrected-series-sorted-first",
        "A PET that only AttenuationCorrectionMethod calls uncorrected lies in a folder that sorts first.",
        "The corrected one is taken.",
        _uncorrected, BOTH, source="report",
    ),
    trap(
        "uncorrected-by-description",
        "Only the description of an uncorrected PET says so.",
        "It is left out.",
        _uncorrected_by_words, BOTH,
    ),
    trap(
        "uncorrected-and-silent",
        "Two PETs of one scan say nothing of attenuation correction, and one of them lacks it.",
        "Asked which one to take.",
        _silent_twins, Right(refused=True, says=("equally well", "--take")), commands=ONLY_IMPORT,
    ),
    trap(
        "projections-beside-the-scan",
        "A series of 72 projections (MIP) lies beside the PET of 20 slices.",
        "The PET is taken.",
        _projection, BOTH, source="report",
    ),
    trap(
        "projections-of-no-stated-type",
        "A series of 24 views that turn about the patient calls itself original.",
        "The PET is taken.",
        _turning_views, BOTH,
    ),
    trap(
        "localizer-in-the-series",
        "The localizer of a CT has the series UID of its slices, and sorts before them.",
        "The localizer is left out, the slices are taken.",
        _localizer_in_the_series, Right(says=("a localizer in the series of CT", "40 files")), commands=ONLY_IMPORT,
        source="report",
    ),
    trap(
        "screenshots-of-modality-ct",
        "Six screenshots of modality CT have the time of the PET, and the CT was taken an hour before.",
        "The CT is taken.",
        _screenshots, BOTH, source="report",
    ),
    trap(
        "ct-of-a-part",
        "A CT of the neck was taken nearer to the PET than the CT that covers it.",
        "The CT that covers the PET is taken.",
        _smaller_ct, BOTH,
    ),
    trap(
        "derived-ct",
        "Derived images of a CT, with other numbers, lie beside the original ones.",
        "The original CT is taken: the lesion has the mass of water.",
        _derived_ct, Right(hours=(24.0, 96.0), lesions={"L1": {"mass_g": 4.17}}),
    ),
    trap(
        "ct-of-a-sharp-kernel",
        "A CT was reconstructed with a lung kernel too.",
        "The CT of the soft kernel is taken.",
        _sharp_ct, Right(hours=(24.0, 96.0), lesions={"L1": {"mass_g": 4.17}}),
    ),
    trap(
        "thicker-slices-beside",
        "A scan was reconstructed in slices of 4 mm and of 8 mm.",
        "The finer one is taken.",
        _finer, BOTH,
    ),
    trap(
        "suv-beside",
        "A scan is there in SUV and in Bq/mL.",
        "The one in Bq/mL is taken.",
        _suv, BOTH,
    ),
    trap(
        "reconstructions-of-two-methods",
        "A scan was reconstructed by two methods, which agree in all that could decide.",
        "Asked which one to take.",
        _tie, Right(refused=True, says=("equally well", "'PET TOF'", "OSEM+TOF", "--take")), commands=ONLY_IMPORT,
    ),
    trap(
        "reconstruction-in-another-frame",
        "A second reconstruction of one scan has a frame of reference and a study of its own.",
        "The one that has a CT is taken.",
        _another_frame, BOTH,
    ),
    trap(
        "scan-in-two-parts",
        "One scan is there in two series, its upper and its lower half.",
        "Asked what to take: the two are no two points in time.",
        _parts, Right(refused=True, says=("show different places", "--take")), commands=ONLY_IMPORT,
    ),
    trap(
        "reprojection-by-series-type",
        "Only SeriesType says that a series is a reprojection.",
        "It is left out.",
        _reprojection, BOTH,
    ),
    trap(
        "backup-beside-the-series",
        "The folders of the PET and the CT are there a second time, in a backup.",
        "Each image is read once.",
        _copied, BOTH, source="report",
    ),
    trap(
        "reconstruction-asked-for",
        "A scan was reconstructed by two methods, and the user names one.",
        "That one is taken.",
        _tie, _ONE, commands=("import . -o case.yaml --take PET24", "check case.yaml"),
    ),
    trap(
        "bed-of-the-neck-after-the-whole-body",
        "A bed on the neck was scanned 24 min after the whole body, and shows 5 % more; no other scan is there.",
        "One session is one point in time: the whole body is taken, the bed is left out and named.",
        _bed_of_the_neck, _ONE, source="report",
    ),
    trap(
        "bed-of-the-neck-named",
        "As before, with a second scan at 96 h.",
        "The whole body of the first session and the second scan are taken; how to take the bed is said.",
        lambda folder: _bed_of_the_neck(folder, late=True),
        Right(says=("PET24 shows more of the patient", "kinetics need scans hours apart; --take")),
        commands=ONLY_IMPORT,
    ),
    trap(
        "bed-of-the-neck-asked-for",
        "The user names the bed on the neck.",
        "It is taken, and is the only scan.",
        _bed_of_the_neck, Right(hours=(24.4,), lesions={"L1": {"mean_bq_ml": 1.05e5}}),
        commands=("import . -o case.yaml --take A_HN", "check case.yaml"),
    ),
    trap(
        "early-scans-an-hour-apart",
        "Two scans at 1 h and 2 h follow the uptake.",
        "Both are taken: the uptake of the first hours is no single moment.",
        _early, Right(hours=(1.0, 2.0)),
    ),
    trap(
        "ct-of-another-day",
        "Two CTs in one frame of reference: one of the day of the scan, one of three days later.",
        "The CT of the day is taken.",
        _two_days,
        Right(hours=(24.0, 96.0), lesions={"L1": {"mass_g": 4.17}}),
    ),
)  # fmt: skip
