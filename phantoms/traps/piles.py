"""Piles that lack a usable scan, hold several patients, or structures of other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .choice import BOTH, ONLY_IMPORT, bare_patient, trap
from .patient import at, box_contours, ct_truth, pet_truth, write_ct, write_pet, write_structures
from .trap import Right, Trap


def _later(folder: Path, **elements: Any) -> None:
    bare_patient(folder, pet96=elements)


def _no_ct_of_the_second_scan(folder: Path) -> None:
    _later(folder, FrameOfReferenceUID="1.2.3.4", StudyInstanceUID="1.2.3.5")


def _damaged(folder: Path) -> None:
    bare_patient(folder)
    for path in (folder / "PET96").iterdir():
        path.write_bytes(path.read_bytes()[:300])


def _dynamic(folder: Path) -> None:
    """Three frames in time at each place, from 23 h on."""

    def frame(data: Dataset, number: int) -> None:
        data.ImagePositionPatient = [-62.0, -62.0, 2.0 + 4.0 * (number % 20)]
        data.SeriesType = ["DYNAMIC", "IMAGE"]

    bare_patient(folder)
    write_pet(folder / "A_DYN", np.tile(pet_truth(0.5), (3, 1, 1)), at(22.0), change=frame)


def _spect(folder: Path) -> None:
    def spect(data: Dataset, number: int) -> None:
        data.Modality, data.SOPClassUID = "NM", "1.2.840.10008.5.1.4.1.1.20"

    bare_patient(folder, late=False)
    for path in (folder / "PET24").iterdir():
        data = pydicom.dcmread(path)
        spect(data, 0)
        data.save_as(path)


def _other_patient(folder: Path, **who: Any) -> None:
    bare_patient(folder, pet96=who)


def _stale_structures(folder: Path) -> None:
    """Structures drawn on an MR of another frame of reference, which the case's frame is written into, and newer."""

    def elsewhere(data: Dataset) -> None:
        for roi in data.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = "1.2.3.9"

    bare_patient(folder, structures={"change": elsewhere, "on": "PET24"})
    write_ct(folder / "MR", ct_truth()[:8], Modality="MR", FrameOfReferenceUID="1.2.3.9")
    wrong = [("GTV_MR", [[[-40.0, -8.0, z], [-24.0, -8.0, z], [-24.0, 8.0, z], [-40.0, 8.0, z]] for z in (33.0, 35.0)])]
    write_structures(folder / "RS" / "a_mr.dcm", wrong, on="MR", frame="1.2.3.9")


def _lacking(*words: str) -> Right:
    """An import that writes a case and says what it lacks: exit code 1."""
    return Right(says=("left out", *words), exits=(1,))


def _rejected(folder: Path) -> None:
    """A newer RTSTRUCT of a wrong outline, which its author rejected."""
    bare_patient(folder)

    def change(data: Dataset) -> None:
        data.ApprovalStatus, data.StructureSetDate = "REJECTED", "20260108"

    write_structures(folder / "RS" / "new.dcm", [("L1", box_contours(((8, 24), (-8, 8), (32, 40))))], change)


def _emptied(folder: Path) -> None:
    bare_patient(folder)
    for path in (folder / "PET96").iterdir():
        path.write_bytes(b"")


TRAPS: tuple[Trap, ...] = (
    trap(
        "second-scan-without-a-ct",
        "The second scan has no CT in its frame of reference.",
        "A case of the first scan, and exit code 1: the kinetics lack a scan.",
        _no_ct_of_the_second_scan, _lacking("PET96", "no CT", "1 scan alone"), commands=ONLY_IMPORT,
    ),
    trap(
        "second-scan-in-counts",
        "The second scan is in counts.",
        "A case of the first scan, and exit code 1: the kinetics lack a scan.",
        lambda folder: _later(folder, Units="CNTS"), _lacking("PET96", "CNTS", "1 scan alone"), commands=ONLY_IMPORT,
    ),
    trap(
        "second-scan-damaged",
        "Every file of the second scan is truncated.",
        "A case of the first scan, and exit code 1: the damaged files may be a scan.",
        _damaged, _lacking("damaged", "may hold a scan"), commands=ONLY_IMPORT,
    ),
    trap(
        "second-scan-without-a-modality", "Modality of the second scan is empty; its SOP class is that of a PET.",
        "A case of the first scan, and exit code 1: the kinetics lack a scan.",
        lambda folder: _later(folder, Modality=""), _lacking("its Modality is empty"), commands=ONLY_IMPORT,
    ),
    trap(
        "second-scan-of-empty-files", "Every file of the second scan is empty.",
        "A case of the first scan, and exit code 1: the empty files may have been a scan.",
        _emptied, _lacking("damaged", "may hold a scan"), commands=ONLY_IMPORT,
    ),
    trap(
        "structures-rejected", "A newer RTSTRUCT was rejected by its author.", "The older one is taken.",
        _rejected, BOTH,
    ),
    trap(
        "second-scan-uncorrected",
        "The second scan is not corrected for attenuation.",
        "A case of the first scan, and exit code 1: the kinetics lack a scan.",
        lambda folder: _later(folder, CorrectedImage=["DECY"]), _lacking("PET96", "attenuation"), commands=ONLY_IMPORT,
    ),
    trap(
        "dynamic-series",
        "A dynamic series of another time holds three frames in time at each place.",
        "It is left out by name, and exit code 1: the kinetics could have a scan more.",
        _dynamic, _lacking("A_DYN", "3 images lie at each place"), commands=ONLY_IMPORT,
    ),
    trap(
        "spect-of-modality-nm",
        "The scan is a SPECT of modality NM.",
        "Refusal that says what to export.",
        _spect, Right(refused=True, says=("NM (SPECT) is not read: export it as PET (BQML) or as NIfTI",)),
        commands=ONLY_IMPORT, source="report",
    ),
    trap(
        "second-scan-of-another-patient",
        "The second scan has another PatientID.",
        "Refusal that counts the files of each, and names nobody.",
        lambda folder: _other_patient(folder, PatientID="X2"),
        Right(refused=True, says=("by PatientID", "20 files in PET96"), unsaid=("X2",)),
        commands=ONLY_IMPORT,
    ),
    trap(
        "pile-of-two-names-without-an-id",
        "No file has a PatientID, and the second scan has another name.",
        "Refusal: the files are of two patients.",
        lambda folder: bare_patient(
            folder,
            **{part: {"PatientID": ""} for part in ("pet24", "ct")},
            pet96={"PatientID": "", "PatientName": "Other^Y"},
            structures={"change": lambda data: setattr(data, "PatientID", "")},
        ),
        Right(refused=True, says=("2 patients by PatientName",), unsaid=("Other",)), commands=ONLY_IMPORT,
    ),
    trap(
        "pile-of-one-patient-under-two-ids", "The second scan has another PatientID, and the user says that it is one.",
        "Imported and read.", lambda folder: _other_patient(folder, PatientID="X2"), BOTH,
        commands=("import . -o case.yaml --same-patient", "check case.yaml"),
    ),
    trap(
        "pile-with-structures-without-an-id",
        "The RTSTRUCT has an empty PatientID.",
        "An empty PatientID is no other patient.",
        lambda folder: bare_patient(folder, structures={"change": lambda data: setattr(data, "PatientID", "")}),
        BOTH, source="report",
    ),
    trap(
        "structures-drawn-on-an-mr",
        "One RTSTRUCT was drawn on an MR; the other one was drawn on the PET, but its structures name the MR's frame.",
        "The one drawn on the PET is taken.",
        _stale_structures, Right(says=("(L1) -> baseline",)), commands=ONLY_IMPORT, source="report",
    ),
)  # fmt: skip
