"""Piles that lack a usable scan, hold several patients, or structures of other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .choice import BOTH, ONLY_IMPORT, bare_patient, trap
from .patient import HALF_LIFE_F18_S, at, box_contours, ct_truth, pet_truth, write_ct, write_pet, write_structures
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


#: A second lesion of 2.048 mL, left of the first, and one that is drawn larger than the first.
_LEFT = ((-24.0, -8.0), (-8.0, 8.0), (36.0, 44.0))


def _later_structures(folder: Path, *names: str, first: tuple[str, ...] = ("L1",), **more: Any) -> None:
    """The RTSTRUCT of 15:00 and one of two hours later; L1 is the lesion, any other name the box left of it."""

    def drawn(which: tuple[str, ...]) -> list[tuple[str, Any]]:
        return [(name, box_contours() if name == "L1" else box_contours(_LEFT)) for name in which]

    def change(data: Dataset) -> None:
        data.StructureSetTime = "170000"

    bare_patient(folder, structures={"structures": drawn(first)})
    write_structures(folder / "RS" / "later.dcm", drawn(names), change, **more)


def _of_each_scan(folder: Path) -> None:
    """A CT and an RTSTRUCT for each scan; that of the second scan is newer, and its outline another one."""

    def change(data: Dataset) -> None:
        data.StructureSetDate = "20260109"

    bare_patient(folder)
    write_ct(folder / "CT96", ct_truth(), at(96.0))
    write_structures(folder / "RS" / "a96.dcm", [("L1", box_contours(((8, 24), (-8, 8), (32, 40))))], change, on="CT96")


def _copied_structures(folder: Path) -> None:
    bare_patient(folder)
    (folder / "backup").mkdir()
    (folder / "backup" / "rs.dcm").write_bytes((folder / "RS" / "rs.dcm").read_bytes())


def _same_time_and_name(folder: Path) -> None:
    bare_patient(folder)
    write_structures(folder / "RS2" / "rs.dcm", [("L1", box_contours(((8, 24), (-8, 8), (32, 40))))])


def _other_study(folder: Path, contours: bool = False, apart: bool = True) -> None:
    """An 18F PET/CT of three days before, in a frame of its own or on the CT of the others, perhaps with contours."""
    where = {"FrameOfReferenceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3.5"} if apart else {}
    fluorine = {
        "RadionuclideHalfLife": HALF_LIFE_F18_S,
        "RadionuclideTotalDose": 3e8,
        "Radiopharmaceutical": "FDG",
        "change": _fluorine,
    }
    bare_patient(folder)
    given = at(-73.0)
    write_pet(folder / "FDG", pet_truth(0.1), at(-72.0), given, **fluorine, **where)
    if apart:
        write_ct(folder / "CTF", ct_truth(), at(-72.0), **where)
    if contours:
        write_structures(folder / "RSF" / "rs.dcm", on="CTF", frame="1.2.3.4")


def _fluorine(data: Dataset, number: int) -> None:
    code = data.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence[0]
    code.CodeValue, code.CodeMeaning = "C-111A1", "^18^Fluorine"


def _follow_up(folder: Path) -> None:
    """A second administration after six weeks, with a scan and no contours."""
    where = {"FrameOfReferenceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3.5"}
    bare_patient(folder)
    write_pet(folder / "F24", pet_truth(0.2), at(1032.0), at(1008.0), **where)
    write_ct(folder / "CT_F", ct_truth(), at(1032.0), **where)


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
        "study-of-another-tracer-without-contours", "An FDG PET/CT without contours lies beside the patient's study.",
        "It is left out with its reason, and exit code 1; the patient's study is a case.",
        _other_study, Right(says=("left out: a visit of 1 scan (FDG,", "F-18)"), exits=(1,)), commands=ONLY_IMPORT,
        source="report",
    ),
    trap(
        "study-of-another-tracer-with-contours", "An FDG PET/CT with contours lies beside the patient's study.",
        "Asked which tracer.", lambda folder: _other_study(folder, True),
        Right(refused=True, says=("F-18: FDG; I-124: PET24, PET96", "--tracer F-18 or --tracer I-124")),
        commands=ONLY_IMPORT,
    ),
    trap(
        "scan-of-another-tracer-on-the-same-ct", "An FDG PET has the frame and the CT of the patient's study.",
        "Asked which tracer: the contours on the CT belong to both.", lambda folder: _other_study(folder, apart=False),
        Right(refused=True, says=("F-18: FDG; I-124: PET24, PET96", "--tracer I-124")), commands=ONLY_IMPORT,
    ),
    trap(
        "tracer-asked-for", "As before, and the user names the tracer.", "The scans of that tracer are taken.",
        lambda folder: _other_study(folder, apart=False), BOTH,
        commands=("import . -o case.yaml --tracer I-124", "check case.yaml"),
    ),
    trap(
        "follow-up-without-contours", "A scan of a second administration, six weeks later, has no contours.",
        "A case of the first visit, and exit code 1: the visit that is left out is named.",
        _follow_up, Right(says=("left out: a visit of 1 scan (F24,", "-> baseline"), exits=(1,)),
        commands=ONLY_IMPORT, source="report",
    ),
    trap(
        "structures-of-two-times-and-other-names", "Two RTSTRUCTs of one CT hold a lesion each, one two hours later.",
        "Both lesions are there.", lambda folder: _later_structures(folder, "L2"),
        Right(hours=(24.0, 96.0), lesions={"L1": {"volume_ml": 4.096}, "L2": {"volume_ml": 2.048}}), source="report",
    ),
    trap(
        "structures-revised", "A newer RTSTRUCT of the same CT holds the lesion of the older one, and another.",
        "The newer one is taken.", lambda folder: _later_structures(folder, "L1", "L2"),
        Right(hours=(24.0, 96.0), lesions={"L1": {"volume_ml": 4.096}, "L2": {"volume_ml": 2.048}}),
    ),
    trap(
        "structures-revised-without-a-lesion", "A newer RTSTRUCT of the same CT lacks a lesion that the older one has.",
        "The newer one is taken, and exit code 1: the lesion that is left out is named.",
        lambda folder: _later_structures(folder, "L1", first=("L1", "L2")),
        Right(says=("left out: RTSTRUCT rs.dcm with L2, which no file used holds",), exits=(1,)), commands=ONLY_IMPORT,
    ),
    trap(
        "lesion-drawn-on-the-second-pet-alone",
        "An RTSTRUCT was drawn on the CT, and one on the second PET holds another lesion.",
        "The first is taken, and exit code 1: the lesion that is left out is named.",
        lambda folder: _later_structures(folder, "L2", on="PET96"),
        Right(says=("left out: RTSTRUCT later.dcm with L2",), exits=(1,)), commands=ONLY_IMPORT,
    ),
    trap(
        "structures-of-each-scan", "Each scan has a CT of its own and an RTSTRUCT on it, with the same names.",
        "The one of the first scan is taken: kinetics are registered to it.", _of_each_scan,
        Right(hours=(24.0, 96.0), lesions={"L1": {"volume_ml": 4.096}}), source="report",
    ),
    trap(
        "structures-copied", "A folder holds a copy of the RTSTRUCT.", "It is read once.", _copied_structures, BOTH,
    ),
    trap(
        "structures-of-one-name-and-minute", "Two RTSTRUCTs of one name and minute outline a lesion differently.",
        "Asked which one to take, by words that tell them apart.", _same_time_and_name,
        Right(refused=True, says=("RS/rs.dcm and RS2/rs.dcm both hold", "--take RS/rs.dcm or --take RS2/rs.dcm")),
        commands=ONLY_IMPORT, source="report",
    ),
    trap(
        "structures-of-one-name-asked-for", "As before, and the user takes one by its folder and name.",
        "That one is read.", _same_time_and_name, BOTH,
        commands=("import . -o case.yaml --take RS/rs.dcm", "check case.yaml"),
    ),
    trap(
        "structures-drawn-on-an-mr",
        "One RTSTRUCT was drawn on an MR; the other one was drawn on the PET, but its structures name the MR's frame.",
        "The one drawn on the PET is taken.",
        _stale_structures, Right(says=("(L1) -> baseline",)), commands=ONLY_IMPORT, source="report",
    ),
)  # fmt: skip
