"""Dates that were removed, or are those of another step than the scan."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

from pydicom.dataset import Dataset

from .patient import HALF_LIFE_F18_S, LESION_BQ_ML, LESION_ML, at, write_patient
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}}
_REMOVED = Right(refused=True, hours=(24.0, 96.0), says=("in place of dates that were removed", "after: 24 h"))


def _one_date(folder: Path, day: str, born: str = "", after: bool = False) -> None:
    """Every date of the scans is one; the times of day are left."""

    def change(clock: str):  # type: ignore[no-untyped-def]
        def changed(data: Dataset, number: int) -> None:
            data.StudyDate = data.SeriesDate = data.AcquisitionDate = day
            data.SeriesTime = data.AcquisitionTime = clock
            data.PatientBirthDate = born
            item = data.RadiopharmaceuticalInformationSequence[0]
            item.RadiopharmaceuticalStartDateTime = day + "090000"

        return changed

    case = {"after": ("24 h", "96 h")} if after else {}
    write_patient(folder, {"change": change("100000")}, {"change": change("133000")}, case=case)


def _fdg_without_dates(folder: Path) -> None:
    """18F an hour after its administration, with one date everywhere."""

    def change(data: Dataset, number: int) -> None:
        data.StudyDate = data.SeriesDate = data.AcquisitionDate = "19000101"
        item = data.RadiopharmaceuticalInformationSequence[0]
        item.RadiopharmaceuticalStartDateTime, item.RadionuclideHalfLife = "19000101090000", HALF_LIFE_F18_S
        item.Radiopharmaceutical, item.RadionuclidePositronFraction = "FDG", 0.967
        code = item.RadionuclideCodeSequence[0]
        code.CodeValue, code.CodeMeaning = "C-111A1", "^18^Fluorine"

    write_patient(folder, {"start": at(1.0), "change": change})
    case = (folder / "case.yaml").read_text().replace("nuclide: I-124", "nuclide: F-18")
    lines = [line for line in case.splitlines() if "PET96" not in line]
    (folder / "case.yaml").write_text("\n".join(lines) + "\n")


def _made_later(folder: Path, hours: float, after: bool = False) -> None:
    """A series that was made some hours after the scan, whose acquisition has a time of day alone."""

    def change(data: Dataset, number: int) -> None:
        made = at(24.0) + timedelta(hours=hours)
        data.SeriesDate, data.SeriesTime = made.strftime("%Y%m%d"), made.strftime("%H%M%S")
        del data.AcquisitionDate

    write_patient(folder, {"change": change}, case={"after": ("24 h",)} if after else {})


TRAPS: tuple[Trap, ...] = (
    Trap(
        "every-date-is-the-first-of-january-1900",
        "De-identification wrote 1900-01-01 for every date; the times of day would put the scans at 1 h and 4.5 h.",
        "Refused, asking for the times after the administration.",
        partial(_one_date, day="19000101"),
        _REMOVED,
        source="report",
    ),
    Trap(
        "every-date-is-the-first-of-january-1970",
        "De-identification wrote 1970-01-01 for every date.",
        "Refused, asking for the times after the administration.",
        partial(_one_date, day="19700101"),
        _REMOVED,
    ),
    Trap(
        "every-date-is-the-date-of-birth",
        "De-identification wrote one date everywhere, the date of birth too.",
        "Refused, asking for the times after the administration.",
        partial(_one_date, day="19111111", born="19111111"),
        _REMOVED,
    ),
    Trap(
        "dates-removed-and-times-in-the-case",
        "De-identification wrote 1900-01-01 for every date, and the case states the times.",
        "24 h and 96 h.",
        partial(_one_date, day="19000101", after=True),
        Right(hours=(24.0, 96.0), lesions=_LESION, unsaid=("the header's times say",)),
    ),
    Trap(
        "dates-removed-from-a-scan-of-18f",
        "De-identification wrote 1900-01-01 for every date of a scan of 18F.",
        "1 h: it was scanned on the day of its administration.",
        _fdg_without_dates,
        Right(hours=(1.0,), lesions=_LESION),
    ),
    Trap(
        "made-on-the-next-day",
        "A series was made on the day after the scan; the acquisition has a time of day alone.",
        "Refused, naming both days.",
        partial(_made_later, hours=25.0),
        Right(refused=True, hours=(24.0, 96.0), says=("by the study at 2026-01-06 09:00", "after: 24 h")),
        source="report",
    ),
    Trap(
        "made-on-the-next-day-and-times-in-the-case",
        "A series was made on the day after the scan; the acquisition has a time of day alone, the case says 24 h.",
        "24 h.",
        partial(_made_later, hours=25.0, after=True),
        Right(hours=(24.0, 96.0), lesions=_LESION),
    ),
    Trap(
        "made-in-the-evening-of-the-scan",
        "A series was made eight hours after the scan; the acquisition has a time of day alone.",
        "24 h: series and study agree on the day.",
        partial(_made_later, hours=8.0),
        Right(hours=(24.0, 96.0), lesions=_LESION),
    ),
    Trap(
        "ct-of-another-year",
        "The CT was made 400 days after the administration.",
        "Read, and said.",
        lambda folder: write_patient(folder, ct={"when": at(400.0 * 24.0)}),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("396 days after the nearest PET",)),
        source="report",
    ),
    Trap(
        "one-ct-for-the-scans-of-two-days",
        "The CT of the first scan serves both, three days apart.",
        "Read; it was made with one of them.",
        lambda folder: write_patient(folder),
        Right(hours=(24.0, 96.0), lesions=_LESION, unsaid=("the CT was made on",)),
    ),
)
