"""Files of another patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .patient import write_patient
from .trap import Right, Trap

_PLAIN = Right(hours=(24.0, 96.0), lesions={"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}})


def _written_differently(folder: Path) -> None:
    """The name of one person as three systems write it."""
    names = {"ct": "TEST^X^^", "pet96": "test^x"}
    write_patient(folder, **{part: {"PatientName": name} for part, name in names.items()})


def _umlauts(folder: Path, number: str = "X1") -> None:
    """The name of one person with umlauts, and as systems write it that have none."""

    def change(data: Any) -> None:
        data.PatientID, data.PatientName = number, "MUELLER^JUERG"

    letters = {"PatientID": number, "SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Jürg"}
    plain = {"PatientID": number, "PatientName": "MUELLER^JUERG"}
    write_patient(folder, ct=letters, pet24=letters, pet96=plain, structures={"change": change})


def _misspelled(folder: Path) -> None:
    def change(data: Any) -> None:
        data.PatientName = "Schmidt^Eva"

    right = {"PatientName": "Schmidt^Eva"}
    write_patient(folder, ct=right, pet24=right, pet96={"PatientName": "SCHMITT"}, structures={"change": change})


def _without_id(folder: Path) -> None:
    def change(data: Any) -> None:
        data.PatientID = ""

    write_patient(folder, structures={"change": change})


#: Somebody else, as headers name the person.
_OTHER = {"PatientID": "Y2", "PatientName": "Other^Y"}
#: The same without an ID.
_NAMED = {"PatientID": "", "PatientName": "Other^Y"}


def _others_structures(folder: Path) -> None:
    def change(data: Any) -> None:
        data.PatientID, data.PatientName = _OTHER.values()

    write_patient(folder, structures={"change": change})


def _names_without_ids(folder: Path) -> None:
    write_patient(folder, pet24={"PatientID": ""}, pet96=_NAMED)


def _stated_the_same(folder: Path) -> None:
    write_patient(folder, pet96=_OTHER, case={"more": "same_patient: true\n"})


TRAPS: tuple[Trap, ...] = (
    Trap(
        "one-name-written-in-three-ways",
        "CT, PET and contours carry the patient's name in capitals, in small letters and with empty components.",
        "One patient: read.",
        _written_differently,
        _PLAIN,
    ),
    Trap(
        "one-name-with-and-without-umlauts",
        "One system writes the umlauts of the patient's name, another one writes ae, oe and ue; the PatientID is one.",
        "One patient: read.",
        _umlauts,
        _PLAIN,
        source="report",
    ),
    Trap(
        "one-name-with-and-without-umlauts-and-no-id",
        "As before, without a PatientID.",
        "One patient: read.",
        lambda folder: _umlauts(folder, ""),
        _PLAIN,
    ),
    Trap(
        "one-name-misspelled",
        "Under one PatientID the name is misspelled in one scan, and the first name is left out.",
        "One patient: read.",
        _misspelled,
        _PLAIN,
    ),
    Trap(
        "one-id-of-two-names",
        "Two hospitals gave the same PatientID to two patients, whose names have nothing in common.",
        "A refusal: an ID alone does not make two people one.",
        lambda folder: write_patient(folder, pet96={"PatientName": "Kowalski^Jan"}),
        Right(refused=True, says=("2 patients by PatientName",), unsaid=("Kowalski",)),
    ),
    Trap(
        "structures-without-a-patient-id",
        "The contouring system wrote an empty PatientID.",
        "Nothing contradicts that they are this patient's: read.",
        _without_id,
        _PLAIN,
    ),
    Trap(
        "later-scan-of-another-patient",
        "The scan at 96 h is another patient's: its PatientID differs.",
        "A refusal that names the element and the files.",
        lambda folder: write_patient(folder, pet96=_OTHER),
        Right(refused=True, says=("2 patients by PatientID", "PET96", "same_patient: true")),
    ),
    Trap(
        "ct-of-another-patient",
        "The CT is another patient's.",
        "A refusal that names the element and the files.",
        lambda folder: write_patient(folder, ct=_OTHER),
        Right(refused=True, says=("2 patients by PatientID",)),
    ),
    Trap(
        "structures-of-another-patient",
        "The RTSTRUCT is another patient's, in the same frame of reference.",
        "A refusal that names the element and the files.",
        _others_structures,
        Right(refused=True, says=("2 patients by PatientID", "rs.dcm")),
    ),
    Trap(
        "two-names-without-an-id",
        "Two scans carry no PatientID and two different names.",
        "A refusal: without an ID the names decide.",
        _names_without_ids,
        Right(refused=True, says=("2 patients by PatientName",)),
    ),
    Trap(
        "studies-de-identified-one-by-one",
        "Each study got an ID of its own when it was de-identified, and the case says that it is one patient.",
        "Read, as the case says.",
        _stated_the_same,
        _PLAIN,
    ),
)
