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


def _without_id(folder: Path) -> None:
    def change(data: Any) -> None:
        data.PatientID = ""

    write_patient(folder, structures={"change": change})


TRAPS: tuple[Trap, ...] = (
    Trap(
        "one-name-written-in-three-ways",
        "CT, PET and contours carry the patient's name in capitals, in small letters and with empty components.",
        "One patient: read.",
        _written_differently,
        _PLAIN,
    ),
    Trap(
        "structures-without-a-patient-id",
        "The contouring system wrote an empty PatientID.",
        "Nothing contradicts that they are this patient's: read.",
        _without_id,
        _PLAIN,
    ),
)
